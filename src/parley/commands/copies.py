"""`parley copies`: where else the same was said. Parses, calls one read, prints."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from parley.commands.running import AsJson, fail, settings_or_exit, show, with_transaction
from parley.kit.settings import Settings
from parley.social.accounts.views import Viewer

OPERATOR = Viewer(account_id=0, username="operator", role="owner")
"""Whoever may run commands on the server may see what a moderator sees."""
_ADDRESS = re.compile(r"(?:https?://[^\s]+/)?(\d{1,19})/?")


def copies(
    status_url: Annotated[str, typer.Argument(help="Address of a post of this instance, or its number.")],
    distance: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How far a copy may differ: 0 the same letters, 1 anything.")
    ] = 0.5,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many posts are looked at, the likest first.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """List the posts that say the same as one post, however they were disguised.

    Posts in every state are found: those that wait, that were hidden or removed, and those that their authors deleted.
    Words that were not said in public are not shown.
    """
    from parley.social.statuses.copies import CopyView, list_copies

    settings = settings_or_exit()
    found = _ADDRESS.fullmatch(status_url.strip())
    if found is None or (status_url.startswith("http") and not _is_ours(status_url, settings)):
        raise fail(f"{status_url} is not the address of a post here. It looks like {settings.base_url}/@alice/123456.")
    status_id = int(found[1])

    async def run(tx: Any) -> list[CopyView]:
        return await list_copies(tx, OPERATOR, status_id, distance=distance, limit=limit)

    views = with_transaction(settings, run)
    if as_json:
        show({"status_id": str(status_id), "copies": [_as_data(view, settings) for view in views]}, True, "")
    elif views:
        _print_lines(views, settings)
    else:
        typer.echo("Nobody else said the same.")


def _is_ours(address: str, settings: Settings) -> bool:
    return address.startswith(f"{settings.base_url}/")


def _url(view: Any, settings: Settings) -> str:
    return f"{settings.base_url}/@{view.account.acct}/{view.id}"


def _as_data(view: Any, settings: Settings) -> dict[str, Any]:
    return {
        "id": str(view.id),
        "url": _url(view, settings),
        "account": view.account.acct,
        "created_at": view.created_at.isoformat(),
        "visibility": view.visibility,
        "state": view.state,
        "difference": view.difference,
        "text": view.text,
    }


def _print_lines(views: list[Any], settings: Settings) -> None:
    """One line each: addresses stay whole, to be copied."""
    people = len({view.account.id for view in views})
    typer.echo(f"Posts that say the same: {len(views)}, by {people} accounts. How far each differs:")
    for view in views:
        posted = f"{view.created_at:%Y-%m-%d %H:%M}"
        typer.echo(f"{view.difference:5.0%}  {posted}  {view.visibility:8}  {view.state:14}  {_url(view, settings)}")
