"""`parley dns`: look at where the instance's name points, and change it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
import typer

from parley.commands.running import AsJson, fail, settings_or_exit, show
from parley.hosting.dns import (
    TTL,
    Addresses,
    NamesError,
    ask_server,
    point_name,
    read_addresses,
    read_door,
    wait_until_seen,
)
from parley.hosting.dns_check import check_name

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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let the name point to other addresses, and wait until the zone's server shows it."""
    settings = settings_or_exit()
    asked = name or settings.local_domain.split(":")[0]
    try:
        door = read_door(settings.dns)
        new = read_addresses(to.split(","))
        old = read_addresses(expected.split(",")) if expected else None
        if dry_run:
            before = asyncio.run(ask_server(asked, door.server, door.port)) if door.kind == "rfc2136" else None
            _show_plan(asked, door.zone, before, old, new, as_json)
            return
        before = asyncio.run(point_name(door, asked, new, expected=old, ttl=ttl))
        took = asyncio.run(wait_until_seen(asked, new, [(door.server, door.port)])) if door.kind == "rfc2136" else None
    except NamesError as error:
        raise fail(str(error)) from error
    result = {"name": asked, "from": list(before.all), "to": list(new.all), "seconds_until_seen": took}
    seen = f" The zone's server showed it after {took:.3f} s." if took is not None else ""
    show(
        result,
        as_json,
        f"{asked} now points to {', '.join(new.all)} (before: {', '.join(before.all) or 'nothing'}).{seen}",
    )


def _show_plan(
    name: str, zone: str, before: Addresses | None, old: Addresses | None, new: Addresses, as_json: bool
) -> None:
    result = {
        "name": name,
        "zone": zone,
        "from": list(before.all) if before else None,
        "to": list(new.all),
        "would_be_refused": bool(before and old and before.all != old.all),
    }
    said = f"Would let {name} in the zone {zone} point to {', '.join(new.all)}"
    if before is not None:
        said += f" instead of {', '.join(before.all) or 'nothing'}"
    show(
        result,
        as_json,
        said + (". It would be refused: it is not what --from says." if result["would_be_refused"] else "."),
    )
