"""Writing to the moderation log. The entry comes before the rows that it is about, in the same transaction.

The database refuses a change of the desk's tables for which the transaction has no entry (migrations/0018), adds what
was changed to the log by itself, and chains everything when the transaction commits. Nothing here may change an entry.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.safety.log import store
from parley.safety.log.views import Actor, Subject

_canonical = msgspec.json.Encoder(order="sorted")


async def append_event(
    tx: Tx, actor: Actor, type: str, *, case_id: int | None = None, subject: Subject | None = None, **payload: Any
) -> int:
    """Append what `actor` does to the log; returns the entry's id.

    `type` is a past-tense name such as `case_opened`. `payload` holds ids and small values, never what people wrote:
    the log is never shortened, so what must be forgettable does not belong in it (name its SHA-256 instead).
    Every change of the desk's rows that follows in `tx` is logged as caused by this entry, until the next one.
    """
    body = {
        "type": type,
        "at": now(),
        "actor": msgspec.to_builtins(actor),
        "case_id": str(case_id) if case_id is not None else None,
        "subject": {**msgspec.to_builtins(subject), "id": str(subject.id)} if subject else None,
        "payload": payload,
    }
    return await store.insert_event(tx, type, actor, case_id, subject, _canonical.encode(body).decode())


@asynccontextmanager
async def keep_cause(tx: Tx) -> AsyncIterator[None]:
    """What changes after the block is logged as caused by the entry before it, whatever was appended inside.

    For rooms below that log on their own account in the middle of somebody else's action.
    """
    before = await store.get_cause(tx)
    yield
    await store.update_cause(tx, before)
