"""Sweeping: how many posts a second one core judges again, how that grows with cores, and that memory stays flat.

python -m bench.sweep                      20,000 generated posts: 1 process, 2 processes, Ray
python -m bench.sweep --posts 1000000      the whole figure; a quarter of an hour and more for each way
python -m bench.sweep --on local --json    without Ray, figures for scripts

Every post is another one, so nothing is answered from memory; all signals of the shipped policy are on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import psutil

from parley import screening
from parley.safety.history import Past
from parley.safety.judging import Question, load_source, local_processes
from parley.safety.sweeps import parquet
from parley.safety.sweeps.cluster import judge_export
from parley.safety.sweeps.parquet import Manifest
from parley.screening import Content, Facts
from parley.screening.sources import policy_files
from parley.social.policies.sources import RulesetSource

PAGE = 1000
ROWS_IN_PART = 5000
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS = """
the a of and to in is it you that was for on are with as I his they be at one have this from or had by hot but some
what there we can out other were all your when up use word how said an each she which do their time if will way
about many then them would write like so these her long make thing see him two has look more day could go come did
my sound no most number who over know water than call first people may down side been now find any new work part
take get place made live where after back little only round man year came show every good me give our under name
very through just form much great think say help low line before turn cause same mean differ move right boy old too
does tell sentence set three want air well also play small end put home read hand port large spell add even land
here must big high such follow act why ask men change went light kind off need house picture try us again animal
point mother world near build self earth father kill fight fire war coach referee match bomb cake shoot photo
""".split()  # noqa: SIM905


def posts(count: int) -> Iterator[Question]:
    """Posts of 3 to 40 words in the mix of a small instance: some links, mentions and tags, newcomers and regulars."""
    source = random.Random(7)
    for number in range(count):
        words = source.choices(_WORDS, k=min(max(int(source.lognormvariate(2.5, 0.6)), 3), 40))
        text = f"{' '.join(words)} {number}"
        links = (f"https://site{number % 977}.example/{number}",) if number % 6 == 0 else ()
        content = Content(
            kind="status",
            texts={"text": f"{text} {links[0]}" if links else text},
            links=links,
            mentions_count=int(number % 3 == 0),
            tags=("day",) if number % 5 == 0 else (),
            language="en",
        )
        facts = Facts(now=MOMENT, account_age_days=number % 400, published_statuses=number % 500)
        yield Question(number + 1, content, facts, "allow", None)


@dataclass(frozen=True)
class Figure:
    """One way of judging."""

    way: str
    posts: int
    cores: int
    seconds: float
    memory_start: float
    memory_end: float
    """MiB resident in all processes, halfway and at the end."""
    cpu_seconds: float
    """Of all processes: on a machine that does other things too, what the work itself cost."""

    def line(self) -> str:
        """What is printed of it."""
        return (
            f"{self.way:<14} {self.posts:>9,} posts in {self.seconds:8.1f} s: {self.per_second:7.0f}/s, "
            f"{self.per_core:6.0f}/s a core, {self.per_cpu_second:6.0f} in a second of processor time; "
            f"memory {self.memory_start:.0f} MiB halfway, {self.memory_end:.0f} MiB at the end"
        )

    @property
    def per_second(self) -> float:
        return self.posts / self.seconds

    @property
    def per_core(self) -> float:
        return self.per_second / self.cores

    @property
    def per_cpu_second(self) -> float:
        return self.posts / self.cpu_seconds if self.cpu_seconds else 0.0


class Memory:
    """Samples what this process and its children hold, ten times while the work goes on."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self._cpu: dict[int, tuple[float, float]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        me = psutil.Process()
        while not self._ended.wait(0.5):
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                    times = process.cpu_times()
                    used = times.user + times.system
                    self._cpu[process.pid] = (self._cpu.get(process.pid, (used, used))[0], used)
                except psutil.Error:
                    continue
            self.samples.append(total / 2**20)

    def ends(self) -> tuple[float, float]:
        """The median halfway, and at the end."""
        tenth = max(len(self.samples) // 10, 1)
        half, late = sorted(self.samples[4 * tenth : 6 * tenth] or [0.0]), sorted(self.samples[-2 * tenth :] or [0.0])
        return half[len(half) // 2], late[len(late) // 2]

    def cpu_seconds(self) -> float:
        """What all of them used between the first sample of each and the last."""
        return sum(last - first for first, last in self._cpu.values())


async def by_processes(source: RulesetSource, sha256: str, count: int, processes: int) -> Figure:
    """In processes beside this one, page by page, as `parley sweep run` does."""
    async with local_processes(source, sha256, processes) as judges:
        await judges.judge(list(posts(50 * processes)))  # the models are loaded, and every process has begun
        with Memory() as memory:
            began = time.perf_counter()
            page: list[Question] = []
            pages: set[asyncio.Task[object]] = set()
            for question in posts(count):
                page.append(question)
                if len(page) == PAGE:
                    pages.add(asyncio.create_task(judges.judge(page)))
                    page = []
                    if len(pages) > 1:
                        _, pages = await asyncio.wait(pages, return_when=asyncio.FIRST_COMPLETED)
            if page:
                await judges.judge(page)
            if pages:
                await asyncio.wait(pages)
            seconds = time.perf_counter() - began
    return Figure(
        f"{processes} process{'es' if processes > 1 else ''}",
        count,
        processes,
        seconds,
        *memory.ends(),
        memory.cpu_seconds(),
    )


def export(folder: Path, source: RulesetSource, sha256: str, count: int) -> None:
    """The same posts as an export of an instance would hold them."""
    folder.mkdir()
    parts = []
    pasts: list[Past] = []

    def write() -> None:
        parts.append(parquet.write_questions(folder / f"part-{len(parts):06}.parquet", pasts))
        pasts.clear()

    for question in posts(count):
        past = Past(
            id=question.id, subject_type="status", subject_id=question.id, revision=1, account_id=1, outcome="allow",
            clause=None, ruleset="", degraded=False, created_at=MOMENT, content=question.content, facts=question.facts,
            exact=True, private=False,
        )  # fmt: skip
        pasts.append(past)
        if len(pasts) == ROWS_IN_PART:
            write()
    if pasts:
        write()
    digest = parquet.write_source(folder, source)
    parquet.write_manifest(
        folder,
        Manifest(kind="history", ruleset=sha256, after_id=0, until_id=count, parts=tuple(parts), source_sha256=digest),
    )


def by_ray(source: RulesetSource, sha256: str, count: int, processes: int) -> Figure:
    """On Ray, started on this machine, over Parquet; starting Ray and loading the model are part of the time."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        export(Path(name) / "export", source, sha256, count)
        with Memory() as memory:
            began = time.perf_counter()
            judge_export(Path(name) / "export", Path(name) / "verdicts", on="ray", processes=processes)
            seconds = time.perf_counter() - began
    return Figure(f"Ray, {processes} actors", count, processes, seconds, *memory.ends(), memory.cpu_seconds())


def measure(count: int, ways: list[str], *, tell: TextIO = sys.stderr) -> list[Figure]:
    """Judge `count` posts in each way; each figure is printed to `tell` as soon as it is there."""
    files = policy_files(screening.shipped_policy())
    assert isinstance(files, dict)
    source = RulesetSource(files)
    sha256 = load_source(source).sha256
    figures: list[Figure] = []
    for number in (1, 2) if "local" in ways else ():
        figures.append(asyncio.run(by_processes(source, sha256, count, number)))
        print(figures[-1].line(), file=tell, flush=True)
    if "ray" in ways:
        figures.append(by_ray(source, sha256, count, 2))
        print(figures[-1].line(), file=tell, flush=True)
    return figures


def rows(count: int) -> list[tuple[str, str, str, str]]:
    """What, how many, measured, target: for `make bench`."""
    figures = measure(count, ["local", "ray"])
    found = []
    for one in figures:
        measured = (
            f"{one.per_second:,.0f} posts/s, {one.per_core:,.0f} a core, {one.per_second / figures[0].per_second:.2f} "
            f"times one process; {one.memory_start:.0f} MiB halfway, {one.memory_end:.0f} at the end"
        )
        found.append((f"sweep: {one.way}", f"{count:,} posts", measured, "at least 600 posts/s a core"))
    return found


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=20_000)
    parser.add_argument("--on", choices=("local", "ray"), action="append")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    tell = sys.stderr if arguments.json else sys.stdout
    figures = measure(arguments.posts, arguments.on or ["local", "ray"], tell=tell)
    if arguments.json:
        print(
            json.dumps(
                [{**vars(one), "per_core": one.per_core, "per_cpu_second": one.per_cpu_second} for one in figures]
            )
        )
        return
    if len(figures) > 1:
        for one in figures[1:]:
            print(f"{one.way} against {figures[0].way}: {one.per_second / figures[0].per_second:.2f} times as fast")


if __name__ == "__main__":
    main()
