"""The replay of the origin: what would have happened to the network that lost its host.

10,000 members post for a week, hostile ones among them; members send 26,000 reports; their host sends 98 notices, by
day and night; one moderator works eight hours a day and sleeps otherwise. The instance is real (PostgreSQL, HTTP, mail,
jobs); only the time is simulated. Printed: what was stopped before anyone saw it, how fast the first action came, which
of the host's URLs were answered in time, how the backlog grew, which decisions were appealed and overturned.

python -m bench.origin                        everything; an hour or so
python -m bench.origin --scale 0.02           a fiftieth of it, in a minute
python -m bench.origin --without screening    the control: the same days without the judge; also `clocks`, by which
                                              something is hidden at night, and `merging`, by which thirty reports of
                                              one post are one thing to decide, and copies of it too. Without all
                                              three it is what happened: people who read one report after the other
python -m bench.origin --plot backlog.svg     writes the backlog by the hour, and the same as CSV beside it

Ends with status 1 when a URL of the host was not answered in time, when fewer notices or reports were sent than the
script has (98 and 26,000; a smaller one needs its share of notices, and half of its share of reports), or when the
backlog has outgrown the moderator. The host is one that the operator introduced with `--trusted`: threats to life that
it names are hidden at once, until a person decides.
The moderator of a scaled replay gets that share of their day, so that the work for one person stays the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import origin_figures as figures
from bench.origin_host import Host
from bench.origin_people import Appellants, Crowd, Known, Moderator, make_members, make_post, make_staff
from bench.origin_stream import TEXTS, Post, Script, load_texts, write_script
from bench.origin_world import World, open_world
from parley import worker
from parley.kit.clock import now
from parley.safety.clocks.jobs import watch_clocks
from parley.screening import shipped_policy
from parley.social.accounts.views import Viewer
from parley.worker import SCHEDULES, run_due_jobs

START = datetime(2026, 3, 2, tzinfo=UTC)
ACCOUNTS, POSTS, REPORTS, NOTICES, DAYS = 10_000, 40_000, 26_000, 98, 7
WORK_FROM, WORK_HOURS = 9, 8
REVIEW_AT = 18
CONTROLS = ("screening", "clocks", "merging")
HIDING = ("hide_named", "hide_in_time")
"""Jobs that hide what was named until somebody decides."""
MORE = 4
"""In a control run what is not stopped is reported far more often; this many times as often is where it is cut off."""
NOT_HERE = frozenset({"fetch_hash_exchanges", "make_event_partitions", "delete_job_log", "delete_orphans"})
"""Jobs that would ask other machines, or tidy up what no replay has."""


@dataclass
class Options:
    """What is replayed."""

    scale: float = 1.0
    seed: int = 98
    days: int = DAYS
    without: frozenset[str] = frozenset()
    texts: Path = TEXTS
    tick: int = 1
    """Minutes of simulated time between two runs of the jobs. Clocks are watched each minute whatever it is."""
    errors: float = 0.04
    """How often the moderator misreads a post."""
    quiet: bool = False


@dataclass
class People:
    """Everybody who does something."""

    members: list[Viewer]
    known: Known
    moderator: Moderator
    crowd: Crowd
    appellants: Appellants
    host: Host


class Replay:
    """The days, minute by minute."""

    def __init__(self, world: World, options: Options, dice: random.Random) -> None:
        self.world, self.options, self.dice = world, options, dice
        self.samples: list[tuple[datetime, int, int, int]] = []
        self.posted = 0
        self.worked = timedelta()
        self._next_case_at = START

    async def run(self, script: Script, people: People, progress: Callable[[datetime], None]) -> None:
        """From the first minute to the last; what happens within a minute happens in its order."""
        step = timedelta(minutes=1)
        posts, notices = deque(script.posts), deque(script.notices)
        repeated: deque[Post] = deque()
        at = script.start
        while at < script.end:
            until = at + step
            due: list[tuple[datetime, str, Post | int | None]] = []
            for waiting in (posts, repeated):
                while waiting and waiting[0].at < until:
                    post = waiting.popleft()
                    due.append((post.at, "post", post))
            while notices and notices[0] < until:
                due.append((notices.popleft(), "notice", None))
            due += [(moment, "report", status_id) for moment, status_id in people.crowd.pop_due(until)]
            for moment, _, what in sorted(due, key=lambda one: (one[0], one[1])):
                await self.world.clock.move_on_to(moment)
                if not await self._happen(people, what):
                    notices.appendleft(until + timedelta(minutes=30))
            await self._work(people, at, until)
            await self.world.clock.move_on_to(until)
            if "clocks" not in self.options.without:
                await watch_clocks(self.world.instance, {})
            if until.minute % self.options.tick == 0:
                await self._run_jobs(until)
                await people.appellants.file_due()
            if until.minute == 0:
                repeated.extend(await people.crowd.repeat(1.0, len(script.posts)))
                await self._review(people.appellants, until)
                self.samples.append(await figures.sample(self.world, until))
            progress(until)
            at = until

    async def _happen(self, people: People, what: Post | int | None) -> bool:
        """Somebody posts; somebody reports a status; or the host writes. False: it found nothing to write about."""
        if isinstance(what, Post):
            await make_post(self.world, people.known, people.crowd, people.members[what.author], what)
            self.posted += 1
        elif isinstance(what, int):
            await people.crowd.report(what)
        else:
            return await people.host.send_notice(people.crowd)
        return True

    async def _work(self, people: People, at: datetime, until: datetime) -> None:
        """The moderator's cases within this stretch: 10 to 20 seconds for each, and 4 for each further post in it."""
        if not WORK_FROM <= at.hour < WORK_FROM + WORK_HOURS:
            return
        self._next_case_at = max(self._next_case_at, at)
        while self._next_case_at < until:
            await self.world.clock.move_on_to(self._next_case_at)
            before = len(people.moderator.decisions)
            seconds = await people.moderator.take_case()
            if not seconds:
                return
            for moment, made in people.moderator.decisions[before:]:
                people.appellants.hear(moment, made)
            self.worked += timedelta(seconds=seconds)
            self._next_case_at += timedelta(seconds=seconds / self.options.scale)

    async def _review(self, appellants: Appellants, until: datetime) -> None:
        """The owner's evening hour: at most sixty appeals."""
        if until.hour == REVIEW_AT:
            for _ in range(60):
                if not await appellants.review():
                    return

    async def _run_jobs(self, until: datetime) -> None:
        """What the worker would have done since: its schedules (those of each minute every ten), and all that waits."""
        from croniter import croniter  # type: ignore[import-untyped]

        if until.minute % 10 == 0:
            since = until - timedelta(minutes=10)
            for job, cron in SCHEDULES.items():
                if (
                    job is not watch_clocks
                    and job.__name__ not in NOT_HERE
                    and croniter(cron, since).get_next(datetime) <= until
                ):
                    await job(self.world.instance, {})
        await run_due_jobs(self.world.instance)


@contextmanager
def _without_consequences(without: frozenset[str]) -> Iterator[None]:
    """Without clocks nothing hides by itself, for nobody: what waits for a person waits."""

    async def nothing(_instance: Any, _payload: dict[str, Any]) -> None:
        """What would have hidden something."""

    table = worker.job_table
    if "clocks" in without:
        worker.job_table = lambda: {**table(), **dict.fromkeys(HIDING, nothing)}
    try:
        yield
    finally:
        worker.job_table = table


async def replay(options: Options) -> figures.Figures:
    """Replay everything; returns the figures."""
    began = time.monotonic()
    texts = load_texts(options.texts)
    share = options.scale * options.days / DAYS
    script = write_script(
        seed=options.seed,
        start=START,
        days=options.days,
        accounts=max(round(ACCOUNTS * options.scale), 40),
        posts=round(POSTS * share),
        reports=round(REPORTS * share),
        notices=max(round(NOTICES * share), 6),
        texts=texts,
    )
    async with _settings(options) as settings, open_world(START - timedelta(hours=1), settings) as world:
        dice = [random.Random(options.seed + one) for one in range(1, 7)]
        known = Known()
        members = await make_members(world, dice[0], script.accounts)
        mia, olga = await make_staff(world, "mia", "moderator"), await make_staff(world, "olga", "owner")
        await run_due_jobs(world.instance)
        async with Host.opened(world, dice[1]) as host:
            people = People(
                members=members,
                known=known,
                moderator=Moderator(
                    world, known, dice[2], mia, errors=options.errors, by_hand="merging" in options.without
                ),
                crowd=Crowd(world, known, dice[3], members, most=script.reports * (MORE if options.without else 1)),
                appellants=Appellants(world, known, dice[4], olga),
                host=host,
            )
            run = Replay(world, options, dice[5])
            with _Progress(script, options.quiet) as progress, _without_consequences(options.without):
                await run.run(script, people, progress)
            return await figures.count(world, script, people, run, given=texts.given, seconds=time.monotonic() - began)


@asynccontextmanager
async def _settings(options: Options) -> AsyncIterator[dict[str, Any]]:
    """Settings of the instance. Without screening: the shipped policy, with every rule in the background."""
    base: dict[str, Any] = {"four_eyes": False}  # one person runs it
    if "screening" not in options.without:
        yield base
        return
    with tempfile.TemporaryDirectory(prefix="parley-policy-") as name:
        folder = Path(name) / "policy"
        shutil.copytree(shipped_policy(), folder)
        rules = folder / "rules.yaml"
        rules.write_text(rules.read_text().replace("state: LIVE", "state: BACKGROUND"))
        yield {**base, "policy_dir": str(folder)}


def rows(scale: float) -> list[tuple[str, str, str, str]]:
    """What, on what, measured, target: for `make bench`."""
    return figures.as_rows(asyncio.run(replay(Options(scale=scale, quiet=not sys.stderr.isatty()))))


class _Progress:
    """A bar on standard error, or nothing."""

    def __init__(self, script: Script, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), disable=quiet)
        self._start, total = script.start, (script.end - script.start).total_seconds()
        self._task = self._bar.add_task("replaying", total=total)

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, at: datetime) -> None:
        done = (at - self._start).total_seconds()
        self._bar.update(self._task, completed=done, description=f"{now():%a %d %b %H:%M}")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.origin", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=1.0, help="share of the accounts, posts, reports and notices")
    parser.add_argument("--seed", type=int, default=98)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--tick", type=int, default=1, help="minutes of simulated time between two runs of the jobs")
    parser.add_argument("--without", action="append", choices=CONTROLS, default=[], help="a control run")
    parser.add_argument("--texts", type=Path, default=TEXTS, help="folder with labelled texts (*.jsonl.gz)")
    parser.add_argument("--plot", type=Path, help="an SVG file for the backlog; the figures go beside it as CSV")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    options = Options(
        scale=arguments.scale,
        seed=arguments.seed,
        days=arguments.days,
        tick=arguments.tick,
        without=frozenset(arguments.without),
        texts=arguments.texts,
        quiet=not sys.stderr.isatty(),
    )
    found = asyncio.run(replay(options))
    if arguments.plot:
        figures.write_plot(arguments.plot, found)
    print(json.dumps(figures.as_json(found), indent=2) if arguments.json else figures.as_text(found))
    raise SystemExit(0 if found.passed else 1)


if __name__ == "__main__":
    main()
