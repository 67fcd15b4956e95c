"""`parley holding`: what people see when nothing else of the instance is there."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from parley.commands.running import AsJson, fail, settings_or_exit, show
from parley.hosting.errors import SnapshotError
from parley.hosting.holding import (
    STATES,
    TITLES,
    State,
    post_announcement,
    publish_holding,
    read_announcements,
    verify_holding,
)

app = typer.Typer(
    help="The page that people see while the instance is away: static, signed, with announcements and a feed. "
    "It needs neither the database nor the server.",
    no_args_is_help=True,
)

To = Annotated[str, typer.Option("--to", help="A folder, or s3://bucket/prefix. Default: PARLEY_HOLDING_TO.")]


@app.command()
def post(
    title: Annotated[str, typer.Argument(help="One line: what is the matter.")],
    text: Annotated[str, typer.Option(help="More words, as Markdown.")] = "",
    state: Annotated[str, typer.Option(help=f"One of: {', '.join(STATES)}.")] = "degraded",
    to: To = "",
    as_json: AsJson = False,
) -> None:
    """Announce something, and publish the page anew where a place is set."""
    settings = settings_or_exit()
    if state not in TITLES:
        raise fail(f"--state is one of: {', '.join(STATES)}.")
    known: State = state
    url = to or settings.holding_to
    try:
        made = post_announcement(settings, known, title, text)
        if url:
            asyncio.run(publish_holding(settings, url))
    except SnapshotError as error:
        raise fail(str(error)) from error
    said = f"Announced: {TITLES[known]}. {made.title}"
    where = f"\nPublished to {url}." if url else f"\nIt is at {settings.base_url}/status; PARLEY_HOLDING_TO is not set."
    result = {
        "id": made.id,
        "at": made.at.isoformat(),
        "state": state,
        "title": made.title,
        "published_to": url or None,
    }
    show(result, as_json, said + where)


@app.command()
def publish(to: To = "", as_json: AsJson = False) -> None:
    """Write the page to a folder or a bucket, as it is now."""
    settings = settings_or_exit()
    url = to or settings.holding_to
    if not url:
        raise fail("Say where to: --to FOLDER or --to s3://bucket/prefix, or set PARLEY_HOLDING_TO.")
    try:
        files = asyncio.run(publish_holding(settings, url))
    except SnapshotError as error:
        raise fail(str(error)) from error
    show({"to": url, "files": files}, as_json, f"Published to {url}: {', '.join(files)}.")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the announcements, newest first."""
    try:
        said = read_announcements(settings_or_exit())
    except SnapshotError as error:
        raise fail(str(error)) from error
    rows = [{"id": one.id, "at": one.at.isoformat(), "state": one.state, "title": one.title} for one in said]
    lines = [f"{one.at:%Y-%m-%d %H:%M}  {one.state:12} {one.title}" for one in said]
    show({"announcements": rows}, as_json, "\n".join(lines) or "Nothing was announced.")


@app.command()
def verify(
    source: Annotated[str, typer.Option("--from", help="Where the page is: a folder, or s3://bucket/prefix.")],
    signer: Annotated[str, typer.Option(help="Public key (hexadecimal) that must have signed it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check that a published page is the instance's own."""
    try:
        status = asyncio.run(verify_holding(source, signer=signer or None))
    except SnapshotError as error:
        raise fail(str(error)) from error
    result = {"domain": status.domain, "state": status.state, "updated_at": status.updated_at.isoformat(), "ok": True}
    show(result, as_json, f"{status.domain}: {TITLES[status.state]}, signed by {status.signer}.")
