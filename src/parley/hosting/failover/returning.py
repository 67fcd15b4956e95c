"""Coming back: a host that was overtaken reports what only it has, is rewound, and becomes the standby.

Its PostgreSQL is started privately meanwhile, as one that follows nobody and can only be read. Nothing of the old data
is given up before the report is on the disk; what cannot be rewound is moved aside and copied anew.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from parley.hosting.failover import store
from parley.hosting.failover.errors import FailoverError
from parley.hosting.failover.lost_files import keep_files
from parley.hosting.failover.lost_writes import (
    FOLDER,
    Report,
    Writing,
    list_differences,
    list_differences_since,
    list_reports,
)
from parley.hosting.failover.wal import Tail, divergence_of, newest_timeline, read_tail
from parley.hosting.hosts import operations, roles
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.sockets import peer_folder
from parley.kit.clock import now
from parley.kit.db import LostConnection, connect
from parley.kit.postgres import ROLE, EmbeddedPostgres, PostgresError
from parley.kit.replication import copy_server, is_half_rewound

log = logging.getLogger(__name__)

START_SECONDS = 600
"""A server that was killed may have much to replay."""

PRIVATE = (
    "-c listen_addresses='' -c primary_conninfo='' -c primary_slot_name='' -c synchronous_standby_names='' "
    "-c hot_standby=on -c wal_keep_size=1000000 -c max_standby_streaming_delay=-1 -c unix_socket_directories='{folder}'"
)
"""How the old server is started to be read: by nobody else, following nobody, and keeping all of its WAL."""


async def come_back(host: Host) -> None:
    """Everything, once the host that has taken over can be reached; may be begun again at any point; HostError."""
    to = host.state.to
    if to is None:
        raise HostError("It is not known which host has taken over.")
    status = await (await host.peer(to)).status(seconds=3)
    if status.role != "primary":
        raise HostError(f"{to} is {status.role}, not the primary: this host waits until it is.")
    if not host.runs_postgres:
        raise HostError("The database here is run by somebody else: use what runs it to let it follow the primary.")
    if find_report(host, status.epoch) is None:
        if is_half_rewound(host.postgres):
            raise HostError("The database here is half rewound, and no report was made. Look at it by hand.")
        await write_report(host, to, status.epoch)
    try:
        await operations.rejoin(host, to)
    except (PostgresError, HostError) as error:
        if not _cannot_rewind(error):
            raise
        log.warning("the old database cannot be rewound: %s", error)
        await _copy_anew(host, to)
    log.warning("this host follows %s now", to)


def find_report(host: Host, epoch: int) -> Path | None:
    """The folder of the report about being overtaken with this epoch, once it is whole."""
    found = [path for path, report in list_reports(host.settings.path()) if report.epoch == epoch]
    return found[-1] if found else None


async def write_report(host: Host, to: str, epoch: int) -> Path:
    """Write down what only this host has. Returns the report's folder; raises HostError."""
    began = time.monotonic()
    server = host.postgres
    async with host.turning:
        host.drop_connections()
        await roles.stop_cleanly(host, roles.STOP_SECONDS)
        async with _connected(
            f"postgresql://{ROLE}@/parley?host={quote(str(peer_folder(host.settings, to)), safe='')}"
        ) as new:
            left_at, tail = await _read_tail(server, new)
            folder = host.settings.path(FOLDER, f"{now():%Y%m%d-%H%M%S}-epoch-{epoch}")
            writing = Writing(folder)
            names: dict[str, str] = {}
            if tail is None or tail.transactions:
                async with _private(server) as old_dsn, _connected(old_dsn) as old:
                    if tail is None:
                        differences = list_differences_since(old, new, await store.get_first_transaction(new))
                    else:
                        differences = list_differences(old, new, tail)
                    async for one in differences:
                        writing.take(one)
                    names = await _names(old, writing.summary.accounts)
            files, missing = await keep_files(host, to, folder)
        state = host.state
        report = Report(
            host=host.me,
            new_host=to,
            old_epoch=state.epoch,
            epoch=epoch,
            waited=state.commits == "sync" and state.degraded_since is None,
            left_at=left_at,
            transactions=tail.commits if tail else -1,
            rows=writing.counts,
            files=files,
            missing_files=missing,
            seconds=round(time.monotonic() - began, 2),
            made_at=now().isoformat(timespec="seconds"),
        )
        await asyncio.to_thread(writing.finish, report, names)
    rows = sum(count for kinds in report.rows.values() for count in kinds.values())
    log.warning("LOST WRITES: %d rows and %d files that only this host had: %s", rows, files, folder)
    return folder


async def _read_tail(server: EmbeddedPostgres, new: Any) -> tuple[str, Tail | None]:
    """Where the new host left this one, and what was committed here after that; None when the WAL is not all there."""
    folder = server.data / "pg_wal"
    timeline = await asyncio.to_thread(newest_timeline, folder)
    theirs = await store.get_timeline(new)
    left_at = divergence_of(await store.get_history(new, theirs), timeline) if theirs != timeline else None
    if left_at is None:
        raise FailoverError(
            f"The new primary's history (timeline {theirs}) does not come from this host's (timeline {timeline}): what "
            "is only here cannot be told apart. Look at the old database by hand, then run `parley standby init`."
        )
    try:
        return left_at, await asyncio.to_thread(
            read_tail, lambda *given: server.run("pg_waldump", *given), folder, timeline, left_at
        )
    except FailoverError as error:
        log.warning("%s The tables are compared as a whole.", error)
        return left_at, None


@asynccontextmanager
async def _private(server: EmbeddedPostgres) -> AsyncIterator[str]:
    """The old server, running for us alone and only read; yields its address."""
    home = Path(tempfile.mkdtemp(prefix="parley-old-"))  # its owner alone may enter
    server.give(home)
    try:
        await asyncio.to_thread(server.set_following, True)
        started = await asyncio.to_thread(
            server.run,
            *("pg_ctl", "-w", "-t", str(START_SECONDS), "-D", str(server.data), "-l", str(server.data.parent / "log")),
            *("-o", PRIVATE.format(folder=home), "start"),
        )
        if started.returncode:
            raise FailoverError(f"The old database does not start to be read: {started.stderr.strip()[-400:]}")
        yield f"postgresql://{ROLE}@/parley?host={quote(str(home), safe='')}"
    finally:
        await asyncio.to_thread(server.run, "pg_ctl", "-w", "-t", "60", "-m", "fast", "-D", str(server.data), "stop")
        shutil.rmtree(home, ignore_errors=True)


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Any]:
    """A connection on which nothing can be written."""
    try:
        connection = await asyncio.wait_for(connect(dsn), 30)
    except (*LostConnection, TimeoutError) as error:
        raise HostError(f"A database that is needed for the report cannot be reached ({error}).") from error
    try:
        await store.update_to_reading(connection)
        yield connection
    except LostConnection as error:
        raise HostError(f"A database that is needed for the report went away ({error}).") from error
    finally:
        connection.terminate()


async def _names(old: Any, accounts: set[int]) -> dict[str, str]:
    rows = await store.list_like(old, "accounts", [{"id": one} for one in sorted(accounts)])
    return {str(row["id"]): str(row["username"]) for row in rows}


def _cannot_rewind(error: Exception) -> bool:
    return isinstance(error, PostgresError) and "could not be rewound" in str(error)


async def _copy_anew(host: Host, to: str) -> None:
    """Set the old database aside, and copy the new host's. The report is on the disk by now."""
    server = host.postgres
    async with host.turning:
        await roles.stop_cleanly(host, roles.STOP_SECONDS)
        aside = server.data.with_name(f"data.before-epoch-{host.state.next_epoch or host.state.epoch}")
        if server.exists:
            await asyncio.to_thread(server.data.rename, aside)
            log.warning("the old database is in %s: delete it when you do not need it any more", aside)
        server.data.with_name("rewinding").unlink(missing_ok=True)

        def progress(done: int, of: int) -> None:
            log.debug("copied %d of %d bytes", done, of)

        await copy_server(server, source=peer_folder(host.settings, to), name=host.me, progress=progress)
    await operations.rejoin(host, to)
