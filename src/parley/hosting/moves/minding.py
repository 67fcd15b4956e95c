"""Looking after a move whose command is gone, in the agent of the old host: members wait, so somebody has to go on.

Only where this host has stopped writing for a move, and nobody has written into its journal for a while. A command that
is still alive, on whichever host, notices by the journal that it was relieved.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager

from parley.hosting.errors import SnapshotError
from parley.hosting.hosts.client import HostClient, open_host
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.records import read_hosts
from parley.hosting.journals import Entry, newest_journal
from parley.hosting.moves.doing import Told
from parley.hosting.moves.names import names_of
from parley.hosting.moves.opening import find_unfinished, opened_journal
from parley.hosting.moves.run import Move
from parley.hosting.moves.states import Standing, standing_of
from parley.kit.clock import now
from parley.kit.settings import Settings

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 15.0
"""A command that lives writes into its journal once more within the time that writes may wait, and a little."""


async def mind_moves(host: Host) -> None:
    """Go on with a move that has stopped in the middle, forever again; a loop of the agent."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if host.state.role != "fenced" or host.turning.locked():
            continue
        try:
            name, entries = await asyncio.to_thread(newest_journal, host.settings)
            if is_left_alone(host.me, entries):
                log.warning("nobody goes on with the move %s: this host does", name)
                await go_on(host.settings, host.me)
        except (HostError, SnapshotError) as error:
            log.warning("the move cannot be carried on yet: %s", error)
            await asyncio.sleep(LOOK_SECONDS)


def is_left_alone(me: str, entries: tuple[Entry, ...]) -> bool:
    """Whether this host has stopped for a move that is not over, and nobody has done anything for a while."""
    if not entries:
        return False
    standing = standing_of(entries)
    quiet = (now() - entries[-1].at).total_seconds()
    patience = standing.order.hold + PATIENCE_SECONDS
    return not standing.is_closed and standing.order.source == me and quiet > patience


async def go_on(settings: Settings, me: str) -> Standing | None:
    """What `parley move run` does with a move that is not over."""
    hosts = read_hosts(settings)
    if hosts is None:
        return None

    def open_client(name: str) -> AbstractAsyncContextManager[HostClient]:
        return open_host(settings, name)

    unfinished = await find_unfinished(settings, hosts, open_client)
    if unfinished is None:
        return None
    names = names_of(settings)
    async with opened_journal(settings, *unfinished, me, open_client) as (journal, route):
        return await Move(journal, route.source, route.target, names, _tell).carry_on()


def _tell(told: Told) -> None:
    if told.kind != "said":
        log.info("move: %s %s %s", told.step, told.kind, told.text)
