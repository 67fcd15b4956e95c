"""Who may see a status: the pure rule, and nothing else. No database, no clock.

Everything that shows a status asks `can_see`; what is invisible must be answered like what is missing.
"""

from __future__ import annotations

from collections.abc import Collection

SHOWN_ACCOUNT_STATES = frozenset({"active", "limited"})
OPEN_STATES = frozenset({"published", "limited"})
"""States in which others may see a status, each as far as its visibility goes."""
OWN_STATES = frozenset({"published", "limited", "held", "hidden_interim"})
"""States in which its author may see it."""
BOOSTABLE = frozenset({"public", "unlisted"})


def can_see(
    *,
    state: str,
    visibility: str,
    local_only: bool,
    author_id: int,
    author_state: str,
    mentioned_ids: Collection[int],
    viewer_id: int | None,
    following: bool = False,
    blocked: bool = False,
) -> bool:
    """Whether the viewer (None: signed out) may see the status.

    `following`: the viewer follows the author. `blocked`: either blocks the other. Mutes do not count here: they are a
    reader's wish for timelines, and a muted status may still be opened.
    """
    if viewer_id == author_id:
        return state in OWN_STATES and author_state != "deleted"
    if state not in OPEN_STATES or author_state not in SHOWN_ACCOUNT_STATES or blocked:
        return False
    if viewer_id is None:
        return visibility in BOOSTABLE and not local_only
    if visibility in BOOSTABLE:
        return True
    return viewer_id in mentioned_ids or (visibility == "private" and following)


def can_boost(*, visibility: str, state: str, is_author: bool) -> bool:
    """Whether a status that the viewer sees may be boosted: public ones by all, one's own followers-only ones too."""
    return state in OPEN_STATES and (visibility in BOOSTABLE or (is_author and visibility == "private"))


def can_quote(*, visibility: str, state: str, policy: str, is_author: bool, follows_author: bool) -> bool:
    """Whether a status that the viewer sees may be quoted, by its author's policy."""
    if state not in OPEN_STATES:
        return False
    if is_author:
        return visibility != "direct"
    if visibility not in BOOSTABLE:
        return False
    return policy == "public" or (policy == "followers" and follows_author)


def boost_visibility(original: str, wanted: str | None) -> str:
    """The visibility of a boost: what was asked for, but never wider than the original's own."""
    order = ("public", "unlisted", "private", "direct")
    if wanted not in ("public", "unlisted", "private"):
        wanted = "public"
    return max(original, wanted, key=order.index)
