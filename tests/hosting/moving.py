"""Two hosts that exist in memory alone, with writers, and with everything that can break: for tests of the move itself.

Their journals are the real files. Whatever is done to them, three things are looked at after every call: at most one
host takes writes; a host that took over has everything that was acknowledged; a host that gave way stays closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from parley.hosting.dns import Addresses, NamesError, StaleName
from parley.hosting.holding import Announcement
from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.records import HostRecord, Hosts
from parley.hosting.hosts.views import Commits, Fence, HostStatus, MediaStatus, Smoke
from parley.hosting.journals import Entry, append_entries, newest_journal, read_entries
from parley.hosting.moves.doing import Told
from parley.hosting.moves.opening import find_route, find_unfinished, open_journal, opened_journal
from parley.hosting.moves.run import Move
from parley.hosting.moves.states import Order, Standing
from parley.kit.clock import now
from parley.kit.settings import Settings

FAULTS = ("unreachable", "lost", "refused", "killed", "killed after", "slow")
"""unreachable: not done. lost: done, but the answer never came. refused: not done, with a reason. killed (after): the
command dies before (after) it. slow: done, but only after the hold."""


class Killed(BaseException):
    """kill -9 of the command."""


class Command:
    """One run of the command, until it ends or is killed."""

    is_dead = False


class World:
    """Two hosts and what is acknowledged to members. `faults`: number of the call -> what goes wrong with it."""

    def __init__(self, folder: Path, faults: dict[int, str] | None = None) -> None:
        self.faults = dict(faults or {})
        self.calls: list[str] = []
        self.acknowledged: list[int] = []
        self.cut = False
        self.down: set[str] = set()
        self.hosts = {name: FakeHost(self, name, folder / name) for name in ("a", "b")}
        self.hosts["a"].become_primary(1)
        self.hosts["b"].follow("a")
        key = bytes(range(32))
        for host in self.hosts.values():
            host.settings.path().mkdir(parents=True, exist_ok=True)
            host.settings.path("signing.key").write_bytes(key)

    def record(self, me: str) -> Hosts:
        """hosts.json of one of them."""
        return Hosts(
            me=me,
            hosts=tuple(
                HostRecord(name=one, link=f"{one}:7443", key="", addresses=(f"192.0.2.{n}",))
                for n, one in enumerate("ab", 1)
            ),
        )

    def other(self, name: str) -> FakeHost:
        """The other one."""
        return self.hosts["b" if name == "a" else "a"]

    def write(self) -> None:
        """A member writes, wherever that is possible now."""
        takers = [host for host in self.hosts.values() if host.takes_writes]
        assert len(takers) <= 1, "two hosts take writes"
        for host in takers:
            assert self.acknowledged == host.wal[: len(self.acknowledged)], f"{host.name} lacks what was acknowledged"
            host.wal.append(len(self.acknowledged))
            self.acknowledged.append(len(self.acknowledged))

    def replicate(self) -> None:
        """What was written comes to the follower, unless the link is cut."""
        for host in self.hosts.values():
            leader = self.hosts.get(host.following or "")
            if leader and not self.cut and leader.is_running and leader.role in ("primary", "fenced"):
                host.wal = list(leader.wal)

    def let_time_pass(self) -> None:
        """The old host lets writes wait for a while only."""
        for host in self.hosts.values():
            if host.gate == "hold" and host.role == "primary":
                host.gate = "open"

    async def call(self, command: Command, host: str, operation: str, do: Callable[[], Any]) -> Any:
        """One call over the link, with whatever goes wrong with it. A command that is dead asks for nothing more."""
        if command.is_dead:
            raise Killed
        self.write()
        self.replicate()
        fault = self.faults.pop(len(self.calls), "")
        self.calls.append(f"{host}.{operation}")
        if fault == "killed":
            command.is_dead = True
            raise Killed
        if host in self.down or fault == "unreachable":
            await asyncio.sleep(0)
            raise HostUnreachable(f"The host {host} does not answer.")
        if fault == "refused" and operation not in ("journal", "read_journal", "status"):
            raise HostError(f"{host} cannot {operation}.")
        if fault == "slow":
            await asyncio.sleep(SLOW)
        try:
            answer = do()
        finally:
            self.write()
        if fault == "killed after":
            command.is_dead = True
            raise Killed
        if fault == "lost":
            raise HostUnreachable(f"The host {host} went away.")
        return answer


HOLD = 0.15
SLOW = 0.3


class FakeHost:
    """One host: what the agent does, without a database."""

    def __init__(self, world: World, name: str, folder: Path) -> None:
        self._world = world
        self.name = name
        self.settings = Settings(domain="social.example", data_dir=folder, dns="lexicon://company/social.example")
        self.role: Any = "standby"
        self.gate = "closed"
        self.epoch = 1
        self.refused = 0
        self.wal: list[int] = []
        self.following: str | None = None
        self.to: str | None = None
        self.is_running = True
        self.token: Fence | None = None
        self.commits: Commits = "async"
        self.notes: list[dict[str, Any]] = []
        self.announced: dict[str, Announcement] = {}

    @property
    def takes_writes(self) -> bool:
        return self.role == "primary" and self.gate == "open" and self.is_running

    def become_primary(self, epoch: int) -> None:
        self.role, self.gate, self.epoch, self.following, self.is_running, self.token = (
            "primary",
            "open",
            epoch,
            None,
            True,
            None,
        )

    def follow(self, leader: str) -> None:
        self.role, self.gate, self.following, self.is_running = "standby", "closed", leader, True

    def look(self) -> HostStatus:
        streaming = not self._world.cut and (
            self.following is not None and self._world.hosts[self.following].is_running
        )
        return HostStatus(
            name=self.name,
            role=self.role,
            to=self.to,
            epoch=self.epoch,
            refused_epoch=self.refused,
            now=now(),
            gate=self.gate,
            in_recovery=self.following is not None,
            system_id="1",
            timeline=1,
            streaming=streaming,
            behind_bytes=0,
            behind_seconds=0.0,
            media=MediaStatus(position=len(self.wal), root="00"),
            commits=self.commits,
            schema_version=27,
            program="0.1.0",
            web_ok=True,
            certificate_until=now() + timedelta(days=300),
            free_bytes=10**11,
            last_drill=now(),
            last_snapshot=now(),
        )

    def _hold(self) -> None:
        if self.role != "primary":
            raise HostError(f"{self.name} is {self.role}.")
        self.gate = "hold"

    def _fence(self, epoch: int, to: str) -> Fence:
        if self.role == "fenced" and self.token is not None and self.token.epoch == epoch:
            return self.token
        if self.role != "primary" or epoch <= max(self.epoch, self.refused):
            raise HostError(f"{self.name} is {self.role} with epoch {self.epoch}.")
        self.gate, self.role, self.to = "hold", "fenced", to
        self._world.replicate()
        self.is_running = False
        self.token = Fence(
            epoch=epoch,
            from_host=self.name,
            to_host=to,
            system_id="1",
            timeline=1,
            shutdown_lsn=f"0/{len(self.wal):X}",
            media_root="00",
            media_position=len(self.wal),
        )
        return self.token

    def _verify(self, fence: Fence) -> None:
        if len(self.wal) < fence.media_position:
            raise HostError(f"{self.name} lacks {fence.media_position - len(self.wal)} rows.")

    def _promote(self, fence: Fence | None, epoch: int) -> None:
        if self.role == "primary" and self.epoch == epoch:
            return
        if epoch <= max(self.refused, self.epoch) or self.role != "standby":
            raise HostError(f"{self.name} has promised not to take over with epoch {epoch}.")
        if fence is not None:
            self._verify(fence)
        self.become_primary(epoch)

    def _promise(self, epoch: int) -> bool:
        if self.role == "primary" and self.epoch >= epoch:
            return True
        self.refused = max(self.refused, epoch)
        return False

    def _release(self, alone: bool) -> None:
        if self.role == "primary":
            self.gate = "open"
            return
        if self.role != "fenced" or self.token is None:
            raise HostError(f"{self.name} is {self.role}.")
        other = self._world.other(self.name)
        if other.name in self._world.down and not alone:
            raise HostUnreachable(f"The host {other.name} does not answer.")
        if other.name not in self._world.down and other._promise(self.token.epoch):
            raise HostError(f"{other.name} has taken over.")
        self.refused = max(self.refused, self.token.epoch)
        self.become_primary(self.epoch)

    def _forward(self, to: str) -> None:
        if self.role in ("away", "standby") and self.to == to:
            return
        if self.role != "fenced" or self.to != to:
            raise HostError(f"{self.name} is {self.role}.")
        self.role, self.gate, self.to = "away", "away", to

    def _rejoin(self, to: str) -> None:
        if self.role == "primary":
            raise HostError(f"{self.name} is the primary.")
        leader = self._world.hosts[to]
        if leader.role != "primary":
            raise HostError(f"{to} is not the primary.")
        self.follow(to)
        self.gate, self.to, self.epoch = "away", to, leader.epoch

    def _announce(self, announcement: Announcement) -> None:
        self.announced[announcement.id] = announcement

    def _journal(self, name: str, entries: Sequence[Entry], instead: bool) -> None:
        append_entries(self.settings, name, entries, instead=instead)


class FakeClient:
    """What a command has of a host."""

    def __init__(self, world: World, host: FakeHost, command: Command) -> None:
        self._world, self._host, self._command = world, host, command
        self.name = host.name

    async def _call(self, operation: str, do: Callable[[], Any]) -> Any:
        return await self._world.call(self._command, self.name, operation, do)

    async def status(self) -> HostStatus:
        return await self._call("status", self._host.look)

    async def hold(self, seconds: float) -> None:
        await self._call("hold", self._host._hold)

    async def fence(self, epoch: int, to: str, within: float) -> Fence:
        return await self._call("fence", lambda: self._host._fence(epoch, to))

    async def verify(self, fence: Fence, within: float) -> None:
        await self._call("verify", lambda: self._host._verify(fence))

    async def promote(self, fence: Fence | None, epoch: int) -> None:
        await self._call("promote", lambda: self._host._promote(fence, epoch))

    async def promise(self, epoch: int) -> bool:
        return await self._call("promise", lambda: self._host._promise(epoch))

    async def forward(self, to: str) -> None:
        await self._call("forward", lambda: self._host._forward(to))

    async def rejoin(self, to: str) -> None:
        await self._call("rejoin", lambda: self._host._rejoin(to))

    async def release(self, *, alone: bool = False) -> None:
        await self._call("release", lambda: self._host._release(alone))

    async def smoke(self) -> tuple[Smoke, ...]:
        return await self._call("smoke", lambda: (Smoke("/", 200, 12.0), Smoke("/api/v1/timelines/public", 200, 9.0)))

    async def set_commits(self, commits: Commits) -> None:
        await self._call("set_commits", lambda: setattr(self._host, "commits", commits))

    async def journal(self, move_id: str, entries: Sequence[Entry], *, instead: bool = False) -> None:
        await self._call("journal", lambda: self._host._journal(move_id, list(entries), instead))

    async def read_journal(self, move_id: str = "") -> tuple[str, tuple[Entry, ...]]:
        def read() -> tuple[str, tuple[Entry, ...]]:
            return (
                (move_id, read_entries(self._host.settings, move_id))
                if move_id
                else newest_journal(self._host.settings)
            )

        return await self._call("read_journal", read)

    async def note(self, kind: str, *, ok: bool, seconds: float, detail: dict[str, Any]) -> None:
        if not self._host.takes_writes:
            raise HostError(f"{self.name} cannot write.")
        self._host.notes.append({"kind": kind, "ok": ok, "seconds": seconds, **detail})

    async def announce(self, announcement: Announcement) -> None:
        await self._call("announce", lambda: self._host._announce(announcement))


class FakeNames:
    """A DNS with one server. `ttl` is how long the world remembers, in seconds."""

    def __init__(self, points_to: tuple[str, ...] = ("192.0.2.1",)) -> None:
        self.points_to = points_to
        self.ttl = 0

    async def current(self) -> Addresses:
        return Addresses(v4=self.points_to, ttl=self.ttl)

    async def flip(self, to: tuple[str, ...], expected: tuple[str, ...]) -> dict[str, Any]:
        before = self.points_to
        if before != to and expected and before != expected:
            raise StaleName(f"social.example points to {before[0]}, not to {expected[0]}.")
        self.points_to = to
        return {"from": list(before), "to": list(to), "ttl": self.ttl, "at": now().isoformat()}

    async def not_seen(self, to: tuple[str, ...]) -> list[str]:
        if not self.points_to:
            raise NamesError("No server answers.")
        return [] if self.points_to == to else ["192.0.2.53"]


def opener(world: World) -> Callable[[str], Any]:
    """What a command opens hosts with."""
    command = Command()

    @asynccontextmanager
    async def open_fake(name: str) -> AsyncIterator[FakeClient]:
        yield FakeClient(world, world.hosts[name], command)

    return open_fake


def order_for(world: World, source: str, target: str, **others: Any) -> Order:
    """What a plan would order."""
    epochs = [max(host.epoch, host.refused) for host in world.hosts.values()]
    n = {"a": 1, "b": 2}
    values: dict[str, Any] = {
        "hold": HOLD,
        "domain": "social.example",
        "addresses": (f"192.0.2.{n[target]}",),
        "expected": (f"192.0.2.{n[source]}",),
    }
    return Order(source=source, target=target, epoch=max(epochs) + 1, **{**values, **others})


async def run_once(
    world: World,
    names: FakeNames,
    *,
    on: str = "a",
    to: str = "b",
    heard: list[Told] | None = None,
    stop_at: str = "",
    **others: Any,
) -> Standing:
    """`parley move run` on one of the hosts: go on with the move that is not over, or begin one.

    `stop_at` is the step at whose beginning somebody presses Ctrl-C.
    """
    moves: list[Move] = []
    settings, hosts, open_fake = world.hosts[on].settings, world.record(on), opener(world)

    def tell(told: Told) -> None:
        if heard is not None:
            heard.append(told)
        if told.kind == "begin" and told.step == stop_at:
            moves[0].stop()

    unfinished = await find_unfinished(settings, hosts, open_fake)
    if unfinished:
        async with opened_journal(settings, *unfinished, on, open_fake) as (journal, route):
            moves.append(Move(journal, route.source, route.target, names, tell))
            return await moves[0].carry_on()
    async with AsyncExitStack() as stack:
        route = await find_route(hosts, open_fake, stack, to)
        journal = await open_journal(settings, route, order_for(world, route.source.name, to, **others), on)
        try:
            moves.append(Move(journal, route.source, route.target, names, tell))
            return await moves[0].carry_on()
        finally:
            journal.drop()
