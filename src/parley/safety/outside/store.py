"""The table of how often the outside model was asked."""

from __future__ import annotations

from datetime import date

import msgspec

from parley.kit.db import Tx


class CallsRow(msgspec.Struct, frozen=True):
    """One day."""

    day: date
    calls: int
    failures: int
    raised: int


UPSERT_CALL = """
    INSERT INTO outside_calls AS c (day, calls) VALUES ($1, 1)
    ON CONFLICT (day) DO UPDATE SET calls = c.calls + 1 WHERE c.calls < $2
    RETURNING calls
"""


async def upsert_call(tx: Tx, day: date, budget: int) -> bool:
    """Count one more call of this day; False when the budget is spent."""
    return budget > 0 and await tx.fetchval(UPSERT_CALL, day, budget) is not None


UPDATE_OUTCOME = """
    UPDATE outside_calls SET failures = failures + $2, raised = raised + $3 WHERE day = $1
"""


async def update_outcome(tx: Tx, day: date, *, failed: bool = False, raised: bool = False) -> None:
    """Count what came of a call."""
    await tx.execute(UPDATE_OUTCOME, day, int(failed), int(raised))


LIST_CALLS = """SELECT day, calls, failures, raised FROM outside_calls ORDER BY day DESC LIMIT $1"""


async def list_calls(tx: Tx, limit: int) -> list[CallsRow]:
    """The last days, newest first."""
    return [CallsRow(*row) for row in await tx.fetch(LIST_CALLS, limit)]
