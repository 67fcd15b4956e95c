"""The tables of raw messages: which are kept, and how many bytes came on which day. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from parley.kit.db import Tx

UPDATE_KEPT_AGAIN = """UPDATE raw_messages SET kept_at = $2 WHERE sha256 = $1 RETURNING doomed"""


async def update_kept_again(tx: Tx, digest: bytes, moment: datetime) -> bool | None:
    """A message that is kept came again; true: it is being deleted. None: it is not kept."""
    doomed: bool | None = await tx.fetchval(UPDATE_KEPT_AGAIN, digest, moment)
    return doomed


UPSERT_DAY = """
    INSERT INTO raw_message_days (sent_by, day, arrived, kept) VALUES ($1, $2, $3, $3)
    ON CONFLICT (sent_by, day) DO UPDATE
    SET arrived = raw_message_days.arrived + $3, kept = raw_message_days.kept + $3
    RETURNING arrived
"""


async def upsert_day(tx: Tx, sent_by: str, day: date, size: int) -> int:
    """Count bytes that came; returns how many came on that day, these included."""
    return int(await tx.fetchval(UPSERT_DAY, sent_by, day, size))


COUNT_KEPT = """SELECT coalesce(sum(kept), 0)::bigint FROM raw_message_days WHERE sent_by = $1"""


async def count_kept_bytes(tx: Tx, sent_by: str) -> int:
    """Bytes that are kept of what somebody sent."""
    return int(await tx.fetchval(COUNT_KEPT, sent_by))


INSERT_RAW = """
    INSERT INTO raw_messages (sha256, size_bytes, sent_by, day, kept_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (sha256) DO NOTHING
"""


async def insert_raw(tx: Tx, digest: bytes, size: int, sent_by: str, moment: datetime) -> None:
    """Note a message that is to be kept."""
    await tx.execute(INSERT_RAW, digest, size, sent_by, moment.date(), moment)


# What notices whose sender is known name, and mails about them, is not touched.
UPDATE_DOOMED = """
    UPDATE raw_messages SET doomed = true WHERE sha256 IN (
        SELECT r.sha256 FROM raw_messages r
        WHERE r.kept_at < $1 AND ($2::bytea[] IS NULL OR r.sha256 = ANY($2))
          AND NOT EXISTS (SELECT FROM notices n WHERE n.raw_sha256 = r.sha256 AND n.forgotten_at IS NULL)
          AND NOT EXISTS (
            SELECT FROM notice_messages m JOIN notices n ON n.id = m.notice_id
            WHERE m.raw_sha256 = r.sha256 AND n.forgotten_at IS NULL)
        ORDER BY r.kept_at LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING sha256
"""


async def update_doomed(tx: Tx, before: datetime, digests: Sequence[bytes] | None, limit: int) -> list[bytes]:
    """Mark messages that nothing names and that were kept before a moment, of these or of all; returns them."""
    return [row[0] for row in await tx.fetch(UPDATE_DOOMED, before, digests, limit)]


DELETE_DOOMED = """
    WITH gone AS (
        DELETE FROM raw_messages WHERE sha256 = ANY($1::bytea[]) AND doomed RETURNING sent_by, day, size_bytes),
    sums AS (SELECT sent_by, day, sum(size_bytes) AS bytes FROM gone GROUP BY 1, 2)
    UPDATE raw_message_days d SET kept = d.kept - sums.bytes
    FROM sums WHERE (d.sent_by, d.day) = (sums.sent_by, sums.day)
"""
DELETE_OLD_DAYS = """DELETE FROM raw_message_days WHERE day < $1 AND kept <= 0"""


async def delete_doomed(tx: Tx, digests: Sequence[bytes], day: date) -> None:
    """Forget messages whose files are gone, and days before `day` of which nothing is kept."""
    await tx.execute(DELETE_DOOMED, digests)
    await tx.execute(DELETE_OLD_DAYS, day)


LIST_KNOWN = """SELECT sha256 FROM raw_messages WHERE sha256 = ANY($1::bytea[])"""


async def list_known(tx: Tx, digests: Sequence[bytes]) -> set[bytes]:
    """Those of these messages that are kept."""
    return {row[0] for row in await tx.fetch(LIST_KNOWN, digests)}


LIST_RAW_OF = """
    SELECT raw_sha256 FROM notices WHERE id = ANY($1::bigint[]) AND raw_sha256 IS NOT NULL
    UNION SELECT raw_sha256 FROM notice_messages WHERE notice_id = ANY($1::bigint[]) AND raw_sha256 IS NOT NULL
"""


async def list_raw_of(tx: Tx, notice_ids: Sequence[int]) -> list[bytes]:
    """The raw messages of notices, and of mails about them."""
    return [row[0] for row in await tx.fetch(LIST_RAW_OF, notice_ids)]
