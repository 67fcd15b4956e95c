"""The tables of sweeps over what carries certain files: what is looked for, what was found, what is judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from parley.kit.db import Tx

LIST_JOINABLE = """
    SELECT id FROM sweeps
    WHERE scope = 'files' AND ruleset = $1 AND state IN ('planned', 'counted') ORDER BY id LIMIT 1 FOR UPDATE
"""


async def get_joinable(tx: Tx, ruleset: str) -> int | None:
    """A sweep over files, under this ruleset, that nobody has approved yet; locked."""
    found: int | None = await tx.fetchval(LIST_JOINABLE, ruleset)
    return found


LOCK_PLANNING = """SELECT pg_advisory_xact_lock(hashtextextended('sweeps over files', 0))"""


async def lock_planning(tx: Tx) -> None:
    """Let one transaction at a time plan sweeps over files: what comes together makes one sweep."""
    await tx.execute(LOCK_PLANNING)


class SpanRow(msgspec.Struct, frozen=True):
    """Rows of a bank whose like is looked for; everything up to `cursor` has been."""

    bank_id: int
    first_id: int
    last_id: int
    cursor: int
    walked: int


INSERT_SPAN = """
    INSERT INTO sweep_spans (sweep_id, bank_id, first_id, last_id, cursor) VALUES ($1, $2, $3, $4, $3::bigint - 1)
    ON CONFLICT DO NOTHING
"""
GET_SPAN = """
    SELECT bank_id, first_id, last_id, cursor, walked FROM sweep_spans
    WHERE sweep_id = $1 AND cursor < last_id ORDER BY first_id LIMIT 1
"""
UPDATE_SPAN = """
    UPDATE sweep_spans SET cursor = $5, walked = $6
    WHERE sweep_id = $1 AND bank_id = $2 AND first_id = $3 AND last_id = $4 AND cursor = $7 AND walked = $8
    RETURNING true
"""


async def insert_span(tx: Tx, sweep_id: int, bank_id: int, first_id: int, last_id: int) -> None:
    """Let the like of these rows of a bank be looked for."""
    await tx.execute(INSERT_SPAN, sweep_id, bank_id, first_id, last_id)


async def get_span(tx: Tx, sweep_id: int) -> SpanRow | None:
    """What is still to be looked for; None when everything was."""
    row = await tx.fetchrow(GET_SPAN, sweep_id)
    return SpanRow(*row) if row else None


async def update_span(tx: Tx, sweep_id: int, span: SpanRow, cursor: int, walked: int = 0) -> bool:
    """Everything up to `cursor` has been looked for, and what follows among the files up to `walked`; False when
    somebody else went on in the meantime."""
    key = (span.bank_id, span.first_id, span.last_id)
    return bool(await tx.fetchval(UPDATE_SPAN, sweep_id, *key, cursor, walked, span.cursor, span.walked))


class FoundRow(msgspec.Struct, frozen=True):
    """A file that was found, with what the banks knew of it before and know now."""

    file: str
    media_id: int | None
    account_id: int | None
    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    hidden: list[str]


INSERT_FILE = """
    INSERT INTO sweep_files (sweep_id, file, media_id, account_id, before, after, hidden)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (sweep_id, file) DO UPDATE SET after = excluded.after, hidden = sweep_files.hidden || excluded.hidden
"""
LIST_FILES = """
    SELECT file, media_id, account_id, before, after, hidden FROM sweep_files
    WHERE sweep_id = $1 AND file > $2 ORDER BY file LIMIT $3
"""


async def insert_file(
    tx: Tx,
    sweep_id: int,
    file: str,
    place: tuple[int | None, int | None],
    matches: tuple[Sequence[Any], Sequence[Any]],
    hidden: list[str],
) -> None:
    """Note a file that was found; `place` is attachment and account, `matches` before and after."""
    await tx.execute(INSERT_FILE, sweep_id, file, *place, *matches, hidden)


async def list_files(tx: Tx, sweep_id: int, after: str, limit: int) -> list[FoundRow]:
    """Files that were found, by name."""
    return [FoundRow(*row) for row in await tx.fetch(LIST_FILES, sweep_id, after, limit)]


# Whoever adds holds the sweep's row, so that places follow one another.
INSERT_SUBJECTS = """
    INSERT INTO sweep_subjects (sweep_id, place, subject_type, subject_id, revision)
    SELECT $1, (SELECT coalesce(max(place), 0) FROM sweep_subjects WHERE sweep_id = $1)
            + row_number() OVER (ORDER BY at), subject_type, subject_id, revision
    FROM unnest($2::text[], $3::bigint[], $4::integer[]) WITH ORDINALITY
        AS given (subject_type, subject_id, revision, at)
    WHERE NOT EXISTS (
        SELECT FROM sweep_subjects s WHERE s.sweep_id = $1 AND s.subject_type = given.subject_type
            AND s.subject_id = given.subject_id AND s.revision = given.revision)
"""
COUNT_SUBJECTS = """SELECT coalesce(max(place), 0) FROM sweep_subjects WHERE sweep_id = $1"""


async def insert_subjects(tx: Tx, sweep_id: int, named: Sequence[tuple[str, int, int]]) -> None:
    """Add revisions (type, id, revision) to a sweep's list, each once."""
    columns = [list(column) for column in zip(*dict.fromkeys(named), strict=True)]
    await tx.execute(INSERT_SUBJECTS, sweep_id, *columns)


async def count_subjects(tx: Tx, sweep_id: int) -> int:
    """How many revisions are on a sweep's list: its last place."""
    return int(await tx.fetchval(COUNT_SUBJECTS, sweep_id))


# A share of 1 takes all; otherwise by chance, the same ones for the same sweep.
LIST_SUBJECTS = """
    SELECT place, subject_type, subject_id, revision FROM sweep_subjects
    WHERE sweep_id = $1 AND place > $2 AND place <= $3
      AND ($5::double precision >= 1 OR
           ('x' || substr(md5($1::text || place::text), 1, 8))::bit(32)::bigint < $5::double precision * 4294967296)
    ORDER BY place LIMIT $4
"""


async def list_subjects(
    tx: Tx, sweep_id: int, after: int, until: int, limit: int, share: float
) -> list[tuple[int, str, int, int]]:
    """Place, type, id and revision of what is on a sweep's list, with after < place <= until."""
    return [tuple(row) for row in await tx.fetch(LIST_SUBJECTS, sweep_id, after, until, limit, share)]


INSERT_SPANS_OF = """
    INSERT INTO sweep_spans (sweep_id, bank_id, first_id, last_id, cursor, walked)
    SELECT $2, bank_id, first_id, last_id, cursor, walked FROM sweep_spans WHERE sweep_id = $1 AND cursor < last_id
    ON CONFLICT DO NOTHING
"""
INSERT_FILES_OF = """
    INSERT INTO sweep_files (sweep_id, file, media_id, account_id, before, after)
    SELECT $2, file, media_id, account_id, before, after FROM sweep_files WHERE sweep_id = $1
    ON CONFLICT DO NOTHING
"""
INSERT_SUBJECTS_OF = """
    INSERT INTO sweep_subjects (sweep_id, place, subject_type, subject_id, revision)
    SELECT $2, (SELECT coalesce(max(place), 0) FROM sweep_subjects WHERE sweep_id = $2)
            + row_number() OVER (ORDER BY o.place), o.subject_type, o.subject_id, o.revision
    FROM sweep_subjects o
    WHERE o.sweep_id = $1 AND o.place > $3 AND NOT EXISTS (
        SELECT FROM sweep_subjects s WHERE s.sweep_id = $2 AND s.subject_type = o.subject_type
            AND s.subject_id = o.subject_id AND s.revision = o.revision)
"""


async def insert_rest_of(tx: Tx, old_id: int, new_id: int, after_place: int) -> None:
    """Hand on to another sweep what one has not looked for, and not judged, yet."""
    await tx.execute(INSERT_SPANS_OF, old_id, new_id)
    await tx.execute(INSERT_FILES_OF, old_id, new_id)
    await tx.execute(INSERT_SUBJECTS_OF, old_id, new_id, after_place)
