"""What a sweep is asked for, and what is shown of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from parley.safety.sweeps.states import Scope, State

PER_SECOND = 1000
"""How many revisions a sweep judges in a second at most, unless told otherwise."""


class NewSweep(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep to be planned. `since` leaves out what was judged before."""

    reason: str
    changed: tuple[str, ...] = ()
    release: bool = False
    per_second: int = PER_SECOND
    since: datetime | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One revision that would be treated otherwise. `text` is empty for what only few may read."""

    subject_type: str
    subject_id: int
    revision: int
    account_id: int
    before: str
    after: str
    clause: str | None
    because: tuple[str, ...]
    text: str
    created_at: datetime


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep would do, found by judging all of its history (`share` 1) or a part of it, chosen by chance.

    `effects` counts what was judged; `expected` says what that means for all of it, each with the interval in which the
    true number lies with 95 % confidence.
    """

    judged: int = 0
    share: float = 1.0
    total: int = 0
    effects: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    """How often one outcome would become another: `allow > hold`."""
    clauses: dict[str, int] = {}
    expected: dict[str, tuple[int, int, int]] = {}
    """By effect: the estimate, its lower and its upper end."""
    accounts: int = 0
    """How many authors would be concerned, of what was judged."""
    top_accounts: list[tuple[int, int]] = []
    """The authors who would be concerned most: account and how often."""
    unclear: int = 0
    inexact: int = 0
    """Judged from less than the judge knew at the time."""
    samples: list[Sample] = []


class EntryCount(msgspec.Struct, frozen=True):
    """What a sweep over members found for one entry of a bank: members whom it means, and of these, who came before the
    moderators and who did not because there were too many."""

    bank: str
    entry: str
    meant: int
    opened: int
    left_out: int


class MemberSweepView(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep over members as the staff see it. It is about `entries` new entries of the banks of sign-up."""

    id: int
    state: Literal["planned", "running", "completed"]
    ruleset: str
    entries: int
    members: int
    """How many were here when it was planned, or has begun since; `looked` of them have been asked about."""
    looked: int
    meant: int
    opened: int
    """Of those who are meant, who came before the moderators as cases ..."""
    held: int
    """... newcomers who wait for a moderator's approval ..."""
    left_out: int
    """... and who did not come before anybody, for there were too many."""
    counts: tuple[EntryCount, ...]
    """Of the entries that mean most, as far as they are live still."""
    planned_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class SweepView(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep as the staff see it."""

    id: int
    state: State
    scope: Scope
    ruleset: str
    reason: str
    changed: tuple[str, ...]
    automatic: bool
    release: bool
    per_second: int
    total: int
    count: Count | None
    expected: int
    needs_second: bool
    approved_by: tuple[str, ...]
    judged: int
    acted: int
    unclear: int
    done: float
    """The share of its range that is behind it, 0 to 1."""
    changes: dict[str, int]
    undone: dict[str, int]
    note: str
    planned_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    undone_at: datetime | None
