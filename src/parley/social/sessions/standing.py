"""Whether a member may use the instance now: the one rule behind sign-in, sessions and tokens. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from parley.kit.errors import Forbidden

REFUSALS = {
    "unconfirmed": "Your login is missing a confirmed e-mail address",
    "pending": "Your login is currently pending approval",
    "disabled": "Your login is currently disabled",
    "suspended": "Your login is currently disabled",
}
"""Mastodon's texts, which its clients show."""

_SENTENCES = {
    "unconfirmed": "Confirm your e-mail address first: open the link that we sent you, or ask for a new one.",
    "pending": "A moderator has yet to approve your account. We will write to you as soon as that is done.",
    "disabled": "Your sign-in has been disabled. Write to the people who run this instance to learn why.",
    "suspended": "Your account is suspended. Write to the people who run this instance if you disagree.",
}


class SignInBlocked(Forbidden):
    """403: the credentials are right, but the member may not use the instance now. `code` says why: unconfirmed,
    pending, disabled or suspended."""

    def __init__(self, reason: str) -> None:
        super().__init__(_SENTENCES[reason])
        self.code = reason


class Standing(Protocol):
    """What the rule looks at; rows of members, sessions and tokens have it."""

    @property
    def account_state(self) -> str | None:
        """State of the account: pending, active, limited, suspended or deleted."""

    @property
    def email_confirmed_at(self) -> datetime | None:
        """When the e-mail address was proved."""

    @property
    def approved_at(self) -> datetime | None:
        """When the member was approved."""

    @property
    def disabled_at(self) -> datetime | None:
        """When the sign-in was disabled."""

    @property
    def restriction(self) -> dict[str, Any] | None:
        """What moderators decided that the member may not do, if anything."""


def blocked_by(member: Standing) -> str | None:
    """None when the member may use the instance; else unconfirmed, pending, disabled or suspended."""
    if member.disabled_at is not None:
        return "disabled"
    if member.account_state in ("suspended", "deleted"):
        return "suspended"
    if member.email_confirmed_at is None:
        return "unconfirmed"
    if member.approved_at is None:
        return "pending"
    return None


def turned_away_by(member: Standing) -> str | None:
    """What keeps the member from signing in: as `blocked_by`, but who was suspended by a decision may come in to read
    it, to appeal, and to take the own data away (`check_may_enter` refuses everything else)."""
    reason = blocked_by(member)
    decided = member.account_state == "suspended" and member.restriction is not None
    return None if reason == "suspended" and decided else reason
