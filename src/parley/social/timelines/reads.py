"""Statuses in order for one reader: home, public, tag and list timelines, and conversations.

Every timeline is ids by keyset, then `list_statuses`, which shows only what the viewer may see. No rule of
visibility may live here alone: what a status is, the statuses room knows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.html import fold_tag
from parley.kit.ids import id_at
from parley.kit.paging import Page, fill_page
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import Viewer
from parley.social.graph.reads import get_list
from parley.social.statuses.hydrate import list_statuses
from parley.social.statuses.views import StatusView
from parley.social.timelines import store_home, store_marks, store_public
from parley.social.timelines.store_marks import ConversationRow
from parley.social.timelines.views import (
    ConversationView,
    FeaturedTagView,
    FollowedTagView,
    MarkerView,
    TagDayView,
    TagView,
)

ROUNDS = (1, 4, 16, 20)
"""How a page is topped up when rows turn out to be invisible: each round looks at so many times the page."""

OWN_POSTS_FRESH = timedelta(hours=1)
"""Own posts of this age show in the home at once, though their fan-out may still wait in the queue."""

HISTORY_DAYS = 7

Taken = Callable[[int, int, int], Awaitable[list[int]]]


async def list_home(tx: Tx, viewer: Viewer, page: Page) -> list[StatusView]:
    """The viewer's home, newest first: one query for the ids, unless invisible rows leave room on the page."""
    own_since = id_at(now() - OWN_POSTS_FRESH)
    found: list[StatusView] = []
    below, above = page.below, page.above
    for factor in ROUNDS:
        wanted = page.limit * factor
        piece = await store_home.list_home_ids(
            tx,
            viewer.account_id,
            below=below,
            above=above,
            ascending=page.ascending,
            limit=wanted,
            own_since=own_since,
        )
        found += await list_statuses(tx, viewer, piece.ids)
        full_slice = len(piece.ids) >= wanted
        if len(found) >= page.limit or (piece.complete and not full_slice):
            break
        edge = piece.ids[-1] if full_slice else piece.edge
        if edge is None or not above < edge < below:
            break
        below, above = (below, edge) if page.ascending else (edge, above)
    return _newest_first(found, page)


def _newest_first(found: list[StatusView], page: Page) -> list[StatusView]:
    return sorted(found[: page.limit], key=lambda status: status.id, reverse=True)


async def _fill(tx: Tx, viewer: Viewer | None, page: Page, take: Taken) -> list[StatusView]:
    """A page of what `take(below, above, limit)` finds and the viewer may see, topped up while there is more."""

    async def present(ids: Sequence[int]) -> list[StatusView]:
        return await list_statuses(tx, viewer, ids)

    return _newest_first(await fill_page(page, take, present, id_of=int, rounds=ROUNDS), page)


async def list_public(
    tx: Tx,
    viewer: Viewer | None,
    page: Page,
    *,
    local: bool = False,
    remote: bool = False,
    only_media: bool = False,
) -> list[StatusView]:
    """Public posts of everybody (`local`: of this instance's members, `remote`: of others'), newest first."""

    async def take(below: int, above: int, limit: int) -> list[int]:
        return await store_public.list_public_ids(
            tx,
            viewer.account_id if viewer else 0,
            below=below,
            above=above,
            ascending=page.ascending,
            limit=limit,
            local=local,
            remote=remote,
            only_media=only_media,
        )

    return await _fill(tx, viewer, page, take)


async def list_tag(
    tx: Tx,
    viewer: Viewer | None,
    tag: str,
    page: Page,
    *,
    any_of: Sequence[str] = (),
    all_of: Sequence[str] = (),
    none_of: Sequence[str] = (),
    local: bool = False,
    remote: bool = False,
    only_media: bool = False,
) -> list[StatusView]:
    """Public posts with `tag` or one of `any_of`, with every tag of `all_of`, with none of `none_of`."""
    main, *more = [fold_tag(name) for name in (tag, *any_of)][:5]
    needed = [fold_tag(name) for name in all_of][:4]
    refused = [fold_tag(name) for name in none_of][:4]
    ids = await store_marks.list_tag_ids_by_name(tx, [main, *more, *needed, *refused])
    if any(name not in ids for name in needed):
        return []
    wanted = [ids[name] for name in (main, *more) if name in ids]
    if not wanted:
        return []

    async def take(below: int, above: int, limit: int) -> list[int]:
        return await store_public.list_tag_ids(
            tx,
            viewer.account_id if viewer else 0,
            below=below,
            above=above,
            ascending=page.ascending,
            limit=limit,
            local=local,
            remote=remote,
            only_media=only_media,
            any_ids=wanted,
            all_ids=[ids[name] for name in needed],
            none_ids=[ids[name] for name in refused if name in ids],
        )

    return await _fill(tx, viewer, page, take)


async def list_list_timeline(tx: Tx, viewer: Viewer, list_id: int, page: Page) -> list[StatusView]:
    """What the members of the viewer's own list wrote and boosted; raises NotFound for another's list."""
    chosen = await get_list(tx, viewer, list_id)

    async def take(below: int, above: int, limit: int) -> list[int]:
        return await store_public.list_list_ids(
            tx,
            viewer.account_id,
            list_id,
            below=below,
            above=above,
            ascending=page.ascending,
            limit=limit,
            replies_policy=chosen.replies_policy,
        )

    return await _fill(tx, viewer, page, take)


async def list_direct(tx: Tx, viewer: Viewer, page: Page) -> list[StatusView]:
    """Direct messages to and by the viewer, newest first."""

    async def take(below: int, above: int, limit: int) -> list[int]:
        return await store_public.list_direct_ids(
            tx, viewer.account_id, below=below, above=above, ascending=page.ascending, limit=limit
        )

    return await _fill(tx, viewer, page, take)


async def list_conversations(tx: Tx, viewer: Viewer, page: Page) -> list[ConversationView]:
    """The viewer's conversations, the one with the newest message first."""
    rows = await store_marks.list_conversations(
        tx,
        viewer.account_id,
        below=page.below,
        above=page.above,
        ascending=page.ascending,
        limit=page.limit,
    )
    rows.sort(key=lambda row: row.last_status_id, reverse=True)
    return await _present_conversations(tx, viewer, rows)


async def get_conversation(tx: Tx, viewer: Viewer, conversation_row_id: int) -> ConversationView:
    """One of the viewer's conversations; raises NotFound."""
    row = await store_marks.get_conversation(tx, viewer.account_id, conversation_row_id)
    if row is None:
        raise NotFound
    return (await _present_conversations(tx, viewer, [row]))[0]


async def _present_conversations(tx: Tx, viewer: Viewer, rows: list[ConversationRow]) -> list[ConversationView]:
    statuses = await list_statuses(tx, viewer, [row.last_status_id for row in rows])
    by_id = {status.id: status for status in statuses}
    accounts = await get_account_views(tx, [id_ for row in rows for id_ in row.participant_ids])
    return [
        ConversationView(
            id=row.id,
            unread=row.unread,
            accounts=tuple(accounts[id_] for id_ in row.participant_ids if id_ in accounts),
            last_status=by_id.get(row.last_status_id),
            last_status_id=row.last_status_id,
        )
        for row in rows
    ]


async def get_markers(tx: Tx, viewer: Viewer, timelines: Sequence[str]) -> dict[str, MarkerView]:
    """How far the viewer has read in the named timelines (home, notifications); without those never marked."""
    rows = await store_marks.list_markers(tx, viewer.account_id, list(timelines))
    return {row.timeline: row for row in rows}


async def list_tags(tx: Tx, viewer: Viewer | None, tag_ids: Sequence[int]) -> list[TagView]:
    """Tags in the order of `tag_ids`, with the use of the last seven days. Two queries."""
    if not tag_ids:
        return []
    rows = await store_marks.list_tags(tx, viewer.account_id if viewer else 0, list(tag_ids))
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=HISTORY_DAYS - 1)
    used = {
        (day.tag_id, day.day.date()): day for day in await store_marks.list_tag_days(tx, list(tag_ids), id_at(first))
    }
    days = [(today - timedelta(days=n)).date() for n in range(HISTORY_DAYS)]
    return [
        TagView(
            id=row.id,
            name=row.name,
            history=tuple(
                TagDayView(day, found.uses, found.accounts)
                if (found := used.get((row.id, day)))
                else TagDayView(day, 0, 0)
                for day in days
            ),
            following=row.following if viewer else None,
            featuring=row.featuring if viewer else None,
        )
        for row in rows
    ]


async def get_tag(tx: Tx, viewer: Viewer | None, name: str) -> TagView:
    """A tag by name; one that nobody has used has no id and an empty history."""
    ids = await store_marks.list_tag_ids_by_name(tx, [fold_tag(name)])
    if not ids:
        mark = False if viewer else None
        return TagView(id=None, name=name, following=mark, featuring=mark)
    return (await list_tags(tx, viewer, list(ids.values())))[0]


async def list_followed_tags(tx: Tx, viewer: Viewer, page: Page) -> list[FollowedTagView]:
    """The tags that the viewer follows, the newest first."""
    pairs = await store_marks.list_tag_follows(
        tx,
        viewer.account_id,
        below=page.below,
        above=page.above,
        ascending=page.ascending,
        limit=page.limit,
    )
    pairs.sort(reverse=True)
    tags = {tag.id: tag for tag in await list_tags(tx, viewer, [tag_id for _, tag_id in pairs])}
    return [FollowedTagView(follow_id, tags[tag_id]) for follow_id, tag_id in pairs if tag_id in tags]


async def list_featured_tags(tx: Tx, account_id: int) -> list[FeaturedTagView]:
    """The tags on an account's profile; whether the account itself may be seen, the caller has asked."""
    return await store_marks.list_featured_tags(tx, account_id)


async def suggest_featured_tags(tx: Tx, viewer: Viewer, limit: int = 10) -> list[TagView]:
    """Tags that the viewer uses most and does not show on the profile yet."""
    return await list_tags(tx, viewer, await store_marks.list_tag_suggestions(tx, viewer.account_id, limit))
