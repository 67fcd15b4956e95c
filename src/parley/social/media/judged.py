"""Descriptions of media judged again: the words, and what another verdict changes of what readers see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parley.kit.db import Tx
from parley.screening import Outcome
from parley.social.media import store_judged
from parley.social.media.store_judged import SweptRow


async def list_judged_descriptions(tx: Tx, named: Sequence[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Descriptions by (media, revision), whatever their state, for the judge alone: one query."""
    return await store_judged.list_judged(tx, named) if named else {}


async def apply_media_verdict(
    tx: Tx, media_id: int, revision: int, outcome: Outcome, screening_id: int, sentence: str, *, release: bool
) -> dict[str, Any] | None:
    """Let a later verdict take effect on one revision of a description; returns what was before, None for nothing done.

    Takes a description out of sight that would now be held; gives one back only with `release`.
    """
    row = await store_judged.get_swept(tx, media_id, revision)
    held = not outcome.published
    if row is None or held == row.held or (row.held and not release):
        return None
    await store_judged.update_swept(tx, media_id, revision, SweptRow(held, sentence if held else "", screening_id))
    return {"held": row.held, "sentence": row.sentence, "screening_id": row.screening_id}


async def restore_media_verdict(
    tx: Tx, media_id: int, revision: int, before: dict[str, Any], screening_id: int
) -> bool:
    """Take back what `apply_media_verdict` did; False when something else has happened to that revision since."""
    row = await store_judged.get_swept(tx, media_id, revision)
    if row is None or row.screening_id != screening_id:
        return False
    back = SweptRow(before["held"], before["sentence"], before["screening_id"])
    await store_judged.update_swept(tx, media_id, revision, back)
    return True


async def release_description(tx: Tx, media_id: int) -> dict[str, Any] | None:
    """Show the description that waits, because people say that nothing is wrong with it; None when none waits.

    Returns what `hold_description_again` takes.
    """
    newest = await store_judged.get_newest(tx, media_id)
    row = await store_judged.get_swept(tx, media_id, newest[0]) if newest is not None and newest[1] else None
    if newest is None or row is None or not row.held:
        return None
    await store_judged.update_swept(tx, media_id, newest[0], SweptRow(False, "", row.screening_id))
    return {"revision": newest[0], "sentence": row.sentence, "screening_id": str(row.screening_id)}


async def hold_description_again(tx: Tx, media_id: int, before: dict[str, Any]) -> bool:
    """Take back what `release_description` did; False when something else has happened to that revision since."""
    back = {"held": True, "sentence": before["sentence"], "screening_id": int(before["screening_id"])}
    return await restore_media_verdict(tx, media_id, int(before["revision"]), back, back["screening_id"])


async def is_description_held(tx: Tx, media_id: int, revision: int) -> bool:
    """Whether this revision of a description waits for people; False for one that is gone."""
    return (await store_judged.list_held(tx, [(media_id, revision)])) != []
