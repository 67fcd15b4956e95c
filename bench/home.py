"""The home timeline: 20 full Mastodon statuses with the viewer's flags, a real token, two web processes.

Prints requests per second and latency, and the ratio to pgbench running the same SQL.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec

from bench.load import Load, inline, run_pgbench, run_wrk

PATH = "/api/v1/timelines/home?limit=20"


class Home(msgspec.Struct, frozen=True):
    """What was measured."""

    load: Load
    queries: int
    pgbench_per_second: float

    @property
    def ratio(self) -> float:
        """Requests per second for each run of the same SQL that pgbench makes per second."""
        return self.load.per_second / self.pgbench_per_second


async def captured_sql(dsn: str, settings: Any, account_ids: list[int]) -> list[list[str]]:
    """The SQL of one warm request for each account, arguments written in."""
    from parley.kit.instance import open_instance
    from parley.kit.paging import Page
    from parley.social.accounts.views import Viewer
    from parley.social.timelines.reads import list_home

    scripts = []
    async with open_instance(settings, dsn) as instance:
        for account_id in account_ids:
            viewer = Viewer(account_id=account_id, username="bench")
            for attempt in range(2):
                seen: list[str] = []
                async with instance.db.read() as tx:
                    with logged(tx, seen) if attempt else contextlib.nullcontext():
                        await list_home(tx, viewer, Page(limit=20))
            scripts.append(seen)
    return scripts


@contextlib.contextmanager
def logged(connection: Any, seen: list[str]) -> Any:
    """Collect what `connection` runs, arguments written in."""

    def note(record: Any) -> None:
        seen.append(inline(record.query, record.args))

    connection.add_query_logger(note)
    try:
        yield
    finally:
        connection.remove_query_logger(note)


def measure(server: Any, dsn: str, settings: Any, people: list[tuple[int, str]], *, seconds: int = 10) -> Home:
    """`people` are (account id, token) whose homes are read in turn."""
    scripts = asyncio.run(captured_sql(dsn, settings, [account_id for account_id, _ in people[:40]]))
    targets = [(PATH, token) for _, token in people]
    run_wrk(server.base_url, targets, seconds=3)  # warm
    load = run_wrk(server.base_url, targets, seconds=seconds)
    return Home(load=load, queries=len(scripts[0]), pgbench_per_second=run_pgbench(dsn, scripts, seconds=seconds))
