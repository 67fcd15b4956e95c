"""Posting through the API: the rules, what is found in a text, who then sees it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.conftest import World
from tests.oracle import assert_entity, assert_matches
from tests.statuses.cast import ask, count, known, read, sees, upload


async def refused(world: World, **params: Any) -> str:
    """Alice's post must be refused with 422; the sentence."""
    answer = await ask(world, "alice", "POST", "/statuses", json=params)
    assert answer.status_code == 422, answer.text
    return str(answer.json()["error"])


async def test_a_post_has_the_shape_of_a_status(world: World) -> None:
    await known(world, "alice", "bob")
    answer = await ask(
        world,
        "alice",
        "POST",
        "/statuses",
        json={"status": "Hello @bob and @nobody, see https://example.org/a #Héllo #WORLD", "spoiler_text": "cw"},
    )
    status = assert_matches(None, answer)
    assert [mention["acct"] for mention in status["mentions"]] == ["bob"]
    assert [tag["name"] for tag in status["tags"]] == ["héllo", "world"]
    assert 'href="https://example.org/a"' in status["content"]
    assert "@nobody" in status["content"]
    assert status["sensitive"] is True, "a content warning marks the media too"
    assert status["application"] == {"name": "Test app", "website": None}
    assert "moderation" not in status
    seen = assert_matches(None, await ask(world, None, "GET", f"/statuses/{status['id']}"))
    assert seen["content"] == status["content"]
    assert "favourited" not in seen, "marks are a viewer's"


async def test_a_form_posts_as_json_does(world: World) -> None:
    client = await world.client("alice")
    answer = await client.post(
        "/api/v1/statuses",
        data={
            "status": "choose",
            "poll[options][]": ["a", "b"],
            "poll[expires_in]": "600",
            "poll[multiple]": "true",
            "sensitive": "false",
            "in_reply_to_id": "",
        },
    )
    status = assert_matches(None, answer)
    assert [option["title"] for option in status["poll"]["options"]] == ["a", "b"]
    assert status["poll"]["multiple"] is True


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({}, "blank"),
        ({"status": "  \n "}, "blank"),
        ({"status": "x" * 1001}, "1001 characters"),
        ({"status": "x" * 900, "spoiler_text": "y" * 101}, "too long"),
        ({"status": "x", "visibility": "secret"}, "Visibility"),
        ({"status": "x", "content_type": "text/html"}, "Content type"),
        ({"status": "x", "language": "'; DROP TABLE"}, "Language"),
        ({"status": "x", "quote_approval_policy": "some"}, "Quote approval"),
        ({"status": "x", "poll": {"options": ["a"], "expires_in": 600}}, "at least 2"),
        ({"status": "x", "poll": {"options": ["a", "a"], "expires_in": 600}}, "differ"),
        ({"status": "x", "poll": {"options": list("abcdefghi"), "expires_in": 600}}, "at most 8"),
        ({"status": "x", "poll": {"options": ["a", "b" * 51], "expires_in": 600}}, "50 characters"),
        ({"status": "x", "poll": {"options": ["a", "b"], "expires_in": 10}}, "5 minutes"),
        ({"status": "x", "poll": {"options": ["a", "b"], "expires_in": 10**7}}, "31 days"),
        ({"status": "x", "media_ids": ["1", "2", "3", "4", "5"]}, "at most 4"),
        ({"status": "x", "media_ids": ["77"]}, "no media attachment 77"),
        ({"status": "x", "scheduled_at": "2001-01-01T00:00:00Z"}, "5 minutes"),
    ],
)
async def test_a_broken_rule_is_said(world: World, params: dict[str, Any], part: str) -> None:
    assert part in await refused(world, **params)


async def test_length_counts_links_as_23_and_mentions_without_their_domain(world: World) -> None:
    await known(world, "alice")
    link = "https://example.org/" + "a" * 300
    await world.post("alice", "x" * (1000 - 24) + " " + link)
    assert "1001 characters" in await refused(world, status="x" * (1000 - 23) + " " + link)
    await world.post("alice", "@someone@a-very-long-domain.example " + "x" * 991)


async def test_somebody_elses_media_cannot_be_attached_nor_twice(world: World) -> None:
    theirs = await upload(world, "bob")
    assert "of yours" in await refused(world, status="mine!", media_ids=[theirs])
    own = await upload(world, "alice", "a red square")
    status = await world.post("alice", "", media_ids=[own])
    assert status["media_attachments"][0]["description"] == "a red square"
    assert_entity("Status", status)
    assert "another post" in await refused(world, status="again", media_ids=[own])


async def test_a_reply_joins_the_thread_and_counts(world: World) -> None:
    first = await world.post("alice", "first")
    reply = await world.post("bob", "@alice second", in_reply_to_id=first["id"])
    assert reply["in_reply_to_id"] == first["id"]
    assert reply["in_reply_to_account_id"] == first["account"]["id"]
    third = await world.post("bob", "going on", in_reply_to_id=reply["id"])
    assert third["in_reply_to_account_id"] == first["account"]["id"], "a chain answers whom it began with"
    assert (await read(world, None, first["id"]))["replies_count"] == 1


async def test_a_reply_to_what_one_cannot_see_is_like_a_reply_to_nothing(world: World) -> None:
    secret = await world.post("alice", "for my eyes", visibility="direct")
    hidden = await ask(world, "bob", "POST", "/statuses", json={"status": "x", "in_reply_to_id": secret["id"]})
    missing = await ask(world, "bob", "POST", "/statuses", json={"status": "x", "in_reply_to_id": "12345"})
    assert (hidden.status_code, hidden.json()) == (missing.status_code, missing.json()) == (404, hidden.json())


async def test_visibility_decides_who_sees_a_post(world: World) -> None:
    await world.account("remi")
    await world.follow("bob", "alice")
    seen: dict[str, list[bool]] = {}
    for visibility in ("public", "unlisted", "private", "direct"):
        status = await world.post("alice", "hello @mod_mia", visibility="public" and visibility)
        seen[visibility] = [await sees(world, name, status["id"]) for name in (None, "remi", "bob", "alice")]
    assert seen == {
        "public": [True, True, True, True],
        "unlisted": [True, True, True, True],
        "private": [False, False, True, True],
        "direct": [False, False, False, True],
    }
    await world.account("mod_mia")
    addressed = await world.post("alice", "psst @mod_mia", visibility="direct")
    assert await sees(world, "mod_mia", addressed["id"])
    assert not await sees(world, "bob", addressed["id"])


async def test_local_only_is_for_members(world: World) -> None:
    status = await world.post("alice", "among us", local_only=True)
    assert status["local_only"] is True
    assert not await sees(world, None, status["id"])
    assert await sees(world, "bob", status["id"])
    reply = await world.post("bob", "yes", in_reply_to_id=status["id"])
    assert reply["local_only"] is True, "an answer must not carry it elsewhere"


@pytest.mark.parametrize(("blocker", "blocked"), [("alice", "bob"), ("bob", "alice")])
async def test_a_block_hides_posts_both_ways(world: World, blocker: str, blocked: str) -> None:
    status = await world.post("alice", "hello @bob")
    assert await sees(world, "bob", status["id"])
    await ask(world, blocker, "POST", f"/accounts/{await world.account(blocked)}/block")
    assert not await sees(world, "bob", status["id"])
    assert await sees(world, None, status["id"])


async def test_a_mute_does_not_hide_what_is_opened(world: World) -> None:
    status = await world.post("alice", "hello")
    await ask(world, "bob", "POST", f"/accounts/{await world.account('alice')}/mute")
    assert await sees(world, "bob", status["id"])


async def test_a_token_without_the_scope_learns_nothing_private(world: World) -> None:
    status = await world.post("alice", "for followers", visibility="private")
    narrow = await world.client("alice", scopes="read:lists write:media")
    assert (await narrow.get(f"/api/v1/statuses/{status['id']}")).status_code == 403
    assert (await narrow.post("/api/v1/statuses", json={"status": "x"})).status_code == 403
    assert (await world.anonymous.post("/api/v1/statuses", json={"status": "x"})).status_code == 401


async def test_the_language_is_detected_when_it_is_not_given(world: World) -> None:
    text = "Guten Morgen zusammen, heute scheint endlich wieder die Sonne über der Stadt"
    assert (await world.post("alice", text))["language"] == "de"
    assert (await world.post("alice", text, language="en"))["language"] == "en"
    assert (await world.post("alice", "ok"))["language"] in (None, "en")


async def test_preferences_decide_what_is_not_said(world: World) -> None:
    account_id = await world.account("alice")
    async with world.instance.db.write() as tx:
        await tx.execute(
            "UPDATE users SET default_visibility = 'unlisted', default_sensitive = true, default_language = 'fr', "
            "default_quote_policy = 'nobody' WHERE account_id = $1",
            account_id,
        )
    status = await world.post("alice", "ok")
    assert (status["visibility"], status["sensitive"], status["language"]) == ("unlisted", True, "fr")
    assert status["quote_approval"]["automatic"] == []
    loud = await world.post("alice", "ok", visibility="public", sensitive=False, quote_approval_policy="public")
    assert (loud["visibility"], loud["sensitive"]) == ("public", False)


async def test_markdown_is_rendered_safely(world: World) -> None:
    status = await world.post(
        "alice", "**bold** <script>alert(1)</script> @alice `@alice`", content_type="text/markdown"
    )
    assert "<strong>bold</strong>" in status["content"]
    assert "<script" not in status["content"]
    source = assert_matches(None, await ask(world, "alice", "GET", f"/statuses/{status['id']}/source"))
    assert source["content_type"] == "text/markdown"
    assert source["text"].startswith("**bold**")


async def test_plain_text_is_escaped(world: World) -> None:
    status = await world.post("alice", '<img src=x onerror=alert(1)> & "q"')
    assert "<img" not in status["content"]
    assert "&lt;img" in status["content"]


async def test_the_same_idempotency_key_posts_once(world: World) -> None:
    client = await world.client("alice")

    async def post(key: str, text: str) -> str:
        answer = await client.post("/api/v1/statuses", json={"status": text}, headers={"Idempotency-Key": key})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    ids = await asyncio.gather(*(post("one", "once") for _ in range(8)))
    assert len(set(ids)) == 1
    assert await post("two", "once") != ids[0]
    bob = await world.client("bob")
    answer = await bob.post("/api/v1/statuses", json={"status": "mine"}, headers={"Idempotency-Key": "one"})
    assert answer.json()["id"] != ids[0], "a key belongs to one author"
    assert await count(world, "SELECT count(*) FROM statuses WHERE text = 'once'") == 2


async def test_many_posts_at_once_are_all_counted(world: World) -> None:
    first = await world.post("alice", "first")
    names = ["bob", "remi", "carol", "dave"]
    for name in names:
        await world.client(name)
    await asyncio.gather(
        *(world.post(name, f"answer {n}", in_reply_to_id=first["id"]) for n in range(5) for name in names)
    )
    assert (await read(world, None, first["id"]))["replies_count"] == 20
    account = (await ask(world, None, "GET", f"/accounts/{await world.account('bob')}")).json()
    assert account["statuses_count"] == 5


async def test_several_are_read_at_once_and_the_invisible_left_out(world: World) -> None:
    one = await world.post("alice", "one")
    secret = await world.post("alice", "two", visibility="direct")
    three = await world.post("alice", "three")
    query = "&".join(f"id[]={status['id']}" for status in (three, secret, one))
    answer = await ask(world, "bob", "GET", f"/statuses?{query}")
    assert [status["id"] for status in assert_matches(None, answer)] == [three["id"], one["id"]]


async def test_custom_emoji_come_with_the_post(world: World) -> None:
    async with world.instance.db.write() as tx:
        await tx.execute("INSERT INTO custom_emojis (shortcode, file, static_file) VALUES ('parrot', 'p.gif', 'p.png')")
    poll = {"options": [":parrot:", "other"], "expires_in": 600}
    status = await world.post("alice", "hello :parrot: :unknown:", poll=poll)
    assert [emoji["shortcode"] for emoji in status["emojis"]] == ["parrot"]
    assert [emoji["shortcode"] for emoji in status["poll"]["emojis"]] == ["parrot"]


async def test_a_public_post_can_be_embedded_and_a_private_one_not(world: World) -> None:
    status = await world.post("alice", "hello <b>")
    answer = await world.anonymous.get("/api/oembed", params={"url": status["url"]})
    embed = assert_matches(None, answer)
    assert "hello &lt;b&gt;" in embed["html"]
    secret = await world.post("alice", "hello", visibility="private")
    alice = await world.client("alice")
    assert (await alice.get("/api/oembed", params={"url": secret["url"]})).status_code == 404
    assert (await alice.get("/api/oembed", params={"url": "https://elsewhere.example/@a/1"})).status_code == 404


async def test_translation_and_cards_answer_as_documented(world: World) -> None:
    status = await world.post("alice", "hello")
    assert (await ask(world, "bob", "POST", f"/statuses/{status['id']}/translate")).status_code == 503
    secret = await world.post("alice", "hello", visibility="direct")
    assert (await ask(world, "bob", "POST", f"/statuses/{secret['id']}/translate")).status_code == 404
    assert (await ask(world, "alice", "POST", f"/statuses/{secret['id']}/translate")).status_code == 403
    assert (await ask(world, None, "GET", f"/statuses/{status['id']}/card")).json() == {}
