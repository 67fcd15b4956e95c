"""The viewer's filters over statuses that are about to be shown. What a client does with a match is its own affair."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.instance import Instance
from parley.social.accounts.views import Viewer
from parley.social.filters.matching import find_matches
from parley.social.filters.reads import list_active_filters
from parley.social.filters.views import FilterView
from parley.social.statuses.views import StatusView


async def mark_filtered(instance: Instance, viewer: Viewer | None, views: Sequence[StatusView]) -> list[StatusView]:
    """`views` with `filtered` set on those in which a filter of the viewer found something, boosted ones included.

    No query while the process knows the viewer's filters. Call it after the transaction of the read.
    """
    if viewer is None or not views:
        return list(views)
    filters = await list_active_filters(instance, viewer)
    if not filters:
        return list(views)
    return [_mark(view, filters) for view in views]


def _mark(view: StatusView, filters: Sequence[FilterView]) -> StatusView:
    shown = view.reblog or view
    ids = (view.id, shown.id)
    matches = find_matches(filters, ids, _text_of(shown))
    if not matches:
        return view
    reblog = msgspec.structs.replace(shown, filtered=matches) if view.reblog else None
    return msgspec.structs.replace(view, filtered=matches, reblog=reblog)


def _text_of(view: StatusView) -> str:
    parts = [view.spoiler_text, view.text, *(media.description for media in view.media)]
    if view.poll is not None:
        parts += [option.title for option in view.poll.options]
    return "\n".join(part for part in parts if part)
