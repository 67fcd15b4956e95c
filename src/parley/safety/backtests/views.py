"""What a backtest finds."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.safety.sweeps.views import Sample


class Agreement(msgspec.Struct, frozen=True):
    """How often the draft said what people decided, with the interval of 95 % confidence.

    `caught`: of what people stopped, how much the draft would have stopped (recall). `right`: of what it would have
    stopped, how much people did (precision). `of` is how many decisions each is a share of.
    """

    decisions: int
    agreed: int
    caught: int
    caught_of: int
    right: int
    right_of: int
    intervals: dict[str, tuple[float, float]] = {}


class RuleEffect(msgspec.Struct, frozen=True):
    """What one rule of the draft did: how often it fired, in how many of those something would have been otherwise."""

    fired: int
    changed: int
    decides: bool
    accounts: int


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a draft would have done to history, compared with what happened.

    `share` is the part of history that was judged, `rule` the one rule that was looked at, if only one was.
    """

    judged: int
    share: float
    first: datetime | None
    last: datetime | None
    days: float
    rule: str | None
    was: dict[str, int]
    would_be: dict[str, int]
    changes: dict[str, int]
    """`allow > hold` and how often."""
    stopped: int
    """Newly held, refused or quarantined, of what was judged."""
    released: int
    """No longer so."""
    accounts: int
    top_accounts: list[tuple[int, int]]
    rules: dict[str, RuleEffect]
    agreement: Agreement
    agreement_now: Agreement
    """Of the ruleset that judged at the time, over the same decisions."""
    review_per_day: float
    """How many revisions a day people would have to look at: flagged, held or quarantined."""
    review_per_day_now: float
    unclear: int
    inexact: int
    samples: list[Sample]


class BacktestView(msgspec.Struct, frozen=True, kw_only=True):
    """A stored backtest."""

    id: int
    ruleset: str
    policy_sha256: str
    against: str
    created_at: datetime
    created_by: int | None
    result: BacktestResult
