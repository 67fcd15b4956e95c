"""What an agent does about losing a host: holding or watching the lease, minding the standby, taking over, giving way.

`prepare` is called before the agent starts anything: no gate opens, and no PostgreSQL is started as a primary, before
it is known that nobody else has taken over. `watch` runs for as long as the agent does.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

from parley.hosting.failover.errors import Overtaken, WitnessError
from parley.hosting.failover.giving_way import GivingWay
from parley.hosting.failover.keeping import Facts, Keeper, Watcher, given_up_after
from parley.hosting.failover.lease import Claim, Lease
from parley.hosting.failover.lending import Lending, borrow, serve_lending
from parley.hosting.failover.minding import Minding
from parley.hosting.failover.states import Asked, NotAllowed, Seen, State, may_take_over, next_state
from parley.hosting.failover.taking_over import TookOver, claim_lease, finish_takeover, next_epoch
from parley.hosting.failover.witness import Witness
from parley.hosting.hosts import operations, roles
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.views import LeaseStatus
from parley.hosting.journals import ordered_epoch
from parley.kit import gate as gates
from parley.kit.gate import Field, clock_ns

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks of a standby at a lease that is renewed; while it is late, a quarter of that."""

MIND_SECONDS = 1.0
PEER_SECONDS = 2.0
RETURN_SECONDS = 5.0
PROVE_SECONDS = 30.0
TAKEN: tuple[Claim, ...] = ("lossless", "accepted", "confirmed")

SILENT_LEASES = 2.0
"""A primary whose PostgreSQL has not answered for so many times `lease_seconds` lets its lease run out."""


class Watch:
    """What one agent knows of who may write."""

    def __init__(self, host: Host) -> None:
        self.host = host
        settings = host.settings
        self.witness = Witness(settings) if settings.witness else None
        self.keeper = Keeper(settings, self.witness, host.gate, host.me) if self.witness else None
        self.watcher = Watcher(self.witness) if self.witness else None
        self.minding = Minding(host, self._say if self.witness else None)
        self.lending = Lending(host)
        self.giving = GivingWay(host, self.keeper, self._stopped)
        self.state = State.HEALTHY
        self._turn = asyncio.Lock()
        self._reached = False
        self._proved = False
        self._unchanged = 0
        self._refused = ""
        self._said: dict[str, str] = {}
        self._later: set[asyncio.Task[None]] = set()
        self._borrowing: asyncio.Task[None] | None = None
        self._wanted_epoch = 0

    # Hooks of the host.

    async def before_open(self, epoch: int) -> None:
        """Hold the lease before the gate of a primary opens; raises HostError, and the gate stays closed."""
        if self.keeper is None:
            return
        async with self._turn:
            try:
                lease = await self.keeper.look()
            except WitnessError as error:
                await self._borrow(epoch, error)
                return
            mine = lease is not None and lease.holder == self.host.me and lease.epoch == epoch
            if mine and lease is not None and lease.claim in TAKEN and self.lending.seconds_left:
                log.warning("waiting %.1f s: this host said that it would not take over", self.lending.seconds_left)
                await asyncio.sleep(self.lending.seconds_left)
            state = self.host.state
            waits = state.commits == "sync" and state.degraded_since is None
            if mine and lease is not None and lease.in_sync and lease.standby and waits:
                self.minding.believe(lease.standby)
            await self.keeper.renew(epoch, self.minding.facts if waits else Facts())

    async def _say(self, facts: Facts) -> None:
        """Write these facts into the lease now."""
        if self.keeper is None:
            return
        async with self._turn:
            await self.keeper.renew(self.host.state.epoch, facts)

    async def before_alone(self) -> None:
        """The third place knows that the standby may lack something before the first such write is acknowledged."""
        self.minding.doubt()
        if self.keeper is None or not self.keeper.says_not_in_sync:
            await self._say(self.minding.facts)

    def lease_status(self) -> LeaseStatus | None:
        """What is known of the lease, for `parley host status`."""
        holds = self.host.state.role == "primary"
        lease = self.keeper.lease if holds and self.keeper else self.watcher.lease if self.watcher else None
        if lease is None or self.keeper is None:
            return None
        left = self.keeper.seconds_left if holds else max(0.0, (given_up_after(lease) - self._unchanged) / 1e9)
        return LeaseStatus(
            holder=lease.holder,
            epoch=lease.epoch,
            seconds_left=round(left, 2),
            in_sync=lease.in_sync,
            reachable=self._reached,
        )

    # Loops.

    async def run(self) -> None:
        """Everything, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forever("lease", self._lease, self._lease_pause))
                group.create_task(self._forever("third place", self._prove, lambda: PROVE_SECONDS))
                group.create_task(self._forever("standby", self._mind, lambda: MIND_SECONDS))
                group.create_task(self._forever("peers", self.giving.ask_peers, lambda: PEER_SECONDS))
                group.create_task(self._forever("coming back", self._come_back, lambda: RETURN_SECONDS))
        finally:
            if self._borrowing is not None:
                self._borrowing.cancel()
            await self.minding.close()

    async def _forever(self, name: str, look: Callable[[], Awaitable[object]], pause: Callable[[], float]) -> None:
        while True:
            began = time.monotonic()
            try:
                await look()
                self._said.pop(name, None)
            except HostError as error:
                self._say_once(name, str(error))
            except Exception:
                log.exception("failover: the look at the %s failed", name)
            await self._sleep(max(0.02, pause() - (time.monotonic() - began)))

    async def _sleep(self, seconds: float) -> None:
        """Wait, or until what this host is has changed."""
        try:
            async with asyncio.timeout(seconds):
                async with self.host.changed:
                    await self.host.changed.wait()
        except TimeoutError:
            return

    async def _lease(self) -> None:
        if self.keeper is None:
            return
        if self.host.state.role == "primary":
            await self._hold()
        else:
            await self._look()

    async def _prove(self) -> None:
        """Find out once whether the third place can be relied on; nobody takes over by itself before."""
        if self.witness is not None and not self._proved:
            await self.witness.prove()
            self._proved = True

    def _lease_pause(self) -> float:
        seconds = self.host.settings.lease_seconds
        if self.host.state.role == "primary":
            return seconds / 3 if self._reached else seconds / 10
        if self.state is State.HEALTHY:
            return min(LOOK_SECONDS, seconds / 5)
        return min(LOOK_SECONDS, seconds / 5) / 4

    async def _hold(self) -> None:
        """Renew, unless PostgreSQL is gone: then somebody else shall be able to take over."""
        host, keeper = self.host, self.keeper
        assert keeper is not None
        if self.minding.silent_seconds > SILENT_LEASES * host.settings.lease_seconds and host.hosts.others:
            raise HostError(f"PostgreSQL on {host.me} does not answer: the lease is not renewed.")
        epoch = host.state.epoch
        if not epoch:
            return  # this host has never been opened
        try:
            async with self._turn:
                if host.state.role != "primary" or host.state.epoch != epoch:
                    return
                await keeper.renew(epoch, self.minding.facts)
            self._reached = True
        except Overtaken:
            self._reached = True
            if keeper.lease is not None and self.giving.is_over(keeper.lease):
                await self.giving.give_way(keeper.lease.holder, keeper.lease.epoch)
        except WitnessError as error:
            self._reached = False
            if self._borrowing is None or self._borrowing.done():
                self._borrowing = asyncio.create_task(self._borrow_meanwhile(epoch, error))
        if self._wanted_epoch and self._wanted_epoch == epoch and host.gate.state is gates.State.CLOSED:
            await operations.promote(host, None, epoch)  # won before, and not opened yet

    async def _borrow_meanwhile(self, epoch: int, error: WitnessError) -> None:
        """Borrow, while the third place is tried again: where the others cannot be reached either, waiting for them
        must not cost the time in which one lost answer is made good."""
        try:
            await self._borrow(epoch, error)
        except WitnessError as both:
            self._say_once("third place", str(both))
        else:
            self._say_once("third place", f"{error} The other hosts do not take over meanwhile.")

    async def _borrow(self, epoch: int, error: WitnessError) -> None:
        """Where the third place does not answer: go on while all others say that they do not take over."""
        assert self.keeper is not None
        seconds = self.host.settings.lease_seconds
        sent = clock_ns()
        try:
            await borrow(self.host, epoch, seconds)
        except HostError as other:
            raise WitnessError(f"{error} {other}") from other
        if self.host.state.role == "primary" and self.host.state.epoch == epoch:
            self.keeper.borrowed(sent, seconds)

    async def _look(self) -> None:
        """Look at the lease of another host, and take over when that is called for."""
        watcher = self.watcher
        assert watcher is not None
        try:
            changed, self._unchanged = await watcher.look()
        except WitnessError:
            self._reached = False
            raise
        self._reached = True
        lease = watcher.lease
        if lease is None:
            return
        expired = watcher.is_expired(self._unchanged)
        if changed:
            self._see(Seen.RENEWED)
        elif self._unchanged >= lease.seconds * 0.5e9:
            self._see(Seen.LATE)
        if expired:
            self._see(Seen.EXPIRED)
        if self.host.state.role == "standby":
            await self._may_take_over(lease, expired)

    async def _may_take_over(self, lease: Lease, expired: bool) -> None:
        host = self.host
        if lease.holder == host.me:
            if lease.epoch > max(host.state.epoch, host.state.refused_epoch):
                await self._promote(lease, lease.epoch, lease.claim)  # won before this agent was started again
            return
        if host.settings.failover != "auto" or not expired or not self._proved or self.lending.seconds_left:
            return
        asked = Asked(mode="auto")
        found = may_take_over(host.me, lease, has_witness=True, expired=expired, asked=asked)
        if found.claim is None:
            self._say_once("takeover", f"this host does not take over: {found.reason}", level=logging.WARNING)
            return
        await self._take_over(lease, found.claim)

    async def _take_over(self, lease: Lease, claim: Claim) -> None:
        host, keeper, watcher = self.host, self.keeper, self.watcher
        assert keeper is not None
        assert watcher is not None
        async with host.database():
            pass  # a host without its database must not win
        ordered = await asyncio.to_thread(ordered_epoch, host.settings)
        epoch = next_epoch(lease, host.state.epoch, host.state.refused_epoch, ordered)
        log.warning("the lease of %s has run out: claiming it with epoch %d", lease.holder, epoch)
        keeper.saw(lease, watcher.mark)
        self.lending.claiming = True
        try:
            await claim_lease(keeper, host.me, epoch, claim)
            self._see(Seen.WON)
            await self._promote(lease, epoch, claim)
        except Overtaken:
            self._see(Seen.BEATEN)
        finally:
            self.lending.claiming = False

    async def _promote(self, before: Lease, epoch: int, claim: Claim) -> None:
        host = self.host
        began = time.monotonic()
        self._wanted_epoch = epoch
        await operations.promote(host, None, epoch)
        took = TookOver(
            host=host.me,
            taken_from=before.holder if before.holder != host.me else None,
            epoch=epoch,
            claim=claim,
            seconds=round(time.monotonic() - began, 3),
            behind_bytes=before.behind_bytes,
            behind_seconds=before.behind_seconds,
        )
        log.warning("TAKEN OVER from %s with epoch %d in %.2f s", before.holder, epoch, took.seconds)
        task = asyncio.create_task(self._finish(took))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _finish(self, took: TookOver) -> None:
        try:
            detail = await finish_takeover(self.host.settings, self.host.dsn, self.host.hosts, took)
            await operations.note(self.host, "failover", ok=True, seconds=took.seconds, detail=detail)
        except Exception:
            log.exception("what follows a takeover could not all be done")

    async def _mind(self) -> None:
        if self.host.started and self.host.runs_postgres and self.host.state.role in ("primary", "standby"):
            await self._keep_running()
        if self.host.state.role == "primary":
            if not self.host.state.epoch:
                return
            await self.minding.look()
            self.state = self.minding.state
        elif self.state not in (State.HEALTHY, State.SUSPECT, State.LEASE_EXPIRED, State.CLAIMED, State.FENCED):
            self.state = State.HEALTHY  # given up in a move
            self.minding = Minding(self.host, self._say if self.witness else None)
        else:
            self.minding.rest()

    async def _keep_running(self) -> None:
        """Start a PostgreSQL that has died: that is quicker than a takeover, and loses nothing."""
        host = self.host
        if await asyncio.to_thread(host.postgres.is_running):
            return
        self.minding.note_silence()
        async with host.turning:
            if host.state.role not in ("primary", "standby") or await asyncio.to_thread(host.postgres.is_running):
                return
            log.error("PostgreSQL has died: starting it again")
            host.drop_connections()
            await roles.start_role(host)

    async def _stopped(self) -> None:
        """This host was overtaken: nothing is minded any more."""
        await self.minding.close()
        self.minding = Minding(self.host, self._say if self.witness else None)
        self.state = State.FENCED

    async def _come_back(self) -> None:
        if self.host.state.overtaken:
            self.state = State.FENCED
        if await self.giving.come_back():
            self.state = next_state(State.FENCED, Seen.REJOINED)

    def _see(self, seen: Seen) -> None:
        try:
            state = next_state(self.state, seen)
        except NotAllowed:
            state = State.HEALTHY if seen is Seen.RENEWED else self.state
        if state is not self.state:
            log.info("failover: %s -> %s", self.state, state)
            self.state = state

    def _say_once(self, about: str, sentence: str, *, level: int = logging.ERROR) -> None:
        if self._said.get(about) != sentence:
            self._said[about] = sentence
            log.log(level, "failover: %s", sentence)


_watches: WeakKeyDictionary[Host, Watch] = WeakKeyDictionary()


def prepare(host: Host) -> None:
    """Put the lease into a host, before anything of it starts."""
    watch_of = _watches[host] = Watch(host)
    # What stands in the file may be of the time before this machine was started again.
    host.gate.put(Field.LEASE_UNTIL, 1 if watch_of.keeper else 0)
    host.before_start = watch_of.giving.before_start
    host.before_open = watch_of.before_open
    host.before_alone = watch_of.before_alone
    host.lease_status = watch_of.lease_status


async def lend(host: Host, scope: Any, receive: Any, send: Any) -> None:
    """Answer a primary that cannot reach the third place."""
    await serve_lending(_watches[host].lending, scope, receive, send)


async def watch(host: Host) -> None:
    """Run for as long as the agent does."""
    await _watches[host].run()
