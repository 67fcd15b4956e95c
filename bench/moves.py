"""Moves and failovers under load: what was acknowledged, what of it was lost, and for how long nobody could write.

python -m bench.moves                     every scenario, about ten minutes
python -m bench.moves --only planned      one of them
python -m bench.moves --json              also --rows, as they stand in docs/reference/benchmarks.md

The same harness, writers and checker as tests/moves, with more writes, a larger database, 150 ms between the hosts
where that is said, and the lease as it ships. The last three are control runs: they must lose something. Tests assert
no times; what is promised of them is held against what was measured here, and here and in `make bench` a missed promise
ends with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from bench.page import Row, lines_of, worlds_once
from bench.world import seed_world
from parley.kit.postgres import embedded_binaries
from tests.moves.checker import Report
from tests.moves.load import writing
from tests.moves.nemesis import kill_in_a_storm
from tests.moves.pairs import judge, pair, prove_log, status_of, wait_files_equal, wait_ready, wait_until
from tests.moves.providers import Host, World, has_name_server

MOST_PAUSE, MOST_FAILOVER = 2.0, 10.0
"""Seconds: what is promised of a planned move, and of a failover."""

WRITES = 1000
"""How many are acknowledged in each scenario, or a little less where a host dies: some minutes for all of them."""

WRITERS = {"post": 5, "message": 2, "upload": 1, "follow": 1, "favourite": 1}
SHIPPED: dict[str, Any] = {"lease_seconds": "5", "on_disk": True}
"""As it ships, on a real disk."""
DELAY = 0.15
"""Seconds one way, where there is a delay."""

STORM = 20
"""So many waits are cancelled, and so many writers answered after that, before the primary is killed."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario."""

    name: str
    report: Report
    took_over: float | None = None
    """Seconds from the kill or the cut until the other host took writes."""

    control: bool = False
    world: str = ""

    @property
    def missed(self) -> tuple[str, ...]:
        """What is not as promised; a control run must lose something that was acknowledged."""
        report = self.report
        if self.control:
            return () if report.lost else ("nothing was lost: the nemesis or the checker is blind",)
        found = list(report.faults)
        if self.took_over is None:
            found += [f"errors seen: {len(report.errors)}"] if report.errors else []
            found += [f"pause {report.pause:.2f} s"] if report.pause >= MOST_PAUSE else []
        elif self.took_over >= MOST_FAILOVER:
            found.append(f"taken over after {self.took_over:.1f} s")
        return tuple(found)

    @property
    def good(self) -> bool:
        """Whether it is as promised."""
        return not self.missed


def takes_over(host: Host, since: float) -> float:
    """Wait until a host takes writes; returns the seconds since a moment."""

    def is_primary() -> bool:
        status = status_of(host)
        return status is not None and status.role == "primary" and status.gate == "open"

    wait_until(is_primary, f"{host.name} takes over", 60, every=0.02)
    return time.monotonic() - since


def by_hand(host: Host, since: float) -> float:
    """Take over by the command, as soon as it lets one; returns the seconds since a moment."""
    wait_until(lambda: host.run("failover", "--accept-loss", "--json").returncode == 0, "taken over", every=0.2)
    return time.monotonic() - since


def planned(writes: int) -> Iterator[Result]:
    """There and back; the old host hands on, and clients who ask the name server."""
    with pair(**SHIPPED) as world:
        ways = ["stay", "dns"] if has_name_server() else ["stay"]
        if "dns" not in ways:
            print("Without Knot DNS no client can follow the name: sudo apt-get install knot", file=sys.stderr)
        for resolve in ways:
            yield _move(world, writes, f"planned, clients {'stay' if resolve == 'stay' else 'ask the DNS'}", resolve)


def planned_large(writes: int) -> Iterator[Result]:
    """With a database of some 600 MB, and 300 other transactions a second in it."""
    with pair(**SHIPPED) as world:
        source = wait_ready(world)
        asyncio.run(_seed(source))
        size = source.sql("SELECT pg_database_size(current_database()) AS size")[0]["size"] / 2**20
        wait_ready(world, patience=300)
        said = f"{size:.0f} MiB of database, 300 other transactions/s"
        with transactions(source, 300):
            yield _move(world, writes, "planned, large and busy", "stay", said)


def _move(world: World, writes: int, name: str, resolve: str, said: str = "") -> Result:
    source = wait_ready(world)
    target = world.other(source)
    world.forget_names_soon()
    with writing(world, WRITERS, host=source, resolve=resolve, pace=0.02) as load:
        load.wait(writes // 2, patience=600)
        source.parley("move", "run", "--to", target.name, timeout=300)
        load.wait(writes // 2, patience=600)
        report = judge(world, load, target, say=name)
    wait_ready(world, patience=120)
    wait_files_equal(world)
    prove_log(target)
    return Result(name=name, report=report, world=said)


async def _seed(host: Host) -> None:
    connection = await asyncpg.connect(host.dsn)
    try:
        await seed_world(connection, accounts=5_000, follows=50, posts=100_000)
    finally:
        await connection.close()


@contextmanager
def transactions(host: Host, per_second: int) -> Iterator[None]:
    """Small transactions in a table of their own, until the database goes away or the block ends."""
    host.sql("CREATE TABLE IF NOT EXISTS bench_moves (id bigserial PRIMARY KEY, words text NOT NULL)")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.sql"
        script.write_text("INSERT INTO bench_moves (words) VALUES (repeat('word ', 20));\n")
        Path(folder).chmod(0o755)
        process = subprocess.Popen(
            [
                *(str(embedded_binaries() / "pgbench"), "-n", "-f", str(script), "-R", str(per_second)),
                *("-c", "4", "-j", "1", "-T", "600", host.dsn),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            process.kill()
            process.wait()


def killed(writes: int) -> Iterator[Result]:
    """kill -9 of the whole primary while everybody waits for the standby, near and 150 ms away."""
    with pair(failover="auto", relays=True, **SHIPPED) as world:
        for delay in (0.0, DELAY):
            primary = wait_ready(world)
            standby = world.other(primary)
            world.network.delay("a", "b", delay)
            name = "kill -9, synchronous" + (f", {delay * 1000:.0f} ms one way" if delay else "")
            with writing(world, WRITERS, host=primary, resolve="both", patience=4.0, pace=0.02) as load:
                load.wait(writes // 2, patience=600)
                since = primary.kill()
                took = takes_over(standby, since)
                load.wait(writes // 4, patience=600)
                yield Result(name=name, report=judge(world, load, standby, say=name), took_over=took)
        world.network.delay("a", "b", 0)


def partitioned(writes: int) -> Iterator[Result]:
    """The primary is cut off from the standby and from the witness, and members still reach it."""
    with pair(failover="auto", **SHIPPED) as world:
        primary = wait_ready(world)
        standby = world.other(primary)
        with writing(world, WRITERS, host=primary, resolve="both", patience=4.0, pace=0.02) as load:
            load.wait(writes // 2, patience=600)
            world.network.cut(primary.name, standby.name)
            world.network.cut(primary.name, "witness")
            took = takes_over(standby, time.monotonic())
            load.wait(writes // 4, patience=600)
            world.network.heal()
            report = judge(world, load, standby, say="partition, synchronous")
        yield Result(name="partition, synchronous", report=report, took_over=took)
        primary = wait_ready(world)
        standby = world.other(primary)
        with writing(world, WRITERS, host=primary, resolve="both", patience=6.0, pace=0.02) as load:
            load.wait(writes // 4, patience=600)
            since = kill_in_a_storm(world, load, primary, told=STORM)
            world.network.heal()
            took = takes_over(standby, since)
            load.wait(writes // 4, patience=600)
            report = judge(world, load, standby, say="storm of cancelled commits")
        yield Result(
            name="kill -9 in a storm of cancelled waits",
            report=report,
            took_over=took,
            world=f"every wait cancelled, {STORM} at least",
        )


def controls(writes: int) -> Iterator[Result]:
    """Runs that must lose: asynchronous, without the commit guard, without the epoch guard."""
    with pair(relays=True, **SHIPPED) as world:
        yield _asynchronous(world, writes)
        yield _without_commit_guard(world, writes)
        yield _without_epoch_guard(world, writes)


def _asynchronous(world: World, writes: int) -> Result:
    primary = wait_ready(world)
    standby = world.other(primary)
    primary.parley("standby", "commits", "async")
    name = f"control: kill -9, asynchronous, {DELAY * 1000:.0f} ms one way"
    with writing(world, WRITERS, host=primary, resolve="both", patience=4.0, pace=0.02) as load:
        world.network.delay("a", "b", DELAY)
        load.wait(writes // 2, patience=600)
        world.network.cut("a", "b")
        since = primary.kill()
        took = by_hand(standby, since)
        load.wait(writes // 4, patience=600)
        report = judge(world, load, standby, say=name)
    world.network.delay("a", "b", 0)
    return Result(name=name, report=report, took_over=took, control=True)


def _without_commit_guard(world: World, writes: int) -> Result:
    primary = wait_ready(world)
    standby = world.other(primary)
    primary.parley("standby", "commits", "sync")
    _restart(world, primary, "commit_guard_off")
    name = "control: storm of cancelled waits, commit guard off"
    with writing(world, WRITERS, host=primary, resolve="both", patience=4.0, pace=0.02) as load:
        load.wait(writes // 4, patience=600)
        since = kill_in_a_storm(world, load, primary, told=STORM)
        took = by_hand(standby, since)
        load.wait(writes // 4, patience=600)
        report = judge(world, load, standby, say=name)
    primary.kill()
    return Result(name=name, report=report, took_over=took, control=True)


def _without_epoch_guard(world: World, writes: int) -> Result:
    primary = wait_ready(world)
    standby = world.other(primary)
    primary.parley("standby", "commits", "async")
    _restart(world, primary, "epoch_guard_off")
    name = "control: partition, epoch guard off"
    with writing(world, WRITERS, host=primary, resolve="stay", patience=4.0, pace=0.02) as load:
        load.wait(writes // 4, patience=600)
        world.network.cut("a", "b")
        world.network.cut(primary.name, "witness")
        took = by_hand(standby, time.monotonic())
        with writing(world, {"post": 2}, host=standby, resolve="stay", patience=4.0) as second:
            second.wait(50, patience=120)
            load.wait(writes // 2, patience=600)
            second.stop()
        report = judge(world, load, standby, say=name)
    primary.kill()
    return Result(name=name, report=report, took_over=took, control=True)


def _restart(world: World, host: Host, sabotage: str) -> None:
    host.stop()
    host.start(sabotage=sabotage)
    wait_ready(world)


SCENARIOS: dict[str, Callable[[int], Iterator[Result]]] = {
    "planned": planned,
    "large": planned_large,
    "killed": killed,
    "partitioned": partitioned,
    "controls": controls,
}


def measure(only: list[str] | None = None, writes: int = WRITES) -> tuple[list[Result], list[str]]:
    """Run scenarios one after the other; returns what they showed, and every promise that was missed.

    One that breaks off has kept no promise, and the others are run all the same.
    """
    found: list[Result] = []
    missed: list[str] = []
    for name in only or list(SCENARIOS):
        try:
            for result in SCENARIOS[name](writes):
                print(
                    f"{'as promised' if result.good else 'NOT AS PROMISED'}: {result.name}", file=sys.stderr, flush=True
                )
                found.append(result)
                missed += [f"move: {result.name}: {why}" for why in result.missed]
        except Exception as error:
            traceback.print_exc()
            missed.append(f"move: {name} broke off: {str(error).partition(chr(10))[0] or type(error).__name__}")
    return found, missed


def rows(writes: int = WRITES) -> tuple[list[Row], list[str]]:
    """For `make bench`: the rows, and every promise that was missed."""
    surroundings = load_before()
    found, missed = measure(None, writes)
    return rows_of(found, surroundings), missed


def load_before() -> str:
    """What else this machine does, before anything is measured; the hosts and the writers are not yet there."""
    return f"{sum(WRITERS.values())} members write, both hosts on this machine (load {os.getloadavg()[0]:.1f} before)"


def rows_of(found: list[Result], surroundings: str) -> list[Row]:
    """As they stand in the page."""
    return worlds_once([_row(one, surroundings) for one in found])


def _row(one: Result, surroundings: str) -> Row:
    report = one.report
    target = f"0 lost, 0 errors, pause under {MOST_PAUSE:g} s"
    if one.control:
        target = "must lose: it keeps the checker honest"
    elif one.took_over is not None:
        target = f"0 lost, taken over within {MOST_FAILOVER:g} s"
    told = [
        f"{report.acknowledged:,} acknowledged, {len(report.lost)} lost, {len(report.duplicates)} twice",
        *([f"{len(report.old_epochs)} deliveries with an old epoch after a newer one"] if report.old_epochs else []),
        *([f"{len(report.untold)} uploads made again that nobody was told of"] if report.untold else []),
        *([f"{len(report.errors)} errors seen"] if one.took_over is None else []),
        f"pause {report.pause:.2f} s",
        *([f"taken over after {one.took_over:.1f} s"] if one.took_over is not None else []),
        *([] if one.good else ["**not as promised**"]),
    ]
    return f"move: {one.name}", "; ".join(filter(None, [surroundings, one.world])), "; ".join(told), target


def main() -> None:
    """Measure and print; ends with 1 when something is not as promised."""
    parser = argparse.ArgumentParser(prog="python -m bench.moves", description=__doc__)
    parser.add_argument("--only", choices=list(SCENARIOS), action="append", help="one scenario (may be repeated)")
    parser.add_argument("--writes", type=int, default=WRITES, help="how many writes are acknowledged in each, at least")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--rows", action="store_true", help="print lines for docs/reference/benchmarks.md")
    arguments = parser.parse_args()
    surroundings = load_before()
    found, missed = measure(arguments.only, arguments.writes)
    if arguments.json:
        print(json.dumps([_as_json(one) for one in found], indent=2))
    elif arguments.rows:
        print("\n".join(lines_of(rows_of(found, surroundings))))
    else:
        print(f"{'scenario':58} {'told':>7} {'lost':>6} {'twice':>6} {'errors':>7} {'pause':>7} {'taken over':>11}")
        for one in found:
            took = f"{one.took_over:.1f} s" if one.took_over is not None else ""
            report = one.report
            print(
                f"{one.name:58} {report.acknowledged:7,} {len(report.lost):6} {len(report.duplicates):6} "
                f"{len(report.errors):7} {report.pause:5.2f} s {took:>11}"
            )
    if missed:
        sys.exit("NOT AS PROMISED:\n" + "\n".join(missed))


def _as_json(one: Result) -> dict[str, object]:
    report = one.report
    return {
        "scenario": one.name,
        "world": one.world,
        "acknowledged": report.acknowledged,
        "lost": len(report.lost),
        "duplicates": len(report.duplicates),
        "errors": len(report.errors),
        "unknown": report.unknown,
        "stale_reads": len(report.stale),
        "uploads_made_again": len(report.untold),
        "old_epochs": len(report.old_epochs),
        "pause_seconds": round(report.pause, 3),
        "slowest_seconds": round(report.longest_wait, 3),
        "failover_seconds": None if one.took_over is None else round(one.took_over, 2),
        "control": one.control,
        "as_promised": one.good,
    }


if __name__ == "__main__":
    main()
