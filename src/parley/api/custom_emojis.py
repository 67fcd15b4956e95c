"""Custom emoji: https://docs.joinmastodon.org/methods/custom_emojis/"""

from __future__ import annotations

from typing import Any

from litestar import Request, get

from parley.api.entities.accounts import CustomEmoji, emoji_entity
from parley.kit.http import instance_of
from parley.social.accounts.reads import load_emojis


@get("/api/v1/custom_emojis", scope=None)
async def list_custom_emojis(request: Request[Any, Any, Any]) -> list[CustomEmoji]:
    """Every emoji of this instance that may be used."""
    instance = instance_of(request)
    async with instance.db.read() as tx:
        emojis = await load_emojis(tx)
    return [emoji_entity(view, instance.settings) for view in emojis.values()]


routes = [list_custom_emojis]
