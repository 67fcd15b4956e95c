"""Metrics: complete, exact, and for nobody but the operator."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from parley.kit.clock import time_travel
from parley.kit.settings import Settings, SettingsError, load_settings
from parley.social.verdicts.counting import LATENCY_MS, Tally, count_screening
from tests.conftest import World, open_world
from tests.live import LiveServer
from tests.statuses.cast import DOUBTFUL, THREAT, known

TOKEN = "a-token-of-the-operator"


def values(text: str) -> dict[str, float]:
    """Every sample of an exposition by its name with labels."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


async def read(world: World, **headers: str) -> dict[str, float]:
    answer = await world.anonymous.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return values(answer.text)


async def counted(world: World) -> None:
    with time_travel(timedelta(minutes=2)):
        await count_screening(world.instance, {})


async def test_verdicts_are_counted_once_by_outcome_rule_and_time(world: World) -> None:
    await known(world, "alice")
    before = await read(world)
    await counted(world)
    base = (await read(world))['parley_screening_verdicts_total{outcome="allow"}']
    await world.post("alice", "good morning")
    await world.post("alice", DOUBTFUL)
    answer = await (await world.client("alice")).post("/api/v1/statuses", json={"status": THREAT})
    assert answer.status_code == 422
    await counted(world)
    await counted(world)
    found = await read(world)
    assert found['parley_screening_verdicts_total{outcome="allow"}'] == base + 1
    assert found['parley_screening_verdicts_total{outcome="hold"}'] == 1
    assert found['parley_screening_verdicts_total{outcome="reject"}'] == 1
    assert found['parley_screening_verdicts_total{outcome="quarantine"}'] == 0
    judged = sum(value for name, value in found.items() if name.startswith("parley_screening_verdicts_total"))
    assert found['parley_screening_latency_seconds_bucket{le="+Inf"}'] == judged
    assert found["parley_screening_latency_seconds_sum"] > 0
    assert found['parley_held{kind="status"}'] == 1
    assert before['parley_held{kind="status"}'] == 0
    assert sum(value for name, value in found.items() if name.startswith("parley_screening_rule_fired_total")) >= 2
    took = 'parley_screening_signal_seconds_total{signal="words"}'
    assert found[took] > before.get(took, 0.0), "what each signal costs"
    assert sum(value for name, value in found.items() if name.startswith("parley_screening_covered_total")) == judged


async def test_failing_signals_and_incomplete_verdicts_are_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parley import screening

    await known(world, "alice")

    def broken(*_: Any) -> Any:
        raise RuntimeError("the judge is not well")

    with monkeypatch.context() as patch:
        patch.setattr(screening, "judge", broken)
        await world.post("alice", "good morning")
    await counted(world)
    found = await read(world)
    assert found["parley_screening_degraded_total"] == 1
    assert sum(value for name, value in found.items() if name.startswith("parley_screening_signal_failures_total")) >= 1


async def test_requests_queue_and_connections_are_there(world: World) -> None:
    await world.post("alice", "good morning")
    await world.anonymous.get("/about")
    await world.anonymous.get("/no/such/page")
    found = await read(world)
    assert found['parley_http_request_seconds_count{door="api",status="2xx"}'] >= 1
    assert found['parley_http_request_seconds_count{door="web",status="2xx"}'] >= 1
    assert found['parley_http_request_seconds_count{door="web",status="4xx"}'] >= 1
    assert found['parley_queue_jobs{job="dispatch_event",state="queued"}'] >= 1
    assert found["parley_queue_lag_seconds"] >= 0
    assert found['parley_database_connections{state="most"}'] == 5
    assert any(name.startswith("parley_build{") for name in found)
    assert "/no/such/page" not in (await world.anonymous.get("/metrics")).text


async def test_without_a_token_only_this_machine_may_read(world: World) -> None:
    assert (await world.anonymous.get("/metrics")).status_code == 200
    refused = (
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 proxy"},
        {"X-Real-IP": "127.0.0.1"},
        {"Host": "social.example"},
        {"Host": "127.0.0.1.evil.example"},
    )
    for headers in refused:
        answer = await world.anonymous.get("/metrics", headers=headers)
        assert answer.status_code == 404, headers
        assert "parley_" not in answer.text
    elsewhere = httpx.ASGITransport(app=world.app, client=("203.0.113.9", 1234))
    async with httpx.AsyncClient(transport=elsewhere, base_url=world.settings.base_url) as client:
        assert (await client.get("/metrics")).status_code == 404


async def test_with_a_token_only_its_holder_may_read_from_anywhere(settings: Settings, dsn: str) -> None:
    async with open_world(msgspec.structs.replace(settings, metrics_token=TOKEN), dsn) as world:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            assert (await world.anonymous.get("/metrics", headers=headers)).status_code == 404
        right = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "203.0.113.9", "Host": "social.example"}
        assert await read(world, **right)


def test_a_short_token_is_refused() -> None:
    with pytest.raises(SettingsError, match="metrics_token"):
        load_settings({"PARLEY_METRICS_TOKEN": "short"})


async def test_metrics_take_as_many_queries_however_much_was_judged(world: World) -> None:
    await known(world, "alice")
    counts = []
    for _ in range(2):
        await world.post("alice", DOUBTFUL)
        await counted(world)
        costs = []
        for _ in range(3):  # the process also looks after itself now and then
            with world.queries() as seen:
                await read(world)
            costs.append(len(seen))
        counts.append(min(costs))
    assert counts == [7, 7]


def test_percentiles_are_read_from_the_buckets() -> None:
    tally = Tally(latency={2: 50, 4: 45, len(LATENCY_MS): 5})
    assert tally.latency_ms(0.5) == pytest.approx(1.0)
    assert tally.latency_ms(0.95) == pytest.approx(2.0)
    assert tally.latency_ms(0.99) == LATENCY_MS[-1]
    assert Tally().latency_ms(0.5) is None


async def test_all_processes_of_an_instance_are_read_together(live_server: LiveServer) -> None:
    async with httpx.AsyncClient(base_url=live_server.base_url) as client:
        asked = 0
        for _ in range(40):
            await client.get("/health", headers={"Connection": "close"})
            asked += 1
        found = values((await client.get("/metrics")).text)
        assert found['parley_http_request_seconds_count{door="machine",status="2xx"}'] >= asked
        assert found['parley_database_connections{state="most"}'] >= 10
        live_server.account("metric_meg")
        for _ in range(60):
            found = values((await client.get("/metrics")).text)
            if found.get('parley_job_seconds_count{job="dispatch_event"}', 0) >= 1:
                return
            await asyncio.sleep(0.5)
        raise AssertionError("the worker's jobs are not among the metrics")
