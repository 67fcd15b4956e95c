"""Which move a command carries on: the one that is not over, or a new one; and the hosts that it needs for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import msgspec

from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.records import Hosts
from parley.hosting.hosts.views import HostStatus
from parley.hosting.journals import CLOSED, Entry, JournalError, newest_journal
from parley.hosting.moves.journal import Journal, longest
from parley.hosting.moves.peers import Peer
from parley.hosting.moves.states import Order, standing_of
from parley.kit.settings import Settings

OpenHost = Callable[[str], AbstractAsyncContextManager[Peer]]
"""Opens the client of a host by its name."""


class Route(msgspec.Struct, frozen=True):
    """Two open hosts: who is left, and who is moved to."""

    source: Peer
    target: Peer


def other_of(hosts: Hosts, name: str = "") -> str:
    """The host that is moved to: `name`, or the only other one. Raises HostError."""
    if name and hosts.find(name) is None:
        raise HostError(f"There is no host {name!r}: `parley host list` names them all.")
    if name:
        return name
    if len(hosts.others) != 1:
        raise HostError("Say where to with --to: `parley host list` names the hosts." if hosts.others else LONELY)
    return hosts.others[0].name


LONELY = "This instance has one host only: `parley host add` and `parley standby init` give it a second one."


async def find_route(hosts: Hosts, open_host: OpenHost, stack: AsyncExitStack, to: str) -> Route:
    """Who is the primary, and the client of each. Both answer; raises HostError, HostUnreachable otherwise."""
    peers = {one.name: await stack.enter_async_context(open_host(one.name)) for one in hosts.hosts}
    answers = await asyncio.gather(*(peer.status() for peer in peers.values()), return_exceptions=True)
    known = {one.name: one for one in answers if isinstance(one, HostStatus)}
    primaries = [one for one in known.values() if one.role == "primary"]
    if not primaries:
        silent = [str(one) for one in answers if isinstance(one, HostUnreachable)]
        raise HostError(
            f"{' '.join(silent) or 'None of the hosts is the primary: see `parley host status`.'} A move needs both "
            "hosts; when the primary is lost, see `parley failover --help`."
        )
    source = max(primaries, key=lambda one: one.epoch).name
    target = to or next((name for name in peers if name != source), "")
    if len(peers) != 2 and not to:
        raise HostError("Say where to with --to: `parley host list` names the hosts.")
    if target not in peers:
        raise HostError(f"There is no host {target!r}: `parley host list` names them all.")
    if target == source:
        raise HostError(f"The instance lives on {target} already.")
    return Route(peers[source], peers[target])


async def find_unfinished(settings: Settings, hosts: Hosts, open_host: OpenHost) -> tuple[str, Sequence[Entry]] | None:
    """The move that is not over, by what this host and the others know; None when there is none.

    One host that does not answer is passed over: the other has a copy.
    """
    name, entries = newest_journal(settings)
    for other in hosts.others:
        try:
            async with open_host(other.name) as peer:
                its_name, its_entries = await peer.read_journal()
                if name and its_name != name and name > its_name:
                    its_name, its_entries = name, (await peer.read_journal(name))[1]
        except HostError:
            continue
        if its_name == name:
            entries = tuple(longest(entries, its_entries))
        elif its_name > name:
            name, entries = its_name, its_entries
    if not entries or entries[-1].kind == CLOSED:
        return None
    return name, entries


@asynccontextmanager
async def opened_journal(
    settings: Settings, name: str, entries: Sequence[Entry], by: str, open_host: OpenHost
) -> AsyncIterator[tuple[Journal, Route]]:
    """The journal of an unfinished move, with its two hosts open; copies that lack something are brought up to date."""
    order = standing_of(entries).order
    async with open_host(order.source) as source, open_host(order.target) as target:
        journal = Journal(settings, name, by, source, target)
        journal.take(entries)
        await journal.add(("resumed", "", {}))
        try:
            yield journal, Route(source, target)
        finally:
            journal.drop()


async def open_journal(settings: Settings, route: Route, order: Order, by: str) -> Journal:
    """A new move. Raises JournalError when another one is not over, on either host."""
    newest = await _close_copies(route)
    name = f"{newest + 1:06d}-{order.source}-{order.target}"
    journal = Journal(settings, name, by, route.source, route.target)
    await journal.add(("opened", "", msgspec.to_builtins(order)))
    await journal.catch_up(5)
    if not journal.is_on_both:
        raise JournalError(f"{order.target} does not keep the journal of this move: nothing was done.")
    return journal


async def _close_copies(route: Route) -> int:
    """A host that was away when the last move was closed gets the end of its journal. Returns the last number."""
    numbers = [0]
    for one, other in ((route.source, route.target), (route.target, route.source)):
        name, entries = await one.read_journal()
        numbers.append(int(name.split("-")[0]) if name else 0)
        if name and entries[-1].kind == CLOSED:
            theirs = (await other.read_journal(name))[1]
            if theirs and theirs[-1].kind != CLOSED:
                await other.journal(name, entries, instead=True)
    return max(numbers)
