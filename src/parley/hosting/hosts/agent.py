"""The agent: one small process beside web and worker on every host of an instance that has more than one.

It alone turns the gate, runs PostgreSQL as what the host is, and talks to the other hosts. Killed at any moment, it
starts again and goes on from what stands on the disk. What other floors let it do is given to `run_agent`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from parley.hosting.hosts import membership, operations, roles, rotating
from parley.hosting.hosts.certificates import ensure_authority, ensure_certificate, ensure_key
from parley.hosting.hosts.control import Route, control_app
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.link import POSTGRES, HttpSide, Listener, dial, listen_at, serve_socket
from parley.hosting.hosts.records import (
    HostRecord,
    Hosts,
    HostState,
    check_name,
    read_hosts,
    read_state,
    write_hosts,
    write_state,
)
from parley.hosting.hosts.sockets import POSTGRES_SOCKET, control_socket, peer_folder
from parley.kit.gate import GATE_FILE, Gate, State
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.processes import AGENT_FIRST
from parley.kit.settings import Settings

log = logging.getLogger(__name__)

FIRST_NAME = "a"
RENEW_EVERY = 6 * 3600
TEND_EVERY = 5.0
RESTART_SECONDS = 2.0
MOST_FILES = 65536

Loop = Callable[[Host], Awaitable[None]]


def prepare_host(settings: Settings) -> Host:
    """This host as the disk says, with its certificate. Makes what is missing; raises HostError."""
    hosts, state = read_hosts(settings), read_state(settings)
    ensure_authority(settings)
    key = ensure_key(settings)
    if hosts is None:
        name = check_name(settings.host_name or FIRST_NAME)
        hosts = Hosts(me=name, hosts=(HostRecord(name=name, link=settings.link_listen, key=key),))
        write_hosts(settings, hosts)
    if settings.host_name and settings.host_name != hosts.me:
        raise HostError(
            f"host_name is {settings.host_name!r}, but this host is {hosts.me!r} to the others: set it to that."
        )
    if state is None:
        state = HostState(commits=settings.standby_commits)
        write_state(settings, state)
    ensure_certificate(settings, hosts.me)
    postgres = None if settings.database_url else EmbeddedPostgres(settings)
    return Host(settings, Gate(settings.path(GATE_FILE)), postgres, hosts, state)


async def run_agent(
    settings: Settings,
    *,
    loops: Sequence[Loop] = (),
    routes: Mapping[str, Route] | None = None,
    prepare: Sequence[Callable[[Host], None]] = (),
) -> None:
    """Be the agent until SIGTERM. `loops` run beside it; one that fails is begun again."""
    _allow_many_files()
    host = prepare_host(settings)
    for one in prepare:
        one(host)
    http = HttpSide(control_app(host, routes or {}))
    listener = Listener(settings, http, lambda: host.hosts, host.postgres.socket_dir if host.runs_postgres else None)
    peers = _Peers(host)
    local = await _serve_control(host, http)
    tasks: list[asyncio.Task[None]] = []
    try:
        await listener.start()
        await peers.follow()
        host.on_hosts_changed = _on_hosts_changed(listener, peers, tasks)
        host.on_key_changed = listener.renew
        _be_what_it_was(host)
        if not os.environ.get(AGENT_FIRST):
            tasks.append(asyncio.create_task(_start_again(host)))
        for loop in (_tend, _keep_certificate(listener), *loops):
            tasks.append(asyncio.create_task(_keep_running(loop, host)))
        await _until_told_to_stop()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        local.close()
        await peers.close()
        await listener.close()
        await host.close()


def _on_hosts_changed(listener: Listener, peers: _Peers, tasks: list[asyncio.Task[None]]) -> Callable[[], None]:
    def changed() -> None:
        listener.drop_strangers()
        tasks[:] = [one for one in tasks if not one.done()]
        tasks.append(asyncio.create_task(peers.follow()))

    return changed


def _be_what_it_was(host: Host) -> None:
    """A gate that was open or held when the agent ended stays so on a primary; a hold ends by itself all the same."""
    gate = host.gate
    if host.state.role != "primary" and gate.state is State.OPEN:
        gate.turn(State.CLOSED, epoch=host.state.epoch)
    if gate.state is State.HOLD:
        host.open_after(30.0)


async def _start_again(host: Host) -> None:
    """The agent itself was restarted, under a running instance: nobody else asks it to start and open."""
    while True:
        try:
            await operations.start(host)
            await operations.opened(host)
        except HostError as error:
            log.error("this host cannot be what it is to be: %s", error)
            await asyncio.sleep(RESTART_SECONDS)
        else:
            return


async def _serve_control(host: Host, http: HttpSide) -> asyncio.Server:
    path = control_socket(host.settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    loop = asyncio.get_running_loop()
    return await listen_at(path, lambda: loop.create_unix_server(lambda: http.protocol(None), str(path)))


class _Peers:
    """The sockets through which this machine's programs reach the other hosts."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._servers: dict[HostRecord, asyncio.Server] = {}
        self._busy = asyncio.Lock()

    async def follow(self) -> None:
        """Have one socket for each other host that there is now."""
        async with self._busy:
            wanted = set(self._host.hosts.others)
            for gone in self._servers.keys() - wanted:
                self._servers.pop(gone).close()
            for record in wanted - self._servers.keys():
                self._servers[record] = await serve_peer(self._host.settings, record, self._host.give)

    async def close(self) -> None:
        """Close them all."""
        for server in self._servers.values():
            server.close()


async def serve_peer(settings: Settings, record: HostRecord, give: Callable[[Any, bool], None]) -> asyncio.Server:
    """The socket that leads to another host's PostgreSQL. `give` makes the database's user its owner."""
    folder = peer_folder(settings, record.name)
    folder.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    await asyncio.to_thread(give, folder, True)
    path = folder / POSTGRES_SOCKET
    server = await serve_socket(path, lambda: dial(settings, record, POSTGRES))
    await asyncio.to_thread(give, path, False)
    return server


def _keep_certificate(listener: Listener) -> Loop:
    async def keep_certificate(host: Host) -> None:
        """Make a new certificate in time."""
        while True:
            await asyncio.sleep(RENEW_EVERY)
            await asyncio.to_thread(ensure_certificate, host.settings, host.me)
            listener.renew()

    return keep_certificate


async def _tend(host: Host) -> None:
    """Keep for the others what they need and no more; learn from the primary who the hosts are, and what is wanted."""
    while True:
        await asyncio.sleep(TEND_EVERY)
        if host.started and host.runs_postgres and not host.turning.locked():
            with suppress(HostError):
                await roles.ensure_slots(host)
        with suppress(HostError):
            await rotating.finish_rotation(host)
        state = host.state
        if state.role != "standby" or state.to is None:
            continue
        with suppress(HostError):
            peer = await host.peer(state.to)
            other = await peer.status(seconds=3)
            await membership.refresh_hosts(host)
            if other.role == "primary" and other.epoch >= host.state.epoch:
                async with host.turning:
                    if host.state.role == "standby" and host.state.to == other.name:
                        await host.change_state(commits=other.commits, epoch=other.epoch)


async def _keep_running(loop: Loop, host: Host) -> None:
    while True:
        began = time.monotonic()
        try:
            await loop(host)
        except Exception:
            log.exception("%s ended; it is begun again", getattr(loop, "__name__", loop))
        await asyncio.sleep(0.5 if time.monotonic() - began > 60 else RESTART_SECONDS)


def _allow_many_files() -> None:
    """As many open connections as the system lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MOST_FILES)), hard))


async def _until_told_to_stop() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()
