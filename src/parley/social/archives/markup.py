"""HTML of a post from elsewhere as the text that its author typed, as far as that can be known. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser

MOST_HTML = 200_000
_HIDDEN = frozenset({"script", "style", "template", "title", "svg", "math"})
_BLOCKS = frozenset({"p", "div", "blockquote", "pre", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6"})
_MANY_LINES = re.compile(r"\n{3,}")


def text_of(html: str, mentions: Mapping[str, str]) -> str:
    """Lines, links and names; `mentions` gives the whole address of a person by the link that leads to them.

    A link whose words are not its address keeps both. Markup beyond `MOST_HTML` characters is not looked at.
    """
    reader = _Reader(mentions)
    reader.feed(html[:MOST_HTML])
    reader.close()
    return _MANY_LINES.sub("\n\n", "".join(reader.parts)).strip()


class _Reader(HTMLParser):
    def __init__(self, mentions: Mapping[str, str]) -> None:
        super().__init__(convert_charrefs=True)
        self.mentions = mentions
        self.parts: list[str] = []
        self.link: tuple[str, str, int] | None = None
        """Address, class and where its words begin, while inside a link."""
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self.hidden += 1
        elif tag == "br":
            self.parts.append("\n")
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag in _BLOCKS and self.parts:
            self.parts.append("\n\n")
        elif tag == "a" and self.link is None:
            given = {name: value or "" for name, value in attrs}
            self.link = given.get("href", ""), given.get("class", ""), len(self.parts)

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self.hidden = max(0, self.hidden - 1)
        elif tag == "a" and self.link is not None:
            address, kind, begin = self.link
            self.link = None
            words = "".join(self.parts[begin:])
            del self.parts[begin:]
            self.parts.append(self._words_of_link(address, kind, words))

    def _words_of_link(self, address: str, kind: str, words: str) -> str:
        if address in self.mentions:
            return self.mentions[address]
        if "hashtag" in kind or "mention" in kind or words.startswith(("#", "@")):
            return words
        if not address.startswith(("http://", "https://")) or address.rstrip("/") == words.strip().rstrip("/"):
            return words
        return f"{words} ({address})" if words.strip() else address

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data)
