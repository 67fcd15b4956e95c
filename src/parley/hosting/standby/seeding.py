"""Making an empty machine a standby: join with a code, take the keys, copy the database through the link.

Each step can be begun again after a kill at any point; what is done is not done twice. Nothing here changes anything on
the primary but that it knows this host, and keeps what it will need.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

import parley
from parley.hosting.hosts.agent import serve_peer
from parley.hosting.hosts.certificates import ensure_certificate, ensure_key
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.joining import Code, Welcome, ask_to_join, check_empty, differing_settings, write_keys
from parley.hosting.hosts.records import (
    HostRecord,
    Hosts,
    HostState,
    read_hosts,
    read_state,
    write_durably,
    write_hosts,
    write_state,
)
from parley.hosting.hosts.sockets import peer_folder
from parley.hosting.hosts.views import Commits
from parley.kit.gate import GATE_FILE, Gate
from parley.kit.postgres import EmbeddedPostgres, PostgresError
from parley.kit.replication import copy_server, is_half_rewound
from parley.kit.settings import Settings

JOINED_FILE = "joined.json"
"""What the primary said when this machine joined, until the copy is whole."""

Tell = Callable[[str], None]
Progress = Callable[[int, int], None]


async def join(settings: Settings, code: Code, *, link: str = "", file: Path, tell: Tell) -> None:
    """Become a host of the instance: keys, hosts, settings and certificate are here afterwards. Raises HostError."""
    if settings.database_url:
        raise HostError(
            "database_url is set: a PostgreSQL that somebody else runs is made a standby by what runs it, such as "
            "Patroni. See docs/operators/two-hosts.md."
        )
    if not settings.link_listen:
        raise HostError("link_listen is not set: say where this host talks to the others, such as 0.0.0.0:7443.")
    if settings.host_name and settings.host_name != code.name:
        raise HostError(f"host_name is {settings.host_name!r} and the code is for {code.name!r}: set it to that.")
    server = EmbeddedPostgres(settings)
    joined = settings.path(JOINED_FILE)
    if not joined.exists():
        await asyncio.to_thread(check_empty, settings, data_exists=server.exists)
    tell(f"Joining {link or code.link} as {code.name}")
    welcome = await ask_to_join(settings, code, link=link)
    _check_same(settings, welcome, server, file)
    await asyncio.to_thread(write_durably, joined, msgspec.json.encode(welcome.name))
    await asyncio.to_thread(_take, settings, code, welcome, link)


def _check_same(settings: Settings, welcome: Welcome, server: EmbeddedPostgres, file: Path) -> None:
    """Refuse what could not work; set here what must be the same on all hosts and was not set."""
    if welcome.program != parley.__version__:
        raise HostError(
            f"The primary runs Parley {welcome.program} and this machine {parley.__version__}: use the same."
        )
    if welcome.major != server.major:
        raise HostError(
            f"The primary runs PostgreSQL {welcome.major} and this machine has {server.major}: set postgres_binaries "
            f"to programs of version {welcome.major}."
        )
    missing, otherwise = differing_settings(settings, welcome.settings)
    if otherwise:
        raise HostError(
            f"These settings must be the same on every host, and are otherwise here: {', '.join(sorted(otherwise))}. "
            "Set them as on the primary, or leave them out."
        )
    if missing:
        _add_settings(file, missing)


def _add_settings(file: Path, missing: dict[str, Any]) -> None:
    """Write settings to the end of parley.toml; it is made when there is none."""
    lines = ["", "# The same on every host of this instance (written by `parley standby init`):"]
    lines += [f"{name} = {_toml(value)}" for name, value in missing.items()]
    text = file.read_text() if file.exists() else ""
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    try:
        write_durably(file, (text.rstrip("\n") + "\n".join(lines) + "\n").lstrip("\n").encode(), mode=mode)
    except OSError as error:
        raise HostError(
            f"These settings must be set as on the primary: {', '.join(missing)}; {file}: {error}"
        ) from error


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return str(value) if isinstance(value, int | float) else msgspec.json.encode(str(value)).decode()


def _take(settings: Settings, code: Code, welcome: Welcome, link: str) -> None:
    """Keep what came, in an order in which the machine is nothing until it is a standby."""
    write_keys(settings, welcome.keys)
    hosts = tuple(
        msgspec.structs.replace(one, link=link or code.link) if one.name == welcome.host else one
        for one in welcome.hosts
    )
    if all(one.key != ensure_key(settings) for one in hosts):
        raise HostError("The primary does not name this machine among its hosts: run `parley host add` there again.")
    ensure_certificate(settings, welcome.name)
    state = HostState(role="standby", epoch=welcome.epoch, to=welcome.host, commits=welcome.commits)
    write_state(settings, state)
    write_hosts(settings, Hosts(me=welcome.name, version=welcome.version, hosts=hosts))


async def copy_database(
    settings: Settings, *, progress: Progress, tell: Tell, again: bool = False, rate_mb: int = 0
) -> str:
    """Copy the primary's database to this standby, if it is not here yet; returns the primary's name.

    `again`: what is here is thrown away first. Raises HostError.
    """
    hosts, state = read_hosts(settings), read_state(settings)
    if hosts is None or state is None:
        raise HostError("This machine has not joined yet: give the code that `parley host add` printed.")
    if state.role == "primary" or state.to is None:
        raise HostError(f"This host is {state.role}: its database is not thrown away for a copy.")
    record = hosts.find(state.to)
    if record is None:
        raise HostError(f"{state.to}, which this host follows, is no host of the instance any more.")
    await asyncio.to_thread(ensure_certificate, settings, hosts.me)
    server = EmbeddedPostgres(settings)
    if server.exists and (again or is_half_rewound(server)):
        tell("Removing the database that was here")
        await asyncio.to_thread(_remove_database, server)
    if not server.exists:
        tell(f"Copying the database from {record.name}")
        await _copy(settings, server, hosts, state, record, progress, rate_mb)
    await asyncio.to_thread(write_state, settings, msgspec.structs.replace(state, role="standby", token=None))
    settings.path(JOINED_FILE).unlink(missing_ok=True)
    return record.name


def _remove_database(server: EmbeddedPostgres) -> None:
    if server.is_running():
        raise HostError("PostgreSQL still runs on this host: stop Parley first.")
    away = server.data.with_name(f"removing.{os.getpid()}")
    server.data.rename(away)
    shutil.rmtree(away)
    server.data.with_name("rewinding").unlink(missing_ok=True)


async def _copy(
    settings: Settings,
    server: EmbeddedPostgres,
    hosts: Hosts,
    state: HostState,
    record: HostRecord,
    progress: Progress,
    rate_mb: int,
) -> None:
    host = Host(settings, Gate(settings.path(GATE_FILE)), server, hosts, state)
    leading = await serve_peer(settings, record, host.give)
    try:
        status = await (await host.peer(record.name)).status()
        if status.role != "primary":
            raise HostError(f"{record.name} is {status.role}, not the primary.")
        source = peer_folder(settings, record.name)
        await copy_server(server, source=source, name=hosts.me, progress=progress, rate_mb=rate_mb)
    except PostgresError as error:
        raise HostError(str(error)) from error
    finally:
        leading.close()
        await host.close()


async def set_commits_everywhere(settings: Settings, commits: Commits) -> None:
    """Tell the primary whether commits wait for the standby. Raises HostError."""
    from parley.hosting.hosts.client import open_host

    hosts, state = read_hosts(settings), read_state(settings)
    if hosts is None or state is None:
        raise HostError("This instance has one host: there is no standby to wait for.")
    primary = hosts.me if state.role == "primary" else state.to or hosts.me
    async with open_host(settings, primary) as host:
        await host.set_commits(commits)
