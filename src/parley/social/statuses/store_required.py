"""What decisions of the desk leave on statuses: marks, and changes that are asked for. SQL only; no rule lives here."""

from __future__ import annotations

from datetime import datetime

from parley.kit.db import Tx

GET_REQUIRED = """SELECT revision FROM required_changes WHERE status_id = $1"""


async def get_required(tx: Tx, status_id: int) -> int | None:
    """The revision that must not be shown again; None: no change is asked for."""
    revision: int | None = await tx.fetchval(GET_REQUIRED, status_id)
    return revision


UPSERT_REQUIRED = """
    INSERT INTO required_changes (status_id, revision) VALUES ($1, $2)
    ON CONFLICT (status_id) DO UPDATE SET revision = excluded.revision
"""


async def upsert_required(tx: Tx, status_id: int, revision: int) -> None:
    """Ask for a change."""
    await tx.execute(UPSERT_REQUIRED, status_id, revision)


DELETE_REQUIRED = """DELETE FROM required_changes WHERE status_id = $1"""


async def delete_required(tx: Tx, status_id: int) -> None:
    """Ask for none any more."""
    await tx.execute(DELETE_REQUIRED, status_id)


UPDATE_MARKS = """
    UPDATE statuses SET marked_label = $2, marked_sensitive = $3
    WHERE id = $1 AND (marked_label, marked_sensitive) IS DISTINCT FROM ($2, $3)
"""


async def update_marks(tx: Tx, status_id: int, label: str, sensitive: bool) -> None:
    """Set what moderators put on a status for its readers."""
    await tx.execute(UPDATE_MARKS, status_id, label, sensitive)


UPDATE_REVISIONS_STATE = """
    UPDATE status_revisions SET state = $4::status_state
    WHERE status_id = $1 AND revision = ANY($2::integer[]) AND state = $3::status_state
    RETURNING revision
"""


async def update_revisions_state(tx: Tx, status_id: int, revisions: list[int], found: str, state: str) -> list[int]:
    """Take revisions out of what others may read of the history, or put them back; returns which changed."""
    rows = await tx.fetch(UPDATE_REVISIONS_STATE, status_id, revisions, found, state)
    return sorted(row[0] for row in rows)


GET_EDITED_AT = """SELECT edited_at FROM statuses WHERE id = $1"""
UPDATE_EDITED_AT = """UPDATE statuses SET edited_at = $2 WHERE id = $1"""


async def get_edited_at(tx: Tx, status_id: int) -> datetime | None:
    """When the revision that is shown was published, if it is not the first."""
    moment: datetime | None = await tx.fetchval(GET_EDITED_AT, status_id)
    return moment


async def update_edited_at(tx: Tx, status_id: int, moment: datetime | None) -> None:
    """Put that back."""
    await tx.execute(UPDATE_EDITED_AT, status_id, moment)
