"""Carrying a move on: from wherever its journal stands to its end, forward or back.

Nothing here is remembered that the journal does not say, but the time: so the command may be killed at any moment, and
run again, on either host.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec

from parley.hosting.errors import SnapshotError
from parley.hosting.holding import Announcement
from parley.hosting.holding import State as Shown
from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.views import HostStatus
from parley.hosting.journals import CLOSED, JournalError
from parley.hosting.moves.journal import Fact, Journal
from parley.hosting.moves.names import Names, wait_until_seen_everywhere
from parley.hosting.moves.peers import Peer
from parley.hosting.moves.results import missing_of, result_of, route_of
from parley.hosting.moves.states import HOLD, Standing, Step, next_action
from parley.kit.clock import now

T = TypeVar("T")

MARGIN = 3.0
"""So much longer the old host lets writes wait than the move may take: opening it again takes a moment as well."""

ASK_SECONDS = 60.0
"""How long a host that may have taken over is asked whether it has."""

PREPARE_SECONDS = 120.0
SEEN_SECONDS = 900.0
REJOIN_SECONDS = 120.0
AGAIN_SECONDS = 0.1
WAITING = ("prepare", "converge", "settle", "promise")
"""Steps that may take long: a command that is told to stop does not wait for their end."""


class MoveStopped(SnapshotError):
    """The move has stopped where it is; the text says why, and how it goes on. Run again, it does go on."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody who watches is told: a step began, is over, failed, or has something to say meanwhile."""

    kind: Literal["begin", "done", "noted", "failed", "undoing", "closed", "said"]
    step: str
    text: str = ""
    seconds: float = 0.0
    detail: dict[str, Any] = {}


Tell = Callable[[Told], None]
STOPPED = "The command was told to stop. Run `parley move run` again to go on."


class Move:
    """One move that is carried on by this command. `journal` was opened or taken before."""

    def __init__(
        self, journal: Journal, source: Peer, target: Peer, names: Names | None, tell: Tell, *, instance: str = ""
    ) -> None:
        self.journal = journal
        self.source = source
        self.target = target
        self.names = names
        self._tell = tell
        self._instance = instance
        self._until: float | None = None
        self._held: float | None = None
        self._expected: tuple[str, ...] | None = None
        self._stop = asyncio.Event()

    @property
    def standing(self) -> Standing:
        """Where the move stands."""
        return self.journal.standing

    def expect_names(self, expected: tuple[str, ...]) -> None:
        """What the name points to now, as the operator has seen: it is replaced."""
        self._expected = expected

    def stop(self) -> None:
        """Turn back if that is still possible; otherwise bring it to where it can be taken up again, and end."""
        self._stop.set()

    async def carry_on(self) -> Standing:
        """Go on to the end. Raises MoveStopped, and JournalMoved when another command goes on with the move."""
        await self.take_up()
        pending: list[Fact] = []
        while True:
            pending += self._heed(self.journal.preview(pending))
            action = next_action(self.journal.preview(pending))
            if action.step is None:
                if action.what == "close":
                    await self.journal.add(*pending, (CLOSED, "", {"outcome": action.outcome}))
                    self._tell(Told(kind="closed", step="", text=str(action.outcome)))
                await self.journal.catch_up()
                return self.standing
            await self._write(*pending, ("begin", action.step.name, {}))
            pending = await self._try(action.step)
            if action.step.name in ("rejoin", "flip", "converge"):
                await self._write(*pending)
                pending = []
                await self.journal.catch_up(0.5)

    async def _try(self, step: Step) -> list[Fact]:
        """Do a step; returns what is to be written about it."""
        order, began = self.standing.order, time.monotonic()
        text = step.doing.format(source=order.source, target=order.target, name=order.domain)
        self._tell(Told(kind="begin", step=step.name, text=text))
        try:
            detail = await (self._unless_stopped(step) if step.name in WAITING else self._perform(step))
        except (JournalError, MoveStopped):
            raise
        except (SnapshotError, HostError) as error:
            return await self._after_failure(step, error)
        seconds = time.monotonic() - began
        self._tell(Told(kind="done", step=step.name, seconds=seconds, detail=detail))
        if detail.get("too_late"):
            return [("found", "promote", self._pause())]
        return [("done", step.name, {**detail, "seconds": round(seconds, 4)})]

    async def _unless_stopped(self, step: Step) -> dict[str, Any]:
        doing, stop = asyncio.ensure_future(self._perform(step)), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((doing, stop), return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise (MoveStopped if self.standing.is_promoted or self.standing.undoing else HostError)(STOPPED)
            return doing.result()
        finally:
            doing.cancel()
            stop.cancel()
            await asyncio.gather(doing, stop, return_exceptions=True)

    def _heed(self, standing: Standing) -> list[Fact]:
        """What has to be written when the command was told to stop."""
        if not self._stop.is_set() or standing.is_closed or standing.undoing:
            return []
        if not standing.is_promoted:
            self._tell(Told(kind="undoing", step="", text=STOPPED))
            return [("undoing", "", {"reason": STOPPED})]
        return []

    async def _write(self, *facts: Fact) -> None:
        if not facts:
            return
        left = self._left() if self._until is not None and not self.standing.is_promoted else 10.0
        try:
            await self.journal.add(*facts, within=max(left, 1.0))
        except HostUnreachable as error:
            raise MoveStopped(
                f"{error} It keeps the journal of this move, so nothing was done further. "
                "Run `parley move run` again when it answers."
            ) from error

    def _left(self) -> float:
        """Seconds that are left of the hold."""
        return (self._until or 0.0) - time.monotonic()

    def _start_clock(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    # What is done.

    async def _perform(self, step: Step) -> dict[str, Any]:
        if step.name not in ("seed", "prepare", "announce", "hold") and self._until is None:
            self._start_clock(self.standing.order.hold)  # taken up again: as long as at first
        does: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
            "seed": self._seed,
            "prepare": self._prepare,
            "announce": self._announce,
            "hold": self._hold,
            "fence": self._fence,
            "verify": self._verify,
            "promote": self._promote,
            "forward": self._forward,
            "rejoin": self._rejoin,
            "flip": self._flip,
            "converge": self._converge,
            "welcome": self._welcome,
            "settle": self._settle,
            "promise": self._promise,
            "release": self._release,
            "retract": self._retract,
        }
        return await does[step.name]()

    async def _seed(self) -> dict[str, Any]:
        here, there = await self._insist(self.source.status, 10), await self._insist(self.target.status, 10)
        if here.role != "primary":
            raise HostError(f"{here.name} is not the primary any more: it is {here.role}.")
        if there.role != "standby" or not there.in_recovery:
            raise HostError(f"{there.name} is not a standby: `parley standby init` makes it one.")
        if here.system_id != there.system_id:
            raise HostError(f"{there.name}'s database is not a copy of {here.name}'s: `parley standby init` there.")
        if here.schema_version != there.schema_version or here.program != there.program:
            raise HostError(f"{here.name} runs Parley {here.program}, {there.name} {there.program}: install the same.")
        return {"system_id": here.system_id, "timeline": here.timeline}

    async def _prepare(self) -> dict[str, Any]:
        """Wait until the standby is so near that members will not notice the rest."""
        until = time.monotonic() + PREPARE_SECONDS
        while True:
            there = await self._insist(self.target.status, 10)
            missing = missing_of(there)
            if not missing:
                return {
                    "behind_bytes": there.behind_bytes or 0,
                    "files": there.media.backlog_files if there.media else 0,
                }
            if time.monotonic() > until:
                raise HostError(f"{there.name} does not catch up: {missing}. See `parley standby status`.")
            self._say("prepare", missing)
            await asyncio.sleep(0.5)

    async def _hold(self) -> dict[str, Any]:
        hold = self.standing.order.hold
        began = time.monotonic()
        await self._insist(lambda: self.source.hold(hold + MARGIN), 5)
        self._held = time.monotonic()
        self._start_clock(hold)
        return {"until_held": round(self._held - began, 4), "held_at": now().isoformat()}

    async def _fence(self) -> dict[str, Any]:
        order = self.standing.order
        fence = await self._insist(lambda: self.source.fence(order.epoch, order.target, max(self._left(), 0.1)))
        return {"fence": msgspec.to_builtins(fence)}

    async def _verify(self) -> dict[str, Any]:
        fence = self.standing.fence
        if fence is None:
            raise MoveStopped(
                "The journal of this move lacks the signed word of the old host: run `parley move abort`."
            )
        await self._insist(lambda: self.target.verify(fence, max(self._left(), 0.1)))
        return {"lsn": fence.shutdown_lsn, "media_root": fence.media_root}

    async def _promote(self) -> dict[str, Any]:
        order, fence = self.standing.order, self.standing.fence
        if self._left() <= 0:
            raise HostError(f"It took longer than the {order.hold:g} seconds that writes may wait.")
        try:
            async with asyncio.timeout(self._left()):
                await self._insist(lambda: self.target.promote(fence, order.epoch))
        except TimeoutError as error:
            raise HostUnreachable(f"{order.target} did not take over within {order.hold:g} seconds.") from error
        return {"epoch": order.epoch, **self._pause()}

    async def _forward(self) -> dict[str, Any]:
        await self._insist(lambda: self.source.forward(self.standing.order.target), 5)
        return self._pause()

    def _pause(self) -> dict[str, Any]:
        """How long writes have waited so far; what a killed command knew of it is gone, so the journal is asked."""
        if self._held is not None:
            return {"pause": round(time.monotonic() - self._held, 4)}
        held_at = self.standing.details.get("hold", {}).get("held_at")
        return {"pause": round((now() - datetime.fromisoformat(held_at)).total_seconds(), 3)} if held_at else {}

    async def _rejoin(self) -> dict[str, Any]:
        await self.source.rejoin(self.standing.order.target)
        return {}

    async def _flip(self) -> dict[str, Any]:
        order = self.standing.order
        if self.names is None or not order.addresses:
            return {"skipped": "this instance's name is not in the DNS, or the new host has no address in hosts.json"}
        return await self.names.flip(order.addresses, order.expected if self._expected is None else self._expected)

    async def _converge(self) -> dict[str, Any]:
        order, flipped = self.standing.order, self.standing.details.get("flip", {})
        if self.names is None or "at" not in flipped or "skipped" in flipped:
            return {"waited": 0.0}
        waited = await wait_until_seen_everywhere(
            self.names,
            order.addresses,
            ttl=int(flipped.get("ttl", 0)),
            since=datetime.fromisoformat(str(flipped["at"])).timestamp(),
            tell=lambda text: self._say("converge", text),
            seconds=SEEN_SECONDS,
        )
        return {"waited": round(waited, 2)}

    async def _settle(self) -> dict[str, Any]:
        """The old host is the standby; writes wait for it again if that was wanted; and it is written down."""
        order, standing = self.standing.order, self.standing
        if "forward" in standing.late:
            await self._insist(lambda: self.source.forward(order.target), 10)
        if "rejoin" in standing.late:
            await self.source.rejoin(order.target)
        until = time.monotonic() + REJOIN_SECONDS
        while not ((back := await self._insist(self.source.status, 10)).in_recovery and back.streaming):
            if time.monotonic() > until:
                said = " ".join(back.problems) or "see `parley standby status`."
                raise HostError(f"{order.source} does not follow {order.target}: {said}")
            self._say("settle", f"{order.source} does not stream yet")
            await asyncio.sleep(0.3)
        await self.target.set_commits(order.commits)
        figures = result_of(self.journal.name, standing)
        await self.target.note("move", ok=True, seconds=figures["seconds"], detail=figures)
        return {"pause": figures["pause"]}

    # The way back.

    async def _promise(self) -> dict[str, Any]:
        order, until = self.standing.order, time.monotonic() + ASK_SECONDS
        while True:
            try:
                too_late = await self.target.promise(order.epoch)
            except HostUnreachable as error:
                if time.monotonic() > until:
                    raise MoveStopped(
                        f"{order.target} was told to take over and does not answer: nobody can know whether it did. "
                        f"{order.source} stays closed, so that there are never two. Run `parley move run` again when "
                        f"{order.target} answers; if it is lost for good, see `parley failover --help`."
                    ) from error
                self._say("promise", f"{order.target} does not answer; asked again")
                await asyncio.sleep(0.5)
            else:
                return {"too_late": too_late}

    async def _release(self) -> dict[str, Any]:
        alone = "promote" not in self.standing.tried
        await self._insist(lambda: self.source.release(alone=alone), 20)
        figures = {"move": self.journal.name, **route_of(self.standing), "error": self.standing.reason}
        with suppress(HostError):
            await self.source.note("move", ok=False, seconds=0.0, detail=figures)
        return self._pause()

    async def take_up(self) -> None:
        """What the hosts say of themselves counts for more than what a killed command wrote last."""
        order, standing = self.standing.order, self.standing
        if "hold" not in standing.tried or standing.is_closed:
            return
        answers = await asyncio.gather(self.source.status(), self.target.status(), return_exceptions=True)
        here, there = (one if isinstance(one, HostStatus) else None for one in answers)
        newest = max((one.epoch for one in (here, there) if one), default=0)
        if newest > order.epoch:
            reason = f"Another change of hosts came after this one: epoch {newest}, this was for {order.epoch}."
            await self.journal.add((CLOSED, "", {"outcome": "overtaken", "reason": reason}))
        elif standing.is_promoted:
            return
        elif there and there.role == "primary" and there.epoch == order.epoch:
            await self.journal.add(("found", "promote", self._pause()))
        elif here is None or there is None:
            silent, says = (order.source, answers[0]) if here is None else (order.target, answers[1])
            if here is None or "promote" in standing.tried:
                raise MoveStopped(
                    f"{says} Without {silent} nobody can know whether {order.target} has taken over, so nothing was "
                    "done. Run this again when it answers."
                )
        elif here.role == "primary" and not standing.undoing:
            if standing.fence is not None:  # what was signed is not true any more: it has written since
                await self.journal.add(("undoing", "", {"reason": f"{order.source} has opened again meanwhile."}))
            elif standing.place > HOLD:  # the time was over, and members write again
                await self.source.hold(order.hold + MARGIN)

    # What follows when something fails.

    async def _after_failure(self, step: Step, error: Exception) -> list[Fact]:
        text, order = str(error), self.standing.order
        failed: Fact = ("failed", step.name, {"error": text})
        if step.fails == "note":
            self._tell(Told(kind="noted", step=step.name, text=text))
            return [("noted", step.name, {"error": text})]
        self._tell(Told(kind="failed", step=step.name, text=text))
        if step.fails == "stop":
            await self._write(failed)
            await self.journal.catch_up(0.5)
            raise MoveStopped(text) from error
        if step.fails == "ask":
            with suppress(HostError):
                there = await self.target.status()
                if there.role == "primary" and there.epoch >= order.epoch:
                    return [("found", step.name, self._pause())]
        self._tell(Told(kind="undoing", step=step.name, text=text))
        return [failed, ("undoing", "", {"reason": text})]

    async def _insist(self, call: Callable[[], Awaitable[T]], seconds: float | None = None) -> T:
        """Ask until there is an answer, for so many seconds; without them until the hold is over."""
        until = time.monotonic() + seconds if seconds is not None else (self._until or 0.0)
        while True:
            try:
                return await call()
            except HostUnreachable:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(AGAIN_SECONDS)

    # Announcements.

    async def _announce(self) -> dict[str, Any]:
        text = "Writing will pause for a moment. Nothing is lost, and you need not do anything."
        return await self._show("begin", "moving", "We are moving to another host", text)

    async def _welcome(self) -> dict[str, Any]:
        return await self._show("end", "operational", "We have moved", "Everything is where it was.")

    async def _retract(self) -> dict[str, Any]:
        return await self._show("end", "operational", "The move was put off", "Everything works as before.")

    async def _show(self, which: str, state: Shown, title: str, text: str) -> dict[str, Any]:
        name = hashlib.sha256(f"{self.journal.name} {which}".encode()).hexdigest()[:16]
        made = Announcement(id=name, at=now(), state=state, title=title, text=text)
        results = await asyncio.gather(self.source.announce(made), self.target.announce(made), return_exceptions=True)
        failed = [str(one) for one in results if isinstance(one, BaseException)]
        if len(failed) == len(results):
            raise HostError(failed[0])
        return {"announcement": name, **({"error": failed[0]} if failed else {})}

    def _say(self, step: str, text: str) -> None:
        self._tell(Told(kind="said", step=step, text=text))
