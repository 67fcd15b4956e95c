"""Each table of a transparency report. One function a table: reads figures, gives them names, decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.safety.transparency import store_figures as store
from parley.safety.transparency.categories import ELSE, UNSPECIFIED, words_of
from parley.safety.transparency.store_providers import get_misuse, list_orders
from parley.safety.transparency.views import Cell, Column, Table
from parley.safety.transparency.words import MEASURES, PROMISES, ROLES, SEVERITIES, SOURCES, VERDICTS
from parley.screening import Clause

if TYPE_CHECKING:
    from parley.safety.transparency.report import Period


async def orders(tx: Tx, period: Period) -> Table:
    """Article 15(1)(a): orders of authorities, by member state."""
    rows = await list_orders(tx, period.from_id, period.until_id, now())
    return Table(
        key="orders",
        title="Orders of authorities",
        note="Orders to remove content (Article 9) and to provide or preserve information (Article 10), by state.",
        columns=(
            Column("state", "State", "text"),
            Column("kind", "Kind", "text"),
            Column("orders", "Orders"),
            Column("acknowledged", "Median to a receipt", "hours"),
            Column("effect", "Median to effect", "hours"),
            Column("late", "Late"),
        ),
        rows=tuple(
            (row.state, row.kind.replace("_", " "), row.count, row.receipt, row.effect, row.late) for row in rows
        ),
        size="orders",
    )


async def notices_by_source(tx: Tx, period: Period) -> Table:
    """Article 15(1)(b): notices by who sent them, and the median time until they were answered."""
    rows = await store.list_notices_by_source(tx, period.from_id, period.until_id)
    return Table(
        key="notices_by_source",
        title="Notices, by who sent them",
        columns=(Column("source", "From", "text"), *_NOTICE_COLUMNS),
        rows=tuple((SOURCES.get(row.key, row.key), *_notice(row)) for row in rows),
        bars=("acted", "not_acted", "open"),
        size="notices",
    )


_NOTICE_COLUMNS = (
    Column("notices", "Notices"),
    Column("acted", "Acted upon"),
    Column("not_acted", "Nothing was broken"),
    Column("open", "Waiting"),
    Column("median", "Median time", "hours"),
)


def _notice(row: store.NoticeRow) -> tuple[Cell, ...]:
    return (row.count, row.acted, row.not_acted, row.open, row.median)


async def notices_by_category(tx: Tx, period: Period, kinds: store.Kinds) -> Table:
    """Article 15(1)(b): notices by type of alleged content."""
    rows = await store.list_notices_by_category(
        tx, period.from_id, period.until_id, kinds, unspecified=UNSPECIFIED, otherwise=ELSE
    )
    return Table(
        key="notices_by_category",
        title="Notices, by what was said to be wrong",
        note="In the categories of the DSA Transparency Database.",
        columns=(Column("category", "Category", "text"), *_NOTICE_COLUMNS),
        rows=tuple((words_of(row.key), *_notice(row)) for row in rows),
        bars=("acted", "not_acted", "open"),
        size="notices",
    )


async def measures(tx: Tx, period: Period, kinds: store.Kinds, *, own_initiative: bool) -> Table:
    """Article 15(1)(c): measures of our own accord, and after notices, by category and type."""
    rows = await store.list_measures(
        tx, period.from_id, period.until_id, kinds, own_initiative=own_initiative, otherwise=ELSE
    )
    column = {kind: key for key, _, members in MEASURES for kind in members}
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        sums = found.setdefault(row.category, {})
        for key, count in (
            ("measures", row.count),
            (column[row.kind], row.count),
            ("detected", row.detected),
            ("alone", row.decided),
        ):
            sums[key] = sums.get(key, 0) + count
    keys = ("measures", *(key for key, _, _ in MEASURES), "detected", "alone")
    return Table(
        key="own_initiative" if own_initiative else "measures_after_notices",
        title="Measures of our own accord" if own_initiative else "Measures after notices",
        note="" if own_initiative else "Reports of members and notices from outside.",
        columns=(
            Column("category", "Category", "text"),
            Column("measures", "Measures"),
            *(Column(key, words) for key, words, _ in MEASURES),
            Column("detected", "Found by machines"),
            Column("alone", "Decided by machines alone"),
        ),
        rows=tuple(
            (words_of(category), *(sums.get(key, 0) for key in keys))
            for category, sums in sorted(found.items(), key=lambda item: -item[1]["measures"])
        ),
        bars=tuple(key for key, _, _ in MEASURES),
        size="measures",
    )


async def screening(tx: Tx, period: Period) -> Table:
    """Article 15(1)(e): what is screened before anybody sees it, and what came of it."""
    found = await store.list_screened(tx, period.from_id, period.until_id)
    total = sum(found.values())
    return Table(
        key="screening",
        title="Screened before anybody saw it",
        note="Posts, messages, profiles and descriptions of media; every edit counts.",
        columns=(
            Column("verdict", "Verdict", "text"),
            Column("count", "Revisions"),
            Column("share", "Share", "percent"),
        ),
        rows=tuple((words, found.get(key, 0), found.get(key, 0) / total if total else None) for key, words in VERDICTS),
        size="count",
    )


async def automated(tx: Tx, period: Period) -> Table:
    """Article 15(1)(e): decisions by automated means and those that were taken back."""
    row = await store.get_automated(tx, period.from_id, period.until_id)
    sweeps = await store.get_sweeps(tx, period.from_id, period.until_id)
    return Table(
        key="automated",
        title="Decisions by automated means",
        note="What came of them so far. A decision may still be appealed against.",
        columns=(
            Column("what", "What", "text"),
            Column("count", "How many"),
            Column("wrong", "Taken back, or let go by people"),
            Column("share", "Share", "percent"),
        ),
        rows=(
            ("Decided by machines alone", row.alone, row.alone_reversed, _share(row.alone_reversed, row.alone)),
            ("Put before people by machines", row.before_people, row.let_go, _share(row.let_go, row.before_people)),
            (
                "Judged again by sweeps over history, and acted upon",
                sweeps.acted,
                None,
                _share(sweeps.acted, sweeps.judged),
            ),
        ),
        size="count",
    )


async def accuracy(tx: Tx, period: Period) -> Table:
    """Article 15(1)(e): indicators of accuracy, from blind checks of a sample drawn at random."""
    rows = await store.list_checks(tx, period.start, period.end)
    return Table(
        key="accuracy",
        title="Error rates by blind checks",
        note="Drawn at random and judged again by somebody who was not told what had been decided.",
        columns=(
            Column("stratum", "Drawn from", "text"),
            Column("checks", "Checked"),
            Column("differed", "Judged otherwise"),
            Column("rate", "Error rate", "percent"),
        ),
        rows=tuple(
            (_stratum(row.stratum), row.answered, row.differed, _share(row.differed, row.answered)) for row in rows
        ),
        size="checks",
    )


def _stratum(key: str) -> str:
    parts = key.split("-")
    if parts[0] == "severity" and len(parts) == 3:
        return f"Severity {parts[1]}, decided by a {'person' if parts[2] == 'person' else 'machine'}"
    return {"hold": "Held by screening", "reject": "Refused by screening"}.get(key, key)


async def appeals(tx: Tx, period: Period) -> Table:
    """Article 15(1)(d): complaints through our internal system, their outcomes and the median time."""
    rows = await store.list_appeals(tx, period.from_id, period.until_id)
    return Table(
        key="appeals",
        title="Appeals",
        note="Nobody reviews a decision of their own.",
        columns=(
            Column("role", "By", "text"),
            Column("appeals", "Appeals"),
            Column("upheld", "Decision stands"),
            Column("overturned", "Overturned"),
            Column("modified", "Changed"),
            Column("open", "Waiting"),
            Column("median", "Median time", "hours"),
        ),
        rows=tuple(
            (ROLES[row.role], row.count, row.upheld, row.overturned, row.modified, row.open, row.median) for row in rows
        ),
        bars=("upheld", "overturned", "modified", "open"),
        size="appeals",
    )


async def misuse(tx: Tx, period: Period) -> Table:
    """Article 24(1)(b): suspensions under Article 23, of authors and of those who send unfounded notices."""
    row = await get_misuse(tx, (period.from_id, period.until_id), (period.start, period.end))
    return Table(
        key="misuse",
        title="Suspensions for misuse",
        columns=(Column("what", "Of whom", "text"), Column("count", "How many")),
        rows=(
            ("Authors, suspended or terminated", row.authors),
            ("Reporters whose reports were unfounded, not listened to any more", row.reporters),
        ),
        size="count",
    )


async def stopped_accounts(tx: Tx, period: Period, clauses: Mapping[str, Clause]) -> Table:
    """Measures against accounts, by the rule that was broken."""
    rows = await store.list_restrictions(tx, period.from_id, period.until_id)
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        sums.setdefault(row.clause, {})[row.kind] = row.count
    keys = (
        ("limit_account", "Shown to fewer"),
        ("restrict_posting", "Posting restricted"),
        ("freeze", "Frozen"),
        ("suspend", "Suspended"),
        ("terminate", "Terminated"),
    )
    ordered = sorted(sums.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    return Table(
        key="accounts",
        title="Accounts that were stopped",
        note="By the rule that was broken. Misuse of reports has a rule of its own.",
        columns=(
            Column("clause", "Rule", "text"),
            Column("accounts", "Measures"),
            *(Column(key, words) for key, words in keys),
        ),
        rows=tuple(
            (_clause(clause, clauses), sum(found.values()), *(found.get(key, 0) for key, _ in keys))
            for clause, found in ordered
        ),
        bars=tuple(key for key, _ in keys),
        size="accounts",
    )


def _clause(clause: str, clauses: Mapping[str, Clause]) -> str:
    known = clauses.get(clause)
    return f"{clause} {known.title}" if known else clause or "no rule was named"


async def people(tx: Tx, period: Period) -> Table:
    """Article 42(2): people who decide, and the languages in which they do."""
    rows = await store.list_languages(tx, period.from_id, period.until_id)
    return Table(
        key="people",
        title="People who decide",
        note=f"{await store.count_staff(tx)} people may decide today.",
        columns=(Column("language", "Language", "text"), Column("people", "People"), Column("decisions", "Decisions")),
        rows=tuple((row.language, row.people, row.decisions) for row in rows),
    )


async def first_actions(tx: Tx, period: Period) -> Table:
    """From when something came before us until something was done, by severity."""
    rows = await store.list_first_actions(tx, period.from_id, period.until_id)
    return Table(
        key="first_actions",
        title="Time to the first action",
        note="From when a post, a profile or a message came before us until it was hidden, removed, kept or marked.",
        columns=(
            Column("severity", "Severity", "text"),
            Column("subjects", "Subjects"),
            Column("waiting", "Waiting"),
            Column("median", "Median", "hours"),
            Column("p95", "19 of 20 within", "hours"),
        ),
        rows=tuple((SEVERITIES[row.severity], row.count, row.waiting, row.median, row.p95) for row in rows),
        size="subjects",
    )


async def clocks(tx: Tx, period: Period) -> Table:
    """Promises to answer in time, and those that were broken."""
    rows = await store.list_clocks(tx, period.from_id, period.until_id)
    return Table(
        key="clocks",
        title="Promises to answer in time",
        note="A broken promise is counted for good, even where the answer came a minute later.",
        columns=(
            Column("source", "To", "text"),
            Column("promise", "Promise", "text"),
            Column("clocks", "Made"),
            Column("met", "Kept"),
            Column("breached", "Broken"),
            Column("running", "Running"),
            Column("median", "Median", "hours"),
            Column("p95", "19 of 20 within", "hours"),
        ),
        rows=tuple(
            (
                SOURCES.get(row.source, row.source),
                PROMISES.get(row.kind, row.kind),
                row.count,
                row.met,
                row.breached,
                row.running,
                row.median,
                row.p95,
            )
            for row in rows
        ),
        bars=("met", "breached", "running"),
        size="clocks",
    )


async def backlog(tx: Tx, period: Period) -> Table:
    """Cases each day (for long periods: each week), and how many were open at its end."""
    days = await store.list_case_days(
        tx, period.start.replace(tzinfo=None), min(period.end, _tomorrow()).replace(tzinfo=None)
    )
    still = await store.count_open_at(tx, period.start)
    step = 7 if len(days) > 92 else 1
    rows: list[tuple[Cell, ...]] = []
    for place in range(0, len(days), step):
        some = days[place : place + step]
        opened, closed = sum(one.opened for one in some), sum(one.closed for one in some)
        still += opened - closed
        rows.append((some[0].day.isoformat(), opened, closed, still))
    return Table(
        key="backlog",
        title="The backlog",
        note="Cases by the week that begins on the day." if step == 7 else "Cases by the day.",
        columns=(
            Column("day", "Day", "day"),
            Column("opened", "Opened"),
            Column("closed", "Closed"),
            Column("open", "Open at the end"),
        ),
        rows=tuple(rows),
        bars=("open",),
    )


def _tomorrow() -> datetime:
    return now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
