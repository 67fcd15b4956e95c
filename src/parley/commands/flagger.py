"""`parley flagger`: whose reports have a lane of their own. Parses, calls one action or read, prints."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from parley.commands.running import AsJson, settings_or_exit, show, with_transaction
from parley.kit.errors import NotFound
from parley.social.accounts.views import Viewer

app = typer.Typer(
    help="Trusted flaggers: accounts whose reports are looked at first, in a queue of their own.", no_args_is_help=True
)

OPERATOR = Viewer(account_id=0, username="operator", role="owner")
"""Whoever may run commands on the server may see what a moderator sees."""
Name = Annotated[str, typer.Argument(help="Username of a member.")]


@app.command()
def add(
    username: Name,
    note: Annotated[str, typer.Option(help="Who they are and why they are trusted; for the staff.")] = "",
    as_json: AsJson = False,
) -> None:
    """Trust an account's reports: they wait in the queue `flaggers`, and weigh more."""
    _change(username, trusted=True, note=note, as_json=as_json)


@app.command()
def remove(username: Name, as_json: AsJson = False) -> None:
    """Take the trust back. Reports that came in stay where they are."""
    _change(username, trusted=False, note="", as_json=as_json)


def _change(username: str, *, trusted: bool, note: str, as_json: bool) -> None:
    from parley.safety.cases.reporters import trust_flagger
    from parley.safety.log.views import system
    from parley.social.accounts.reads import get_account_id

    settings = settings_or_exit()
    name = username.removeprefix("@")

    async def run(tx: Any) -> int:
        account_id = await get_account_id(tx, name)
        if account_id is None:
            raise NotFound(f"There is no member called {name}.")
        await trust_flagger(tx, system("cli"), account_id, trusted=trusted, note=note)
        return account_id

    account_id = with_transaction(settings, run)
    said = f"@{name} is a trusted flagger now." if trusted else f"@{name} is no trusted flagger any more."
    show({"account_id": str(account_id), "username": name, "trusted": trusted}, as_json, said)


@app.command(name="list")
def list_flaggers(as_json: AsJson = False) -> None:
    """Show trusted flaggers and muted reporters, and how often each was right."""
    from parley.safety.cases.reads import list_marked

    settings = settings_or_exit()

    async def run(tx: Any) -> list[Any]:
        found: list[Any] = []
        while page := await list_marked(tx, OPERATOR, above=found[-1].account.id if found else 0):
            found += page
        return found

    people = with_transaction(settings, run)
    data = [
        {
            "account_id": str(one.account.id),
            "username": one.account.acct,
            "trusted_since": one.flagger_since.isoformat() if one.flagger_since else None,
            "muted_at": one.muted_at.isoformat() if one.muted_at else None,
            "reliability": round(one.reliability, 3),
            "reports": one.reports,
            "note": one.flagger_note,
        }
        for one in people
    ]
    lines = [
        f"@{one['username']:30} {'trusted' if one['trusted_since'] else 'muted':8} "
        f"right {one['reliability']:.0%}  reports {one['reports']:6}  {one['note']}"
        for one in data
    ]
    show({"reporters": data}, as_json, "\n".join(lines) or "Nobody is trusted or muted.")
