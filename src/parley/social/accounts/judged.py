"""Profiles judged again: the words, and what another verdict changes of what others see.

A profile that would now be held leaves an empty one in its place and waits, as one does that is held at sign-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.screening import Outcome
from parley.screening.content import MediaMatch
from parley.social.accounts import profiles, store, store_judged
from parley.social.accounts.actions import decide_held_profile, show_profile
from parley.social.accounts.profiles import Picture, Profile
from parley.social.accounts.reads import get_screening_facts
from parley.social.accounts.store_judged import SweptRow
from parley.social.events.actions import record
from parley.social.events.facts import ProfileUpdated
from parley.social.verdicts.actions import Subject, judge_and_keep


async def list_judged_profiles(tx: Tx, named: Sequence[tuple[int, int]]) -> dict[tuple[int, int], dict[str, str]]:
    """Texts by (account, revision), whatever their state, for the judge alone: one query."""
    rows = await store_judged.list_judged(tx, named) if named else []
    return {
        (row.account_id, row.named): profiles.describe(row.username, msgspec.convert(row.profile, Profile)).texts
        for row in rows
    }


async def apply_profile_verdict(
    tx: Tx, account_id: int, named: int, outcome: Outcome, screening_id: int, sentence: str, *, release: bool
) -> dict[str, Any] | None:
    """Let a later verdict take effect on a profile; returns what was before, None for nothing done.

    A profile that is shown and would now be held gives way to an empty one; one that waits is shown only with
    `release`. Older revisions are seen by nobody and stay as they are.
    """
    await store.get_profile_for_update(tx, account_id)
    row = await store_judged.get_swept(tx, account_id)
    judged = await store_judged.list_judged(tx, [(account_id, named)])
    if row is None or not judged:
        return None
    revision = judged[0].revision
    kept = await store.get_profile_revision(tx, account_id, revision)
    assert kept is not None
    before = {
        "revision": revision,
        "shown_revision": row.revision,
        "held_revision": row.held_revision,
        "held": kept.held,
        "sentence": kept.sentence,
        "screening_id": kept.screening_id,
    }
    if outcome.published:
        if not release or row.held_revision != revision:
            return None
        await store_judged.update_swept(
            tx, account_id, revision, held=True, sentence=kept.sentence, screening_id=screening_id
        )
        await decide_held_profile(tx, account_id, revision, publish=True, by_people=False)
        return before
    if row.revision != revision or kept.held:
        return None
    blank = await _show_blank(tx, account_id, row)
    await store_judged.update_swept(tx, account_id, revision, held=True, sentence=sentence, screening_id=screening_id)
    waits = revision if row.held_revision is None else row.held_revision
    await store.update_held_revision(tx, account_id, waits)
    if waits == revision:
        # Otherwise its pictures, which nothing names any more, would be deleted before this can be taken back.
        await record(tx, ProfileUpdated(account_id=account_id, revision=revision, held=True))
    return {**before, "blank": blank}


async def _show_blank(tx: Tx, account_id: int, row: SweptRow) -> int:
    """Show an empty profile; returns its revision."""
    blank = row.newest_revision + 1
    content = profiles.describe(row.username, Profile())
    facts = await get_screening_facts(tx, account_id)
    judged = await judge_and_keep(tx, Subject("profile", account_id, blank, account_id), content, facts)
    await store.insert_profile_revision(tx, account_id, blank, Profile(), judged.id, held=False, sentence="")
    await show_profile(tx, account_id, blank, Profile(), judged.id)
    return blank


class Blanked(msgspec.Struct, frozen=True):
    """What a profile was before a decision put an empty one in its place. `files` are its pictures below media/."""

    shown_revision: int
    held_revision: int | None
    blank: int
    files: tuple[str, ...]


async def get_profile_place(tx: Tx, account_id: int) -> SweptRow | None:
    """Which revisions of a profile are shown, wait, and are the newest; the account is locked from now on."""
    await store.get_profile_for_update(tx, account_id)
    return await store_judged.get_swept(tx, account_id)


async def blank_profile(tx: Tx, account_id: int) -> Blanked | None:
    """Put an empty profile in place of the one that is shown, for a decision; what waits goes on waiting.

    The caller keeps the pictures from being cleaned away. None when there is no such account.
    """
    row = await get_profile_place(tx, account_id)
    shown = await store.get_profile_revision(tx, account_id, row.revision) if row else None
    if row is None or shown is None:
        return None
    profile = msgspec.convert(shown.profile, Profile)
    files = dict.fromkeys(name for picture in _pictures(profile) for name in (picture.file, picture.static_file))
    blank = await _show_blank(tx, account_id, row)
    if row.held_revision is not None:
        await store.update_held_revision(tx, account_id, row.held_revision)
    return Blanked(row.revision, row.held_revision, blank, tuple(files))


async def restore_profile(tx: Tx, account_id: int, before: Blanked) -> bool:
    """Show again what `blank_profile` took away; False when its owner has another profile by now."""
    row = await get_profile_place(tx, account_id)
    old = await store.get_profile_revision(tx, account_id, before.shown_revision)
    if row is None or old is None or row.revision != before.blank:
        return False
    waits = row.held_revision
    await show_profile(tx, account_id, before.shown_revision, msgspec.convert(old.profile, Profile), old.screening_id)
    if waits is not None:
        await store.update_held_revision(tx, account_id, waits)
    return True


async def hold_profile_again(tx: Tx, account_id: int, revision: int, *, shown: int | None = None) -> bool:
    """Take back what was decided about a revision that waited: it waits again.

    `shown` is the revision that was shown before, where the decision published the other one. False when there is a
    newer one by now.
    """
    row = await get_profile_place(tx, account_id)
    held = await store.get_profile_revision(tx, account_id, revision)
    if row is None or held is None or row.held_revision is not None or row.newest_revision != revision:
        return False
    if shown is not None:
        old = await store.get_profile_revision(tx, account_id, shown)
        if old is None or row.revision != revision:
            return False
        await show_profile(tx, account_id, shown, msgspec.convert(old.profile, Profile), old.screening_id)
    sentence, screening_id = held.sentence, held.screening_id
    await store_judged.update_swept(tx, account_id, revision, held=True, sentence=sentence, screening_id=screening_id)
    await store.update_held_revision(tx, account_id, revision)
    return True


async def restore_profile_verdict(tx: Tx, account_id: int, before: dict[str, Any], screening_id: int) -> bool:
    """Take back what `apply_profile_verdict` did; False when the profile has changed since."""
    await store.get_profile_for_update(tx, account_id)
    row = await store_judged.get_swept(tx, account_id)
    revision = before["revision"]
    kept = await store.get_profile_revision(tx, account_id, revision)
    if row is None or kept is None or kept.screening_id != screening_id:
        return False
    if row.revision != before.get("blank", revision):
        return False
    await store_judged.update_swept(
        tx,
        account_id,
        revision,
        held=before["held"],
        sentence=before["sentence"],
        screening_id=before["screening_id"],
    )
    shown = before["shown_revision"]
    old = await store.get_profile_revision(tx, account_id, shown)
    assert old is not None
    waiting = before["held_revision"] if row.held_revision in (None, revision) else row.held_revision
    await show_profile(tx, account_id, shown, msgspec.convert(old.profile, Profile), old.screening_id)
    await store.update_held_revision(tx, account_id, waiting)
    await record(tx, ProfileUpdated(account_id=account_id, revision=shown, held=False))
    return True


async def keep_picture_matches(
    tx: Tx, account_id: int, file: str, matches: Sequence[MediaMatch]
) -> tuple[list[Any], list[int]] | None:
    """Keep what the banks know of an avatar or header, for whatever is written or judged from now on.

    Returns what was known before and the revisions with it that are shown or wait; None when nothing is new, or when
    no revision has that picture.
    """
    await store.get_profile_for_update(tx, account_id)
    before = await store_judged.get_picture_matches(tx, account_id, file)
    if before is None or _same_matches(before, matches):
        return None
    revisions: set[int] = set()
    for picture in ("avatar", "header"):
        placed = [msgspec.structs.replace(one, place=picture) for one in matches]
        found = await store_judged.update_picture_matches(tx, account_id, file, placed, picture)
        revisions.update(revision for revision, current in found if current)
    return before, sorted(revisions)


async def restore_picture_matches(
    tx: Tx, account_id: int, file: str, before: Sequence[MediaMatch], after: Sequence[MediaMatch]
) -> None:
    """Take back what `keep_picture_matches` kept, `after`, unless something else is known of the picture by now."""
    await store.get_profile_for_update(tx, account_id)
    now = await store_judged.get_picture_matches(tx, account_id, file)
    if now is not None and _same_matches(now, after):
        await keep_picture_matches(tx, account_id, file, before)


def _same_matches(before: Sequence[Any], matches: Sequence[MediaMatch]) -> bool:
    known = [msgspec.structs.replace(msgspec.convert(one, MediaMatch), place="") for one in before]
    return known == [msgspec.structs.replace(one, place="") for one in matches]


async def list_picture_matches(tx: Tx, named: Sequence[tuple[int, int]]) -> dict[tuple[int, int], list[MediaMatch]]:
    """What is known of the pictures of profiles, by (account, revision): one query."""
    rows = await store_judged.list_judged(tx, named) if named else []
    return {
        (row.account_id, row.named): [
            match for picture in _pictures(msgspec.convert(row.profile, Profile)) for match in picture.matches
        ]
        for row in rows
    }


async def list_known_pictures(tx: Tx, account_id: int, named: int, tiers: Sequence[str]) -> list[str]:
    """Files of those pictures of a profile that an entry of one of these tiers, which decides, knows."""
    rows = await store_judged.list_judged(tx, [(account_id, named)])
    return [
        name
        for row in rows
        for picture in _pictures(msgspec.convert(row.profile, Profile))
        if any(match.tier in tiers and not match.background for match in picture.matches)
        for name in dict.fromkeys((picture.file, picture.static_file))
    ]


def _pictures(profile: Profile) -> list[Picture]:
    return [picture for picture in (profile.avatar, profile.header) if picture is not None]
