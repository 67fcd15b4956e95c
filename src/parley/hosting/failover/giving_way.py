"""Giving way: a primary that finds out that another host has taken over stops, and comes back as its standby.

It is found out before anything starts, from the lease, and from the other hosts themselves. Nothing here takes over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from parley.hosting.failover.keeping import Keeper
from parley.hosting.failover.lease import Lease
from parley.hosting.failover.returning import come_back
from parley.hosting.hosts import roles
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.kit.gate import State

log = logging.getLogger(__name__)

START_SECONDS = 10.0
"""So long a primary that starts tries to find out whether somebody has taken over."""

FENCED_SECONDS = 45.0
"""After so long a host that was fenced looks itself whether the other one has taken over."""


class GivingWay:
    """What one host does when it is not the one that may write any more."""

    def __init__(self, host: Host, keeper: Keeper | None, stopped: Callable[[], Awaitable[None]]) -> None:
        """`stopped` is awaited once the gate is closed and the disk says so, before PostgreSQL is stopped."""
        self._host = host
        self._keeper = keeper
        self._stopped = stopped
        self._fenced_since = time.monotonic()

    async def before_start(self) -> None:
        """Whether somebody has taken over while this host was off: then it starts as a fenced one."""
        host = self._host
        if host.state.role != "primary" or not host.hosts.others:
            return
        deadline = time.monotonic() + START_SECONDS
        while True:
            sure = await self._look_for_another()
            if host.state.role != "primary" or sure:
                return
            if time.monotonic() > deadline:
                log.warning("neither the third place nor another host answers: starting without having asked")
                return
            await asyncio.sleep(0.5)

    async def _look_for_another(self) -> bool:
        """Give way to a host with a higher epoch; returns whether it is known now that there is none."""
        if self._keeper is not None:
            try:
                lease = await self._keeper.look()
            except HostError as error:
                log.warning("%s", error)
            else:
                if lease is not None and self.is_over(lease):
                    await self.give_way(lease.holder, lease.epoch)
                if lease is not None:
                    return True
        return await self.ask_peers() == len(self._host.hosts.others)

    def is_over(self, lease: Lease) -> bool:
        """Whether this lease says that another host may write, and this one not."""
        epoch = self._host.state.epoch
        return lease.holder != self._host.me and (lease.epoch > epoch or (lease.epoch == epoch and epoch > 0))

    async def ask_peers(self) -> int:
        """A primary asks the others whether they write with a higher epoch; returns how many answered."""
        answered = 0
        for other in self._host.hosts.others if self._host.state.role == "primary" else ():
            try:
                status = await (await self._host.peer(other.name)).status(seconds=2)
            except HostError:
                continue
            answered += 1
            if status.role == "primary" and status.epoch > self._host.state.epoch:
                await self.give_way(other.name, status.epoch)
        return answered

    async def give_way(self, to: str, epoch: int) -> None:
        """Another host has taken over: close, say so on the disk, and stop PostgreSQL. Then `come_back` goes on."""
        host = self._host
        async with host.turning:
            if host.state.role != "primary" or host.state.epoch > epoch:
                return
            log.error("OVERTAKEN by %s with epoch %d: this host writes no more", to, epoch)
            host.gate.turn(State.CLOSED, epoch=host.state.epoch)
            if self._keeper is not None:
                self._keeper.give_up()
            await host.change_state(role="fenced", to=to, next_epoch=epoch, token=None, overtaken=True)
            host.drop_connections()
            await self._stopped()
            if host.runs_postgres:
                await roles.stop_cleanly(host, roles.STOP_SECONDS)

    async def come_back(self) -> bool:
        """Become the standby of whoever has taken over; on a host that was fenced by hand, too, once that is so.

        Returns whether it was that now.
        """
        host = self._host
        if host.state.role == "fenced" and not host.state.overtaken:
            await self._look_after_fence()
        else:
            self._fenced_since = time.monotonic()
        if not host.state.overtaken:
            return False
        await come_back(host)
        return True

    async def _look_after_fence(self) -> None:
        """A move goes on by itself; what nobody goes on with is looked at after a while."""
        host = self._host
        if host.state.to is None or time.monotonic() - self._fenced_since < FENCED_SECONDS:
            return
        status = await (await host.peer(host.state.to)).status(seconds=3)
        if status.role == "primary" and status.epoch > host.state.epoch:
            async with host.turning:
                if host.state.role == "fenced":
                    await host.change_state(overtaken=True, next_epoch=status.epoch, token=None)
