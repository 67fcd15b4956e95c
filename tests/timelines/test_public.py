"""Public, tag and list timelines."""

from __future__ import annotations

import pytest

from tests.conftest import World
from tests.graph.people import remote_rei
from tests.timelines.walk import PUBLIC, act, fetch, home, ids, walk


async def remote_post(world: World, text: str, *, media: bool = False) -> str:
    """A public post of remote_rei, as federation would have stored it."""
    author = await remote_rei(world)
    async with world.instance.db.write() as tx:
        screening = await tx.fetchval(
            "INSERT INTO screening_results (subject_type, subject_id, revision, account_id, outcome, ruleset, detail,"
            " latency_us) VALUES ('status', 0, 1, $1, 'allow', 'test', '{}', 1) RETURNING id",
            author,
        )
        made = await tx.fetchval("SELECT parley_id()")
        await tx.execute(
            "INSERT INTO statuses (id, account_id, conversation_id, visibility, state, text, html, screening_id,"
            " media_ids) VALUES ($1, $2, $1, 'public', 'published', $3, $3, $4, $5)",
            made,
            author,
            text,
            screening,
            [1] if media else [],
        )
        await tx.execute("INSERT INTO status_stats (status_id) VALUES ($1)", made)
    return str(made)


async def test_everybody_sees_public_originals_alone(world: World) -> None:
    public = await world.post("alice", "public")
    for visibility in ("unlisted", "private", "direct"):
        await world.post("alice", f"{visibility} @bob", visibility=visibility)
    answer = await world.post("bob", "@alice an answer", in_reply_to_id=public["id"])
    own_thread = await world.post("alice", "and more", in_reply_to_id=public["id"])
    await act(world, "bob", f"/api/v1/statuses/{public['id']}/reblog")
    for who in (None, "alice", "bob", "carol"):
        assert await ids(world, who, PUBLIC) == [own_thread["id"], public["id"]], who
    assert answer["id"] not in await ids(world, "bob", PUBLIC)


async def test_local_remote_and_media_choose(world: World) -> None:
    here = (await world.post("alice", "from here"))["id"]
    there = await remote_post(world, "from there")
    pictured = await remote_post(world, "with a picture", media=True)
    assert await ids(world, None, PUBLIC) == [pictured, there, here]
    assert await ids(world, None, PUBLIC, local="true") == [here]
    assert await ids(world, None, PUBLIC, remote="true") == [pictured, there]
    assert await ids(world, None, PUBLIC, only_media="true") == [pictured]


async def test_local_only_posts_are_for_members_alone(world: World) -> None:
    post = await world.post("alice", "Between us #secret", local_only=True)
    assert await ids(world, None, PUBLIC) == []
    assert await ids(world, None, "/api/v1/timelines/tag/secret") == []
    assert await ids(world, "bob", PUBLIC) == [post["id"]]
    assert await ids(world, "bob", "/api/v1/timelines/tag/secret") == [post["id"]]


@pytest.mark.parametrize(
    ("who", "verb", "whom"), [("bob", "mute", "alice"), ("bob", "block", "alice"), ("alice", "block", "bob")]
)
async def test_the_hidden_are_in_no_public_timeline(world: World, who: str, verb: str, whom: str) -> None:
    post = await world.post("alice", "Hello #cats")
    await world.account("bob")
    for path in (PUBLIC, "/api/v1/timelines/tag/cats"):
        assert await ids(world, "bob", path) == [post["id"]]
    await act(world, who, f"/api/v1/accounts/{world.ids[whom]}/{verb}")
    for path in (PUBLIC, "/api/v1/timelines/tag/cats"):
        assert await ids(world, "bob", path) == []


@pytest.mark.parametrize("state", ["held", "limited", "hidden_interim", "removed", "author_deleted"])
async def test_what_is_not_published_is_in_no_public_timeline(world: World, state: str) -> None:
    post = await world.post("alice", "Hello #cats")
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE statuses SET state = $2::status_state WHERE id = $1", int(post["id"]), state)
    for who in (None, "bob"):
        for path in (PUBLIC, "/api/v1/timelines/tag/cats"):
            assert await ids(world, who, path) == [], who


@pytest.mark.parametrize("state", ["limited", "suspended"])
async def test_limited_and_suspended_authors_are_in_no_public_timeline(world: World, state: str) -> None:
    await world.post("alice", "Hello #cats")
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE accounts SET state = $2::account_state WHERE id = $1", world.ids["alice"], state)
    for path in (PUBLIC, "/api/v1/timelines/tag/cats"):
        assert await ids(world, None, path) == []


async def test_a_blocked_domain_is_out_of_sight(world: World) -> None:
    post = await remote_post(world, "from there")
    assert await ids(world, "bob", PUBLIC) == [post]
    await act(world, "bob", "/api/v1/domain_blocks", domain="remote.example")
    assert await ids(world, "bob", PUBLIC) == []


async def test_tags_can_be_joined_required_and_refused(world: World) -> None:
    cats = (await world.post("alice", "#cats"))["id"]
    both = (await world.post("alice", "#Cats #dogs"))["id"]
    dogs = (await world.post("alice", "#dogs"))["id"]
    await world.post("alice", "#cats unlisted", visibility="unlisted")
    path = "/api/v1/timelines/tag/CATS"
    assert await ids(world, None, path) == [both, cats]
    assert await ids(world, None, path, **{"any[]": ["dogs"]}) == [dogs, both, cats]
    assert await ids(world, None, path, **{"all[]": ["dogs"]}) == [both]
    assert await ids(world, None, path, **{"all[]": ["nobody"]}) == []
    assert await ids(world, None, path, **{"none[]": ["dogs"]}) == [cats]
    assert await ids(world, None, "/api/v1/timelines/tag/unheard") == []


@pytest.mark.parametrize("path", [PUBLIC, "/api/v1/timelines/tag/cats"])
async def test_public_pages_go_forwards_and_backwards_without_gaps_or_repeats(world: World, path: str) -> None:
    posts = [(await world.post("alice", f"#cats {n}"))["id"] for n in range(13)]
    down = await walk(world.anonymous, f"{path}?limit=5", "next")
    assert sum(down, []) == posts[::-1]
    up = await walk(world.anonymous, f"{path}?limit=5&min_id={posts[0]}", "prev")
    assert sum((page[::-1] for page in up), []) == posts[1:]


async def test_public_takes_the_same_number_of_queries_for_few_and_many_rows(world: World) -> None:
    for n in range(30):
        await world.post("alice", f"#cats {n}")
    for path in (PUBLIC, "/api/v1/timelines/tag/cats"):
        await fetch(world.anonymous, path, limit=40)
        counts = []
        for limit in (2, 30):
            with world.queries() as seen:
                assert len(await fetch(world.anonymous, path, limit=limit)) == limit
            counts.append(len(seen))
        assert counts[0] == counts[1] <= 7, counts


async def test_a_list_shows_its_members_by_its_replies_policy(world: World) -> None:
    for friend in ("alice", "carol", "dan"):
        await world.follow("bob", friend)
    await world.follow("carol", "alice")
    made = await act(world, "bob", "/api/v1/lists", title="Two", replies_policy="list")
    path = f"/api/v1/timelines/list/{made['id']}"
    members = [str(world.ids["alice"]), str(world.ids["carol"])]
    await act(world, "bob", f"/api/v1/lists/{made['id']}/accounts", account_ids=members)
    outside = await world.post("dan", "Not on the list")
    plain = (await world.post("alice", "Plain", visibility="private"))["id"]
    inside = (await world.post("carol", "@alice inside", in_reply_to_id=plain))["id"]
    across = (await world.post("carol", "@dan across", in_reply_to_id=outside["id"]))["id"]
    stranger = await world.post("erin", "Stranger")
    away = (await world.post("alice", "@erin away", in_reply_to_id=stranger["id"]))["id"]
    boost = (await act(world, "carol", f"/api/v1/statuses/{stranger['id']}/reblog"))["id"]
    assert await ids(world, "bob", path) == [boost, inside, plain]
    answer = await (await world.client("bob")).put(
        f"/api/v1/lists/{made['id']}", json={"title": "Two", "replies_policy": "followed"}
    )
    assert answer.status_code == 200
    assert await ids(world, "bob", path) == [boost, across, inside, plain]
    await (await world.client("bob")).put(
        f"/api/v1/lists/{made['id']}", json={"title": "Two", "replies_policy": "none"}
    )
    assert await ids(world, "bob", path) == [boost, plain]
    assert away not in await ids(world, "bob", path)
    await act(world, "bob", f"/api/v1/accounts/{world.ids['erin']}/mute")
    assert await ids(world, "bob", path) == [plain]
    await act(world, "bob", f"/api/v1/accounts/{world.ids['alice']}/block")
    assert await ids(world, "bob", path) == []
    assert (await (await world.client("alice")).get(path)).status_code == 404


async def test_followed_tags_come_home_and_leave_again(world: World) -> None:
    await world.account("alice")
    await act(world, "bob", "/api/v1/tags/Cats/follow")
    post = await world.post("alice", "A #cats")
    await world.post("alice", "A hidden #cats", visibility="unlisted")
    await world.post("alice", "A #dogs")
    assert await home(world, "bob") == [post["id"]]
    tag = (await (await world.client("bob")).get("/api/v1/tags/cats")).json()
    assert (tag["following"], tag["history"][0]["uses"], tag["history"][0]["accounts"]) == (True, "1", "1")
    followed = (await (await world.client("bob")).get("/api/v1/followed_tags")).json()
    assert [one["name"].lower() for one in followed] == ["cats"]
    assert (await act(world, "bob", "/api/v1/tags/cats/unfollow"))["following"] is False
    assert await home(world, "bob") == []
    assert (await (await world.client("bob")).get("/api/v1/followed_tags")).json() == []


async def test_tags_of_the_blocked_do_not_come_home(world: World) -> None:
    await world.account("alice")
    await act(world, "bob", "/api/v1/tags/cats/follow")
    post = await world.post("alice", "A #cats")
    assert await home(world, "bob") == [post["id"]]
    await act(world, "alice", f"/api/v1/accounts/{world.ids['bob']}/block")
    assert await ids(world, "bob", "/api/v1/timelines/home") == []


async def test_tags_can_be_featured(world: World) -> None:
    await world.post("alice", "About #cats and #dogs")
    made = await act(world, "alice", "/api/v1/featured_tags", name="#cats")
    assert (made["name"], made["statuses_count"]) == ("cats", "1")
    suggested = (await (await world.client("alice")).get("/api/v1/featured_tags/suggestions")).json()
    assert [tag["name"] for tag in suggested] == ["dogs"]
    shown = (await world.anonymous.get(f"/api/v1/accounts/{world.ids['alice']}/featured_tags")).json()
    assert [tag["id"] for tag in shown] == [made["id"]]
    await world.account("bob")
    assert (await (await world.client("bob")).delete(f"/api/v1/featured_tags/{made['id']}")).status_code == 404
    assert (await (await world.client("alice")).delete(f"/api/v1/featured_tags/{made['id']}")).json() == {}
    assert (await (await world.client("alice")).get("/api/v1/featured_tags")).json() == []
    answer = await (await world.client("alice")).post("/api/v1/featured_tags", json={"name": "not a tag"})
    assert answer.status_code == 422
