"""What two PostgreSQL servers are to each other: who follows whom, copying one, and rewinding one that went astray.

PostgreSQL's own programs do the work. The other server is reached by a unix socket, whatever that leads to. Nothing
here opens a connection of our own, and nothing knows what a host is.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from parley.kit.postgres import HOSTS_FILE, ROLE, STANDBY_SIGNAL, EmbeddedPostgres, PostgresError

log = logging.getLogger(__name__)

CONFIGURATION = """\
# Written by Parley's host agent whenever something changes.
wal_keep_size = 256MB
max_slot_wal_keep_size = {keep_mb}MB
wal_sender_timeout = 10s
wal_receiver_timeout = 10s
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
max_standby_streaming_delay = 5s
"""

KEEP_MB = 8192
"""So much that was written is kept for a standby that is away, in MiB; then it must be copied anew."""

NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
PROGRESS = re.compile(rb"(\d+)/(\d+) kB")
REWINDING = "rewinding"
"""File in the server's home while its folder is being rewound and may not be started."""

COPY = "data.new"
SLOT_BUSY = "is active for PID"


class Replication(msgspec.Struct, frozen=True, kw_only=True):
    """How one server takes part."""

    name: str
    """Of this server, as the one that it follows sees it."""
    follow: Path | None = None
    """Folder of the socket that leads to the server that this one follows."""
    wait_for: tuple[str, ...] = ()
    """Names of servers, one of which must have a commit on its disk before it is acknowledged. Empty: none."""
    keep_mb: int = KEEP_MB


class ControlData(msgspec.Struct, frozen=True, kw_only=True):
    """What `pg_controldata` says of a folder; of a running server it may be some minutes old."""

    system_id: str
    state: str
    """Such as `shut down`, `in production`, `in archive recovery`."""
    timeline: int
    checkpoint_lsn: str
    """Where the last checkpoint's record begins; after a clean stop it is the last record of all."""

    @property
    def is_clean(self) -> bool:
        """Whether the server was a primary, and has stopped with everything in its last checkpoint."""
        return self.state == "shut down"


def slot_of(name: str) -> str:
    """The replication slot that keeps what the server `name` needs."""
    return f"parley_{_checked(name).replace('-', '_')}"


def lsn_to_int(lsn: str) -> int:
    """A position in the write-ahead log, such as `0/3000060`, in bytes."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def write_replication(server: EmbeddedPostgres, wanted: Replication) -> None:
    """Say in the server's configuration how it takes part; a running one must be told to read it."""
    lines = [CONFIGURATION.format(keep_mb=wanted.keep_mb)]
    if wanted.follow is not None:
        name = _checked(wanted.name)
        lines.append(f"primary_conninfo = 'host={wanted.follow} user={ROLE} application_name={name}'\n")
        lines.append(f"primary_slot_name = '{slot_of(name)}'\n")
    if wanted.wait_for:
        names = ", ".join(f'"{_checked(name)}"' for name in wanted.wait_for)
        lines.append(f"synchronous_standby_names = 'ANY 1 ({names})'\n")
    server.write_file(HOSTS_FILE, "".join(lines))


def control_data(server: EmbeddedPostgres) -> ControlData:
    """What the server's folder says of itself; raises PostgresError when it cannot be read."""
    result = server.run("pg_controldata", "-D", str(server.data))
    if result.returncode:
        raise PostgresError(f"The database in {server.data} cannot be read: {result.stderr.strip()}")
    said = dict(line.split(":", 1) for line in result.stdout.splitlines() if ":" in line)
    return ControlData(
        system_id=said["Database system identifier"].strip(),
        state=said["Database cluster state"].strip(),
        timeline=int(said["Latest checkpoint's TimeLineID"]),
        checkpoint_lsn=said["Latest checkpoint location"].strip(),
    )


async def copy_server(
    server: EmbeddedPostgres, *, source: Path, name: str, progress: Callable[[int, int], None], rate_mb: int = 0
) -> None:
    """Make the server's folder a copy of the running one at `source`, ready to follow it. `progress`: bytes of bytes.

    The folder appears only when the copy is whole. Raises PostgresError; what is begun again begins anew.
    """
    if server.exists:
        raise PostgresError(f"There is a database in {server.data} already.")
    await asyncio.to_thread(server.prepare_folders)
    fresh = server.data.with_name(COPY)
    await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
    arguments = ["-D", str(fresh), "-h", str(source), "-U", ROLE, "-S", slot_of(name), "-X", "stream", "-c", "fast"]
    if rate_mb:
        arguments += ["-r", f"{rate_mb}M"]
    for attempt in range(20):
        status, said = await _run_watched(server, "pg_basebackup", *arguments, "-P", "-w", progress=progress)
        if status == 0 or SLOT_BUSY not in said or attempt == 19:
            break
        await asyncio.sleep(1)  # of a copy that was killed; the other server will notice
    if status:
        raise PostgresError(f"The database could not be copied: {said.strip()[-800:]}")
    await asyncio.to_thread(_mark_following, server, fresh)  # before it has its name: it must never start alone
    await asyncio.to_thread(fresh.rename, server.data)


def _mark_following(server: EmbeddedPostgres, folder: Path) -> None:
    path = folder / STANDBY_SIGNAL
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    server.give(path)


async def rewind_server(server: EmbeddedPostgres, *, source: Path) -> None:
    """Take back what this stopped server wrote after the one at `source` went its own way. Safe to begin again.

    Raises PostgresError when it cannot be, such as when what it needs was thrown away: then it must be copied anew.
    """
    marker = server.data.with_name(REWINDING)
    await asyncio.to_thread(server.prepare_folders)
    await asyncio.to_thread(marker.touch)
    await asyncio.to_thread(server.set_following, False)  # a crashed server is recovered first, which this would stop
    connection = f"host={source} user={ROLE} dbname=parley"
    # Up to PostgreSQL 15, pg_rewind sees only from its last checkpoint that the other server went its own way.
    status, said = await _run_watched(server, "psql", "-Xqw", "-d", connection, "-c", "CHECKPOINT")
    if not status:
        status, said = await _run_watched(
            server, "pg_rewind", "-D", str(server.data), "--source-server", connection, "--progress"
        )
    if status:
        raise PostgresError(f"The database could not be rewound: {said.strip()[-800:]}")
    log.info("pg_rewind: %s", said.strip().splitlines()[-1] if said.strip() else "done")
    await asyncio.to_thread(server.set_following, True)
    await asyncio.to_thread(marker.unlink, missing_ok=True)


def is_half_rewound(server: EmbeddedPostgres) -> bool:
    """Whether a rewind was begun and not ended: the folder must not be started."""
    return server.data.with_name(REWINDING).exists()


async def _run_watched(
    server: EmbeddedPostgres, program: str, *arguments: str, progress: Callable[[int, int], None] | None = None
) -> tuple[int, str]:
    """Run a program that tells of its progress; returns its status and what it said. Ended when this is cancelled."""
    process = await asyncio.create_subprocess_exec(
        server.program(program),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        **server.surroundings,
    )
    said: list[bytes] = []
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            found = PROGRESS.search(line)
            if found and progress:
                progress(int(found[1]) * 1024, int(found[2]) * 1024)
            elif not found:
                said.append(line)
        return await process.wait(), b"".join(said).decode(errors="replace")
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise PostgresError(f"{name!r} cannot be the name of a server.")
    return name
