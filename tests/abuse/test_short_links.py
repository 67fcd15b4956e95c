"""Shortened addresses in notices lead to what they hide. The shortener is a real server, and local."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from parley.kit import outbound
from parley.safety.notices.following import MOST_FOLLOWED, list_short_links
from tests.abuse.hosts import Host, a_host, a_moderator, decide_about
from tests.abuse.test_pages import send_notice
from tests.conftest import World
from tests.policies.test_outbound import PAGE, redirect, server

pytestmark = [pytest.mark.usefixtures("_built_assets"), pytest.mark.filterwarnings("ignore::ResourceWarning")]


class Shortener:
    """`bit.ly` on this machine: where each of its paths leads, and what it was asked."""

    def __init__(self) -> None:
        self.leads: dict[str, str] = {}
        self.port = 0
        self.asked: list[str] = []

    def add(self, path: str, to: str) -> str:
        self.leads[path] = to
        return f"http://bit.ly:{self.port}{path}"


@pytest.fixture
async def shortener(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shortener]:
    made = Shortener()

    async def resolve(self: Any, host: str, port: int, **more: Any) -> list[Any]:
        address = "127.0.0.1" if host == "bit.ly" else host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(outbound, "may_connect", lambda address, port: address == "127.0.0.1")
    async with server(lambda method, path: redirect(made.leads[path]) if path in made.leads else PAGE) as (port, asked):
        made.port, made.asked = port, asked
        monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", resolve)
        yield made


async def _outcomes(host: Host, report_id: str) -> list[tuple[str, str]]:
    return [(one["found"], one["outcome"]) for one in (await host.ask(report_id))["urls"]]


async def test_a_shortened_address_becomes_the_post_that_it_leads_to(world: World, shortener: Shortener) -> None:
    mia, host = await a_moderator(world), await a_host(world)
    status = await world.post("spam_sam", "a plain post")
    other = await world.post("bob", "quite another post")
    named = shortener.add("/a", status["url"])
    said = shortener.add("/b", other["url"])
    sent = (await host.send({"urls": [named], "description": f"Also see {said}, please."})).json()
    assert shortener.asked == [], "nothing is asked while a host waits"
    assert await _outcomes(host, sent["id"]) == [("not_ours", "not_ours")]
    await world.run_jobs()
    told = await host.ask(sent["id"])
    assert told["status"] == "QUEUED", "it is not answered before somebody has decided"
    assert [(one["url"], one["found"], one["outcome"]) for one in told["urls"]] == [
        (named, "status", "waiting"),
        (said, "status", "waiting"),
    ]
    async with world.instance.db.read() as tx:
        subjects = await tx.fetch("SELECT subject_id FROM case_subjects ORDER BY subject_id")
    assert {row[0] for row in subjects} == {int(status["id"]), int(other["id"])}
    await decide_about(world, mia, status["id"], "remove")
    await decide_about(world, mia, other["id"], "no_action", clause=None)
    await world.run_jobs()
    assert (await host.ask(sent["id"]))["reason"] == "action_taken_partly"
    assert await _outcomes(host, sent["id"]) == [("status", "removed"), ("status", "kept")]


async def test_what_leads_elsewhere_or_into_our_own_network_stays_not_ours(world: World, shortener: Shortener) -> None:
    host = await a_host(world)
    urls = [shortener.add("/out", "https://elsewhere.example/x"), shortener.add("/in", "http://127.0.0.2/secret")]
    plain = f"http://127.0.0.1:{shortener.port}/anything"
    sent = (await host.send({"urls": [*urls, plain]})).json()
    await world.run_jobs()
    assert [one for one, _ in await _outcomes(host, sent["id"])] == ["not_ours"] * 3
    assert (await host.ask(sent["id"]))["reason"] == "no_content_found"
    assert {head.split(" ")[1] for head in shortener.asked} == {"/out", "/in"}, "only known shorteners are asked"


async def test_a_trusted_host_hides_a_threat_behind_a_shortened_address(world: World, shortener: Shortener) -> None:
    host = await a_host(world, trusted=True)
    status = await world.post("spam_sam", "a plain post")
    sent = await host.send({"urls": [shortener.add("/a", status["url"])], "tags": ["harm:incitement"]})
    await world.run_jobs()
    assert await _outcomes(host, sent.json()["id"]) == [("status", "hidden")]
    assert (await world.anonymous.get(f"/api/v1/statuses/{status['id']}")).status_code == 404


async def test_a_stranger_learns_nothing_of_what_not_everybody_sees(world: World, shortener: Shortener) -> None:
    status = await world.post("spam_sam", "for friends", visibility="private")
    sent = await send_notice(world.browser(), shortener.add("/a", status["url"]), harm="harm:spam")
    await world.run_jobs()
    page = (await world.anonymous.get(sent.headers["location"])).text
    assert "Nothing is found at this address" in page
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT subject_id FROM case_subjects") == int(status["id"]), "moderators look at it"


def test_only_shorteners_of_the_policy_are_found_and_not_too_many() -> None:
    words = (
        "See hxxps://bit[.]ly/abc, (https://tinyurl.com/x) and https://example.org/bit.ly/y; bit.ly alone is nothing."
    )
    assert list_short_links(["https://is.gd/1", "https://elsewhere.example/"], words) == [
        "https://is.gd/1",
        "hxxps://bit.ly/abc",
        "https://tinyurl.com/x",
    ]
    assert len(list_short_links([f"https://bit.ly/{n}" for n in range(50)], "")) == MOST_FOLLOWED
