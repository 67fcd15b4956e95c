"""`make bench`: measures what Parley promises, prints a table, and writes docs/reference/benchmarks.md.

python -m bench                                  everything, about half an hour
python -m bench --only home                      one measurement
python -m bench --only moves --exchange          one measurement, and its rows in the page exchanged
python -m bench --only sweep --large --exchange  the size that takes an hour: 1,000,000 posts judged again in three ways
python -m bench --json                           figures for scripts

It ends with 1 when a promise of moves and failovers was missed (nothing lost, no error seen, how long a pause may be),
and says which. All other targets are figures to look at.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import asyncpg

from bench import (
    desk,
    desk_keys,
    desk_log,
    fanout,
    home,
    instance,
    judge,
    judge_media,
    media,
    moves,
    near_duplicates,
    origin,
    posting,
    snapshots,
    sweep,
)
from bench.load import need_wrk
from bench.page import BEGINNINGS, PAGE, NotThisPage, Row, machine, page_of, with_rows
from bench.world import seed_world
from parley.kit.db import connect
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import load_settings
from tests.live import LiveServer

WORLDS = frozenset({"home", "posting", "instance"})
"""Measurements that need a seeded world."""
PEOPLE = 200


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


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def measure(
    only: list[str], times: list[int], seconds: int, scale: float, *, large: bool
) -> tuple[list[Row], list[str]]:
    """Measure what is wanted, in the order of the page; returns its rows, and which promises were missed."""
    rows: list[Row] = []
    missed: list[str] = []
    for one in times if WORLDS & set(only) else []:
        rows += measure_world(one, only, seconds)
    if "fanout" in only:
        say("fan-out ...")
        rows += fanout.measure()
    if "media" in only:
        say("media ...")
        rows += media.measure()
    if "copies" in only:
        say("copies of texts ...")
        rows += near_duplicates.measure(10_000_000 if large else 1_000_000)
    if "judge" in only:
        say("judge ...")
        rows += judge.text_rows()
        rows += judge_media.measure(large=large)
    if "log" in only:
        say("moderation log ...")
        rows += desk_log.rows()
    if "sweep" in only:
        say("sweep ...")
        rows += sweep.rows(1_000_000 if large else 20_000)
    if "snapshots" in only:
        say("snapshots ...")
        rows += snapshots.rows()
    if "moves" in only:
        say("moves and failovers ...")
        found, missed = moves.rows()
        rows += found
    if "origin" in only:
        say("replay of the origin ...")
        rows += origin.rows(scale)
    if "desk" in only:
        say("desk ...")
        rows += desk.rows(times)
    if "keys" in only:
        say("keys and seconds of a case ...")
        rows += desk_keys.rows()
    return rows, missed


def main() -> None:
    """Measure, print, write the page when everything was measured; ends with 1 when a promise was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", choices=list(BEGINNINGS), action="append", help="measure this alone (may be repeated)"
    )
    parser.add_argument("--times", type=int, action="append", help="sizes of the world; default 1 and 10")
    parser.add_argument("--seconds", type=int, default=10, help="seconds of load for each measurement")
    parser.add_argument("--scale", type=float, default=0.1, help="of the replay of the origin; 1 takes hours")
    parser.add_argument(
        "--large", action="store_true", help="10,000,000 copies and hashes, a sweep of 1,000,000: hours"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--exchange", action="store_true", help="with --only: put its rows into the page")
    arguments = parser.parse_args()
    need_wrk()
    only = arguments.only or list(BEGINNINGS)
    if arguments.exchange and arguments.only is None:
        parser.error("--exchange needs --only; without it the whole page is written anyway.")
    sizes = arguments.times or [1, 10]
    rows, missed = measure(only, sizes, arguments.seconds, arguments.scale, large=arguments.large)
    show(rows, arguments.json)
    if arguments.exchange:
        try:
            write(with_rows(PAGE.read_text(), only, rows))
        except NotThisPage as error:
            sys.exit(str(error))
    elif not arguments.only and not arguments.times:
        write(page_of(rows))
    if missed:
        sys.exit("NOT AS PROMISED:\n" + "\n".join(missed))


def write(page: str) -> None:
    """Write the page, and say so."""
    PAGE.write_text(page)
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
