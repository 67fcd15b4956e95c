"""The browser's part of letting an app in: the forms of the pages, filled in and sent as a browser without
JavaScript would."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from tests.live import PASSWORD


@dataclass
class Form:
    """A form of a page: where it goes and what it holds."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.code = ""
        self._in_code = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(values.get("action", "")))
        elif tag == "input" and self.forms and values.get("name"):
            self.forms[-1].fields[values["name"]] = values.get("value", "")
        elif values.get("id") == "authorization-code":
            self._in_code = True

    def handle_endtag(self, tag: str) -> None:
        self._in_code = False

    def handle_data(self, data: str) -> None:
        if self._in_code:
            self.code += data


def _read(page: httpx.Response) -> _Reader:
    reader = _Reader()
    reader.feed(page.text)
    return reader


def _send(client: httpx.Client, page: httpx.Response, action: str, **fields: str) -> httpx.Response:
    form = next(form for form in _read(page).forms if urlsplit(form.action).path == action)
    address = urljoin(str(page.url), form.action)
    origin = f"{page.url.scheme}://{page.url.netloc.decode()}"
    return client.post(address, data={**form.fields, **fields}, headers={"Origin": origin, "Referer": str(page.url)})


def let_app_in(url: str, username: str) -> tuple[str, str]:
    """Open `url` (the app's authorization request), sign in, and allow.

    Returns the code, and the address that the browser was sent back to (empty: the code was shown for copying).
    """
    with httpx.Client(follow_redirects=True, timeout=30) as client:
        page = client.get(url)
        assert page.status_code == 200, page.text
        assert "password" in page.text
        consent = _send(client, page, "/sign-in", login=username, password=PASSWORD)
        assert consent.status_code == 200, consent.text
        assert f"@{username}" in consent.text
        client.follow_redirects = False
        answer = _send(client, consent, "/oauth/authorize", decision="allow")
        if answer.status_code == 200:
            return _read(answer).code.strip(), ""
        assert answer.status_code in (302, 303), answer.text
        there = answer.headers["location"]
        return parse_qs(urlsplit(there).query)["code"][0], there
