"""Folding the log's changes of rows into the rows that there must be: what a table is, were it made from the log alone.

Memory is bounded: rows go into a temporary database of SQLite's, which spills to disk by itself. Knows no table by
name.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MOST_CACHED = 50_000
"""How many rows are held before they are written out."""

Key = tuple[str, int]

CREATE_KEPT = """CREATE TABLE kept (t TEXT, id INTEGER, r TEXT, PRIMARY KEY (t, id)) WITHOUT ROWID"""
GET_ROW = """SELECT r FROM kept WHERE t = ? AND id = ?"""
LIST_ROWS = """SELECT id, r FROM kept WHERE t = ? ORDER BY id"""
LIST_TABLES = """SELECT DISTINCT t FROM kept ORDER BY t"""
COUNT_ROWS = """SELECT count(*) FROM kept WHERE t = ?"""
DELETE_ROW = """DELETE FROM kept WHERE t = ? AND id = ?"""
UPSERT_ROW = """INSERT OR REPLACE INTO kept VALUES (?, ?, ?)"""


class BadChange(Exception):
    """A change that cannot have happened: of a row that was never made, or making one twice."""


class Fold:
    """The rows of every table, as the log makes them."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA cache_size = -65536")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(CREATE_KEPT)
        self._cache: dict[Key, dict[str, Any] | None] = {}

    def close(self) -> None:
        """Forget everything."""
        self._db.close()

    def apply(self, table: str, row_id: int, op: str, changed: Mapping[str, Any]) -> None:
        """Let one entry take effect. Raises BadChange."""
        key = (table, row_id)
        if op == "insert":
            self._cache[key] = dict(changed)
        elif op == "delete":
            self._cache[key] = None
        else:
            row = self.get(table, row_id)
            if row is None:
                raise BadChange(f"row {row_id} of {table} is changed, but the log never made it")
            row.update(changed)
            self._cache[key] = row
        if len(self._cache) > MOST_CACHED:
            self._flush()

    def get(self, table: str, row_id: int) -> dict[str, Any] | None:
        """One row as the log makes it; None when there is none."""
        key = (table, row_id)
        if key in self._cache:
            return self._cache[key]
        found = self._db.execute(GET_ROW, key).fetchone()
        row: dict[str, Any] | None = json.loads(found[0]) if found else None
        return row

    def _flush(self) -> None:
        gone = [key for key, row in self._cache.items() if row is None]
        rows = ((*key, json.dumps(row, ensure_ascii=False)) for key, row in self._cache.items() if row is not None)
        self._db.execute("BEGIN")
        self._db.executemany(DELETE_ROW, gone)
        self._db.executemany(UPSERT_ROW, rows)
        self._db.execute("COMMIT")
        self._cache.clear()

    def count(self, table: str) -> int:
        """How many rows of a table there are."""
        self._flush()
        return int(self._db.execute(COUNT_ROWS, (table,)).fetchone()[0])

    def tables(self) -> list[str]:
        """Every table that has rows."""
        self._flush()
        return [row[0] for row in self._db.execute(LIST_TABLES)]

    def rows(self, table: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows of a table, by id."""
        self._flush()
        for row_id, text in self._db.execute(LIST_ROWS, (table,)):
            yield row_id, json.loads(text)


def steady(row: Mapping[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    """A row by the columns that its table has now; what is empty is left out, as a column that came later is."""
    return {name: row[name] for name in columns if row.get(name) is not None}


class RowDigest:
    """One SHA-256 over the rows of a table in order of their ids: what an export tells of it."""

    def __init__(self) -> None:
        self.count = 0
        self.columns: list[str] = []
        self._digest = hashlib.sha256()

    def add(self, row_id: int, row: Mapping[str, Any]) -> None:
        """Add the next row. Every row of a table has the same columns; the first one says which."""
        if not self.count:
            self.columns = sorted(row)
        text = json.dumps(steady(row, self.columns), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        self._digest.update(f"{row_id}\n{text}\n".encode())
        self.count += 1

    @property
    def hexdigest(self) -> str:
        """The hash over all rows so far."""
        return self._digest.hexdigest()
