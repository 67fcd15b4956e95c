"""Editing, history, source and deletion."""

from __future__ import annotations

from tests.conftest import World
from tests.oracle import assert_matches
from tests.statuses.cast import act, ask, count, known, read, sees, upload

STATES = "SELECT string_agg(state::text, ' ' ORDER BY revision) FROM status_revisions WHERE status_id = $1"


async def edit(world: World, name: str, status_id: str, **params: object) -> dict[str, object]:
    answer = await ask(world, name, "PUT", f"/statuses/{status_id}", json=params)
    assert answer.status_code == 200, answer.text
    return assert_matches(None, answer)


async def test_an_edit_makes_a_revision_that_everybody_sees(world: World) -> None:
    await known(world, "alice", "bob")
    status = await world.post("alice", "frist #one", spoiler_text="cw", sensitive=True)
    edited = await edit(world, "alice", status["id"], status="first #two @bob", sensitive=False)
    assert edited["edited_at"] is not None
    assert edited["spoiler_text"] == ""
    assert [tag["name"] for tag in edited["tags"]] == ["two"]
    assert [mention["acct"] for mention in edited["mentions"]] == ["bob"]
    assert (await read(world, None, status["id"]))["content"] == edited["content"]
    history = assert_matches(None, await ask(world, None, "GET", f"/statuses/{status['id']}/history"))
    assert ["frist" in history[0]["content"], "first" in history[1]["content"]] == [True, True]
    assert history[0]["spoiler_text"] == "cw"
    source = assert_matches(None, await ask(world, "alice", "GET", f"/statuses/{status['id']}/source"))
    assert source["text"] == "first #two @bob"
    listed = "SELECT count(*) FROM status_tags s JOIN tags t ON t.id = s.tag_id WHERE status_id = $1 AND name = 'one'"
    assert await count(world, listed, int(status["id"])) == 0


async def test_a_new_mention_opens_a_private_post_to_the_mentioned(world: World) -> None:
    await world.account("bob")
    status = await world.post("alice", "hello", visibility="direct")
    assert not await sees(world, "bob", status["id"])
    await edit(world, "alice", status["id"], status="hello @bob")
    assert await sees(world, "bob", status["id"])
    await edit(world, "alice", status["id"], status="hello")
    assert not await sees(world, "bob", status["id"])


async def test_an_edit_that_changes_nothing_makes_no_revision(world: World) -> None:
    status = await world.post("alice", "hello", language="en")
    same = await edit(world, "alice", status["id"], status="hello", language="en")
    assert same["edited_at"] is None
    assert await count(world, "SELECT count(*) FROM status_revisions WHERE status_id = $1", int(status["id"])) == 1


async def test_only_the_author_edits_and_deletes(world: World) -> None:
    status = await world.post("alice", "hello")
    assert (await ask(world, "bob", "PUT", f"/statuses/{status['id']}", json={"status": "x"})).status_code == 404
    assert (await ask(world, "bob", "DELETE", f"/statuses/{status['id']}")).status_code == 404
    assert (await read(world, "bob", status["id"]))["content"] == status["content"]


async def test_rules_hold_for_edits_too(world: World) -> None:
    status = await world.post("alice", "hello")
    for params in ({"status": ""}, {"status": "x" * 1001}, {"status": "x", "media_ids": ["12"]}):
        answer = await ask(world, "alice", "PUT", f"/statuses/{status['id']}", json=params)
        assert answer.status_code == 422, answer.text


async def test_media_can_be_added_described_and_removed(world: World) -> None:
    await known(world, "alice")
    first, second = await upload(world, "alice", "one"), await upload(world, "alice", "two", "blue")
    status = await world.post("alice", "pictures", media_ids=[first])
    both = await edit(
        world,
        "alice",
        status["id"],
        status="pictures",
        media_ids=[second, first],
        media_attributes=[{"id": first, "description": "the first"}],
    )
    assert [media["description"] for media in both["media_attachments"]] == ["two", "the first"]
    one = await edit(world, "alice", status["id"], status="pictures", media_ids=[second])
    assert [media["id"] for media in one["media_attachments"]] == [second]
    history = assert_matches(None, await ask(world, None, "GET", f"/statuses/{status['id']}/history"))
    assert [[media["description"] for media in edit["media_attachments"]] for edit in history] == [
        ["one"],
        ["two", "the first"],
        ["two"],
    ]
    theirs = await upload(world, "bob")
    answer = await ask(
        world, "alice", "PUT", f"/statuses/{status['id']}", json={"status": "pictures", "media_ids": [theirs]}
    )
    assert answer.status_code == 422


async def test_other_options_reset_a_poll_and_the_same_keep_its_votes(world: World) -> None:
    poll = {"options": ["tea", "coffee"], "expires_in": 600}
    status = await world.post("alice", "what?", poll=poll)
    voted = await ask(world, "bob", "POST", f"/polls/{status['poll']['id']}/votes", json={"choices": [0]})
    assert voted.status_code == 200, voted.text
    kept = await edit(world, "alice", status["id"], status="what now?", poll={**poll, "expires_in": 900})
    assert (kept["poll"]["id"], kept["poll"]["votes_count"]) == (status["poll"]["id"], 1)
    reset = await edit(world, "alice", status["id"], status="what?", poll={**poll, "options": ["tea", "water"]})
    assert reset["poll"]["votes_count"] == 0
    assert (await ask(world, "bob", "GET", f"/polls/{status['poll']['id']}")).status_code == 404
    gone = await edit(world, "alice", status["id"], status="never mind")
    assert gone["poll"] is None


async def test_deleting_gives_the_source_and_is_final(world: World) -> None:
    await known(world, "alice")
    media = await upload(world, "alice", "a square")
    first = await world.post("alice", "first")
    status = await world.post("alice", "Hello #world", media_ids=[media], in_reply_to_id=first["id"])
    await act(world, "bob", status["id"], "favourite")
    await act(world, "bob", status["id"], "reblog")
    before = (await ask(world, None, "GET", f"/accounts/{await world.account('alice')}")).json()["statuses_count"]
    answer = await ask(world, "alice", "DELETE", f"/statuses/{status['id']}")
    deleted = assert_matches(None, answer)
    assert deleted["text"] == "Hello #world"
    assert [one["id"] for one in deleted["media_attachments"]] == [media]
    for name in (None, "bob", "alice"):
        assert not await sees(world, name, status["id"])
        for place in ("context", "history", "reblogged_by", "favourited_by"):
            assert (await ask(world, name, "GET", f"/statuses/{status['id']}/{place}")).status_code == 404
    assert (await ask(world, "alice", "DELETE", f"/statuses/{status['id']}")).status_code == 404
    assert (await ask(world, "alice", "GET", f"/statuses/{status['id']}/source")).status_code == 404
    assert (await read(world, None, first["id"]))["replies_count"] == 0
    after = (await ask(world, None, "GET", f"/accounts/{await world.account('alice')}")).json()["statuses_count"]
    assert after == before - 1
    again = await world.post("alice", "Hello, world", media_ids=[media])
    assert again["media_attachments"][0]["id"] == media


async def test_deletion_removes_what_others_made_of_it(world: World) -> None:
    status = await world.post("alice", "hello #world")
    await act(world, "bob", status["id"], "favourite")
    await act(world, "bob", status["id"], "bookmark")
    boost = await act(world, "bob", status["id"], "reblog")
    await act(world, "alice", status["id"], "pin")
    await ask(world, "alice", "DELETE", f"/statuses/{status['id']}")
    assert not await sees(world, "bob", boost["id"]), "at once, before any job"
    await world.run_jobs()
    for table in ("favourites", "bookmarks", "status_pins", "status_tags", "status_mentions"):
        query = f"SELECT count(*) FROM {table} WHERE status_id = $1"
        assert await count(world, query, int(status["id"])) == 0, table
    assert await count(world, "SELECT count(*) FROM statuses WHERE reblog_of_id = $1", int(status["id"])) == 0
    bob = (await ask(world, None, "GET", f"/accounts/{await world.account('bob')}")).json()
    assert bob["statuses_count"] == 0
    kept = "SELECT count(*) FROM statuses WHERE id = $1 AND text = 'hello #world' AND state = 'author_deleted'"
    assert await count(world, kept, int(status["id"])) == 1, "evidence stays"


async def test_media_of_a_deleted_post_can_be_removed_with_it(world: World) -> None:
    media = await upload(world, "alice")
    status = await world.post("alice", "hello", media_ids=[media])
    answer = await ask(world, "alice", "DELETE", f"/statuses/{status['id']}?delete_media=true")
    assert answer.status_code == 200
    assert (await ask(world, "alice", "GET", f"/media/{media}")).status_code == 404


async def test_a_boost_is_deleted_like_a_post(world: World) -> None:
    status = await world.post("alice", "hello")
    boost = await act(world, "bob", status["id"], "reblog")
    assert (await ask(world, "alice", "DELETE", f"/statuses/{boost['id']}")).status_code == 404
    assert (await ask(world, "bob", "DELETE", f"/statuses/{boost['id']}")).status_code == 200
    assert (await read(world, "bob", status["id"]))["reblogs_count"] == 0
