"""What a host can be asked to do. Each may be asked for again when it is done already, and says the same.

The agent runs them, for whoever is in `hosts.json` and for commands of this machine; see HostClient. Whatever changes
what the host is stands on the disk before the gate is turned, and two such changes never run side by side.
"""

# Long because all operations stand in one place: what one of them promises, the others rely on.

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from parley.hosting import journals
from parley.hosting.holding import Announcement, keep_announcement, publish_holding
from parley.hosting.hosts import roles, store
from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.fences import check_fence
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.reporting import read_status, smoke_test
from parley.hosting.hosts.views import Commits, Fence, HostStatus, Smoke
from parley.hosting.journals import Entry
from parley.kit.clock import now
from parley.kit.db import LostConnection, connect
from parley.kit.gate import State
from parley.kit.replication import lsn_to_int

log = logging.getLogger(__name__)

LOOK_EVERY = 0.005
MOST_HOLD = 120.0
MOST_VERIFY = 3600.0
HELD_AFTER_FENCE = 60.0
STREAM_SECONDS = 10.0
ASK_SECONDS = 1.0
REST_SECONDS = 0.5
SEGMENT_BYTES = 16 * 1024 * 1024


async def status(host: Host) -> HostStatus:
    """What the host says of itself."""
    return await read_status(host)


async def hold(host: Host, within: float) -> None:
    """Let writes wait, `within` seconds at most; a checkpoint was made before, so that a stop is short.

    When the time is over and nothing else was asked, writes go on by themselves.
    """
    if not 0 < within <= MOST_HOLD:
        raise HostError(f"Writes may wait for {MOST_HOLD:.0f} seconds at most.")
    async with host.turning:
        if host.state.role == "fenced":
            return
        _need_open(host)
        await _checkpoint(host)
        host.gate.turn(State.HOLD, hold=within)
        host.open_after(within)


async def fence(host: Host, epoch: int, to: str, within: float) -> Fence:
    """Stop writing for good, and say exactly where; the gate stays held for what waits, until `forward` or `release`.

    `epoch` is the new one. Raises HostError when it cannot be done in time: until PostgreSQL is being stopped the host
    stays what it was, and `release` opens it again.
    """
    if not 0 < within <= MOST_HOLD:
        raise HostError(f"A host has {MOST_HOLD:.0f} seconds to stop at most.")
    _need_postgres(host)
    async with host.turning:
        state = host.state
        if state.role in ("fenced", "away", "standby") and state.token and state.token.epoch == epoch:
            if state.token.to_host != to:
                raise HostError(f"This host has stopped for {state.token.to_host} already, not for {to}.")
            return state.token
        if state.role != "fenced" or state.next_epoch != epoch or state.to != to:
            _need_open(host)
            _need_newer(host, epoch)
            _need_other(host, to)
            began = time.monotonic()
            host.gate.turn(State.HOLD, hold=max(within, 1) + HELD_AFTER_FENCE)
            host.open_after(None)
            try:
                await _await_writers(host, within)
            except HostError:
                host.open_after(1.0)
                raise
            # From here on nothing writes any more: the state says so first, and only then PostgreSQL stops.
            await host.change_state(role="fenced", to=to, next_epoch=epoch, token=None)
            host.gate.fence()
            host.drop_connections()
            await roles.stop_cleanly(host, max(within - (time.monotonic() - began), 1.0))
        token = await roles.finish_fence(host)
        await host.on_fenced(token)
        return token


async def verify(host: Host, fence: Fence, within: float) -> None:
    """Whether this standby has all that the fenced host had, within so many seconds. HostError says what lacks."""
    check_fence(host.settings, fence)
    if host.state.role == "primary" and host.state.epoch == fence.epoch:
        return
    if fence.to_host != host.me:
        raise HostError(f"The fence is for {fence.to_host}, and this host is {host.me}.")
    if host.state.role != "standby":
        raise HostError(f"{host.me} is no standby: it is {host.state.role}.")
    deadline = time.monotonic() + min(within, MOST_VERIFY)
    async with host.database() as connection:
        here = await store.get_self(connection)
        if here.system_id != fence.system_id:
            raise HostError("The two databases are not of one origin: `parley standby init` copies it anew.")
        end, ask_at = lsn_to_int(fence.shutdown_lsn), time.monotonic() + REST_SECONDS
        while (lacks := end - lsn_to_int(await store.get_replayed(connection))) >= 0:
            if time.monotonic() > deadline:
                raise HostError(f"{host.me} has not replayed the last {lacks + 1} bytes of the database.")
            if time.monotonic() > ask_at:
                # It was away when the other one stopped. What that has written it can still send.
                with suppress(HostError):
                    await (await host.peer(fence.from_host)).call("serve_rest", type(None))
                ask_at = time.monotonic() + 4 * REST_SECONDS
            await asyncio.sleep(LOOK_EVERY)
        if not await store.has_segment(connection, _segment_of(fence)):
            raise HostError(f"{host.me} follows another history than timeline {fence.timeline}.")
    await host.wait_for_media(fence.media_position, fence.media_root, max(deadline - time.monotonic(), 0.0))


async def serve_rest(host: Host) -> None:
    """On a host that has stopped writing: run PostgreSQL to be read alone, so that others get what they lack of it."""
    async with host.turning:
        if host.state.role == "fenced" and host.state.token is not None and not host.postgres.is_running():
            await roles.start_role(host)


async def promote(host: Host, fence: Fence | None, epoch: int) -> None:
    """Become the primary: PostgreSQL writes, the epoch first; then the gate opens.

    Nobody is waited for at first, also where `commits` is sync: no standby can be there yet. `degraded_since` says so
    until `set_commits`. `fence` None: nobody could be asked to stop; who calls it knows that nobody else writes.
    """
    _need_postgres(host)
    async with host.turning:
        state = host.state
        if state.role == "primary" and state.epoch >= epoch:
            if state.epoch > epoch:
                raise HostError(f"{host.me} writes with epoch {state.epoch} already, which is newer than {epoch}.")
            if host.gate.state is not State.OPEN:
                await roles.start_role(host)
                await _open(host)
            return
        if fence is not None:
            check_fence(host.settings, fence)
            if fence.epoch != epoch or fence.to_host != host.me:
                raise HostError(f"The fence is for {fence.to_host} with epoch {fence.epoch}, not for this.")
        if epoch <= state.refused_epoch:
            raise HostError(
                f"{host.me} has promised not to take over with epoch {epoch}: begin anew with a higher one."
            )
        _need_newer(host, epoch)
        if state.role not in ("standby", "fenced", "away"):
            raise HostError(f"{host.me} is {state.role} and cannot take over.")
        degraded = now() if state.commits == "sync" else None
        if state.role != "standby":  # it has stopped writing itself, and goes on now with a higher epoch
            await roles.start_role(host)
        await host.change_state(role="primary", epoch=epoch, to=None, token=None, next_epoch=0, degraded_since=degraded)
        await roles.configure(host)
        await roles.finish_promotion(host)
        await _open(host)
        await roles.ensure_slots(host)


async def promise(host: Host, epoch: int) -> bool:
    """Never take over with this epoch or an older one. True: it is too late, the host has done so."""
    async with host.turning:
        if host.state.role == "primary" and host.state.epoch >= epoch:
            return True
        await host.change_state(refused_epoch=max(host.state.refused_epoch, epoch))
        return False


async def forward(host: Host, to: str) -> None:
    """Hand requests on to another host; what waited at the gate goes there, too."""
    async with host.turning:
        state = host.state
        if state.role in ("away", "standby") and state.to == to:
            if state.role == "away":
                host.gate.turn(State.AWAY, epoch=state.epoch)
            return
        if state.role != "fenced" or state.token is None:
            raise HostError(f"{host.me} has not stopped writing for {to}: it is {state.role}.")
        if state.to != to:
            raise HostError(f"{host.me} has stopped for {state.to}, not for {to}.")
        await host.change_state(role="away", to=to)
        host.open_after(None)
        host.gate.turn(State.AWAY, epoch=state.epoch)


async def rejoin(host: Host, to: str) -> None:
    """Become the standby of `to`, which must be the primary with a newer epoch; what only this host has is taken back.

    Whoever calls it has saved before what must not be lost. Requests are handed on all the while.
    """
    _need_postgres(host)
    async with host.turning:
        other = await (await host.peer(to)).status()
        if other.role != "primary":
            raise HostError(f"{to} is {other.role}, not the primary.")
        state = host.state
        if state.role == "primary" and other.epoch <= state.epoch:
            raise HostError(f"{host.me} is the primary itself, with epoch {state.epoch}; {to} has {other.epoch}.")
        if not host.runs_postgres or not host.postgres.exists:
            raise HostError(f"{host.me} has no database: run `parley standby init` there.")
        if state.role == "standby" and state.to == to and await _is_streaming(host):
            return
        if state.role == "primary":
            host.gate.turn(State.AWAY, epoch=state.epoch)
        clean = state.token is not None and state.token.epoch == other.epoch and state.token.to_host == to
        await host.change_state(role="away", to=to)
        host.gate.turn(State.AWAY, epoch=state.epoch)
        await _follow(host, rewind=not clean and state.role != "standby")
        await host.change_state(
            role="standby",
            to=to,
            epoch=other.epoch,
            commits=other.commits,
            token=None,
            next_epoch=0,
            overtaken=False,
        )


async def release(host: Host, alone: bool = False) -> None:
    """Be the primary again, with the old epoch, as if nothing had happened; writes that wait go on.

    Refused once another host may have taken over: each is asked to promise that it will not. `alone`: one that does
    not answer is passed over, because whoever calls knows from the journal that no host was ever told to take over.
    """
    _need_postgres(host)
    async with host.turning:
        state = host.state
        if state.role == "primary":
            host.open_after(None)
            host.gate.turn(State.OPEN, epoch=state.epoch)
            return
        if state.role != "fenced" or state.overtaken:
            raise HostError(f"{host.me} is {state.role}: another host is the primary, or is to be.")
        for other in host.hosts.others:
            if await _has_taken_over(host, other.name, state.next_epoch, alone=alone):
                raise HostError(f"{other.name} has taken over already: `parley move run` goes on with the move.")
        refused = max(state.refused_epoch, state.next_epoch)
        await roles.stop_anyhow(host)  # it may still be stopping, or have been started to be read
        await asyncio.to_thread(host.postgres.set_following, False)
        await host.change_state(role="primary", to=None, token=None, next_epoch=0, refused_epoch=refused)
        await roles.start_role(host)
        await _open(host)


async def _has_taken_over(host: Host, name: str, epoch: int, *, alone: bool) -> bool:
    """Whether another host writes with the epoch; it promises never to, when it does not."""
    peer = await host.peer(name)
    if not alone:
        return await peer.promise(epoch)
    try:
        async with asyncio.timeout(ASK_SECONDS):
            return await peer.promise(epoch)
    except (HostUnreachable, TimeoutError):
        return False


async def start(host: Host) -> str:
    """Start PostgreSQL as what this host is, or wait until it has started; returns the role."""
    if not host.started:
        await host.before_start()
    async with host.turning:
        if not host.started:
            await roles.start_role(host)
            roles.turn_gate(host)
            host.started = True
        return host.state.role


async def opened(host: Host) -> None:
    """The database was brought to this program's schema: the gate of a primary opens, with the epoch that holds."""
    async with host.turning:
        if host.state.role == "primary":
            await _open(host)


async def smoke(host: Host) -> tuple[Smoke, ...]:
    """Ask this host's own web for some pages, which it reads from its own database."""
    return await smoke_test(host)


async def set_commits(host: Host, commits: Commits) -> None:
    """Whether writes are acknowledged only once a standby has them; from now on for all of them."""
    async with host.turning:
        if commits == "async" and host.state.commits == "sync" and host.state.role == "primary":
            await host.before_alone()
        await host.change_state(commits=commits, degraded_since=None)
        if host.state.role == "primary":
            await roles.configure(host)


async def wait_again(host: Host, waits: bool) -> None:
    """On a degraded primary: wait for the standby, to see whether it gets everything, or not any more. It is degraded
    until `set_degraded` says otherwise."""
    async with host.turning:
        _need_primary(host)
        if host.waits_again and not waits:
            await host.before_alone()
        host.waits_again = waits and host.state.degraded_since is not None
        host.on_state_changed()
        await roles.configure(host)


async def set_degraded(host: Host, degraded: bool) -> None:
    """On a primary whose commits are sync: go on without the standby, or wait for it again."""
    async with host.turning:
        _need_primary(host)
        wanted = (host.state.degraded_since or now()) if degraded and host.state.commits == "sync" else None
        if wanted is not None and host.waits:
            await host.before_alone()
        if wanted is not None:
            host.waits_again = False
        await host.change_state(degraded_since=wanted)
        host.on_state_changed()
        await roles.configure(host)


async def journal(host: Host, move_id: str, entries: Sequence[Entry], instead: bool = False) -> None:
    """Append to this host's copy of a journal."""
    await asyncio.to_thread(journals.append_entries, host.settings, move_id, entries, instead=instead)


async def read_journal(host: Host, move_id: str = "") -> tuple[str, tuple[Entry, ...]]:
    """This host's copy of a journal, and its name; the newest without a name."""
    if not move_id:
        return await asyncio.to_thread(journals.newest_journal, host.settings)
    return move_id, await asyncio.to_thread(journals.read_entries, host.settings, move_id)


async def note(host: Host, kind: str, *, ok: bool, seconds: float, detail: dict[str, Any]) -> None:
    """Note in the database what came of something; what stands there already is not noted again."""
    _need_primary(host)
    async with host.database() as connection:
        await store.insert_record_once(connection, kind, ok, seconds, detail)


async def announce(host: Host, announcement: Announcement) -> None:
    """Show an announcement on the holding page, here and where it is published."""
    added = await asyncio.to_thread(keep_announcement, host.settings, announcement)
    if added and host.settings.holding_to:
        await publish_holding(host.settings, host.settings.holding_to)


async def _open(host: Host) -> None:
    """Open the gate of a primary whose PostgreSQL writes with the host's epoch."""
    async with host.database() as connection:
        epoch = await store.update_epoch(connection, max(host.state.epoch, 1))
    if epoch != host.state.epoch:
        await host.change_state(epoch=epoch)
    await host.before_open(epoch)
    host.open_after(None)
    host.gate.turn(State.OPEN, epoch=epoch)
    host.opened = True


async def _checkpoint(host: Host) -> None:
    """On a connection of its own: it may take a while, in which the host is still asked how it is."""
    if not host.runs_postgres:
        return
    try:
        connection = await connect(host.dsn)
        try:
            await store.update_checkpoint(connection)
        finally:
            await connection.close()
    except LostConnection as error:
        raise HostError(f"PostgreSQL on {host.me} cannot be reached ({error}).") from error


async def _await_writers(host: Host, within: float) -> None:
    deadline = time.monotonic() + within
    async with host.database() as connection:
        while left := await store.count_writers(connection):
            if time.monotonic() > deadline:
                raise HostError(f"{left} writes are still going on after {within:.1f} s, so the host was not stopped.")
            await asyncio.sleep(LOOK_EVERY)


async def _follow(host: Host, *, rewind: bool) -> None:
    """Let PostgreSQL follow `to`; with a rewind where that is needed, or turns out to be."""
    host.drop_connections()
    await roles.stop_cleanly(host, roles.STOP_SECONDS)
    if rewind:
        await roles.rewind(host)
    await roles.start_following(host)
    deadline = time.monotonic() + STREAM_SECONDS
    while not await _is_streaming(host):
        if time.monotonic() > deadline:
            if rewind:
                raise HostError(f"{host.me} does not follow {host.state.to} yet: see PostgreSQL's log.")
            await _follow(host, rewind=True)
            return
        await asyncio.sleep(0.02)


async def _is_streaming(host: Host) -> bool:
    async with host.database() as connection:
        receiver = await store.get_receiver(connection)
        return receiver is not None and receiver.status == "streaming"


def _segment_of(fence: Fence) -> str:
    number = lsn_to_int(fence.shutdown_lsn) // SEGMENT_BYTES
    per_file = 0x100000000 // SEGMENT_BYTES
    return f"{fence.timeline:08X}{number // per_file:08X}{number % per_file:08X}"


def _need_primary(host: Host) -> None:
    if host.state.role != "primary":
        whom = f"; the primary is, or is to be, {host.state.to}" if host.state.to else ""
        raise HostError(f"{host.me} is not the primary: it is {host.state.role}{whom}.")


def _need_postgres(host: Host) -> None:
    """Before anything is changed: what others run, Parley can neither stop nor start."""
    _ = host.postgres


def _need_open(host: Host) -> None:
    """A primary that is just starting has its schema changed, and is not to be stopped in the middle of that."""
    _need_primary(host)
    if not host.opened:
        raise HostUnreachable(f"{host.me} is just starting.")


def _need_newer(host: Host, epoch: int) -> None:
    if epoch <= host.state.epoch:
        raise HostError(f"Epoch {epoch} is not newer than {host.state.epoch}, which {host.me} knows.")


def _need_other(host: Host, to: str) -> None:
    if to == host.me or host.hosts.find(to) is None:
        raise HostError(f"There is no other host {to!r}: `parley host list` names them all.")
