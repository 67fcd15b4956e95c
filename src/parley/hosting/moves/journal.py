"""The journal of a move as the command that carries it on sees it: written down on one host before anything is done,
and on the other beside it.

One host keeps it: the old one until the new one has taken over, then the new one. What it does not take is not done;
so two commands, on two hosts, never both carry on. The copy on the other host may come a moment later: while members
wait nothing waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.journals import Entry, JournalError, JournalMoved, check_entries, make_entry
from parley.hosting.moves.peers import Peer
from parley.hosting.moves.states import Standing, follow, standing_of
from parley.kit.clock import now
from parley.kit.settings import Settings

Fact = tuple[str, str, dict[str, Any]]
"""Kind, step and detail of an entry that is still to be made."""

AGAIN_SECONDS = 0.1


class Journal:
    """The journal of one move, and the two hosts that keep it."""

    def __init__(self, settings: Settings, name: str, by: str, source: Peer, target: Peer) -> None:
        self._settings = settings
        self.name = name
        self._by = by
        self._peers = {"source": source, "target": target}
        self.entries: list[Entry] = []
        self._standing: Standing | None = None
        self._known = {"source": 0, "target": 0}
        self._locks = {"source": asyncio.Lock(), "target": asyncio.Lock()}
        self._copying: set[asyncio.Task[None]] = set()
        self._not_copied: JournalError | None = None

    @property
    def standing(self) -> Standing:
        """Where the move stands."""
        if self._standing is None:
            raise JournalError("This move was not opened yet.")
        return self._standing

    @property
    def is_on_both(self) -> bool:
        """Whether both hosts have all of it."""
        return all(known == len(self.entries) for known in self._known.values())

    def take(self, entries: Sequence[Entry]) -> None:
        """Go on with what was read from a host."""
        check_entries(self._settings, self.name, entries)
        self.entries = list(entries)
        self._standing = standing_of(entries)
        self._known = {"source": 0, "target": 0}

    def preview(self, facts: Sequence[Fact]) -> Standing:
        """Where the move will stand when these are written, too."""
        standing = self.standing
        for kind, step, detail in facts:
            bare = Entry(seq=len(self.entries), at=now(), kind=kind, step=step, detail=detail, by=self._by, before="")
            standing = follow(standing, bare)
        return standing

    async def add(self, *facts: Fact, within: float = 10.0) -> Standing:
        """Write entries, in this order and at once; when this returns they are on the disk of the host that keeps the
        journal. Raises JournalMoved when somebody else has carried it on, HostUnreachable when the keeper is away."""
        if self._not_copied:
            raise self._not_copied
        made, last, standing = [], self.entries[-1] if self.entries else None, self._standing
        for kind, step, detail in facts:
            last = make_entry(self._settings, self.name, last, kind, by=self._by, step=step, detail=detail)
            standing = standing_of([last]) if standing is None else follow(standing, last)
            made.append(last)
        if standing is None or not made:
            return self.standing
        keeper, other = ("target", "source") if standing.is_promoted else ("source", "target")
        self.entries += made
        try:
            await self._send(keeper, instead=standing.is_promoted, within=within)
        except BaseException:
            del self.entries[-len(made) :]
            raise
        self._standing = standing
        task = asyncio.create_task(self._copy(other, instead=standing.is_promoted))
        self._copying.add(task)
        task.add_done_callback(self._copying.discard)
        return standing

    async def _send(self, side: str, *, instead: bool, within: float) -> None:
        """Bring one host's copy up to date; insists for so many seconds on a host that does not answer."""
        until = asyncio.get_running_loop().time() + within
        async with self._locks[side]:
            count = len(self.entries)
            while self._known[side] < count:
                since = 0 if instead and not self._known[side] else self._known[side]
                try:
                    await self._peers[side].journal(self.name, self.entries[since:count], instead=instead and not since)
                except HostUnreachable:
                    if asyncio.get_running_loop().time() > until:
                        raise
                    await asyncio.sleep(AGAIN_SECONDS)
                else:
                    self._known[side] = count

    async def _copy(self, side: str, *, instead: bool) -> None:
        """The other host's copy. One that is away gets it when it is back, by the next command."""
        try:
            await self._send(side, instead=instead, within=2.0)
        except JournalMoved as moved:
            self._not_copied = moved
        except (HostError, JournalError):
            return

    async def catch_up(self, within: float = 3.0) -> None:
        """Wait until both hosts have all that was written, or one of them does not answer for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await asyncio.gather(*self._copying, return_exceptions=True)
        with suppress(HostError):
            side = "source" if self.standing.is_promoted else "target"
            await self._send(side, instead=self.standing.is_promoted, within=0)

    def drop(self) -> None:
        """Stop copying: the command ends."""
        for task in self._copying:
            task.cancel()


def longest(first: Sequence[Entry], second: Sequence[Entry]) -> Sequence[Entry]:
    """Of two copies of one journal the one that was carried further.

    Where they part, the one in which the new host has taken over is right: that one is never undone.
    """
    short, long = sorted((first, second), key=len)
    if not short or short[-1].digest == long[len(short) - 1].digest:
        return long
    return next((one for one in (long, short) if standing_of(one).is_promoted), long)
