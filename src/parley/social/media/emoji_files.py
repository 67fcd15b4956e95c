"""Custom emoji with their pictures, as an operator's command adds and removes them."""

from __future__ import annotations

from pathlib import Path

from parley.kit.errors import Invalid
from parley.kit.instance import Instance
from parley.kit.uploads import HEAD, Upload
from parley.social.accounts.emojis import add_emoji, check_shortcode, remove_emoji
from parley.social.accounts.profiles import Picture
from parley.social.accounts.reads import load_emojis
from parley.social.accounts.views import EmojiView
from parley.social.media.actions import remove_files
from parley.social.media.profile_pictures import store_emoji_picture


async def add_emoji_file(
    instance: Instance, shortcode: str, path: Path, *, category: str | None = None, visible_in_picker: bool = True
) -> EmojiView:
    """Add `:shortcode:` with the picture at `path`, or give it another picture. Opens its own transactions.

    Raises Invalid with a sentence for an impossible shortcode or a file that is no picture.
    """
    name = check_shortcode(shortcode)
    stored = await store_emoji_picture(instance, _upload_of(path))
    picture = Picture(stored.file, stored.static_file)
    async with instance.db.write() as tx:
        before = (await load_emojis(tx, [name])).get(name)
        view = await add_emoji(tx, name, picture, category=category, visible_in_picker=visible_in_picker)
        if before is not None:
            await remove_files(tx, [before.file, before.static_file])
    return view


def _upload_of(path: Path) -> Upload:
    if not path.is_file():
        raise Invalid(f"There is no file {path}.")
    with path.open("rb") as file:
        head = file.read(HEAD)
    return Upload(path, path.stat().st_size, head)


async def remove_emoji_files(instance: Instance, shortcode: str) -> EmojiView:
    """Remove one of our own emoji and its picture; returns what it was. Raises NotFound."""
    async with instance.db.write() as tx:
        view = await remove_emoji(tx, shortcode)
        await remove_files(tx, [view.file, view.static_file])
    return view
