"""OAuth scopes as Mastodon names them: which exist, which covers which, and what each means in plain words.

Pure; knows no database. Source: https://docs.joinmastodon.org/api/oauth-scopes/
"""

from __future__ import annotations

from collections.abc import Iterable, Set

READ = (
    "read:accounts",
    "read:blocks",
    "read:bookmarks",
    "read:collections",
    "read:favourites",
    "read:filters",
    "read:follows",
    "read:lists",
    "read:mutes",
    "read:notifications",
    "read:search",
    "read:statuses",
)
WRITE = (
    "write:accounts",
    "write:blocks",
    "write:bookmarks",
    "write:collections",
    "write:conversations",
    "write:favourites",
    "write:filters",
    "write:follows",
    "write:lists",
    "write:media",
    "write:mutes",
    "write:notifications",
    "write:reports",
    "write:statuses",
)
_ADMIN_NOUNS = (
    "accounts",
    "canonical_email_blocks",
    "domain_allows",
    "domain_blocks",
    "email_domain_blocks",
    "ip_blocks",
    "reports",
)
ADMIN_READ = tuple(f"admin:read:{noun}" for noun in _ADMIN_NOUNS)
ADMIN_WRITE = tuple(f"admin:write:{noun}" for noun in _ADMIN_NOUNS)

ALL_SCOPES: tuple[str, ...] = (
    *("profile", "read", *READ, "write", *WRITE, "push", "follow"),
    *("admin:read", *ADMIN_READ, "admin:write", *ADMIN_WRITE),
)
"""Every scope that an app may register, in the order in which the server's metadata lists them."""

MEMBER_SCOPES: frozenset[str] = frozenset({"profile", "read", "write", "push", "follow"})
"""What the web's own pages hold for a signed-in member: everything but administration."""

STAFF_SCOPES: frozenset[str] = MEMBER_SCOPES | {"admin:read", "admin:write"}
"""What the web's own pages hold for staff; each action still looks at the role."""

DEFAULT_SCOPE = "read"

_FOLLOW = frozenset({"read:blocks", "write:blocks", "read:follows", "write:follows", "read:mutes", "write:mutes"})
_KNOWN = frozenset(ALL_SCOPES)


def has_scope(granted: Set[str], needed: str) -> bool:
    """Whether a token with `granted` may do what asks for `needed`.

    `read` covers every `read:...`, likewise `write`, `admin:read` and `admin:write`; `follow` is Mastodon's
    older name for reading and writing follows, blocks and mutes. `profile` is the smallest part of
    `read:accounts`.
    """
    if needed in granted:
        return True
    head, separator, _ = needed.rpartition(":")
    if separator and head in granted:
        return True
    if needed == "profile":
        return "read" in granted or "read:accounts" in granted
    return needed in _FOLLOW and "follow" in granted


def split_scopes(text: str) -> tuple[str, ...]:
    """The scopes of a space-separated list, each once, in order."""
    return tuple(dict.fromkeys(text.split()))


def are_known_scopes(scopes: Iterable[str]) -> bool:
    """Whether every one of `scopes` exists."""
    return _KNOWN.issuperset(scopes)


def are_covered_scopes(granted: Set[str], wanted: Iterable[str]) -> bool:
    """Whether `granted` covers each of `wanted`."""
    return all(has_scope(granted, scope) for scope in wanted)


_WORDS = {
    "profile": "See your name, picture and address, and nothing else",
    "read": "See everything that you can see: your profile, home, messages, lists and settings",
    "read:accounts": "See your profile and other people's",
    "read:blocks": "See whom you block",
    "read:bookmarks": "See your bookmarks",
    "read:collections": "See your collections",
    "read:favourites": "See your favourites",
    "read:filters": "See your filters",
    "read:follows": "See whom you follow",
    "read:lists": "See your lists",
    "read:mutes": "See whom you mute",
    "read:notifications": "See your notifications",
    "read:search": "Search in your name",
    "read:statuses": "See all posts that you can see, direct ones included",
    "write": "Act in your name: post, delete, follow, block, change your profile and settings",
    "write:accounts": "Change your profile",
    "write:blocks": "Block and unblock people",
    "write:bookmarks": "Add and remove bookmarks",
    "write:collections": "Change your collections",
    "write:conversations": "Mute and delete conversations",
    "write:favourites": "Favourite posts",
    "write:filters": "Change your filters",
    "write:follows": "Follow and unfollow people",
    "write:lists": "Change your lists",
    "write:media": "Upload pictures, sound and video",
    "write:mutes": "Mute people and conversations",
    "write:notifications": "Dismiss your notifications",
    "write:reports": "Report other people to the moderators",
    "write:statuses": "Post, edit, boost and delete posts in your name",
    "push": "Send you push notifications",
    "follow": "See and change whom you follow, block and mute",
    "admin:read": "See everything that your role as staff lets you see, private data of members included",
    "admin:write": "Moderate and administer this instance in your name",
}


def _describe(scope: str) -> str:
    if scope in _WORDS:
        return _WORDS[scope]
    _, verb, noun = scope.split(":")
    things = {"accounts": "accounts with their private data", "reports": "reports"}.get(noun, noun.replace("_", " "))
    return f"As staff, {'see' if verb == 'read' else 'act on'} {things}"


def describe_scopes(scopes: Iterable[str]) -> list[str]:
    """What `scopes` allow, one plain sentence each, without those that a wider one already says."""
    wanted = list(dict.fromkeys(scopes))
    held = frozenset(wanted)
    return [_describe(scope) for scope in wanted if not has_scope(held - {scope}, scope)]
