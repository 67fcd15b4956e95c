"""Accounts that may be the same person's are shown to the staff; who comes back after a suspension is put before it."""

from __future__ import annotations

from typing import Any

import pytest

from parley.kit.errors import NotFound
from parley.safety.decisions.jobs import forget_traces, look_for_evasion
from parley.safety.decisions.linking import list_linked
from parley.safety.decisions.views import NewAction
from parley.social.accounts.views import Viewer
from tests.conftest import PASSWORD, World
from tests.safety.decisions.deciding import account, decided, mia, reversed_by
from tests.sessions.pages import send_form, sign_in


async def joined(world: World, name: str, email: str, address: str, *, device: str | None = None) -> int:
    """A member who signed up from there, with that browser."""
    account_id = await world.account(name)
    async with world.instance.db.write() as tx:
        await tx.execute(
            "UPDATE users SET email = $2, sign_up_address = $3::text::inet WHERE account_id = $1",
            account_id,
            email,
            address,
        )
        if device is not None:
            await tx.execute(
                "INSERT INTO sessions (account_id, token_hash, expires_at, device_hash)"
                " VALUES ($1, sha256($2::bytea || $3::bytea), now() + interval '1 day', sha256($3::bytea))",
                account_id,
                name.encode(),
                device.encode(),
            )
    await look_for_evasion(world.instance, {"account_id": account_id})
    return account_id


async def links_of(world: World, name: str) -> dict[str, tuple[tuple[str, ...], bool]]:
    async with world.instance.db.read() as tx:
        found = await list_linked(tx, await mia(world), world.ids[name])
    return {one.account.username: (one.traits, one.banned) for one in found}


async def cases_of(world: World, account_id: int) -> list[dict[str, Any]]:
    async with world.instance.db.read() as tx:
        return [dict(row) for row in await tx.fetch("SELECT * FROM cases WHERE account_id = $1", account_id)]


async def test_accounts_of_one_browser_one_mailbox_or_one_address_and_pattern_are_linked(world: World) -> None:
    await mia(world)
    await joined(world, "sam1", "sam.boats1@mail.example", "203.0.113.7", device="laptop")
    await joined(world, "sam2", "other@posteo.de", "198.51.100.9", device="laptop")
    await joined(world, "sam3", "sam.boats2@mail.example", "203.0.113.7")
    await joined(world, "aunt", "aunt@posteo.de", "203.0.113.7")
    await joined(world, "nobody", "someone@posteo.de", "192.0.2.55")
    found = await links_of(world, "sam1")
    assert found == {"sam2": (("device",), False), "sam3": (("address", "network", "pattern"), False)}
    assert await links_of(world, "nobody") == {}


async def test_only_the_staff_sees_links_and_nothing_raw_is_kept(world: World) -> None:
    await mia(world)
    alice = await joined(world, "alice", "alice@mail.example", "203.0.113.7")
    with pytest.raises(NotFound):
        async with world.instance.db.read() as tx:
            await list_linked(tx, Viewer(account_id=alice, username="alice"), alice)
    async with world.instance.db.read() as tx:
        stored = str(await tx.fetch("SELECT * FROM account_traces"))
    for raw in ("203.0.113", "alice", "mail.example"):
        assert raw not in stored


async def test_what_very_many_share_links_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await mia(world)
    monkeypatch.setattr("parley.social.sessions.traces.MOST_SHARED", 2)
    for number in range(4):
        await joined(world, f"student{number}", f"s{number}@posteo.de", "203.0.113.7", device="library")
    assert await links_of(world, "student0") == {}


async def test_coming_back_after_a_suspension_opens_a_case_once(world: World) -> None:
    await mia(world)
    first = await joined(world, "sam1", "sam@posteo.de", "203.0.113.7", device="laptop")
    before = await joined(world, "old_friend", "f@posteo.de", "198.51.100.1", device="laptop")
    await decided(world, first, NewAction("suspend", account(first), 500))
    again = await joined(world, "sam2", "new@posteo.de", "198.51.100.9", device="laptop")
    (case,) = await cases_of(world, again)
    assert (case["source"], case["clause"]) == ("automated", "11.1")
    await look_for_evasion(world.instance, {"account_id": again, "what": "signed_in"})
    await look_for_evasion(world.instance, {"account_id": before, "what": "signed_in"})
    assert await cases_of(world, before) == [], "who was here before the suspension has not come back"
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM moderation_events WHERE type LIKE 'case_%'") == 1
    assert (await links_of(world, "sam2"))["sam1"] == (("device",), True)


async def test_a_browser_is_known_again_after_signing_out(world: World) -> None:
    await mia(world)
    await world.account("sam1")
    await world.account("sam2")
    browser = await sign_in(world, "sam1")
    await world.run_jobs()
    await send_form(browser, "/", "/sign-out")
    await send_form(browser, "/sign-in", "/sign-in", login="sam2", password=PASSWORD)
    await world.run_jobs()
    assert "device" in (await links_of(world, "sam1"))["sam2"][0]


async def test_traces_are_forgotten_after_a_year_but_for_those_who_are_shut_out(world: World) -> None:
    await mia(world)
    sam = await joined(world, "sam1", "sam@posteo.de", "203.0.113.7")
    await joined(world, "alice", "a@posteo.de", "203.0.113.8")
    await decided(world, sam, NewAction("suspend", account(sam), 8700))
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE account_traces SET seen_at = now() - interval '400 days'")
    await forget_traces(world.instance, {})
    async with world.instance.db.read() as tx:
        kept = {row[0] for row in await tx.fetch("SELECT DISTINCT account_id FROM account_traces")}
    assert kept == {sam}


async def linked_signal(world: World, name: str) -> int:
    """What the judge is told of the author of a post; what is at rest is not stored."""
    post = await world.post(name, f"Hello again from {name}")
    async with world.instance.db.read() as tx:
        detail = await tx.fetchval("SELECT detail FROM screening_results WHERE subject_id = $1", int(post["id"]))
    return int(detail.get("signals", {}).get("context.linked_banned", 0))


async def test_the_judge_knows_of_links_to_accounts_that_were_shut_out(world: World) -> None:
    await mia(world)
    first = await joined(world, "sam1", "sam@posteo.de", "203.0.113.7", device="laptop")
    await joined(world, "sam2", "new@posteo.de", "198.51.100.9", device="laptop")
    await joined(world, "aunt", "aunt@posteo.de", "192.0.2.1")
    assert await linked_signal(world, "sam2") == 0
    made = await decided(world, first, NewAction("suspend", account(first), 500))
    await world.run_jobs()
    assert await linked_signal(world, "sam2") == 1
    assert await linked_signal(world, "aunt") == 0
    await joined(world, "sam3", "third@posteo.de", "198.51.100.11", device="laptop")
    assert await linked_signal(world, "sam3") == 1, "a newcomer is told apart at once"
    await reversed_by(world, made.id)
    await world.run_jobs()
    assert await linked_signal(world, "sam2") == 0
