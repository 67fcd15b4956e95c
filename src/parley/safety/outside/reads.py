"""How the outside model does today: asked, failed, and how often it made a verdict stricter. For operators.

This file must not ask the model anything.
"""

from __future__ import annotations

from datetime import UTC

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.settings import Settings
from parley.safety.outside import store


class OutsideToday(msgspec.Struct, frozen=True):
    """This day's calls (UTC), how many of them gave no answer, the verdicts that became stricter, and the budget."""

    calls: int
    failures: int
    raised: int
    budget: int

    @property
    def spent(self) -> bool:
        """Whether nothing is asked any more today."""
        return self.calls >= self.budget

    @property
    def ails(self) -> bool:
        """Whether so many calls fail that somebody should look: one in five, of at least five."""
        return self.failures >= 5 and 5 * self.failures >= self.calls


async def get_outside_today(tx: Tx, settings: Settings) -> OutsideToday | None:
    """What is known of today; None where no outside model is set up, without a query."""
    if not settings.outside_model_url:
        return None
    today = now().astimezone(UTC).date()
    found = next((row for row in await store.list_calls(tx, 1) if row.day == today), None)
    counts = (found.calls, found.failures, found.raised) if found else (0, 0, 0)
    return OutsideToday(*counts, settings.outside_model_budget)
