"""What every command needs: the settings, the database, a transaction, and how to print or fail.

This file must not know any command.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer

from parley.kit.errors import ParleyError
from parley.kit.postgres import EmbeddedPostgres, PostgresError
from parley.kit.settings import Settings, SettingsError, load_settings

T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def fail(sentence: str) -> typer.Exit:
    """Print `sentence` to standard error; raise what this returns."""
    typer.secho(sentence, err=True, fg="red")
    return typer.Exit(1)


def settings_or_exit(*, unfinished: bool = False) -> Settings:
    """The settings; a wrong one ends the command with a sentence, and so does a data folder with half an instance in
    it, where a restore was cut off. `unfinished`: for commands that touch no instance, or finish that restore."""
    from parley.hosting.errors import SnapshotError
    from parley.hosting.unfinished import check_finished

    try:
        settings = load_settings()
    except SettingsError as error:
        raise fail(f"Wrong setting: {error}") from error
    if settings.rate_limits == "off":
        typer.secho("WARNING: rate limits are OFF. This is for tests on loopback only.", err=True, fg="red", bold=True)
    if not unfinished:
        try:
            check_finished(settings)
        except SnapshotError as error:
            raise fail(str(error)) from error
    return settings


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The database's address; an embedded server that does not run is started for as long as the command needs it."""
    if settings.database_url:
        yield settings.database_url
        return
    _check_hosts(settings)
    server = EmbeddedPostgres(settings)
    try:
        server.start()
    except PostgresError as error:
        raise fail(str(error)) from error
    try:
        yield server.dsn
    finally:
        server.stop()


def _check_hosts(settings: Settings) -> None:
    """With several hosts only the running primary's database is changed; anything else ends the command."""
    from parley.hosting.hosts.errors import HostError
    from parley.hosting.hosts.records import read_hosts, read_state

    try:
        hosts, state = read_hosts(settings), read_state(settings)
        if hosts is None or not hosts.others:
            return
        if state is not None and state.role != "primary":
            raise fail(f"This host is no primary, it is {state.role}: run this on {state.to or 'the other host'}.")
        if not EmbeddedPostgres(settings).is_running():
            raise fail("This instance has several hosts, so its agent must run: start Parley first (`parley up`).")
    except (HostError, PostgresError) as error:
        raise fail(str(error)) from error


async def prepare_database(dsn: str) -> list[str]:
    """Migrate, and make the partitions that the next months need; returns what ran."""
    from parley.kit.db import connect
    from parley.kit.migrate import migrate as run_migrations
    from parley.social.events.actions import make_partitions

    done = await run_migrations(dsn)
    connection = await connect(dsn)
    try:
        await make_partitions(connection)
    finally:
        await connection.close()
    return done


def with_transaction(settings: Settings, action: Callable[[Any], Awaitable[T]]) -> T:
    """Run `action(tx)` in one transaction of the instance's database; known errors end the command with their text."""
    from parley.kit.db import Database
    from parley.social.policies.live import load_live

    async def run(dsn: str) -> T:
        await prepare_database(dsn)
        db = Database(dsn, connections=2)
        await db.open()
        try:
            await load_live(db, settings)
            async with db.write() as tx:
                return await action(tx)
        finally:
            await db.close()

    with database(settings) as dsn:
        try:
            return asyncio.run(run(dsn))
        except ParleyError as error:
            raise fail(error.text) from error


def with_instance(settings: Settings, action: Callable[[Any], Awaitable[T]]) -> T:
    """Run `action(instance)` with files and database open; known errors end the command with their text."""
    from parley.kit.instance import open_instance
    from parley.social.policies.live import load_live

    async def run(dsn: str) -> T:
        await prepare_database(dsn)
        async with open_instance(settings, dsn) as instance:
            await load_live(instance.db, settings)
            return await action(instance)

    with database(settings) as dsn:
        try:
            return asyncio.run(run(dsn))
        except ParleyError as error:
            raise fail(error.text) from error


def show(result: dict[str, Any], as_json: bool, text: str) -> None:
    """Print the result."""
    typer.echo(json.dumps(result) if as_json else text)
