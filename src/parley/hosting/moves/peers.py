"""What a move asks of a host. The client of `hosting/hosts` is one; so is a host in a test that breaks on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from parley.hosting.holding import Announcement
from parley.hosting.hosts.views import Commits, Fence, HostStatus, Smoke
from parley.hosting.journals import Entry


class Peer(Protocol):
    """One host. Each method may be called again when what it asks for is done already. Raises HostError with the
    host's own sentence, or HostUnreachable, when nobody knows whether it was done."""

    name: str

    async def status(self) -> HostStatus:
        """What it says of itself."""

    async def hold(self, seconds: float) -> None:
        """Let writes wait, so long at most."""

    async def fence(self, epoch: int, to: str, within: float) -> Fence:
        """Stop writing for good, in favour of `to` and the epoch; the signed word of it."""

    async def verify(self, fence: Fence, within: float) -> None:
        """Raise HostError unless everything of the fenced host is here after so many seconds."""

    async def promote(self, fence: Fence | None, epoch: int) -> None:
        """Take over."""

    async def promise(self, epoch: int) -> bool:
        """Never take over with this epoch or an older one. True: it is too late, the host has done so."""

    async def forward(self, to: str) -> None:
        """Hand requests on."""

    async def rejoin(self, to: str) -> None:
        """Become the standby of another host."""

    async def release(self, *, alone: bool = False) -> None:
        """Be the primary again as if nothing had happened. `alone`: also when no other host answers, because none was
        told to take over."""

    async def smoke(self) -> tuple[Smoke, ...]:
        """Pages, asked of its own web."""

    async def set_commits(self, commits: Commits) -> None:
        """Whether writes are acknowledged only once the standby has them."""

    async def journal(self, move_id: str, entries: Sequence[Entry], *, instead: bool = False) -> None:
        """Append to the host's copy of a journal. Raises JournalMoved, JournalError."""

    async def read_journal(self, move_id: str = "") -> tuple[str, tuple[Entry, ...]]:
        """The host's copy, and its name. Without a name the newest; an empty name when there never was one."""

    async def note(self, kind: str, *, ok: bool, seconds: float, detail: dict[str, Any]) -> None:
        """Note in the database what came of a move; the same move twice is noted once."""

    async def announce(self, announcement: Announcement) -> None:
        """Show an announcement; the same one twice is shown once."""
