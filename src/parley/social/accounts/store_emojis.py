"""The table of custom emoji. No rule lives here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx


class EmojiRow(msgspec.Struct, frozen=True):
    """A custom emoji."""

    shortcode: str
    file: str
    static_file: str
    category: str | None
    visible_in_picker: bool


LIST_EMOJIS = """
    SELECT shortcode, file, static_file, category, visible_in_picker FROM custom_emojis
    WHERE coalesce(domain, '') = $1 AND NOT disabled AND ($2::text[] IS NULL OR shortcode = ANY($2))
    ORDER BY shortcode
"""


async def list_emojis(tx: Tx, domain: str | None, shortcodes: Sequence[str] | None) -> list[EmojiRow]:
    """Emoji of a domain (None: ours) that are not disabled: those named, or all."""
    return [EmojiRow(*row) for row in await tx.fetch(LIST_EMOJIS, domain or "", shortcodes)]


UPSERT_EMOJI = """
    INSERT INTO custom_emojis (shortcode, file, static_file, category, visible_in_picker)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (shortcode, (coalesce(domain, ''))) DO UPDATE SET file = excluded.file,
        static_file = excluded.static_file, category = excluded.category,
        visible_in_picker = excluded.visible_in_picker, disabled = false
"""


async def upsert_emoji(tx: Tx, row: EmojiRow) -> None:
    """Add one of our own emoji, or replace its picture."""
    await tx.execute(UPSERT_EMOJI, row.shortcode, row.file, row.static_file, row.category, row.visible_in_picker)


LIST_EMOJI_FILES = """SELECT file, static_file FROM custom_emojis WHERE file = $1"""


async def list_emoji_files(tx: Tx, file: str) -> set[str]:
    """Both pictures of the emoji whose picture `file` is."""
    return {name for row in await tx.fetch(LIST_EMOJI_FILES, file) for name in row}


DELETE_EMOJI = """
    DELETE FROM custom_emojis WHERE shortcode = $1 AND domain IS NULL
    RETURNING shortcode, file, static_file, category, visible_in_picker
"""


async def delete_emoji(tx: Tx, shortcode: str) -> EmojiRow | None:
    """Remove one of our own emoji; returns what it was, or None."""
    row = await tx.fetchrow(DELETE_EMOJI, shortcode)
    return EmojiRow(*row) if row else None


# An update that changes nothing but the stamp (see the trigger), so that no reader keeps the old picture.
UPDATE_EMOJI_USERS = """
    UPDATE accounts SET version = version WHERE domain IS NULL AND emojis @> ARRAY[$1]
"""


async def update_emoji_users(tx: Tx, shortcode: str) -> None:
    """Renew the stamp of every member whose profile shows the emoji."""
    await tx.execute(UPDATE_EMOJI_USERS, shortcode)
