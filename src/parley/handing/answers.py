"""What is answered when nobody can take a request now: a sentence for programs, the holding page for people."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from parley.hosting.holding import Announcement, State, current_status, page_policy, render_page
from parley.kit.clock import now
from parley.kit.errors import Unavailable
from parley.kit.gate import GateClosed, GateHeld
from parley.kit.settings import Settings

KEPT_SECONDS = 2.0
"""So long the page is used again: it is asked for most when there is the least time for it."""


GIVEN_BACK = (b"x-parley-handed", b"back")
"""Header by which a host gives back what was handed to it: it did nothing of it, and does not serve (any more)."""

MISDIRECTED = 421
"""Misdirected Request: not to be answered here (RFC 9110, 15.5.20)."""


async def give_back(send: Any) -> None:
    """Answer the host that handed a request on here: take it yourself, or ask who serves now."""
    headers = [GIVEN_BACK, (b"content-length", b"0"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": MISDIRECTED, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


class Refusals:
    """Answers 503 with Retry-After, and nothing else."""

    def __init__(self, settings: Settings, machine_paths: tuple[str, ...]) -> None:
        self._settings = settings
        self._machine_paths = machine_paths
        self._pages: dict[str, tuple[float, bytes]] = {}

    async def refuse(self, scope: Any, send: Any, error: Unavailable) -> None:
        """Answer a request that was not done, or of which nobody knows whether it was."""
        if scope["path"].startswith(self._machine_paths):
            body = msgspec.json.encode({"error": error.text})
            headers = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")]
        else:
            body = self._holding_page(error)
            headers = [
                (b"content-type", b"text/html; charset=utf-8"),
                (b"content-security-policy", page_policy().encode()),
            ]
        headers += [
            (b"retry-after", str(error.retry_after).encode()),
            (b"cache-control", b"no-store"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        shown = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": shown, "more_body": False})

    def _holding_page(self, error: Unavailable) -> bytes:
        """The page with the sentence of the error; what the people of the instance say about a closed gate themselves
        goes before it."""
        until, page = self._pages.get(error.text, (0.0, b""))
        if until < time.monotonic():
            status = current_status(self._settings)
            is_told = status.announcements and status.state != "operational"
            if not (is_told and isinstance(error, GateClosed)):
                state: State = "moving" if isinstance(error, GateHeld) else "degraded"
                status = status.with_newest(Announcement(id="now", at=now(), state=state, title=error.text))
            page = render_page(status, base_url=self._settings.base_url, refresh_seconds=5).encode()
            self._pages[error.text] = (time.monotonic() + KEPT_SECONDS, page)
        return page
