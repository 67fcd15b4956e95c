"""How much somebody has been through: from the times at which they worked on severe cases. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta


def minutes_without_break(moments: Sequence[datetime], moment: datetime, pause: timedelta) -> int:
    """For how many minutes until `moment` there was no pause of that length. `moments` ascend; 0 after a pause."""
    begun = moment
    following = moment
    for one in reversed(moments):
        if following - one >= pause:
            break
        begun = following = one
    return max(int((moment - begun).total_seconds() // 60), 0)
