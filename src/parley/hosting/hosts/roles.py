"""How PostgreSQL runs in each role, and how a host starts as what it was when it was killed.

The state on the disk is the truth. PostgreSQL and the gate are brought to what it says, never the other way round.
"""

from __future__ import annotations

import asyncio
import logging
import time

from parley.hosting.hosts import store
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.fences import sign_fence
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.sockets import peer_folder
from parley.hosting.hosts.views import Fence
from parley.kit.gate import State
from parley.kit.postgres import PostgresError
from parley.kit.replication import (
    Replication,
    control_data,
    is_half_rewound,
    rewind_server,
    slot_of,
    write_replication,
)

log = logging.getLogger(__name__)

LOOK_EVERY = 0.005
PROMOTE_SECONDS = 60
KEPT = {"standby": State.AWAY, "fenced": State.HOLD}
"""What a gate may stay in each role: requests are handed on already, or writes still wait for what comes."""

STOP_SECONDS = 60
SHORT_STOP_SECONDS = 1.0


def wanted_replication(host: Host) -> Replication:
    """How PostgreSQL takes part, by what the host is now."""
    state = host.state
    follow = peer_folder(host.settings, state.to) if state.role in ("standby", "away") and state.to else None
    return Replication(
        name=host.me,
        follow=follow,
        wait_for=tuple(one.name for one in host.hosts.others) if host.waits else (),
    )


async def configure(host: Host) -> None:
    """Let PostgreSQL know how it takes part; a running one reads it at once."""
    await asyncio.to_thread(write_replication, host.postgres, wanted_replication(host))
    await asyncio.to_thread(host.postgres.reload)


async def start_role(host: Host) -> None:
    """Start PostgreSQL as what the host is. Safe to call when it runs already. Raises HostError."""
    if not host.runs_postgres:
        return
    try:
        match host.state.role:
            case "primary":
                await _start_primary(host)
            case "fenced" if host.state.overtaken:
                return
            case "fenced":
                await _start_fenced(host)
            case _:
                await start_following(host)
    except PostgresError as error:
        raise HostError(str(error)) from error


async def _start_primary(host: Host) -> None:
    """As the primary. Where the folder still says that it follows, a promotion was cut off: it goes on."""
    server = host.postgres
    if server.exists and server.follows:
        await asyncio.to_thread(write_replication, server, Replication(name=host.me))
        await asyncio.to_thread(server.start)
        await finish_promotion(host)
    else:
        if server.exists:
            await asyncio.to_thread(write_replication, server, wanted_replication(host))
        await asyncio.to_thread(server.start)
        await configure(host)
    await ensure_slots(host)


async def _start_fenced(host: Host) -> None:
    """Only to be read: nothing is written any more, and nobody is followed yet."""
    await finish_fence(host)
    await start_following(host)


async def start_following(host: Host) -> None:
    """As a server that is only read: following `to`, or for the time being nobody."""
    server = host.postgres
    if is_half_rewound(server):
        await rewind(host)
    if not server.exists:
        raise HostError("There is no database here yet: run `parley standby init` again.")
    await asyncio.to_thread(server.set_following, True)
    await asyncio.to_thread(write_replication, server, wanted_replication(host))
    if not await asyncio.to_thread(server.start):
        await asyncio.to_thread(server.reload)


async def rewind(host: Host) -> None:
    """Take back what this host wrote and the one that it is to follow does not have. PostgreSQL must have stopped."""
    if not host.state.to:
        raise HostError("It is not known which host is the primary now: `parley host list` shows them.")
    await rewind_server(host.postgres, source=peer_folder(host.settings, host.state.to))


async def finish_promotion(host: Host) -> None:
    """Wait until PostgreSQL writes, and write the epoch first of all."""
    server, epoch = host.postgres, host.state.epoch
    async with host.database() as connection:
        if await store.get_in_recovery(connection):
            await store.update_to_primary(connection)
            deadline = time.monotonic() + PROMOTE_SECONDS
            while await store.get_in_recovery(connection):
                if time.monotonic() > deadline:
                    raise HostError(f"PostgreSQL has not begun to write within {PROMOTE_SECONDS} s: see its log.")
                await asyncio.sleep(LOOK_EVERY)
        holds = await store.update_epoch(connection, epoch)
    if holds != epoch:
        raise HostError(f"The database has the epoch {holds} already, which is not {epoch}: another host came first.")
    await asyncio.to_thread(server.set_following, False)
    await configure(host)


async def stop_cleanly(host: Host, within: float) -> None:
    """Stop PostgreSQL with everything on the disk and sent to who follows; raises HostError when it takes longer."""
    try:
        await asyncio.to_thread(host.postgres.stop_at_once, within)
    except PostgresError as error:
        raise HostError(str(error)) from error


async def stop_anyhow(host: Host) -> None:
    """Stop PostgreSQL, and soon, also when whoever follows cannot be reached; nothing that was committed is lost."""
    try:
        await stop_cleanly(host, SHORT_STOP_SECONDS)
    except HostError:
        await asyncio.to_thread(host.postgres.abort, STOP_SECONDS)


async def finish_fence(host: Host) -> Fence:
    """The signed word of this host, which writes no more and whose PostgreSQL is stopped here; made once."""
    state, server = host.state, host.postgres
    if state.token is not None:
        return state.token
    found = await asyncio.to_thread(control_data, server)
    if not found.is_clean:
        # It was killed while it stopped. Only a clean stop says where its writing ends, so it is stopped again.
        await stop_cleanly(host, STOP_SECONDS)
        await asyncio.to_thread(server.set_following, False)
        await asyncio.to_thread(write_replication, server, Replication(name=host.me))
        await asyncio.to_thread(server.start)
        await stop_cleanly(host, STOP_SECONDS)
        found = await asyncio.to_thread(control_data, server)
        if not found.is_clean:
            raise HostError(f"PostgreSQL did not stop cleanly: it says {found.state!r}. See its log.")
    media = await asyncio.to_thread(host.media_status)
    token = sign_fence(
        host.settings,
        Fence(
            epoch=state.next_epoch,
            from_host=host.me,
            to_host=state.to or "",
            system_id=found.system_id,
            timeline=found.timeline,
            shutdown_lsn=found.checkpoint_lsn,
            media_root=media.root if media else "",
            media_position=media.position if media else 0,
        ),
    )
    await host.change_state(token=token)
    return token


async def ensure_slots(host: Host) -> None:
    """Keep what each other host needs to follow this one, and nothing for those that are gone, or on a standby."""
    wanted = {slot_of(one.name) for one in host.hosts.others} if host.state.role in ("primary", "fenced") else set()
    async with host.database() as connection:
        there = await store.list_slots(connection)
        for name in wanted - there.keys():
            await store.insert_slot(connection, name)
        for name in there.keys() - wanted:
            await store.delete_slot(connection, name)


def turn_gate(host: Host) -> None:
    """Bring the gate of a host that writes no more to what it is; that of a primary is opened by `opened`."""
    gate, state = host.gate, host.state
    if state.role == "away":
        gate.turn(State.AWAY, epoch=state.epoch)
    elif state.role != "primary" and gate.state is not KEPT[state.role]:
        gate.turn(State.CLOSED, epoch=state.epoch)
