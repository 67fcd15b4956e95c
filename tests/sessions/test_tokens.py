"""The hottest path: who holds a token, from memory, and never a moment longer than allowed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from parley.kit.clock import time_travel
from parley.kit.errors import Unauthorized
from parley.kit.ids import token_hash
from parley.kit.instance import Instance, open_instance
from parley.kit.live import Message
from parley.kit.settings import Settings
from parley.social.accounts.actions import set_account_state
from parley.social.sessions import tokens
from parley.social.sessions.actions import create_token, revoke_all_tokens, set_disabled, set_role
from parley.social.sessions.tokens import cache_of, viewer_of_token
from tests.conftest import World


async def token_of(world: World, name: str) -> str:
    account_id = await world.account(name)
    async with world.instance.db.write() as tx:
        return await create_token(tx, account_id, ["read", "write"], app_name="Test")


async def eventually(check: Callable[[], Awaitable[bool]], *, seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if await check():
            return True
        await asyncio.sleep(0.01)
    return False


async def is_void(instance: Instance, token: str) -> bool:
    try:
        return (await viewer_of_token(instance, token)).viewer is None
    except Unauthorized:
        return True


async def test_a_kept_grant_takes_no_query_and_a_fresh_one_takes_one(world: World) -> None:
    token = await token_of(world, "alice")
    with world.queries() as first:
        grant = await viewer_of_token(world.instance, token)
    assert len([query for query in first if "SELECT t.id" in query]) == 1
    with world.queries() as second:
        assert await viewer_of_token(world.instance, token) is grant
    assert second == []
    assert grant.viewer is not None and grant.viewer.username == "alice"
    assert grant.scopes == {"read", "write"} and grant.viewer.token_id == grant.token_id


async def test_use_is_noted_once_an_hour(world: World) -> None:
    token = await token_of(world, "alice")
    cache = cache_of(world.instance.live)

    async def used_at() -> object:
        async with world.instance.db.read() as tx:
            return await tx.fetchval("SELECT last_used_at FROM access_tokens WHERE token_hash = $1", token_hash(token))

    await viewer_of_token(world.instance, token)
    first = await used_at()
    assert first is not None
    cache.hear(Message("resync"))
    await viewer_of_token(world.instance, token)
    assert await used_at() == first
    cache.hear(Message("resync"))
    with time_travel(timedelta(minutes=61)):
        await viewer_of_token(world.instance, token)
    assert await used_at() != first


async def test_a_grant_is_not_kept_beyond_its_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await token_of(world, "alice")
    monkeypatch.setattr(tokens, "KEEP_SECONDS", 0.05)
    await viewer_of_token(world.instance, token)
    await asyncio.sleep(0.08)
    with world.queries() as seen:
        await viewer_of_token(world.instance, token)
    assert seen


@pytest.mark.parametrize("how", ["revoked", "suspended", "disabled"])
async def test_what_one_process_voids_is_void_in_every_process(
    world: World, settings: Settings, dsn: str, how: str
) -> None:
    token = await token_of(world, "alice")
    alice = world.ids["alice"]
    async with open_instance(settings, dsn) as other:
        here, there = world.instance, other
        for instance in (here, there):
            assert (await viewer_of_token(instance, token)).viewer is not None
            assert cache_of(instance.live).get(token_hash(token)) is not None
        # Only the live message may tell the other process: what this process distrusts must not help.
        async with here.db.write() as tx:
            if how == "revoked":
                await revoke_all_tokens(tx, alice)
            elif how == "disabled":
                await set_disabled(tx, None, alice, True)
            else:
                await set_account_state(tx, None, alice, "suspended")
        tokens._distrusted.clear()

        async def forgotten() -> bool:
            return all(cache_of(one.live).get(token_hash(token)) is None for one in (here, there))

        assert await eventually(forgotten)
        assert await is_void(there, token) and await is_void(here, token)


async def test_the_process_that_revokes_refuses_at_once(world: World) -> None:
    token = await token_of(world, "alice")
    for _ in range(20):
        await viewer_of_token(world.instance, token)
    async with world.instance.db.write() as tx:
        await revoke_all_tokens(tx, world.ids["alice"])
    assert await is_void(world.instance, token)


async def test_a_new_role_counts_at_once(world: World) -> None:
    token = await token_of(world, "alice")
    before = (await viewer_of_token(world.instance, token)).viewer
    async with world.instance.db.write() as tx:
        await set_role(tx, None, world.ids["alice"], "moderator")
    after = (await viewer_of_token(world.instance, token)).viewer
    assert before and after and (before.role, after.role) == ("member", "moderator")


async def test_a_grant_read_before_a_change_is_not_kept_after_it(world: World) -> None:
    token = await token_of(world, "alice")
    cache = cache_of(world.instance.live)
    read_at = cache.changes
    grant = await viewer_of_token(world.instance, token)
    cache.hear(Message("token_revoked", account_ids=(world.ids["alice"],)))
    cache.keep(token_hash(token), grant, read_at=read_at)
    assert cache.get(token_hash(token)) is None


async def test_a_lost_connection_forgets_everything(world: World) -> None:
    token = await token_of(world, "alice")
    await viewer_of_token(world.instance, token)
    cache_of(world.instance.live).hear(Message("resync"))
    assert cache_of(world.instance.live).get(token_hash(token)) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("email_confirmed_at = NULL", "Your login is missing a confirmed e-mail address"),
        ("approved_at = NULL", "Your login is currently pending approval"),
        ("disabled_at = now()", "Your login is currently disabled"),
    ],
)
async def test_a_token_of_a_member_who_may_not_is_403_with_mastodons_words(
    world: World, change: str, said: str
) -> None:
    client = await world.client("alice")
    async with world.instance.db.write() as tx:
        await tx.execute(f"UPDATE users SET {change} WHERE account_id = $1", world.ids["alice"])
    answer = await client.get("/api/v1/preferences")
    assert answer.status_code == 403 and answer.json() == {"error": said}


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "bearer x y", "Basic abc", "Bearer " + "x" * 5000])
async def test_a_void_token_is_401(world: World, header: str) -> None:
    answer = await world.anonymous.get("/api/v1/preferences", headers={"Authorization": header})
    assert answer.status_code == 401 and "error" in answer.json()
