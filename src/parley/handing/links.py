"""Where the other host is, and a connection to its web port. The only file here that knows the link itself."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from parley.hosting.hosts.certificates import HOST_CERTIFICATE, client_context, internal_name
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.records import HOSTS_FILE, STATE_FILE, HostRecord, read_hosts, read_state
from parley.kit.settings import Settings

ALPN = "parley-web"
LEFT_ALONE_SECONDS = 0.5
"""So long a host that was not reached is not tried again: the others need not wait for the same."""

GONE_SECONDS = 3.0
"""A host that was not reached for so long is not waited for."""

MOST_DIALLING = 6
"""Connections that this process opens at once: the other host takes few handshakes at a time of one address."""


@dataclass(frozen=True)
class Stream:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass(frozen=True)
class Peer:
    """The host that requests are handed on to. `link` is `host:port`."""

    name: str
    link: str


class Directory:
    """Who the other host is, read again whenever the files change."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._files = (settings.path(HOSTS_FILE), settings.path(STATE_FILE))
        self._seen: tuple[int, ...] = ()
        self._peer: Peer | None = None

    def peer(self) -> Peer | None:
        """The host that this one follows, or has handed the instance to; None when there is none."""
        seen = tuple(_changed_at(path) for path in self._files)
        if seen != self._seen:
            self._peer, self._seen = find_peer(self._settings), seen
        return self._peer


def find_peer(settings: Settings) -> Peer | None:
    """The same, from the files as they are now."""
    try:
        hosts, state = read_hosts(settings), read_state(settings)
    except HostError:
        return None
    record = hosts.find(state.to) if hosts is not None and state is not None and state.to else None
    if hosts is None or record is None or record.name == hosts.me:
        return None
    return Peer(record.name, record.link)


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


_left_alone: dict[str, float] = {}
_missing_since: dict[str, float] = {}
_dialling = asyncio.Semaphore(MOST_DIALLING)
_contexts: dict[str, tuple[tuple[object, ...], ssl.SSLContext]] = {}
"""By the name of the host: the one that is used, and for which keys of both hosts it is."""


async def _context_for(settings: Settings, record: HostRecord) -> ssl.SSLContext:
    known = (record.keys, _changed_at(settings.path(HOST_CERTIFICATE)), settings.path())
    found, context = _contexts.get(record.name, ((), None))
    if context is None or found != known:
        context = await asyncio.to_thread(client_context, settings, record.keys, ALPN)
        _contexts[record.name] = (known, context)
    return context


def is_gone(name: str) -> bool:
    """Whether a host was not reached for a while, so that nobody need wait for it."""
    since = _missing_since.get(name)
    return since is not None and time.monotonic() - since > GONE_SECONDS


async def open_peer(settings: Settings, name: str, seconds: float) -> Stream:
    """A connection to the web port of the host `name`. Raises OSError when it cannot be reached in time."""
    if _left_alone.get(name, 0.0) > time.monotonic():
        raise ConnectionError(f"{name} was not reached a moment ago")
    hosts = read_hosts(settings)
    record = hosts.find(name) if hosts is not None else None
    if record is None:
        raise ConnectionError(f"{name} is not a host of this instance")
    host, _, port = record.link.rpartition(":")
    try:
        async with asyncio.timeout(seconds), _dialling:
            context = await _context_for(settings, record)
            reader, writer = await asyncio.open_connection(
                host.strip("[]"), int(port), ssl=context, server_hostname=internal_name(name)
            )
            _missing_since.pop(name, None)
            return Stream(reader, writer)
    except (TimeoutError, OSError, ssl.SSLError, HostError) as error:
        _left_alone[name] = time.monotonic() + LEFT_ALONE_SECONDS
        _missing_since.setdefault(name, time.monotonic())
        raise ConnectionError(f"{name} was not reached: {error or type(error).__name__}") from error
