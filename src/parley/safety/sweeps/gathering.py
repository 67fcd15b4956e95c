"""Finds what carries files that a bank has come to know, for a sweep, and hides at once what threatens lives.

In small transactions, behind which a cursor moves: a process that is killed leaves nothing half done.
Whatever is not of severity 0 waits until the sweep was counted and approved.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from parley.kit.db import Tx
from parley.kit.instance import Instance
from parley.kit.settings import Settings
from parley.safety.judging import Answer, OwnThread, ask
from parley.safety.log.actions import append_event
from parley.safety.log.views import Subject, SubjectType, system
from parley.safety.sweeps import store, store_files
from parley.safety.sweeps.actions import get_open_sweep
from parley.safety.sweeps.effects import effect_of
from parley.safety.sweeps.listed import Named, list_named
from parley.safety.sweeps.planning import plan_sweep_of_file
from parley.safety.sweeps.running import apply_part
from parley.safety.sweeps.store import SweepRow
from parley.safety.sweeps.store_files import SpanRow
from parley.screening import Ruleset
from parley.screening.content import MediaMatch
from parley.social.accounts.emojis import list_emoji_files
from parley.social.accounts.judged import keep_picture_matches
from parley.social.media.actions import hide_files
from parley.social.media.matching_past import (
    LikeView,
    get_like,
    keep_matches,
    list_bank_hits,
    list_fresh_matches,
    list_places,
    match_again,
)
from parley.social.media.walking_past import ManyRows, is_quicker_to_walk, load_many_rows, walk_files
from parley.social.statuses.judged import list_carrying

ME = system("sweeps")
ENTRIES_AT_ONCE = 100
"""Rows of a bank that are looked for before the next transaction."""
FILES_AT_ONCE = 20
"""Files that one transaction is about: while it runs, those who change what carries them wait."""

Found = tuple[LikeView, tuple[MediaMatch, ...]]


Progress = Literal["more", "done", "nothing"]
"""There is more to look for; nothing more; or there was nothing, or somebody else does it."""


async def gather(instance: Instance, sweep_id: int, ruleset: Ruleset, *, seconds: float) -> Progress:
    """Look for what a planned sweep is about, for so long.

    Raises Conflict when another ruleset is live, NotFound when there is no such sweep.
    """
    deadline = time.monotonic() + seconds
    worked = False
    many: ManyRows | None = None
    while time.monotonic() < deadline:
        instance.gate.check()
        async with instance.db.read() as tx:
            span = await store_files.get_span(tx, sweep_id)
            if span is None:
                return "done" if worked else "nothing"
            if span.walked == 0 or many is None:
                many = await _choose(tx, span)
            likes, cursor, walked = await _look(tx, span, many)
        once = {like.media_id or like.file: like for like in likes}
        found = [(like, matches) for like in once.values() if (matches := await match_again(instance, like))]
        for start in range(0, len(found), FILES_AT_ONCE):
            if not await _keep(instance, sweep_id, ruleset, found[start : start + FILES_AT_ONCE]):
                return "nothing"
        async with instance.db.write() as tx:
            row = await get_open_sweep(tx, sweep_id, ruleset)
            if row.state != "planned" or not await store_files.update_span(tx, sweep_id, span, cursor, walked):
                return "nothing"
        worked = True
    return "more"


async def look_at_file(instance: Instance, media_id: int, ruleset: Ruleset) -> int | None:
    """Ask the banks about one attachment again, and put what carries it on the list of a sweep if they know more of it.

    Returns the sweep; None when there is nothing new.
    """
    async with instance.db.read() as tx:
        like = await get_like(tx, media_id)
    matches = await match_again(instance, like) if like is not None else ()
    if like is None or not matches:
        return None
    async with instance.db.write() as tx:
        if (await list_fresh_matches(tx, [media_id])).get(media_id) == matches:
            return None
        sweep_id = await plan_sweep_of_file(tx, ruleset, sorted({match.bank for match in matches}))
    return sweep_id if await _keep(instance, sweep_id, ruleset, [(like, matches)]) else None


async def _choose(tx: Tx, span: SpanRow) -> ManyRows | None:
    """The next rows of a span, where it is quicker to go through all files for them; None: ask for each."""
    if span.walked or await is_quicker_to_walk(tx, span.last_id - span.cursor):
        return await load_many_rows(tx, span.bank_id, span.cursor, span.last_id)
    return None


async def _look(tx: Tx, span: SpanRow, many: ManyRows | None) -> tuple[list[LikeView], int, int]:
    """What the next step finds, and where the span then stands: its cursor, and how far files were gone through."""
    if many is None:
        likes, cursor = await list_bank_hits(tx, span.bank_id, span.cursor, span.last_id, limit=ENTRIES_AT_ONCE)
        return likes, cursor, 0
    likes = list(many.exact) if not span.walked else []
    following = None
    if many.has_pictures:
        found, following = await walk_files(tx, many, span.walked)
        likes += found
    return (likes, many.last_id, 0) if following is None else (likes, span.cursor, following)


async def _keep(instance: Instance, sweep_id: int, ruleset: Ruleset, found: Sequence[Found]) -> bool:
    """Keep what is known of these files now, put what carries them on the list, and hide what cannot wait."""
    async with instance.db.write() as tx:
        row = await get_open_sweep(tx, sweep_id, ruleset)
        if row.state != "planned":
            return False
        named = await _note(tx, sweep_id, found)
        if not named:
            return True
        await store_files.insert_subjects(tx, sweep_id, named)
        total = await store_files.count_subjects(tx, sweep_id)
        await append_event(tx, ME, "sweep_grew", sweep=str(sweep_id), total=total)
        await store.update_listed(tx, sweep_id, total, [])
        await _hide_at_once(tx, instance.settings, row, ruleset, named)
    return True


async def _note(tx: Tx, sweep_id: int, found: Sequence[Found]) -> list[Named]:
    """Keep the matches of files, with those before; returns the revisions that carry one of which more is known now.

    What carries a file comes before the file, so that its evidence is taken while everything is there.
    """
    named: list[Named] = []
    attachments: list[int] = []
    for like, matches in sorted(found, key=lambda one: one[0].media_id or 0):
        if like.media_id is not None:
            before = await keep_matches(tx, like.media_id, matches)
            if before is None:
                continue
            attachments.append(like.media_id)
            hidden: list[str] = []
        elif like.account_id is not None:
            kept = await keep_picture_matches(tx, like.account_id, like.file, matches)
            if kept is None:
                continue
            before, hidden = kept[0], []
            named += [("profile", like.account_id, revision) for revision in kept[1]]
        else:
            before, hidden = [], await _hide_emoji(tx, sweep_id, like.file, matches)
        place = (like.media_id, like.account_id)
        await store_files.insert_file(tx, sweep_id, like.file, place, (before, matches), hidden)
    places = await list_places(tx, attachments)
    statuses = [place.status_id for place in places.values() if place.status_id is not None]
    named += await list_carrying(tx, sorted(set(statuses)), attachments)
    return [*named, *(("media", media_id, 0) for media_id in attachments)]


async def _hide_emoji(tx: Tx, sweep_id: int, file: str, matches: Sequence[MediaMatch]) -> list[str]:
    """An emoji is the instance's own picture: one that could not be added now is served no more."""
    names = await list_emoji_files(tx, file)
    if not names or all(match.tier == "flag" or match.background for match in matches):
        return []
    await append_event(tx, ME, "hidden_at_once", sweep=str(sweep_id), kind="emoji", clause=matches[0].clause)
    await hide_files(tx, names, hidden=True)
    return names


async def _hide_at_once(tx: Tx, settings: Settings, row: SweepRow, ruleset: Ruleset, named: Sequence[Named]) -> None:
    """Interim measure: what the judge would stop under a clause of severity 0 is out of sight when `tx` commits.

    It is a change of the sweep like any other, with evidence and a report, and is undone with it.
    """
    pasts = await list_named(tx, {name: place for place, name in enumerate(dict.fromkeys(named))})
    answers = await OwnThread(ruleset).judge([ask(past) for past in pasts])
    urgent = [
        pair
        for pair in zip(pasts, answers, strict=True)
        if effect_of(*pair) == "hide" and _severity(ruleset, pair[1]) == 0
    ]
    acted = 0
    for past, answer in urgent:
        subject = Subject(_LOGGED.get(past.subject_type, "status"), past.subject_id)
        await append_event(tx, ME, "hidden_at_once", subject=subject, sweep=str(row.id), clause=answer.clause)
        acted += await apply_part(tx, settings, row, [(past, answer)], interim=True)
    await store.update_acted(tx, row.id, acted)


_LOGGED: dict[str, SubjectType] = {"media": "media", "profile": "profile"}


def _severity(ruleset: Ruleset, answer: Answer) -> int:
    clause = ruleset.clauses.get(answer.clause or "")
    return clause.severity if clause is not None else 3
