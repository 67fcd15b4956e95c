"""Finding members by name, for an operator's commands."""

from __future__ import annotations

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.social.sessions import store


async def get_member_id(tx: Tx, username: str) -> int:
    """The account of the member with this name. Raises NotFound with a sentence."""
    name = username.removeprefix("@")
    member = await store.get_member_by_username(tx, name) if name.isascii() and name.isprintable() else None
    if member is None:
        raise NotFound(f"There is no member @{name} here.")
    return member.account_id
