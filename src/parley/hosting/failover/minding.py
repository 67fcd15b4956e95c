"""Minding the standby: who follows this primary, whether it has everything, and going on alone when it is lost.

A synchronous primary that has lost its standby keeps its writes waiting. It goes on alone only once the lease says
that the standby may not take over by itself; and says that it may again only once the standby has everything, every
file too. Until then it is degraded, however near the standby is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from parley.hosting.failover import store
from parley.hosting.failover.keeping import Facts
from parley.hosting.failover.states import NotAllowed, Seen, State, next_state
from parley.hosting.failover.store import StandbyRow
from parley.hosting.failover.telling import tell_owners
from parley.hosting.hosts import operations
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.standby.keeping import read_following
from parley.kit.db import LostConnection, connect
from parley.kit.gate import Field, clock_ns

log = logging.getLogger(__name__)

T = TypeVar("T")

NEAR = 16 * 1024 * 1024
"""A standby that is at most so many bytes behind is waited for again."""

NEAR_SECONDS = 3.0
"""Likewise one that lacks no file which is older. Whoever stores one is refused after 8 s of waiting for it."""

FILES_SECONDS = 6.0
"""Within so long it has what it lacked of files when it was waited for again, or is not waited for yet."""

SETTLE_SECONDS = 0.5
"""After so long every process of PostgreSQL knows for whom it waits."""

CATCH_UP_SECONDS = 20.0
ANSWER_SECONDS = 3.0
REQUEST_FILE = "degrade.request"
"""Made by `parley failover degrade`; taken away when it was done."""


class Minding:
    """What one primary knows of its standby."""

    def __init__(
        self, host: Host, say: Callable[[Facts], Awaitable[None]] | None, *, clock: Callable[[], int] = clock_ns
    ) -> None:
        """`say` writes the lease with these facts, and raises HostError unless it is known to be written; None where
        there is no third place."""
        self._host = host
        self._say = say
        self._clock = clock
        self.state = State.PROMOTED
        self.facts = Facts()
        self._safe: str | None = None
        self._lost_at: int | None = None
        self._connection: Any = None
        self._asked_at: int | None = None

    @property
    def silent_seconds(self) -> float:
        """For how long PostgreSQL owes an answer; 0 while nothing was asked that it has not answered."""
        return max(0.0, (self._clock() - self._asked_at) / 1e9) if self._asked_at is not None else 0.0

    def rest(self) -> None:
        """This host is no primary: there is nothing to mind, and no silence is counted."""
        self._asked_at = None

    def note_silence(self) -> None:
        """PostgreSQL is asked, or known not to run: from now on its silence counts, if it does not already."""
        if self._asked_at is None:
            self._asked_at = self._clock()

    def believe(self, standby: str) -> None:
        """What the lease of this very host said before it was started again: the standby has everything."""
        self._safe = standby
        self.facts = Facts(in_sync=True, standby=standby)

    def doubt(self) -> None:
        """Writes may be acknowledged from now on that the standby does not have."""
        self._safe = None
        self.facts = Facts(standby=self.facts.standby)

    async def look(self) -> None:
        """One look, and what follows from it. Raises HostError when PostgreSQL does not answer."""
        others = self._host.hosts.others
        only = others[0].name if len(others) == 1 else None
        row = next((one for one in await self._followers() if one.name == only), None)
        self._note_facts(only, row)
        if self._host.state.commits != "sync" or only is None:
            if self._safe is not None:
                self._safe = None
                self._note_facts(only, row)
            self._lost_at = None
            return
        asked = self._host.settings.path(REQUEST_FILE)
        if self._host.state.degraded_since is not None:
            asked.unlink(missing_ok=True)
            self._see(Seen.ALONE)
            self._safe = None
            is_near = row is not None and row.state == "streaming" and (row.behind_bytes or 0) <= NEAR
            if is_near and await self._is_near_in_files():
                await self._wait_again(only)
            elif self._host.waits_again:
                await operations.wait_again(self._host, False)
        elif row is not None and row.state == "streaming" and (self._safe == only or await self._has_all(only)):
            self._lost_at = None
            if self._safe != only:
                if not await self._has_files():
                    return  # writes wait for it, but it may not take over by itself yet
                await self._is_safe(only)
            self._see(Seen.STANDBY_SAFE)
        else:
            await self._lost(only, asked.exists())

    async def close(self) -> None:
        """Forget the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _note_facts(self, only: str | None, row: StandbyRow | None) -> None:
        self.facts = Facts(
            in_sync=self._safe is not None,
            standby=only,
            behind_bytes=row.behind_bytes if row else None,
            behind_seconds=row.behind_seconds if row else None,
        )

    async def _followers(self) -> list[StandbyRow]:
        async with asyncio.timeout(ANSWER_SECONDS):
            try:
                self.note_silence()
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(self._host.dsn)
                return await self._answer(store.list_standbys(self._connection))
            except (*LostConnection, TimeoutError, asyncio.CancelledError) as error:
                await self.close()
                if isinstance(error, asyncio.CancelledError):
                    raise
                raise HostError(f"PostgreSQL on {self._host.me} does not answer ({error}).") from error

    async def _answer(self, question: Awaitable[T]) -> T:
        """What PostgreSQL answers. Only the time that it takes counts as its silence, and none between two questions:
        whatever else this host is busy with, or waits for, the lease must not run out over it."""
        self.note_silence()
        answer = await question
        self._asked_at = None
        return answer

    async def _lost(self, only: str, asked: bool) -> None:
        """The standby is away: writes wait for it, for a time."""
        if self._lost_at is None:
            self._lost_at = self._clock()
            log.warning("the standby %s is lost: writes wait for it", only)
        if self.state in (State.READY, State.BLOCKED):
            self._see(Seen.STANDBY_LOST)
        waited = (self._clock() - self._lost_at) / 1e9
        after = self._host.settings.degrade_after
        if asked or (self._say is not None and after and waited >= after):
            await self._go_alone(only, waited)

    async def _go_alone(self, only: str, waited: float) -> None:
        before = self._safe
        try:
            await operations.set_degraded(self._host, True)  # which has the lease written first, or fails
        except HostError:
            # It may be written or not. Nothing was acknowledged meanwhile, so that what was said before holds too.
            self._safe = before
            self._note_facts(only, None)
            raise
        self._host.settings.path(REQUEST_FILE).unlink(missing_ok=True)
        self._see(Seen.ALONE)
        log.warning("DEGRADED: this host goes on without the standby %s", only)
        since = self._host.state.degraded_since
        detail = {"standby": only, "state": "degraded", "since": since.isoformat() if since else None}
        await self._record(False, {**detail, "waited_seconds": round(waited, 1)})
        await self._tell(
            f"{self._host.settings.name} runs without its standby",
            f"The standby {only} has been away for {waited:.0f} s. The host {self._host.me} goes on without it: if it "
            f"fails now, what was written since then is lost. {only} is waited for again as soon as it has caught up.",
        )

    async def _wait_again(self, only: str) -> None:
        """It is back and near: wait for it from now on, and say so once it has everything. The lease says it before
        this host calls itself whole."""
        self._see(Seen.STANDBY_BACK)
        since = self._host.state.degraded_since
        await operations.wait_again(self._host, True)
        if not (await self._has_all(only) and await self._has_files()):
            await operations.wait_again(self._host, False)
            self._see(Seen.STANDBY_LOST)
            return
        await self._is_safe(only)
        await operations.set_degraded(self._host, False)
        self._see(Seen.STANDBY_SAFE)
        log.warning("the standby %s has everything again: writes wait for it", only)
        detail = {"standby": only, "state": "ready", "since": since.isoformat() if since else None}
        await self._record(True, detail)
        await self._tell(
            f"{self._host.settings.name} has its standby again",
            f"The standby {only} has caught up. The host {self._host.me} waits for it again.",
        )

    async def _is_safe(self, only: str) -> None:
        self._safe, self._lost_at = only, None
        self.facts = Facts(in_sync=True, standby=only, behind_bytes=0)
        if self._say is not None:
            await self._say(self.facts)

    async def _has_all(self, only: str) -> bool:
        """Whether the standby gets to everything that was committed before all processes waited for it; no, as soon as
        it does not follow any more."""
        await asyncio.sleep(SETTLE_SECONDS)
        deadline = self._clock() + int(CATCH_UP_SECONDS * 1e9)
        try:
            async with asyncio.timeout(CATCH_UP_SECONDS + ANSWER_SECONDS):
                position = await self._answer(store.get_position(self._connection))
                if not position.waits_for or position.flushed is None:
                    return False
                while not (has_it := await self._answer(store.has_flushed(self._connection, only, position.flushed))):
                    if has_it is None or self._clock() > deadline:
                        return False
                    await asyncio.sleep(0.1)
        except (*LostConnection, TimeoutError):
            await self.close()
            return False
        return True

    async def _is_near_in_files(self) -> bool:
        """Whether the standby has every file, or lacks only new ones."""
        status = await asyncio.to_thread(self._host.media_status)
        if status is None:
            return True  # files are not copied by the agents
        seeded = (await asyncio.to_thread(read_following, self._host.settings)).seeded
        return seeded and (not status.backlog_files or status.behind_seconds <= NEAR_SECONDS)

    async def _has_files(self) -> bool:
        """Whether the standby gets every file that was stored before all who store one waited for it."""
        gate = self._host.gate
        if await asyncio.to_thread(self._host.media_status) is None:
            return True
        if not gate.get(Field.FILES_WAIT):
            return False  # it was just added, and has never had all of them
        end, deadline = gate.get(Field.FILES_WRITTEN), self._clock() + int(FILES_SECONDS * 1e9)
        while gate.get(Field.FILES_SAFE) < end:
            if self._clock() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    def _see(self, seen: Seen) -> None:
        try:
            state = next_state(self.state, seen)
        except NotAllowed:
            # By an operator's hand, such as `standby_commits` set anew: begin again from what is seen.
            state = next_state(State.PROMOTED, seen) if seen in (Seen.ALONE, Seen.STANDBY_SAFE) else self.state
        if state is not self.state:
            log.info("failover: %s -> %s", self.state, state)
            self.state = state

    async def _record(self, ok: bool, detail: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(10):
                await operations.note(self._host, "degraded", ok=ok, seconds=0.0, detail=detail)
        except (HostError, TimeoutError) as error:
            log.error("it could not be noted in the database: %s", error)

    async def _tell(self, subject: str, text: str) -> None:
        await tell_owners(self._host.settings, self._host.dsn, subject, text)
