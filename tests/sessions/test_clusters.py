"""Accounts that signed up alike, and accounts that did not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from parley.social.sessions.clusters import find_clusters
from parley.social.sessions.store_clusters import SignUpRow

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def joined(number: int, minutes: float, email: str, address: str | None = None) -> SignUpRow:
    """A sign-up so many minutes after noon."""
    return SignUpRow(number, NOON + timedelta(minutes=minutes), email, address)


def test_neighbouring_addresses_within_minutes_are_alike() -> None:
    rows = [
        joined(1, 0, "ann@gmail.com", "203.0.113.7"),
        joined(2, 9, "bea@gmail.com", "203.0.113.200"),
        joined(3, 21, "cem@gmail.com", "203.0.113.9"),
        joined(4, 60, "dia@gmail.com", "203.0.113.9"),
        joined(5, 3, "eva@gmail.com", "203.0.114.7"),
    ]
    assert find_clusters(rows) == {1: [1, 2, 3]}
    assert find_clusters(
        [
            joined(1, 0, "ann@gmail.com", "2001:db8:5:1::1"),
            joined(2, 1, "bea@gmail.com", "2001:db8:5:ffff::9"),
            joined(3, 1, "cem@gmail.com", "2001:db8:6::1"),
        ]
    ) == {1: [1, 2]}


def test_mail_addresses_of_one_pattern_are_alike_and_those_of_a_large_provider_are_not() -> None:
    rows = [joined(n, 30 * n, f"promo{n:03}@gmail.com") for n in range(1, 4)] + [
        joined(9, 31, "patricia@gmail.com"),
        joined(10, 32, "77@gmail.com"),
        joined(11, 33, "78@gmail.com"),
    ]
    assert find_clusters(rows) == {1: [1, 2, 3]}


def test_one_mailbox_in_several_spellings_is_alike_however_far_apart() -> None:
    rows = [
        joined(1, 0, "some.body+a@gmail.com"),
        joined(2, 9999, "somebody+b@gmail.com"),
        joined(3, 5, "other+a@posteo.de"),
        joined(4, 99, "other+b@posteo.de"),
    ]
    assert find_clusters(rows) == {1: [1, 2], 3: [3, 4]}


def test_a_small_domain_counts_within_minutes() -> None:
    rows = [joined(1, 0, "a@x.example"), joined(2, 10, "b@x.example"), joined(3, 60, "c@x.example")]
    assert find_clusters(rows) == {1: [1, 2]}


def test_links_of_different_kinds_join_into_one_cluster() -> None:
    rows = [
        joined(1, 0, "a1x@gmail.com", "203.0.113.7"),
        joined(2, 5, "quentin@gmail.com", "203.0.113.8"),
        joined(3, 90, "a2x@gmail.com"),
        joined(4, 91, "abc1@gmail.com"),
    ]
    assert find_clusters(rows) == {1: [1, 2]}
    rows[0] = joined(1, 0, "abc7@gmail.com", "203.0.113.7")
    assert find_clusters(rows) == {1: [1, 2, 4]}


EMAILS = ["a1@x.example", "bob@gmail.com", "promo7@gmail.com", "c+1@y.example"]


@given(st.lists(st.tuples(st.integers(0, 2000), st.sampled_from(EMAILS)), max_size=30))
def test_every_account_is_in_one_cluster_at_most_and_order_does_not_matter(drawn: list[tuple[int, str]]) -> None:
    rows = [joined(number, minutes, email) for number, (minutes, email) in enumerate(drawn, 1)]
    clusters = find_clusters(rows)
    members = [account_id for ids in clusters.values() for account_id in ids]
    assert len(members) == len(set(members))
    assert all(len(ids) > 1 and first == min(ids) for first, ids in clusters.items())
    assert find_clusters(reversed(rows)) == clusters
