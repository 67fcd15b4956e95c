"""What the commands share that judge history: the live ruleset, who of the staff acts, and a progress bar.

This file must not know any command.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer

from parley.commands.running import database, fail, prepare_database
from parley.kit.db import Database, Tx
from parley.kit.errors import Forbidden, ParleyError
from parley.kit.settings import Settings
from parley.safety.progress import Progress, quiet
from parley.screening import PolicyError, Ruleset
from parley.social.policies.views import Staff

T = TypeVar("T")

CORES = max((os.cpu_count() or 2) // 2, 1)
"""How many processes judge unless told otherwise: half of the cores, for people post beside it."""

Processes = Annotated[
    int, typer.Option("--processes", min=1, max=256, help="How many processes judge; one for each core at most.")
]
By = Annotated[str, typer.Option("--by", help="Username of the member of the staff who does this; it is on record.")]


def with_judge(settings: Settings, action: Callable[[Database, Ruleset], Awaitable[T]]) -> T:
    """Run `action(db, ruleset)` with the database open and the live ruleset; known errors end the command."""
    from parley.social.policies.live import load_live

    async def run(dsn: str) -> T:
        await prepare_database(dsn)
        db = Database(dsn, connections=4)
        await db.open()
        try:
            return await action(db, await load_live(db, settings))
        finally:
            await db.close()

    with database(settings) as dsn:
        try:
            return asyncio.run(run(dsn))
        except ParleyError as error:
            raise fail(error.text) from error
        except PolicyError as error:
            raise fail(str(error)) from error


async def find_staff(tx: Tx, username: str) -> Staff:
    """The member of the staff with this name. Raises NotFound, and Forbidden for anybody else."""
    from parley.social.accounts.reads import get_account_views
    from parley.social.sessions.names import get_member_id

    account_id = await get_member_id(tx, username)
    account = (await get_account_views(tx, [account_id]))[account_id]
    staff = Staff(account_id, account.username, account.role)
    if not staff.is_staff or account.state != "active":
        raise Forbidden(f"@{account.username} is not a member of the staff: give the name of one with --by.")
    return staff


@contextmanager
def progress_bar(label: str, as_json: bool) -> Iterator[Progress]:
    """A progress bar on standard error for as long as the block runs; none with --json."""
    if as_json:
        yield quiet
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield show


def safe_ids(value: Any) -> Any:
    """Ids as text: numbers in JSON are too small for them."""
    if isinstance(value, dict):
        return {
            key: str(item) if key in ("subject_id", "account_id", "created_by") and item else safe_ids(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        if len(value) == 2 and all(isinstance(item, int) for item in value) and value[0] > 2**53:
            return [str(value[0]), value[1]]
        return [safe_ids(item) for item in value]
    return value
