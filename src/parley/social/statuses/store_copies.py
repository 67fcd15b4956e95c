"""The tables of fingerprints and of texts that were taken down. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class TextRow(msgspec.Struct, frozen=True):
    """The words of one revision of a status, and where it stands."""

    status_id: int
    revision: int
    account_id: int
    text: str
    content_type: str
    html: str
    spoiler_text: str
    poll_options: list[str] | None
    visibility: str
    state: str
    created_at: datetime


# The newest revision: one that waits for a decision counts as much as one that is shown.
LIST_NEWEST_TEXTS = """
    SELECT s.id, r.revision, s.account_id, r.text, r.content_type, r.html, r.spoiler_text, r.poll_options,
        s.visibility, s.state, s.created_at
    FROM statuses s
    JOIN status_revisions r ON r.status_id = s.id AND r.revision = coalesce(s.held_revision, s.revision)
    WHERE s.id = ANY($1::bigint[])
"""


async def list_newest_texts(tx: Tx, ids: Sequence[int]) -> list[TextRow]:
    """The newest words of these statuses, whatever their state; boosts have none."""
    return [TextRow(*row) for row in await tx.fetch(LIST_NEWEST_TEXTS, ids)]


GET_REVISION_TEXT = """
    SELECT s.id, r.revision, s.account_id, r.text, r.content_type, r.html, r.spoiler_text, r.poll_options,
        s.visibility, s.state, s.created_at
    FROM statuses s JOIN status_revisions r ON r.status_id = s.id
    WHERE s.id = $1 AND r.revision = $2
"""


async def get_revision_text(tx: Tx, status_id: int, revision: int) -> TextRow | None:
    """The words of one revision."""
    row = await tx.fetchrow(GET_REVISION_TEXT, status_id, revision)
    return TextRow(*row) if row else None


UPSERT_FINGERPRINT = """
    INSERT INTO status_fingerprints (status_id, account_id, b1, b2, b3, b4, b5, b6, b7, b8)
    SELECT $1, $2, f.b[1], f.b[2], f.b[3], f.b[4], f.b[5], f.b[6], f.b[7], f.b[8] FROM (SELECT $3::integer[]) AS f (b)
    WHERE EXISTS (SELECT FROM statuses WHERE id = $1)
    ON CONFLICT (status_id) DO UPDATE SET b1 = excluded.b1, b2 = excluded.b2, b3 = excluded.b3, b4 = excluded.b4,
        b5 = excluded.b5, b6 = excluded.b6, b7 = excluded.b7, b8 = excluded.b8
"""


async def upsert_fingerprint(tx: Tx, status_id: int, account_id: int, bands: Sequence[int]) -> None:
    """Store the fingerprint of a status's newest text; nothing happens when the status is gone."""
    await tx.execute(UPSERT_FINGERPRINT, status_id, account_id, bands)


INSERT_REVISION_NOTES = """
    WITH queued AS (
        INSERT INTO fingerprint_queue (status_id, revision, account_id, bands)
        SELECT $1, $2, $3, $4::integer[] WHERE $4 IS NOT NULL
    ), numbers AS (
        INSERT INTO recent_numbers (band, status_id, account_id) SELECT unnest($4::integer[]), $1, $3
        ON CONFLICT DO NOTHING
    )
    INSERT INTO stranger_mentions (account_id, status_id, author_id) SELECT unnest($5::bigint[]), $1, $3
    ON CONFLICT DO NOTHING
"""


async def insert_revision_notes(
    tx: Tx, status_id: int, revision: int, author_id: int, bands: Sequence[int] | None, strangers: Sequence[int]
) -> None:
    """Note what a new revision of a status says (`bands`: its fingerprint), and whom it addresses without a tie."""
    await tx.execute(INSERT_REVISION_NOTES, status_id, revision, author_id, bands, strangers)


# Of several revisions of one status the newest counts.
INSERT_QUEUED = """
    WITH due AS (
        DELETE FROM fingerprint_queue q USING (
            SELECT status_id, revision FROM fingerprint_queue ORDER BY status_id, revision
            LIMIT $1 FOR UPDATE SKIP LOCKED) AS d
        WHERE q.status_id = d.status_id AND q.revision = d.revision
        RETURNING q.status_id, q.revision, q.account_id, q.bands AS b
    ), newest AS (
        SELECT DISTINCT ON (status_id) * FROM due ORDER BY status_id, revision DESC
    ), stored AS (
        INSERT INTO status_fingerprints (status_id, account_id, b1, b2, b3, b4, b5, b6, b7, b8)
        SELECT status_id, account_id, b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8] FROM newest
        ON CONFLICT (status_id) DO UPDATE SET b1 = excluded.b1, b2 = excluded.b2, b3 = excluded.b3, b4 = excluded.b4,
            b5 = excluded.b5, b6 = excluded.b6, b7 = excluded.b7, b8 = excluded.b8
    )
    SELECT count(*) FROM due
"""


async def insert_queued(tx: Tx, limit: int) -> int:
    """Move at most `limit` fingerprints from the queue into the table; returns how many were moved."""
    return int(await tx.fetchval(INSERT_QUEUED, limit))


DELETE_OLD_NUMBERS = """DELETE FROM recent_numbers WHERE status_id < $1"""


async def delete_old_numbers(tx: Tx, before_id: int) -> None:
    """Take what is older than the id out of the recent fingerprints."""
    await tx.execute(DELETE_OLD_NUMBERS, before_id)


DELETE_FINGERPRINT = """
    WITH queued AS (DELETE FROM fingerprint_queue WHERE status_id = $1)
    DELETE FROM status_fingerprints WHERE status_id = $1
"""


async def delete_fingerprint(tx: Tx, status_id: int) -> None:
    """Forget the fingerprint of a status that says nothing any more."""
    await tx.execute(DELETE_FINGERPRINT, status_id)


# Those of the last hour may still be in the queue: their numbers are asked as well.
LIST_LIKE = """
    SELECT status_id, max(same) AS most FROM (
        SELECT status_id, same FROM statuses_like($1, 0, $2)
        UNION ALL
        SELECT r.status_id, count(*) FROM unnest($1::integer[]) AS b (band) CROSS JOIN LATERAL (
            SELECT n.status_id FROM recent_numbers n
            WHERE n.band = b.band ORDER BY n.status_id DESC LIMIT $2) AS r
        GROUP BY r.status_id
    ) AS found
    WHERE status_id <> $3 GROUP BY status_id ORDER BY most DESC, status_id DESC LIMIT $2
"""


async def list_like(tx: Tx, status_id: int, bands: Sequence[int], limit: int) -> list[tuple[int, int]]:
    """Other statuses that share numbers with a fingerprint, the likest and newest first, with how many they share."""
    return [(row[0], row[1]) for row in await tx.fetch(LIST_LIKE, bands, limit, status_id)]


UPSERT_REMOVED = """
    INSERT INTO removed_texts (status_id, revision, clause, letters, bands) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (status_id, revision) DO UPDATE SET clause = excluded.clause
"""


async def upsert_removed(
    tx: Tx, status_id: int, revision: int, clause: str | None, letters: str, bands: Sequence[int]
) -> None:
    """Remember a text that was taken down."""
    await tx.execute(UPSERT_REMOVED, status_id, revision, clause, letters, bands)


DELETE_REMOVED = """DELETE FROM removed_texts WHERE status_id = $1 AND ($2::integer IS NULL OR revision = $2)"""


async def delete_removed(tx: Tx, status_id: int, revision: int | None) -> None:
    """Forget that a revision (None: any) was taken down."""
    await tx.execute(DELETE_REMOVED, status_id, revision)


DELETE_OLD_STRANGER_MENTIONS = """DELETE FROM stranger_mentions WHERE status_id < $1"""


async def delete_old_stranger_mentions(tx: Tx, before_id: int) -> None:
    """Forget who addressed strangers before the id."""
    await tx.execute(DELETE_OLD_STRANGER_MENTIONS, before_id)
