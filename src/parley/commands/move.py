"""`parley move`: carry the instance to its other host, as planned, and back."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from parley.commands.move_view import ending_text, plan_text, show_plan, standing_text, watch_for
from parley.commands.running import AsJson, fail, settings_or_exit, show
from parley.hosting.errors import SnapshotError
from parley.hosting.hosts.client import HostClient, open_host
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.records import Hosts, read_hosts
from parley.hosting.journals import check_entries, newest_journal
from parley.hosting.moves.abort import abort_move
from parley.hosting.moves.doing import MoveStopped
from parley.hosting.moves.names import names_of
from parley.hosting.moves.opening import LONELY, find_route, find_unfinished, open_journal, opened_journal
from parley.hosting.moves.plan import Plan, make_plan
from parley.hosting.moves.results import as_json as move_as_json
from parley.hosting.moves.results import last_pause
from parley.hosting.moves.run import Move
from parley.hosting.moves.states import Standing, standing_of
from parley.kit.settings import Settings

T = TypeVar("T")

app = typer.Typer(
    help="Move the instance to its other host: planned, with writes that wait for a moment, and nothing lost. "
    "See docs/operators/moving.md.",
    no_args_is_help=True,
)

To = Annotated[str, typer.Option("--to", help="The host to move to. Default: the other one.")]
Hold = Annotated[str, typer.Option("--hold", help="How long writes may wait before the move is turned back: 10s.")]
DnsFrom = Annotated[
    str, typer.Option("--dns-from", help="What the name points to now, with commas between. Default: the old host's.")
]
Announced = Annotated[
    bool, typer.Option("--announce", help="Say so on the holding page, at the beginning and at the end.")
]


@app.command()
def plan(to: To = "", hold: Hold = "10s", dns_from: DnsFrom = "", as_json: AsJson = False) -> None:
    """Check everything that can be checked before a move, and say how long it will take. Changes nothing.

    Ends with 1 when something forbids the move.
    """
    settings = settings_or_exit()
    made = _run(_plan(settings, to, _seconds(hold), announced=False, dns_from=dns_from))
    if as_json:
        show(_plan_json(made), True, "")
    else:
        show_plan(made)
    if made.forbidden:
        raise typer.Exit(1)


@app.command()
def run(
    to: To = "",
    hold: Hold = "10s",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Make the plan, and stop there.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask on the terminal.")] = False,
    announced: Announced = False,
    dns_from: DnsFrom = "",
    as_json: AsJson = False,
) -> None:
    """Move; or go on with a move that is not over. Can be killed at any moment and run again, on either host.

    Writes wait while the database changes hands. When that takes longer than --hold, or the other host lacks anything,
    the move turns back by itself and nothing is lost. Ends with 1 when it was turned back, or has to be run again.
    """
    settings = settings_or_exit()
    seconds = _seconds(hold)
    name, standing = _run(_move(settings, to, seconds, dry_run, yes, announced, dns_from, as_json))
    if standing is None:
        return
    said = ending_text(standing) if sys.stdout.isatty() else "\n" + standing_text(name, standing)
    show(move_as_json(name, standing), as_json, said)
    if standing.outcome != "moved":
        if as_json:
            raise fail(standing.reason or f"The move is {standing.state}.")
        raise typer.Exit(1)


@app.command()
def abort(as_json: AsJson = False) -> None:
    """Turn back a move that is not over: the old host opens again. Not possible once the new host has taken over."""
    settings = settings_or_exit()
    name, standing = _run(_abort(settings, as_json))
    show(move_as_json(name, standing), as_json, standing_text(name, standing))
    if standing.outcome != "aborted":
        raise typer.Exit(1)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Say where the last move stands, how long its steps took, and whether its journal is whole. Needs no server."""
    settings = settings_or_exit()
    try:
        name, entries = newest_journal(settings)
        hosts = read_hosts(settings)
        found = asyncio.run(_unfinished(settings, hosts)) if hosts else None
        name, entries = found or (name, entries)
        if not entries:
            show({"move": None}, as_json, "This instance was never moved.")
            return
        check_entries(settings, name, entries)
        standing = standing_of(entries)
    except (SnapshotError, HostError) as error:
        raise fail(str(error)) from error
    told = {**move_as_json(name, standing), "entries": len(entries), "head": entries[-1].digest}
    head = f"Its journal is whole: {len(entries)} entries, signed by this instance; the last is {told['head'][:16]}."
    show(told, as_json, f"{standing_text(name, standing)}\n{head}")


async def _unfinished(settings: Settings, hosts: Hosts) -> Any:
    with suppress(HostError, SnapshotError, TimeoutError):
        async with asyncio.timeout(5):
            return await find_unfinished(settings, hosts, _opener(settings))
    return None


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except (SnapshotError, HostError) as error:
        raise fail(str(error)) from error


def _opener(settings: Settings) -> Callable[[str], AbstractAsyncContextManager[HostClient]]:
    return lambda name: open_host(settings, name)


def _hosts(settings: Settings) -> Hosts:
    hosts = read_hosts(settings)
    if hosts is None or len(hosts.hosts) < 2:
        raise HostError(LONELY)
    return hosts


def _seconds(text: str) -> float:
    """`10s`, `500ms`, `1m` or a bare number."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m)?", text.strip())
    seconds = float(found[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}[found[2]] if found else 0.0
    if not 0.5 <= seconds <= 110:
        raise fail("--hold is a time between 500ms and 110s, such as 10s.")
    return seconds


async def _plan(settings: Settings, to: str, hold: float, *, announced: bool, dns_from: str) -> Plan:
    async with AsyncExitStack() as stack:
        hosts = _hosts(settings)
        route = await find_route(hosts, _opener(settings), stack, to)
        return await make_plan(
            settings,
            hosts,
            route,
            names_of(settings),
            hold=hold,
            announced=announced,
            last_pause=last_pause(settings),
            dns_from=_addresses(dns_from),
        )


def _addresses(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())


async def _move(
    settings: Settings, to: str, hold: float, dry_run: bool, yes: bool, announced: bool, dns_from: str, as_json: bool
) -> tuple[str, Standing | None]:
    hosts, open_client = _hosts(settings), _opener(settings)
    unfinished = await find_unfinished(settings, hosts, open_client)
    if unfinished:
        name, entries = unfinished
        before = standing_of(entries)
        _refuse_other(name, before, to)
        if dry_run:
            show(move_as_json(name, before), as_json, standing_text(name, before))
            return name, None
        async with opened_journal(settings, name, entries, hosts.me, open_client) as (journal, route):
            with watch_for(before.order, as_json, before) as watch:
                move = Move(journal, route.source, route.target, names_of(settings), watch)
                return name, await _carry_on(move, dns_from)
    async with AsyncExitStack() as stack:
        route = await find_route(hosts, open_client, stack, to)
        names = names_of(settings)
        made = await make_plan(
            settings,
            hosts,
            route,
            names,
            hold=hold,
            announced=announced,
            last_pause=last_pause(settings),
            dns_from=_addresses(dns_from),
            thorough=dry_run,
        )
        if not _is_agreed(made, dry_run, yes, as_json):
            return "", None
        journal = await open_journal(settings, route, made.order, hosts.me)
        stack.callback(journal.drop)
        with watch_for(made.order, as_json) as watch:
            move = Move(journal, route.source, route.target, names, watch)
            return journal.name, await _carry_on(move, dns_from)


def _refuse_other(name: str, standing: Standing, to: str) -> None:
    if to and to != standing.order.target:
        raise MoveStopped(
            f"The move {name} to {standing.order.target} is not over: `parley move run` goes on with it"
            + ("." if standing.is_promoted else ", `parley move abort` turns it back.")
        )


def _is_agreed(made: Plan, dry_run: bool, yes: bool, as_json: bool) -> bool:
    """Show the plan; whether it is to be carried out. Raises MoveStopped when something forbids it."""
    if as_json and dry_run:
        show(_plan_json(made), True, "")
    elif not as_json:
        show_plan(made)
    if made.forbidden:
        reasons = " ".join(f"{one.said} {one.do}".strip() for one in made.forbidden)
        raise MoveStopped(f"Nothing was done. {reasons}")
    if dry_run:
        return False
    if as_json or yes or not sys.stdin.isatty():
        return True
    if not typer.confirm(f"\nMove to {made.order.target} now?"):
        typer.echo("Nothing was done.")
        return False
    return True


async def _carry_on(move: Move, dns_from: str) -> Standing:
    """With Ctrl-C as the wish to turn back, or to end where it can be taken up again; and without a terminal's end."""
    loop = asyncio.get_running_loop()
    if dns_from:
        move.expect_names(_addresses(dns_from))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, move.stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        return await move.carry_on()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _abort(settings: Settings, as_json: bool) -> tuple[str, Standing]:
    hosts, open_client = _hosts(settings), _opener(settings)
    unfinished = await find_unfinished(settings, hosts, open_client)
    if unfinished is None:
        raise MoveStopped("No move is under way: there is nothing to turn back.")
    name, entries = unfinished
    async with opened_journal(settings, name, entries, hosts.me, open_client) as (journal, route):
        with watch_for(standing_of(entries).order, as_json, standing_of(entries)) as watch:
            return name, await abort_move(Move(journal, route.source, route.target, names_of(settings), watch))


def _plan_json(made: Plan) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(made)
    return {**found, "allowed": not made.forbidden, "text": plan_text(made)}
