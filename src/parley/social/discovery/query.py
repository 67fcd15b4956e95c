"""Reading what somebody typed into the search box. Pure: text in, a query out; nothing here is ever SQL.

Operators are Mastodon's: from:me, from:name, has:media (image, video, audio, poll, link), is:reply, is:sensitive,
language:en, before:2026-01-31, after:, during:, in:library, in:public. A minus before has: and is: turns them round.
Everything else is words for the database's own web search syntax (quotes, minus, or).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import msgspec

from parley.kit.ids import id_at

LONGEST_QUERY = 500

_OPERATOR = re.compile(
    r"(?:(?<=\s)|^)(?P<minus>-?)(?P<name>from|has|is|language|before|after|during|in):(?P<value>\"[^\"]*\"|\S+)",
    re.IGNORECASE,
)
HAS = ("media", "image", "video", "audio", "poll", "link")
IS = ("reply", "sensitive")


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`words` is for websearch_to_tsquery; dates have become ids; `wanted` and `refused` are of HAS and IS."""

    words: str
    author: str | None = None
    language: str | None = None
    below: int | None = None
    above: int | None = None
    library: bool = False
    public: bool = False
    wanted: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is asked for: then nothing is found."""
        return not (self.words or self.author or self.language or self.wanted or self.library)


def read_query(text: str) -> SearchQuery:
    """What `text` asks for. An operator that makes no sense is taken as words."""
    text = text.replace("\x00", " ")[:LONGEST_QUERY]
    found: dict[str, str] = {}
    wanted: set[str] = set()
    refused: set[str] = set()
    bounds: dict[str, int] = {}

    def take(match: re.Match[str]) -> str:
        name, value = match["name"].lower(), match["value"].strip('"')
        negative = bool(match["minus"])
        if name in ("has", "is"):
            if value.lower() in (HAS if name == "has" else IS):
                (refused if negative else wanted).add(value.lower())
                return " "
        elif negative or not value:
            return match[0]
        elif name in ("before", "after", "during"):
            if _bound(bounds, name, value):
                return " "
        elif name == "in" and value.lower() in ("library", "public", "all"):
            found["in"] = value.lower()
            return " "
        elif name in ("from", "language"):
            found[name] = value
            return " "
        return match[0]

    words = " ".join(_OPERATOR.sub(take, text).split())
    return SearchQuery(
        words=words,
        author=found.get("from"),
        language=found["language"].lower() if "language" in found else None,
        below=bounds.get("below"),
        above=bounds.get("above"),
        library=found.get("in") == "library",
        public=found.get("in") == "public",
        wanted=frozenset(wanted),
        refused=frozenset(refused),
    )


def _bound(bounds: dict[str, int], name: str, value: str) -> bool:
    """Turn a day (UTC) into bounds of ids; False when it is none."""
    try:
        day = datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
        following = day + timedelta(days=1)
    except (ValueError, OverflowError):
        return False
    if not 1970 < day.year < 2500:
        return False
    if name in ("before", "during"):
        bounds["below"] = id_at(day if name == "before" else following)
    if name in ("after", "during"):
        bounds["above"] = id_at(following if name == "after" else day) - 1
    return True
