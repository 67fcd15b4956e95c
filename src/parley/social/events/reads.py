"""Reading the log of facts: counts for those who are shown them. Never a single fact for a person to see."""

from __future__ import annotations

from datetime import date

from parley.kit.db import Tx
from parley.social.events import store


async def count_activity_by_week(tx: Tx, after_id: int, before_id: int) -> list[tuple[date, str, int]]:
    """Week (its Monday), fact (StatusPosted, AccountCreated, SecurityChanged for a sign-in) and how many."""
    return await store.count_by_week(tx, after_id, before_id)
