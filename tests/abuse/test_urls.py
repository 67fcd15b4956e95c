"""Every way in which people write an address of ours leads to the same place; nothing else does."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.kit.settings import Settings
from parley.safety.notices.urls import NOTHING, OUTSIDE, Place, find_urls, own_hosts, read_url

HOSTS = own_hosts(Settings(domain="social.example", other_hosts=("media.example", "203.0.113.5", "bücher.example")))
FILE = "k3/9z/abcdefghijklmnopqrstuvwxyz012345.jpg"

PATHS = {
    "/@alice/113": Place("status", 113),
    "/@alice@remote.example/113": Place("status", 113),
    "/users/alice/statuses/113": Place("status", 113),
    "/users/alice/statuses/113/activity": Place("status", 113),
    "/api/v1/statuses/113": Place("status", 113),
    "/api/v1/statuses/113/context": Place("status", 113),
    "/statuses/113/history": Place("status", 113),
    "/web/@alice/113": Place("status", 113),
    "/web/statuses/113": Place("status", 113),
    "/@alice": Place("name", name="alice"),
    "/@alice/media": Place("name", name="alice"),
    "/users/alice": Place("name", name="alice"),
    "/@remi@remote.example": Place("name", name="remi", domain="remote.example"),
    "/api/v1/accounts/7": Place("account", 7),
    "/api/v1/accounts/7/statuses": Place("account", 7),
    "/accounts/7/report": Place("account", 7),
    f"/media/{FILE}": Place("file", name=FILE),
    f"/media/{FILE}?key=abc": Place("file", name=FILE),
    "/api/v1/media/9": Place("media", 9),
    "/sign-in?next=%2F%40alice%2F113": Place("status", 113),
    "/api/oembed?url=https%3A%2F%2Fsocial.example%2F%40alice%2F113": Place("status", 113),
    "/search?q=https://social.example/@alice/113": Place("status", 113),
}


@pytest.mark.parametrize("path", sorted(PATHS))
def test_every_kind_of_address_of_ours_is_known(path: str) -> None:
    for host in (
        "https://social.example",
        "http://social.example",
        "https://www.social.example",
        "https://media.example",
    ):
        assert read_url(host + path, HOSTS) == PATHS[path]


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/@alice/113",
        "https://social.example.evil.example/@alice/113",
        "https://social.example@evil.example/@alice/113",
        "https://evil.example/?u=https://social.example/@alice/113",
        "https://notsocial.example/@alice/113",
        "https://social.example:8443/@alice/113",
        "ftp://social.example/@alice/113",
        "javascript:alert(1)//social.example/@alice/113",
        "mailto:alice@social.example",
        "",
        "://",
        "https://",
        "h" * 9000,
    ],
)
def test_what_is_not_ours_is_not_taken_for_ours(url: str) -> None:
    assert read_url(url, HOSTS) in (OUTSIDE, NOTHING)


def test_international_names_and_numeric_hosts_are_ours_when_the_settings_say_so() -> None:
    for host in ("bücher.example", "xn--bcher-kva.example", "BÜCHER.example", "203.0.113.5"):
        assert read_url(f"https://{host}/@alice/113", HOSTS) == Place("status", 113)


WRAPS = ["{}", "<{}>", "({})", "[{}]", '"{}"', "'{}'", "{}.", "{},", "{}!", "({}).", "«{}»", "  {}  ", "{};", "`{}`"]


@st.composite
def written(draw: st.DrawFn) -> tuple[str, Place]:
    """An address of ours as somebody might write it, and what it means."""
    path = draw(st.sampled_from([one for one in PATHS if "?" not in one]))
    place = PATHS[path]
    host = draw(st.sampled_from(["social.example", "SOCIAL.Example", "www.social.example", "social.example."]))
    scheme = draw(
        st.sampled_from(["https://", "http://", "HTTPS://", "hxxps://", "hXXp://", "hxxps[:]//", "https[://]"])
    )
    if draw(st.booleans()):
        host = host.replace(".", draw(st.sampled_from(["[.]", "(.)", "{.}", "[dot]", "(DOT)", " [.] "])))
    if draw(st.booleans()):
        path = quote(path, safe="/")
    if draw(st.booleans()):
        path = path.replace("@", "%40")
    if "/media/" not in path and draw(st.booleans()):
        path += "/"
    tail = draw(st.sampled_from(["", "?utm_source=x&fbclid=1", "#top", "?a=1#b"]))
    return draw(st.sampled_from(WRAPS)).format(scheme + host + path + tail), place


@settings(max_examples=400, deadline=None)
@given(written())
def test_however_it_is_written_it_leads_to_the_same_place(pair: tuple[str, Place]) -> None:
    text, place = pair
    assert read_url(text, HOSTS) == place, text


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400))
def test_no_text_breaks_the_reader(text: str) -> None:
    read_url(text, HOSTS)
    for found in find_urls(f"{text} https://social.example/@alice/113 {text}", HOSTS):
        assert read_url(found, HOSTS) not in (OUTSIDE, NOTHING)


def test_addresses_in_words_are_found_without_repetition() -> None:
    text = """Dear all, see (https://social.example/@alice/1), hxxp://social[.]example/@bob/2. and social.example/@eve/3
    https://other.example/x?u=https://social.example/@no/4 and https://social.example/@a/7,https://social.example/@a/8
    URL:https://social.example/@z/9 https://social.example/about
    https://social.example/@alice/1 notsocial.example/@q/1"""
    found = find_urls(text, HOSTS)
    assert [read_url(one, HOSTS).number for one in found] == [1, 2, 3, 7, 8, 9]


@pytest.mark.parametrize(
    "text",
    [
        "https://" * 60_000,
        "[.]" * 100_000,
        "social.example/@a/" * 30_000,
        "%25" * 100_000,
        "https://social.example/" + "%2525" * 700,
        "(" * 200_000,
        "social.example" * 40_000,
    ],
)
def test_reading_takes_no_longer_than_the_text_is_long(text: str) -> None:
    began = time.process_time()
    find_urls(text, HOSTS)
    read_url(text, HOSTS)
    assert time.process_time() - began < 3
