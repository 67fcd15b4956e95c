"""Filling in the forms of pages as a browser without JavaScript would."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx


@dataclass
class Form:
    """A form of a page: where it goes and what it would send untouched."""

    action: str
    method: str
    multipart: bool
    values: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)
    """Addresses that the form's buttons lead to instead of its own."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._textarea = ""
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(
                at.get("action", ""), at.get("method", "get").lower(), at.get("enctype") == "multipart/form-data"
            )
            self.forms.append(self._form)
        if self._form is None:
            return
        name = at.get("name", "")
        if tag == "input" and name:
            kind = at.get("type", "text")
            if kind in ("checkbox", "radio"):
                if "checked" in at:
                    self._form.values[name] = at.get("value", "on")
            elif kind != "file":
                self._form.values[name] = at.get("value", "")
        elif tag == "textarea":
            self._textarea = name
            self._form.values[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in at or self._select not in self._form.values):
            self._form.values[self._select] = at.get("value", "")
        elif tag == "button" and at.get("formaction"):
            self._form.buttons.append(at["formaction"])

    def handle_data(self, data: str) -> None:
        if self._form is not None and self._textarea:
            self._form.values[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._textarea = ""
        elif tag == "select":
            self._select = ""


def read_forms(html: str) -> list[Form]:
    """Every form of a page."""
    reader = _Reader()
    reader.feed(html)
    return reader.forms


def find_form(html: str, action: str) -> Form:
    """The form that leads to `action`, itself or by one of its buttons."""
    for form in read_forms(html):
        if form.action == action or action in form.buttons:
            return form
    raise AssertionError(f"no form leads to {action}; there are {[form.action for form in read_forms(html)]}")


async def submit(
    browser: httpx.AsyncClient, page: str, action: str, files: dict[str, Any] | None = None, **values: str
) -> httpx.Response:
    """Open `page`, fill in its form for `action` and send it; redirects are followed as a browser does."""
    shown = await browser.get(page, follow_redirects=True)
    assert shown.status_code == 200, f"{page}: {shown.status_code} {shown.text[:300]}"
    return await send(browser, find_form(shown.text, action), action, files, **values)


async def send(
    browser: httpx.AsyncClient, form: Form, action: str, files: dict[str, Any] | None = None, **values: Any
) -> httpx.Response:
    """Send a form that was read before."""
    sent = {**form.values, **values}
    if form.multipart:
        parts = {name: (None, value) for name, value in sent.items()}
        return await browser.post(action, files={**parts, **(files or {})}, follow_redirects=True)
    if form.method == "get":
        return await browser.get(action, params=sent, follow_redirects=True)
    return await browser.post(action, data=sent, follow_redirects=True)


async def sign_in(browser: httpx.AsyncClient, name: str, password: str) -> httpx.AsyncClient:
    """Sign `name` in; the browser keeps the cookie."""
    answer = await submit(browser, "/sign-in", "/sign-in", login=name, password=password)
    assert answer.status_code == 200, answer.text[:500]
    assert str(answer.url.path) == "/", answer.url
    return browser
