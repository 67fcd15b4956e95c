"""What people send in about others, and what they are shown of it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.social.accounts.views import AccountView

CATEGORIES = ("spam", "legal", "violation", "other")


class NewReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report of an account and, where they matter, of its statuses."""

    account_id: int
    status_ids: tuple[int, ...] = ()
    comment: str = ""
    category: str | None = None
    """spam, legal, violation or other; None: violation when rules are named, else other"""
    rule_ids: tuple[str, ...] = ()
    """Clauses of the instance's rules that were broken."""
    forward: bool = False
    """Whether a remote account's own server may be told."""


class ReportView(msgspec.Struct, frozen=True, kw_only=True):
    """A report as its reporter sees it; the evidence is for those who decide."""

    id: int
    target: AccountView
    status_ids: tuple[int, ...]
    comment: str
    category: str
    rule_ids: tuple[str, ...]
    forward: bool
    state: str
    action_taken_at: datetime | None
    created_at: datetime
