"""The one clock. Code asks `now()`, never `datetime.now()`, so that tests can move time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

_offset = timedelta()


def now() -> datetime:
    """The current time, timezone-aware, in UTC."""
    return datetime.now(UTC) + _offset


@contextmanager
def time_travel(by: timedelta) -> Iterator[None]:
    """Move `now()` by `by` inside the block, for tests; the database's own now() does not move."""
    global _offset
    before = _offset
    _offset = before + by
    try:
        yield
    finally:
        _offset = before


def iso(moment: datetime) -> str:
    """ISO 8601 with milliseconds and Z, as Mastodon's API writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
