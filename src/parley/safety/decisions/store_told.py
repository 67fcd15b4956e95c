"""Reports that came to an end, and who was told so. SQL only; no rule lives here."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.db import Tx


class OutcomeRow(msgspec.Struct, frozen=True):
    """A closed report with the newest decision about what it named."""

    report_id: int
    reporter_id: int | None
    target_id: int
    outcome: str
    decision_id: int
    closed_at: datetime


LIST_UNTOLD = """
    SELECT r.id, r.account_id, r.target_account_id, r.outcome, s.decision_id, r.closed_at
    FROM reports r
    CROSS JOIN LATERAL (
        SELECT max(c.decision_id) AS decision_id FROM case_subjects c WHERE c.id = ANY(r.subject_ids)
    ) s
    WHERE r.case_id = $1 AND r.state = 'closed' AND r.outcome IS NOT NULL AND r.account_id IS NOT NULL
      AND r.source IN ('user', 'trusted_flagger') AND s.decision_id IS NOT NULL AND NOT EXISTS (
          SELECT FROM told_reports t WHERE t.report_id = r.id AND t.decision_id = s.decision_id)
    ORDER BY r.id LIMIT $2
"""


async def list_untold(tx: Tx, case_id: int, limit: int) -> list[OutcomeRow]:
    """Reports of members in a case that came to an end, and whose reporters have not been told."""
    return [OutcomeRow(*row) for row in await tx.fetch(LIST_UNTOLD, case_id, limit)]


INSERT_TOLD = """INSERT INTO told_reports (report_id, decision_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"""


async def insert_told(tx: Tx, report_id: int, decision_id: int) -> None:
    """Note that a reporter was told."""
    await tx.execute(INSERT_TOLD, report_id, decision_id)


LIST_OUTCOMES = """
    SELECT r.id, r.account_id, r.target_account_id, r.outcome, s.decision_id, r.closed_at
    FROM reports r
    CROSS JOIN LATERAL (
        SELECT max(c.decision_id) AS decision_id FROM case_subjects c WHERE c.id = ANY(r.subject_ids)
    ) s
    WHERE r.account_id = $1 AND r.state = 'closed' AND r.outcome IS NOT NULL AND s.decision_id IS NOT NULL
      AND r.id < $2
    ORDER BY r.id DESC LIMIT $3
"""


async def list_outcomes(tx: Tx, account_id: int, before_id: int, limit: int) -> list[OutcomeRow]:
    """What came of a member's own reports, the newest first."""
    return [OutcomeRow(*row) for row in await tx.fetch(LIST_OUTCOMES, account_id, before_id, limit)]
