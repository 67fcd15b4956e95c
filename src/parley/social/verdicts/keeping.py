"""What is kept with a result so that the same revision can be judged again, exactly, years later.

The words stand in the revision's own tables; everything else that the judge was told stands in the result: the facts,
the content without those words, and the words that no table has. Defaults are left out. Pure; knows no table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from parley.screening import Content, Facts

_IN_TABLES = {
    "status": re.compile(r"text|shown_text|spoiler_text|poll_option_\d+|media_\d+_description"),
    "media": re.compile(r"description"),
    "profile": re.compile(r"username|display_name|note|avatar_description|header_description|field_\d+_(?:name|value)"),
}
_IN_TABLES |= {"poll": _IN_TABLES["status"], "message": _IN_TABLES["status"]}


_USUAL = (
    *("text", "shown_text", "spoiler_text", "poll_option", "media_description"),
    *("username", "display_name", "note", "avatar_description", "header_description", "field_name", "field_value"),
)
_RANKS = {name: rank for rank, name in enumerate(_USUAL)}
_NUMBER = re.compile(r"_(\d+)")


def _place(name: str) -> tuple[int, int, int, str]:
    """Where a text usually stands among the others; fields of a profile go row by row."""
    number = int(found[1]) if (found := _NUMBER.search(name)) else 0
    rank = _RANKS.get(_NUMBER.sub("", name), len(_RANKS))
    row = number if name.startswith("field_") else 0
    return (rank if not row else _RANKS["field_name"], row, rank * 1000 + number, name)


def keep_input(content: Content, facts: Facts) -> dict[str, Any]:
    """What a result's detail keeps of the judge's input: `facts`, and `content` without what the tables have."""
    in_tables = _IN_TABLES[content.kind]
    elsewhere = {name: text for name, text in content.texts.items() if not in_tables.fullmatch(name)}
    return _keep(content, facts, elsewhere)


def keep_all(content: Content, facts: Facts) -> dict[str, Any]:
    """The same for what no table has: a refused write, whose words are kept with the result."""
    return {**_keep(content, facts, {}), "texts": content.texts}


def _keep(content: Content, facts: Facts, texts: dict[str, str]) -> dict[str, Any]:
    kept: dict[str, Any] = {"facts": facts, "content": msgspec.structs.replace(content, texts=texts)}
    names = list(content.texts)
    if names != sorted(names, key=_place):
        # Phrases are looked for across all texts of a revision, so their order is part of what was judged.
        kept["order"] = names
    return kept


class Restored(msgspec.Struct, frozen=True):
    """The judge's input once more. `exact` is false for a result that was stored without its facts."""

    content: Content
    facts: Facts
    exact: bool


def restore_input(
    subject_type: str, detail: Mapping[str, Any], texts: Mapping[str, str], created_at: datetime
) -> Restored:
    """The input of a stored result; `texts` are the revision's words from its tables (empty for a refused write).

    A result without facts is judged with the author's trust of that time and nothing else. Raises
    msgspec.ValidationError for a detail that cannot be read.
    """
    again = detail.get("again") or {}
    kept_facts, kept_content = detail.get("facts") or again.get("facts"), detail.get("content")
    content = msgspec.convert(kept_content or {"kind": subject_type}, Content)
    words = {**content.texts, **(detail.get("texts") or {}), **texts}
    if not words and again:
        words = again["content"].get("texts", {})
    order = detail.get("order") or sorted(words, key=_place)
    content = msgspec.structs.replace(content, texts={name: words[name] for name in order if name in words})
    if kept_facts is None:
        trust = detail.get("trust")
        facts = msgspec.convert({"now": created_at, "trust": trust}, Facts)
        return Restored(content, facts, False)
    return Restored(content, msgspec.convert(kept_facts, Facts), True)
