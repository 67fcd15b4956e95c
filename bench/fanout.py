"""How long one post takes to reach the homes of its author's followers: the job `fan_out_status`, once for each size.

It makes its own followers in the seeded world of bench/world.py and takes them away again. The figures choose the
default of the setting `fanout_limit`.

    python bench/fanout.py postgresql:///parley_bench [--followers 1000 10000 50000]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from pathlib import Path
from tempfile import mkdtemp

from parley.kit.db import Tx, connect
from parley.kit.instance import open_instance
from parley.kit.settings import Settings
from parley.social.timelines.jobs import fan_out_status

ROUNDS = 5

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


async def measure(connection: Tx, dsn: str, followers: int) -> None:
    """Print the seconds of a post and of a boost to that many followers."""
    author = await connection.fetchval(
        "SELECT account_id FROM statuses WHERE reblog_of_id IS NOT NULL ORDER BY id DESC LIMIT 1"
    )
    fans = await connection.fetchval(MAKE_FOLLOWERS, author, followers)
    await connection.execute(FILL_FOLLOWERS, fans)
    await connection.execute("ANALYZE")
    settings = Settings(data_dir=Path(mkdtemp(prefix="parley-bench-")), fanout_limit=10**9)
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
                seconds, rate = statistics.median(taken), followers / statistics.median(taken)
                print(f"one {name} to {followers:>7,} followers: {seconds:6.3f} s   ({rate:,.0f} homes/s)", flush=True)
    finally:
        await connection.execute(DELETE_HOMES, fans)
        await connection.execute(DELETE_FOLLOWERS, fans)


async def main() -> None:
    """Measure every size that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsn")
    parser.add_argument("--followers", type=int, nargs="+", default=[1_000, 10_000, 50_000])
    options = parser.parse_args()
    connection = await connect(options.dsn)
    for followers in options.followers:
        await measure(connection, options.dsn, followers)
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
