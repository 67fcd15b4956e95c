"""The words of status revisions, for judging them again: many at once, whatever their state."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx


class JudgedRow(msgspec.Struct, frozen=True):
    """The words of one revision of a status."""

    status_id: int
    revision: int
    text: str
    content_type: str
    html: str
    spoiler_text: str
    media_descriptions: list[str]
    poll_options: list[str] | None
    visibility: str


LIST_JUDGED = """
    SELECT r.status_id, r.revision, r.text, r.content_type,
        CASE WHEN r.content_type = 'text/markdown' THEN r.html ELSE '' END,
        r.spoiler_text, r.media_descriptions, r.poll_options, s.visibility::text
    FROM unnest($1::bigint[], $2::integer[]) AS named (status_id, revision)
    JOIN status_revisions r ON r.status_id = named.status_id AND r.revision = named.revision
    JOIN statuses s ON s.id = r.status_id
"""


async def list_judged(tx: Tx, named: Sequence[tuple[int, int]]) -> list[JudgedRow]:
    """The words of these revisions (status, revision), in no order; missing ones are left out."""
    rows = await tx.fetch(LIST_JUDGED, [pair[0] for pair in named], [pair[1] for pair in named])
    return [JudgedRow(*row) for row in rows]


GET_SCREENING_ID = """SELECT screening_id FROM status_revisions WHERE status_id = $1 AND revision = $2"""


async def get_screening_id(tx: Tx, status_id: int, revision: int) -> int | None:
    """The newest result of screening of one revision."""
    found = await tx.fetchval(GET_SCREENING_ID, status_id, revision)
    return None if found is None else int(found)


UPDATE_REVISION_STATE = """UPDATE status_revisions SET state = $3 WHERE status_id = $1 AND revision = $2"""


async def update_revision_state(tx: Tx, status_id: int, revision: int, state: str) -> None:
    """Whether others may read one revision in the history."""
    await tx.execute(UPDATE_REVISION_STATE, status_id, revision, state)


LIST_REVISION_MEDIA = """
    SELECT r.status_id, r.revision, r.media_ids
    FROM unnest($1::bigint[], $2::integer[]) AS named (status_id, revision)
    JOIN status_revisions r ON r.status_id = named.status_id AND r.revision = named.revision
"""


async def list_revision_media(tx: Tx, named: Sequence[tuple[int, int]]) -> dict[tuple[int, int], list[int]]:
    """The attachments of revisions (status, revision), in order."""
    rows = await tx.fetch(LIST_REVISION_MEDIA, [pair[0] for pair in named], [pair[1] for pair in named])
    return {(row[0], row[1]): list(row[2]) for row in rows}


LIST_CARRYING = """
    SELECT s.subject_type, r.status_id, r.revision
    FROM status_revisions r JOIN screening_results s ON s.id = r.screening_id
    WHERE r.status_id = ANY($1) AND r.media_ids && $2::bigint[]
    ORDER BY r.status_id, r.revision
"""


async def list_carrying(tx: Tx, status_ids: Sequence[int], media_ids: Sequence[int]) -> list[tuple[str, int, int]]:
    """As what they were judged, status and revision of those revisions of statuses that carry one of the files."""
    return [(row[0], row[1], row[2]) for row in await tx.fetch(LIST_CARRYING, status_ids, media_ids)]
