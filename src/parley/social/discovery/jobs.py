"""Keeping what search looks through in step with what is published."""

from __future__ import annotations

from typing import Any

from parley.kit.instance import Instance
from parley.social.discovery import store


async def index_status(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusPosted and StatusEdited: its words can be found."""
    async with instance.db.write() as tx:
        await store.upsert_words(tx, payload["status_id"])


async def unindex_status(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusDeleted: they cannot (reading has left the status out already)."""
    async with instance.db.write() as tx:
        await store.delete_words(tx, payload["status_id"])
