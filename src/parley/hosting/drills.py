"""A drill: a snapshot restored to a scratch place and used, because a backup is proven by a restore only.

The time that it takes is the honest time of a recovery. The instance itself is not touched.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from parley.hosting import store
from parley.hosting.dumping import Progress, Tally
from parley.hosting.errors import SnapshotError
from parley.hosting.loading import Reading
from parley.hosting.making import areas_of
from parley.hosting.manifest import Index, Manifest
from parley.hosting.restoring import restore_snapshot
from parley.hosting.verifying import find_snapshot, read_index
from parley.kit.db import connect
from parley.kit.errors import NotFound
from parley.kit.files import open_file_store
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import PREFIX, Settings
from parley.kit.signing import is_signed_by, public_key_of, sign

if TYPE_CHECKING:
    from pyrage import x25519

SAMPLE = 200
"""How many files are compared, drawn at random."""

START_SECONDS = 60.0


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What must come out of the restored instance: the key that it signs with (hexadecimal), and of every file the
    SHA-256."""

    signer: str
    files: frozenset[str]


class Visitor(Protocol):
    """Somebody who uses the restored instance. Each raises SnapshotError when it is not well."""

    async def sign_in(self, dsn: str, scratch: Settings) -> None:
        """Get an account and sign in with its password, in the restored database alone: these need writes, so they
        come before the instance starts, which never can write."""

    async def look_around(self, base: str, expected: Expected) -> dict[str, Any]:
        """Read at this base URL what a member reads; returns what was seen."""


class Drilled(msgspec.Struct, frozen=True, kw_only=True):
    """What a drill found. Seconds are those of each step; `recovery_seconds` is what a recovery would have taken."""

    snapshot: str
    rows: int
    tables: int
    files: int
    files_compared: int
    signer: str
    """The instance's key, which has signed the snapshot and is the restored one."""
    visited: dict[str, Any]
    restore_seconds: float
    start_seconds: float
    recovery_seconds: float


async def drill_snapshot(
    settings: Settings,
    url: str,
    *,
    identity: x25519.Identity,
    visitor: Visitor,
    name: str | None = None,
    signer: str | None = None,
    progress: Progress | None = None,
) -> Drilled:
    """Restore into a scratch folder with an embedded database, compare, start the app read-only, and visit it.

    The database takes no writes from before the app starts until the end.

    Raises SnapshotError with the first thing that is not as it was saved. The scratch folder is always removed.
    """
    place, manifest = await find_snapshot(url, name, signer=signer)
    with _scratch_settings(settings, manifest.domain) as scratch:
        server = EmbeddedPostgres(scratch)

        @contextmanager
        def started(_: Settings) -> Iterator[str]:
            server.start()
            yield server.dsn

        try:
            began = time.monotonic()
            done = await restore_snapshot(
                scratch, started, url, identity=identity, name=manifest.snapshot, signer=signer, progress=progress
            )
            restored = time.monotonic()
            index = await read_index(Reading(place, manifest, identity, scratch.path("tmp"), Tally()))
            await _compare_rows(server.dsn, index)
            compared = await _compare_files(index, scratch)
            _check_signs(scratch, manifest)
            await visitor.sign_in(server.dsn, scratch)
            await _forbid_writes(server.dsn)
            begun = time.monotonic()
            with _serving(scratch, server.dsn) as (base, process):
                await _wait_until_it_reads(base, process, scratch)
                answering = time.monotonic()
                expected = Expected(signer=manifest.signer, files=frozenset(file.sha256 for file in index.files))
                visited = await visitor.look_around(base, expected)
        finally:
            if server.is_running():
                server.stop()
    return Drilled(
        snapshot=manifest.snapshot,
        rows=done.rows,
        tables=len(index.tables),
        files=done.files,
        files_compared=compared,
        signer=manifest.signer,
        visited=visited,
        restore_seconds=round(restored - began, 3),
        start_seconds=round(answering - begun, 3),
        recovery_seconds=round(restored - began + answering - begun, 3),
    )


@contextmanager
def _scratch_settings(settings: Settings, domain: str) -> Iterator[Settings]:
    """Settings of an instance in a scratch folder: nothing of it reaches the world."""
    base = settings.path("tmp")
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    with socket.socket() as one, tempfile.TemporaryDirectory(dir=base, prefix="drill-") as folder:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        one.close()
        yield Settings(
            domain=domain,
            data_dir=Path(folder),
            host="127.0.0.1",
            port=port,
            web_processes=1,
            secret_key=settings.secret_key,
            policy_dir=settings.policy_dir,
        )


async def _compare_rows(dsn: str, index: Index) -> None:
    """Count what is in every table now."""
    connection = await connect(dsn)
    try:
        counts = await store.count_rows(connection, [table.name for table in index.tables])
    finally:
        await connection.close()
    for table in index.tables:
        noted = table.name == "hosting_records"  # where the restore itself is noted
        found = counts[table.name] - noted
        if found != table.rows:
            raise SnapshotError(f"{table.name} has {found} rows after the restore instead of {table.rows}.")


async def _compare_files(index: Index, scratch: Settings) -> int:
    """Read a random sample of files back; returns how many."""
    areas = areas_of(open_file_store(scratch))
    sample = secrets.SystemRandom().sample(index.files, min(SAMPLE, len(index.files)))
    for file in sample:
        digest = hashlib.sha256()
        try:
            async for chunk in await areas[file.area].read(file.name):
                digest.update(chunk)
        except NotFound:
            raise SnapshotError(f"The file {file.area}/{file.name} is not there after the restore.") from None
        if digest.hexdigest() != file.sha256:
            raise SnapshotError(f"The file {file.area}/{file.name} is another one after the restore.")
    return len(sample)


def _check_signs(scratch: Settings, manifest: Manifest) -> None:
    """What the restored instance signs must be checked by the key that outsiders know."""
    own = public_key_of(scratch).hex()
    probe = secrets.token_bytes(32)
    if own != manifest.signer or not is_signed_by(bytes.fromhex(manifest.signer), sign(scratch, probe), probe):
        raise SnapshotError(
            f"The restored instance signs with the key {own[:16]}..., and the snapshot is signed by "
            f"{manifest.signer[:16]}...: nobody could check any more what the instance has signed."
        )


@contextmanager
def _serving(scratch: Settings, dsn: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`parley serve` on the scratch database, and where it answers; ends with the block."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    wanted = {
        "DOMAIN": scratch.local_domain,
        "DATA_DIR": str(scratch.data_dir),
        "HOST": scratch.host,
        "PORT": str(scratch.port),
        "WEB_PROCESSES": "1",
        "DATABASE_URL": dsn,
        "SECRET_KEY": scratch.secret_key,
        "POLICY_DIR": scratch.policy_dir,
    }
    environment.update({PREFIX + name: value for name, value in wanted.items() if value})
    environment["PARLEY_CONFIG"] = os.devnull
    with scratch.path("serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "parley.cli", "serve"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield f"http://127.0.0.1:{scratch.port}", process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _forbid_writes(dsn: str) -> None:
    connection = await connect(dsn)
    try:
        await store.update_to_read_only(connection)
    finally:
        await connection.close()


async def _wait_until_it_reads(base: str, process: subprocess.Popen[bytes], scratch: Settings) -> None:
    """Wait until the app answers that it cannot write, and can be read nevertheless."""
    import httpx

    deadline = time.monotonic() + START_SECONDS
    said = "nothing"
    async with httpx.AsyncClient(timeout=10, headers={"Host": scratch.local_domain}) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                health = (await client.get(f"{base}/health")).status_code
                page = (await client.get(f"{base}/sign-in")).status_code
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
                continue
            said = f"{health} to a question for its health and {page} for a page"
            if health == 200:
                raise SnapshotError("The restored instance can be written to, although its database is read-only.")
            if (health, page) == (503, 200):
                return
            await asyncio.sleep(0.1)
    lines = scratch.path("serve.log").read_text(errors="replace").splitlines()
    told = [line.strip() for line in lines if line.strip() and line.strip() != "Parley has stopped."] or ["nothing"]
    how = f"was not well within {START_SECONDS:.0f} seconds" if process.poll() is None else "ended by itself"
    raise SnapshotError(
        f"The restored instance did not start read-only: it {how}, had answered {said}, and said last: "
        f"{' / '.join(told[-3:])[:600]}"
    )
