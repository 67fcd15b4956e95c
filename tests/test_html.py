"""HTML from typed text: what is linked, what is escaped, and that no text takes long."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.kit.cleaning import clean_foreign_html, clean_text, plain_text
from parley.kit.html import (
    Mention,
    find_entities,
    render_inline,
    render_markdown,
    render_plain,
)

ALLOWED = {*"p br span a del s strong b em i u sub sup".split(), *"code pre blockquote ul ol li ruby rt rp hr".split()}  # noqa: SIM905


def mention_url(mention: Mention) -> str | None:
    return None if mention.username == "nobody" else f"https://here.example/@{mention.username}"


def tag_url(tag: str) -> str:
    return f"https://here.example/tags/{tag}"


LINKS = {"mention_url": mention_url, "tag_url": tag_url}


def plain(text: str) -> str:
    return render_plain(text, **LINKS).html


def test_a_link_is_shortened_to_the_eye_and_passes_nothing_on() -> None:
    assert plain("see https://www.example.com/a/very/long/path/that/goes/on?x=1&y=2.") == (
        '<p>see <a href="https://www.example.com/a/very/long/path/that/goes/on?x=1&amp;y=2" target="_blank" '
        'rel="nofollow noopener noreferrer" translate="no"><span class="invisible">https://www.</span>'
        '<span class="ellipsis">example.com/a/very/long/path/t</span>'
        '<span class="invisible">hat/goes/on?x=1&amp;y=2</span></a>.</p>'
    )


def test_mentions_and_hashtags_link_where_the_caller_says() -> None:
    rendered = render_plain(
        "@alice, @Bob@Far.Example:3000 and @nobody like #Tea #हिन्दी #日本語 #1 a@b.example", **LINKS
    )
    assert rendered.mentions == (Mention("alice"), Mention("Bob", "far.example:3000"), Mention("nobody"))
    assert rendered.tags == ("Tea", "हिन्दी", "日本語")
    assert '<a href="https://here.example/@alice" class="u-url mention">@<span>alice</span></a>' in rendered.html
    assert (
        '<a href="https://here.example/tags/Tea" class="mention hashtag" rel="tag">#<span>Tea</span></a>'
        in rendered.html
    )
    assert "and @nobody like" in rendered.html
    assert "#1 a@b.example" in rendered.html


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://good.example@evil.example/",
        "https://a.example/\u202egnp.exe",
        "xhttps://a.example/",
        "http://",
        "//a.example/",
    ],
)
def test_what_only_looks_like_a_link_is_none(text: str) -> None:
    assert find_entities(text).links == ()


def test_nothing_inside_a_link_is_an_entity_of_its_own() -> None:
    found = find_entities("https://a.example/@alice/#tag?x=:smile: @bob")
    assert len(found.links) == 1
    assert found.mentions == (Mention("bob"),)
    assert found.tags == ()
    assert found.emojis == ()


def test_lines_and_paragraphs() -> None:
    assert plain("\n\na\r\nb\n\n\n\nc\n") == "<p>a<br>b</p><p>c</p>"
    assert plain("") == ""
    assert render_inline("a\n b", **LINKS).html == "a b"


def test_markdown_keeps_code_as_it_is_and_drops_raw_html() -> None:
    text = (
        "# Head\n**bold** `@alice #x` @alice\nnext <b onclick=x>raw</b> "
        "![i](https://a.example/i.png) [x](javascript:alert(1))"
    )
    html = render_markdown(text, **LINKS).html
    assert "<p>Head</p>" in html
    assert "<strong>bold</strong> <code>@alice #x</code>" in html
    assert html.count("u-url mention") == 1
    assert "<br>next &lt;b onclick=x&gt;raw" in html
    assert "<img" not in html
    assert 'href="javascript' not in html


def test_html_from_elsewhere_loses_everything_dangerous() -> None:
    html = clean_foreign_html(
        '<h1>Title</h1><a href="javascript:x" onclick="y">a</a><img src=x onerror=z><style>p{}</style>'
        '<a href="https://a.example/" class="mention evil" rel="me" target="_top">b</a><iframe src="//e"></iframe>'
    )
    assert html.startswith("<p>Title</p>")
    for bad in ("javascript", "onclick", "onerror", "<img", "style", "evil", "_top", "iframe"):
        assert bad not in html
    assert 'rel="nofollow noopener noreferrer"' in html


def test_plain_text_is_what_a_reader_reads() -> None:
    assert plain_text("<p>a &amp; b<br>c</p><p>&lt;d&gt;</p>") == "a & b\nc\n<d>"


def test_cleaning_removes_what_no_person_types() -> None:
    assert clean_text("a\x00\ud800b\r\nc\x1b\tde\u0301") == "ab\nc\tdé"
    assert clean_text("👨‍👩‍👧") == "👨‍👩‍👧"


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ALLOWED:
            self.bad.append(tag)
        for name, value in attributes:
            if name not in ("href", "class", "rel", "target", "translate", "start", "reversed", "value"):
                self.bad.append(name)
            if name == "href" and not (value or "").startswith(
                ("http://", "https://", "mailto:", "xmpp:", "magnet:", "gemini:", "matrix:")
            ):
                self.bad.append(value or "")


@given(st.text(alphabet=st.sampled_from(list("<>\"'&@#:/.[]()*_`!\n abhttps://x=")), max_size=200))
def test_no_text_makes_any_other_element(text: str) -> None:
    for html in (
        plain(text),
        render_markdown(text, **LINKS).html,
        render_inline(text, **LINKS).html,
        clean_foreign_html(text),
    ):
        parser = _Elements()
        parser.feed(html)
        assert parser.bad == []


HOSTILE = [
    'http://a.com/"', "http://a.com/(", "http://a.com/@'", "http://", "@a", "@a.-", "#a·", ":aa", "[", "[a](", "**a",
    "_a*", ">", "`", "` ``", "<http://a", "![", "![[]()", "&#", "*a_ ", "~~a", "<h1", "<a", "</p>", "\n", " ",
]  # fmt: skip


@pytest.mark.timeout(20)  # linear: well under a second; quadratic in any of these: minutes
@pytest.mark.parametrize("piece", HOSTILE)
def test_no_text_takes_for_ever(piece: str) -> None:
    text = (piece * 200_000)[:200_000]
    for render in (plain, lambda text: render_markdown(text, **LINKS).html, clean_foreign_html):
        assert isinstance(render(text), str)
