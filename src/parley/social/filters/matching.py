"""Whether a filter finds something in a status. Pure: no database, no clock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from parley.social.filters.views import FilterView, KeywordView, MatchView


def find_matches(filters: Sequence[FilterView], status_ids: Sequence[int], text: str) -> tuple[MatchView, ...]:
    """What `filters` find in a status (and the one it boosts) with these ids and this plain text."""
    found = []
    folded = text.casefold() if any(one.keywords for one in filters) else ""
    for one in filters:
        words = tuple(
            keyword.keyword
            for keyword in one.keywords
            # Looking for a literal is a hundred times cheaper than for a pattern, and most words are not there.
            if _folded(keyword.keyword) in folded and _pattern(keyword).search(text)
        )
        ids = tuple(status.status_id for status in one.statuses if status.status_id in status_ids)
        if words or ids:
            found.append(MatchView(one, words, ids))
    return tuple(found)


@lru_cache(maxsize=16384)
def _folded(keyword: str) -> str:
    return keyword.casefold()


@lru_cache(maxsize=4096)
def _pattern(keyword: KeywordView) -> re.Pattern[str]:
    """A literal, without regard to case; a whole word has no word character beside its own at either end."""
    literal = re.escape(keyword.keyword)
    if keyword.whole_word:
        before = r"(?<!\w)" if re.match(r"\w", keyword.keyword) else ""
        after = r"(?!\w)" if re.search(r"\w\Z", keyword.keyword) else ""
        literal = before + literal + after
    return re.compile(literal, re.IGNORECASE)
