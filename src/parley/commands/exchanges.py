"""`parley bank exchanges`: programmes that share hashes. Parses, calls one action, prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from parley.commands.judging import find_staff
from parley.commands.running import AsJson, fail, settings_or_exit, show, with_instance, with_transaction

app = typer.Typer(help="Programmes that share hashes of known files, such as StopNCII.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="What you call it: `stopncii`.")]


@app.command("set")
def exchange_set(
    name: Name,
    api: Annotated[str, typer.Option(help="stopncii, ncmec, fb_threatexchange, tat, local_file or sample.")],
    bank: Annotated[str, typer.Option(help="The bank that it fills; `parley bank hashes make` makes one.")],
    config: Annotated[str, typer.Option(help="What the programme wants to know, as JSON.")] = "{}",
    credentials: Annotated[
        Path | None,
        typer.Option(help="A JSON file with what the programme gave you; - asks for it. It is stored sealed."),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Fetch nothing from it for now.")] = False,
    who: Annotated[
        str, typer.Option("--as", "--by", help="Username of the member of the staff who does this; it is on record.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Set a programme up, or change it. What each needs: docs/operators/exchanges.md.

    Until two people stand behind it, it brings in no more than one person may: see `approve`.
    """
    from parley.social.media.exchanges import set_exchange

    settings = settings_or_exit()
    given = _read_json("config", config)
    secret = None
    if credentials is not None:
        asked = str(credentials) == "-"
        secret = _read_json(
            "credentials", typer.prompt("Credentials", hide_input=True) if asked else _text(credentials)
        )

    async def change(tx: Any) -> None:
        staff = await find_staff(tx, who) if who else None
        await set_exchange(
            tx, settings, staff, name, api=api, bank=bank, config=given, credentials=secret, enabled=not off
        )

    with_transaction(settings, change)
    show({"name": name, "api": api, "bank": bank, "enabled": not off}, as_json, f"{name} is set up.")


def _text(path: Path) -> str:
    if not path.is_file():
        raise fail(f"There is no file {path}.")
    return path.read_text()


def _read_json(what: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise fail(f"The {what} must be a JSON object.") from error
    if not isinstance(found, dict):
        raise fail(f"The {what} must be a JSON object.")
    return found


@app.command("list")
def exchange_list(as_json: AsJson = False) -> None:
    """List the programmes: when they were asked last, and what went wrong. Credentials are never shown."""
    from parley.social.media.exchanges import list_exchanges, stands

    rows = with_transaction(settings_or_exit(), list_exchanges)
    lines = [
        f"{row.name:<20} {row.api:<18} {row.bank:<20} {'on' if row.enabled else 'off':<4} "
        f"{f'{row.fetched_at:%Y-%m-%d %H:%M}' if row.fetched_at else 'never':<17} "
        f"{'' if stands(row) else 'one person stands behind it  '}{row.error}"
        for row in rows
    ]
    found = [
        {
            "name": row.name,
            "api": row.api,
            "bank": row.bank,
            "enabled": row.enabled,
            "has_credentials": row.credentials is not None,
            "fetched_at": row.fetched_at.isoformat() if row.fetched_at else None,
            "error": row.error,
            "approved": stands(row),
        }
        for row in rows
    ]
    show({"exchanges": found}, as_json, "\n".join(lines) or "No programme is set up.")


@app.command("approve")
def exchange_approve(
    name: Name,
    who: Annotated[
        str, typer.Option("--as", "--by", help="Username of the member of the staff who does this; it is on record.")
    ],
    as_json: AsJson = False,
) -> None:
    """Stand behind a programme that somebody else set up, so that it may bring in all that it has."""
    from parley.social.media.exchanges import approve_exchange

    async def approve(tx: Any) -> bool:
        return await approve_exchange(tx, await find_staff(tx, who), name)

    enough = with_transaction(settings_or_exit(), approve)
    text = f"{name} may bring in all that it has." if enough else "Noted. Somebody else has to approve it too."
    show({"name": name, "approved": enough}, as_json, text)


@app.command("fetch")
def exchange_fetch(name: Name, as_json: AsJson = False) -> None:
    """Fetch what is new now; the worker does it every hour."""
    from parley.social.media.exchanges import fetch_exchange

    done = with_instance(settings_or_exit(), lambda instance: fetch_exchange(instance, name))
    text = f"{done.added:,} new hashes, {done.withdrawn:,} withdrawn{'' if done.done else '; there is more to fetch'}."
    show({"added": done.added, "withdrawn": done.withdrawn, "done": done.done}, as_json, text)


@app.command("remove")
def exchange_remove(name: Name, as_json: AsJson = False) -> None:
    """Forget a programme and its credentials; what it brought stays in its bank."""
    from parley.social.media.exchanges import remove_exchange

    with_transaction(settings_or_exit(), lambda tx: remove_exchange(tx, name))
    show({"name": name, "removed": True}, as_json, f"{name} is forgotten.")
