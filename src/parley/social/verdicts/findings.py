"""What the judge found that people must see, for the desk. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence

from parley.kit.db import Tx
from parley.social.verdicts import store_findings
from parley.social.verdicts.store_findings import FindingRow as FindingRow

STATUS_TYPES = ("status", "poll", "message")
"""A status is one thing, whether it is judged as a status, with a poll or as a message."""


async def list_findings(tx: Tx, after_id: int, until_id: int, limit: int) -> list[FindingRow]:
    """Flagged, held and quarantined revisions by the id of their newest result, oldest first."""
    return await store_findings.list_findings(tx, after_id, until_id, limit)


async def list_newest_of(tx: Tx, kind: str, named: Sequence[tuple[int, int]]) -> dict[tuple[int, int], FindingRow]:
    """The newest result of each of these revisions of statuses, profiles or media, by (id, revision)."""
    if not named:
        return {}
    types = list(STATUS_TYPES) if kind == "status" else [kind]
    rows = await store_findings.list_newest_of(tx, types, list(named))
    return {(row.subject_id, row.revision): row for row in rows}
