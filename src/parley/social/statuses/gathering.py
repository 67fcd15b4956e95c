"""Fetching everything that the statuses of a page need, in a fixed number of queries. Shows nothing to anybody.

Bodies are kept in the process by (id, version); only counts, the current version and the viewer's marks are asked
for each time. The version rises with every update of a row, so what is kept is never stale. Nothing is kept from
inside a transaction, which may yet be rolled back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from parley.kit.db import Tx
from parley.social.accounts.reads import complete_heads, load_emojis
from parley.social.accounts.views import AccountHead, AccountView, EmojiView, Viewer
from parley.social.graph.ties import Tie, get_accounts_with_ties
from parley.social.media.reads import get_media_views
from parley.social.media.views import MediaView
from parley.social.sessions.oauth.names import AppName, get_app_names
from parley.social.statuses import store, store_polls
from parley.social.statuses.store import Body, Marks, RevisionRow
from parley.social.statuses.store_polls import PollRow
from parley.social.statuses.views import HeldView
from parley.social.verdicts.reads import get_results

_KEPT_BODIES = 8192
_bodies: dict[int, Body] = {}
_media: dict[tuple[int, int], tuple[MediaView, ...]] = {}


class Gathered(msgspec.Struct):
    """Everything that the statuses of one page need, fetched."""

    viewer: Viewer | None
    bodies: dict[int, Body]
    marks: dict[int, Marks]
    accounts: dict[int, AccountView]
    ties: dict[int, Tie]
    media: dict[int, MediaView]
    polls: dict[int, PollRow]
    apps: dict[int, AppName]
    emojis: dict[str, EmojiView]
    held: dict[int, tuple[RevisionRow | None, HeldView]]
    attached: dict[int, tuple[MediaView, ...]]


async def gather(tx: Tx, viewer: Viewer | None, ids: Collection[int]) -> Gathered:
    """All that is needed to show the statuses with these ids, whether the viewer may see them or not."""
    return await complete_bodies(tx, viewer, await load_bodies(tx, ids), {})


async def complete_bodies(
    tx: Tx,
    viewer: Viewer | None,
    bodies: dict[int, Body],
    known_marks: dict[int, Marks],
    *,
    known_head: AccountHead | None = None,
) -> Gathered:
    """Complete bodies with everything that changes; `known_marks` and the viewer's own head need not be asked for."""
    author_ids = list({body.account_id for body in bodies.values()})
    if viewer is not None and bodies and not known_marks:
        marks, authors = await store.list_marks_and_authors(tx, list(bodies), viewer.account_id, author_ids)
        accounts = await complete_heads(tx, [head for head, _ in authors.values()])
        ties = {author_id: tie for author_id, (_, tie) in authors.items()}
    else:
        marks = dict(known_marks)
        if missing := [status_id for status_id in bodies if status_id not in marks]:
            marks |= await store.list_marks(tx, missing, viewer.account_id if viewer else None)
        others = [author_id for author_id in author_ids if known_head is None or author_id != known_head.id]
        accounts, ties = await get_accounts_with_ties(tx, viewer, others)
        if known_head is not None:
            accounts |= await complete_heads(tx, [known_head])
    stale = [
        status_id
        for status_id, body in bodies.items()
        if status_id in marks and marks[status_id].version != body.version
    ]
    if stale:
        fresh = await store.list_bodies(tx, stale)
        bodies.update((body.id, body) for body in fresh)
        _keep(tx, fresh)
    # A status that has just been deleted for good is in `bodies` but not in `marks`.
    bodies = {status_id: body for status_id, body in bodies.items() if status_id in marks}
    found = Gathered(viewer, bodies, marks, accounts, ties, {}, {}, {}, {}, {}, {})
    await _gather_parts(tx, found)
    return found


async def _gather_parts(tx: Tx, found: Gathered) -> None:
    """Media, polls, emoji, apps and held revisions: each is asked for only when some status has it."""
    viewer = found.viewer
    own = [body for body in found.bodies.values() if viewer and body.account_id == viewer.account_id]
    marked = [body for body in own if body.state != "published" or body.held_revision is not None]
    if marked:
        found.held = await _load_held(tx, marked)
    media_ids: set[int] = set()
    poll_ids: set[int] = set()
    app_ids: set[int] = set()
    emojis: set[str] = set()
    for body in found.bodies.values():
        if body.media_ids:
            kept = _media.get((body.id, body.version))
            if kept is None:
                media_ids.update(body.media_ids)
            else:
                found.attached[body.id] = kept
        if body.poll_id is not None:
            poll_ids.add(body.poll_id)
        if body.app_id is not None:
            app_ids.add(body.app_id)
        emojis.update(body.emojis)
    for revision, _ in found.held.values():
        if revision is not None:
            media_ids.update(revision.media_ids)
            emojis.update(revision.emojis)
            if revision.poll_id is not None:
                poll_ids.add(revision.poll_id)
    if media_ids:
        found.media = await get_media_views(tx, list(media_ids))
    if poll_ids:
        viewer_id = viewer.account_id if viewer else 0
        found.polls = await store_polls.list_polls(tx, list(poll_ids), viewer_id)
    if app_ids:
        found.apps = await get_app_names(tx, app_ids)
    if emojis:
        found.emojis = await load_emojis(tx, emojis)


async def load_bodies(tx: Tx, ids: Collection[int]) -> dict[int, Body]:
    """Bodies of `ids` and of all that they boost and quote, from memory where they are known there."""
    loaded: dict[int, Body] = {}
    unknown = _follow_links(loaded, ids)
    if unknown:
        fresh = await store.list_bodies_with_originals(tx, unknown)
        _keep(tx, fresh)
        loaded.update((body.id, body) for body in fresh)
        # What a known boost leads to may have been forgotten; its own quote then comes with it.
        _follow_links(loaded, ids)
    return loaded


def _follow_links(loaded: dict[int, Body], ids: Collection[int]) -> list[int]:
    """Put every body that is reached from `ids` into `loaded`; returns the ids that are not known here."""
    unknown: list[int] = []
    for status_id in ids:
        body = _known(loaded, status_id)
        if body is None:
            unknown.append(status_id)
            continue
        if body.reblog_of_id is not None:
            original = _known(loaded, body.reblog_of_id)
            if original is None:
                unknown.append(body.reblog_of_id)
                continue
            body = original
        if body.quote_of_id is not None and _known(loaded, body.quote_of_id) is None:
            unknown.append(body.quote_of_id)
    return unknown


def _known(loaded: dict[int, Body], status_id: int) -> Body | None:
    body = loaded.get(status_id) or _bodies.get(status_id)
    if body is not None:
        loaded[status_id] = body
    return body


def _keep(tx: Tx, fresh: Sequence[Body]) -> None:
    if tx.is_in_transaction():
        return
    for body in fresh:
        _bodies[body.id] = body
    while len(_bodies) > _KEPT_BODIES:
        del _bodies[next(iter(_bodies))]


async def _load_held(tx: Tx, marked: list[Body]) -> dict[int, tuple[RevisionRow | None, HeldView]]:
    """For the author alone: why each of these is not (or not wholly) public, and the revision that waits."""
    waiting = [(body.id, body.held_revision) for body in marked if body.held_revision is not None]
    revisions = await store.list_named_revisions(tx, waiting) if waiting else {}
    screenings = {
        body.id: revisions[body.id].screening_id if body.id in revisions else body.screening_id for body in marked
    }
    results = await get_results(tx, [number for number in screenings.values() if number is not None])
    held: dict[int, tuple[RevisionRow | None, HeldView]] = {}
    for body in marked:
        revision = revisions.get(body.id)
        result = results.get(screenings[body.id] or 0)
        # A state that people decided on is not explained by the words of the machine that let the post through.
        told = result is not None and result.outcome not in ("allow", "allow_flag")
        held[body.id] = (
            revision,
            HeldView(
                state="held" if revision else body.state,
                clause=result.clause if result and told else None,
                sentence=result.sentence if result and told else "",
                revision=revision.revision if revision else body.revision,
            ),
        )
    return held


def is_kept(body: Body) -> bool:
    """Whether this very body was read outside of a transaction, and may stand for its version from now on."""
    return _bodies.get(body.id) is body


def keep_media(body: Body, media: tuple[MediaView, ...]) -> None:
    """Remember the attachments of a body. Files that are ready change no more but by an edit: a new version."""
    complete = len(media) == len(body.media_ids) and all(view.state == "ready" for view in media)
    if complete and is_kept(body):
        _media[body.id, body.version] = media
        while len(_media) > _KEPT_BODIES:
            del _media[next(iter(_media))]
