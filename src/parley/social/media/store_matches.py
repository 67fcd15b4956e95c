"""The tables of our own files' hashes, of what was found in them and taken out of sight. No rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx

INSERT_MEDIA_HASHES = """
    INSERT INTO media_hashes (file, media_id, account_id, kind, hash, quality, second)
    SELECT $1, $2, $3, kind, hash, quality, second
    FROM unnest($4::text[], $5::bytea[], $6::smallint[], $7::real[]) AS given (kind, hash, quality, second)
"""


async def insert_media_hashes(
    tx: Tx,
    file: str,
    hashes: Sequence[tuple[str, bytes, int, float | None]],
    *,
    media_id: int | None,
    account_id: int | None,
) -> None:
    """Keep the hashes of one stored file: kind, hash, quality, second (of a frame)."""
    if hashes:
        columns = [list(column) for column in zip(*hashes, strict=True)]
        await tx.execute(INSERT_MEDIA_HASHES, file, media_id, account_id, *columns)


class LikeRow(msgspec.Struct, frozen=True):
    """A file of ours that is like a hash."""

    file: str
    media_id: int | None
    status_id: int | None
    account_id: int | None
    kind: str
    distance: int
    form: int
    second: float | None


LIST_LIKE = """
    SELECT h.file, h.media_id, m.status_id, h.account_id, h.kind, near.distance, near.form, h.second
    FROM (SELECT DISTINCT id FROM media_hashes_by_bands($1::integer[]) AS by_bands (id)) found
    JOIN media_hashes h ON h.id = found.id
    LEFT JOIN media m ON m.id = h.media_id,
    LATERAL (
        SELECT pdq_distance(h.hash, asked) AS distance, place - 1 AS form
        FROM unnest($2::bytea[]) WITH ORDINALITY AS given (asked, place)
        ORDER BY 1, 2 LIMIT 1
    ) near
    WHERE h.quality >= $4 AND near.distance <= $3
    ORDER BY h.id
"""


async def list_like(
    tx: Tx, bands: Sequence[int], forms: Sequence[bytes], distance: int, least_quality: int
) -> list[LikeRow]:
    """Files of ours with a picture or frame within `distance` bits of one of `forms`, whose bands are `bands`."""
    return [LikeRow(*row) for row in await tx.fetch(LIST_LIKE, bands, forms, distance, least_quality)]


LIST_SAME = """
    SELECT h.file, h.media_id, m.status_id, h.account_id, h.kind, 0, 0, h.second
    FROM media_hashes h LEFT JOIN media m ON m.id = h.media_id
    WHERE h.hash = ANY($1) AND h.kind IN ('md5', 'sha1', 'sha256')
    UNION ALL
    SELECT h.file, h.media_id, m.status_id, h.account_id, h.kind, 0, 0, h.second
    FROM media_hashes h LEFT JOIN media m ON m.id = h.media_id
    WHERE h.hash = ANY($2) AND h.kind = 'audio'
"""


async def list_same(tx: Tx, hashes: Sequence[bytes], sounds: Sequence[bytes]) -> list[LikeRow]:
    """Files of ours with exactly one of these hashes; `sounds` are hashes of sound tracks."""
    return [LikeRow(*row) for row in await tx.fetch(LIST_SAME, hashes, sounds)]


class WalkedRow(msgspec.Struct, frozen=True):
    """A hash of one of our pictures or frames."""

    id: int
    file: str
    media_id: int | None
    account_id: int | None
    hash: bytes
    second: float | None


LIST_WALKED = """
    SELECT id, file, media_id, account_id, hash, second FROM media_hashes
    WHERE id > $1 AND kind IN ('pdq', 'frame') AND quality >= $3 ORDER BY id LIMIT $2
"""


async def list_walked(tx: Tx, after: int, limit: int, least_quality: int) -> list[WalkedRow]:
    """Hashes of our pictures and frames, in the order of their ids."""
    return [WalkedRow(*row) for row in await tx.fetch(LIST_WALKED, after, limit, least_quality)]


COUNT_AT_MOST = """SELECT coalesce(max(id) - min(id) + 1, 0) FROM media_hashes"""


async def count_at_most(tx: Tx) -> int:
    """How many hashes of our files there can be, without counting them."""
    return int(await tx.fetchval(COUNT_AT_MOST))


LIST_FILE_HASHES = """
    SELECT kind, hash, quality, second FROM media_hashes WHERE file = $1 AND media_id IS NULL ORDER BY id
"""


async def list_file_hashes(tx: Tx, file: str) -> list[tuple[str, bytes, int, float | None]]:
    """What was hashed of a profile picture or an emoji."""
    return [tuple(row) for row in await tx.fetch(LIST_FILE_HASHES, file)]


HAS_MEDIA_HASHES = """SELECT EXISTS (SELECT FROM media_hashes)"""


async def has_media_hashes(tx: Tx) -> bool:
    """Whether any file of ours was hashed."""
    return bool(await tx.fetchval(HAS_MEDIA_HASHES))


LIST_MEDIA_HASHES = """
    SELECT kind, hash, quality, second FROM media_hashes WHERE media_id = $1 ORDER BY id
"""


async def list_media_hashes(tx: Tx, media_id: int) -> list[tuple[str, bytes, int, float | None]]:
    """What was hashed of an attachment."""
    return [tuple(row) for row in await tx.fetch(LIST_MEDIA_HASHES, media_id)]


UPDATE_JUDGED = """
    UPDATE media SET matches = $2, image_text = $3, file_screening_id = $4, updated_at = now() WHERE id = $1
"""


async def update_judged(tx: Tx, media_id: int, matches: Any, image_text: str, screening_id: int | None) -> None:
    """Keep what was found in the file, and the result of judging it."""
    await tx.execute(UPDATE_JUDGED, media_id, matches, image_text, screening_id)


UPDATE_MATCHES = """UPDATE media SET matches = $2, updated_at = now() WHERE id = $1"""


async def update_matches(tx: Tx, media_id: int, matches: Any) -> None:
    """Keep what the banks know of a file now."""
    await tx.execute(UPDATE_MATCHES, media_id, matches)


GET_LOCKED_MATCHES = """SELECT matches FROM media WHERE id = $1 FOR NO KEY UPDATE"""


async def get_locked_matches(tx: Tx, media_id: int) -> list[dict[str, Any]] | None:
    """What the banks were found to know of an attachment, which is locked from now on; None when it is gone."""
    found: list[dict[str, Any]] | None = await tx.fetchval(GET_LOCKED_MATCHES, media_id)
    return found


GET_FILE_RESULT = """SELECT file_screening_id FROM media WHERE id = $1"""
UPDATE_FILE_RESULT = """UPDATE media SET file_screening_id = $2 WHERE id = $1"""


async def get_file_result(tx: Tx, media_id: int) -> int | None:
    """The result of judging the file of an attachment by itself."""
    found: int | None = await tx.fetchval(GET_FILE_RESULT, media_id)
    return found


async def update_file_result(tx: Tx, media_id: int, screening_id: int | None) -> None:
    """Another result of judging the file by itself."""
    await tx.execute(UPDATE_FILE_RESULT, media_id, screening_id)


UPDATE_WAITING = """
    UPDATE media SET waiting = waiting || to_jsonb($2::bigint) WHERE id = ANY($1) AND state = 'processing' RETURNING id
"""


async def update_waiting(tx: Tx, media_ids: Sequence[int], screening_id: int) -> list[int]:
    """Let a revision's result wait for those of the files that are still being processed; returns their ids."""
    return [row[0] for row in await tx.fetch(UPDATE_WAITING, media_ids, screening_id)]


UPDATE_WAITED = """
    UPDATE media m SET waiting = '[]' FROM media old
    WHERE m.id = $1 AND old.id = m.id AND m.waiting <> '[]' RETURNING old.waiting
"""


async def update_waited(tx: Tx, media_id: int) -> list[int]:
    """Take the results that waited for this file."""
    waiting = await tx.fetchval(UPDATE_WAITED, media_id)
    return [int(one) for one in waiting or ()]


INSERT_EVIDENCE = """
    INSERT INTO media_evidence (account_id, media_id, origin, outcome, clause, matches, screening_id, evidence_file,
        sha256, size_bytes, mime_type)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    RETURNING id
"""


async def insert_evidence(
    tx: Tx,
    whose: tuple[int | None, int | None, str],
    verdict: tuple[str, str | None, Any, int | None],
    file: tuple[str, bytes, int, str],
) -> int:
    """Note a file that is kept out of sight. `whose`: account, attachment, origin; `verdict`: outcome, clause, matches,
    result; `file`: name among the evidence, SHA-256, bytes, MIME type."""
    return int(await tx.fetchval(INSERT_EVIDENCE, *whose, *verdict, *file))


HAS_EVIDENCE = """SELECT EXISTS (SELECT FROM media_evidence WHERE media_id = $1 AND screening_id = $2)"""


async def has_evidence(tx: Tx, media_id: int, screening_id: int) -> bool:
    """Whether an attachment's file was kept because of this result."""
    return bool(await tx.fetchval(HAS_EVIDENCE, media_id, screening_id))


class EvidenceRow(msgspec.Struct, frozen=True):
    """A file that is kept out of sight."""

    id: int
    account_id: int | None
    media_id: int | None
    origin: str
    outcome: str
    clause: str | None
    matches: list[dict[str, Any]]
    evidence_file: str
    sha256: bytes
    size_bytes: int
    mime_type: str
    created_at: datetime
    purged_at: datetime | None
    """When the file was deleted, its time being over."""


LIST_EVIDENCE = """
    SELECT id, account_id, media_id, origin, outcome, clause, matches, evidence_file, sha256, size_bytes, mime_type,
        created_at, purged_at
    FROM media_evidence WHERE $1::bigint IS NULL OR id = $1
    ORDER BY id DESC LIMIT $2
"""


async def list_evidence(tx: Tx, evidence_id: int | None, limit: int) -> list[EvidenceRow]:
    """The newest, or the one with that id."""
    return [EvidenceRow(*row) for row in await tx.fetch(LIST_EVIDENCE, evidence_id, limit)]


UPDATE_EVIDENCE_PURGED = """
    UPDATE media_evidence SET purged_at = $2 WHERE id = ANY($1::bigint[]) AND purged_at IS NULL RETURNING evidence_file
"""


async def update_evidence_purged(tx: Tx, ids: Sequence[int], moment: datetime) -> list[str]:
    """Files that are not kept any more; returns their names."""
    return sorted({row[0] for row in await tx.fetch(UPDATE_EVIDENCE_PURGED, list(ids), moment)})


HAS_EVIDENCE_FILE = """
    SELECT EXISTS (SELECT FROM media_evidence WHERE evidence_file = $1 AND purged_at IS NULL)
"""


async def has_evidence_file(tx: Tx, name: str) -> bool:
    """Whether a file among the evidence is kept."""
    return bool(await tx.fetchval(HAS_EVIDENCE_FILE, name))


INSERT_OPENING = """
    INSERT INTO media_evidence_openings (evidence_id, account_id, reason) VALUES ($1, $2, $3)
"""


async def insert_opening(tx: Tx, evidence_id: int, account_id: int | None, reason: str) -> None:
    """Note that somebody opens a file that is kept out of sight, and why."""
    await tx.execute(INSERT_OPENING, evidence_id, account_id, reason)


LIST_OPENINGS = """
    SELECT account_id, reason, opened_at FROM media_evidence_openings WHERE evidence_id = $1 ORDER BY id
"""


async def list_openings(tx: Tx, evidence_id: int) -> list[tuple[int | None, str, datetime]]:
    """Who opened it, why and when."""
    return [tuple(row) for row in await tx.fetch(LIST_OPENINGS, evidence_id)]
