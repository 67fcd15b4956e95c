"""Figures of a period, counted over the tables of all rooms of the desk. SQL only; nothing is written here.

Like `timelines/store.py` it reads across rooms: a report is about all of them, and no room would need these counts
for itself. Periods are ranges of ids, which sort by time. `kinds` are two arrays: clauses, and the category of each.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec

from parley.kit.db import Tx
from parley.kit.ids import id_at

Kinds = tuple[list[str], list[str]]


class NoticeRow(msgspec.Struct, frozen=True):
    """Notices of one sort: how many, what came of them, and the median hours until somebody acted."""

    key: str
    count: int
    acted: int
    not_acted: int
    open: int
    median: float | None


LIST_NOTICES_BY_SOURCE = """
    SELECT r.source, count(*), count(*) FILTER (WHERE r.outcome = 'acted'),
           count(*) FILTER (WHERE r.outcome = 'not_acted'), count(*) FILTER (WHERE r.outcome IS NULL),
           percentile_cont(0.5) WITHIN GROUP (
               ORDER BY extract(epoch FROM r.action_taken_at - r.created_at)::float8 / 3600)
    FROM reports r
    WHERE r.id >= $1 AND r.id < $2 AND r.source <> 'automated'
    GROUP BY r.source ORDER BY count(*) DESC, r.source
"""


async def list_notices_by_source(tx: Tx, from_id: int, until_id: int) -> list[NoticeRow]:
    """What was reported to us, by who it came from."""
    return [NoticeRow(*row) for row in await tx.fetch(LIST_NOTICES_BY_SOURCE, from_id, until_id)]


LIST_NOTICES_BY_CATEGORY = """
    SELECT CASE WHEN coalesce(r.clause, r.rule_ids[1]) IS NULL THEN $5 ELSE coalesce(k.category, $6) END AS category,
           count(*), count(*) FILTER (WHERE r.outcome = 'acted'), count(*) FILTER (WHERE r.outcome = 'not_acted'),
           count(*) FILTER (WHERE r.outcome IS NULL),
           percentile_cont(0.5) WITHIN GROUP (
               ORDER BY extract(epoch FROM r.action_taken_at - r.created_at)::float8 / 3600)
    FROM reports r
    LEFT JOIN unnest($3::text[], $4::text[]) AS k (clause, category) ON k.clause = coalesce(r.clause, r.rule_ids[1])
    WHERE r.id >= $1 AND r.id < $2 AND r.source <> 'automated'
    GROUP BY 1 ORDER BY count(*) DESC, 1
"""


async def list_notices_by_category(
    tx: Tx, from_id: int, until_id: int, kinds: Kinds, *, unspecified: str, otherwise: str
) -> list[NoticeRow]:
    """What was reported to us, by what it was said to be."""
    rows = await tx.fetch(LIST_NOTICES_BY_CATEGORY, from_id, until_id, *kinds, unspecified, otherwise)
    return [NoticeRow(*row) for row in rows]


class MeasureRow(msgspec.Struct, frozen=True):
    """Measures of one kind in one category: how many, found by machines, and decided by machines alone."""

    category: str
    kind: str
    count: int
    detected: int
    decided: int


LIST_MEASURES = """
    SELECT coalesce(k.category, $6), a.kind, count(*), count(*) FILTER (WHERE d.automated_detection),
           count(*) FILTER (WHERE d.automated_decision)
    FROM decisions d
    JOIN decision_actions a ON a.decision_id = d.id
    LEFT JOIN unnest($3::text[], $4::text[]) AS k (clause, category) ON k.clause = d.clause
    WHERE d.id >= $1 AND d.id < $2 AND d.kind NOT IN ('undo', 'expiry') AND d.reverses_id IS NULL
      AND a.kind NOT IN ('no_action', 'publish', 'warn') AND (d.source = 'automated') = $5
    GROUP BY 1, 2 ORDER BY 1, 2
"""


async def list_measures(
    tx: Tx, from_id: int, until_id: int, kinds: Kinds, *, own_initiative: bool, otherwise: str
) -> list[MeasureRow]:
    """What was done, of our own accord or after a notice, by category and kind of measure."""
    rows = await tx.fetch(LIST_MEASURES, from_id, until_id, *kinds, own_initiative, otherwise)
    return [MeasureRow(*row) for row in rows]


LIST_SCREENED = """
    SELECT outcome::text, count(*) FROM screening_results WHERE id >= $1 AND id < $2 GROUP BY 1
"""


async def list_screened(tx: Tx, from_id: int, until_id: int) -> dict[str, int]:
    """How many revisions the judge looked at, by what it said."""
    return {row[0]: row[1] for row in await tx.fetch(LIST_SCREENED, from_id, until_id)}


class AutomatedRow(msgspec.Struct, frozen=True):
    """Decisions by machines alone, and how many of them people took back without doing anything instead; what machines
    put before people, and how much of it people let go."""

    alone: int
    alone_reversed: int
    before_people: int
    let_go: int


GET_AUTOMATED = """
    SELECT count(*) FILTER (WHERE d.automated_decision),
           count(*) FILTER (WHERE d.automated_decision AND EXISTS (
               SELECT FROM decisions r
               WHERE r.id = d.reversed_by_id AND (r.kind IN ('undo', 'appeal') OR NOT EXISTS (
                   SELECT FROM decision_actions a
                   WHERE a.decision_id = r.id AND a.kind NOT IN ('no_action', 'publish'))))),
           count(*) FILTER (WHERE NOT d.automated_decision AND d.automated_detection),
           count(*) FILTER (WHERE NOT d.automated_decision AND d.automated_detection AND NOT EXISTS (
               SELECT FROM decision_actions a WHERE a.decision_id = d.id AND a.kind NOT IN ('no_action', 'publish')))
    FROM decisions d
    WHERE d.id >= $1 AND d.id < $2 AND d.kind NOT IN ('undo', 'expiry') AND d.reverses_id IS NULL
"""


async def get_automated(tx: Tx, from_id: int, until_id: int) -> AutomatedRow:
    """How far decisions were made by machines, and how often they were wrong as far as is known."""
    return AutomatedRow(*await tx.fetchrow(GET_AUTOMATED, from_id, until_id))


class CheckRow(msgspec.Struct, frozen=True):
    """Checks of quality in one stratum: how many were answered, and how many differed from the decision."""

    stratum: str
    answered: int
    differed: int


LIST_CHECKS = """
    SELECT stratum, count(*), count(*) FILTER (WHERE answer <> expected)
    FROM quality_checks
    WHERE answered_at >= $1 AND answered_at < $2 AND answer IN ('breaks', 'fine') AND golden_id IS NULL
    GROUP BY stratum ORDER BY stratum
"""


async def list_checks(tx: Tx, start: datetime, end: datetime) -> list[CheckRow]:
    """What people who judged again, without being told, made of decisions and verdicts."""
    return [CheckRow(*row) for row in await tx.fetch(LIST_CHECKS, start, end)]


class AppealRow(msgspec.Struct, frozen=True):
    """Appeals of one side: how many, how they ended, how many wait, and the median hours until the answer."""

    role: str
    count: int
    upheld: int
    overturned: int
    modified: int
    open: int
    median: float | None


LIST_APPEALS = """
    SELECT role, count(*), count(*) FILTER (WHERE state = 'upheld'), count(*) FILTER (WHERE state = 'overturned'),
           count(*) FILTER (WHERE state = 'modified'), count(*) FILTER (WHERE ended_at IS NULL),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - created_at)::float8 / 3600)
    FROM appeals WHERE id >= $1 AND id < $2 GROUP BY role ORDER BY role
"""


async def list_appeals(tx: Tx, from_id: int, until_id: int) -> list[AppealRow]:
    """Complaints against decisions."""
    return [AppealRow(*row) for row in await tx.fetch(LIST_APPEALS, from_id, until_id)]


class RestrictionRow(msgspec.Struct, frozen=True):
    """Accounts that were stopped for one clause in one way."""

    clause: str
    kind: str
    count: int


LIST_RESTRICTIONS = """
    SELECT coalesce(d.clause, ''), a.kind, count(DISTINCT a.account_id)
    FROM decisions d JOIN decision_actions a ON a.decision_id = d.id
    WHERE d.id >= $1 AND d.id < $2 AND d.reverses_id IS NULL
      AND a.kind IN ('limit_account', 'restrict_posting', 'freeze', 'suspend', 'terminate')
    GROUP BY 1, 2 ORDER BY 1, 2
"""


async def list_restrictions(tx: Tx, from_id: int, until_id: int) -> list[RestrictionRow]:
    """Accounts that were stopped, by clause."""
    return [RestrictionRow(*row) for row in await tx.fetch(LIST_RESTRICTIONS, from_id, until_id)]


class LanguageRow(msgspec.Struct, frozen=True):
    """A language in which people wrote reasons: how many of them, and how many decisions."""

    language: str
    people: int
    decisions: int


LIST_LANGUAGES = """
    SELECT language, count(DISTINCT decided_by), count(*)
    FROM decisions WHERE id >= $1 AND id < $2 AND decided_by IS NOT NULL
    GROUP BY language ORDER BY count(*) DESC, language
"""


async def list_languages(tx: Tx, from_id: int, until_id: int) -> list[LanguageRow]:
    """The languages of decisions by people."""
    return [LanguageRow(*row) for row in await tx.fetch(LIST_LANGUAGES, from_id, until_id)]


COUNT_STAFF = """
    SELECT count(*) FROM users WHERE role <> 'member' AND disabled_at IS NULL
"""


async def count_staff(tx: Tx) -> int:
    """How many people may decide, now."""
    return int(await tx.fetchval(COUNT_STAFF))


class ClockRow(msgspec.Struct, frozen=True):
    """Promises of one kind to one sort of sender: kept, broken, still running, and hours of those that were kept."""

    source: str
    kind: str
    count: int
    met: int
    breached: int
    running: int
    median: float | None
    p95: float | None


LIST_CLOCKS = """
    SELECT source, kind, count(*), count(*) FILTER (WHERE state = 'met'), count(*) FILTER (WHERE state = 'breached'),
           count(*) FILTER (WHERE state IN ('running', 'paused')),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - started_at)::float8 / 3600)
               FILTER (WHERE state = 'met'),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - started_at)::float8 / 3600)
               FILTER (WHERE state = 'met')
    FROM sla_clocks WHERE id >= $1 AND id < $2
    GROUP BY source, kind ORDER BY source, kind
"""


async def list_clocks(tx: Tx, from_id: int, until_id: int) -> list[ClockRow]:
    """How promises to answer in time were kept."""
    return [ClockRow(*row) for row in await tx.fetch(LIST_CLOCKS, from_id, until_id)]


class SeverityRow(msgspec.Struct, frozen=True):
    """Subjects of one severity: how many came in, how many wait, and hours until the first action."""

    severity: int
    count: int
    waiting: int
    median: float | None
    p95: float | None


LIST_FIRST_ACTIONS = """
    SELECT s.severity, count(*), count(*) FILTER (WHERE f.first IS NULL),
           percentile_cont(0.5) WITHIN GROUP (
               ORDER BY extract(epoch FROM greatest(f.first - n.since, interval '0'))::float8 / 3600)
               FILTER (WHERE f.first IS NOT NULL),
           percentile_cont(0.95) WITHIN GROUP (
               ORDER BY extract(epoch FROM greatest(f.first - n.since, interval '0'))::float8 / 3600)
               FILTER (WHERE f.first IS NOT NULL)
    FROM case_subjects s
    CROSS JOIN LATERAL (
        SELECT min(d.created_at) AS first FROM decisions d WHERE d.id IN (s.decision_id, s.interim_decision_id)
    ) f
    CROSS JOIN LATERAL (
        SELECT coalesce(min(c.started_at), s.added_at) AS since FROM sla_clocks c
        WHERE c.case_subject_id = s.id AND c.severity = s.severity
    ) n
    WHERE s.id >= $1 AND s.id < $2
    GROUP BY s.severity ORDER BY s.severity
"""


async def list_first_actions(tx: Tx, from_id: int, until_id: int) -> list[SeverityRow]:
    """From when something was said to be as grave as it is until something was done about it, by severity."""
    return [SeverityRow(*row) for row in await tx.fetch(LIST_FIRST_ACTIONS, from_id, until_id)]


class DayRow(msgspec.Struct, frozen=True):
    """Cases that were opened and closed on one day (UTC)."""

    day: date
    opened: int
    closed: int


# Plan: the primary key for what was opened, since ids sort by time; cases_closed for what was closed.
LIST_CASE_DAYS = """
    WITH days AS (
        SELECT one::date AS day FROM generate_series($1::timestamp, $2::timestamp - interval '1 day', '1 day') one
    ), opened AS (
        SELECT (opened_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM cases
        WHERE id >= $3 AND id < $4 GROUP BY 1
    ), closed AS (
        SELECT (closed_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM cases
        WHERE closed_at >= $1::timestamp AT TIME ZONE 'UTC' AND closed_at < $2::timestamp AT TIME ZONE 'UTC' GROUP BY 1
    )
    SELECT d.day, coalesce(o.n, 0), coalesce(c.n, 0)
    FROM days d LEFT JOIN opened o USING (day) LEFT JOIN closed c USING (day)
    ORDER BY d.day
"""


async def list_case_days(tx: Tx, start: datetime, end: datetime) -> list[DayRow]:
    """Each day from `start` to before `end` (both midnight UTC, without a zone)."""
    ids = (id_at(start.replace(tzinfo=UTC)), id_at(end.replace(tzinfo=UTC)))
    return [DayRow(*row) for row in await tx.fetch(LIST_CASE_DAYS, start, end, *ids)]


COUNT_OPEN_AT = """
    SELECT (SELECT count(*) FROM cases WHERE state <> 'closed' AND opened_at < $1)
         + (SELECT count(*) FROM cases WHERE closed_at >= $1 AND opened_at < $1)
"""


async def count_open_at(tx: Tx, moment: datetime) -> int:
    """How many cases were open at a moment."""
    return int(await tx.fetchval(COUNT_OPEN_AT, moment))


class OpenRow(msgspec.Struct, frozen=True):
    """Open cases of one severity."""

    severity: int
    count: int
    overdue: int
    oldest_at: datetime


LIST_OPEN = """
    SELECT severity, count(*), count(*) FILTER (WHERE due_at < $1), min(opened_at)
    FROM cases WHERE state <> 'closed' GROUP BY severity ORDER BY severity
"""


async def list_open(tx: Tx, moment: datetime) -> list[OpenRow]:
    """What waits now."""
    return [OpenRow(*row) for row in await tx.fetch(LIST_OPEN, moment)]


class SweepRow(msgspec.Struct, frozen=True):
    """Sweeps over history: how many ended, what they judged and acted upon."""

    count: int
    judged: int
    acted: int


GET_SWEEPS = """
    SELECT count(*), coalesce(sum(judged), 0)::bigint, coalesce(sum(acted), 0)::bigint
    FROM sweeps WHERE id >= $1 AND id < $2 AND state = 'completed'
"""


async def get_sweeps(tx: Tx, from_id: int, until_id: int) -> SweepRow:
    """How often history was judged again."""
    return SweepRow(*await tx.fetchrow(GET_SWEEPS, from_id, until_id))


GET_LOG_HEAD = """
    SELECT seq, encode(hash, 'hex') FROM moderation_chain
"""


async def get_log_head(tx: Tx) -> tuple[int, str]:
    """Place and hash of the newest entry of the moderation log; 0 and "" when it is empty."""
    row = await tx.fetchrow(GET_LOG_HEAD)
    return (int(row[0]), str(row[1])) if row else (0, "")
