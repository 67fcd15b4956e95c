"""What viewers may read of statuses: one, many, their history and source, lists of them, and who did what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.html import fold_tag
from parley.kit.paging import Page
from parley.social.accounts.reads import get_account, list_accounts, load_emojis
from parley.social.accounts.views import Viewer
from parley.social.graph.ties import STRANGER, get_ties
from parley.social.graph.views import AccountsPage
from parley.social.media.reads import get_media_views
from parley.social.statuses import store, store_lists, store_marks, store_polls
from parley.social.statuses.hydrate import describe_media, get_visible_body
from parley.social.statuses.hydrate import get_status as get_status
from parley.social.statuses.hydrate import list_for_evidence as list_for_evidence
from parley.social.statuses.hydrate import list_reportable as list_reportable
from parley.social.statuses.hydrate import list_statuses as list_statuses
from parley.social.statuses.polls import get_poll as get_poll
from parley.social.statuses.scheduling import get_scheduled as get_scheduled
from parley.social.statuses.scheduling import list_scheduled as list_scheduled
from parley.social.statuses.store_lists import Edge, ProfileFilter
from parley.social.statuses.threads import get_context as get_context
from parley.social.statuses.views import RevisionView, SourceView, StatusesPage


async def get_history(tx: Tx, viewer: Viewer | None, status_id: int) -> list[RevisionView]:
    """Every revision that was public, oldest first; its author sees held ones too. Raises NotFound."""
    status = await get_status(tx, viewer, status_id)
    if status.reblog is not None:
        raise NotFound
    own = viewer is not None and viewer.account_id == status.account.id
    rows = [row for row in await store.list_revisions(tx, status_id) if own or row.state == "published"]
    media = await get_media_views(tx, list({media_id for row in rows for media_id in row.media_ids}))
    emojis = await load_emojis(tx, {name for row in rows for name in row.emojis})
    return [
        RevisionView(
            account=status.account,
            html=row.html,
            spoiler_text=row.spoiler_text,
            sensitive=row.sensitive,
            created_at=row.created_at,
            media=describe_media(media, row.media_ids, row.media_descriptions),
            emojis=tuple(emojis[name] for name in row.emojis if name in emojis),
            poll_options=tuple(row.poll_options) if row.poll_options is not None else None,
        )
        for row in rows
    ]


async def get_source(tx: Tx, viewer: Viewer, status_id: int) -> SourceView:
    """What the author typed, for whoever may see the status. Raises NotFound."""
    status = await get_status(tx, viewer, status_id)
    if status.reblog is not None:
        raise NotFound
    return SourceView(status.id, status.text, status.own_warning, status.content_type)


async def list_reblogged_by(tx: Tx, viewer: Viewer | None, status_id: int, page: Page) -> AccountsPage:
    """Who boosted a status, latest first. Raises NotFound."""
    return await _list_people(tx, viewer, status_id, page, store_lists.list_rebloggers)


async def list_favourited_by(tx: Tx, viewer: Viewer | None, status_id: int, page: Page) -> AccountsPage:
    """Who favourited a status, latest first. Raises NotFound."""
    return await _list_people(tx, viewer, status_id, page, store_lists.list_favouriters)


async def _list_people(
    tx: Tx,
    viewer: Viewer | None,
    status_id: int,
    page: Page,
    read: Callable[[Tx, int, Page, int], Awaitable[list[Edge]]],
) -> AccountsPage:
    body, _ = await get_visible_body(tx, viewer, status_id)
    edges = await read(tx, body.id, page, viewer.account_id if viewer else 0)
    ids = [edge.target_id for edge in edges]
    ties = await get_ties(tx, viewer, ids)
    wanted = [account_id for account_id in ids if not ties.get(account_id, STRANGER).blocked]
    accounts = await list_accounts(tx, viewer, wanted)
    return AccountsPage(accounts, edges[0].id if edges else None, edges[-1].id if edges else None)


async def list_quotes(tx: Tx, viewer: Viewer, status_id: int, page: Page) -> StatusesPage:
    """Statuses that quote this one and that the viewer may see. Raises NotFound."""
    body, _ = await get_visible_body(tx, viewer, status_id, original=False)
    return await _page_of_ids(tx, viewer, await store_lists.list_quote_ids(tx, body.id, page))


async def list_bookmarks(tx: Tx, viewer: Viewer, page: Page) -> StatusesPage:
    """What the viewer bookmarked, latest first; paged by the bookmarks' own ids."""
    return await _page_of_edges(tx, viewer, await store_lists.list_bookmarks(tx, viewer.account_id, page))


async def list_favourites(tx: Tx, viewer: Viewer, page: Page) -> StatusesPage:
    """What the viewer favourited, latest first; paged by the favourites' own ids."""
    return await _page_of_edges(tx, viewer, await store_lists.list_favourites(tx, viewer.account_id, page))


async def _page_of_edges(tx: Tx, viewer: Viewer, edges: list[Edge]) -> StatusesPage:
    statuses = await list_statuses(tx, viewer, [edge.target_id for edge in edges])
    return StatusesPage(statuses, edges[0].id if edges else None, edges[-1].id if edges else None)


async def _page_of_ids(tx: Tx, viewer: Viewer | None, ids: list[int]) -> StatusesPage:
    statuses = await list_statuses(tx, viewer, ids)
    return StatusesPage(statuses, ids[0] if ids else None, ids[-1] if ids else None)


async def list_account_statuses(
    tx: Tx,
    viewer: Viewer | None,
    account_id: int,
    page: Page,
    *,
    only_media: bool = False,
    exclude_replies: bool = False,
    exclude_reblogs: bool = False,
    pinned: bool = False,
    tagged: str | None = None,
) -> StatusesPage:
    """An account's statuses as the viewer may see them, newest first. Raises NotFound for an invisible account.

    `pinned` gives the pinned ones alone, unpaged. An account that blocks the viewer, or is blocked, shows nothing.
    """
    await get_account(tx, viewer, account_id)
    is_owner = viewer is not None and viewer.account_id == account_id
    tie = (await get_ties(tx, viewer, [account_id])).get(account_id, STRANGER)
    if tie.blocked:
        return StatusesPage([])
    if pinned:
        return await _page_of_ids(tx, viewer, await store_lists.list_pinned_ids(tx, account_id))
    wanted = ProfileFilter(
        viewer_id=viewer.account_id if viewer else 0,
        is_owner=is_owner,
        following=tie.following,
        only_media=only_media,
        exclude_replies=exclude_replies,
        exclude_reblogs=exclude_reblogs,
        tagged=fold_tag(tagged) if tagged else None,
    )
    return await _page_of_ids(tx, viewer, await store_lists.list_account_status_ids(tx, account_id, page, wanted))


async def list_muting_conversation(tx: Tx, conversation_id: int, account_ids: list[int]) -> set[int]:
    """Which of these accounts muted a conversation: they get no notification of it. For other rooms."""
    return await store_marks.list_muting(tx, conversation_id, account_ids) if account_ids else set()


async def list_poll_voters(tx: Tx, poll_id: int, after: int, limit: int) -> list[int]:
    """Account ids of who voted, in pages, for the rooms that tell them when the poll has ended."""
    return await store_polls.list_voters(tx, poll_id, after, limit)


async def list_authors(tx: Tx, ids: Sequence[int]) -> dict[int, int]:
    """Whose these statuses are, whatever their state, for the desk alone; missing ones are left out. One query."""
    return {body.id: body.account_id for body in await store.list_bodies(tx, list(ids))}
