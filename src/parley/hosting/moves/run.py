"""Carrying a move on: from wherever its journal stands to its end, forward or back.

Nothing here is remembered that the journal does not say, but the time: so the command may be killed at any moment, and
run again, on either host.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from parley.hosting.errors import SnapshotError
from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.views import HostStatus
from parley.hosting.journals import CLOSED, JournalError
from parley.hosting.moves.doing import MARGIN, Doing, MoveStopped, Tell, Told, harmless
from parley.hosting.moves.journal import Fact, Journal
from parley.hosting.moves.names import Names
from parley.hosting.moves.peers import Peer
from parley.hosting.moves.states import HOLD, Standing, Step, next_action

WAITING = ("prepare", "converge", "settle", "promise")
"""Steps that may take long: a command that is told to stop does not wait for their end."""

STOPPED = "The command was told to stop. Run `parley move run` again to go on."


class Move:
    """One move that is carried on by this command. `journal` was opened or taken before."""

    def __init__(self, journal: Journal, source: Peer, target: Peer, names: Names | None, tell: Tell) -> None:
        self.journal = journal
        self._tell = harmless(tell)
        self._doing = Doing(journal, source, target, names, self._tell)
        self._stop = asyncio.Event()

    @property
    def standing(self) -> Standing:
        """Where the move stands."""
        return self.journal.standing

    def expect_names(self, expected: tuple[str, ...]) -> None:
        """What the name points to now, as the operator has seen: it is replaced."""
        self._doing.expected = expected

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
            detail = await (self._unless_stopped(step) if step.name in WAITING else self._doing.perform(step))
        except (JournalError, MoveStopped):
            raise
        except (SnapshotError, HostError) as error:
            return await self._after_failure(step, error)
        seconds = time.monotonic() - began
        self._tell(Told(kind="done", step=step.name, seconds=seconds, detail=detail))
        if detail.get("too_late"):
            return [("found", "promote", self._doing.pause())]
        return [("done", step.name, {**detail, "seconds": round(seconds, 4)})]

    async def _unless_stopped(self, step: Step) -> dict[str, Any]:
        doing, stop = asyncio.ensure_future(self._doing.perform(step)), asyncio.ensure_future(self._stop.wait())
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
        left = None if self.standing.is_promoted else self._doing.left
        try:
            await self.journal.add(*facts, within=10.0 if left is None else max(left, 1.0))
        except HostUnreachable as error:
            raise MoveStopped(
                f"{error} It keeps the journal of this move, so nothing was done further. "
                "Run `parley move run` again when it answers."
            ) from error

    async def take_up(self) -> None:
        """What the hosts say of themselves counts for more than what a killed command wrote last."""
        order, standing = self.standing.order, self.standing
        if "hold" not in standing.tried or standing.is_closed:
            return
        answers = await asyncio.gather(self._doing.source.status(), self._doing.target.status(), return_exceptions=True)
        here, there = (one if isinstance(one, HostStatus) else None for one in answers)
        newest = max((one.epoch for one in (here, there) if one), default=0)
        if newest > order.epoch:
            reason = f"Another change of hosts came after this one: epoch {newest}, this was for {order.epoch}."
            await self.journal.add((CLOSED, "", {"outcome": "overtaken", "reason": reason}))
        elif standing.is_promoted:
            return
        elif there and there.role == "primary" and there.epoch == order.epoch:
            await self.journal.add(("found", "promote", self._doing.pause()))
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
                await self._doing.source.hold(order.hold + MARGIN)

    async def _after_failure(self, step: Step, error: Exception) -> list[Fact]:
        """What is to be written about a step that failed: `fails` in the table says what follows."""
        text = str(error)
        failed: Fact = ("failed", step.name, {"error": text})
        if step.fails == "note":
            self._tell(Told(kind="noted", step=step.name, text=text))
            return [("noted", step.name, {"error": text})]
        self._tell(Told(kind="failed", step=step.name, text=text))
        if step.fails == "stop":
            await self._write(failed)
            await self.journal.catch_up(0.5)
            raise MoveStopped(text) from error
        self._tell(Told(kind="undoing", step=step.name, text=text))
        return [failed, ("undoing", "", {"reason": text})]
