"""docs/reference/benchmarks.md: written whole by `make bench`, or in the rows of some measurements alone.

Nothing in it is written by hand: each cell is what a measurement returned.
"""

from __future__ import annotations

import platform
import re
from datetime import UTC, datetime
from pathlib import Path

import psutil

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"

Row = tuple[str, str, str, str]
"""What, world, measured, target."""

BEGINNINGS: dict[str, tuple[str, ...]] = {
    "home": ("home timeline", "the same SQL"),
    "posting": ("posting, ",),
    "fanout": ("fan-out of ",),
    "instance": ("cold start ", "memory of the idle instance"),
    "media": ("cleaning an upload",),
    "copies": (
        "fingerprint",
        "copies found",
        "pairs that",
        "of them",
        "not alike",
        "all copies",
        "who said",
        "the same, of",
        "was it",
    ),
    "judge": ("policy and", "judge", "the model's", "disguises", "PDQ ", "videos, ", "index of ", "found of "),
    "log": ("moderation log, ",),
    "sweep": ("sweep: ",),
    "snapshots": ("snapshot: ",),
    "moves": ("move: ",),
    "origin": (
        "stopped before",
        "first action",
        "the host's URLs",
        "notices answered",
        "backlog",
        "one moderator",
        "appeals",
    ),
    "desk": ("desk: ",),
    "keys": ("desk keys: ",),
}
"""With what the rows of each measurement begin: by this they are told apart, and exchanged alone."""

_MEASURED = re.compile(r"^Measured (?P<first>[0-9-]{10})(?: to [0-9-]{10})? on (?P<machine>.+)\. Everything ran", re.M)


class NotThisPage(Exception):
    """Rows cannot stand in the page that is there; the text says why."""


def machine() -> str:
    """What this was measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores of {model}, {memory:.0f} GiB memory, Python {platform.python_version()}"


def today() -> str:
    """The day, in UTC."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def lines_of(rows: list[Row]) -> list[str]:
    """Rows as lines of the table."""
    return ["| " + " | ".join(row) + " |" for row in rows]


def worlds_once(rows: list[Row]) -> list[Row]:
    """A world that is that of the row above is `the same`."""
    before = ["", *(world for _, world, _, _ in rows)]
    return [
        (what, "the same" if world and world == above else world, measured, target)
        for above, (what, world, measured, target) in zip(before, rows, strict=False)
    ]


def page_of(rows: list[Row]) -> str:
    """The whole page."""
    lines = [
        "<!-- Written by `make bench`. -->",
        "",
        "# Benchmarks",
        "",
        f"Measured {today()} on {machine()}. Everything ran on this one machine at the same",
        "time: two web processes, the worker, the embedded PostgreSQL with its default durability, and the load",
        "generator (wrk with one thread; 16 connections to read). `make bench` measures it again.",
        "",
        "| what | world | measured | target |",
        "|---|---|---|---|",
        *lines_of(rows),
        "",
    ]
    return "\n".join(lines)


def with_rows(page: str, names: list[str], rows: list[Row]) -> str:
    """The page with the rows of these measurements exchanged, where the old ones stood or else at its end.

    Raises NotThisPage for a row of another measurement, and for a page that was measured on another machine.
    """
    written = _MEASURED.search(page)
    if written is None or written["machine"] != machine():
        raise NotThisPage("The page was measured on another machine; run all of it.")
    lines = page.splitlines()
    for name in names:
        mine = tuple(f"| {beginning}" for beginning in BEGINNINGS[name])
        new = [line for line in lines_of(rows) if line.startswith(mine)]
        if not new:
            raise NotThisPage(f"{name} returned no row that begins with {' or '.join(BEGINNINGS[name])}.")
        at = next((at for at, line in enumerate(lines) if line.startswith(mine)), len(lines))
        kept = [line for line in lines if not line.startswith(mine)]
        lines = [*kept[:at], *new, *kept[at:]]
    if missing := [line for line in lines_of(rows) if line not in lines]:
        raise NotThisPage(f"This row belongs to no measurement that was named: {missing[0]}")
    days = written["first"] if written["first"] == today() else f"{written['first']} to {today()}"
    head = f"Measured {days} on {written['machine']}. Everything ran"
    return _MEASURED.sub(lambda _: head, "\n".join(lines), count=1) + "\n"
