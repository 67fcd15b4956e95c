"""A moderator says how they wish to work."""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.safety.wellness import store
from parley.safety.wellness.views import Wishes
from parley.social.accounts.views import Viewer


async def set_wishes(tx: Tx, viewer: Viewer, wishes: Wishes) -> None:
    """Keep how the viewer wishes to work. `no_severe_today` holds until midnight, UTC.

    It is their own matter and stands in no log. Raises NotFound for who is not of the staff, Invalid for a number
    beyond 0 to 500.
    """
    if not viewer.is_staff:
        raise NotFound
    if wishes.severe_per_day is not None and not 0 <= wishes.severe_per_day <= 500:
        raise Invalid("Give a number of severe cases a day from 0 to 500, or leave it empty.")
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    row = store.WishRow(midnight if wishes.no_severe_today else None, wishes.severe_per_day, wishes.unblurred)
    await store.upsert_wishes(tx, viewer.account_id, row)
