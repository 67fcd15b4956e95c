"""History as the judge saw it: content and facts of every revision, rebuilt from the tables, in pages by id.

For judging again alone (backtests, sweeps, candidates): what it returns includes what few may see, and is shown to
nobody unchecked.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Database, Tx
from parley.screening import Content, Facts
from parley.social.accounts.judged import list_judged_profiles
from parley.social.media.judged import list_judged_descriptions
from parley.social.statuses.judged import list_judged_texts
from parley.social.verdicts.keeping import restore_input
from parley.social.verdicts.reads import PastRow, list_history, list_history_named, list_history_sample

log = logging.getLogger(__name__)

STATUS_TYPES = ("status", "poll", "message")


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of the past: what was judged, and what came of it."""

    id: int
    """Of its newest result."""
    subject_type: str
    subject_id: int
    revision: int
    account_id: int
    outcome: str
    clause: str | None
    ruleset: str
    degraded: bool
    created_at: datetime
    content: Content
    facts: Facts
    exact: bool
    """Whether everything is known that the judge was told at the time."""
    private: bool
    """Whether its words were for few: a message, or a status for followers."""
    place: int = 0
    """Where it stands in what is gone through: the id of its result, or its place in a list."""
    carried: bool = False
    """Of a file: whether something else carries it, which is judged with it."""


async def list_past(
    tx: Tx, limit: int, *, after_id: int = 0, until_id: int | None = None, backwards: bool = False
) -> tuple[list[Past], int | None]:
    """One page, and the id with which the next one goes on; None for that after the last page."""
    rows = await list_history(tx, limit, after_id=after_id, until_id=until_id, backwards=backwards)
    return await rebuild(tx, rows), rows[-1].id if len(rows) == limit else None


async def walk_past(
    db: Database, *, after_id: int = 0, until_id: int | None = None, page: int = 500, backwards: bool = False
) -> AsyncIterator[list[Past]]:
    """All pages between two ids, each read in a moment of its own."""
    first, last = after_id, until_id
    while True:
        async with db.read() as tx:
            pasts, following = await list_past(tx, page, after_id=first, until_id=last, backwards=backwards)
        if pasts:
            yield pasts
        if following is None:
            return
        if backwards:
            last = following
        else:
            first = following


async def list_past_sample(
    tx: Tx, *, after_id: int, until_id: int, share: float, seed: str, limit: int
) -> tuple[list[Past], int | None]:
    """A page of a sample of history, and where the next one begins."""
    rows = await list_history_sample(tx, after_id=after_id, until_id=until_id, share=share, seed=seed, limit=limit)
    return await rebuild(tx, rows), rows[-1].id if len(rows) == limit else None


async def list_past_named(tx: Tx, ids: list[int]) -> list[Past]:
    """The revisions of these results, in order; those whose revision is gone are left out."""
    return await rebuild(tx, await list_history_named(tx, ids)) if ids else []


async def rebuild(tx: Tx, rows: Sequence[PastRow]) -> list[Past]:
    """The inputs of these results, in order, in at most three queries. Those whose revision is gone are left out."""
    statuses = await list_judged_texts(tx, _named(rows, STATUS_TYPES))
    media = await list_judged_descriptions(tx, _named(rows, ("media",)))
    profiles = await list_judged_profiles(tx, _named(rows, ("profile",)))
    pasts: list[Past] = []
    for row in rows:
        place = (row.subject_id, row.revision)
        private = row.subject_type == "message"
        texts: dict[str, str] = {}
        if row.outcome == "reject" and "texts" in row.detail:
            # The write was refused: no table has it, and a later revision of the same number is another one.
            private = private or row.subject_type not in ("status", "poll", "profile")
        elif row.subject_type in STATUS_TYPES:
            found = statuses.get(place)
            if found is None:
                continue
            texts, visibility = found
            private = private or visibility in ("private", "direct")
        elif row.subject_type == "media":
            # Revision 0 is the file itself, without words.
            if place not in media and row.revision != 0:
                continue
            texts = {"description": description} if (description := media.get(place)) else {}
            private = True
        elif place in profiles:
            texts = profiles[place]
        elif row.revision != 0:  # 0: a word on a profile that is no revision of it, kept with the result
            continue
        try:
            restored = restore_input(row.subject_type, row.detail, texts, row.created_at)
        except msgspec.ValidationError as error:
            log.error("result %s cannot be judged again: %s", row.id, error)
            continue
        if restored.facts.visibility in ("private", "direct"):
            private = True
        pasts.append(
            Past(
                id=row.id,
                subject_type=row.subject_type,
                subject_id=row.subject_id,
                revision=row.revision,
                account_id=row.account_id,
                outcome=row.outcome,
                clause=row.clause,
                ruleset=row.ruleset,
                degraded=row.degraded,
                created_at=row.created_at,
                content=restored.content,
                facts=restored.facts,
                exact=restored.exact,
                private=private,
                place=row.id,
            )
        )
    return pasts


def _named(rows: Sequence[PastRow], types: tuple[str, ...]) -> list[tuple[int, int]]:
    return [(row.subject_id, row.revision) for row in rows if row.subject_type in types]
