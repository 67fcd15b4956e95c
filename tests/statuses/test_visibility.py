"""The pure rule of who may see, boost and quote what."""

from __future__ import annotations

from typing import Any

import pytest

from parley.social.statuses.visibility import boost_visibility, can_boost, can_quote, can_see

AUTHOR, READER, ADDRESSED = 1, 2, 3

PUBLISHED: dict[str, Any] = {
    "state": "published",
    "local_only": False,
    "author_id": AUTHOR,
    "author_state": "active",
    "mentioned_ids": frozenset({ADDRESSED}),
}

# Who sees a published status: signed out, a stranger, a follower, somebody addressed, the author.
TABLE = {
    "public": (True, True, True, True, True),
    "unlisted": (True, True, True, True, True),
    "private": (False, False, True, True, True),
    "direct": (False, False, False, True, True),
}
READERS = {
    "signed out": {"viewer_id": None},
    "stranger": {"viewer_id": READER},
    "follower": {"viewer_id": READER, "following": True},
    "addressed": {"viewer_id": ADDRESSED},
    "author": {"viewer_id": AUTHOR},
}


@pytest.mark.parametrize("visibility", TABLE)
@pytest.mark.parametrize("place", range(5), ids=list(READERS))
def test_who_sees_a_published_status(visibility: str, place: int) -> None:
    reader = list(READERS.values())[place]
    assert can_see(**PUBLISHED, visibility=visibility, **reader) is TABLE[visibility][place]


@pytest.mark.parametrize("visibility", TABLE)
@pytest.mark.parametrize("reader", [READERS["stranger"], READERS["follower"], READERS["addressed"]])
def test_a_block_hides_everything_either_way(visibility: str, reader: dict[str, Any]) -> None:
    assert not can_see(**PUBLISHED, visibility=visibility, blocked=True, **reader)


@pytest.mark.parametrize("state", ["held", "hidden_interim", "removed", "author_deleted"])
@pytest.mark.parametrize("visibility", TABLE)
@pytest.mark.parametrize("name", [name for name in READERS if name != "author"])
def test_nobody_else_sees_what_is_not_published(state: str, visibility: str, name: str) -> None:
    assert not can_see(**{**PUBLISHED, "state": state}, visibility=visibility, **READERS[name])


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        ("published", True),
        ("limited", True),
        ("held", True),
        ("hidden_interim", True),
        ("removed", False),
        ("author_deleted", False),
    ],
)
def test_what_the_author_sees_of_the_own_status(state: str, seen: bool) -> None:
    assert can_see(**{**PUBLISHED, "state": state}, visibility="public", viewer_id=AUTHOR) is seen


@pytest.mark.parametrize("author_state", ["pending", "suspended", "deleted"])
@pytest.mark.parametrize("name", [name for name in READERS if name != "author"])
def test_an_account_that_is_not_shown_shows_no_statuses(author_state: str, name: str) -> None:
    assert not can_see(**{**PUBLISHED, "author_state": author_state}, visibility="public", **READERS[name])


def test_a_local_only_status_is_for_members() -> None:
    local = {**PUBLISHED, "local_only": True}
    assert not can_see(**local, visibility="public", viewer_id=None)
    assert can_see(**local, visibility="public", viewer_id=READER)


@pytest.mark.parametrize(
    ("visibility", "is_author", "may"),
    [
        ("public", False, True),
        ("unlisted", False, True),
        ("private", False, False),
        ("private", True, True),
        ("direct", False, False),
        ("direct", True, False),
    ],
)
def test_what_may_be_boosted(visibility: str, is_author: bool, may: bool) -> None:
    assert can_boost(visibility=visibility, state="published", is_author=is_author) is may
    assert not can_boost(visibility=visibility, state="held", is_author=is_author)


@pytest.mark.parametrize(
    ("visibility", "policy", "is_author", "follows", "may"),
    [
        ("public", "public", False, False, True),
        ("public", "followers", False, False, False),
        ("public", "followers", False, True, True),
        ("unlisted", "nobody", False, True, False),
        ("public", "nobody", True, False, True),
        ("private", "public", False, True, False),
        ("private", "nobody", True, False, True),
        ("direct", "public", True, False, False),
    ],
)
def test_what_may_be_quoted(visibility: str, policy: str, is_author: bool, follows: bool, may: bool) -> None:
    asked = {"visibility": visibility, "policy": policy, "is_author": is_author, "follows_author": follows}
    assert can_quote(state="published", **asked) is may
    assert not can_quote(state="held", **asked)


@pytest.mark.parametrize(
    ("original", "wanted", "result"),
    [
        ("public", None, "public"),
        ("public", "unlisted", "unlisted"),
        ("unlisted", "public", "unlisted"),
        ("private", "public", "private"),
        ("public", "direct", "public"),
    ],
)
def test_a_boost_is_never_wider_than_its_original(original: str, wanted: str | None, result: str) -> None:
    assert boost_visibility(original, wanted) == result
