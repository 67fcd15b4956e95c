"""The plots of reports and compliance pages: stacked bars of a table, for the macro of `_charts.html`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from parley.safety.transparency.views import Cell, Column, Day, Table
from parley.web.operator_charts import HEIGHT, WIDE, Bar, Chart, Part, round_up

COLOURS = ("allow", "allow_flag", "limit", "hold", "reject", "quarantine", "seventh")
"""Classes of the stylesheet, told apart by lightness too."""
MOST_LABELS = 7


def draw_table(table: Table) -> tuple[Chart, list[tuple[str, str]]] | None:
    """The plot of a table and its legend (class, words); None for a table that has none, or nothing to compare."""
    places = [(place, column) for place, column in enumerate(table.columns) if column.key in table.bars]
    if not places or len(table.rows) < 2:
        return None
    series = [(COLOURS[place % len(COLOURS)], column.title) for place, (_, column) in enumerate(places)]
    stacks = [[_figure(row[place]) for place, _ in places] for row in table.rows]
    if not any(map(any, stacks)):
        return None
    names = [_name(row, table.columns) for row in table.rows]
    words = [place for place, column in enumerate(table.columns) if column.kind in ("text", "day")]
    labels = [str(row[words[-1]]) for row in table.rows]
    return draw_bars(table.title, names, stacks, series, labels=labels), series


def draw_days(title: str, days: Sequence[Day]) -> tuple[Chart, list[tuple[str, str]]]:
    """Open cases at the end of each day."""
    series = [("hold", "Open at the end of the day")]
    names = [f"{one.day:%d %b}" for one in days]
    return draw_bars(title, names, [[one.open] for one in days], series), series


def draw_bars(
    title: str,
    names: Sequence[str],
    stacks: Sequence[Sequence[float]],
    series: Sequence[tuple[str, str]],
    *,
    labels: Sequence[str] | None = None,
) -> Chart:
    """One bar for each name, stacked from the figures of `series` in their order; `labels` stand at its foot."""
    top = round_up(int(max((sum(stack) for stack in stacks), default=0)))
    bars = []
    for place, (name, stack) in enumerate(zip(names, stacks, strict=True)):
        x, y, parts = round(place + (1 - WIDE) / 2, 3), HEIGHT, []
        for (key, _), value in zip(series, stack, strict=True):
            height = value * HEIGHT / top
            if height:
                y -= height
                parts.append(Part(key, x, round(y, 3), round(height, 3)))
        said = ", ".join(
            f"{words.lower()} {value:,.0f}" for (_, words), value in zip(series, stack, strict=True) if value
        )
        bars.append(Bar(f"{name}: {said or 'nothing'}", x, tuple(parts)))
    step = max(-(-len(names) // MOST_LABELS), 1)
    feet = tuple(_short(name) for name in (labels or names)[::step])
    return Chart(title, len(bars), top, int(sum(map(sum, stacks))), tuple(key for key, _ in series), tuple(bars), feet)


def _figure(cell: Cell) -> float:
    return cell if isinstance(cell, int | float) else 0


def _name(row: Sequence[Cell], columns: Sequence[Column]) -> str:
    return ", ".join(str(cell) for cell, column in zip(row, columns, strict=True) if column.kind in ("text", "day"))


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"
