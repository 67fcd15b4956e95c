"""Snapshots: how fast an instance is saved, verified, restored and drilled.

python -m bench.snapshots                 100,000 posts and 200 MiB of files, as in docs/reference/benchmarks.md
python -m bench.snapshots --posts 1000000 --files 4000
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

import asyncpg

from bench.page import Row, worlds_once
from bench.world import seed_world
from parley.commands.drill import Member
from parley.commands.running import database
from parley.hosting.drills import drill_snapshot
from parley.hosting.making import create_snapshot
from parley.hosting.restoring import restore_snapshot
from parley.hosting.sealing import read_identity
from parley.hosting.verifying import verify_snapshot
from parley.kit.files import new_content_key, open_file_store
from parley.kit.migrate import migrate
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings

POSTS, FILES = 100_000, 200
"""Enough for a database of more than half a GiB, and some minutes."""

FILE_BYTES = 1024 * 1024
MIB = 1024 * 1024


async def fill(settings: Settings, dsn: str, posts: int, files: int) -> int:
    """Make a world; returns its size in bytes: of the database, and of the files."""
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        await seed_world(connection, accounts=max(100, posts // 20), follows=50, posts=posts)
        size = int(await connection.fetchval("SELECT pg_database_size(current_database())"))
    finally:
        await connection.close()
    store = open_file_store(settings)
    dice = random.Random(7)
    for _ in range(files):
        content = dice.randbytes(FILE_BYTES)
        await store.put(new_content_key(hashlib.sha256(content).digest(), "jpg"), content)
    return size


async def measure_all(base: Path, posts: int, files: int) -> list[Row]:
    """Every step once, on a world of its own."""
    settings = Settings(data_dir=base / "old", port=3999)
    server = EmbeddedPostgres(settings)
    server.start()
    try:
        size = await fill(settings, server.dsn, posts, files)
        stored = files * FILE_BYTES / MIB
        world = f"{posts:,} posts ({size / MIB:,.0f} MiB of database), {files:,} files ({stored:,.0f} MiB)"
        whole = (size + files * FILE_BYTES) / MIB
        place = base / "place"
        first = await create_snapshot(settings, server.dsn, str(place))
        again = await create_snapshot(settings, server.dsn, str(place))
    finally:
        server.stop()
    assert first.key_file is not None
    identity = read_identity(str(first.key_file))
    rows = [
        ("snapshot: saved", world, f"{first.seconds:.1f} s, {whole / first.seconds:,.0f} MiB/s", ""),
        ("snapshot: the next one", world, f"{again.seconds:.1f} s, {again.copied / MIB:,.0f} MiB copied", ""),
    ]
    for label, key in (("every byte read", None), ("opened and compared too", identity)):
        began = time.perf_counter()
        await verify_snapshot(str(place), scratch=base, identity=key)
        rows.append((f"snapshot: verified, {label}", world, f"{time.perf_counter() - began:.1f} s", ""))
    new = Settings(data_dir=base / "new", port=3999)
    began = time.perf_counter()
    await restore_snapshot(new, database, str(place), identity=identity)
    took = time.perf_counter() - began
    rows.append(("snapshot: restored", world, f"{took:.1f} s, {took / whole * 1024:.1f} s per GiB", ""))
    done = await drill_snapshot(new, str(place), identity=identity, visitor=Member())
    measured = f"{done.restore_seconds:.1f} s to restore, {done.start_seconds:.1f} s to start"
    rows.append(("snapshot: drill", world, f"{measured}: {done.recovery_seconds:.1f} s to recover", ""))
    return worlds_once(rows)


def rows(posts: int = POSTS, files: int = FILES) -> list[Row]:
    """For `make bench`."""
    base = Path(tempfile.mkdtemp(prefix="parley-snapshots-"))
    base.chmod(0o755)
    try:
        return asyncio.run(measure_all(base, posts, files))
    finally:
        shutil.rmtree(base, ignore_errors=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.snapshots", description=__doc__)
    parser.add_argument("--posts", type=int, default=POSTS)
    parser.add_argument("--files", type=int, default=FILES, help="of 1 MiB each")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    os.environ.pop("PARLEY_DATABASE_URL", None)
    found = rows(arguments.posts, arguments.files)
    if arguments.json:
        print(
            json.dumps(
                [dict(zip(("what", "world", "measured", "target"), row, strict=True)) for row in found], indent=2
            )
        )
        return
    for what, world, measured, _ in found:
        print(f"{what:45} {measured:50} {world}")


if __name__ == "__main__":
    main()
