"""What a member changes beside timelines: reading positions, conversations, followed and featured tags."""

from __future__ import annotations

import re
from collections.abc import Mapping

from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.kit.html import fold_tag
from parley.screening import Content
from parley.social.accounts.reads import get_screening_facts
from parley.social.accounts.views import Viewer
from parley.social.timelines import reads, store_marks
from parley.social.timelines.views import ConversationView, FeaturedTagView, MarkerView, TagView
from parley.social.verdicts.actions import Subject, screen

MOST_FOLLOWED_TAGS = 500
MOST_FEATURED_TAGS = 10
MARKED_TIMELINES = ("home", "notifications")

# A tag as it may be written: word characters, at least one of them a letter (or a mark or an underscore).
_TAG = re.compile(r"(?=.*[^\W\d])[\w·・‌]{1,100}")


def clean_tag_name(text: str) -> str:
    """`text` without its `#`; raises Invalid for what cannot be a hashtag."""
    name = text.strip().removeprefix("#")
    if not _TAG.fullmatch(name):
        raise Invalid(
            "Validation failed: a hashtag is made of letters, digits and underscores, with at least one letter.",
        )
    return name


async def save_markers(tx: Tx, viewer: Viewer, read_to: Mapping[str, int]) -> dict[str, MarkerView]:
    """Remember how far the viewer has read: ids by timeline (home, notifications). Raises Invalid for others."""
    for timeline in read_to:
        if timeline not in MARKED_TIMELINES:
            raise Invalid("Validation failed: only home and notifications have a reading position.")
    return {
        timeline: await store_marks.upsert_marker(tx, viewer.account_id, timeline, last_read_id)
        for timeline, last_read_id in sorted(read_to.items())
    }


async def mark_conversation_read(tx: Tx, viewer: Viewer, conversation_row_id: int) -> ConversationView:
    """The viewer has read the conversation; raises NotFound for another's."""
    await store_marks.update_conversation_read(tx, viewer.account_id, conversation_row_id)
    return await reads.get_conversation(tx, viewer, conversation_row_id)


async def delete_conversation(tx: Tx, viewer: Viewer, conversation_row_id: int) -> None:
    """Take the conversation off the viewer's list; the messages stay. Raises NotFound for another's."""
    if not await store_marks.delete_conversation(tx, viewer.account_id, conversation_row_id):
        raise NotFound


async def follow_tag(tx: Tx, viewer: Viewer, name: str) -> TagView:
    """Public posts with the tag come into the viewer's home from now on."""
    clean = clean_tag_name(name)
    if await store_marks.count_tag_follows(tx, viewer.account_id) >= MOST_FOLLOWED_TAGS:
        raise Invalid(f"You follow {MOST_FOLLOWED_TAGS} hashtags already; unfollow one first.")
    tag_id = await store_marks.insert_tag(tx, fold_tag(clean), clean)
    await store_marks.insert_tag_follow(tx, viewer.account_id, tag_id)
    return await reads.get_tag(tx, viewer, clean)


async def unfollow_tag(tx: Tx, viewer: Viewer, name: str) -> TagView:
    """The tag's posts leave the viewer's home, unless they are there for another reason."""
    clean = clean_tag_name(name)
    ids = await store_marks.list_tag_ids_by_name(tx, [fold_tag(clean)])
    for tag_id in ids.values():
        await store_marks.delete_tag_follow(tx, viewer.account_id, tag_id)
    return await reads.get_tag(tx, viewer, clean)


async def feature_tag(tx: Tx, viewer: Viewer, name: str) -> FeaturedTagView:
    """Show the tag on the viewer's profile; raises Invalid beyond ten, Rejection or Invalid for words that policy
    does not let through."""
    clean = clean_tag_name(name)
    present = await store_marks.list_featured_tags(tx, viewer.account_id)
    already = [tag for tag in present if fold_tag(tag.name) == fold_tag(clean)]
    if not already and len(present) >= MOST_FEATURED_TAGS:
        raise Invalid(f"A profile shows at most {MOST_FEATURED_TAGS} hashtags; take one away first.")
    if not already:
        await _screen_tag(tx, viewer, clean)
    tag_id = await store_marks.insert_tag(tx, fold_tag(clean), clean)
    featured_id = await store_marks.insert_featured_tag(tx, viewer.account_id, tag_id)
    return (await store_marks.list_featured_tags(tx, viewer.account_id, featured_id))[0]


async def _screen_tag(tx: Tx, viewer: Viewer, name: str) -> None:
    """A featured tag is a word on a profile, and judged as one: what would be held is not shown."""
    facts = await get_screening_facts(tx, viewer.account_id)
    content = Content(kind="profile", texts={"featured_tag": f"#{name}"}, tags=(name,))
    # Revision 0 is no revision of the profile itself: a second screening of it decides nothing.
    screened = await screen(tx, Subject("profile", viewer.account_id, 0, viewer.account_id), content, facts)
    if screened.held:
        raise Invalid(f"This hashtag cannot be shown on a profile. {screened.verdict.sentence}")


async def unfeature_tag(tx: Tx, viewer: Viewer, featured_id: int) -> None:
    """Take a tag off the viewer's profile; raises NotFound for another's."""
    if not await store_marks.delete_featured_tag(tx, viewer.account_id, featured_id):
        raise NotFound


async def unfeature_tag_by_name(tx: Tx, viewer: Viewer, name: str) -> TagView:
    """Take a tag off the viewer's profile by its name."""
    clean = clean_tag_name(name)
    ids = await store_marks.list_tag_ids_by_name(tx, [fold_tag(clean)])
    for tag_id in ids.values():
        await store_marks.delete_featured_tag_by_tag(tx, viewer.account_id, tag_id)
    return await reads.get_tag(tx, viewer, clean)
