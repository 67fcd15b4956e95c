"""The tables of imports: what members bring along, row by row. No rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.social.archives.views import ImportSource, ImportView, RowView

LIST_IMPORTS = """
    SELECT id, account_id, kind, mode, state, file_name, upload, source, visibilities, cleared, total, unknown, done,
        failed, error, created_at, finished_at
    FROM imports WHERE account_id = $1 ORDER BY id DESC LIMIT $2
"""
GET_IMPORT = """
    SELECT id, account_id, kind, mode, state, file_name, upload, source, visibilities, cleared, total, unknown, done,
        failed, error, created_at, finished_at
    FROM imports WHERE id = $1
"""


def _view(row: Any) -> ImportView:
    values = dict(zip(ImportView.__struct_fields__, row, strict=True))
    if values["source"] is not None:
        values["source"] = msgspec.convert(values["source"], ImportSource)
    values["visibilities"] = tuple(values["visibilities"])
    return ImportView(**values)


async def list_imports(tx: Tx, account_id: int, limit: int) -> list[ImportView]:
    """The imports of an account, newest first."""
    return [_view(row) for row in await tx.fetch(LIST_IMPORTS, account_id, limit)]


async def get_import(tx: Tx, import_id: int) -> ImportView | None:
    """One import, whosever."""
    row = await tx.fetchrow(GET_IMPORT, import_id)
    return _view(row) if row else None


LOCK_IMPORTS = """SELECT pg_advisory_xact_lock(hashtextextended('imports ' || $1::bigint, 0))"""
COUNT_OPEN = """
    SELECT count(*), count(*) FILTER (WHERE kind = 'archive') FROM imports
    WHERE account_id = $1 AND state IN ('reading', 'unconfirmed', 'running')
"""


async def count_open(tx: Tx, account_id: int) -> tuple[int, int]:
    """How many imports of an account are open, and how many of them are of archives; nobody else begins one until `tx`
    ends."""
    await tx.execute(LOCK_IMPORTS, account_id)
    row = await tx.fetchrow(COUNT_OPEN, account_id)
    return row[0], row[1]


INSERT_IMPORT = """
    INSERT INTO imports (account_id, kind, mode, state, file_name, upload, total, unknown)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id
"""


async def insert_import(
    tx: Tx,
    account_id: int,
    kind: str,
    mode: str,
    state: str,
    file_name: str,
    *,
    upload: str | None = None,
    total: int = 0,
    unknown: int = 0,
) -> int:
    """Begin an import; returns its id."""
    values = (account_id, kind, mode, state, file_name, upload, total, unknown)
    return int(await tx.fetchval(INSERT_IMPORT, *values))


INSERT_ROWS = """
    INSERT INTO import_rows (import_id, position, data)
    SELECT $1, $2 + place, data FROM unnest($3::jsonb[]) WITH ORDINALITY AS t (data, place)
    ON CONFLICT DO NOTHING
"""


async def insert_rows(tx: Tx, import_id: int, after: int, rows: Sequence[Any]) -> None:
    """Keep rows, counted from `after` + 1; those that are there already stay."""
    await tx.execute(INSERT_ROWS, import_id, after, rows)


DELETE_ROWS = """DELETE FROM import_rows WHERE import_id = $1"""


async def delete_rows(tx: Tx, import_id: int) -> None:
    """Forget every row."""
    await tx.execute(DELETE_ROWS, import_id)


UPDATE_READ = """
    UPDATE imports SET state = 'unconfirmed', source = $2, total = $3, unknown = $4, upload = $5
    WHERE id = $1 AND state = 'reading'
"""


async def update_read(
    tx: Tx, import_id: int, source: ImportSource, *, total: int, unknown: int, upload: str | None
) -> bool:
    """An archive has been read; False when nobody wants it any more."""
    values = (msgspec.to_builtins(source), total, unknown, upload)
    return str(await tx.execute(UPDATE_READ, import_id, *values)) == "UPDATE 1"


UPDATE_RUNNING = """
    UPDATE imports SET state = 'running', mode = $2, visibilities = $3 WHERE id = $1 AND state = 'unconfirmed'
"""


async def update_running(tx: Tx, import_id: int, mode: str, visibilities: Sequence[str]) -> bool:
    """Its owner wants it; False when it does not wait for that."""
    return str(await tx.execute(UPDATE_RUNNING, import_id, mode, list(visibilities))) == "UPDATE 1"


UPDATE_CLEARED = """UPDATE imports SET cleared = true WHERE id = $1"""


async def update_cleared(tx: Tx, import_id: int) -> None:
    """What the file does not name is gone."""
    await tx.execute(UPDATE_CLEARED, import_id)


UPDATE_ENDED = """
    UPDATE imports SET state = $2, error = $3, finished_at = $4, upload = NULL
    WHERE id = $1 AND state IN ('reading', 'unconfirmed', 'running')
"""


async def update_ended(tx: Tx, import_id: int, state: str, moment: datetime, *, error: str | None = None) -> bool:
    """It is over; False when it was already."""
    return str(await tx.execute(UPDATE_ENDED, import_id, state, error, moment)) == "UPDATE 1"


LIST_WAITING = """
    SELECT position, data, reason FROM import_rows
    WHERE import_id = $1 AND state = 'waiting' ORDER BY position LIMIT $2
"""
LIST_FAILURES = """
    SELECT position, data, reason FROM import_rows
    WHERE import_id = $1 AND state = 'failed' ORDER BY position LIMIT $2
"""
LIST_ROWS = """
    SELECT position, data, reason FROM import_rows
    WHERE import_id = $1 AND position > $2 ORDER BY position LIMIT $3
"""


async def list_waiting(tx: Tx, import_id: int, limit: int) -> list[RowView]:
    """The next rows that nothing has been done about."""
    return [RowView(*row) for row in await tx.fetch(LIST_WAITING, import_id, limit)]


async def list_failures(tx: Tx, import_id: int, limit: int) -> list[RowView]:
    """Rows that could not be taken."""
    return [RowView(*row) for row in await tx.fetch(LIST_FAILURES, import_id, limit)]


async def list_rows(tx: Tx, import_id: int, after: int, limit: int) -> list[RowView]:
    """Rows in order, those after `after`."""
    return [RowView(*row) for row in await tx.fetch(LIST_ROWS, import_id, after, limit)]


LOCK_WAITING = """
    SELECT position FROM import_rows WHERE import_id = $1 AND position = $2 AND state = 'waiting' FOR UPDATE
"""


async def lock_waiting(tx: Tx, import_id: int, position: int) -> bool:
    """Whether nothing has been done about this row; nobody else does something until `tx` ends."""
    return await tx.fetchval(LOCK_WAITING, import_id, position) is not None


UPDATE_ROW = """
    WITH changed AS (
        UPDATE import_rows SET state = $3, reason = $4, held = $5
        WHERE import_id = $1 AND position = $2 AND state = 'waiting' RETURNING 1
    )
    UPDATE imports SET done = done + ($3 = 'done')::integer, failed = failed + ($3 = 'failed')::integer
    WHERE id = $1 AND EXISTS (SELECT FROM changed)
"""


async def update_row(
    tx: Tx, import_id: int, position: int, state: str, *, reason: str | None = None, held: bool = False
) -> None:
    """A row is done or failed, and counted as such."""
    await tx.execute(UPDATE_ROW, import_id, position, state, reason, held)


COUNT_HELD = """SELECT count(*) FROM import_rows WHERE import_id = $1 AND held"""


async def count_held(tx: Tx, import_id: int) -> int:
    """How many posts of an import wait for a moderator."""
    return int(await tx.fetchval(COUNT_HELD, import_id))


LIST_IMPORTED = """SELECT source, status_id FROM imported_statuses WHERE account_id = $1 AND source = ANY($2::text[])"""


async def list_imported(tx: Tx, account_id: int, sources: Sequence[str]) -> dict[str, int]:
    """Which statuses these posts of elsewhere became."""
    return {row[0]: row[1] for row in await tx.fetch(LIST_IMPORTED, account_id, sources)}


INSERT_IMPORTED = """INSERT INTO imported_statuses (account_id, source, status_id) VALUES ($1, $2, $3)"""


async def insert_imported(tx: Tx, account_id: int, source: str, status_id: int) -> None:
    """Remember what a post of elsewhere became; UniqueViolation when it is here already."""
    await tx.execute(INSERT_IMPORTED, account_id, source, status_id)


LIST_FORGOTTEN = """
    SELECT id, account_id, kind, mode, state, file_name, upload, source, visibilities, cleared, total, unknown, done,
        failed, error, created_at, finished_at
    FROM imports WHERE state = 'unconfirmed' AND created_at < $1 LIMIT $2
"""


async def list_forgotten(tx: Tx, before: datetime, limit: int) -> list[ImportView]:
    """Imports of before then that their owners never confirmed."""
    return [_view(row) for row in await tx.fetch(LIST_FORGOTTEN, before, limit)]


DELETE_OLD_IMPORTS = """DELETE FROM imports WHERE created_at < $1 AND state NOT IN ('reading', 'running')"""


async def delete_old_imports(tx: Tx, before: datetime) -> None:
    """Forget imports, with their rows."""
    await tx.execute(DELETE_OLD_IMPORTS, before)


# Which of its rows an archive import is to take: the others were never asked for.
DELETE_UNWANTED = """
    WITH gone AS (
        DELETE FROM import_rows WHERE import_id = $1 AND data ->> 'visibility' <> ALL($2::text[]) RETURNING 1
    )
    UPDATE imports SET total = total - (SELECT count(*) FROM gone) WHERE id = $1
"""


async def delete_unwanted(tx: Tx, import_id: int, visibilities: Sequence[str]) -> None:
    """Forget posts of other visibilities than these."""
    await tx.execute(DELETE_UNWANTED, import_id, list(visibilities))
