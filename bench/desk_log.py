"""The moderation log: how many entries a second are written, checked, handed out, and checked again by an outsider.

    python -m bench.desk_log                        a log of 1,000,000 entries
    python -m bench.desk_log --entries 50000        a small one

Writing is measured with one transaction for each entry that a room appends, which changes one row: two entries, and
the lock on the head of the chain. The database has its default durability: each commit waits for the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from parley.kit.db import Database, connect
from parley.kit.migrate import migrate
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings
from parley.safety.log.actions import append_event
from parley.safety.log.checkpoints import make_checkpoint
from parley.safety.log.exporting import VERIFIER, export_log
from parley.safety.log.verifying import verify_log
from parley.safety.log.views import system

Row = tuple[str, str, str, str]

WRITERS = (1, 2, 8)
SEED_BATCH = 5000
NOTE = "INSERT INTO case_notes (account_id, written_by, text) VALUES ($1, $1, $2) RETURNING id"
NOTES = """
    INSERT INTO case_notes (account_id, written_by, text)
    SELECT $1, $1, 'note ' || n FROM generate_series(1, $2) AS n
"""
RESULT = """
    INSERT INTO screening_results (subject_type, subject_id, revision, account_id, outcome, ruleset, detail, latency_us)
    VALUES ('profile', 1, 1, 1, 'allow', '', '{}', 0) RETURNING id
"""
ACCOUNT = "INSERT INTO accounts (username, screening_id) VALUES ('bench', $1) RETURNING id"


class Peak:
    """The most memory that this process holds while the block runs, above what it held before, in MiB."""

    def __enter__(self) -> Peak:
        self._process, self._over = psutil.Process(), threading.Event()
        self._before = self._most = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self._most = max(self._most, self._process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._most = max(self._most, self._process.memory_info().rss)

    @property
    def mib(self) -> float:
        return (self._most - self._before) / 2**20


async def write(db: Database, account: int, writers: int, seconds: float) -> float:
    """Entries a second that `writers` write at once: each appends one, and changes a row, which is another."""
    until = time.perf_counter() + seconds

    async def one() -> int:
        done = 0
        while time.perf_counter() < until:
            async with db.write() as tx:
                await append_event(tx, system("bench"), "account_noted")
                await tx.fetchval(NOTE, account, "a note")
            done += 2
        return done

    began = time.perf_counter()
    counts = await asyncio.gather(*(one() for _ in range(writers)))
    return sum(counts) / (time.perf_counter() - began)


async def grow(db: Database, account: int, entries: int) -> None:
    """Let the log grow to this many entries."""
    async with db.read() as tx:
        there = await tx.fetchval("SELECT coalesce(max(seq), 0) FROM moderation_chain")
    while there < entries:
        count = min(SEED_BATCH, entries - there - 1)
        async with db.write() as tx:
            await append_event(tx, system("bench"), "accounts_noted")
            if count > 0:
                await tx.execute(NOTES, account, count)
        there += max(count, 0) + 1
        if there % 100_000 < SEED_BATCH:
            print(f"  {there:,} entries", file=sys.stderr, flush=True)


async def measure(entries: int, seconds: float) -> dict[str, Any]:
    """All figures, in a database of their own."""
    figures: dict[str, Any] = {"entries": entries}
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        settings = Settings(data_dir=Path(name) / "data", domain="localhost:3000")
        server = EmbeddedPostgres(settings)
        server.start()
        try:
            await migrate(server.dsn)
            connection = await connect(server.dsn)
            account = await connection.fetchval(ACCOUNT, await connection.fetchval(RESULT))
            await connection.close()
            db = Database(server.dsn, connections=max(WRITERS) + 1)
            await db.open()
            try:
                figures["writing"] = {str(many): await write(db, account, many, seconds) for many in WRITERS}
                await grow(db, account, entries)
                figures |= await read(db, settings, Path(name))
            finally:
                await db.close()
        finally:
            server.stop()
    return figures


async def read(db: Database, settings: Settings, folder: Path) -> dict[str, Any]:
    """Signing, checking, handing out, and checking what was handed out."""
    began = time.perf_counter()
    await make_checkpoint(db, settings)
    signing = time.perf_counter() - began
    with Peak() as peak:
        report = await verify_log(db)
    assert report.holds, report.problems
    path = folder / "log.jsonl.gz"
    began = time.perf_counter()
    exported = await export_log(db, settings, path)
    exporting = time.perf_counter() - began
    began = time.perf_counter()
    command = [sys.executable, "-I", str(folder / VERIFIER), str(path)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    outside = time.perf_counter() - began
    return {
        "entries": report.entries,
        "first_signature_seconds": signing,
        "verify_seconds": report.seconds,
        "verify_per_second": report.entries_per_second,
        "verify_mib": peak.mib,
        "export_seconds": exporting,
        "export_per_second": exported.entries / exporting,
        "export_mib": path.stat().st_size / 2**20,
        "outside_seconds": outside,
        "outside_per_second": exported.entries / outside,
    }


def rows(entries: int = 1_000_000, seconds: float = 5) -> list[Row]:
    """The figures as lines of the benchmarks page."""
    found = asyncio.run(measure(entries, seconds))
    world = f"{found['entries']:,} entries"
    writing = ", ".join(f"{many} at once {rate:,.0f}/s" for many, rate in found["writing"].items())
    speed = f"{found['verify_per_second']:,.0f} entries/s"
    verified = f"{found['verify_seconds']:.1f} s, {speed}, {found['verify_mib']:.0f} MiB more"
    exported = f"{found['export_seconds']:.1f} s, {found['export_mib']:.0f} MiB"
    outside = f"{found['outside_seconds']:.1f} s, {found['outside_per_second']:,.0f} entries/s"
    return [
        ("moderation log, entries written by", "new log", writing, ""),
        ("moderation log, `parley audit verify`", world, verified, ""),
        ("moderation log, `parley audit export`, compressed", world, exported, ""),
        ("moderation log, `parley_verify.py` on that export", world, outside, ""),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.desk_log", description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5, help="of writing, for each number of writers")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.json:
        print(json.dumps(asyncio.run(measure(arguments.entries, arguments.seconds)), indent=2))
        return
    for row in rows(arguments.entries, arguments.seconds):
        print(" | ".join(row))


if __name__ == "__main__":
    main()
