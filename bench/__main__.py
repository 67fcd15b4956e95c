"""`make bench`: measures what Parley promises, prints a table, and writes docs/reference/benchmarks.md.

python -m bench                  everything, about twenty minutes
python -m bench --only home      one measurement
python -m bench --json           figures for scripts
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from bench import (
    desk,
    desk_log,
    fanout,
    home,
    instance,
    judge,
    media,
    moves,
    near_duplicates,
    origin,
    posting,
    snapshots,
    sweep,
)
from bench.load import need_wrk
from bench.world import seed_world
from parley.kit.db import connect
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import load_settings
from tests.live import LiveServer

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"
ONLY = (
    "home",
    "posting",
    "fanout",
    "instance",
    "media",
    "copies",
    "judge",
    "sweep",
    "snapshots",
    "moves",
    "origin",
    "log",
    "desk",
)
WORLDS = frozenset({"home", "posting", "instance"})
"""Measurements that need a seeded world."""
PEOPLE = 200

Row = tuple[str, str, str, str]
"""What, world, measured, target."""


def world_name(times: int) -> str:
    """The seeded world in words."""
    return f"{1000 * times:,} accounts, {20_000 * times:,} posts"


def measure_world(times: int, only: list[str], seconds: int) -> list[Row]:
    """Start an instance with a seeded world `times` as large as the smallest, and measure it."""
    rows: list[Row] = []
    name = world_name(times)
    with LiveServer.started(PARLEY_WEB_PROCESSES="2", PARLEY_LOG_LEVEL="warning") as server:
        settings = load_settings({key: value for key, value in server.environment.items() if key.startswith("PARLEY_")})
        dsn = EmbeddedPostgres(settings).dsn
        if "instance" in only and times == 1:
            server.stop()
            seconds_to_page = instance.cold_start(server)
            rows.append(("cold start to first page", "empty", f"{seconds_to_page:.2f} s", "under 5 s"))
            idle = instance.idle_memory(server)
            shares = ", ".join(f"{kind} {size:.0f}" for kind, size in sorted(idle.by_kind.items()))
            measured = f"{idle.pss:.0f} MiB ({shares}; {idle.processes} processes)"
            rows.append(("memory of the idle instance, shared pages counted once", "empty", measured, "under 400 MB"))
        say(f"seeding {name} ...")
        asyncio.run(seed(dsn, times))
        people = asyncio.run(some_people(dsn))
        if "home" in only:
            say("home timeline ...")
            found = home.measure(server, dsn, settings, people, seconds=seconds)
            load = found.load
            measured = f"{load.per_second:,.0f} requests/s, p50 {load.p50:.1f} ms, p99 {load.p99:.1f} ms"
            rows.append(("home timeline, 20 statuses", name, measured, "at least 1,500/s"))
            measured = f"{found.pgbench_per_second:,.0f}/s; ratio {found.ratio:.2f}"
            rows.append((f"the same SQL ({found.queries} queries) by pgbench", name, measured, ""))
        if "posting" in only:
            say("posting ...")
            for at_once, load in posting.measure(server, people, seconds=seconds).items():
                measured = f"{load.per_second:,.0f} posts/s, p50 {load.p50:.1f} ms, p99 {load.p99:.1f} ms"
                what = f"posting, screened and queued, {at_once} at once"
                rows.append((what, name, measured, "at least 300/s, p99 under 60 ms"))
    return rows


async def seed(dsn: str, times: int) -> None:
    """Fill the instance's database."""
    connection = await asyncpg.connect(dsn)  # without our JSON codec: COPY takes jsonb as text
    try:
        await seed_world(connection, accounts=1000 * times, follows=50, posts=20_000 * times)
    finally:
        await connection.close()


async def some_people(dsn: str) -> list[tuple[int, str]]:
    """Account ids and tokens of some seeded members."""
    connection = await connect(dsn)
    try:
        rows = await connection.fetch("SELECT id, username FROM accounts ORDER BY id LIMIT $1", PEOPLE)
        return [(row["id"], f"bench-token-{row['username'].removeprefix('member')}") for row in rows]
    finally:
        await connection.close()


def machine() -> str:
    """What this was measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores of {model}, {memory:.0f} GiB memory, Python {platform.python_version()}"


def page_of(rows: list[Row]) -> str:
    """The benchmarks page."""
    lines = [
        "<!-- Written by `make bench`. -->",
        "",
        "# Benchmarks",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine()}. Everything ran on this one machine at the same",
        "time: two web processes, the worker, the embedded PostgreSQL with its default durability, and the load",
        "generator (wrk with one thread; 16 connections to read). `make bench` measures it again.",
        "",
        "| what | world | measured | target |",
        "|---|---|---|---|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]
    return "\n".join(lines)


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, write the page when everything was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=ONLY, action="append", help="measure this alone (may be repeated)")
    parser.add_argument("--times", type=int, action="append", help="sizes of the world; default 1 and 10")
    parser.add_argument("--seconds", type=int, default=10, help="seconds of load for each measurement")
    parser.add_argument("--scale", type=float, default=0.1, help="of the replay of the origin; 1 takes hours")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    need_wrk()
    only = arguments.only or list(ONLY)
    rows: list[Row] = []
    for times in (arguments.times or [1, 10]) if WORLDS & set(only) else []:
        rows += measure_world(times, only, arguments.seconds)
    if "fanout" in only:
        say("fan-out ...")
        rows += fanout.measure()
    if "media" in only:
        say("media ...")
        rows += media.measure()
    if "copies" in only:
        say("copies of texts ...")
        rows += near_duplicates.measure()
    if "judge" in only:
        say("judge ...")
        rows += judge.measure(("text", "files"))
    if "log" in only:
        say("moderation log ...")
        rows += desk_log.rows()
    if "sweep" in only:
        say("sweep ...")
        rows += sweep.rows(20_000)
    if "snapshots" in only:
        say("snapshots ...")
        rows += snapshots.rows()
    if "moves" in only:
        say("moves and failovers ...")
        rows += moves.rows()
    if "origin" in only:
        say("replay of the origin ...")
        rows += origin.rows(arguments.scale)
    if "desk" in only:
        say("desk ...")
        rows += desk.rows(arguments.times or [1, 10])
    show(rows, arguments.json)
    if not arguments.only and not arguments.times:
        PAGE.write_text(page_of(rows))
        say(f"wrote {PAGE.relative_to(Path.cwd())}" if PAGE.is_relative_to(Path.cwd()) else f"wrote {PAGE}")


def show(rows: list[Row], as_json: bool) -> None:
    """Print the table."""
    if as_json:
        keys: tuple[Any, ...] = ("what", "world", "measured", "target")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "world", "measured", "target", title=f"Parley on {machine()}")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
