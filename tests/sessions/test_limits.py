"""Counting tries and calls."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import msgspec
import pytest

from parley.kit.clock import now, time_travel
from parley.kit.errors import RateLimited
from parley.kit.limits import RequestLimiter, bucket_of, check_rate, count_try
from parley.kit.settings import Settings
from parley.social.sessions.jobs import delete_stale_credentials
from tests.conftest import World


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Limits are on, but where the test is about their being off."""
    return msgspec.structs.replace(settings, rate_limits="off" if "_off" in request.node.name else "on")


async def test_tries_are_counted_in_a_window_even_when_they_come_at_once(world: World) -> None:
    db, settings = world.instance.db, world.settings
    hour = timedelta(hours=1)

    refused: list[RateLimited] = []

    async def attempt() -> bool:
        try:
            await count_try(db, settings, "door:a", 5, hour)
        except RateLimited as error:
            refused.append(error)
            return False
        return True

    done = await asyncio.gather(*(attempt() for _ in range(9)))
    assert sum(done) == 5 and len(refused) == 4
    assert all(0 < error.retry_after <= 3601 and "try again" in error.text for error in refused)
    await count_try(db, settings, "door:b", 5, hour)
    with time_travel(hour):
        assert await attempt()


async def test_a_try_in_a_transaction_goes_with_it(world: World) -> None:
    async with world.instance.db.write() as tx:
        for _ in range(3):
            await check_rate(tx, world.settings, "door:c", 3, timedelta(minutes=1))
        with pytest.raises(RateLimited):
            await check_rate(tx, world.settings, "door:c", 3, timedelta(minutes=1))


async def test_when_off_nothing_is_counted(world: World) -> None:
    for _ in range(5):
        await count_try(world.instance.db, world.settings, "door:d", 1, timedelta(minutes=1))
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM rate_limits") == 0
    answer = await world.anonymous.get("/api/v1/instance")
    assert "x-ratelimit-limit" not in answer.headers


async def test_old_windows_are_forgotten(world: World) -> None:
    await count_try(world.instance.db, world.settings, "door:e", 1, timedelta(minutes=1))
    with time_travel(timedelta(days=2)):
        await delete_stale_credentials(world.instance, {})
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM rate_limits") == 0


def test_a_bucket_names_the_door_and_hides_the_rest() -> None:
    bucket = bucket_of("sign_in", "Alice@example.org")
    assert bucket.startswith("sign_in:") and "alice" not in bucket
    assert bucket == bucket_of("sign_in", "alice@EXAMPLE.org") != bucket_of("sign_in", "bob@example.org")
    assert bucket_of("x", "a", "b") != bucket_of("x", "ab")


def test_the_counter_of_calls_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.kit.limits._MOST_KEYS", 10)
    limiter = RequestLimiter()
    for caller in range(1000):
        limiter.count(caller)
    assert len(limiter._tries) == 10


async def test_every_call_says_what_is_left(world: World) -> None:
    client = await world.client("alice")
    first = await client.get("/api/v1/preferences")
    assert first.headers["x-ratelimit-limit"] == "300" and first.headers["x-ratelimit-remaining"] == "299"
    reset = datetime.fromisoformat(first.headers["x-ratelimit-reset"])
    assert timedelta() < reset - now() <= timedelta(minutes=5)
    second = await client.get("/api/v1/preferences")
    assert second.headers["x-ratelimit-remaining"] == "298"
    signed_out = await world.anonymous.get("/api/v1/preferences")
    assert signed_out.status_code == 401 and signed_out.headers["x-ratelimit-remaining"] == "299"


async def test_a_caller_who_is_used_up_waits_and_others_do_not(world: World) -> None:
    client = await world.client("alice")
    world.app.state.request_limiter = RequestLimiter(most=3)
    answers = [await client.get("/api/v1/preferences") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    last = answers[-1]
    assert int(last.headers["retry-after"]) > 0 and last.headers["x-ratelimit-remaining"] == "0"
    assert (await (await world.client("bob")).get("/api/v1/preferences")).status_code == 200
    void = {"Authorization": "Bearer guess"}
    guesses = [await world.anonymous.get("/api/v1/preferences", headers=void) for _ in range(4)]
    assert [answer.status_code for answer in guesses] == [401, 401, 401, 429]
