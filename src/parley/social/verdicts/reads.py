"""Reading stored results. Callers show them to the author or to moderators only."""

from __future__ import annotations

from parley.kit.db import Tx
from parley.social.verdicts import store
from parley.social.verdicts.store import ResultRow


async def get_results(tx: Tx, ids: list[int]) -> dict[int, ResultRow]:
    """Results by id; missing ids are left out."""
    return await store.get_results(tx, ids) if ids else {}
