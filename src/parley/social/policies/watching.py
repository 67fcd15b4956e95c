"""Watches what rules do: adds it up by the hour, caps a rule that acts too often, and raises alarms.

A job does all of it, a minute behind at most; posting only inserts its result, as ever. This file must not change
what any rule says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from parley import screening
from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.ids import id_at, time_of_id
from parley.kit.instance import Instance
from parley.kit.live import Message, publish
from parley.social.events.actions import record
from parley.social.events.facts import RuleAlarmRaised
from parley.social.policies import caps, store_watch
from parley.social.policies.caps import hour_of
from parley.social.policies.store_watch import HourRow

HISTORY = timedelta(days=14)
KEPT = timedelta(days=90)
LEAST_HOURS = 24
"""A rule that was watched for less has no history to compare with."""

LEAST_COUNT = 10
"""Below this many in an hour nothing is an alarm."""

SETTLED = timedelta(seconds=3)
"""Ids are given before their transactions commit: results younger than this wait for the next minute."""

STEP = timedelta(hours=1)


async def watch_rules(instance: Instance, payload: dict[str, Any]) -> None:
    """Each minute: count new results, cap and alarm."""
    while True:
        async with instance.db.write() as tx:
            done = await _count(tx)
        if done:
            break
    async with instance.db.write() as tx:
        await _look(tx, now())


async def _count(tx: Tx) -> bool:
    """Count at most an hour of results; True when there are no more."""
    newest = now() - SETTLED
    after = max(await store_watch.get_counted_to(tx), id_at(newest - HISTORY))
    up_to = min(id_at(newest), id_at(time_of_id(after) + STEP))
    if up_to <= after:
        return True
    await store_watch.upsert_hours(tx, after, up_to)
    await store_watch.update_counted_to(tx, up_to)
    return up_to == id_at(newest)


async def _look(tx: Tx, moment: datetime) -> None:
    hour = hour_of(moment)
    by_rule: dict[str, list[HourRow]] = {}
    for row in await store_watch.list_hours(tx, hour - HISTORY):
        by_rule.setdefault(row.rule, []).append(row)
    limits = {rule.id: rule.cap_per_hour for rule in screening.live_ruleset().rules if rule.decides}
    newly_capped = False
    for rule, rows in by_rule.items():
        acted = rows[-1].acted if rows[-1].hour == hour else 0
        over = rule in limits and acted >= limits[rule]
        if over and await store_watch.insert_cap(tx, rule, hour, hour + STEP):
            newly_capped = True
            await _raise(tx, rule, hour, "cap", acted, limits[rule])
        await _compare(tx, rule, rows, hour)
    if newly_capped:
        await publish(tx, Message(caps.TOPIC))
    await store_watch.delete_old_hours(tx, hour - KEPT)


async def _compare(tx: Tx, rule: str, rows: Sequence[HourRow], hour: datetime) -> None:
    """Alarm where this hour, or the one that has just ended, is far outside the rule's own history."""
    counts = {row.hour: row.fired for row in rows}
    current, last = counts.get(hour, 0), counts.get(hour - STEP, 0)
    hours = int((hour - rows[0].hour) / STEP)
    history = [counts.get(hour - STEP * back, 0) for back in range(1, hours + 1)]
    if is_far_above(current, history):
        await _raise(tx, rule, hour, "many", current, median(history))
    if is_far_below(last, history[1:]):
        await _raise(tx, rule, hour - STEP, "few", last, median(history[1:]))


def is_far_above(count: int, history: Sequence[int]) -> bool:
    """Whether an hour's count is far above those of the hours before it.

    The bound is the median and six robust standard deviations (1.4826 times the median absolute deviation), and never
    less than five standard deviations of a Poisson process of that median, so that quiet rules do not cry wolf.
    """
    return count >= LEAST_COUNT and len(history) >= LEAST_HOURS and count > median(history) + _far(history)


def is_far_below(count: int, history: Sequence[int]) -> bool:
    """Whether a whole hour's count is far below those of the hours before it; only for rules that fire all the time."""
    return len(history) >= LEAST_HOURS and count < median(history) - _far(history)


def _far(history: Sequence[int]) -> float:
    middle = median(history)
    deviation = 1.4826 * median(abs(count - middle) for count in history)
    return float(max(6 * deviation, 5 * (middle + 1) ** 0.5))


async def _raise(tx: Tx, rule: str, hour: datetime, kind: str, count: int, expected: float) -> None:
    if await store_watch.insert_alarm(tx, rule, hour, kind, count, float(expected)):
        fact = RuleAlarmRaised(
            account_id=0, rule=rule, kind=kind, count=count, expected=float(expected), hour=hour.isoformat()
        )
        await record(tx, fact)
