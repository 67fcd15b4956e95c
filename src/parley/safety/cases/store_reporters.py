"""The table of reporters: muted ones, trusted flaggers, and how often each was right. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class ReporterRow(msgspec.Struct, frozen=True):
    """What is known of a reporter."""

    account_id: int
    muted_at: datetime | None
    muted_by: int | None
    flagger_since: datetime | None
    flagger_note: str
    reports: int
    acted: float
    not_acted: float
    reliability: float


GET_REPORTER = """
    SELECT account_id, muted_at, muted_by, flagger_since, flagger_note, reports, acted, not_acted, reliability
    FROM reporters WHERE account_id = $1
"""


async def get_reporter(tx: Tx, account_id: int) -> ReporterRow | None:
    """What is known of one reporter; None: nothing yet."""
    row = await tx.fetchrow(GET_REPORTER, account_id)
    return ReporterRow(*row) if row else None


LIST_REPORTERS = """
    SELECT account_id, muted_at, muted_by, flagger_since, flagger_note, reports, acted, not_acted, reliability
    FROM reporters WHERE account_id = ANY($1::bigint[])
"""


async def list_reporters(tx: Tx, account_ids: Sequence[int]) -> dict[int, ReporterRow]:
    """Reporters by account; those of whom nothing is known are left out."""
    return {row[0]: ReporterRow(*row) for row in await tx.fetch(LIST_REPORTERS, list(account_ids))}


LIST_MARKED_REPORTERS = """
    SELECT account_id, muted_at, muted_by, flagger_since, flagger_note, reports, acted, not_acted, reliability
    FROM reporters WHERE (muted_at IS NOT NULL OR flagger_since IS NOT NULL) AND account_id > $1
    ORDER BY account_id LIMIT $2
"""


async def list_marked_reporters(tx: Tx, above: int, limit: int) -> list[ReporterRow]:
    """Muted reporters and trusted flaggers, by account."""
    return [ReporterRow(*row) for row in await tx.fetch(LIST_MARKED_REPORTERS, above, limit)]


UPSERT_MUTED = """
    INSERT INTO reporters (account_id, muted_at, muted_by) VALUES ($1, $2, $3)
    ON CONFLICT (account_id) DO UPDATE SET muted_at = excluded.muted_at, muted_by = excluded.muted_by
"""


async def upsert_muted(tx: Tx, account_id: int, moment: datetime | None, by: int | None) -> None:
    """Mute a reporter; `moment` None: listen again."""
    await tx.execute(UPSERT_MUTED, account_id, moment, by)


UPSERT_FLAGGER = """
    INSERT INTO reporters (account_id, flagger_since, flagger_note, reliability) VALUES ($1, $2, $3, $4)
    ON CONFLICT (account_id) DO UPDATE
    SET flagger_since = excluded.flagger_since, flagger_note = excluded.flagger_note,
        reliability = excluded.reliability
"""


async def upsert_flagger(tx: Tx, account_id: int, since: datetime | None, note: str, reliability: float) -> None:
    """Trust a flagger; `since` None: no longer."""
    await tx.execute(UPSERT_FLAGGER, account_id, since, note, reliability)


class OutcomeRow(msgspec.Struct, frozen=True):
    """How one report of a reporter ended."""

    account_id: int
    acted: bool
    closed_at: datetime


# At most the newest thousand of each: older ones hardly count.
LIST_OUTCOMES = """
    SELECT r.account_id, r.outcome = 'acted', r.closed_at
    FROM unnest($1::bigint[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT account_id, outcome, closed_at FROM reports
        WHERE account_id = wanted.id AND outcome IS NOT NULL AND closed_at IS NOT NULL
        ORDER BY id DESC LIMIT 1000) r
"""


async def list_outcomes(tx: Tx, account_ids: Sequence[int]) -> list[OutcomeRow]:
    """The outcomes of these reporters' reports."""
    return [OutcomeRow(*row) for row in await tx.fetch(LIST_OUTCOMES, list(account_ids))]


UPSERT_WEIGHED = """
    INSERT INTO reporters (account_id, reports, acted, not_acted, reliability, weighed_at)
    SELECT * FROM unnest($1::bigint[], $2::integer[], $3::real[], $4::real[], $5::real[], $6::timestamptz[])
    ON CONFLICT (account_id) DO UPDATE
    SET reports = excluded.reports, acted = excluded.acted, not_acted = excluded.not_acted,
        reliability = excluded.reliability, weighed_at = excluded.weighed_at
"""


async def upsert_weighed(tx: Tx, weighed: Sequence[tuple[int, int, float, float, float]], moment: datetime) -> None:
    """Set how reliable reporters are: account, reports, right, wrong, reliability."""
    columns = [list(column) for column in zip(*weighed, strict=True)]
    await tx.execute(UPSERT_WEIGHED, *columns, [moment] * len(weighed))


LIST_LONG_WEIGHED = """
    SELECT account_id FROM reporters WHERE weighed_at < $1 ORDER BY weighed_at LIMIT $2
"""


async def list_long_weighed(tx: Tx, before: datetime, limit: int) -> list[int]:
    """Reporters whose outcomes have grown older since they were weighed."""
    return [row[0] for row in await tx.fetch(LIST_LONG_WEIGHED, before, limit)]


LIST_REPORTERS_OF = """
    SELECT DISTINCT account_id FROM reports WHERE id = ANY($1::bigint[]) AND account_id IS NOT NULL ORDER BY account_id
"""


async def list_reporters_of(tx: Tx, report_ids: Sequence[int]) -> list[int]:
    """Who sent these reports, by account."""
    return [row[0] for row in await tx.fetch(LIST_REPORTERS_OF, list(report_ids))]
