"""Filters: what a member marks, and where the marks show."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import World
from tests.oracle import assert_entity, assert_matches
from tests.streaming.ears import events, next_event
from tests.timelines.walk import HOME, PUBLIC, act, fetch

FILTERS = "/api/v2/filters"


async def make(world: World, who: str, **params: Any) -> dict[str, Any]:
    body = {"title": "Sport", "context": ["home", "public"], **params}
    return await act(world, who, FILTERS, **body)


async def test_a_filter_is_made_changed_and_removed(world: World) -> None:
    made = await make(world, "bob", keywords_attributes=[{"keyword": "football", "whole_word": True}])
    assert_entity("Filter", made)
    assert (made["filter_action"], made["expires_at"]) == ("warn", None)
    client = await world.client("bob")
    word = made["keywords"][0]
    changed = await client.put(
        f"{FILTERS}/{made['id']}",
        json={
            "title": "Games",
            "filter_action": "hide",
            "expires_in": 3600,
            "keywords_attributes": [{"id": word["id"], "_destroy": True}, {"keyword": "tennis", "whole_word": False}],
        },
    )
    body = assert_matches(None, changed)
    assert (body["title"], body["filter_action"], body["context"]) == ("Games", "hide", ["home", "public"])
    assert [one["keyword"] for one in body["keywords"]] == ["tennis"]
    assert body["expires_at"] is not None
    added = (await client.post(f"{FILTERS}/{made['id']}/keywords", data={"keyword": "golf"})).json()
    assert added["whole_word"] is True
    one = await client.put(f"{FILTERS}/keywords/{added['id']}", json={"keyword": "polo", "whole_word": False})
    assert (one.json()["keyword"], one.json()["whole_word"]) == ("polo", False)
    words = (await client.get(f"{FILTERS}/{made['id']}/keywords")).json()
    assert [one["keyword"] for one in words] == ["tennis", "polo"]
    assert (await client.delete(f"{FILTERS}/keywords/{added['id']}")).json() == {}
    assert (await client.get(f"{FILTERS}/keywords/{added['id']}")).status_code == 404
    assert [one["id"] for one in (await client.get(FILTERS)).json()] == [made["id"]]
    assert (await client.delete(f"{FILTERS}/{made['id']}")).json() == {}
    assert (await client.get(FILTERS)).json() == []


async def test_nobody_reaches_anothers_filters(world: World) -> None:
    post = await world.post("alice", "Hello")
    made = await make(world, "bob", keywords_attributes=[{"keyword": "football"}])
    entry = await act(world, "bob", f"{FILTERS}/{made['id']}/statuses", status_id=post["id"])
    other = await world.client("alice")
    word = made["keywords"][0]["id"]
    for method, path in (
        ("GET", made["id"]),
        ("PUT", made["id"]),
        ("DELETE", made["id"]),
        ("GET", f"{made['id']}/keywords"),
        ("POST", f"{made['id']}/keywords"),
        ("GET", f"{made['id']}/statuses"),
        ("POST", f"{made['id']}/statuses"),
        ("GET", f"keywords/{word}"),
        ("PUT", f"keywords/{word}"),
        ("DELETE", f"keywords/{word}"),
        ("GET", f"statuses/{entry['id']}"),
        ("DELETE", f"statuses/{entry['id']}"),
    ):
        body = {"title": "x", "keyword": "x", "status_id": post["id"]}
        answer = await other.request(method, f"{FILTERS}/{path}", json=None if method == "GET" else body)
        assert answer.status_code == 404, (method, path)
    own = await make(world, "alice")
    stolen = await other.put(f"{FILTERS}/{own['id']}", json={"keywords_attributes": [{"id": word, "keyword": "x"}]})
    assert stolen.status_code == 404
    assert (await world.anonymous.get(FILTERS)).status_code == 401
    assert (await (await world.client("bob", scopes="read:statuses")).get(FILTERS)).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [{"title": ""}, {"context": []}, {"context": ["nowhere"]}, {"filter_action": "shout"}, {"expires_in": -5},
     {"keywords_attributes": [{"keyword": "  "}]}, {"keywords_attributes": [{"keyword": "x" * 600}]}],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused_with_a_sentence(world: World, wrong: dict[str, Any]) -> None:
    answer = await (await world.client("bob")).post(FILTERS, json={"title": "T", "context": ["home"], **wrong})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("Validation failed")


async def _marks(world: World, path: str) -> dict[str, Any]:
    """`filtered` by the id of each status that bob sees."""
    statuses = await fetch(await world.client("bob"), path)
    for status in statuses:
        assert_entity("Status", status)
    return {status["id"]: status["filtered"] for status in statuses}


async def test_matches_show_on_every_list_of_statuses(world: World) -> None:
    await world.follow("bob", "alice")
    plain = await world.post("alice", "About gardens")
    hit = await world.post("alice", "All about FOOTBALL, again")
    inside = await world.post("alice", "Footballers are not meant")
    warned = await world.post("alice", "Nothing", spoiler_text="football inside")
    theirs = await world.post("carol", "football by carol @bob")
    boost = await act(world, "alice", f"/api/v1/statuses/{theirs['id']}/reblog")
    await world.run_jobs()
    assert set(map(str, (await _marks(world, HOME)).values())) == {"[]"}
    made = await make(world, "bob", keywords_attributes=[{"keyword": "football"}])
    marks = await _marks(world, HOME)
    assert {id_ for id_, found in marks.items() if found} == {hit["id"], warned["id"], boost["id"]}
    assert marks[hit["id"]][0]["keyword_matches"] == ["football"]
    assert marks[hit["id"]][0]["filter"]["id"] == made["id"]
    assert marks[plain["id"]] == marks[inside["id"]] == []
    client = await world.client("bob")
    boosted = next(one for one in await fetch(client, HOME) if one["id"] == boost["id"])
    assert boosted["reblog"]["filtered"][0]["keyword_matches"] == ["football"]
    public = await _marks(world, PUBLIC)
    assert {id_ for id_, found in public.items() if found} == {hit["id"], warned["id"], theirs["id"]}
    assert (await client.get(f"/api/v1/statuses/{hit['id']}")).json()["filtered"]
    own_page = await fetch(client, f"/api/v1/accounts/{world.ids['alice']}/statuses")
    assert sum(bool(status["filtered"]) for status in own_page) == 3
    found = (await client.get("/api/v2/search", params={"q": "football", "type": "statuses"})).json()["statuses"]
    assert all(status["filtered"] for status in found)
    told = (await client.get("/api/v1/notifications", params={"types[]": "mention"})).json()
    assert told[0]["status"]["filtered"][0]["keyword_matches"] == ["football"]
    groups = (await client.get("/api/v2/notifications", params={"types[]": "mention"})).json()
    assert groups["statuses"][0]["filtered"]
    alices = await fetch(await world.client("alice"), PUBLIC)
    assert not any(status["filtered"] for status in alices), "filters are the member's own"
    assert "filtered" not in (await fetch(world.anonymous, PUBLIC))[0]
    await client.delete(f"{FILTERS}/{made['id']}")
    assert not any((await _marks(world, HOME)).values())


async def test_one_status_can_be_filtered_if_it_may_be_seen(world: World) -> None:
    await world.follow("bob", "alice")
    post = await world.post("alice", "Not this again")
    secret = await world.post("carol", "secret", visibility="private")
    await world.run_jobs()
    made = await make(world, "bob")
    entry = await act(world, "bob", f"{FILTERS}/{made['id']}/statuses", status_id=post["id"])
    assert_entity("FilterStatus", entry)
    marks = await _marks(world, HOME)
    assert marks[post["id"]][0]["status_matches"] == [post["id"]]
    client = await world.client("bob")
    hidden = await client.post(f"{FILTERS}/{made['id']}/statuses", json={"status_id": secret["id"]})
    assert hidden.status_code == 404
    assert [one["id"] for one in (await client.get(f"{FILTERS}/{made['id']}/statuses")).json()] == [entry["id"]]
    assert (await client.delete(f"{FILTERS}/statuses/{entry['id']}")).json() == entry
    assert not any((await _marks(world, HOME)).values())


async def test_an_expired_filter_finds_nothing(world: World) -> None:
    await world.follow("bob", "alice")
    await world.post("alice", "football")
    await world.run_jobs()
    await make(world, "bob", expires_in=60, keywords_attributes=[{"keyword": "football"}])
    assert all((await _marks(world, HOME)).values())
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE filters SET expires_at = now() - interval '1 minute'")
    from parley.social.filters.reads import cache_of

    cache_of(world.instance.live).forget(world.ids["bob"])
    assert not any((await _marks(world, HOME)).values())


async def test_open_clients_hear_of_changes_and_marks(world: World) -> None:
    await world.follow("bob", "alice")
    await world.run_jobs()
    async with events(world, "bob", "user") as ear:
        await make(world, "bob", keywords_attributes=[{"keyword": "football"}])
        assert (await next_event(ear))[0] == "filters_changed"
        await world.post("alice", "football")
        await world.run_jobs()
        name, status = await next_event(ear)
        assert (name, status["filtered"][0]["keyword_matches"]) == ("update", ["football"])


async def test_filters_cost_a_page_no_query(world: World) -> None:
    await world.follow("bob", "alice")
    await world.post("alice", "football")
    await world.run_jobs()
    client = await world.client("bob")
    await fetch(client, HOME)
    with world.queries() as before:
        await fetch(client, HOME)
    await make(world, "bob", keywords_attributes=[{"keyword": "football"}])
    await fetch(client, HOME)
    with world.queries() as after:
        await fetch(client, HOME)
    assert len(before) == len(after)


OLD_FILTERS = "/api/v1/filters"


async def test_an_app_from_before_filters_had_keywords_makes_changes_and_removes_one(world: World) -> None:
    client = await world.client("bob")
    made = assert_matches(
        None, await client.post(OLD_FILTERS, data={"phrase": "football", "context[]": ["home", "public"]})
    )
    assert_entity("V1Filter", made)
    assert (made["phrase"], made["context"], made["whole_word"]) == ("football", ["home", "public"], False)
    assert (made["irreversible"], made["expires_at"]) == (False, None)
    new = (await client.get(FILTERS)).json()
    assert [(one["title"], one["filter_action"]) for one in new] == [("football", "warn")]
    post = await world.post("alice", "The football season begins")
    seen = await fetch(client, PUBLIC)
    assert [one["filtered"][0]["keyword_matches"] for one in seen if one["id"] == post["id"]] == [["football"]]

    address = f"{OLD_FILTERS}/{made['id']}"
    changed = await client.put(
        address, json={"phrase": "tennis", "context": ["home"], "irreversible": True, "expires_in": 60}
    )
    assert changed.status_code == 200, changed.text
    assert (await client.get(address)).json() == changed.json()
    assert (changed.json()["phrase"], changed.json()["irreversible"]) == ("tennis", True)
    assert changed.json()["expires_at"] is not None
    assert (await client.get(f"{FILTERS}/{new[0]['id']}")).json()["filter_action"] == "hide"

    assert (await client.delete(address)).json() == {}
    assert (await client.get(OLD_FILTERS)).json() == (await client.get(FILTERS)).json() == []
    for params in ({"phrase": " ", "context": ["home"]}, {"phrase": "golf"}, {"phrase": "golf", "context": ["moon"]}):
        assert (await client.post(OLD_FILTERS, json=params)).status_code == 422


async def test_an_old_app_sees_each_keyword_and_changes_no_more_than_that(world: World) -> None:
    made = await make(world, "bob", keywords_attributes=[{"keyword": "football"}, {"keyword": "golf"}])
    client = await world.client("bob")
    first, second = (await client.get(OLD_FILTERS)).json()
    assert (first["phrase"], second["phrase"], first["context"]) == ("football", "golf", ["home", "public"])
    address = f"{OLD_FILTERS}/{first['id']}"
    same = {"phrase": "polo", "whole_word": False, "context": ["home", "public"], "irreversible": False}
    assert (await client.put(address, json=same)).json()["phrase"] == "polo"
    for change in ({"context": ["home"]}, {"irreversible": True}, {"expires_in": 60}):
        refused = await client.put(address, json={"phrase": "polo", **change})
        assert refused.status_code == 422
        assert "several keywords" in refused.json()["error"]
    assert (await client.delete(address)).status_code == 200
    left = (await client.get(f"{FILTERS}/{made['id']}")).json()
    assert [one["keyword"] for one in left["keywords"]] == ["golf"]
    other = await world.client("alice")
    for method in ("GET", "PUT", "DELETE"):
        assert (await other.request(method, f"{OLD_FILTERS}/{second['id']}")).status_code == 404
