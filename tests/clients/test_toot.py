"""toot, a client for the terminal, against a live instance; and two people who use two different clients."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.clients.pictures import draw_png
from tests.clients.test_mastodon_py import sign_in_with_mastodon_py
from tests.clients.toot_cli import Toot
from tests.clients.waiting import eventually
from tests.live import LiveServer

pytestmark = pytest.mark.client

MakeToot = Callable[[str], tuple[Toot, str]]


@pytest.fixture
def make_toot(live_server: LiveServer, tmp_path: Path) -> MakeToot:
    """Makes a member with a fresh name and signs it in with toot; returns both."""

    def make(name: str) -> tuple[Toot, str]:
        username = f"{name}_{secrets.token_hex(3)}"
        live_server.account(username)
        folder = tmp_path / username
        folder.mkdir()
        toot = Toot(folder, live_server.base_url)
        toot.sign_in(username)
        return toot, username

    return make


def test_toot_signs_in_and_shows_who_it_is(make_toot: MakeToot) -> None:
    toot, username = make_toot("alice")
    assert username in toot.run("auth")
    assert f"@{username}" in toot.run("whoami")
    assert toot.json("whoami")["username"] == username
    assert "Parley" in toot.run("instance")
    toot.run("logout", f"{username}@{toot.base_url.removeprefix('http://')}")
    assert toot.try_to("whoami").returncode != 0


def test_toot_posts_a_picture_and_a_poll(make_toot: MakeToot, tmp_path: Path) -> None:
    toot, username = make_toot("alice")
    picture = tmp_path / "circles.png"
    picture.write_bytes(draw_png(3))
    status = toot.json("post", "A picture", "--media", str(picture), "--description", "Circles")
    shown = status["media_attachments"][0]
    assert (shown["type"], shown["description"]) == ("image", "Circles")
    assert httpx.get(shown["url"]).headers["content-type"].startswith("image/")
    asked = toot.json("post", "Tea?", "--poll-option", "yes", "--poll-option", "no", "--poll-expires-in", "10 minutes")
    assert [option["title"] for option in asked["poll"]["options"]] == ["yes", "no"]
    assert "Tea?" in toot.run("status", asked["id"])
    voter, _ = make_toot("bob")
    voter.run("polls", "vote", asked["poll"]["id"], "0")
    assert toot.json("polls", "show", asked["poll"]["id"])["votes_count"] == 1
    toot.run("delete", asked["id"])
    assert toot.try_to("status", asked["id"]).returncode != 0
    assert "A picture" in toot.run("timelines", "account", username, "--no-pager", "--no-clear")


def test_toot_pages_and_searches(make_toot: MakeToot) -> None:
    toot, username = make_toot("alice")
    word = f"wombat{secrets.token_hex(4)}"
    posted = [toot.json("post", f"Number {number} #{word}")["id"] for number in range(4)]
    newest = posted[::-1]

    def ids(*arguments: str) -> list[str]:
        return [status["id"] for status in toot.json("timelines", *arguments)]

    assert ids("account", username, "--limit", "2") == newest[:2]
    assert ids("account", username, "--max-id", newest[1], "--limit", "2") == newest[2:]
    assert ids("account", username, "--since-id", newest[2]) == newest[:2]
    assert ids("tag", word, "--min-id", newest[2], "--limit", "1") == newest[1:2]
    assert set(posted) <= set(ids("public", "--limit", "40"))
    eventually(lambda: set(posted) <= set(ids("home")))
    found = eventually(lambda: toot.json("search", word, "--type", "statuses")["statuses"])
    assert {status["id"] for status in found} <= set(posted)
    assert username in toot.run("search", username)


def test_two_people_with_two_clients_talk_to_each_other(live_server: LiveServer, make_toot: MakeToot) -> None:
    bob, bobs_name = make_toot("bob")
    alices_name = f"alice_{secrets.token_hex(3)}"
    live_server.account(alices_name)
    alice = sign_in_with_mastodon_py(live_server, alices_name)

    bob.run("follow", alices_name)
    alice.account_follow(alice.account_lookup(bobs_name))
    question = alice.status_post(f"@{bobs_name} are you there?")
    eventually(lambda: question.id in [one["id"] for one in bob.json("timelines", "home")])
    assert "are you there?" in eventually(lambda: _said(bob.run("notifications"), "are you there?"))
    answer = bob.json("post", f"@{alices_name} I am!", "--reply-to", question.id)
    bob.run("favourite", question.id)
    bob.run("reblog", question.id)
    bob.run("bookmark", question.id)
    eventually(lambda: {one.type for one in alice.notifications()} >= {"follow", "mention", "favourite", "reblog"})
    assert [status.id for status in alice.status_context(question).descendants] == [answer["id"]]
    eventually(lambda: answer["id"] in [status.id for status in alice.timeline_home()])
    thread = bob.json("thread", question.id)
    assert [status["id"] for status in thread["descendants"]] == [answer["id"]]
    assert bobs_name in bob.run("reblogged_by", question.id)
    again = alice.status_reply(alice.status(answer["id"]), "Good.")
    assert [one["id"] for one in bob.json("thread", again.id)["ancestors"]] == [question.id, answer["id"]]
    assert alices_name in bob.run("following", bobs_name)
    assert alices_name in bob.run("followers", bobs_name)
    bob.run("mute", alices_name)
    assert alices_name in bob.run("muted")
    bob.run("unmute", alices_name)
    bob.run("unfollow", alices_name)
    assert alice.account_relationships(alice.account_lookup(bobs_name))[0].followed_by is False


def _said(output: str, words: str) -> str:
    return output if words in output else ""
