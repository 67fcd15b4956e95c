"""Threads: the tree around one status, built in linear time from one query, however long the thread is."""

from __future__ import annotations

from collections.abc import Callable

from parley.kit.db import Tx
from parley.social.accounts.views import Viewer
from parley.social.graph.ties import STRANGER, get_ties
from parley.social.statuses import store
from parley.social.statuses.hydrate import get_visible_body, list_statuses
from parley.social.statuses.store import ThreadRow
from parley.social.statuses.views import ContextView, StatusView

MOST_READ = 50_000
"""How many statuses of one conversation are looked through."""
MOST_FOR_MEMBERS = 4096
MOST_ANCESTORS = 40
MOST_DESCENDANTS = 60
MOST_DEPTH = 20
"""The three limits for readers who are signed out (Mastodon's)."""


async def get_context(tx: Tx, viewer: Viewer | None, status_id: int) -> ContextView:
    """What comes before and after a status in its thread, as the viewer may see it. Raises NotFound.

    Descendants come depth first, each branch in order of time, the author's own continuation first. Statuses that
    the viewer may not see, and those of people whom the viewer mutes, are left out; what answers them is not.
    """
    body, _ = await get_visible_body(tx, viewer, status_id, original=False)
    rows = await store.list_thread(tx, body.conversation_id, MOST_READ)
    members = viewer is not None
    above = list_ancestors(rows, status_id, MOST_FOR_MEMBERS if members else MOST_ANCESTORS)
    below = list_descendants(
        rows,
        status_id,
        MOST_FOR_MEMBERS if members else MOST_DESCENDANTS,
        None if members else MOST_DEPTH,
    )
    views = {view.id: view for view in await list_statuses(tx, viewer, [*above, *below])}
    ties = await get_ties(tx, viewer, {view.account.id for view in views.values()})

    def shown(ids: list[int], is_wanted: Callable[[StatusView], bool]) -> list[StatusView]:
        return [view for id_ in ids if (view := views.get(id_)) is not None and is_wanted(view)]

    def is_unmuted(view: StatusView) -> bool:
        return not ties.get(view.account.id, STRANGER).muting

    return ContextView(shown(above, is_unmuted), shown(below, is_unmuted))


def list_ancestors(rows: list[ThreadRow], status_id: int, most: int) -> list[int]:
    """Ids of what a status answers, oldest first: the `most` nearest ones."""
    parents = {row.id: row.in_reply_to_id for row in rows}
    chain: dict[int, None] = {}
    current = parents.get(status_id)
    while current in parents and current not in chain and current != status_id and len(chain) < most:
        chain[current] = None
        current = parents[current]
    return list(chain)[::-1]


def list_descendants(rows: list[ThreadRow], status_id: int, most: int, most_depth: int | None) -> list[int]:
    """Ids of what answers a status, depth first, at most `most`, at most `most_depth` levels deep."""
    authors = {row.id: row.account_id for row in rows}
    children: dict[int, list[int]] = {}
    for row in rows:  # by id, so that every list of children is in order of time
        if row.in_reply_to_id is not None and row.id != status_id:
            children.setdefault(row.in_reply_to_id, []).append(row.id)
    found: list[int] = []
    stack = [(child, 1) for child in _branches(children, authors, status_id)]
    while stack and len(found) < most:
        current, depth = stack.pop()
        found.append(current)
        if most_depth is None or depth < most_depth:
            stack += [(child, depth + 1) for child in _branches(children, authors, current)]
    return found


def _branches(children: dict[int, list[int]], authors: dict[int, int], parent: int) -> list[int]:
    """Answers to `parent` as a stack: the last comes first. An author's answer to the own status goes before others."""
    author = authors.get(parent)
    answers = children.pop(parent, [])
    return sorted(answers, key=lambda child: (authors[child] == author, -child))
