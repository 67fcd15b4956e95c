"""Profiles judged again: the words, and what another verdict changes of what others see.

A profile that would now be held leaves an empty one in its place and waits, as one does that is held at sign-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.screening import Outcome
from parley.social.accounts import profiles, store, store_judged
from parley.social.accounts.actions import decide_held_profile, show_profile
from parley.social.accounts.profiles import Profile
from parley.social.accounts.reads import get_screening_facts
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
    blank = row.newest_revision + 1
    content = profiles.describe(row.username, Profile())
    facts = await get_screening_facts(tx, account_id)
    judged_blank = await judge_and_keep(tx, Subject("profile", account_id, blank, account_id), content, facts)
    await store.insert_profile_revision(tx, account_id, blank, Profile(), judged_blank.id, held=False, sentence="")
    await show_profile(tx, account_id, blank, Profile(), judged_blank.id)
    await store_judged.update_swept(tx, account_id, revision, held=True, sentence=sentence, screening_id=screening_id)
    waits = revision if row.held_revision is None else row.held_revision
    await store.update_held_revision(tx, account_id, waits)
    if waits == revision:
        # Otherwise its pictures, which nothing names any more, would be deleted before this can be taken back.
        await record(tx, ProfileUpdated(account_id=account_id, revision=revision, held=True))
    return {**before, "blank": blank}


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
