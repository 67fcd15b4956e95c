"""`parley host`: the hosts of the instance, and `parley up` on one that has others."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from subprocess import Popen
from typing import IO, Annotated, Any, NoReturn, TypeVar

import msgspec
import typer

from parley.commands.running import AsJson, fail, settings_or_exit, show
from parley.hosting.hosts.client import HostClient, open_host
from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.membership import Added
from parley.hosting.hosts.records import Hosts, read_hosts
from parley.hosting.hosts.views import HostStatus
from parley.hosting.starting import answering_meanwhile
from parley.kit.gate import GATE_FILE, Gate, State
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.processes import become_server, start_agent
from parley.kit.settings import Settings

T = TypeVar("T")

AGENT_SECONDS = 20
"""How long a fresh agent may take until it answers."""

app = typer.Typer(
    help="The hosts of this instance: more than one, so that it can move, and outlive the loss of one.",
    no_args_is_help=True,
)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="A name for the new host: lowercase letters, digits, hyphens.")],
    link: Annotated[str, typer.Option(help="Where its link will be reached from here: b.example:7443.")],
    addresses: Annotated[
        list[str] | None,
        typer.Option(help="Address to which the domain points when that host serves. May be given several times."),
    ] = None,
    my_link: Annotated[
        str, typer.Option(help="Where this host's own link is reached from there. Default: link_listen.")
    ] = "",
    my_addresses: Annotated[
        list[str] | None,
        typer.Option(help="Address to which the domain points while this host serves. May be given several times."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let another machine join. Prints the command to run there, with a code that is good once, for a day."""
    settings = settings_or_exit()
    mine = my_link or _own_link(settings)
    there, here = _split(addresses), _split(my_addresses)
    added = ask(
        settings,
        lambda me: me.call("add_host", Added, name=name, link=link, addresses=there, my_link=mine, my_addresses=here),
    )
    text = (
        f"{name} may join until {added.expires_at[:16].replace('T', ' ')} UTC. On that machine, with Parley installed, "
        f"link_listen set and an empty data folder, run:\n\n  parley standby init {added.code}\n\n"
        "Whoever has this code gets everything that the instance has: carry it over a safe way."
    )
    show({"name": name, "code": added.code, "expires_at": added.expires_at}, as_json, text)


def _split(given: list[str] | None) -> list[str]:
    return [one.strip() for text in given or [] for one in text.split(",") if one.strip()]


def _own_link(settings: Settings) -> str:
    known = read_hosts(settings)
    own = known.find(known.me) if known else None
    link = own.link if own else settings.link_listen
    address = link.rpartition(":")[0]
    if address in ("", "0.0.0.0", "[::]", "::"):  # noqa: S104
        raise fail(
            f"link_listen is {settings.link_listen or 'not set'}, which says not where other machines reach this one: "
            "give --my-link a.example:7443."
        )
    return link


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The host.")],
    as_json: AsJson = False,
) -> None:
    """Let a host belong to the instance no more. It is refused at once, and nothing is kept for it any longer."""
    settings = settings_or_exit()
    missed = ask(settings, lambda me: me.call("remove_host", list[str], seconds=60, name=name))
    text = (
        f"{name} is no host of this instance any more: no other host answers it, or connects to it. It still has what "
        "it had: the members' data, the instance's keys, and what stands in parley.toml. If it is not yours any more, "
        "change what it knew of other companies: see docs/operators/two-hosts.md."
    )
    if missed:
        text += f"\n{', '.join(missed)} could not be told yet, and will refuse it as soon as this host is reached."
    show({"name": name, "removed": True, "not_told": missed}, as_json, text)


@app.command("rotate-keys")
def rotate_keys(as_json: AsJson = False) -> None:
    """Give this host another key, by which the others know it, while everything runs. Run it on each host.

    The old key is good until every host knows the new one, and for nothing afterwards. A command that was cut off is
    run again.
    """
    from parley.hosting.hosts.rotating import Rotated

    settings = settings_or_exit()
    done = ask(settings, lambda me: me.call("rotate_key", Rotated, seconds=120))
    text = f"{done.name} has another key: {_short(done.key)}, not {_short(done.before)} any more."
    show(msgspec.to_builtins(done), as_json, text)


@app.command()
def keys(as_json: AsJson = False) -> None:
    """Show by which key each host is known here, and the signed journal of who was, and since when.

    What two hosts show must be the same. Works without a running instance.
    """
    from parley.hosting.hosts.keylog import MEANING, read_keylog
    from parley.hosting.journals import JournalError

    settings = settings_or_exit()
    my_name(settings)
    try:
        hosts, entries = read_hosts(settings), read_keylog(settings)
    except (HostError, JournalError) as error:
        raise fail(str(error)) from error
    known = hosts.hosts if hosts else ()
    rows = [{"name": one.name, "key": one.key, "next_key": one.next_key or None} for one in known]
    journal = [{"at": one.at.isoformat(), "kind": one.kind, "by": one.by, **one.detail} for one in entries]
    lines = [f"{one.name}  {one.key}" + (f", soon {one.next_key}" if one.next_key else "") for one in known]
    for one in entries:
        said = MEANING.get(one.kind, one.kind)
        lines.append(f"{one.at:%Y-%m-%d %H:%M} UTC  {one.detail['host']} ({_short(one.detail['key'])}): {said}.")
    show({"hosts": rows, "journal": journal}, as_json, "\n".join(lines))


def _short(key: str) -> str:
    return f"{key[:16]}..."


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the hosts, with what each of them says of itself."""
    settings = settings_or_exit()
    hosts = ask(settings, lambda me: me.hosts())
    found = asyncio.run(_ask_all(settings, hosts))
    rows: list[dict[str, Any]] = []
    for record in hosts.hosts:
        status = found[record.name]
        rows.append(
            {
                "name": record.name,
                "link": record.link,
                "addresses": list(record.addresses),
                "role": status.role if isinstance(status, HostStatus) else None,
                "epoch": status.epoch if isinstance(status, HostStatus) else None,
                "gate": status.gate if isinstance(status, HostStatus) else None,
                "this": record.name == hosts.me,
                "error": None if isinstance(status, HostStatus) else status,
            }
        )
    waiting = [one.name for one in hosts.pending if not hosts.find(one.name)]
    if as_json:
        show({"me": hosts.me, "hosts": rows, "pending": waiting}, True, "")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("host", "role", "epoch", "gate", "link", "addresses", title="Hosts")
    for row in rows:
        mark = " (this one)" if row["this"] else ""
        said = row["role"] or f"[red]{row['error']}[/red]"
        table.add_row(
            f"{row['name']}{mark}",
            str(said),
            str(row["epoch"] or ""),
            str(row["gate"] or ""),
            str(row["link"]),
            ", ".join(row["addresses"]),
        )
    Console().print(table)
    if waiting:
        typer.echo(f"Not joined yet: {', '.join(waiting)}.")


@app.command()
def status(
    name: Annotated[str, typer.Argument(help="Which host. Default: this one.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show everything that a host says of itself. Ends with status 1 when something must be looked at."""
    settings = settings_or_exit()

    async def read() -> HostStatus:
        async with open_host(settings, name or my_name(settings)) as host:
            return await host.status()

    found = run(read())
    print_status(found, as_json)
    if found.problems:
        raise typer.Exit(1)


def print_status(found: HostStatus, as_json: bool) -> None:
    """One host's status as a table, or as JSON."""
    if as_json:
        show(msgspec.to_builtins(found), True, "")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("", "", show_header=False, title=f"Host {found.name}")
    for label, value in _lines(found):
        table.add_row(label, value)
    Console().print(table)
    for problem in found.problems:
        typer.secho(f"! {problem}", fg="red")


def _lines(found: HostStatus) -> list[tuple[str, str]]:
    behind = "" if found.behind_bytes is None else f"{found.behind_bytes:,} bytes, {found.behind_seconds or 0:.1f} s"
    timeline = f" on timeline {found.timeline}" if found.timeline else ""
    lines = [
        ("role", found.role + (f", {_word(found)} {found.to}" if found.to else "")),
        ("epoch", str(found.epoch)),
        ("gate", found.gate),
        ("database", "answers" if found.database_up else "stopped"),
        ("position", f"{found.lsn}{timeline}, system {found.system_id}"),
        ("streams", ("yes" if found.streaming else "no") + (f", {found.sync_state}" if found.sync_state else "")),
    ]
    if found.role == "standby":
        lines.append(("behind", behind or "unknown"))
    for one in found.standbys:
        far = f"{one.behind_bytes or 0:,} bytes, {one.behind_seconds or 0:.1f} s behind"
        lines.append((f"standby {one.name}", f"{one.sync_state}, {far}" if one.streaming else "does not follow"))
    lines.append(("commits wait for it", found.commits + (" (degraded)" if found.degraded_since else "")))
    if found.media:
        lines.append(("files", f"position {found.media.position}, {found.media.backlog_files:,} to come"))
    if found.lease:
        lines.append(("lease", f"{found.lease.holder}, epoch {found.lease.epoch}, {found.lease.seconds_left:.1f} s"))
    lines += [
        ("web", "answers" if found.web_ok else "does not answer"),
        ("program", f"Parley {found.program}, schema {found.schema_version}"),
        ("certificate until", f"{found.certificate_until:%Y-%m-%d}"),
        ("free on the disk", f"{found.free_bytes / 1024**3:.1f} GiB"),
        ("last snapshot", f"{found.last_snapshot:%Y-%m-%d %H:%M} UTC" if found.last_snapshot else "never"),
        ("last drill", f"{found.last_drill:%Y-%m-%d %H:%M} UTC" if found.last_drill else "never"),
    ]
    return lines


def _word(found: HostStatus) -> str:
    return {"standby": "follows", "fenced": "has stopped for", "away": "hands on to", "primary": ""}[found.role]


async def _ask_all(settings: Settings, hosts: Hosts) -> dict[str, HostStatus | str]:
    async def ask_one(name: str) -> HostStatus | str:
        try:
            async with open_host(settings, name) as host:
                return await host.status(seconds=5)
        except HostError as error:
            return str(error)

    names = [one.name for one in hosts.hosts]
    return dict(zip(names, await asyncio.gather(*map(ask_one, names)), strict=True))


# What other commands use.


def my_name(settings: Settings) -> str:
    """This host's name; ends the command where there are no hosts."""
    hosts = read_hosts(settings)
    if hosts is None:
        raise fail(
            "This instance has one host, and no link to others: set link_listen (such as 0.0.0.0:7443) and restart "
            "Parley. See docs/operators/two-hosts.md."
        )
    return hosts.me


def run(work: Awaitable[T]) -> T:
    """Run something that asks hosts; what goes wrong ends the command with a sentence."""

    async def wait() -> T:
        return await work

    try:
        return asyncio.run(wait())
    except HostUnreachable as error:
        raise fail(f"{error} Is Parley running there? See its log.") from error
    except HostError as error:
        raise fail(str(error)) from error


def ask(settings: Settings, question: Callable[[HostClient], Awaitable[T]]) -> T:
    """Ask this machine's own agent."""
    me = my_name(settings)

    async def wait() -> T:
        async with open_host(settings, me) as host:
            return await question(host)

    return run(wait())


# `parley up` on a host that has an agent.


def up_with_agent(
    settings: Settings,
    lock: IO[str],
    prepare: Callable[[Settings, str, EmbeddedPostgres | None], bool],
    welcome: Callable[[Settings, bool], str],
) -> NoReturn:
    """Start the agent, which starts PostgreSQL as what this host is; then become the watching process."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    Gate(settings.path(GATE_FILE)).turn(State.CLOSED)  # nobody else runs here: the lock says so
    server = None if settings.database_url else EmbeddedPostgres(settings)
    dsn = server.dsn if server else settings.database_url
    with answering_meanwhile(settings):
        agent = start_agent(first=True)
        try:
            role = asyncio.run(_until_started(settings, agent))
            has_owner = prepare(settings, dsn, None) if role == "primary" else True
            if role == "primary":
                ask(settings, lambda me: me.opened())
        except BaseException:
            if server is not None and server.exists:
                server.adopt()
                server.stop()
            agent.terminate()
            agent.wait()
            raise
    message = welcome(settings, has_owner)
    if role != "primary":
        message += f"\n  This host is no primary: it is {role}. `parley host status` says more."
    become_server(dsn, run_worker=True, owns_database=server is not None, lock=lock, message=message, agent=agent.pid)
    raise AssertionError("become_server does not return")


async def _until_started(settings: Settings, agent: Popen[bytes]) -> str:
    deadline = time.monotonic() + AGENT_SECONDS
    while True:
        if agent.poll() is not None:
            raise fail("The host agent has ended: what it said stands above.")
        try:
            async with open_host(settings, my_name_or_first(settings)) as me:
                return await me.start()
        except HostUnreachable as error:
            if time.monotonic() > deadline:
                raise fail(f"The host agent does not answer: {error}") from error
            await asyncio.sleep(0.05)
        except HostError as error:
            raise fail(str(error)) from error


def my_name_or_first(settings: Settings) -> str:
    """This host's name, also before its agent has ever run."""
    hosts: Any = read_hosts(settings)
    return str(hosts.me) if hosts else "a"
