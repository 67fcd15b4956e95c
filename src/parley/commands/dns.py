"""`parley dns`: look at where the instance's name points, and change it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
import typer

from parley.commands.running import AsJson, fail, settings_or_exit, show
from parley.hosting.dns import (
    TTL,
    Addresses,
    Door,
    NamesError,
    point_name,
    read_addresses,
    read_door,
    read_published,
    server_of,
    wait_until_seen,
)
from parley.hosting.dns_check import check_name, find_servers

app = typer.Typer(
    help="Where the instance's name points: check it, and let it point to another host. PARLEY_DNS says how.",
    no_args_is_help=True,
)

MARKS = {True: "ok      ", False: "LOOK    ", None: "unknown "}


@app.command()
def check(
    name: Annotated[str, typer.Option(help="The name. Default: the instance's own.")] = "", as_json: AsJson = False
) -> None:
    """Ask the authoritative servers; check the TTL; see whether host, DNS company and registrar are three."""
    settings = settings_or_exit()
    asked = name or settings.local_domain.split(":")[0]
    try:
        found = asyncio.run(check_name(asked))
    except NamesError as error:
        raise fail(str(error)) from error
    lines = [f"{asked} points to {', '.join(found.addresses.all) or 'nothing'}."]
    lines += [f"{MARKS[one.ok]}{one.said}" for one in found.findings]
    show(msgspec.to_builtins(found), as_json, "\n".join(lines))
    if any(one.ok is False for one in found.findings):
        raise typer.Exit(2)


@app.command()
def flip(
    to: Annotated[str, typer.Option("--to", help="The new addresses, with commas between.")],
    expected: Annotated[
        str, typer.Option("--from", help="Where it must point now: nothing is done when it points elsewhere.")
    ] = "",
    name: Annotated[str, typer.Option(help="The name. Default: the instance's own.")] = "",
    ttl: Annotated[int, typer.Option(min=30, max=86400, help="Seconds that the world may remember it.")] = TTL,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read what is published, and say what would be done.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let the name point to other addresses, or change for how long it may be remembered, and wait until it is seen."""
    settings = settings_or_exit()
    asked = name or settings.local_domain.split(":")[0]
    try:
        door = read_door(settings.dns)
        new = read_addresses(to.split(","))
        old = read_addresses(expected.split(",")) if expected else None
        if dry_run:
            _show_plan(asked, door.zone, asyncio.run(read_published(door, asked)), old, new, ttl, as_json)
            return
        result = asyncio.run(_flip(door, asked, new, old, ttl))
    except NamesError as error:
        raise fail(str(error)) from error
    took = result["seconds_until_seen"]
    said = f"{asked} now points to {', '.join(new.all)} (before: {', '.join(result['from']) or 'nothing'})"
    said += f", and may be remembered for {result['ttl']} s (before: {result['ttl_before']} s)."
    said += f" Its servers showed it after {took:.3f} s." if took is not None else f" {result['not_seen']}"
    if result["ttl"] > ttl:
        said += f" The DNS company did not take --ttl {ttl}: set it in its panel."
    show(result, as_json, said)


async def _flip(door: Door, name: str, new: Addresses, old: Addresses | None, ttl: int) -> dict[str, Any]:
    """Change it, and look until the zone's servers show it. Raises NamesError."""
    before = await point_name(door, name, new, expected=old, ttl=ttl)
    only_memory = before.all == new.all
    took, not_seen, now = None, "", Addresses(v4=new.v4, v6=new.v6, ttl=ttl)
    if door.kind == "rfc2136":
        took = await wait_until_seen(name, new, [await server_of(door)], ttl=ttl)
    else:
        now = await read_published(door, name)
        try:
            servers = await find_servers(name)
        except NamesError as error:
            not_seen = f"{door.provider} shows it; whether the world does could not be seen: {error}"
        else:
            took = await _wait_for_company(door, name, new, servers, ttl if only_memory else None)
    return {
        "name": name,
        "from": list(before.all),
        "to": list(new.all),
        "ttl_before": before.ttl,
        "ttl": now.ttl or ttl,
        "seconds_until_seen": took,
        "not_seen": not_seen,
    }


async def _wait_for_company(
    door: Door, name: str, new: Addresses, servers: list[tuple[str, int]], ttl: int | None
) -> float:
    try:
        return await wait_until_seen(name, new, servers, ttl=ttl)
    except NamesError as error:
        raise NamesError(
            f"{door.provider} has taken the change. {error} Look again with `parley dns check --name {name}`."
        ) from error


def _show_plan(
    name: str, zone: str, before: Addresses, old: Addresses | None, new: Addresses, ttl: int, as_json: bool
) -> None:
    refused = old is not None and before.all != old.all
    result = {
        "name": name,
        "zone": zone,
        "from": list(before.all),
        "to": list(new.all),
        "ttl_before": before.ttl,
        "ttl": ttl,
        "would_be_refused": refused,
    }
    now = ", ".join(before.all) or "nothing"
    said = f"Would let {name} in the zone {zone} point to {', '.join(new.all)} instead of {now}"
    if before.all == new.all:
        said = f"{name} in the zone {zone} points to {now} already"
    said += f", to be remembered for {ttl} s (now: {before.ttl} s)."
    if old is not None and refused:
        said += f" It would be refused: it points to {now}, and --from says {', '.join(old.all)}."
    show(result, as_json, said)
