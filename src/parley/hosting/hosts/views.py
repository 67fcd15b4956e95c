"""What one host knows of itself and of another: plain data that goes over the link as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Role = Literal["primary", "standby", "fenced", "away"]
"""primary: may write. standby: follows another host. fenced: was the primary and has stopped writing for good, unless
it is released. away: another host is the primary, to which requests are handed on."""

Commits = Literal["async", "sync"]
"""sync: a write is acknowledged once the standby has it on disk."""


class Asker(msgspec.Struct, frozen=True):
    """Who asks for an operation: a host, and the hash of the key that it has shown. No name: this machine itself."""

    name: str = ""
    key: str = ""


class MediaStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a standby's files are."""

    position: int
    """Number of the change of the file log up to which everything is here; on the primary: its end."""
    root: str
    """Chain hash of the file log there, in hexadecimal."""
    backlog_files: int = 0
    backlog_bytes: int = 0
    behind_seconds: float = 0.0
    """Age of the oldest file that is missing; 0 when none is."""
    failed: int = 0
    """Files that could not be copied and are tried again."""


class LeaseStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What this host knows of the lease in the third place."""

    holder: str
    epoch: int
    seconds_left: float
    """Until it runs out, as this host measures it; 0 when it has."""
    in_sync: bool = False
    """Whether it says that the standby has everything, so that it may take over without losing anything."""
    reachable: bool = True
    """Whether the third place answered at the last look."""


class PeerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A standby as the primary's PostgreSQL sees it; also one that is known and does not stream."""

    name: str
    streaming: bool
    sync_state: Literal["sync", "async", ""] = ""
    behind_bytes: int | None = None
    behind_seconds: float | None = None
    slot_lost: bool = False
    """It was away for so long that the primary has thrown away what it needs: `parley standby init` again."""


class HostStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a host says of itself, read at the moment it was asked."""

    name: str
    role: Role
    to: str | None = None
    """The host that this one follows, or hands requests on to."""
    epoch: int
    refused_epoch: int = 0
    """With this epoch and older ones the host never takes over."""
    gate: str
    """open, hold, closed or away."""
    now: datetime
    """The host's clock."""
    database_up: bool = True
    """Whether PostgreSQL answers. While it does not, the six that follow are of the control file, or empty."""
    in_recovery: bool = False
    system_id: str = ""
    timeline: int = 0
    lsn: str = ""
    """Primary: flushed. Standby: replayed. Stopped: the last checkpoint."""
    lsn_bytes: int = 0
    streaming: bool = False
    """Primary: at least one standby streams. Standby: it streams."""
    sync_state: Literal["sync", "async", ""] = ""
    behind_bytes: int | None = None
    """Standby: received and not replayed, and written by the primary and not received, as far as it is known."""
    behind_seconds: float | None = None
    standbys: tuple[PeerStatus, ...] = ()
    media: MediaStatus | None = None
    commits: Commits = "async"
    """As wanted. While `degraded_since` is set nobody waits for the standby."""
    degraded_since: datetime | None = None
    schema_version: int = 0
    program: str = ""
    web_ok: bool = False
    lease: LeaseStatus | None = None
    certificate_until: datetime
    free_bytes: int = 0
    """Free on the disk of the data folder."""
    last_drill: datetime | None = None
    last_snapshot: datetime | None = None
    problems: tuple[str, ...] = ()
    """What an operator must look at, one sentence each. Empty: the host is healthy."""


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """The signed word of a host that it has stopped writing, and where exactly."""

    epoch: int
    """The new one, with which the other host will write."""
    from_host: str
    to_host: str
    system_id: str
    timeline: int
    shutdown_lsn: str
    media_root: str
    media_position: int
    signature: str = ""
    """By the instance's key over the canonical JSON of all the others, in hexadecimal."""


class Smoke(msgspec.Struct, frozen=True):
    """One page that was asked for in a smoke test."""

    path: str
    status: int
    """HTTP status; 0 when there was no answer."""
    ms: float
