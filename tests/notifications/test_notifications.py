"""Notifications: who is told of what, once, and what is never told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import World
from tests.graph.people import remote_rei
from tests.notifications.told import PATH, notifications, told
from tests.timelines.walk import act, walk


async def test_every_kind_of_news_is_told(world: World) -> None:
    post = await world.post("alice", "My post")
    await world.follow("bob", "alice")
    assert await told(world, "alice") == [("follow", "bob")]
    await act(world, "bob", f"/api/v1/statuses/{post['id']}/favourite")
    await world.run_jobs()
    await act(world, "bob", f"/api/v1/statuses/{post['id']}/reblog")
    await world.run_jobs()
    answer = await world.post("bob", "@alice an answer", in_reply_to_id=post["id"])
    await world.run_jobs()
    quote = await world.post("bob", "Look at this", quoted_status_id=post["id"])
    found = await notifications(world, "alice")
    assert [one["type"] for one in found] == ["quote", "mention", "reblog", "favourite", "follow"]
    assert {one["account"]["username"] for one in found} == {"bob"}
    assert [one.get("status", {}).get("id") for one in found] == [
        quote["id"],
        answer["id"],
        post["id"],
        post["id"],
        None,
    ]
    assert await told(world, "bob") == []


async def test_a_locked_account_is_told_of_requests_and_not_again_when_it_agrees(world: World) -> None:
    await world.account("alice", locked=True)
    await world.follow("bob", "alice")
    assert await told(world, "alice") == [("follow_request", "bob")]
    await act(world, "alice", f"/api/v1/follow_requests/{world.ids['bob']}/authorize")
    assert await told(world, "alice") == []


async def test_a_bell_tells_of_every_new_post_but_not_of_answers_and_boosts(world: World) -> None:
    await world.account("alice")
    await act(world, "bob", f"/api/v1/accounts/{world.ids['alice']}/follow", notify=True)
    await world.follow("carol", "alice")
    post = await world.post("alice", "News")
    other = await world.post("carol", "Hello")
    await world.post("alice", "@carol hello", in_reply_to_id=other["id"])
    await act(world, "alice", f"/api/v1/statuses/{other['id']}/reblog")
    found = await notifications(world, "bob")
    assert [(one["type"], one["status"]["id"]) for one in found] == [("status", post["id"])]
    assert ("status", "alice") not in await told(world, "carol")


async def test_who_boosted_is_told_of_an_edit(world: World) -> None:
    post = await world.post("alice", "First words")
    await act(world, "bob", f"/api/v1/statuses/{post['id']}/reblog")
    await world.run_jobs()
    for text in ("Second words", "Third words"):
        answer = await (await world.client("alice")).put(f"/api/v1/statuses/{post['id']}", json={"status": text})
        assert answer.status_code == 200
    assert await told(world, "bob") == [("update", "alice"), ("update", "alice")]
    assert await told(world, "alice") == [("reblog", "bob")]


async def test_the_end_of_a_poll_is_told_to_author_and_voters_once(world: World) -> None:
    from parley.social.notifications.jobs import notify_of_poll

    post = await world.post("alice", "Tea?", poll={"options": ["Yes", "No"], "expires_in": 3600})
    await act(world, "bob", f"/api/v1/polls/{post['poll']['id']}/votes", choices=[0])
    await world.account("carol")
    payload = {
        "account_id": world.ids["alice"],
        "poll_id": int(post["poll"]["id"]),
        "status_id": int(post["id"]),
    }
    for _ in range(2):
        await notify_of_poll(world.instance, payload)
    assert await told(world, "alice") == [("poll", "alice")]
    assert await told(world, "bob") == [("poll", "alice")]
    assert await told(world, "carol") == []


async def test_what_is_undone_is_not_told_any_more(world: World) -> None:
    post = await world.post("alice", "My post")
    await world.follow("bob", "alice")
    for verb in ("favourite", "reblog"):
        await act(world, "bob", f"/api/v1/statuses/{post['id']}/{verb}")
    assert len(await told(world, "alice")) == 3
    for verb in ("unfavourite", "unreblog"):
        await act(world, "bob", f"/api/v1/statuses/{post['id']}/{verb}")
    await act(world, "bob", f"/api/v1/accounts/{world.ids['alice']}/unfollow")
    assert await told(world, "alice") == []


async def test_the_same_thing_is_told_once_though_its_job_runs_twice(world: World) -> None:
    from parley.social.notifications.jobs import notify_of_status

    await world.account("bob")
    post = await world.post("alice", "@bob hello")
    await world.run_jobs()
    await notify_of_status(world.instance, {"account_id": world.ids["alice"], "status_id": int(post["id"])})
    assert await told(world, "bob") == [("mention", "alice")]


@pytest.mark.parametrize(
    ("who", "verb", "whom"), [("bob", "block", "alice"), ("alice", "block", "bob"), ("bob", "mute", "alice")]
)
async def test_nothing_is_told_between_the_blocked_and_muted(world: World, who: str, verb: str, whom: str) -> None:
    await world.account("bob")
    await world.post("alice", "@bob before")
    assert await told(world, "bob") == [("mention", "alice")]
    await act(world, who, f"/api/v1/accounts/{world.ids[whom]}/{verb}")
    assert await told(world, "bob") == [], "what was told before is out of sight at once"
    await world.post("alice", "@bob after")
    assert await told(world, "bob") == []
    answer = await (await world.client("bob")).get(f"{PATH}/unread_count")
    assert answer.json() == {"count": 0}


async def test_a_mute_may_leave_notifications_on(world: World) -> None:
    await world.account("alice")
    await act(world, "bob", f"/api/v1/accounts/{world.ids['alice']}/mute", notifications=False)
    await world.post("alice", "@bob hello")
    assert await told(world, "bob") == [("mention", "alice")]


async def test_a_muted_thread_stays_silent(world: World) -> None:
    post = await world.post("alice", "A thread")
    await act(world, "alice", f"/api/v1/statuses/{post['id']}/mute")
    await world.post("bob", "@alice an answer", in_reply_to_id=post["id"])
    assert await told(world, "alice") == []


@pytest.mark.parametrize("state", ["held", "hidden_interim", "removed"])
async def test_nothing_is_told_of_what_is_not_public_any_more(world: World, state: str) -> None:
    await world.account("bob")
    late = await world.post("alice", "@bob told too late")
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE statuses SET state = $2::status_state WHERE id = $1", int(late["id"]), state)
    assert await told(world, "bob") == []
    post = await world.post("alice", "@bob told in time")
    assert await told(world, "bob") == [("mention", "alice")]
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE statuses SET state = $2::status_state WHERE id = $1", int(post["id"]), state)
    assert await told(world, "bob") == []


async def test_a_suspended_sender_is_out_of_sight(world: World) -> None:
    await world.account("bob")
    await world.post("spam_sam", "@bob buy")
    await world.post("alice", "@bob hello")
    assert len(await told(world, "bob")) == 2
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE accounts SET state = 'suspended' WHERE id = $1", world.ids["spam_sam"])
    assert await told(world, "bob") == [("mention", "alice")]


async def test_remote_people_are_told_nothing_here(world: World) -> None:
    rei = await remote_rei(world)
    from parley.social.notifications.jobs import notify_of_follow

    await world.account("alice")
    await notify_of_follow(world.instance, {"account_id": world.ids["alice"], "target_id": rei})
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM notifications WHERE account_id = $1", rei) == 0


async def test_kinds_and_senders_can_be_chosen(world: World) -> None:
    post = await world.post("alice", "My post")
    await world.follow("bob", "alice")
    await act(world, "carol", f"/api/v1/statuses/{post['id']}/favourite")
    await world.run_jobs()
    assert await told(world, "alice", **{"types[]": ["follow"]}) == [("follow", "bob")]
    assert await told(world, "alice", **{"exclude_types[]": ["follow"]}) == [("favourite", "carol")]
    assert await told(world, "alice", account_id=world.ids["carol"]) == [("favourite", "carol")]


async def test_one_can_be_read_and_dismissed_by_its_owner_alone(world: World) -> None:
    await world.account("bob")
    await world.post("alice", "@bob hello")
    one = (await notifications(world, "bob"))[0]
    client, other = await world.client("bob"), await world.client("alice")
    assert (await client.get(f"{PATH}/{one['id']}")).json()["id"] == one["id"]
    assert (await other.get(f"{PATH}/{one['id']}")).status_code == 404
    assert (await other.post(f"{PATH}/{one['id']}/dismiss")).status_code == 404
    assert (await client.post(f"{PATH}/{one['id']}/dismiss")).json() == {}
    assert await notifications(world, "bob") == []
    await world.post("alice", "@bob again")
    await world.run_jobs()
    assert (await client.post(f"{PATH}/clear")).json() == {}
    assert await notifications(world, "bob") == []
    assert (await world.anonymous.get(PATH)).status_code == 401


async def test_the_unread_are_counted_from_the_marker_on(world: World) -> None:
    await world.account("bob")
    for n in range(3):
        await world.post("alice", f"@bob {n}")
    found = await notifications(world, "bob")
    client = await world.client("bob")
    assert (await client.get(f"{PATH}/unread_count")).json() == {"count": 3}
    assert (await client.get(f"{PATH}/unread_count", params={"limit": 2})).json() == {"count": 2}
    await act(world, "bob", "/api/v1/markers", notifications={"last_read_id": found[1]["id"]})
    assert (await client.get(f"{PATH}/unread_count")).json() == {"count": 1}


async def test_pages_go_forwards_and_backwards_without_gaps_or_repeats(world: World) -> None:
    await world.account("bob")
    for n in range(13):
        await world.post("alice", f"@bob {n}")
    every = [one["id"] for one in await notifications(world, "bob", limit=80)]
    assert len(every) == 13
    client = await world.client("bob")
    down = await walk(client, f"{PATH}?limit=5", "next")
    assert sum(down, []) == every
    up = await walk(client, f"{PATH}?limit=5&min_id={every[-1]}", "prev")
    assert sum((page[::-1] for page in up), []) == every[-2::-1]


async def test_a_page_takes_the_same_number_of_queries_for_few_and_many_rows(world: World) -> None:
    await world.account("bob")
    for n in range(20):
        await world.post("alice", f"@bob {n}")
    await notifications(world, "bob")
    client = await world.client("bob")
    for path in (PATH, "/api/v2/notifications"):
        counts = []
        for limit in (2, 20):
            await client.get(path, params={"limit": limit})
            with world.queries() as seen:
                await client.get(path, params={"limit": limit})
            counts.append(len(seen))
        assert counts[0] == counts[1] <= 7, (path, counts)


async def test_a_held_post_is_told_to_its_author_alone_with_the_reason(world: World) -> None:
    from parley.social.notifications.jobs import notify_of_hold

    post = await world.post("alice", "@bob waits")
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE statuses SET state = 'held' WHERE id = $1", int(post["id"]))
    await notify_of_hold(
        world.instance, {"account_id": world.ids["alice"], "status_id": int(post["id"]), "revision": 1}
    )
    found = await notifications(world, "alice")
    assert [one["type"] for one in found] == ["moderation_warning"]
    warning = found[0]["moderation_warning"]
    assert warning["status_ids"] == [post["id"]]
    assert warning["target_account"]["username"] == "alice"
    assert warning["text"]
    await world.account("bob")
    assert await told(world, "bob") == []


async def test_staff_are_told_of_new_members(world: World) -> None:
    await world.account("mod_mia", role="moderator")
    await world.run_jobs()
    await (await world.client("mod_mia")).post(f"{PATH}/clear")
    await world.account("alice")
    assert await told(world, "mod_mia") == [("admin.sign_up", "alice")]
    assert await told(world, "alice") == []


async def groups(world: World, who: str, **params: Any) -> dict[str, Any]:
    await world.run_jobs()
    answer = await (await world.client(who)).get("/api/v2/notifications", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_favourites_of_one_post_are_one_group(world: World) -> None:
    post = await world.post("alice", "Liked by many")
    people = ["bob", "carol", "dan"]
    for name in people:
        await act(world, name, f"/api/v1/statuses/{post['id']}/favourite")
        await world.run_jobs()
    await world.post("erin", "@alice hello")
    seen = await groups(world, "alice")
    assert [(one["type"], one["notifications_count"]) for one in seen["notification_groups"]] == [
        ("mention", 1),
        ("favourite", 3),
    ]
    group = seen["notification_groups"][1]
    assert group["sample_account_ids"] == [str(world.ids[name]) for name in people[::-1]]
    assert group["status_id"] == post["id"]
    assert {account["username"] for account in seen["accounts"]} == {*people, "erin"}
    assert post["id"] in {status["id"] for status in seen["statuses"]}
    client = await world.client("alice")
    one = (await client.get(f"/api/v2/notifications/{group['group_key']}")).json()
    assert one["notification_groups"][0]["notifications_count"] == 3
    accounts = (await client.get(f"/api/v2/notifications/{group['group_key']}/accounts")).json()
    assert [account["username"] for account in accounts] == people[::-1]
    assert (await client.get("/api/v2/notifications/unread_count")).json() == {"count": 2}
    single = await groups(world, "alice", **{"grouped_types[]": ["follow"]})
    assert len(single["notification_groups"]) == 4
    other = await world.client("bob")
    assert (await other.get(f"/api/v2/notifications/{group['group_key']}")).status_code == 404
    assert (await client.post(f"/api/v2/notifications/{group['group_key']}/dismiss")).json() == {}
    assert [one["type"] for one in (await groups(world, "alice"))["notification_groups"]] == ["mention"]


async def test_pages_of_groups_neither_skip_nor_repeat(world: World) -> None:
    posts = [await world.post("alice", f"Post {n}") for n in range(4)]
    for name in ("bob", "carol"):
        for post in posts:
            await act(world, name, f"/api/v1/statuses/{post['id']}/favourite")
            await world.run_jobs()
    client = await world.client("alice")
    keys: list[str] = []
    params: dict[str, Any] = {"limit": 3}
    while True:
        answer = (await client.get("/api/v2/notifications", params=params)).json()["notification_groups"]
        if not answer:
            break
        keys += [one["group_key"] for one in answer]
        params["max_id"] = answer[-1]["most_recent_notification_id"]
    assert len(keys) == len(set(keys)) == 4


async def test_a_policy_sets_strangers_aside_until_they_are_accepted(world: World) -> None:
    client = await world.client("alice")
    answer = await client.patch("/api/v2/notifications/policy", json={"for_not_following": "filter"})
    assert answer.json()["for_not_following"] == "filter"
    await world.follow("alice", "carol")
    await world.post("bob", "@alice from a stranger")
    await world.post("carol", "@alice from a friend")
    assert await told(world, "alice") == [("mention", "carol")]
    policy = (await client.get("/api/v2/notifications/policy")).json()
    assert policy["summary"] == {"pending_requests_count": 1, "pending_notifications_count": 1}
    requests = (await client.get("/api/v1/notifications/requests")).json()
    assert [(one["account"]["username"], one["notifications_count"]) for one in requests] == [("bob", "1")]
    assert (await client.post(f"/api/v1/notifications/requests/{requests[0]['id']}/accept")).json() == {}
    assert sorted(await told(world, "alice")) == [("mention", "bob"), ("mention", "carol")]
    await world.post("bob", "@alice again")
    assert (await told(world, "alice"))[0] == ("mention", "bob")
    assert (await client.get("/api/v1/notifications/requests")).json() == []
    wrong = await client.patch("/api/v2/notifications/policy", json={"for_not_following": "maybe"})
    assert wrong.status_code == 422
    await client.patch("/api/v2/notifications/policy", json={"for_not_following": "drop"})
    await world.post("dan", "@alice dropped")
    assert len(await told(world, "alice", include_filtered="true")) == 3
