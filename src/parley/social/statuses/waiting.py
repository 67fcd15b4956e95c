"""How much waits for people: for the operator's page and the metrics, which say nothing of what it is."""

from __future__ import annotations

from parley.kit.db import Tx
from parley.social.accounts.reads import Waiting
from parley.social.statuses import store_waiting


async def count_waiting_statuses(tx: Tx) -> Waiting:
    """Statuses, new ones and edits, that wait for a decision; one query."""
    return Waiting(*await store_waiting.count_waiting(tx))
