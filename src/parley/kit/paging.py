"""Keyset paging as in Mastodon's API: max_id, since_id, min_id and limit. Never OFFSET."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from parley.kit.ids import MAX_ID

Row = TypeVar("Row")
View = TypeVar("View")


class Page(msgspec.Struct, frozen=True):
    """Which part of a list, newest first.

    `max_id`: only older than it. `since_id`: only newer, starting from the newest. `min_id`: only newer, the page
    just above it. Lists are always returned newest first.
    """

    limit: int = 20
    max_id: int | None = None
    since_id: int | None = None
    min_id: int | None = None

    @property
    def below(self) -> int:
        """Exclusive upper bound for SQL."""
        return MAX_ID if self.max_id is None else self.max_id

    @property
    def above(self) -> int:
        """Exclusive lower bound for SQL."""
        bounds = [bound for bound in (self.since_id, self.min_id) if bound is not None]
        return max(bounds, default=0)

    @property
    def ascending(self) -> bool:
        """Whether SQL must take the oldest rows of the range (then reverse them)."""
        return self.min_id is not None


def in_direction(newest_first: str, page: Page) -> str:
    """The same page of SQL, taken from the oldest end when the page asks for what is just above min_id."""
    return newest_first.replace("ORDER BY id DESC", "ORDER BY id ASC") if page.ascending else newest_first


async def fill_page(
    page: Page,
    take: Callable[[int, int, int], Awaitable[Sequence[Row]]],
    present: Callable[[Sequence[Row]], Awaitable[Sequence[View]]],
    *,
    id_of: Callable[[Row], int],
    rounds: Sequence[int],
) -> list[View]:
    """A page of what `take(below, above, limit)` finds and `present` shows, topped up while there is more.

    `present` leaves out what the viewer may not see; each of `rounds` looks at so many times the page. In the order in
    which they were taken, cut to the page.
    """
    found: list[View] = []
    below, above = page.below, page.above
    for factor in rounds:
        wanted = page.limit * factor
        rows = await take(below, above, wanted)
        found += await present(rows)
        if len(rows) < wanted or len(found) >= page.limit:
            break
        edge = id_of(rows[-1])
        below, above = (below, edge) if page.ascending else (edge, above)
    return found[: page.limit]
