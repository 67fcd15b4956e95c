"""What a moderator is told of their own load."""

from __future__ import annotations

from datetime import datetime

import msgspec

SEVERE = 1
"""Cases of this severity and graver (0) are severe."""


class Wellness(msgspec.Struct, frozen=True, kw_only=True):
    """One moderator's load and wishes. `severe_cap` is how many severe cases they are given in a day at most."""

    decisions_last_hour: int
    severe_today: int
    severe_cap: int
    minutes_severe: int
    """Among severe cases without a break."""
    break_due: bool
    break_minutes: int
    no_severe_until: datetime | None
    """Their own wish: nothing severe until then."""
    unblurred: bool
    """Their own wish: pictures are shown at once. Else they are blurred until asked for."""

    @property
    def avoids_severe(self) -> bool:
        """Whether they asked for nothing severe."""
        return self.no_severe_until is not None

    @property
    def at_cap(self) -> bool:
        """Whether they have had enough for a day."""
        return self.severe_today >= self.severe_cap

    @property
    def least_severity(self) -> int:
        """The gravest severity (0 is the gravest) that they are given unasked now."""
        return SEVERE + 1 if self.avoids_severe or self.at_cap else 0

    @property
    def advice(self) -> str:
        """One sentence for them; empty when all is well."""
        if self.break_due:
            return (
                f"You have been among severe cases for {self.minutes_severe} minutes. Take a break of "
                f"{self.break_minutes} minutes: the queue can wait, and others are told when it cannot."
            )
        if self.at_cap:
            return f"You have had {self.severe_today} severe cases today. You are given no more until tomorrow."
        return ""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """How a moderator wishes to work. `severe_per_day` None: as the instance says."""

    no_severe_today: bool = False
    severe_per_day: int | None = None
    unblurred: bool = False
