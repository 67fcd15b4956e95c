"""What this room shows: an appeal as reviewers see it, and as whoever filed it does."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from parley.safety.appeals.states import WORDS, State

Role = Literal["author", "reporter"]
WaitsFor = Literal["staff", "jury", "nobody"]
"""`nobody`: there is no second person yet who may review it. That is escalated, never silent."""


class AppealView(msgspec.Struct, frozen=True, kw_only=True):
    """One appeal, for those who moderate. `why_not` says why this viewer may not review it; empty: they may."""

    id: int
    decision_id: int
    case_id: int | None
    account_id: int
    """Whom the decision is about."""
    role: Role
    appellant_id: int | None
    """None: somebody without an account."""
    report_id: int | None
    notice_id: int | None
    state: State
    waits_for: WaitsFor
    text: str
    answer: str
    reviewer_id: int | None
    leased_until: datetime | None
    appeal_decision_id: int | None
    clause: str | None
    severity: int
    automated: bool
    """Whether the decision was made by the program alone."""
    decided_at: datetime
    created_at: datetime
    due_at: datetime | None
    ended_at: datetime | None
    why_not: str = ""

    @property
    def words(self) -> str:
        """The state, for people."""
        return WORDS[self.state]


class OwnAppealView(msgspec.Struct, frozen=True, kw_only=True):
    """One appeal, for whoever filed it: no reviewer's name."""

    id: int
    decision_id: int
    role: Role
    state: State
    waits_for: WaitsFor
    text: str
    answer: str
    created_at: datetime
    due_at: datetime | None
    ended_at: datetime | None

    @property
    def words(self) -> str:
        """The state, for people."""
        if self.state == "queued" and self.waits_for == "nobody":
            return "waits for a second moderator: the only one here made the decision, and may not review it"
        if self.waits_for == "jury" and self.state in ("queued", "in_review"):
            return "waits for a jury of members"
        return WORDS[self.state]


class Chance(msgspec.Struct, frozen=True):
    """Whether somebody may appeal a decision now, until when, and else why not."""

    may: bool
    until: datetime
    why_not: str = ""
    appeal: OwnAppealView | None = None
    """The one that was filed."""
