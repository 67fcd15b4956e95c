"""The moderators' desk with a full backlog: how long the list of cases and the page of one case take, and what grows.

python -m bench.desk                       10,000 and 100,000 open reports, 100,000 and 1,000,000 entries of the log
python -m bench.desk --times 1             the smaller alone

Pages are asked for one after the other by a signed-in moderator, whole, as a browser gets them: over HTTP, rendered and
zipped. The instance runs as `make run` starts it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import time
from dataclasses import dataclass

import asyncpg
import httpx

from bench.desk_world import seed_desk
from parley.kit.db import connect
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import load_settings
from tests.live import PASSWORD, LiveServer

Row = tuple[str, str, str, str]

TARGET = "p95 under 100 ms"
REQUESTS = 200
CASES, REPORTS, EVENTS = 6_000, 10_000, 100_000
"""Of the smaller desk; the larger one is ten times as large."""


@dataclass(frozen=True)
class Timed:
    """How long one kind of page took, in milliseconds, and how large its HTML is."""

    p50: float
    p95: float
    p99: float
    kilobytes: float

    def __str__(self) -> str:
        return f"p50 {self.p50:.0f} ms, p95 {self.p95:.0f} ms, p99 {self.p99:.0f} ms ({self.kilobytes:.0f} kB)"


def time_pages(browser: httpx.Client, paths: list[str]) -> Timed:
    """Ask for each page once, after a few to warm up. Raises when one is not 200."""
    for path in paths[:10]:
        browser.get(path).raise_for_status()
    spent: list[float] = []
    size = 0
    for path in paths:
        began = time.perf_counter()
        answer = browser.get(path)
        spent.append(1000 * (time.perf_counter() - began))
        answer.raise_for_status()
        size += len(answer.content)
    spent.sort()
    p50, p95, p99 = (spent[min(int(len(spent) * share), len(spent) - 1)] for share in (0.5, 0.95, 0.99))
    return Timed(p50, p95, p99, size / len(paths) / 1000)


def sign_in(server: LiveServer, name: str) -> httpx.Client:
    """A browser that is signed in."""
    browser = httpx.Client(base_url=server.base_url, timeout=60, follow_redirects=True)
    page = browser.get("/sign-in").text
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token, "the sign-in page has no form"
    answer = browser.post("/sign-in", data={"csrf": token[1], "login": name, "password": PASSWORD})
    answer.raise_for_status()
    assert answer.url.path == "/", answer.url
    return browser


def measure(times: int) -> list[Row]:
    """Seed a desk `times` as large as the smallest, and ask for its pages."""
    world = f"{REPORTS * times:,} reports, {CASES * times:,} cases, {EVENTS * times:,} events"
    with LiveServer.started(PARLEY_LOG_LEVEL="warning") as server:
        settings = load_settings({key: value for key, value in server.environment.items() if key.startswith("PARLEY_")})
        dsn = EmbeddedPostgres(settings).dsn
        found = asyncio.run(_seed(dsn, times))
        server.account("mod_mia", role="moderator")
        browser = sign_in(server, "mod_mia")
        dice = random.Random(7)
        lists = ["/desk"] * (REQUESTS // 2) + [f"/desk?severity={dice.randint(0, 3)}" for _ in range(REQUESTS // 2)]
        deep = _walk(browser, 25)
        cases = [f"/desk/cases/{case}" for case in dice.sample(found["cases"], REQUESTS)]
        largest = [f"/desk/cases/{found['largest']}"]
        rows = [
            ("desk: list of cases", world, str(time_pages(browser, lists)), TARGET),
            ("desk: list, 25 pages further on", world, str(time_pages(browser, [deep] * (REQUESTS // 4))), TARGET),
            ("desk: page of a case", world, str(time_pages(browser, cases)), TARGET),
            ("desk: the case with most reports", world, str(time_pages(browser, largest * (REQUESTS // 4))), TARGET),
        ]
        log, whole = asyncio.run(_sizes(dsn))
        rows.append(("desk: size of the log; of all tables of the desk", world, f"{log:,.0f} MB; {whole:,.0f} MB", ""))
        return rows


def _walk(browser: httpx.Client, pages: int) -> str:
    """The address of a page far down the list."""
    path = "/desk"
    for _ in range(pages):
        found = re.search(r'href="(/desk\?[^"]*after=[^"]+)"', browser.get(path).text)
        assert found, f"{path} leads no further"
        path = found[1].replace("&amp;", "&")
    return path


async def _seed(dsn: str, times: int) -> dict[str, list[int]]:
    connection = await asyncpg.connect(dsn)
    try:
        return await seed_desk(connection, cases=CASES * times, reports=REPORTS * times, events=EVENTS * times)
    finally:
        await connection.close()


SIZES = """
    SELECT sum(pg_total_relation_size(name::regclass)) FILTER (WHERE name = 'moderation_events') / 1e6,
        sum(pg_total_relation_size(name::regclass)) / 1e6
    FROM unnest(ARRAY[
        'moderation_events', 'cases', 'case_subjects', 'reports', 'sla_clocks', 'evidence_snapshots']) name
"""


async def _sizes(dsn: str) -> tuple[float, float]:
    connection = await connect(dsn)
    try:
        row = await connection.fetchrow(SIZES)
        return float(row[0]), float(row[1])
    finally:
        await connection.close()


def rows(times: list[int]) -> list[Row]:
    """For `make bench`."""
    return [row for each in times for row in measure(each)]


def main() -> None:
    """Measure and print."""
    from bench.__main__ import show

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, action="append", help="sizes of the desk; default 1 and 10")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    show(rows(options.times or [1, 10]), options.json)


if __name__ == "__main__":
    main()
