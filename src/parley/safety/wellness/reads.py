"""How those who moderate do. Each sees their own; all of the staff see who carries how much. Nothing is changed."""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.ids import id_at
from parley.safety.wellness import store
from parley.safety.wellness.load import minutes_without_break
from parley.safety.wellness.store import LoadRow
from parley.safety.wellness.views import SEVERE, Wellness
from parley.screening import live_ruleset
from parley.social.accounts.views import Viewer

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


async def wellness_of(tx: Tx, viewer: Viewer) -> Wellness:
    """The viewer's own load and wishes, in two queries. Raises NotFound for who is not of the staff."""
    if not viewer.is_staff:
        raise NotFound
    moment, policy = now(), live_ruleset().head.wellness
    today = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    wishes = await store.get_wishes(tx, viewer.account_id)
    work = await store.list_work(tx, viewer.account_id, id_at(min(today, moment - timedelta(hours=8))))
    severe = [row for row in work if row.severity <= SEVERE]
    minutes = minutes_without_break([row.at for row in severe], moment, timedelta(minutes=policy.break_minutes))
    until = wishes.no_severe_until if wishes else None
    own = wishes.severe_per_day if wishes and wishes.severe_per_day is not None else policy.severe_per_day
    return Wellness(
        decisions_last_hour=sum(1 for row in work if row.type == "decision_made" and moment - row.at < HOUR),
        severe_today=len({row.case_id for row in severe if row.at >= today}),
        severe_cap=min(own, policy.severe_per_day),
        minutes_severe=minutes,
        break_due=minutes >= policy.break_after_minutes,
        break_minutes=policy.break_minutes,
        no_severe_until=until if until is not None and until > moment else None,
        unblurred=wishes.unblurred if wishes else False,
    )


async def list_loads(tx: Tx, viewer: Viewer, *, days: int = 7) -> list[LoadRow]:
    """What everybody of the staff did in some days. Raises NotFound for who is not of the staff."""
    if not viewer.is_staff:
        raise NotFound
    return await store.list_loads(tx, id_at(now() - days * DAY), SEVERE)
