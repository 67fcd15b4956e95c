"""Search and trends: what is found, by whom, and what nobody finds."""

from __future__ import annotations

from typing import Any

import pytest

from parley.social.discovery.query import read_query
from tests.conftest import World
from tests.timelines.walk import act


async def search(world: World, who: str | None, q: str, **params: Any) -> dict[str, Any]:
    await world.run_jobs()
    client = world.anonymous if who is None else await world.client(who)
    answer = await client.get("/api/v2/search", params={"q": q, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def posts(world: World, who: str | None, q: str, **params: Any) -> list[str]:
    return [status["id"] for status in (await search(world, who, q, type="statuses", **params))["statuses"]]


async def test_people_posts_and_tags_are_found(world: World) -> None:
    post = await world.post("alice", "A marmalade sandwich #Teatime")
    await world.account("bob")
    found = await search(world, "bob", "marmalade")
    assert [status["id"] for status in found["statuses"]] == [post["id"]]
    found = await search(world, "bob", "alice")
    assert [account["username"] for account in found["accounts"]] == ["alice"]
    for q in ("#teatime", "teat", "#TEA"):
        found = await search(world, "bob", q)
        assert [tag["name"].lower() for tag in found["hashtags"]] == ["teatime"], q
        assert found["accounts"] == []
    old = await (await world.client("bob")).get("/api/v1/search", params={"q": "#teatime"})
    assert [name.lower() for name in old.json()["hashtags"]] == ["teatime"]


async def test_words_are_found_in_warnings_choices_and_after_edits(world: World) -> None:
    warned = await world.post("alice", "Body", spoiler_text="Quicksilver ahead")
    poll = await world.post("alice", "Which?", poll={"options": ["Walrus", "Carpenter"], "expires_in": 3600})
    edited = await world.post("alice", "Before")
    await (await world.client("alice")).put(f"/api/v1/statuses/{edited['id']}", json={"status": "Afterwards"})
    assert await posts(world, "bob", "quicksilver") == [warned["id"]]
    assert await posts(world, "bob", "walrus") == [poll["id"]]
    assert await posts(world, "bob", "afterwards") == [edited["id"]]
    assert await posts(world, "bob", "before") == []


async def test_only_what_one_may_see_or_has_kept_is_found(world: World) -> None:
    await world.follow("carol", "alice")
    await world.account("bob")
    private = await world.post("alice", "Rhubarb for friends", visibility="private")
    direct = await world.post("alice", "@bob rhubarb whispered", visibility="direct")
    unlisted = await world.post("alice", "Rhubarb unlisted", visibility="unlisted")
    public = await world.post("alice", "Rhubarb for all")
    assert await posts(world, None, "rhubarb") == [public["id"]]
    assert await posts(world, "dan", "rhubarb") == [public["id"]]
    assert await posts(world, "carol", "rhubarb") == [public["id"]]
    assert await posts(world, "bob", "rhubarb") == [public["id"], direct["id"]]
    assert await posts(world, "alice", "rhubarb") == [public["id"], unlisted["id"], direct["id"], private["id"]]
    await act(world, "carol", f"/api/v1/statuses/{private['id']}/favourite")
    await act(world, "dan", f"/api/v1/statuses/{unlisted['id']}/bookmark")
    assert await posts(world, "carol", "rhubarb") == [public["id"], private["id"]]
    assert await posts(world, "dan", "rhubarb") == [public["id"], unlisted["id"]]
    assert await posts(world, "dan", "rhubarb in:library") == [unlisted["id"]]
    assert await posts(world, "dan", "rhubarb in:public") == [public["id"]]
    await act(world, "alice", f"/api/v1/accounts/{world.ids['carol']}/remove_from_followers")
    assert await posts(world, "carol", "rhubarb") == [public["id"]]


async def test_authors_who_do_not_want_to_be_found_are_not(world: World) -> None:
    await world.account("alice", indexable=False)
    post = await world.post("alice", "Rhubarb")
    assert await posts(world, "bob", "rhubarb") == []
    await act(world, "bob", f"/api/v1/statuses/{post['id']}/favourite")
    assert await posts(world, "bob", "rhubarb") == [post["id"]]


@pytest.mark.parametrize(
    ("who", "verb", "whom"), [("bob", "mute", "alice"), ("bob", "block", "alice"), ("alice", "block", "bob")]
)
async def test_nothing_is_found_of_the_muted_and_blocked(world: World, who: str, verb: str, whom: str) -> None:
    await world.account("bob")
    post = await world.post("alice", "Rhubarb")
    assert await posts(world, "bob", "rhubarb") == [post["id"]]
    await act(world, who, f"/api/v1/accounts/{world.ids[whom]}/{verb}")
    assert await posts(world, "bob", "rhubarb") == []


@pytest.mark.parametrize("state", ["held", "hidden_interim", "removed", "author_deleted"])
async def test_nothing_is_found_that_is_not_published(world: World, state: str) -> None:
    post = await world.post("alice", "Rhubarb")
    assert await posts(world, "bob", "rhubarb") == [post["id"]]
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE statuses SET state = $2::status_state WHERE id = $1", int(post["id"]), state)
    assert await posts(world, "bob", "rhubarb") == []
    url = f"{world.settings.base_url}/@alice/{post['id']}"
    assert (await search(world, "bob", url))["statuses"] == []


async def test_a_deleted_post_is_found_no_longer(world: World) -> None:
    post = await world.post("alice", "Rhubarb")
    await world.run_jobs()
    await (await world.client("alice")).delete(f"/api/v1/statuses/{post['id']}")
    assert await posts(world, "alice", "rhubarb") == []


async def test_a_page_address_finds_the_post_or_the_profile(world: World) -> None:
    post = await world.post("alice", "Hello")
    found = await search(world, "bob", post["url"])
    assert [status["id"] for status in found["statuses"]] == [post["id"]]
    found = await search(world, "bob", post["uri"], resolve="true")
    assert [status["id"] for status in found["statuses"]] == [post["id"]]
    found = await search(world, "bob", f"{world.settings.base_url}/@alice")
    assert [account["username"] for account in found["accounts"]] == ["alice"]
    secret = await world.post("alice", "Secret", visibility="private")
    assert (await search(world, "bob", secret["url"]))["statuses"] == []
    assert (await search(world, "bob", "https://elsewhere.example/@nobody/1"))["statuses"] == []


async def test_operators_narrow_what_is_found(world: World) -> None:
    plain = (await world.post("alice", "Rhubarb in English", language="en"))["id"]
    german = (await world.post("bob", "Rhubarb auf Deutsch", language="de"))["id"]
    poll = (await world.post("alice", "Rhubarb?", poll={"options": ["Yes", "No"], "expires_in": 3600}))["id"]
    reply = (await world.post("alice", "Rhubarb indeed", in_reply_to_id=german))["id"]
    assert await posts(world, "bob", "rhubarb from:me") == [german]
    assert await posts(world, "bob", "rhubarb from:@alice") == [reply, poll, plain]
    assert await posts(world, "bob", "rhubarb from:nobody_here") == []
    assert await posts(world, "bob", "rhubarb language:de") == [german]
    assert await posts(world, "bob", "rhubarb has:poll") == [poll]
    assert await posts(world, "bob", "rhubarb is:reply") == [reply]
    assert await posts(world, "bob", "rhubarb from:alice -is:reply -has:poll") == [plain]
    assert await posts(world, "bob", "rhubarb after:2020-01-01") == [reply, poll, german, plain]
    assert await posts(world, "bob", "rhubarb before:2020-01-01") == []
    assert await posts(world, "bob", '"in english" rhubarb') == [plain]
    assert await posts(world, "bob", "rhubarb", account_id=world.ids["bob"]) == [german]


@pytest.mark.parametrize(
    "text",
    [
        "'",
        '"',
        "a & | ! b",
        "<->",
        "\\",
        "%",
        "_",
        "'; DROP TABLE statuses; --",
        "(((",
        ":*",
        "\x00",
        "from:",
        "before:x",
        "#",
        "@",
    ],
)
async def test_whatever_is_typed_is_only_data(world: World, text: str) -> None:
    await world.post("alice", "Rhubarb")
    assert (await search(world, "bob", text + " "))["statuses"] == []


async def test_search_asks_for_a_token_only_where_it_must(world: World) -> None:
    assert (await world.anonymous.get("/api/v2/search", params={"q": "x", "resolve": "true"})).status_code == 401
    assert (await world.anonymous.get("/api/v2/search", params={"q": "x", "offset": "5"})).status_code == 401
    assert (await world.anonymous.get("/api/v1/search", params={"q": "x"})).status_code == 401
    assert (await world.anonymous.get("/api/v2/search", params={"q": ""})).status_code == 422
    assert (await world.anonymous.get("/api/v2/search", params={"q": "x", "type": "y"})).status_code == 422


def test_operators_are_read_and_the_rest_stays_words() -> None:
    query = read_query('cats "and dogs" from:alice has:media -is:reply language:EN during:2026-01-02 nonsense:x')
    assert query.words == 'cats "and dogs" nonsense:x'
    assert (query.author, query.language) == ("alice", "en")
    assert (query.wanted, query.refused) == ({"media"}, {"reply"})
    assert query.above is not None
    assert query.below is not None
    assert query.below - query.above == (86_400_000 << 16) + 1
    assert read_query("has:teeth before:soon").words == "has:teeth before:soon"
    assert read_query("   ").is_empty


async def test_tags_and_posts_that_many_people_touch_are_trends(world: World) -> None:
    post = await world.post("alice", "Look at the #eclipse")
    await world.post("alice", "Only I say #marmalade")
    await world.post("bob", "What an #eclipse")
    for name in ("bob", "carol"):
        await act(world, name, f"/api/v1/statuses/{post['id']}/favourite")
    await world.run_jobs()
    for path in ("/api/v1/trends/tags", "/api/v1/trends"):
        tags = (await world.anonymous.get(path)).json()
        assert [(tag["name"], tag["history"][0]["accounts"]) for tag in tags] == [("eclipse", "2")]
    trending = (await world.anonymous.get("/api/v1/trends/statuses")).json()
    assert [status["id"] for status in trending] == [post["id"]]
    await act(world, "bob", f"/api/v1/accounts/{world.ids['alice']}/block")
    assert (await (await world.client("bob")).get("/api/v1/trends/statuses")).json() == []
    assert (await world.anonymous.get("/api/v1/trends/links")).json() == []
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE statuses SET state = 'removed' WHERE account_id = $1", world.ids["alice"])
    assert (await world.anonymous.get("/api/v1/trends/statuses")).json() == []
    assert (await world.anonymous.get("/api/v1/trends/tags")).json() == []
