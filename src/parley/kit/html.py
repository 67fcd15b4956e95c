"""HTML made from what people type, and HTML from elsewhere made safe. Callers say where mentions and tags
lead.

`find_entities` reads a text once; `render_plain` and `render_markdown` turn it into HTML in the shape that
Mastodon's clients expect. Time is linear in the length of the text, whatever it holds. Everything returned
has passed nh3.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

import msgspec

from parley.kit.cleaning import clean_html

if TYPE_CHECKING:
    from linkify_it import LinkifyIt
    from markdown_it import MarkdownIt

LONGEST_LINK = 2048
SHOWN_LINK = 30
LONGEST_TAG = 100


class Mention(msgspec.Struct, frozen=True):
    """`@user` (domain None) or `@user@domain`; the domain is lower case and may carry a port."""

    username: str
    domain: str | None = None


class Entity(msgspec.Struct, frozen=True):
    """Something in a text that becomes a link: `text[start:end]`, of kind link, mention or tag."""

    kind: str
    start: int
    end: int
    value: str
    """The URL, the tag without its sign, or the mention as typed without its first sign."""


class Entities(msgspec.Struct, frozen=True):
    """What `find_entities` found. Every list is without repetition and in order of appearance."""

    text: str
    spans: tuple[Entity, ...] = ()
    emojis: tuple[str, ...] = ()
    """Shortcodes that may be custom emoji: the caller knows which exist."""

    @property
    def mentions(self) -> tuple[Mention, ...]:
        """Whom the text addresses."""
        return tuple(dict.fromkeys(read_mention(s.value) for s in self.spans if s.kind == "mention"))

    @property
    def tags(self) -> tuple[str, ...]:
        """Hashtags as typed, without the sign; the same tag in another case counts once."""
        seen: dict[str, str] = {}
        for span in self.spans:
            if span.kind == "tag":
                seen.setdefault(fold_tag(span.value), span.value)
        return tuple(seen.values())

    @property
    def links(self) -> tuple[str, ...]:
        """Absolute http and https URLs."""
        return tuple(dict.fromkeys(s.value for s in self.spans if s.kind == "link"))


class Rendered(msgspec.Struct, frozen=True):
    """Safe HTML and what was found on the way."""

    html: str
    mentions: tuple[Mention, ...] = ()
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    emojis: tuple[str, ...] = ()


MentionURL = Callable[[Mention], "str | None"]
"""Where a mention leads; None leaves it as plain text (nobody of that name is known)."""
TagURL = Callable[[str], str]


def fold_tag(name: str) -> str:
    """The form under which hashtags are equal: NFKC, case folded."""
    return unicodedata.normalize("NFKC", name).casefold()


def read_mention(value: str) -> Mention:
    """`alice` or `alice@Domain.example` as a Mention."""
    username, _, domain = value.partition("@")
    return Mention(username, domain.lower() or None)


@cache
def _marks() -> str:
    """Combining marks, as ranges for a character class: letters of many scripts are written with them."""
    ranges: list[str] = []
    start = last = -2
    for code in (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0)):
        if unicodedata.category(chr(code))[0] == "M" and code not in (0xFE0F, 0x20E3):
            if code != last + 1:
                if start > 0:
                    ranges.append(f"{chr(start)}-{chr(last)}")
                start = code
            last = code
    return "".join([*ranges, f"{chr(start)}-{chr(last)}"])


@cache
def _pattern() -> re.Pattern[str]:
    """Mentions, hashtags and shortcodes in one pass; possessive, so that nothing is tried twice."""
    word = rf"[\w{_marks()}]"
    return re.compile(
        rf"""
        (?<![=/\w@]) @ (?P<mention> [A-Za-z0-9_]++ (?: [.-]++ [A-Za-z0-9_]++ )*+
            (?: @ \w++ (?: [.-]++ \w++ )*+ (?: :\d{{1,5}}+ )? )?+ )
        | (?<![\w&/#＃{_marks()}]) [#＃] (?P<tag> {word}++ (?: [·・‌]++ {word}++ )*+ )
        | (?<![\w:]) : (?P<emoji> [A-Za-z0-9_]{{2,}}+ ) (?= :(?![A-Za-z0-9_:]) )
        """,
        re.VERBOSE,
    )


_SCHEME = re.compile(r"(?<![\w@])https?:(?=//)", re.IGNORECASE)
_TRICKS = re.compile("[\u202a-\u202e\u2066-\u2069\u0000-\u001f\u007f]")


@cache
def _linkify() -> LinkifyIt:
    from linkify_it import LinkifyIt

    return LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})


def _find_links(text: str) -> list[Entity]:
    """Absolute http(s) URLs. Each is looked for in a window of fixed size, so the whole stays linear."""
    found: list[Entity] = []
    if "://" not in text:
        return found
    position = 0
    while match := _SCHEME.search(text, position):
        start, position = match.start(), match.end()
        window = text[start : start + LONGEST_LINK + 1]
        tail = _linkify().test_schema_at(window, "http:", position - start)
        length = position - start + tail
        if not tail or length > LONGEST_LINK:
            continue
        url = window[:length]
        authority = re.split(r"[/?#]", url.split("//", 1)[1], maxsplit=1)[0]
        if "@" not in authority and not _TRICKS.search(url):
            found.append(Entity("link", start, start + length, url))
            position = start + length
    return found


def find_entities(text: str) -> Entities:
    """Links, mentions, hashtags and shortcodes of a plain text (a str without lone surrogates)."""
    links = _find_links(text)
    spans: list[Entity] = []
    emojis: dict[str, None] = {}
    rest = iter([*links, Entity("link", sys.maxsize, sys.maxsize, "")])
    link = next(rest)
    for match in _pattern().finditer(text) if any(sign in text for sign in "@#＃:") else ():
        start, end = match.span()
        while link.end <= start:
            spans.append(link)
            link = next(rest)
        kind = match.lastgroup or ""
        value = match[kind]
        if end > link.start or (kind == "tag" and (value.isdecimal() or len(value) > LONGEST_TAG)):
            continue
        if kind == "emoji":
            emojis[value] = None
        else:
            spans.append(Entity(kind, start, end, value))
    while link.start < sys.maxsize:
        spans.append(link)
        link = next(rest)
    return Entities(text, tuple(spans), tuple(emojis))


def _link_html(url: str, *, me: bool = False) -> str:
    """A link as Mastodon writes it: the scheme and what is beyond 30 characters are there but not shown."""
    prefix = re.match(r"https?://(?:www\.)?", url, re.IGNORECASE)
    head = prefix[0] if prefix else ""
    shown, rest = url[len(head) : len(head) + SHOWN_LINK], url[len(head) + SHOWN_LINK :]
    style = ' class="ellipsis"' if rest else ""
    return (
        f'<a href="{escape(url)}" target="_blank" rel="nofollow noopener noreferrer{" me" if me else ""}" '
        f'translate="no"><span class="invisible">{escape(head)}</span><span{style}>{escape(shown)}</span>'
        f'<span class="invisible">{escape(rest)}</span></a>'
    )


def _entity_html(span: Entity, shown: str, mention_url: MentionURL, tag_url: TagURL) -> str:
    if span.kind == "link":
        return _link_html(span.value)
    if span.kind == "tag":
        return (
            f'<a href="{escape(tag_url(span.value))}" class="mention hashtag" rel="tag">'
            f"#<span>{escape(span.value)}</span></a>"
        )
    mention = read_mention(span.value)
    url = mention_url(mention)
    if url is None:
        return escape(shown)
    return (
        f'<span class="h-card" translate="no"><a href="{escape(url)}" class="u-url mention">'
        f"@<span>{escape(mention.username)}</span></a></span>"
    )


def _inline_html(
    text: str, spans: Sequence[Entity], mention_url: MentionURL, tag_url: TagURL, plain: Callable[[str], str]
) -> str:
    """`text` with its entities as links; `plain` escapes what lies between."""
    pieces: list[str] = []
    position = 0
    for span in spans:
        pieces.append(plain(text[position : span.start]))
        pieces.append(_entity_html(span, text[span.start : span.end], mention_url, tag_url))
        position = span.end
    pieces.append(plain(text[position:]))
    return "".join(pieces)


_BREAKS = re.compile(r"\n\n++|\n")


def _with_breaks(text: str) -> str:
    return _BREAKS.sub(lambda match: "</p><p>" if len(match[0]) > 1 else "<br>", escape(text, quote=False))


def render_plain(text: str | Entities, *, mention_url: MentionURL, tag_url: TagURL) -> Rendered:
    """Plain text as paragraphs: escaped, with links, mentions and hashtags.

    Give what `find_entities` returned to save a second look. An empty text gives empty HTML.
    """
    found = find_entities(text) if isinstance(text, str) else text
    # Leading and trailing blank lines make empty paragraphs, and a carriage return is half a line break.
    body = found.text.replace("\r\n", "\n").replace("\r", "\n")
    if body != found.text or body != body.strip("\n"):
        found = find_entities(body.strip("\n"))
    html = _inline_html(found.text, found.spans, mention_url, tag_url, _with_breaks)
    return _rendered(f"<p>{html}</p>" if html else "", found)


def render_inline(text: str, *, mention_url: MentionURL, tag_url: TagURL, me: bool = False) -> Rendered:
    """One line without paragraphs, as a profile's fields need it. `me` marks links with rel="me"."""
    found = find_entities(" ".join(text.split()))
    if me and len(found.spans) == 1 and found.spans[0].value == found.text:
        return _rendered(_link_html(found.text, me=True), found)
    return _rendered(_inline_html(found.text, found.spans, mention_url, tag_url, _plain_escape), found)


def _plain_escape(text: str) -> str:
    return escape(text, quote=False)


def _rendered(html: str, found: Entities) -> Rendered:
    return Rendered(clean_html(html), found.mentions, found.tags, found.links, found.emojis)


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("strikethrough")
    parser.disable(["image", "html_block", "html_inline", "reference"])
    parser.add_render_rule("softbreak", _line_break)
    parser.add_render_rule("hardbreak", _line_break)
    return parser


def _line_break(*_: Any) -> str:
    return "<br>"


def render_markdown(text: str, *, mention_url: MentionURL, tag_url: TagURL) -> Rendered:
    """CommonMark without pictures and raw HTML, with strikethrough; mentions and hashtags outside of code.

    `mention_url` may be asked about the same name more than once.
    """
    parser = _markdown()
    tokens = parser.parse(text.replace("\x00", ""))
    found: list[Entities] = []
    links: list[str] = []
    for block in tokens:
        if block.type in ("heading_open", "heading_close"):
            block.tag = "p"
            block.markup = ""
        if block.type == "inline":
            _link_tokens(block.children or [], found, links, mention_url, tag_url)
    # Clients keep white space, so the line ends that the renderer puts between blocks would show.
    html = parser.renderer.render(tokens, parser.options, {}).replace(">\n<", "><")
    spans = tuple(span for entities in found for span in entities.spans)
    everything = Entities("", spans, tuple(dict.fromkeys(name for e in found for name in e.emojis)))
    return Rendered(
        clean_html(html.strip()),
        everything.mentions,
        everything.tags,
        tuple(dict.fromkeys([*links, *everything.links])),
        everything.emojis,
    )


def _link_tokens(
    children: list[Any], found: list[Entities], links: list[str], mention_url: MentionURL, tag_url: TagURL
) -> None:
    """Make links of the entities in one paragraph's text tokens, in place; text inside links stays."""
    depth = 0
    for token in children:
        if token.type == "link_open":
            depth += 1
            token.attrs.update({"target": "_blank", "rel": "nofollow noopener noreferrer"})
            links.append(str(token.attrs.get("href", "")))
        elif token.type == "link_close":
            depth -= 1
        elif token.type == "text" and not depth:
            entities = find_entities(token.content)
            found.append(entities)
            if entities.spans:
                token.type = "html_inline"
                token.content = _inline_html(entities.text, entities.spans, mention_url, tag_url, _plain_escape)
