"""moto's S3 in a process of its own that answers one write at a time: `python -m tests.failover.third_place HOST PORT`.

moto compares If-Match and writes in two steps, between which another thread may write; S3 documents the two as one
(AmazonS3, "Conditional writes": the first to finish wins, the others are answered with 412). So writes go through a
lock here. It also answers slowly, wrongly or not at all when it is told to: POST /_trouble with JSON.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.hosting.stores import ENVIRONMENT, free_port, make_bucket

BUCKET = "witness"


class ThirdPlace:
    """The running store."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self.process = process

    def witness(self, name: str = "parley/lease.json") -> str:
        """What PARLEY_WITNESS says to use it, with credentials of its own."""
        return f"s3://third:place@{BUCKET}/{name}?endpoint={self.url}&region=us-east-1"

    def trouble(self, **what: Any) -> None:
        """From now on: `delay` seconds before each answer, `late` seconds between a write and its answer, `status` in
        place of an answer, `ignore` conditions; for `methods` only, and only for objects `below` a path such as
        /bucket/prefix/. Without anything: all is well again."""
        request = urllib.request.Request(f"{self.url}/_trouble", data=json.dumps(what).encode(), method="POST")
        urllib.request.urlopen(request, timeout=10).close()


@contextmanager
def third_place(*buckets: str, address: str = "127.0.0.1", prefix: Sequence[str] = ()) -> Iterator[ThirdPlace]:
    """The store with these buckets, and the one of the lease; ends with the block. `prefix` starts it elsewhere."""
    port = free_port()
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "tests.failover.third_place", address, str(port)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **ENVIRONMENT},
    )
    url = f"http://{address}:{port}"
    try:
        for bucket in (BUCKET, *buckets):
            make_bucket(f"{url}/{bucket}")
        yield ThirdPlace(url, process)
    finally:
        process.kill()
        process.wait(10)


def in_order(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """The application with whole writes, and with the trouble that was asked for."""
    lock = threading.Lock()
    trouble: dict[str, Any] = {}

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/_trouble":
            said = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            trouble.clear()
            trouble.update(json.loads(said))
            start("204 No Content", [])
            return [b""]
        meant = environ["REQUEST_METHOD"] in trouble.get("methods", ("GET", "PUT", "DELETE"))
        now = dict(trouble) if meant and environ["PATH_INFO"].startswith(trouble.get("below", "/")) else {}
        time.sleep(now.get("delay", 0))
        if "status" in now:
            start(f"{now['status']} Trouble", [("Content-Type", "application/xml")])
            return [b"<Error><Code>Trouble</Code><Message>as asked for</Message></Error>"]
        if now.get("ignore"):
            environ.pop("HTTP_IF_MATCH", None)
            environ.pop("HTTP_IF_NONE_MATCH", None)
        if environ["REQUEST_METHOD"] == "GET":
            return app(environ, start)
        with lock:
            body = list(app(environ, start))
        time.sleep(now.get("late", 0))
        return body

    return answer


def main() -> None:
    """Serve until killed."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, run_simple

    class Quiet(WSGIRequestHandler):
        def setup(self) -> None:
            super().setup()
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    app = in_order(DomainDispatcherApplication(create_backend_app))
    run_simple(sys.argv[1], int(sys.argv[2]), app, threaded=True, request_handler=Quiet)


if __name__ == "__main__":
    main()
