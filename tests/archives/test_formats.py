"""The files that Mastodon reads and writes: what is written reads the same, and nothing in a file can surprise us."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from parley.kit.errors import Invalid
from parley.social.archives import formats
from parley.social.graph.archiving import FollowedView, MutedPersonView, PersonView

USERNAMES = some.from_regex(r"[A-Za-z0-9_]{1,30}", fullmatch=True)
DOMAINS = some.none() | some.from_regex(r"[a-z0-9]{1,20}\.example", fullmatch=True)
TITLES = some.text(min_size=1, max_size=60).filter(
    # The quote that keeps spreadsheets from running a cell is taken off, and titles are trimmed as lists are.
    lambda text: (
        text.strip() == text
        and "\0" not in text
        and text.isprintable()
        and not (text[0] == "'" and text[1:2] in formats._FORMULA)
        and text not in formats.COLUMNS["lists"]
        and text not in {name for names in formats.COLUMNS.values() for name in names}
    )
)
LANGUAGES = some.lists(some.sampled_from(["en", "de", "pt-BR", "zh"]), max_size=4, unique=True).map(tuple)
HERE = "here.example"


def address(username: str, domain: str | None) -> str:
    return f"{username}@{domain or HERE}"


@given(
    some.lists(some.builds(FollowedView, USERNAMES, DOMAINS, some.booleans(), some.booleans(), LANGUAGES), min_size=1)
)
@settings(max_examples=60, deadline=None)
def test_a_list_of_follows_reads_as_it_was_written(rows: list[FollowedView]) -> None:
    written = formats.heading_of("following") + formats.write_rows(formats.following_row(row, HERE) for row in rows)
    assert written.startswith(b"Account address,Show boosts,Notify on new posts,Languages\n")
    wanted: dict[str, Any] = {}
    for row in rows:
        said = {
            "address": address(row.username, row.domain),
            "show_reblogs": row.show_reblogs,
            "notify": row.notify,
            "languages": list(row.languages) or None,
        }
        wanted.setdefault(str(said), said)
    assert formats.read_rows("following", written) == list(wanted.values())


@given(some.lists(some.builds(PersonView, USERNAMES, DOMAINS, TITLES), min_size=1))
@settings(max_examples=60, deadline=None)
def test_lists_read_as_they_were_written_whatever_their_titles_hold(rows: list[PersonView]) -> None:
    written = formats.write_rows(formats.list_row(row, HERE) for row in rows)
    found = formats.read_rows("lists", written)
    wanted = {(row.note, address(row.username, row.domain)) for row in rows}
    assert {(row["title"], row["address"]) for row in found} == wanted
    assert len(found) == len(wanted)


@given(some.lists(some.builds(MutedPersonView, USERNAMES, DOMAINS, some.booleans()), min_size=1))
@settings(max_examples=30, deadline=None)
def test_mutes_read_as_they_were_written(rows: list[MutedPersonView]) -> None:
    written = formats.heading_of("muting") + formats.write_rows(formats.muting_row(row, HERE) for row in rows)
    wanted = {(address(row.username, row.domain), row.hide_notifications) for row in rows}
    found = formats.read_rows("muting", written)
    assert {(row["address"], row["hide_notifications"]) for row in found} == wanted


@given(some.binary(max_size=400), some.sampled_from(sorted(formats.FILES)))
@settings(max_examples=300, deadline=None)
def test_no_file_does_more_than_be_refused(content: bytes, kind: str) -> None:
    try:
        rows = formats.read_rows(kind, content)
    except Invalid:
        return
    assert rows
    formats.failures_file(kind, rows)


@given(some.text(max_size=200), some.sampled_from(sorted(formats.COLUMNS)))
@settings(max_examples=300, deadline=None)
def test_what_could_not_be_taken_is_given_back_so_that_no_spreadsheet_runs_it(text: str, kind: str) -> None:
    try:
        rows = formats.read_rows(kind, text.encode("utf-8", "replace"))
    except Invalid:
        return
    given_back = formats.failures_file(kind, rows)
    for cells in csv.reader(io.StringIO(given_back.decode(), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


def test_files_of_mastodon_read_with_and_without_their_headings() -> None:
    old = b"remi@remote.example\nalice@here.example\n"
    assert [row["address"] for row in formats.read_rows("following", old)] == [
        "remi@remote.example",
        "alice@here.example",
    ]
    new = (
        b"\xef\xbb\xbfAccount address,Show boosts,Notify on new posts,Languages\r\n"
        b'@remi@remote.example,true,false,"en, de"\r\n\r\n'
    )
    assert formats.read_rows("following", new) == [
        {"address": "remi@remote.example", "show_reblogs": True, "notify": False, "languages": ["en", "de"]}
    ]
    turned = b"Hide notifications,Account address\nfalse,remi@remote.example\n"
    assert formats.read_rows("muting", turned) == [{"address": "remi@remote.example", "hide_notifications": False}]
    assert formats.read_rows("domain_blocking", b"Bad.Example\nbad.example\n") == [{"domain": "bad.example"}]
    assert formats.read_rows("bookmarks", b"https://a.example/1\n") == [{"uri": "https://a.example/1"}]


def test_a_file_of_another_kind_is_told_apart_by_its_heading() -> None:
    assert formats.guess_kind("", b"Account address,Hide notifications\n") == "muting"
    assert formats.guess_kind("", b"Account address,Show boosts,Notify on new posts,Languages\n") == "following"
    assert formats.guess_kind("blocked_domains.csv", b"bad.example\n") == "domain_blocking"
    with pytest.raises(Invalid, match="of another kind"):
        formats.read_rows("lists", b"Account address\nremi@remote.example\n")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n",
        b'"never closed\n',
        b"\xff\xfe\x00a",
        b"a" * (formats.MOST_BYTES + 1),
        b"\n".join(b"p%d@x.example" % n for n in range(formats.MOST_ROWS + 1)),
        b"x" * 200_000,
    ],
    ids=["empty", "blank", "open quote", "no text", "too large", "too many rows", "endless cell"],
)
def test_files_that_cannot_be_read_are_refused_with_a_sentence(content: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        formats.read_rows("blocking", content)
    assert refused.value.text.endswith(".")


def test_hostile_json_of_filters_is_refused_with_a_sentence() -> None:
    for content in (
        b"[" * 100_000,
        b'{"custom_filters": 3}',
        b'{"custom_filters": [{"title": "x", "context": "home"}]}',
        b'{"custom_filters": [{"title": "\\u0000", "context": ["home"]}]}',
        b'{"custom_filters": []}',
    ):
        with pytest.raises(Invalid):
            formats.read_rows("custom_filters", content)
