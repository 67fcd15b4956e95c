"""Keyset paging as in Mastodon's API: max_id, since_id, min_id and limit. Never OFFSET."""

from __future__ import annotations

import msgspec

from parley.kit.ids import MAX_ID


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
