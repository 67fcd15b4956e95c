"""An S3-compatible store in a process of its own, for tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def s3_server(*buckets: str, address: str = "127.0.0.1", prefix: Sequence[str] = ()) -> Iterator[str]:
    """moto's server with these buckets; yields its URL. Ends with the block. `prefix` starts it elsewhere."""
    port = free_port()
    url = f"http://{address}:{port}"
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "moto.server", "-H", address, "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **ENVIRONMENT},
    )
    try:
        for bucket in buckets:
            make_bucket(f"{url}/{bucket}")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def make_bucket(url: str) -> None:
    """Make the bucket with this URL, as soon as the store answers."""
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
