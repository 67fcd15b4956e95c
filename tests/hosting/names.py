"""A real DNS server (Knot) that takes changes by RFC 2136, for tests."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from parley.hosting.dns import NamesError, ask_server
from tests.hosting.stores import free_port

KNOTD = shutil.which("knotd") or ("/usr/sbin/knotd" if Path("/usr/sbin/knotd").exists() else None)
"""Only root has it in its PATH on some machines."""

ZONE = "example.test"
KEY = "c2VjcmV0LW9mLXRoZS10ZXN0LXNlcnZlci1vZi1wYXJsZXk="

CONFIGURATION = """\
server:
    listen: {address}@{port}
    rundir: {folder}
log:
  - target: stderr
    any: warning
database:
    storage: {folder}
key:
  - id: mover
    algorithm: hmac-sha256
    secret: {key}
acl:
  - id: changes
    key: mover
    action: [update, transfer]
template:
  - id: default
    storage: {folder}
    journal-content: none
zone:
  - domain: {zone}
    file: zone
    acl: changes
    zonefile-sync: 0
"""
CONTENT = """\
@     3600 SOA ns1 admin 1 3600 600 86400 60
@     3600 NS  ns1
ns1   3600 A   127.0.0.1
@     60   A   192.0.2.1
@     60   AAAA 2001:db8::1
other 60   A   192.0.2.9
"""


@contextmanager
def knot_server(
    folder: Path,
    *,
    zone: str = ZONE,
    content: str = CONTENT,
    address: str = "127.0.0.1",
    port: int = 0,
    prefix: Sequence[str] = (),
) -> Iterator[str]:
    """A server that is responsible for `zone`; yields what PARLEY_DNS would be. Skips where Knot is not installed.

    `prefix` starts it elsewhere, such as in a network namespace. Without `port` it takes a free one.
    """
    if KNOTD is None:
        pytest.skip("Knot DNS is not installed: sudo apt-get install knot")
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "zone").write_text(content)
    written = CONFIGURATION.format(address=address, port=port, folder=folder, key=KEY, zone=zone)
    (folder / "knot.conf").write_text(written)
    log = (folder / "log").open("wb")
    process = subprocess.Popen([*prefix, KNOTD, "-c", str(folder / "knot.conf")], stdout=log, stderr=log)
    try:
        _wait(zone, address, port, folder)
        yield f"rfc2136://mover:{KEY}@{address}:{port}/{zone}"
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def _wait(zone: str, address: str, port: int, folder: Path) -> None:
    import asyncio

    deadline = time.monotonic() + 20
    while True:
        try:
            asyncio.run(ask_server(zone, address, port))
            return
        except NamesError as error:
            if time.monotonic() > deadline:
                raise AssertionError(f"Knot does not start: {error}\n{(folder / 'log').read_text()}") from error
            time.sleep(0.05)
