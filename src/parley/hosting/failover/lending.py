"""When the third place is away: every other host may say instead that it will not take over for a while.

That is worth as much as the lease itself, because nobody else could take over. So an outage of the third place alone
stops nothing, as long as all hosts reach each other. Times are measured as with the lease: whoever asks counts from
before it asked, whoever lends from when it answers, and a little longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import msgspec

from parley.hosting.failover.keeping import CLOCKS_DIFFER
from parley.hosting.hosts.control import read_body, respond
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.kit.gate import clock_ns

PATH = "/failover/lend"
MOST_BYTES = 4096
MOST_SECONDS = 600.0


class Asking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A primary asks: do not take over from me for so many seconds."""

    epoch: int
    seconds: float


class Lent(msgspec.Struct, frozen=True):
    """The answer, and what the other host knows when it is no."""

    lent: bool
    epoch: int


class Lending:
    """What one host has promised to a primary."""

    def __init__(self, host: Host, *, clock: Callable[[], int] = clock_ns) -> None:
        self._host = host
        self._clock = clock
        # An agent that was started again does not know what it has promised: as much as can be is assumed.
        self._until = clock() + int(host.settings.lease_seconds * (1 + CLOCKS_DIFFER) * 1e9)
        self.claiming = False
        """Set while this host claims the lease: nothing is lent then."""

    @property
    def seconds_left(self) -> float:
        """For how long this host may not take over yet."""
        return max(0.0, (self._until - self._clock()) / 1e9)

    def lend(self, asked: Asking) -> Lent:
        """Promise it, unless this host is the primary, is becoming it, or knows of a newer one."""
        state = self._host.state
        known = max(state.epoch, state.next_epoch)
        if self.claiming or state.role == "primary" or known > asked.epoch or not 0 < asked.seconds <= MOST_SECONDS:
            return Lent(False, known)
        self._until = max(self._until, self._clock() + int(asked.seconds * (1 + CLOCKS_DIFFER) * 1e9))
        return Lent(True, known)


async def borrow(host: Host, epoch: int, seconds: float) -> None:
    """Ask every other host; returns when all of them have promised. Raises HostError."""
    if not host.hosts.others:
        raise HostError("There is no other host that could say that it does not take over.")
    within = max(seconds / 3, 1.0)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(_ask(host, one.name, Asking(epoch, seconds), within)) for one in host.hosts.others]
    for one, answer in zip(host.hosts.others, asked, strict=True):
        said = answer.result()
        if said is None:
            raise HostError(f"Neither the third place nor {one.name} answers.")
        if not said.lent:
            raise HostError(f"{one.name} does not say that it will not take over; it knows epoch {said.epoch}.")


async def _ask(host: Host, name: str, asked: Asking, within: float) -> Lent | None:
    try:
        async with asyncio.timeout(within):
            client = await host.peer(name)
            answer = await client.http.post(PATH, content=msgspec.json.encode(asked), timeout=within)
            return msgspec.json.decode(answer.content, type=Lent) if answer.status_code == 200 else None
    except (httpx.HTTPError, HostError, OSError, TimeoutError, msgspec.MsgspecError):
        return None


async def serve_lending(lending: Lending, scope: Any, receive: Any, send: Any) -> None:
    """Answer a primary that asks. The link has settled that it is one of our hosts."""
    if scope["method"] != "POST" or scope["path"] != PATH:
        await respond(send, 404, b"{}")
        return
    try:
        asked = msgspec.json.decode(await read_body(receive, MOST_BYTES), type=Asking)
    except (msgspec.MsgspecError, HostError):
        await respond(send, 400, b"{}")
        return
    await respond(send, 200, msgspec.json.encode(lending.lend(asked)))
