"""Idempotency tokens: a report that is sent twice because an answer was lost is one report, for a day."""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.safety.notices import store
from parley.safety.notices.store import TokenRow

GOOD_FOR = timedelta(hours=24)


async def find_token(tx: Tx, provider_id: int, token: str) -> TokenRow | None:
    """What a token was used for within 24 hours. Two requests with the same token go one after the other."""
    return await store.lock_token(tx, provider_id, token, now() - GOOD_FOR)


async def keep_token(tx: Tx, provider_id: int, token: str, body_sha256: bytes, notice_id: int) -> None:
    """Remember what a token was used for."""
    await store.upsert_token(tx, provider_id, token, body_sha256, notice_id, now())
