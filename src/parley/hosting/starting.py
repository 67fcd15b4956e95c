"""What answers while an instance starts: the holding page, with 503, on the port that the instance will have."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from parley.hosting.holding import Announcement, current_status, page_policy, render_page
from parley.kit.clock import now
from parley.kit.settings import Settings

RETRY_SECONDS = 5


@contextmanager
def answering_meanwhile(settings: Settings) -> Iterator[None]:
    """Answer every request with the holding page as long as the block runs. Who cannot have the port has no page."""
    try:
        server = ThreadingHTTPServer((settings.host, settings.port), _handler_of(_page(settings)))
    except OSError:
        yield  # the server itself will say what is wrong
        return
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _page(settings: Settings) -> bytes:
    status = current_status(settings)
    if not status.announcements or status.state == "operational":
        starting = Announcement(id="starting", at=now(), state="maintenance", title="We are starting. One moment.")
        status = status.with_newest(starting)
    return render_page(status, base_url=settings.base_url, refresh_seconds=RETRY_SECONDS).encode()


def _handler_of(page: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Says the same to everybody."""

        server_version = "Parley"
        sys_version = ""

        def do_GET(self) -> None:
            self._answer(page)

        def do_HEAD(self) -> None:
            self._answer(b"")

        do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

        def _answer(self, body: bytes) -> None:
            self.send_response(HTTPStatus.SERVICE_UNAVAILABLE)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.send_header("Content-Security-Policy", page_policy())
            self.send_header("Retry-After", str(RETRY_SECONDS))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Not logged."""

    return Handler
