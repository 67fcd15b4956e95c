"""What an incident is, for the staff."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.safety.incidents.overlay import Kind
from parley.safety.incidents.states import State


class NewIncident(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody declares. `scope` are words, hashtags and places; `factor` multiplies thresholds (None: as the kind
    says); `hours` until it ends by itself, 72 at most before a second person keeps it."""

    kind: Kind
    title: str
    why: str
    scope: tuple[str, ...] = ()
    hours: float = 24.0
    factor: float | None = None
    hold_new: bool = True
    severity_at_most: int = 1
    """Cases of this severity and graver go to the war queue."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What happened during an incident. Times are in minutes, from being stopped to a person's decision."""

    hours: float
    judged: int
    held: int
    refused: int
    flagged: int
    held_per_hour_before: float
    """In the week before, for comparison."""
    released: int
    """Of those held: published by a person."""
    removed: int
    waiting: int
    """Of those held: nobody has decided yet."""
    false_positive_share: float | None
    """Released of those decided."""
    low: float
    high: float
    """Its confidence interval, 95 %."""
    minutes_median: float | None
    minutes_p95: float | None
    cases: int
    cases_closed: int
    decisions: int
    appeals: int
    overturned: int


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """An incident, for the staff."""

    id: int
    kind: Kind
    title: str
    why: str
    state: State
    declared_by: int
    declared_name: str
    scope: tuple[str, ...]
    factor: float
    hold_new: bool
    severity_at_most: int
    policy_sha256: str | None
    base_policy_sha256: str | None
    in_force: bool
    """Whether the policy that it asks for judges now; False also when people activated another one."""
    restored: bool | None
    declared_at: datetime
    ends_at: datetime
    kept_by: int | None
    kept_name: str | None
    concluded_name: str | None
    concluded_at: datetime | None
    lessons: str
    debriefed_at: datetime | None
    figures: Figures | None
    """Of the debriefing; while it runs, as of now."""
