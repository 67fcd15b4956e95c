"""Makes the transparency report of a period: the tables that the EU's Digital Services Act asks for, and ours besides.

Sections follow Articles 15 and 24 and the templates of Implementing Regulation (EU) 2024/2835
(https://eur-lex.europa.eu/eli/reg_impl/2024/2835/oj). Only figures are read here; publishing is in actions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Invalid
from parley.kit.ids import id_at
from parley.kit.settings import Settings
from parley.safety.transparency import report_tables as tables
from parley.safety.transparency.categories import load_categories
from parley.safety.transparency.store_figures import get_log_head
from parley.safety.transparency.views import Cell, LogHead, Report, Table
from parley.screening import live_ruleset

LONGEST = timedelta(days=2 * 366)
FEW = 5
"""Below this a figure may point at a person; reports for the public suppress by it when asked to."""


class Period:
    """A range of days with what the queries need of it: moments, and ids made in between."""

    def __init__(self, from_day: date, until_day: date) -> None:
        """Both days belong to it. Raises Invalid for a period that is empty, too long, or in the future."""
        if until_day < from_day:
            raise Invalid("The period ends before it begins: give the earlier day as --from.")
        if until_day - from_day > LONGEST:
            raise Invalid("The period is longer than two years: make several reports.")
        if from_day > now().date():
            raise Invalid("The period has not begun yet.")
        self.from_day, self.until_day = from_day, until_day
        self.start = datetime(from_day.year, from_day.month, from_day.day, tzinfo=UTC)
        self.end = datetime(until_day.year, until_day.month, until_day.day, tzinfo=UTC) + timedelta(days=1)
        self.from_id, self.until_id = id_at(self.start), id_at(self.end)


async def build_report(
    tx: Tx, settings: Settings, from_day: date, until_day: date, *, suppress_below: int = 0
) -> Report:
    """The report about the days from `from_day` to `until_day` (UTC), both included.

    With `suppress_below`, rows about fewer than so many are shown without figures (`<5`). Raises Invalid for a period
    or a limit that cannot be.
    """
    period = Period(from_day, until_day)
    if not 0 <= suppress_below <= 100:
        raise Invalid("Suppress figures below a number from 0 to 100; 0 shows everything.")
    ruleset = live_ruleset()
    categories = load_categories(settings)
    kinds = ([*categories], [one.category for one in categories.values()])
    made = [
        await tables.orders(tx, period),
        await tables.notices_by_source(tx, period),
        await tables.notices_by_category(tx, period, kinds),
        await tables.measures(tx, period, kinds, own_initiative=True),
        await tables.measures(tx, period, kinds, own_initiative=False),
        await tables.screening(tx, period),
        await tables.automated(tx, period),
        await tables.accuracy(tx, period),
        await tables.appeals(tx, period),
        await tables.misuse(tx, period),
        await tables.stopped_accounts(tx, period, ruleset.clauses),
        await tables.people(tx, period),
        await tables.first_actions(tx, period),
        await tables.clocks(tx, period),
        await tables.backlog(tx, period),
    ]
    seq, head = await get_log_head(tx)
    return Report(
        instance=settings.name,
        domain=settings.local_domain,
        from_day=from_day,
        until_day=until_day,
        made_at=now(),
        policy=f"{ruleset.name} {ruleset.version}",
        policy_sha256=ruleset.policy_sha256,
        suppressed_below=suppress_below,
        log=LogHead(seq, head),
        tables=tuple(suppress(table, suppress_below) for table in made),
    )


def suppress(table: Table, below: int) -> Table:
    """The table without the figures of rows that are about fewer than `below`; pure.

    Where the figure of size itself is 0 the row stays: nobody is behind it. Other counts of a row are suppressed on
    their own when they are few, so that what remains does not give them away by subtraction: a row with one suppressed
    count loses all its counts but the size.
    """
    if not below or not table.size:
        return table
    at = {column.key: place for place, column in enumerate(table.columns)}
    size = at[table.size]
    counts = [place for place, column in enumerate(table.columns) if column.kind == "count" and place != size]
    shares = [place for place, column in enumerate(table.columns) if column.kind in ("percent", "hours")]
    rows: list[tuple[Cell, ...]] = []
    for row in table.rows:
        cells = list(row)
        if _few(cells[size], below):
            for place in (size, *counts, *shares):
                cells[place] = None if cells[place] is None else f"<{below}"
        elif any(_few(cells[place], below) for place in counts):
            for place in (*counts, *(place for place in shares if table.columns[place].kind == "percent")):
                cells[place] = None if cells[place] is None else "hidden"
        rows.append(tuple(cells))
    return Table(
        key=table.key,
        title=table.title,
        note=table.note,
        columns=table.columns,
        rows=tuple(rows),
        bars=table.bars,
        size=table.size,
    )


def _few(cell: Cell, below: int) -> bool:
    return isinstance(cell, int) and 0 < cell < below


def write_csv(report: Report) -> str:
    """All tables as one CSV file (RFC 4180, UTF-8): table, row, column, value. One figure a line, so that reports of
    different versions can be put together."""
    import csv
    import io

    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["instance", "from", "until", "table", "row", "column", "kind", "value"])
    head = [report.domain, report.from_day.isoformat(), report.until_day.isoformat()]
    for table in report.tables:
        for row in table.rows:
            name = _safe(" / ".join(str(cell) for cell in row[: _names(table)]))
            for column, cell in list(zip(table.columns, row, strict=True))[_names(table) :]:
                writer.writerow([*head, table.key, name, column.key, column.kind, "" if cell is None else cell])
    return out.getvalue()


def _names(table: Table) -> int:
    """How many columns at the left say what a row is about."""
    kinds: Sequence[str] = [column.kind for column in table.columns]
    return next((place for place, kind in enumerate(kinds) if kind not in ("text", "day")), len(kinds))


def _safe(text: str) -> str:
    """A word that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
