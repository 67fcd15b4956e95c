"""Bars by the hour, as numbers for a template that draws them with SVG. Pure; knows nothing of screening but names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

SERIES = (
    ("allow", "Allowed"),
    ("allow_flag", "Flagged"),
    ("limit", "Limited"),
    ("hold", "Held"),
    ("reject", "Refused"),
    ("quarantine", "Quarantined"),
)
"""Outcomes from the mildest to the strongest, with their words; bars are stacked in this order."""

HEIGHT = 100.0
WIDE = 0.78
"""How much of its hour a bar fills."""

LABEL_EVERY = 6


class Part(msgspec.Struct, frozen=True):
    """One stacked part of a bar, measured from the top left corner."""

    key: str
    x: float
    y: float
    height: float


class Bar(msgspec.Struct, frozen=True):
    """One hour. `said` names its figures for a pointer that rests on it."""

    said: str
    x: float
    parts: tuple[Part, ...]


class Chart(msgspec.Struct, frozen=True):
    """A chart of `width` x 100 units. `top` is the figure at its upper edge; `labels` are spread along its foot."""

    title: str
    width: int
    top: int
    total: int
    keys: tuple[str, ...]
    bars: tuple[Bar, ...]
    labels: tuple[str, ...]


def draw_chart(title: str, hours: Sequence[tuple[datetime, Mapping[str, int]]], keys: tuple[str, ...]) -> Chart:
    """Stacked bars of the counts named by `keys`, one for each of `hours`."""
    words = dict(SERIES)
    sums = [sum(counts.get(key, 0) for key in keys) for _, counts in hours]
    top = round_up(max(sums, default=0))
    bars = []
    for place, (start, counts) in enumerate(hours):
        x = place + (1 - WIDE) / 2
        parts, y = [], HEIGHT
        for key in keys:
            height = counts.get(key, 0) * HEIGHT / top
            if height:
                y -= height
                parts.append(Part(key, round(x, 3), round(y, 3), round(height, 3)))
        figures = ", ".join(f"{words[key].lower()} {counts[key]:,}" for key in keys if counts.get(key))
        bars.append(Bar(f"{hour_words(start)}: {figures or 'nothing'}", round(x, 3), tuple(parts)))
    labels = tuple(hour_words(start) for start, _ in hours[::LABEL_EVERY])
    return Chart(title, len(hours), top, sum(sums), keys, tuple(bars), (*labels, "now"))


def hour_words(start: datetime) -> str:
    """The hour as its first minute, UTC."""
    return f"{start.astimezone(UTC):%H:%M}"


def round_up(count: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50 and so on; at least 5."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if factor * step >= max(count, 5):
                return factor * step
        step *= 10
