"""Invariant 6 through every door by which a provider's notice comes in, for URLs of every kind: each has an outcome
before it is due, or a breach is on record and it was hidden meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from parley.abuse.mailbox import poll_abuse_mailbox
from parley.kit.clock import time_travel
from parley.kit.settings import Settings
from parley.safety.clocks.jobs import watch_clocks
from parley.safety.notices.reads import list_ledger
from tests.abuse.dovecot import PROGRAM, dovecot
from tests.abuse.hosts import a_host, a_moderator, decide_about
from tests.abuse.letters import plain, xarf_attached
from tests.abuse.test_reports_api import xarf4
from tests.abuse.test_smtp import RELAY, open_listener, send, the_notices, vouched
from tests.conftest import World
from tests.sessions.pages import send_form, sign_in
from tests.statuses.cast import upload

pytestmark = pytest.mark.usefixtures("_built_assets")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, abuse_listen="smtp://127.0.0.1:0", abuse_relay=RELAY)


async def by_api(world: World, urls: list[str]) -> None:
    host = await a_host(world)
    assert (await host.send({"urls": urls})).status_code == 202


async def by_xarf(world: World, urls: list[str]) -> None:
    host = await a_host(world)
    answer = await host.send(xarf4(urls[0], additional_urls=urls[1:], tags=[]))
    assert answer.status_code == 202, answer.text


async def by_mail(world: World, urls: list[str]) -> None:
    await a_host(world, domains=("host.example",))
    async with open_listener(world) as port:
        await send(port, vouched(plain("\n".join(["Please look at", *urls]))))


async def by_xarf_in_a_mail(world: World, urls: list[str]) -> None:
    await a_host(world, domains=("host.example",))
    async with open_listener(world) as port:
        await send(port, vouched(xarf_attached(xarf4(urls[0], additional_urls=urls[1:], tags=[]))))


async def by_mailbox(world: World, urls: list[str]) -> None:
    if PROGRAM is None:
        pytest.skip("dovecot is not installed: sudo apt-get install dovecot-imapd")
    await a_host(world, addresses=("abuse@host.example",), address_suffices=True)
    with dovecot() as mailbox:
        mailbox.deliver(plain("\n".join(["Please look at", *urls])), "one")
        settings = msgspec.structs.replace(world.settings, abuse_imap=mailbox.url)
        await asyncio.wait_for(poll_abuse_mailbox(replace(world.instance, settings=settings), {}), 60)


async def by_a_pasted_list(world: World, urls: list[str]) -> None:
    browser = await sign_in(world, "mod_mia")
    form = {"from": "provider_notice", "urls": "\n".join(urls), "name": "A host", "mail": "noc@host.example"}
    filed = await send_form(browser, "/desk/notices/new", "/desk/notices/new", **form)
    assert filed.status_code == 303, filed.text


DOORS: dict[str, Callable[[World, list[str]], Awaitable[None]]] = {
    door.__name__: door for door in (by_api, by_xarf, by_mail, by_xarf_in_a_mail, by_mailbox, by_a_pasted_list)
}


async def things(world: World) -> tuple[dict[str, Any], dict[str, str]]:
    """A post that will be decided, and addresses of a post, a profile and a file that nobody will look at."""
    decided = await world.post("alice", "Apples and pears from the garden")
    neglected = await world.post("bob", "The ferry leaves at noon tomorrow")
    media_id = await upload(world, "carol", "a house")
    carrier = await world.post("carol", "Look at this house", media_ids=[media_id])
    answer = await (await world.client("dora")).patch("/api/v1/accounts/update_credentials", json={"note": "I bake"})
    assert answer.status_code == 200
    return decided, {
        "status": neglected["url"],
        "media": carrier["media_attachments"][0]["url"],
        "profile": f"{world.settings.base_url}/@dora",
    }


@pytest.mark.parametrize("door", DOORS)
async def test_invariant_6_holds_through_every_door_for_urls_of_every_kind(world: World, door: str) -> None:
    mia = await a_moderator(world)
    await a_moderator(world, "olga", "owner")
    decided, neglected = await things(world)
    await DOORS[door](world, [decided["url"], *neglected.values(), "https://elsewhere.example/x"])
    [notice] = await the_notices(world)
    assert notice.source == "provider_notice"

    async def lines() -> dict[str, Any]:
        async with world.instance.db.read() as tx:
            return {line.url: line for line in await list_ledger(tx, mia, notice.id)}

    found = await lines()
    assert {kind: found[url].found for kind, url in neglected.items()} == {kind: kind for kind in neglected}
    await decide_about(world, mia, decided["id"], "no_action")
    with time_travel(timedelta(hours=4, minutes=1)):
        await watch_clocks(world.instance, {})
        await world.run_jobs()
        found = await lines()
        assert (found[decided["url"]].outcome, found[decided["url"]].in_time) == ("kept", True)
        assert {kind: found[url].outcome for kind, url in neglected.items()} == dict.fromkeys(neglected, "hidden")
        file = await world.anonymous.get(neglected["media"].removeprefix(world.settings.base_url))
        profile = (await world.anonymous.get(f"/api/v1/accounts/{world.ids['dora']}")).json()
        assert file.status_code == 404
        assert "bake" not in profile["note"]
    with time_travel(timedelta(hours=24, minutes=1)):
        await watch_clocks(world.instance, {})
        await world.run_jobs()
        async with world.instance.db.read() as tx:
            breached = await tx.fetchval(
                "SELECT count(*) FROM moderation_events WHERE type = 'clock_breached' AND body LIKE $1",
                f"%{notice.id}%",
            )
        assert breached, "nobody has decided: that is on record"
        assert {line.outcome for line in (await lines()).values()} - {"not_ours"} == {"kept", "hidden"}
