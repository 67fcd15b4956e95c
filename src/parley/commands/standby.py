"""`parley standby`: the second host, from an empty machine to one that could take over."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from parley.commands.hosts import my_name, print_status, run
from parley.commands.running import AsJson, fail, settings_or_exit, show
from parley.hosting.hosts.client import open_host
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.joining import read_code
from parley.hosting.hosts.records import read_hosts, read_state
from parley.hosting.hosts.views import Commits, HostStatus
from parley.hosting.standby.seeding import copy_database, join, set_commits_everywhere
from parley.kit.postgres import PostgresError
from parley.kit.processes import AlreadyRunning, lock_data_folder
from parley.kit.settings import Settings, SettingsError, load_settings

app = typer.Typer(
    help="A second host that has everything the first one has, a moment later, and can take over.",
    no_args_is_help=True,
)


@app.command()
def init(
    code: Annotated[str, typer.Argument(help="What `parley host add` printed on the primary.")] = "",
    commits: Annotated[
        str, typer.Option(help="sync: a write is acknowledged once this host has it, too. async: at once.")
    ] = "",
    source: Annotated[
        str, typer.Option("--from", help="Where the primary's link is reached from here, if not as the code says.")
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Throw this host's database away and copy it anew.")] = False,
    rate: Annotated[int, typer.Option(help="Copy so many MB a second at most. 0: as fast as can be.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Make this machine a standby: join, take the instance's keys, copy the database.

    Parley must not run here yet. Run it again when it was interrupted: it goes on where it was, or begins that step
    anew; the primary is not harmed by either. Afterwards `parley up` runs the standby.
    """
    settings = settings_or_exit()
    if commits not in ("", "sync", "async"):
        raise fail("--commits is sync or async.")
    try:
        lock = lock_data_folder(settings)
    except AlreadyRunning as error:
        raise fail(str(error)) from error
    try:
        file = Path(os.environ.get("PARLEY_CONFIG", "parley.toml")).resolve()
        primary = asyncio.run(_init(settings, file, code, source, again, rate, as_json))
        if commits:
            asyncio.run(set_commits_everywhere(settings, "sync" if commits == "sync" else "async"))
    except (HostError, PostgresError, SettingsError) as error:
        raise fail(str(error)) from error
    finally:
        lock.close()
    known = read_hosts(settings)
    name = known.me if known else ""
    text = (
        f"This machine is {name}, a standby of {primary}. Start it with `parley up`; `parley standby status` shows it."
    )
    show({"name": name, "primary": primary, "ready": True}, as_json, text)


async def _init(settings: Settings, file: Path, code: str, source: str, again: bool, rate: int, as_json: bool) -> str:
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
        disable=as_json,
    ) as bar:
        task = bar.add_task("", total=None)

        def tell(text: str) -> None:
            bar.update(task, description=text)

        if read_hosts(settings) is None:
            if not code:
                raise HostError("Give the code that `parley host add` printed on the primary.")
            await join(settings, read_code(code), link=source, file=file, tell=tell)
        elif code and read_code(code).name != my_name(settings):
            raise HostError(f"This machine has joined already, as {my_name(settings)}.")
        settings = load_settings()
        return await copy_database(
            settings,
            progress=lambda done, total: bar.update(task, completed=done, total=max(total, done)),
            tell=tell,
            again=again,
            rate_mb=rate,
        )


@app.command()
def commits(
    wanted: Annotated[str, typer.Argument(help="sync or async.")],
    as_json: AsJson = False,
) -> None:
    """Say whether writes are acknowledged only once the standby has them, too (sync), or at once (async)."""
    settings = settings_or_exit()
    my_name(settings)
    if wanted not in ("sync", "async"):
        raise fail("Say sync or async.")
    chosen: Commits = "sync" if wanted == "sync" else "async"
    run(set_commits_everywhere(settings, chosen))
    text = "Writes wait for the standby now." if chosen == "sync" else "Writes do not wait for the standby any more."
    show({"commits": chosen}, as_json, text)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show how near the standby is. Ends with status 1 when it is not healthy, or there is none."""
    settings = settings_or_exit()
    found = run(_standbys(settings))
    if not found:
        if as_json:
            show({"standbys": []}, True, "")
        raise fail("There is no standby: `parley host add` on the primary begins one.")
    if as_json:
        show({"standbys": [msgspec.to_builtins(one) for one in found]}, True, "")
    else:
        for one in found:
            print_status(one, False)
    if any(one.problems for one in found):
        raise typer.Exit(1)


async def _standbys(settings: Settings) -> list[HostStatus]:
    """The standby that this host is, or all that it has as the primary."""
    me, state, hosts = my_name(settings), read_state(settings), read_hosts(settings)
    if state is not None and state.role != "primary":
        async with open_host(settings, me) as host:
            return [await host.status()]
    found = []
    for record in hosts.others if hosts else ():
        async with open_host(settings, record.name) as host:
            found.append(await host.status())
    return found
