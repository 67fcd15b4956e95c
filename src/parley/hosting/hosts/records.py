"""What a host keeps on its disk about hosts: who they are (`hosts.json`), and what it is itself (`host-state.json`).

Both are replaced as a whole and are on the disk before a function here returns. The state is written before the gate
is turned, so that a host which is killed at any moment starts again as what it was.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.views import Commits, Fence, Role
from parley.kit.settings import HOST_NAME, Settings

T = TypeVar("T")

HOSTS_FILE = "hosts.json"
STATE_FILE = "host-state.json"


class HostRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One host that belongs to the instance."""

    name: str
    link: str
    """Where its link is reached: `b.example:7443`."""
    key: str
    """SHA-256 of the public key of its certificate, in hexadecimal. Nobody else is taken for it."""
    next_key: str = ""
    """While it changes its key: the one that it will have. Until that is done, both are taken for it."""
    addresses: tuple[str, ...] = ()
    """What the domain points to in DNS when this host serves."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that is taken for it now."""
        return (self.key, self.next_key) if self.next_key else (self.key,)


class PendingHost(msgspec.Struct, frozen=True, kw_only=True):
    """One that was added and has not joined yet."""

    name: str
    link: str
    addresses: tuple[str, ...]
    code_id: str
    code_hash: str
    """SHA-256 of the secret in the join code, in hexadecimal."""
    expires_at: datetime
    tries: int = 0
    used_by: str = ""
    """Public key (SHA-256) of the one that used the code: it alone may ask again."""


class Hosts(msgspec.Struct, frozen=True, kw_only=True):
    """All hosts of the instance, as this one knows them."""

    me: str
    version: int = 0
    """Grows with every change; the higher one is the newer."""
    hosts: tuple[HostRecord, ...] = ()
    pending: tuple[PendingHost, ...] = ()

    def find(self, name: str) -> HostRecord | None:
        """The host of this name, if it belongs to the instance."""
        return next((one for one in self.hosts if one.name == name), None)

    @property
    def others(self) -> tuple[HostRecord, ...]:
        """All but this one."""
        return tuple(one for one in self.hosts if one.name != self.me)


class HostState(msgspec.Struct, frozen=True, kw_only=True):
    """What this host is."""

    role: Role = "primary"
    epoch: int = 0
    """The highest that it has known. 0: not yet read from the database."""
    to: str | None = None
    """Standby: whom it follows. Fenced, away: who is to be the primary."""
    refused_epoch: int = 0
    """It has promised never to take over with this epoch or an older one."""
    next_epoch: int = 0
    """Fenced: the one for which it has stopped writing."""
    token: Fence | None = None
    """Fenced: what it said when it stopped writing."""
    overtaken: bool = False
    """Another host took over without this one's word. PostgreSQL is not started here before what only this host has is
    in a report (see parley.hosting.failover)."""
    commits: Commits = "async"
    degraded_since: datetime | None = None
    """Since when nobody waits for the standby although `commits` is sync."""


def check_name(name: str) -> str:
    """A host's name as it may be; raises HostError."""
    if not HOST_NAME.fullmatch(name):
        raise HostError(
            f"{name!r} cannot be a host's name: give 1 to 30 lowercase letters, digits and hyphens, a letter first."
        )
    return name


def read_hosts(settings: Settings) -> Hosts | None:
    """The hosts that are known here; None on a machine that has never had a second one."""
    return _read(settings.path(HOSTS_FILE), Hosts)


def write_hosts(settings: Settings, hosts: Hosts) -> None:
    """Keep the hosts."""
    write_durably(settings.path(HOSTS_FILE), msgspec.json.format(msgspec.json.encode(hosts)))


def read_state(settings: Settings) -> HostState | None:
    """What this host is; None where it was never said: then it is a primary."""
    return _read(settings.path(STATE_FILE), HostState)


def write_state(settings: Settings, state: HostState) -> None:
    """Keep what this host is."""
    write_durably(settings.path(STATE_FILE), msgspec.json.format(msgspec.json.encode(state)))


def write_durably(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace a file as a whole; when this returns, a loss of power leaves the new one."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        fresh.unlink()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise HostError(f"{path} cannot be read ({error}): put the right one back before you start Parley.") from error
