"""What was done about the host, as those who run the instance see it: the last snapshots and drills."""

from __future__ import annotations

from typing import Any, Literal

from parley.hosting import store
from parley.hosting.store import RecordRow
from parley.kit.db import Tx

Kind = Literal["snapshot", "drill"]


async def note_record(tx: Tx, kind: Kind, detail: dict[str, Any], *, ok: bool, seconds: float = 0.0) -> None:
    """Note that a snapshot was made or a drill held, or, with an `error` in `detail`, that it failed."""
    await store.insert_record(tx, kind, ok, seconds, detail)


async def get_last_records(tx: Tx) -> list[RecordRow]:
    """The last of each kind that went well, and the last that did not."""
    return await store.list_last_records(tx)


__all__ = ["Kind", "RecordRow", "get_last_records", "note_record"]
