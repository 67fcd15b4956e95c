"""Descriptions of media by revision, for judging them again and for what follows from that."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx

LIST_JUDGED = """
    SELECT d.media_id, d.revision, d.description
    FROM unnest($1::bigint[], $2::integer[]) AS named (media_id, revision)
    JOIN media_descriptions d ON d.media_id = named.media_id AND d.revision = named.revision
"""


async def list_judged(tx: Tx, named: Sequence[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Descriptions by media and revision; missing ones are left out."""
    rows = await tx.fetch(LIST_JUDGED, [pair[0] for pair in named], [pair[1] for pair in named])
    return {(row[0], row[1]): row[2] for row in rows}


class SweptRow(msgspec.Struct, frozen=True):
    """One revision of a description, locked with its attachment."""

    held: bool
    sentence: str
    screening_id: int


GET_SWEPT = """
    SELECT d.held, d.sentence, d.screening_id
    FROM media m JOIN media_descriptions d ON d.media_id = m.id AND d.revision = $2
    WHERE m.id = $1 FOR NO KEY UPDATE OF m, d
"""


async def get_swept(tx: Tx, media_id: int, revision: int) -> SweptRow | None:
    """A revision of a description, locked until the transaction ends."""
    row = await tx.fetchrow(GET_SWEPT, media_id, revision)
    return SweptRow(*row) if row else None


UPDATE_SWEPT = """
    UPDATE media_descriptions SET held = $3, sentence = $4, screening_id = $5 WHERE media_id = $1 AND revision = $2
"""
# What readers see is the newest revision that is not held.
UPDATE_SHOWN = """
    UPDATE media m SET updated_at = now(),
        description = coalesce(
            (SELECT d.description FROM media_descriptions d WHERE d.media_id = m.id AND NOT d.held
             ORDER BY d.revision DESC LIMIT 1), '')
    WHERE m.id = $1
"""


async def update_swept(tx: Tx, media_id: int, revision: int, row: SweptRow) -> None:
    """What another verdict says of one revision, and with it what readers see."""
    await tx.execute(UPDATE_SWEPT, media_id, revision, row.held, row.sentence, row.screening_id)
    await tx.execute(UPDATE_SHOWN, media_id)


GET_NEWEST = """SELECT revision, held FROM media_descriptions WHERE media_id = $1 ORDER BY revision DESC LIMIT 1"""


async def get_newest(tx: Tx, media_id: int) -> tuple[int, bool] | None:
    """The newest revision of a description, and whether it is held."""
    row = await tx.fetchrow(GET_NEWEST, media_id)
    return (row[0], row[1]) if row else None


LIST_HELD = """
    SELECT d.media_id FROM unnest($1::bigint[], $2::integer[]) AS named (media_id, revision)
    JOIN media_descriptions d ON d.media_id = named.media_id AND d.revision = named.revision
    WHERE d.held
"""


async def list_held(tx: Tx, named: Sequence[tuple[int, int]]) -> list[int]:
    """Those of these revisions of descriptions (media, revision) that are held."""
    return [row[0] for row in await tx.fetch(LIST_HELD, [one[0] for one in named], [one[1] for one in named])]
