"""The steps of a move, one function each: what is asked of the two hosts and the DNS, and what is found out by it.

Each may be done again when it was done already. Which comes when, and what follows when one fails, stands elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
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
from parley.hosting.moves.journal import Journal
from parley.hosting.moves.names import Names, wait_until_seen_everywhere
from parley.hosting.moves.peers import Peer
from parley.hosting.moves.results import missing_of, result_of, route_of
from parley.hosting.moves.states import Standing, Step
from parley.kit.clock import now

T = TypeVar("T")
log = logging.getLogger(__name__)

MARGIN = 3.0
"""So much longer the old host lets writes wait than the move may take: opening it again takes a moment as well."""

ASK_SECONDS = 20.0
"""How long a host that may have taken over is asked whether it has."""

PREPARE_SECONDS = 120.0
SEEN_SECONDS = 900.0
REJOIN_SECONDS = 120.0
REJOIN_MOST = 20.0
"""So long is waited for the old host to become the standby before the DNS is changed; it may come later."""

ANSWER_SECONDS = 10.0
"""How long a host that does not answer is asked again, while nobody waits for it."""

FORWARD_SECONDS = 5.0
AGAIN_SECONDS = 0.1


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


def harmless(tell: Tell) -> Tell:
    """The same; but whatever goes wrong with showing it, such as a terminal that is gone, stops no move."""

    def told(what: Told) -> None:
        try:
            tell(what)
        except Exception:
            log.exception("what happens cannot be shown")

    return told


class Doing:
    """The two hosts of a move, its journal, and the clock of what waits."""

    def __init__(self, journal: Journal, source: Peer, target: Peer, names: Names | None, tell: Tell) -> None:
        self.journal = journal
        self.source = source
        self.target = target
        self.names = names
        self.tell = tell
        self.expected: tuple[str, ...] | None = None
        """What the name points to now, as the operator has seen; None: what the order says."""
        self._until: float | None = None
        self._held: float | None = None

    @property
    def standing(self) -> Standing:
        """Where the move stands."""
        return self.journal.standing

    @property
    def left(self) -> float | None:
        """Seconds that are left of the hold; None while nothing is held."""
        return None if self._until is None else self._until - time.monotonic()

    @property
    def _left(self) -> float:
        return self.left or 0.0

    async def perform(self, step: Step) -> dict[str, Any]:
        """Do a step; returns what is worth writing down. Raises HostError, NamesError, and MoveStopped."""
        if step.name not in ("seed", "prepare", "announce", "hold") and self._until is None:
            self._until = time.monotonic() + self.standing.order.hold  # taken up again: as long as at first
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
        here, there = (
            await self._insist(self.source.status, ANSWER_SECONDS),
            await self._insist(self.target.status, ANSWER_SECONDS),
        )
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
            there = await self._insist(self.target.status, ANSWER_SECONDS)
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
        await self._insist(lambda: self.source.hold(hold + MARGIN), ANSWER_SECONDS)
        self._held = time.monotonic()
        self._until = self._held + hold
        return {"until_held": round(self._held - began, 4), "held_at": now().isoformat()}

    async def _fence(self) -> dict[str, Any]:
        order = self.standing.order
        fence = await self._insist(lambda: self.source.fence(order.epoch, order.target, max(self._left, 0.1)))
        return {"fence": msgspec.to_builtins(fence)}

    async def _verify(self) -> dict[str, Any]:
        fence = self.standing.fence
        if fence is None:
            raise MoveStopped(
                "The journal of this move lacks the signed word of the old host: run `parley move abort`."
            )
        await self._insist(lambda: self.target.verify(fence, max(self._left, 0.1)))
        return {"lsn": fence.shutdown_lsn, "media_root": fence.media_root}

    async def _promote(self) -> dict[str, Any]:
        order, fence = self.standing.order, self.standing.fence
        if self._left <= 0:
            raise HostError(f"It took longer than the {order.hold:g} seconds that writes may wait.")
        await self._insist(lambda: self.target.promote(fence, order.epoch))
        return {"epoch": order.epoch, **self.pause()}

    async def _forward(self) -> dict[str, Any]:
        await self._insist(lambda: self.source.forward(self.standing.order.target), FORWARD_SECONDS)
        return self.pause()

    def pause(self) -> dict[str, Any]:
        """How long writes have waited so far; what a killed command knew of it is gone, so the journal is asked."""
        if self._held is not None:
            return {"pause": round(time.monotonic() - self._held, 4)}
        held_at = self.standing.details.get("hold", {}).get("held_at")
        return {"pause": round((now() - datetime.fromisoformat(held_at)).total_seconds(), 3)} if held_at else {}

    async def _rejoin(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(REJOIN_MOST):
                await self.source.rejoin(self.standing.order.target)
                await self.target.set_commits(self.standing.order.commits)  # as soon as there is somebody to wait for
        except TimeoutError as error:
            raise HostUnreachable(f"{self.source.name} takes its time; it is waited for at the end.") from error
        return {}

    async def _flip(self) -> dict[str, Any]:
        order = self.standing.order
        if self.names is None or not order.addresses:
            return {"skipped": "this instance's name is not in the DNS, or the new host has no address in hosts.json"}
        return await self.names.flip(order.addresses, order.expected if self.expected is None else self.expected)

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
            await self._insist(lambda: self.source.forward(order.target), ANSWER_SECONDS)
        if "rejoin" in standing.late:
            await self.source.rejoin(order.target)
        until = time.monotonic() + REJOIN_SECONDS
        while not ((back := await self._insist(self.source.status, ANSWER_SECONDS)).in_recovery and back.streaming):
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
        return self.pause()

    async def _insist(self, call: Callable[[], Awaitable[T]], seconds: float | None = None) -> T:
        """Ask until there is an answer, for so many seconds; without them until the hold is over, and no longer."""
        until = time.monotonic() + seconds if seconds is not None else (self._until or 0.0)
        while True:
            try:
                if seconds is not None:
                    return await call()
                async with asyncio.timeout(max(self._left, 0.1)):
                    return await call()
            except TimeoutError as error:
                hold = self.standing.order.hold
                raise HostUnreachable(f"It took longer than the {hold:g} seconds that writes may wait.") from error
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
        self.tell(Told(kind="said", step=step, text=text))
