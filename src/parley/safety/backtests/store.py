"""The table of backtests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx

INSERT_BACKTEST = """
    INSERT INTO backtests (ruleset, policy_sha256, against, created_by, result) VALUES ($1, $2, $3, $4, $5)
    RETURNING id
"""


async def insert_backtest(
    tx: Tx, ruleset: str, policy_sha256: str, against: str, created_by: int | None, result: Any
) -> int:
    """Keep what a backtest found; returns its id."""
    return int(await tx.fetchval(INSERT_BACKTEST, ruleset, policy_sha256, against, created_by, result))


class BacktestRow(msgspec.Struct, frozen=True):
    """One backtest."""

    id: int
    ruleset: str
    policy_sha256: str
    against: str
    created_at: datetime
    created_by: int | None
    result: dict[str, Any]


GET_BACKTEST = """
    SELECT id, ruleset, policy_sha256, against, created_at, created_by, result FROM backtests WHERE id = $1
"""


async def get_backtest(tx: Tx, backtest_id: int) -> BacktestRow | None:
    """One backtest."""
    row = await tx.fetchrow(GET_BACKTEST, backtest_id)
    return BacktestRow(*row) if row else None
