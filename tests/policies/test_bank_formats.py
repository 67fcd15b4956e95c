"""Lists of others are read whole or not at all, and what is exported can be read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.kit.errors import Invalid
from parley.screening.extending import BankItem
from parley.social.policies.exporting import export_list
from parley.social.policies.formats import BANKS_OF, FORMATS, Defaults, Format, parse_list
from parley.social.policies.views import NewEntry

MASTODON = b'''#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate
bad.example,suspend,True,True,"Threats, lists of targets",False
loud.example,silence,False,False,,False
odd.example,noop,False,False,"said ""hello""",True
'''


def read(written_in: Format, data: bytes, *, bank: Any = "", **more: Any) -> Any:
    return parse_list(written_in, data, Defaults(bank=bank or BANKS_OF[written_in][0], clause="7.3", **more))


def test_mastodons_domain_blocks_are_read() -> None:
    found = read("mastodon-domains", MASTODON, source="council")
    assert not found.wrong
    assert [(e.item.name, e.item.tier, e.note) for e in found.entries] == [
        ("bad.example", "reject", "Threats, lists of targets"),
        ("loud.example", "hold", ""),
        ("odd.example", "flag", 'said "hello"'),
    ]
    assert found.entries[0].extra == {"reject_media": True, "reject_reports": True, "obfuscate": False}


def test_mastodons_domain_blocks_are_written_as_they_were_read() -> None:
    assert export_list("mastodon-domains", read("mastodon-domains", MASTODON).entries).text.encode() == MASTODON


def test_a_tier_that_was_asked_for_stands_before_that_of_the_list() -> None:
    found = read("mastodon-domains", MASTODON, tier="flag", tier_given=True)
    assert {entry.item.tier for entry in found.entries} == {"flag"}


def test_a_hosts_file_is_read() -> None:
    text = b"127.0.0.1 localhost\n# comment\n0.0.0.0 ads.example tracker.example # two\n::1 ip6-localhost\n"
    assert [entry.item.name for entry in read("hosts", text).entries] == ["ads.example", "tracker.example"]


def test_a_plain_list_is_read_and_says_which_lines_are_wrong() -> None:
    text = "\ufeffexample.net\n*.wild.example\nhttps://x.example/\n\nB\u00fccher.example\nst*rs.example\nexample.net\n"
    found = read("domains", text.encode())
    assert [entry.item.name for entry in found.entries] == ["example.net", "wild.example", "xn--bcher-kva.example"]
    assert [str(line) for line in found.wrong] == [
        "line 3: 'https://x.example/' is not a domain. Write it as example.org, without scheme or path.",
        "line 6: 'st*rs.example' is made unreadable with stars. Ask who made the list for the whole one.",
    ]


def test_addresses_are_read() -> None:
    text = b"192.0.2.7\n198.51.100.0/24\n2001:db8::/32\n300.1.1.1\n"
    found = read("addresses", text)
    assert [entry.item.items[0] for entry in found.entries] == ["192.0.2.7/32", "198.51.100.0/24", "2001:db8::/32"]
    assert found.wrong[0].line == 4


def test_mastodons_address_blocks_are_read() -> None:
    text = b"#ip,#severity,#comment,#expires_at\n192.0.2.0/24,no_access,a botnet,2027-01-31T12:00:00Z\n"
    (entry,) = read("mastodon-ips", text).entries
    assert (entry.item.tier, entry.note) == ("reject", "a botnet")
    assert entry.item.expires == datetime(2027, 1, 31, 12, tzinfo=UTC)
    assert read("mastodon-ips", export_list("mastodon-ips", [entry]).text.encode()).entries == (entry,)


def test_phrases_are_read_with_their_exceptions() -> None:
    text = b"phrase,tier,clause,title,unless,note\ncheap pills,hold,7.3,Pills,cheap pills joke; no cheap pills,seen\n"
    (entry,) = read("words", text).entries
    assert entry.item.unless == ("cheap pills joke", "no cheap pills")
    assert (entry.item.clause, entry.item.tier, entry.note) == ("7.3", "hold", "seen")


@pytest.mark.parametrize(
    ("written_in", "data", "message"),
    [
        ("mastodon-domains", b"", "list is empty"),
        ("mastodon-domains", b"site,severity\nx.example,suspend\n", "lacks the column domain"),
        ("words", b"a,b\n", "lacks the column phrase"),
        ("domains", b"\xff\xfe", "not UTF-8"),
        ("domains", b"a.example\0", "null characters"),
        ("domains", b"x" * (33 * 1024 * 1024), "larger than 32 MB"),
        ("domains", b"a.example\n" * 400_001, "more than 400,000 lines"),
        ("toml", b"", "not a known format"),
    ],
)
def test_what_is_no_list_at_all_is_refused(written_in: Any, data: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        read(written_in, data, bank="words" if written_in == "words" else "links")


@pytest.mark.parametrize(
    ("written_in", "row", "message"),
    [
        ("mastodon-domains", b"x.example,ban,,,,", "'ban' is no severity. Severities: suspend, silence"),
        ("mastodon-domains", b"x.example,suspend", "it has 2 columns, but the first line has 6"),
        ("mastodon-domains", b'x.example,suspend,"', "cannot be read as CSV"),
    ],
)
def test_a_row_that_is_wrong_is_named(written_in: Format, row: bytes, message: str) -> None:
    header = MASTODON.splitlines()[0]
    (wrong,) = read(written_in, header + b"\n" + row + b"\n").wrong
    assert message in str(wrong)


def test_a_list_for_another_bank_is_refused() -> None:
    with pytest.raises(Invalid, match="goes into addresses, not links"):
        read("addresses", b"192.0.2.1", bank="links")


LABEL = st.from_regex(r"\A[a-z0-9]{1,10}\Z").filter(lambda label: not label.startswith("xn"))
DOMAIN = st.builds(lambda a, b: f"{a}.{b}.example", LABEL, LABEL)
COMMENT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=40)
TIERS = st.sampled_from(["reject", "hold", "flag"])


@given(st.dictionaries(DOMAIN, st.tuples(TIERS, COMMENT, st.booleans()), max_size=8))
def test_domain_blocks_come_back_as_they_were_exported(rows: dict[str, tuple[Any, str, bool]]) -> None:
    entries = tuple(
        NewEntry(
            item=BankItem(bank="links", name=domain, tier=tier, clause="7.3", items=(domain,)),
            note=note,
            extra={"reject_media": mark, "reject_reports": False, "obfuscate": not mark},
        )
        for domain, (tier, note, mark) in rows.items()
    )
    exported = export_list("mastodon-domains", entries)
    assert (exported.written, exported.left_out) == (len(entries), 0)
    again = read("mastodon-domains", exported.text.encode())
    assert (again.entries, again.wrong) == (entries, ())


BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
ITEMS = st.lists(DOMAIN, min_size=1, max_size=3, unique=True).map(tuple)


@given(
    name=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=40),
    items=ITEMS,
    unless=ITEMS,
    tier=TIERS,
    state=st.sampled_from(["DRAFT", "BACKGROUND", "LIVE", "EXPIRED"]),
    title=COMMENT,
    note=COMMENT,
    expires=st.none() | st.integers(0, 10**6).map(lambda hours: BEGINNING + timedelta(hours=hours)),
)
def test_our_own_format_says_everything(name: str, items: Any, unless: Any, note: str, **more: Any) -> None:
    item = BankItem(bank="links", name=name, clause="7.3", items=items, unless=unless, **more)
    entry = NewEntry(item=item, note=note, source="here", extra={"a": 1})
    assert read("json", export_list("json", [entry]).text.encode(), bank="links").entries == (entry,)


@given(written_in=st.sampled_from(FORMATS), data=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_garbage_never_crashes(written_in: Format, data: bytes) -> None:
    try:
        found = read(written_in, data)
    except Invalid:
        return
    assert all(entry.item.items or entry.item.patterns or written_in == "json" for entry in found.entries)
