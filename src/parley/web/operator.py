"""The operator's page: how screening is doing, on one screen. For those who run the instance alone.

It shows figures and names of rules, never what anybody wrote. The reads decide who may see them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from litestar import get
from litestar.response import Response

from parley import screening
from parley.hosting.standby.overview import look_at_hosts
from parley.kit.clock import now
from parley.kit.jobs import QueueRow
from parley.safety.operations import get_operations
from parley.safety.outside.reads import OutsideToday
from parley.screening.signals import SIGNALS
from parley.social.accounts.reads import Waiting
from parley.social.verdicts.counting import Health, Tally
from parley.web.operator_charts import SERIES, Chart, draw_chart
from parley.web.operator_hosts import done_lines, hosts_panel
from parley.web.pages import render
from parley.web.visits import AnyRequest, visit_of

LONG_WAIT = timedelta(hours=24)
"""A post that has waited longer than this for people is shown as a problem."""

SLOW_MS = 6.0
"""The judge's time beyond which the page says so: the 95th percentile that it is built for."""

DOES = {
    "allow": "allows",
    "allow_flag": "flags",
    "limit": "limits",
    "hold": "holds",
    "reject": "refuses",
    "quarantine": "quarantines",
}
"""What a rule of each outcome does."""


class SignalLine(msgspec.Struct, frozen=True):
    """One signal of the judge: whether the live policy uses it, what it costs in microseconds, and how often it failed
    in 24 hours."""

    name: str
    version: int
    cost_us: int
    about: str
    enabled: bool
    failures: int


class Tile(msgspec.Struct, frozen=True):
    """One figure: what it is, its value, what to know about it, and whether it asks for a look."""

    title: str
    value: str
    note: str
    bad: bool = False


@get("/operator")
async def show_operator(request: AnyRequest) -> Response[str]:
    """Screening in the last 24 hours, what waits for people, the live policy, its rules and signals, and the queue."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        found = await get_operations(tx, visit.instance.settings, viewer)
    overview = await look_at_hosts(visit.instance.settings)
    whole = found.health.whole
    return await render(
        visit,
        "operator.html",
        title="Operator",
        health=found.health,
        tiles=[*_tiles(whole, found.posts, found.profiles, found.queue), *_outside(found.outside)],
        charts=_charts(found.health),
        series=SERIES,
        ruleset=screening.live_ruleset(),
        activation=found.activation,
        rules=sorted(found.rules, key=lambda rule: (-rule.fired, rule.id)),
        does=DOES,
        alarms=found.alarms,
        warnings=found.warnings,
        signals=_signals(whole),
        queue=found.queue,
        host=done_lines(found.host),
        hosts=None if overview is None else hosts_panel(overview),
        snapshot_to=visit.instance.settings.snapshot_to,
        keep=False,
    )


def _tiles(whole: Tally, posts: Waiting, profiles: Waiting, queue: list[QueueRow]) -> list[Tile]:
    moment = now()
    since = min((one.since for one in (posts, profiles) if one.since), default=None)
    latency = [whole.latency_ms(share) for share in (0.5, 0.95, 0.99)]
    failed = sum(row.count for row in queue if row.status == "failed")
    waiting = sum(row.count for row in queue if row.status == "queued")
    return [
        Tile("Judged", f"{whole.judged:,}", "posts, profiles and descriptions in 24 hours"),
        Tile(
            "Waiting for people",
            f"{posts.count + profiles.count:,}",
            f"{_plural(posts.count, 'post')}, {_plural(profiles.count, 'profile')}; {_oldest(since, moment)}",
            bad=since is not None and moment - since > LONG_WAIT,
        ),
        Tile(
            "Time of the judge, p95",
            _ms(latency[1]),
            f"p50 {_ms(latency[0])}, p99 {_ms(latency[2])}",
            bad=latency[1] is not None and latency[1] > SLOW_MS,
        ),
        Tile("Coverage", _percent(whole.coverage), "were in a language that the text model knows"),
        Tile(
            "Degraded",
            _percent(whole.degraded_share),
            f"{whole.degraded:,} could not be judged completely, and are judged again",
            bad=whole.degraded > 0,
        ),
        Tile("Job queue", f"{waiting:,}", f"waiting; {failed:,} given up", bad=failed > 0),
    ]


def _outside(today: OutsideToday | None) -> list[Tile]:
    if today is None:
        return []
    note = f"of {today.budget:,} calls today; {today.failures:,} failed, {today.raised:,} made a verdict stricter"
    return [Tile("Outside model", f"{today.calls:,}", note, bad=today.spent or today.ails)]


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _oldest(since: datetime | None, moment: datetime) -> str:
    if since is None:
        return "nothing is old"
    minutes = int((moment - since).total_seconds() // 60)
    if minutes < 1:
        return "the oldest for less than a minute"
    if minutes < 120:
        return f"the oldest for {_plural(minutes, 'minute')}"
    hours = minutes // 60
    return f"the oldest for {_plural(hours, 'hour')}" if hours < 48 else f"the oldest for {_plural(hours // 24, 'day')}"


def _ms(value: float | None) -> str:
    return "none yet" if value is None else f"{value:.1f} ms"


def _percent(share: float | None) -> str:
    if share is None:
        return "none yet"
    if 0 < share < 0.001:
        return "under 0.1%"
    return f"{share:.0%}" if share in (0, 1) else f"{share:.1%}"


def _charts(health: Health) -> list[Chart]:
    hours = [(start, tally.outcomes) for start, tally in health.hours]
    return [
        draw_chart("Judged each hour", hours, tuple(key for key, _ in SERIES)),
        draw_chart("Not simply allowed", hours, tuple(key for key, _ in SERIES if key != "allow")),
    ]


def _signals(whole: Tally) -> list[SignalLine]:
    enabled = {signal.name for signal in screening.live_ruleset().signals}
    return [
        SignalLine(
            name=signal.name,
            version=signal.version,
            cost_us=signal.cost_us,
            about=signal.about,
            enabled=signal.name in enabled,
            failures=whole.failed.get(signal.name, 0),
        )
        for signal in SIGNALS
    ]


routes = [show_operator]
