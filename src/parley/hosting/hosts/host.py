"""What the agent of one host holds: settings, gate, PostgreSQL, who the hosts are, and what this one is.

Operations and loops receive it. Everything that another floor adds (files, the lease) is put into it by the program
that runs the agent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from parley.hosting.hosts.client import HostClient, open_host
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.kept import KeptConnection
from parley.hosting.hosts.records import Hosts, HostState, write_hosts, write_state
from parley.hosting.hosts.views import Fence, LeaseStatus, MediaStatus
from parley.kit.gate import Field, Gate, State
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings

log = logging.getLogger(__name__)


async def _no_wait(position: int, root: str, within: float) -> None:
    """For a host whose files are not copied by the agent."""


async def _nothing(_about: Any) -> None:
    """For a host without a lease."""


async def _nothing_yet() -> None:
    """Likewise, before anything is started."""


class Host:
    """One host, in its agent's process."""

    def __init__(
        self, settings: Settings, gate: Gate, postgres: EmbeddedPostgres | None, hosts: Hosts, state: HostState
    ) -> None:
        self.settings = settings
        self.gate = gate
        self._postgres = postgres
        self.hosts = hosts
        self.state = state
        self.turning = asyncio.Lock()
        """Held by whatever changes what this host is."""
        self.media_status: Callable[[], MediaStatus | None] = lambda: None
        """Called in a thread."""
        self.wait_for_media: Callable[[int, str, float], Awaitable[None]] = _no_wait
        """Standby: return once all files up to a position (with this chain hash) are here; HostError after a time."""
        self.lease_status: Callable[[], LeaseStatus | None] = lambda: None
        self.before_start: Callable[[], Awaitable[None]] = _nothing_yet
        """Awaited before PostgreSQL is started for the first time; it may find that this host is something else now."""
        self.before_open: Callable[[int], Awaitable[None]] = _nothing
        """Awaited with the epoch before the gate opens on a primary; HostError keeps it closed."""
        self.before_alone: Callable[[], Awaitable[None]] = _nothing_yet
        """Awaited before writes are acknowledged that no standby has; HostError lets them go on waiting."""
        self.on_fenced: Callable[[Fence], Awaitable[None]] = _nothing
        """Awaited when this host has stopped writing, with its signed word."""
        self.on_hosts_changed: Callable[[], None] = lambda: None
        self.on_key_changed: Callable[[], None] = lambda: None
        """Called when this host has another key, and the certificate that fits."""
        self.rotating = asyncio.Lock()
        """Held while this host changes its key."""
        self.on_state_changed: Callable[[], None] = lambda: None
        """Called at once after every change of the state or of the hosts, before the gate is turned by it."""
        self.changed = asyncio.Condition()
        """Notified after every change of the state, for loops that wait for one."""
        self.opened = False
        """Whether the gate of this primary was opened since the agent started."""
        self.waits_again = False
        """Whether this primary, although it is degraded, waits for its standby, to see whether that gets everything."""
        self.started = False
        """Whether PostgreSQL was started as what this host is."""
        self.web_answered = (0.0, False)
        """When the web was last asked whether it answers, and whether it did."""
        self._changing = KeptConnection(lambda: self.me, lambda: self.dsn)
        self._looking = KeptConnection(lambda: self.me, lambda: self.dsn)
        self._opening: asyncio.TimerHandle | None = None
        self._clients: dict[tuple[str, tuple[str, ...]], HostClient] = {}
        self._open = AsyncExitStack()

    @property
    def me(self) -> str:
        """This host's name."""
        return self.hosts.me

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The server that Parley runs here; raises HostError where somebody else runs it."""
        if self._postgres is None:
            raise HostError(
                "The database of this host is run by somebody else (database_url is set), so Parley cannot do this: "
                "use what runs it, such as Patroni. See docs/operators/two-hosts.md."
            )
        return self._postgres

    @property
    def runs_postgres(self) -> bool:
        """Whether `postgres` may be asked."""
        return self._postgres is not None

    def give(self, path: Path, is_folder: bool) -> None:
        """Let the database's user reach a folder for sockets, or a socket in it."""
        if self._postgres is None:
            if is_folder:
                path.mkdir(mode=0o700, exist_ok=True)
        elif is_folder:
            self._postgres.claim_folder(path)
        else:
            self._postgres.give(path)

    @property
    def dsn(self) -> str:
        """Where this host's database is."""
        return self.settings.database_url or self.postgres.dsn

    @property
    def waits(self) -> bool:
        """Whether commits, and files that are stored, wait for another host."""
        return self.state.commits == "sync" and (self.state.degraded_since is None or self.waits_again)

    async def change_state(self, **changes: Any) -> HostState:
        """Keep what this host is now, on the disk first."""
        state = msgspec.structs.replace(self.state, **changes)
        if state != self.state:
            await asyncio.to_thread(write_state, self.settings, state)
            self.state = state
            self.waits_again = self.waits_again and state.role == "primary" and state.degraded_since is not None
            self.on_state_changed()
            log.info("this host is %s now: epoch %d, to %s", state.role, state.epoch, state.to)
            async with self.changed:
                self.changed.notify_all()
        return state

    async def change_hosts(self, hosts: Hosts) -> None:
        """Keep who the hosts are, on the disk first."""
        await asyncio.to_thread(write_hosts, self.settings, hosts)
        self.hosts = hosts
        self.on_state_changed()
        self.on_hosts_changed()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Any]:
        """The agent's own connection, kept open; one user at a time. Raises HostError when PostgreSQL is not there."""
        async with self._changing.use() as connection:
            yield connection

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Any]:
        """Another one, for questions that take a moment alone: how this host is can be asked whatever else it does."""
        async with self._looking.use() as connection:
            yield connection

    def drop_connections(self) -> None:
        """Close the agent's connections, because PostgreSQL is about to stop."""
        self._changing.drop()
        self._looking.drop()

    def open_after(self, seconds: float | None) -> None:
        """Open a primary's gate by itself after a time of holding, unless something else is asked; None: do not."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        if seconds is not None:
            self._opening = asyncio.get_running_loop().call_later(seconds, self._open_again)

    def _open_again(self) -> None:
        if self.state.role == "primary" and self.gate.get(Field.STATE) == State.HOLD:
            log.warning("the gate was held and nothing followed: writes go on")
            self.gate.turn(State.OPEN, epoch=self.state.epoch)

    async def peer(self, name: str) -> HostClient:
        """A client of another host, kept open; raises HostError when no host has that name."""
        record = self.hosts.find(name)
        if record is None or name == self.me:
            raise HostError(f"There is no other host {name!r}: `parley host list` names them all.")
        known = (record.link, record.keys)
        if known not in self._clients:
            self._clients[known] = await self._open.enter_async_context(open_host(self.settings, name))
        return self._clients[known]

    def forget_clients(self) -> None:
        """Show the certificate as it is now to other hosts, on connections that are made from here on."""
        self._clients.clear()

    async def close(self) -> None:
        """Close connections to the database and to other hosts."""
        await self._open.aclose()
        self.drop_connections()
