"""What a sweep goes through, page by page: a range of history, or its own list of what carries certain files.

Revisions of a list are judged with what the banks know of their files today; everything else is as it was kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx
from parley.safety.history import STATUS_TYPES, Past, list_past, list_past_sample, rebuild
from parley.safety.sweeps import store_files
from parley.safety.sweeps.store import SweepRow
from parley.screening.content import MediaMatch
from parley.social.accounts.judged import list_picture_matches
from parley.social.media.matching_past import list_fresh_matches, list_places, put_matches, refresh_matches
from parley.social.statuses.judged import list_revision_media
from parley.social.verdicts.reads import list_history_of

Named = tuple[str, int, int]
"""Type, id and revision of a subject."""


async def list_page(
    tx: Tx, row: SweepRow, limit: int, *, after: int, share: float = 1.0
) -> tuple[list[Past], int | None]:
    """The next page of a sweep behind the place `after`, and where the one after that begins; None for the last.

    With a `share` below 1 about so many, chosen by chance, the same ones each time.
    """
    if row.scope == "history":
        if share >= 1.0:
            return await list_past(tx, limit, after_id=after, until_id=row.until_id)
        return await list_past_sample(
            tx, after_id=after, until_id=row.until_id, share=share, seed=str(row.id), limit=limit
        )
    subjects = await store_files.list_subjects(tx, row.id, after, row.until_id, limit, share)
    places = {(kind, subject_id, revision): place for place, kind, subject_id, revision in subjects}
    return await list_named(tx, places), subjects[-1][0] if len(subjects) == limit else None


async def list_named(tx: Tx, places: dict[Named, int]) -> list[Past]:
    """These revisions in the order of their places, under their newest results, with their files as known today."""
    pasts = await rebuild(tx, await list_history_of(tx, list(places)))
    found = await _know_files(tx, pasts)
    carrying = await list_places(tx, [past.subject_id for past in pasts if past.subject_type == "media"])
    placed = [
        msgspec.structs.replace(
            past,
            content=msgspec.structs.replace(past.content, media_matches=found[past.id]),
            place=places[_name(past)],
            carried=past.subject_type == "media" and carrying[past.subject_id].attached,
        )
        for past in pasts
        if past.id in found and not past.content.media_waiting
    ]
    return sorted(placed, key=lambda past: past.place)


def _name(past: Past) -> Named:
    return past.subject_type, past.subject_id, past.revision


async def _know_files(tx: Tx, pasts: Sequence[Past]) -> dict[int, tuple[MediaMatch, ...]]:
    """What the banks know of the files of each of these, by result; nothing for those whose files are gone."""
    statuses = [(one.subject_id, one.revision) for one in pasts if one.subject_type in STATUS_TYPES]
    carried = await list_revision_media(tx, statuses)
    files = [one.subject_id for one in pasts if one.subject_type == "media" and one.revision == 0]
    fresh = await list_fresh_matches(tx, sorted({*files, *(media for ids in carried.values() for media in ids)}))
    profiles = [(one.subject_id, one.revision) for one in pasts if one.subject_type == "profile"]
    pictures = await list_picture_matches(tx, profiles)
    found: dict[int, tuple[MediaMatch, ...]] = {}
    for past in pasts:
        place = (past.subject_id, past.revision)
        if past.subject_type in STATUS_TYPES and place in carried:
            found[past.id] = put_matches(past.content.media_matches, carried[place], fresh)
        elif past.subject_type == "media" and past.subject_id in fresh:
            found[past.id] = fresh[past.subject_id]
        elif past.subject_type == "profile" and place in pictures:
            found[past.id] = await refresh_matches(tx, pictures[place])
    return found
