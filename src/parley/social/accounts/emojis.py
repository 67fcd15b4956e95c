"""Custom emoji: adding and removing our own. The picture is made by the media room before this is called."""

from __future__ import annotations

import re

from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.social.accounts import store_emojis
from parley.social.accounts.profiles import Picture
from parley.social.accounts.store_emojis import EmojiRow
from parley.social.accounts.views import EmojiView

LONGEST_SHORTCODE = 60
_SHORTCODE = re.compile(r"[A-Za-z0-9_]{2,}")


def check_shortcode(shortcode: str) -> str:
    """The shortcode without its colons; raises Invalid for an impossible one."""
    name = shortcode.strip(": ")
    if not _SHORTCODE.fullmatch(name) or len(name) > LONGEST_SHORTCODE:
        raise Invalid(f"A shortcode is made of 2 to {LONGEST_SHORTCODE} letters a to z, numbers and underscores.")
    return name


async def add_emoji(
    tx: Tx,
    shortcode: str,
    picture: Picture,
    *,
    category: str | None = None,
    visible_in_picker: bool = True,
) -> EmojiView:
    """Add `:shortcode:`, or give it another picture. For operators; raises Invalid for an impossible
    shortcode."""
    name = check_shortcode(shortcode)
    row = EmojiRow(name, picture.file, picture.static_file, category or None, visible_in_picker)
    await store_emojis.upsert_emoji(tx, row)
    await store_emojis.update_emoji_users(tx, name)
    return EmojiView(row.shortcode, row.file, row.static_file, row.category, row.visible_in_picker)


async def remove_emoji(tx: Tx, shortcode: str) -> EmojiView:
    """Remove one of our own emoji; texts then show its shortcode. Raises NotFound."""
    row = await store_emojis.delete_emoji(tx, shortcode.strip(": "))
    if row is None:
        raise NotFound(f"There is no custom emoji {shortcode}.")
    await store_emojis.update_emoji_users(tx, row.shortcode)
    return EmojiView(row.shortcode, row.file, row.static_file, row.category, row.visible_in_picker)


async def list_emoji_files(tx: Tx, file: str) -> list[str]:
    """Both pictures, moving and still, of the emoji whose picture `file` is; none when it is no emoji's (any more)."""
    return sorted(await store_emojis.list_emoji_files(tx, file))
