"""Makes text and HTML safe: what people type, and HTML that came from elsewhere or that we rendered."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from html import unescape
from typing import Any

_TAGS = frozenset(
    [
        "p",
        "br",
        "span",
        "a",
        "del",
        "s",
        "strong",
        "b",
        "em",
        "i",
        "u",
        "sub",
        "sup",
        "code",
        "pre",
        "blockquote",
        "ul",
        "ol",
        "li",
        "ruby",
        "rt",
        "rp",
        "hr",
    ]
)
_CLASSES = {
    "a": {"mention", "hashtag", "u-url", "h-card", "status-link"},
    "span": {"invisible", "ellipsis", "h-card", "mention"},
    "p": {"quote-inline"},
}
_RELS = frozenset(["nofollow", "noopener", "noreferrer", "tag", "me"])


def _keep_attribute(element: str, name: str, value: str) -> str | None:
    if element == "a" and name == "rel":
        kept = {word for word in value.lower().split() if word in _RELS}
        return " ".join(sorted(kept)) or None
    return value


@cache
def _cleaner() -> Any:
    import nh3

    return nh3.Cleaner(
        tags=set(_TAGS),
        clean_content_tags={"script", "style", "template", "iframe", "object", "svg", "math"},
        attributes={"a": {"href", "rel"}, "ol": {"start", "reversed"}, "li": {"value"}},
        tag_attribute_values={
            "a": {"target": {"_blank"}, "translate": {"no"}},
            "span": {"translate": {"no"}},
        },
        attribute_filter=_keep_attribute,
        allowed_classes=_CLASSES,
        url_schemes={"http", "https", "mailto", "xmpp", "magnet", "gemini", "matrix"},
        url_relative="deny",
        link_rel=None,
    )


def clean_html(html: str) -> str:
    """Only the elements, attributes, classes and schemes that a post may hold; everything else is removed."""
    return str(_cleaner().clean(html)) if "<" in html or "&" in html else html


def clean_foreign_html(html: str) -> str:
    """HTML from another server: `clean_html`, and every link opens apart and passes nothing on."""
    import nh3

    return str(
        nh3.clean(
            _HEADINGS.sub(lambda match: f"<{match[1]}p>", html),
            tags=set(_TAGS),
            attributes={"a": {"href"}, "ol": {"start", "reversed"}, "li": {"value"}},
            set_tag_attribute_values={"a": {"target": "_blank"}},
            allowed_classes=_CLASSES,
            url_schemes={"http", "https", "mailto", "xmpp", "magnet", "gemini", "matrix"},
            url_relative="deny",
            link_rel="nofollow noopener noreferrer",
        )
    )


_HEADINGS = re.compile(r"<(/?)h[1-6]\b[^<>]*+>", re.IGNORECASE)
_LINE_ENDS = re.compile(r"<br\s*+/?>|</p>|</li>|</blockquote>|</pre>", re.IGNORECASE)


def plain_text(html: str) -> str:
    """The text of safe HTML, with its line breaks: for search, mail and screening."""
    import nh3

    return unescape(str(nh3.clean(_LINE_ENDS.sub("\n", html), tags=set()))).strip()


def clean_text(text: str) -> str:
    """Typed text without what no person types and no database takes: control characters and lone surrogates.

    Line ends become `\\n`; the result is NFC.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isprintable():
        text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Cn"))
    return unicodedata.normalize("NFC", text)
