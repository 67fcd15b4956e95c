"""Asking a host to do something: this machine's own agent by its socket, another's over the link.

One method for each operation of `operations.py`, where it is said what it does. Connections stay open between calls.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
import msgspec

from parley.hosting.holding import Announcement
from parley.hosting.hosts.certificates import client_context, internal_name
from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.records import Hosts, read_hosts
from parley.hosting.hosts.sockets import control_socket
from parley.hosting.hosts.views import Commits, Fence, HostStatus, Smoke
from parley.hosting.journals import Entry, JournalError, JournalMoved
from parley.kit.settings import Settings

T = TypeVar("T")

CONNECT_SECONDS = 5
LONG = 900.0
"""Seconds for what may have to copy or replay much."""

ERRORS: dict[str, type[Exception]] = {
    "host": HostError,
    "unreachable": HostUnreachable,
    "journal": JournalError,
    "journal_moved": JournalMoved,
}
"""What a host says went wrong, by the code in its answer."""


class Refusal(msgspec.Struct, frozen=True):
    """The body of an answer that is not 200."""

    error: str
    code: str = "host"


class HostClient:
    """One host's operations. Every method raises HostError with the host's own sentence, or HostUnreachable."""

    def __init__(self, name: str, http: httpx.AsyncClient) -> None:
        self.name = name
        self.http = http
        """For routes that are no operation, such as those of files."""

    async def call(self, operation: str, kind: type[T], *, seconds: float = 10, **arguments: Any) -> T:
        """Ask for an operation; `seconds` is how long the answer may take."""
        return await self._ask(operation, kind, seconds, arguments)

    async def _ask(self, operation: str, kind: type[T], seconds: float, arguments: dict[str, Any]) -> T:
        timeout = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
        try:
            answer = await self.http.post(
                f"/operations/{operation}", content=msgspec.json.encode(arguments), timeout=timeout
            )
        except (httpx.TransportError, OSError) as error:
            raise HostUnreachable(f"The host {self.name} does not answer ({_why(error)}).") from error
        if answer.status_code != 200:
            raise _error_of(answer, self.name)
        return msgspec.json.decode(answer.content, type=kind)

    async def status(self, *, seconds: float = 10) -> HostStatus:
        """What the host says of itself."""
        return await self.call("status", HostStatus, seconds=seconds)

    async def hold(self, seconds: float) -> None:
        """Let writes wait, for so many seconds at most."""
        await self.call("hold", type(None), seconds=seconds + 120, within=seconds)

    async def fence(self, epoch: int, to: str, within: float) -> Fence:
        """Stop writing for good; `epoch` is the new one, `to` who is to write with it."""
        return await self.call("fence", Fence, seconds=within + 10, epoch=epoch, to=to, within=within)

    async def verify(self, fence: Fence, within: float) -> None:
        """Whether the host has everything that the fenced one had; waits so many seconds for the rest."""
        await self.call("verify", type(None), seconds=within + 5, fence=fence, within=within)

    async def promote(self, fence: Fence | None, epoch: int) -> None:
        """Become the primary. `fence` None: nobody could be asked to stop."""
        await self.call("promote", type(None), seconds=120, fence=fence, epoch=epoch)

    async def forward(self, to: str) -> None:
        """Hand requests on to another host."""
        await self.call("forward", type(None), to=to)

    async def rejoin(self, to: str) -> None:
        """Become the standby of another host."""
        await self.call("rejoin", type(None), seconds=LONG, to=to)

    async def release(self, *, alone: bool = False) -> None:
        """Be the primary again as if nothing had happened. `alone`: also when no other host answers."""
        await self.call("release", type(None), seconds=120, alone=alone)

    async def smoke(self) -> tuple[Smoke, ...]:
        """Ask the host's own web for some pages."""
        return await self.call("smoke", tuple[Smoke, ...], seconds=60)

    async def set_commits(self, commits: Commits) -> None:
        """Whether writes are acknowledged only once the standby has them."""
        await self.call("set_commits", type(None), commits=commits)

    async def journal(self, move_id: str, entries: Sequence[Entry], *, instead: bool = False) -> None:
        """Append to the host's copy of a journal. Raises JournalMoved, JournalError."""
        await self.call("journal", type(None), move_id=move_id, entries=list(entries), instead=instead)

    async def read_journal(self, move_id: str = "") -> tuple[str, tuple[Entry, ...]]:
        """The host's copy, and its name. Without a name the newest; an empty name when there never was one."""
        return await self.call("read_journal", tuple[str, tuple[Entry, ...]], move_id=move_id)

    async def promise(self, epoch: int) -> bool:
        """Never take over with this epoch or an older one. True: it is too late, the host has done so."""
        return await self.call("promise", bool, epoch=epoch)

    async def note(self, kind: str, *, ok: bool, seconds: float, detail: dict[str, Any]) -> None:
        """Note in the database what came of something; the same once."""
        await self._ask("note", type(None), 10, {"kind": kind, "ok": ok, "seconds": seconds, "detail": detail})

    async def announce(self, announcement: Announcement) -> None:
        """Show an announcement; the same one twice is shown once."""
        await self.call("announce", type(None), seconds=30, announcement=announcement)

    async def opened(self) -> None:
        """For `parley up`: the database is prepared, the gate may open."""
        await self.call("opened", type(None), seconds=60)

    async def start(self) -> str:
        """For `parley up`: start PostgreSQL as what this host is; returns its role, or an empty text while it starts.

        Raises HostError when it cannot be started."""
        return await self.call("start", str, seconds=900)

    async def hosts(self) -> Hosts:
        """Who belongs to the instance, as this host knows."""
        return await self.call("hosts", Hosts)


@asynccontextmanager
async def open_host(settings: Settings, name: str) -> AsyncIterator[HostClient]:
    """A client of the host `name`: this machine's own by its socket, another by the link. Connects when first used.

    Raises HostError when no host has that name.
    """
    hosts = read_hosts(settings)
    if hosts is None or hosts.me == name:
        transport = httpx.AsyncHTTPTransport(uds=str(control_socket(settings)))
        client = httpx.AsyncClient(transport=transport, base_url="http://agent", trust_env=False)
    else:
        record = hosts.find(name)
        if record is None:
            raise HostError(f"There is no host {name!r}: `parley host list` names them all.")
        client = httpx.AsyncClient(
            verify=client_context(settings, record.keys),
            base_url=f"https://{record.link}",
            trust_env=False,
            limits=httpx.Limits(max_connections=8, keepalive_expiry=60),
            event_hooks={"request": [_name_for_tls(internal_name(name))]},
        )
    async with client:
        yield HostClient(name, client)


def _name_for_tls(name: str) -> Any:
    async def add(request: httpx.Request) -> None:
        request.extensions = {**request.extensions, "sni_hostname": name}

    return add


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__


def _error_of(answer: httpx.Response, name: str) -> Exception:
    try:
        said = msgspec.json.decode(answer.content, type=Refusal)
    except msgspec.DecodeError:
        return HostError(f"The host {name} answered with status {answer.status_code}.")
    return ERRORS.get(said.code, HostError)(said.error)
