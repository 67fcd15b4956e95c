"""Metrics for Prometheus: GET /metrics. With the operator's token from anywhere, else from this very machine alone.

What processes count by themselves stands in kit/metrics.py; here it is joined with what the database knows.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get

from parley import __version__, screening
from parley.api.access import bearer_of
from parley.api.metrics_hosts import host_metrics
from parley.hosting.records import RecordRow, get_last_records
from parley.hosting.standby.overview import look_at_hosts
from parley.kit.clock import now
from parley.kit.db import LostConnection
from parley.kit.errors import NotFound, Unavailable
from parley.kit.gate import State
from parley.kit.http import instance_of
from parley.kit.instance import Instance
from parley.kit.jobs import QueueRow, list_queue
from parley.kit.metrics import CONTENT_TYPE, note_connections, write_metrics
from parley.kit.settings import LOOPBACK
from parley.safety.outside.reads import OutsideToday, get_outside_today
from parley.safety.warnings import CODES, DeskWarning, list_warnings
from parley.social.accounts.reads import Waiting, count_waiting_profiles
from parley.social.policies.reads import AlarmRow, list_alarms
from parley.social.statuses.waiting import count_waiting_statuses
from parley.social.verdicts.counting import LATENCY_MS, Tally, get_totals

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Asked = Request[Any, Any, Any]

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


@get("/metrics", scope=None)
async def show_metrics(request: Asked) -> Response[bytes]:
    """All metrics of the instance; 404 for whoever may not read them."""
    if not _may_read(request):
        raise NotFound
    instance = instance_of(request)
    note_connections(instance.db)
    overview = await look_at_hosts(instance.settings)
    known = [_build()] if overview is None else [_build(), *host_metrics(overview)]
    if instance.gate.state in (State.OPEN, State.HOLD):  # of another host's database that host speaks
        try:
            known += [_up(True), *await _of_database(instance)]
        except (*LostConnection, Unavailable, TimeoutError):
            known = [*known, _up(False)]  # what is known of the hosts is needed all the more
    body = write_metrics(known)
    return Response(body, media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


async def _of_database(instance: Instance) -> list[Metric]:
    async with instance.db.read() as tx:
        totals = await get_totals(tx)
        waiting = {"status": await count_waiting_statuses(tx), "profile": await count_waiting_profiles(tx)}
        queue = await list_queue(tx)
        host = await get_last_records(tx)
        warnings = await list_warnings(tx, instance.settings)
        alarms = await list_alarms(tx)
        outside = await get_outside_today(tx, instance.settings)
    found = [*_screening(totals), *_waiting(waiting), *_queue(queue), *_host(host), _desk(warnings), _alarms(alarms)]
    return found if outside is None else [*found, _outside(outside)]


def _up(answers: bool) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily("parley_database_up", "Whether this host's database answers.", value=float(answers))


def _may_read(request: Asked) -> bool:
    """With a token whoever holds it; without one whoever asks this machine from itself, past every proxy."""
    token = instance_of(request).settings.metrics_token
    if token:
        return hmac.compare_digest((bearer_of(request) or "").encode(), token.encode())
    host = request.headers.get("host", "").lower()
    name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
    if name not in LOOPBACK or any(header in request.headers for header in FORWARDED):
        return False
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _counter(name: str, about: str, label: str, values: dict[str, int]) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, about, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def _screening(totals: Tally) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    rules = {rule.id: 0 for rule in screening.live_ruleset().rules} | dict(totals.rules)
    outcomes = {outcome.value: 0 for outcome in screening.Outcome} | dict(totals.outcomes)
    signals = {signal.name: 0 for signal in screening.live_ruleset().signals} | dict(totals.failed)
    covered = {"true": 0, "false": 0, "unknown": 0} | dict(totals.covered)
    yield _counter("parley_screening_verdicts", "Revisions judged, by outcome.", "outcome", outcomes)
    yield _counter("parley_screening_rule_fired", "How often rules fired, BACKGROUND ones too.", "rule", rules)
    yield _counter("parley_screening_signal_failures", "How often signals failed.", "signal", signals)
    yield _counter(
        "parley_screening_covered", "Revisions by whether the text model knows the language.", "known", covered
    )
    yield CounterMetricFamily(
        "parley_screening_degraded", "Revisions that could not be judged completely.", value=totals.degraded
    )
    histogram = HistogramMetricFamily("parley_screening_latency_seconds", "Time that the judge took for one revision.")
    buckets, below = [], 0
    for place, bound in enumerate(LATENCY_MS):
        below += totals.latency.get(place, 0)
        buckets.append((str(bound / 1000), below))
    buckets.append(("+Inf", sum(totals.latency.values())))
    histogram.add_metric([], buckets, sum_value=totals.latency_us / 1_000_000)
    yield histogram


def _waiting(waiting: dict[str, Waiting]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    held = GaugeMetricFamily("parley_held", "What waits for a decision by people.", labels=["kind"])
    age = GaugeMetricFamily("parley_held_oldest_seconds", "How long the oldest of it has waited.", labels=["kind"])
    for kind, found in waiting.items():
        held.add_metric([kind], found.count)
        age.add_metric([kind], (now() - found.since).total_seconds() if found.since else 0)
    yield from (held, age)


def _queue(rows: list[QueueRow]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    jobs = GaugeMetricFamily("parley_queue_jobs", "Jobs in the queue, by name and state.", labels=["job", "state"])
    lag = GaugeMetricFamily("parley_queue_lag_seconds", "How long the oldest job that could run has waited.")
    for row in rows:
        jobs.add_metric([row.name, row.status], row.count)
    waits = [(now() - row.oldest).total_seconds() for row in rows if row.status == "queued"]
    lag.add_metric([], max(0.0, max(waits, default=0.0)))
    yield from (jobs, lag)


def _host(rows: list[RecordRow]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    age = GaugeMetricFamily(
        "parley_host_age_seconds",
        "How long ago the last snapshot, drill, move or failover was, by whether it went well.",
        labels=["kind", "ok"],
    )
    took = GaugeMetricFamily("parley_host_seconds", "How long the last one took that went well.", labels=["kind"])
    pause = GaugeMetricFamily("parley_move_pause_seconds", "How long writes waited in the last move that went well.")
    for row in rows:
        age.add_metric([row.kind, "true" if row.ok else "false"], (now() - row.created_at).total_seconds())
        if row.ok:
            took.add_metric([row.kind], row.seconds)
        if row.ok and row.kind == "move" and isinstance(row.detail.get("pause"), int | float):
            pause.add_metric([], row.detail["pause"])
    yield from (age, took, pause)


def _desk(warnings: list[DeskWarning]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily("parley_desk_warning", "1 while the desk needs a look, by what it is.", labels=["code"])
    for code in CODES:
        family.add_metric([code], float(code in {one.code for one in warnings}))
    return family


def _alarms(alarms: list[AlarmRow]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    about = "Hours of the last 24 in which a rule acted unlike its history (many, few), or reached its cap (cap)."
    family = GaugeMetricFamily("parley_rule_alarms", about, labels=["rule", "kind"])
    since = now() - timedelta(hours=24)
    counts = Counter((alarm.rule, alarm.kind) for alarm in alarms if alarm.hour >= since)
    for labels, count in sorted(counts.items()):
        family.add_metric(labels, count)
    return family


def _outside(today: OutsideToday) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    about = "The outside model today (UTC): calls, failures, raised (verdicts made stricter), and the budget of calls."
    family = GaugeMetricFamily("parley_outside_model_today", about, labels=["what"])
    for what in ("calls", "failures", "raised", "budget"):
        family.add_metric([what], getattr(today, what))
    return family


def _build() -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    ruleset = screening.live_ruleset()
    family = GaugeMetricFamily(
        "parley_build", "1, with the program's version and the live policy.", labels=["version", "policy", "ruleset"]
    )
    family.add_metric([__version__, f"{ruleset.name} {ruleset.version}", ruleset.sha256[:16]], 1)
    return family
