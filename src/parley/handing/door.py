"""Every request of a host with an agent comes through here first.

While the gate is open it goes on to the application. While it is held, what wants to write waits before its body is
read. When another host serves, it is handed on there. What was in a handler when the gate closed, and has committed
nothing, is begun again where it can be done; anything else gets 503 and Retry-After.
"""

from __future__ import annotations

import asyncio
import time
from enum import Enum
from typing import Any

from parley.handing.answers import Refusals, give_back
from parley.handing.away import Away, Sent, is_endless
from parley.handing.bodies import ClientGone, KeptBody, Shelf
from parley.handing.links import Directory, is_gone
from parley.handing.proofs import take_proof
from parley.handing.sockets import TRY_AGAIN, hand_on_socket
from parley.hosting.hosts.smoke import is_smoke_test
from parley.kit.errors import Unavailable
from parley.kit.files import scratch_folder
from parley.kit.gate import LOOK_EVERY, MOST_WAITING, Gate, Journey, NotAcknowledged, State, journey
from parley.kit.settings import Settings

OWN_PATHS = ("/health", "/metrics")
"""Answered by each host about itself."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
PATIENCE = 2.0
"""Seconds for which an open host tries again what has written nothing, and lost its database."""

AGAIN_SECONDS = 0.05
TURN_EVERY = 0.02
TURNED_EVERY = 0.25
REPEATABLE = ("/api/v1/statuses",)
"""Where an Idempotency-Key makes a second try harmless, even when nobody knows what became of the first."""

RESTARTING = 1012


class Way(Enum):
    """Where a request goes now."""

    HERE = 1
    AWAY = 2
    NOWHERE = 3


class Door:
    """The application behind the gate."""

    def __init__(self, inner: Any, settings: Settings, gate: Gate, *, machine_paths: tuple[str, ...]) -> None:
        self.ready = asyncio.Event()
        """Set while the application has all that it needs to judge what is written."""
        self.may_read = False
        """Whether it has ever had that: then it can show what this host has a copy of."""
        self.inner = inner
        self.settings = settings
        self.gate = gate
        self.away = Away(settings)
        self.directory = Directory(settings)
        self.refusals = Refusals(settings, machine_paths)
        self.shelf = Shelf(lambda: scratch_folder(settings))
        self._waiting = 0
        self._turned: asyncio.Future[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self.inner(scope, receive, send)
            return
        scope, came_over = take_proof(self.settings, scope)
        if scope["path"] in OWN_PATHS or is_smoke_test(self.settings, scope):
            await self.inner(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._take_socket(scope, receive, send, came_over=came_over)
        else:
            request = _Request(self, scope, receive, send, came_over=came_over)
            try:
                await request.run()
            finally:
                request.close()

    async def find_way(self, deadline: float, *, came_over: bool, may_read: bool) -> Way:
        """Wait while the gate is held, until `deadline` at most. `may_read`: what only reads need not wait."""
        while True:
            state = self.gate.state
            if state is State.OPEN and self.ready.is_set():
                return Way.HERE
            if state is State.HOLD and may_read and self.ready.is_set():
                return Way.HERE
            if state in (State.AWAY, State.CLOSED):
                return Way.NOWHERE if came_over else Way.AWAY
            if self._waiting >= MOST_WAITING or time.monotonic() >= deadline:
                return Way.NOWHERE
            self._waiting += 1
            try:
                await asyncio.sleep(LOOK_EVERY)
            finally:
                self._waiting -= 1

    async def serve_until_closed(self) -> None:
        """The application is ready now. Returns once this host serves no longer, if it does so at all."""
        self.may_read = True
        if self.gate.state in (State.OPEN, State.HOLD):
            self.ready.set()
            while self.gate.state in (State.OPEN, State.HOLD):  # noqa: ASYNC110  another process turns it
                await asyncio.sleep(TURN_EVERY)
        self.ready.clear()

    async def wait_for_turn(self) -> None:
        """Return once the gate is opened."""
        while self.gate.state is not State.OPEN:  # noqa: ASYNC110  another process turns it
            await asyncio.sleep(TURN_EVERY)

    async def turned(self) -> None:
        """Return once this host serves no longer. One look at the gate for all who wait."""
        if self._turned is None or self._turned.done():
            self._turned = asyncio.ensure_future(self._look())
        await asyncio.shield(self._turned)

    async def _look(self) -> None:
        while self.gate.state in (State.OPEN, State.HOLD):  # noqa: ASYNC110  another process turns it
            await asyncio.sleep(TURNED_EVERY)

    async def _take_socket(self, scope: Any, receive: Any, send: Any, *, came_over: bool) -> None:
        deadline = time.monotonic() + self.settings.hold_seconds
        way = await self.find_way(deadline, came_over=came_over, may_read=False)
        peer = self.directory.peer() if way is Way.AWAY else None
        if peer is not None:
            await hand_on_socket(self.away, peer, scope, receive, send)
        elif way is Way.HERE:
            await self._serve_socket(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": TRY_AGAIN})

    async def _serve_socket(self, scope: Any, receive: Any, send: Any) -> None:
        goodbye = self.until_turned(receive, "websocket.disconnect")
        is_over = False

        async def receive_noting() -> Any:
            nonlocal is_over
            message = await goodbye()
            is_over = is_over or (message["type"] == "websocket.disconnect" and message.get("code") != RESTARTING)
            return message

        async def send_noting(message: Any) -> None:
            nonlocal is_over
            is_over = is_over or message["type"] == "websocket.close"
            await send(message)

        await self.inner(scope, receive_noting, send_noting)
        if not is_over:
            await send({"type": "websocket.close", "code": RESTARTING})

    def until_turned(self, receive: Any, goodbye: str) -> Any:
        """`receive`, which says goodbye when this host serves no longer: the client then connects anew, and is handed
        on."""

        async def outer() -> Any:
            coming, turned = asyncio.ensure_future(receive()), asyncio.ensure_future(self.turned())
            try:
                await asyncio.wait({coming, turned}, return_when=asyncio.FIRST_COMPLETED)
                return coming.result() if coming.done() else {"type": goodbye, "code": RESTARTING}
            finally:
                coming.cancel()
                turned.cancel()

        return outer


class _Request:
    """One HTTP request on its way."""

    def __init__(self, door: Door, scope: Any, receive: Any, send: Any, *, came_over: bool) -> None:
        self._door = door
        self._scope = scope
        self._body = KeptBody(receive, door.shelf)
        self._send = send
        self._came_over = came_over
        self._is_safe = scope["method"] in SAFE
        self._has_begun = self._has_ended = self._was_turned = self._was_taken_back = False
        self._is_endless = False
        self._open_until: float | None = None
        self._asking_until = 0.0
        self._deadline = time.monotonic() + door.settings.hold_seconds

    async def run(self) -> None:
        """Until it is answered."""
        may_read = self._is_safe
        while True:
            way = await self._door.find_way(self._deadline, came_over=self._came_over, may_read=may_read)
            may_read = False  # what was read for once, and lost the database, waits like the others
            if way is Way.HERE:
                if await self._answer_here():
                    return
                self._body.rewind()
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            problem = await self._answer_away() if way is Way.AWAY else self._refusal()
            if problem is None:
                return
            if way is Way.NOWHERE or not self._may_ask_again(problem):
                await self._give_up(problem)
                return
            self._body.rewind()
            await asyncio.sleep(AGAIN_SECONDS)

    def close(self) -> None:
        """Keep nothing of it any longer."""
        self._body.close()

    async def _answer_here(self, *, once: bool = False) -> bool:
        """Let the application answer; False when it gave the request back and nothing was sent."""
        trip = Journey(self._takes_back if not once else lambda _: False)
        token = journey.set(trip)
        state = self._scope.setdefault("state", {})
        before = dict(state)
        try:
            await self._door.inner({**self._scope}, self._receive, self._send_noting)
        finally:
            journey.reset(token)
        if self._has_begun and not self._has_ended and self._was_turned:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        if trip.handed_back is None:
            return True
        state.clear()  # the very object is kept: the framework looks into it when an answer is sent
        state.update(before)
        return False

    async def _answer_away(self) -> Unavailable | None:
        """Let the other host answer; returns None when it did, and why not otherwise."""
        peer = self._door.directory.peer()
        sent = Sent.NOT_SENT
        if peer is not None:
            try:
                sent = await self._door.away.send_on(peer, self._scope, self._body, self._send_noting)
            except ClientGone:
                return None
        if sent is Sent.ANSWERED:
            return None
        if sent is Sent.LOST and not self._is_safe:
            return NotAcknowledged()
        return self._refusal()

    def _refusal(self) -> Unavailable:
        return self._door.gate.refusal(retry_after=2)

    def _may_ask_again(self, problem: Unavailable) -> bool:
        """Whether it is worth while, and harmless, to try to reach the other host once more."""
        moment = time.monotonic()
        self._asking_until = self._asking_until or moment + PATIENCE
        if isinstance(problem, NotAcknowledged) or not self._body.may_rewind:
            return False
        if self._door.gate.state in (State.OPEN, State.HOLD):
            return True  # this host serves again
        peer = self._door.directory.peer()
        return peer is not None and not is_gone(peer.name) and moment < min(self._asking_until, self._deadline)

    async def _give_up(self, problem: Unavailable) -> None:
        """Nobody else can answer: what this host has a copy of may be read, and anything else is refused."""
        if self._came_over and self._door.gate.state in (State.AWAY, State.CLOSED):
            await give_back(self._send)  # who handed it on may serve itself by now
        elif self._is_safe and not self._came_over and self._door.may_read:
            self._body.rewind()
            await self._answer_here(once=True)
        else:
            await self._door.refusals.refuse(self._scope, self._send, problem)

    def _takes_back(self, trip: Journey) -> bool:
        """Whether the request, which the application cannot answer, can be begun again without harm."""
        moment = time.monotonic()
        if not self._was_taken_back:
            # It may have taken long until here, for a body that came slowly: only from now on somebody waits.
            self._was_taken_back = True
            self._deadline = moment + self._door.settings.hold_seconds
        is_open = self._door.gate.state is State.OPEN
        if is_open and self._open_until is None:
            self._open_until = moment + PATIENCE
        if self._has_begun or not self._body.may_rewind or moment >= self._deadline:
            return False
        if is_open and self._open_until is not None and moment >= self._open_until:
            return False
        if not trip.wrote:
            return True
        has_key = any(name == b"idempotency-key" and value for name, value in self._scope["headers"])
        return has_key and not is_open and self._scope["method"] == "POST" and self._scope["path"] in REPEATABLE

    async def _receive(self) -> Any:
        if not self._body.is_read or self._came_over or not self._is_endless:
            return await self._body.receive()
        # It ends when this host serves no longer. Nothing else may: half a file would be taken for the whole one.
        message = await self._door.until_turned(self._body.receive, "http.disconnect")()
        self._was_turned = message.get("code") == RESTARTING
        return message

    async def _send_noting(self, message: Any) -> None:
        self._has_begun = True
        if message["type"] == "http.response.start":
            self._is_endless = is_endless(message.get("headers", ()))
        self._has_ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)
