"""How long one post takes to reach the homes of its author's followers: the job `fan_out_status`, once for each size.

It makes its own followers in the seeded world of bench/world.py and takes them away again. The figures choose the
default of the setting `fanout_limit`.

    python -m bench.fanout postgresql:///parley_bench [--followers 1000 10000 50000]
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import time
from pathlib import Path
from tempfile import mkdtemp

import asyncpg

from bench.world import seed_world
from parley.kit.db import Tx, connect
from parley.kit.instance import open_instance
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings, load_settings
from parley.social.timelines.jobs import fan_out_status
from tests.live import LiveServer

ROUNDS = 5
SIZES = [1_000, 10_000, 50_000]

# Followers made of nothing but what fan-out reads: an account, a user, a follow, and 50 rows of home each.
MAKE_FOLLOWERS = """
    WITH result AS (SELECT screening_id FROM accounts WHERE id = $1), fresh AS (
        INSERT INTO accounts (username, screening_id)
        SELECT 'fan' || n, (SELECT screening_id FROM result) FROM generate_series(1, $2) n
        RETURNING id
    ), members AS (
        INSERT INTO users (account_id, email, password_hash, webauthn_id)
        SELECT id, id || '@bench.invalid', '!', decode(md5(id::text), 'hex') FROM fresh
    ), ties AS (
        INSERT INTO follows (account_id, target_id) SELECT id, $1 FROM fresh
    )
    SELECT array_agg(id) FROM fresh
"""
FILL_FOLLOWERS = """
    INSERT INTO home_timeline (account_id, status_id, author_id, original_id)
    SELECT fan.id, s.id, s.account_id, s.id
    FROM unnest($1::bigint[]) fan (id)
    CROSS JOIN (SELECT id, account_id FROM statuses WHERE reblog_of_id IS NULL ORDER BY id DESC LIMIT 50) s
"""
DELETE_FOLLOWERS = """DELETE FROM accounts WHERE id = ANY ($1::bigint[])"""
DELETE_HOMES = """DELETE FROM home_timeline WHERE account_id = ANY ($1::bigint[])"""
COUNT_ROWS = """SELECT count(*) FROM home_timeline WHERE status_id = $1"""
DELETE_ROWS = """DELETE FROM home_timeline WHERE status_id = $1"""
OLDEST = """
    SELECT id FROM statuses
    WHERE account_id = $1 AND (reblog_of_id IS NOT NULL) = $2 AND in_reply_to_id IS NULL
    ORDER BY id LIMIT 1
"""


async def measure_size(connection: Tx, dsn: str, followers: int) -> dict[str, float]:
    """Seconds until a post, and until a boost, is in the homes of that many followers (median of five rounds)."""
    author = await connection.fetchval(
        "SELECT account_id FROM statuses WHERE reblog_of_id IS NOT NULL ORDER BY id DESC LIMIT 1"
    )
    fans = await connection.fetchval(MAKE_FOLLOWERS, author, followers)
    await connection.execute(FILL_FOLLOWERS, fans)
    await connection.execute("ANALYZE")
    settings = Settings(data_dir=Path(mkdtemp(prefix="parley-bench-")), fanout_limit=10**9)
    seconds: dict[str, float] = {}
    try:
        async with open_instance(settings, dsn) as instance:
            for name, is_boost in (("post", False), ("boost", True)):
                status = await connection.fetchval(OLDEST, author, is_boost)
                taken = []
                for _ in range(ROUNDS):
                    await connection.execute(DELETE_ROWS, status)
                    began = time.perf_counter()
                    await fan_out_status(instance, {"status_id": status})
                    taken.append(time.perf_counter() - began)
                    if await connection.fetchval(COUNT_ROWS, status) < followers:
                        raise SystemExit(f"The {name} did not reach every follower.")
                seconds[name] = statistics.median(taken)
    finally:
        await connection.execute(DELETE_HOMES, fans)
        await connection.execute(DELETE_FOLLOWERS, fans)
        shutil.rmtree(settings.data_dir, ignore_errors=True)
    return seconds


async def measure_sizes(dsn: str, sizes: list[int]) -> list[tuple[int, dict[str, float]]]:
    """Every size, in a database that has been seeded."""
    connection = await connect(dsn)
    try:
        return [(followers, await measure_size(connection, dsn, followers)) for followers in sizes]
    finally:
        await connection.close()


def measure() -> list[tuple[str, str, str, str]]:
    """Rows of the table of benchmarks, from an instance of its own with a small seeded world."""
    with LiveServer.started(PARLEY_LOG_LEVEL="warning") as server:
        settings = load_settings({key: value for key, value in server.environment.items() if key.startswith("PARLEY_")})
        dsn = EmbeddedPostgres(settings).dsn
        asyncio.run(_seed(dsn))
        found = asyncio.run(measure_sizes(dsn, SIZES))
    return [
        (
            f"fan-out of one {name} to {followers:,} followers",
            "1,000 accounts and the followers",
            f"{seconds[name]:.3f} s ({followers / seconds[name]:,.0f} homes/s)",
            "under 1 s" if followers == 10_000 else "",
        )
        for followers, seconds in found
        for name in ("post", "boost")
    ]


async def _seed(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await seed_world(connection, accounts=1000, follows=50, posts=20_000)
    finally:
        await connection.close()


def main() -> None:
    """Measure every size that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsn")
    parser.add_argument("--followers", type=int, nargs="+", default=SIZES)
    options = parser.parse_args()
    for followers, seconds in asyncio.run(measure_sizes(options.dsn, options.followers)):
        for name, taken in seconds.items():
            print(f"one {name} to {followers:>7,} followers: {taken:6.3f} s   ({followers / taken:,.0f} homes/s)")


if __name__ == "__main__":
    main()
