"""The `parley` command: everything an operator does from a shell. Parses, calls one action, prints.

Every command prints for people, or one JSON object with --json, and ends with a non-zero status and one sentence
when it could not do what was asked.
"""

# Long because every command stands here with its help; none holds more than one call of an action.

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from parley import __version__
from parley.commands import (
    audit,
    backtest,
    bank,
    copies,
    dns,
    drill,
    evidence,
    failover,
    flagger,
    handover,
    holding,
    hosts,
    incident,
    legal,
    member,
    model,
    move,
    notice,
    policy,
    policy_versions,
    provider,
    snapshot,
    standby,
    sweep,
    transparency,
)
from parley.commands.running import (
    AsJson,
    database,
    fail,
    prepare_database,
    settings_or_exit,
    show,
    with_instance,
    with_transaction,
)
from parley.hosting.starting import answering_meanwhile
from parley.kit.gate import has_agent
from parley.kit.leaving import leave
from parley.kit.postgres import EmbeddedPostgres, PostgresError
from parley.kit.processes import AlreadyRunning, become_server, check_port, lock_data_folder
from parley.kit.settings import Settings

T = TypeVar("T")

PEOPLE, MODERATION, HOSTS = "People", "Moderation", "Snapshots and hosts"
"""Under which heading of `parley --help` a command stands; those that run the instance stand above all."""


class Headings(TyperGroup):
    """Lists commands by heading, in the order in which an operator meets them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, those without a heading first."""
        order = {PEOPLE: 1, MODERATION: 2, HOSTS: 3}
        panels = {name: getattr(command, "rich_help_panel", None) for name, command in self.commands.items()}
        return sorted(super().list_commands(ctx), key=lambda name: order.get(str(panels[name]), 0))


app = typer.Typer(
    name="parley",
    cls=Headings,
    help="Run and look after a Parley instance. Settings come from parley.toml and PARLEY_* in the environment: "
    "`parley check-config` shows them all.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
account_app = typer.Typer(help="Make accounts and give them roles.", no_args_is_help=True)
token_app = typer.Typer(help="Make access tokens for scripts.", no_args_is_help=True)
invite_app = typer.Typer(help="Make invitations.", no_args_is_help=True)
emoji_app = typer.Typer(help="Add custom emoji.", no_args_is_help=True)

app.add_typer(account_app, name="account", rich_help_panel=PEOPLE)
app.add_typer(token_app, name="token", rich_help_panel=PEOPLE)
app.add_typer(invite_app, name="invite", rich_help_panel=PEOPLE)
policy_versions.register(policy.app)
backtest.register(policy.app)
app.add_typer(policy.app, name="policy", rich_help_panel=MODERATION)
app.add_typer(bank.app, name="bank", rich_help_panel=MODERATION)
app.add_typer(audit.app, name="audit", rich_help_panel=MODERATION)
app.add_typer(evidence.app, name="evidence", rich_help_panel=MODERATION)
app.add_typer(legal.app, name="legal", rich_help_panel=MODERATION)
snapshot.app.command("drill")(drill.drill)
app.add_typer(snapshot.app, name="snapshot", rich_help_panel=HOSTS)
app.add_typer(dns.app, name="dns", rich_help_panel=HOSTS)
app.add_typer(handover.app, name="handover", rich_help_panel=HOSTS)
app.add_typer(holding.app, name="holding", rich_help_panel=HOSTS)
app.add_typer(move.app, name="move", rich_help_panel=HOSTS)
app.add_typer(hosts.app, name="host", rich_help_panel=HOSTS)
app.add_typer(failover.app, name="failover", rich_help_panel=HOSTS)
app.command("fence", rich_help_panel=HOSTS)(failover.fence)
app.add_typer(standby.app, name="standby", rich_help_panel=HOSTS)
app.add_typer(incident.app, name="incident", rich_help_panel=MODERATION)
app.add_typer(member.app, name="member", rich_help_panel=PEOPLE)
app.add_typer(flagger.app, name="flagger", rich_help_panel=MODERATION)
app.add_typer(provider.app, name="provider", rich_help_panel=MODERATION)
app.add_typer(notice.app, name="notice", rich_help_panel=MODERATION)
app.add_typer(sweep.app, name="sweep", rich_help_panel=MODERATION)
app.add_typer(transparency.app, name="transparency", rich_help_panel=MODERATION)
app.add_typer(model.app, name="model", rich_help_panel=MODERATION)
app.command("copies", rich_help_panel=MODERATION)(copies.copies)
app.add_typer(emoji_app, name="emoji", rich_help_panel=PEOPLE)


@app.command()
def up() -> None:
    """Set up and serve everything: database, schema, web and worker. Ctrl-C stops it all.

    This is what `make run` calls. Without PARLEY_DATABASE_URL it starts the embedded PostgreSQL in the data folder.
    """
    settings = settings_or_exit()
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    try:
        lock = lock_data_folder(settings)
        check_port(settings)
        if has_agent(settings):
            hosts.up_with_agent(settings, lock, _prepare_or_fail, _welcome)
        server = None if settings.database_url else EmbeddedPostgres(settings)
        with answering_meanwhile(settings):
            if server:
                server.start()
            dsn = server.dsn if server else settings.database_url
            has_owner = _prepare_or_fail(settings, dsn, server)
    except (AlreadyRunning, PostgresError) as error:
        raise fail(str(error)) from error
    become_server(
        dsn,
        run_worker=True,
        owns_database=server is not None,
        lock=lock,
        message=_welcome(settings, has_owner),
    )


def _prepare_or_fail(settings: Settings, dsn: str, server: EmbeddedPostgres | None) -> bool:
    """Bring the database to this program's schema; returns whether the instance has an owner."""
    try:
        return asyncio.run(_prepare(settings, dsn))
    except Exception as error:
        if server:
            server.stop()
        where = "" if server else " PARLEY_DATABASE_URL says where it is."
        raise fail(f"The database cannot be prepared: {error}.{where}") from error


async def _prepare(settings: Settings, dsn: str) -> bool:
    from parley.kit.db import connect
    from parley.kit.instance import check_room
    from parley.social.sessions.reads import has_owner

    await prepare_database(dsn)
    connection = await connect(dsn)
    try:
        await check_room(connection, settings)
        return await has_owner(connection)
    finally:
        await connection.close()


def _welcome(settings: Settings, has_owner: bool) -> str:
    command = sys.argv[0] if sys.argv[0].endswith("/parley") else "parley"
    lines = ["", f"  {settings.name} is at {settings.base_url}", f"  data folder: {settings.path()}"]
    if not settings.mail:
        lines.append(f"  no mail server is set: mails are written to {settings.path('mail')}")
    if settings.rate_limits == "off":
        lines.append("  RATE LIMITS ARE OFF: for tests on loopback only")
    if not has_owner:
        lines += [
            "  nobody owns this instance yet. To become the owner, run in another terminal (with the same settings):",
            f"    {command} account create YOURNAME --email YOU@EXAMPLE.ORG --role owner",
        ]
    return "\n".join([*lines, "  Ctrl-C stops everything.", ""])


@app.command()
def serve() -> None:
    """Serve HTTP only; the database must be migrated. For machines that split web and worker."""
    settings = settings_or_exit()
    if not settings.database_url:
        raise fail("`parley serve` needs PARLEY_DATABASE_URL; `parley up` runs everything with the embedded database.")
    try:
        check_port(settings)
    except AlreadyRunning as error:
        raise fail(str(error)) from error
    _need_schema_and_room(settings, worker=False)
    become_server(
        settings.database_url,
        run_worker=False,
        owns_database=False,
        lock=None,
        message=f"  {settings.name} is at {settings.base_url} (web only)",
    )


@app.command()
def work() -> None:
    """Run background jobs only; the database must be migrated."""
    settings = settings_or_exit()
    if not settings.database_url:
        raise fail("`parley work` needs PARLEY_DATABASE_URL; `parley up` runs everything with the embedded database.")
    _need_schema_and_room(settings, web=False)
    os.execv(sys.executable, [sys.executable, "-m", "parley.worker"])


def _need_schema_and_room(settings: Settings, *, web: bool = True, worker: bool = True) -> None:
    """End the command unless the database is migrated, and takes the connections that this machine may open."""
    from parley.kit.db import LostConnection, connect
    from parley.kit.instance import TooFewConnections, check_room
    from parley.kit.migrate import needs_migration

    async def look() -> None:
        if await needs_migration(settings.database_url):
            raise fail("The database's schema is older than this program: run `parley migrate` first.")
        connection = await connect(settings.database_url)
        try:
            await check_room(connection, settings, web=web, worker=worker)
        finally:
            await connection.close()

    try:
        asyncio.run(look())
    except TooFewConnections as error:
        raise fail(str(error)) from error
    except LostConnection as error:
        raise fail(f"The database cannot be reached: {error}") from error


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Bring the database to this version's schema. Safe to run again; refuses a database that is newer."""
    from parley.kit.migrate import MigrationError

    settings = settings_or_exit()
    with database(settings) as dsn:
        try:
            done = asyncio.run(prepare_database(dsn))
        except (MigrationError, OSError) as error:
            raise fail(str(error)) from error
    show({"ran": done}, as_json, "Ran: " + ", ".join(done) if done else "The schema is up to date.")


@app.command("check-config")
def check_config(as_json: AsJson = False) -> None:
    """Show every setting with its meaning and value, and say what is wrong. Secrets are not shown."""
    import msgspec

    from parley.kit.settings import describe_settings

    settings = settings_or_exit(unfinished=True)
    rows = describe_settings(settings)
    if as_json:
        typer.echo(msgspec.json.encode({row.name: row.value for row in rows}).decode())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("setting", "environment", "value", "meaning", title="Settings", show_lines=True)
    for row in rows:
        table.add_row(row.name, row.variable, row.value, row.meaning)
    Console().print(table)
    typer.echo(f"All settings are right. The instance's address is {settings.base_url}.")


@app.command()
def version(as_json: AsJson = False) -> None:
    """Print the version."""
    show({"version": __version__}, as_json, f"Parley {__version__}")


@account_app.command("create")
def account_create(
    name: Annotated[str, typer.Argument(help="Username: letters, digits and underscores.")],
    email: Annotated[str, typer.Option(help="E-mail address, taken as confirmed.")],
    password: Annotated[str, typer.Option(help="Asked for when not given.", prompt=True, hide_input=True)],
    role: Annotated[str, typer.Option(help="member, moderator, admin or owner.")] = "member",
    as_json: AsJson = False,
) -> None:
    """Make an account that can sign in at once: no confirmation, no approval."""
    from parley.social.sessions.actions import create_member

    settings = settings_or_exit()

    async def create(tx: Any) -> int:
        return await create_member(tx, settings, username=name, email=email, password=password, role=role)

    account_id = with_transaction(settings, create)
    result = {"id": str(account_id), "username": name, "email": email, "role": role}
    show(result, as_json, f"Made @{name} ({role}). Sign in at {settings.base_url}.")


@account_app.command("role")
def account_role(
    name: Annotated[str, typer.Argument(help="Username.")],
    role: Annotated[str, typer.Argument(help="member, moderator, admin or owner.")],
    as_json: AsJson = False,
) -> None:
    """Give an account another role. The operator's shell may give any role."""
    from parley.social.sessions.actions import set_role_by_operator

    async def change(tx: Any) -> None:
        await set_role_by_operator(tx, name, role)

    with_transaction(settings_or_exit(), change)
    show({"username": name, "role": role}, as_json, f"@{name} is now {role}.")


@account_app.command("pending")
def account_pending(as_json: AsJson = False) -> None:
    """List who waits for approval, newest first, with the reason they gave (at most 100)."""
    import msgspec

    from parley.kit.paging import Page
    from parley.social.sessions.reads import list_pending
    from parley.social.sessions.views import PendingView

    async def read(tx: Any) -> list[PendingView]:
        return await list_pending(tx, None, Page(100))

    waiting = with_transaction(settings_or_exit(), read)
    lines = [
        f"@{one.username} <{one.email}>{'' if one.confirmed else ' (address not confirmed)'}: {one.reason}"
        for one in waiting
    ]
    rows = [{**msgspec.to_builtins(one), "account_id": str(one.account_id)} for one in waiting]
    show({"pending": rows}, as_json, "\n".join(lines) or "Nobody waits.")


@account_app.command("approve")
def account_approve(
    name: Annotated[str, typer.Argument(help="Username of somebody who waits.")], as_json: AsJson = False
) -> None:
    """Let somebody in who waits for approval; a mail tells them."""
    from parley.social.sessions.actions import approve_account
    from parley.social.sessions.names import get_member_id

    async def approve(tx: Any) -> None:
        await approve_account(tx, None, await get_member_id(tx, name))

    with_transaction(settings_or_exit(), approve)
    show({"username": name, "approved": True}, as_json, f"@{name} is approved.")


@account_app.command("reject")
def account_reject(
    name: Annotated[str, typer.Argument(help="Username of somebody who waits.")], as_json: AsJson = False
) -> None:
    """Turn somebody away who waits for approval: the account and its data are deleted."""
    from parley.social.sessions.actions import reject_account
    from parley.social.sessions.names import get_member_id

    async def reject(tx: Any) -> None:
        await reject_account(tx, None, await get_member_id(tx, name))

    with_transaction(settings_or_exit(), reject)
    show({"username": name, "approved": False}, as_json, f"@{name} was turned away and is deleted.")


@token_app.command("create")
def token_create(
    name: Annotated[str, typer.Argument(help="Username whose token it is.")],
    scopes: Annotated[str, typer.Option(help="Scopes with spaces between, such as 'read write:statuses'.")] = "read",
    app_name: Annotated[str, typer.Option("--app", help="What the token is for; shown in the member's settings.")] = (
        "Command line"
    ),
    as_json: AsJson = False,
) -> None:
    """Make an access token. It is shown once and cannot be read again."""
    from parley.social.sessions.actions import create_token_for

    wanted = scopes.replace(",", " ").split()

    async def create(tx: Any) -> str:
        return await create_token_for(tx, name, wanted, app_name=app_name)

    token = with_transaction(settings_or_exit(), create)
    result = {"access_token": token, "token_type": "Bearer", "scope": " ".join(wanted), "username": name}
    show(result, as_json, f"Access token of @{name} ({' '.join(wanted)}):\n{token}")


@invite_app.command("create")
def invite_create(
    uses: Annotated[int, typer.Option(help="How many people may use it; 0 for any number.")] = 1,
    comment: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make an invitation link, for instances where one needs an invitation to sign up."""
    from parley.social.sessions.actions import create_operator_invite

    settings = settings_or_exit()

    async def create(tx: Any) -> str:
        return await create_operator_invite(tx, max_uses=uses or None, comment=comment)

    code = with_transaction(settings, create)
    link = f"{settings.base_url}/sign-up?invite={code}"
    show({"code": code, "url": link}, as_json, link)


@emoji_app.command("add")
def emoji_add(
    shortcode: Annotated[str, typer.Argument(help="The word between the colons: blob_cat.")],
    file: Annotated[Path, typer.Argument(help="A picture of at most 512 KiB: PNG, GIF, WebP, JPEG or AVIF.")],
    category: Annotated[str, typer.Option(help="Under which heading people find it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Add a custom emoji, or give one another picture."""
    from parley.social.media.emoji_files import add_emoji_file

    settings = settings_or_exit()
    view = with_instance(settings, lambda instance: add_emoji_file(instance, shortcode, file, category=category))
    url = f"{settings.base_url}/media/{view.file}"
    show({"shortcode": view.shortcode, "url": url}, as_json, f":{view.shortcode}: is {url}")


@emoji_app.command("remove")
def emoji_remove(
    shortcode: Annotated[str, typer.Argument(help="The word between the colons.")],
    as_json: AsJson = False,
) -> None:
    """Remove a custom emoji; texts then show its shortcode."""
    from parley.social.media.emoji_files import remove_emoji_files

    view = with_instance(settings_or_exit(), lambda instance: remove_emoji_files(instance, shortcode))
    show({"shortcode": view.shortcode}, as_json, f":{view.shortcode}: is removed.")


def main() -> None:
    """Entry point."""
    try:
        app()
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else int(end.code is not None))


if __name__ == "__main__":
    main()
