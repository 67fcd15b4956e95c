"""Strikes: what a confirmed breach counts, for how long, and what the ladder of the policy makes of their sum.

One decision gives at most one strike, of its clause's weight, however many posts it is about.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.safety.decisions import store
from parley.screening import Ruleset
from parley.screening.documents import LadderStep
from parley.screening.ruleset import Clause
from parley.social.accounts.standing import set_strikes

NO_EXPIRY = timedelta(days=365 * 5)
"""For a clause that gives strikes without saying for how long."""


async def give_strike(tx: Tx, account_id: int, decision_id: int, clause: Clause, moment: datetime) -> None:
    """Count a breach of `clause`, unless it never counts. Screening is told."""
    if not clause.strike_weight:
        return
    lasts = timedelta(days=clause.strike_days) if clause.strike_days else NO_EXPIRY
    await store.insert_strike(tx, account_id, decision_id, clause.id, clause.strike_weight, moment + lasts, moment)
    await count_again(tx, account_id)


async def refund_strikes(tx: Tx, account_id: int, decision_id: int, moment: datetime) -> int:
    """Take back what a decision counted; returns how many strikes."""
    refunded = await store.update_refunded(tx, decision_id, moment)
    if refunded:
        await count_again(tx, account_id)
    return refunded


async def count_again(tx: Tx, account_id: int) -> None:
    """Tell screening how many strikes of an account count now."""
    count, _ = await store.count_strikes(tx, account_id, now())
    await set_strikes(tx, account_id, count)


def step_of(policy: Ruleset, weight: int) -> LadderStep | None:
    """The highest step of the ladder that a sum of weights reaches; None below the first."""
    reached = [step for step in policy.head.ladder if weight >= step.at]
    return max(reached, key=lambda step: step.at, default=None)
