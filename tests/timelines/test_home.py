"""The home timeline: what arrives, in which order, once, and what never shows."""

from __future__ import annotations

import msgspec
import pytest

from parley.kit.settings import Settings
from tests.conftest import World, open_world
from tests.timelines.walk import HOME, act, home, ids, walk


async def test_a_post_reaches_its_author_at_once_and_followers_after_the_job(world: World) -> None:
    await world.follow("bob", "alice")
    await world.account("carol")
    await world.run_jobs()
    post = await world.post("alice", "Good morning")
    assert await ids(world, "alice", HOME) == [post["id"]]
    assert await ids(world, "bob", HOME) == []
    assert await home(world, "bob") == [post["id"]]
    assert await home(world, "alice") == [post["id"]]
    assert await home(world, "carol") == []


async def test_a_new_friend_brings_their_newest_posts_and_takes_them_away_again(world: World) -> None:
    posts = [(await world.post("alice", f"Post {n}"))["id"] for n in range(3)]
    await world.follow("bob", "alice")
    assert await home(world, "bob") == posts[::-1]
    await act(world, "bob", f"/api/v1/accounts/{world.ids['alice']}/unfollow")
    assert await ids(world, "bob", HOME) == [], "reading must not wait for the clean-up"
    assert await home(world, "bob") == []


async def test_replies_show_to_those_who_follow_both(world: World) -> None:
    await world.follow("bob", "alice")
    await world.follow("dan", "alice")
    await world.follow("dan", "carol")
    question = await world.post("carol", "How are you?")
    answer = await world.post("alice", "@carol Fine", in_reply_to_id=question["id"])
    thread = await world.post("alice", "And more", in_reply_to_id=answer["id"])
    assert await home(world, "bob") == [], "a thread under an answer belongs to the answer"
    assert await home(world, "dan") == [thread["id"], answer["id"], question["id"]]
    alone = await world.post("alice", "A story")
    more = await world.post("alice", "and its end", in_reply_to_id=alone["id"])
    assert await home(world, "bob") == [more["id"], alone["id"]]


async def test_a_direct_message_reaches_only_those_it_names(world: World) -> None:
    await world.follow("bob", "alice")
    await world.follow("carol", "alice")
    secret = await world.post("alice", "@bob between us", visibility="direct")
    assert await home(world, "bob") == [secret["id"]]
    assert await home(world, "carol") == []


async def test_followers_only_posts_leave_with_the_follow(world: World) -> None:
    await world.follow("bob", "alice")
    post = await world.post("alice", "For friends", visibility="private")
    assert await home(world, "bob") == [post["id"]]
    await act(world, "alice", f"/api/v1/accounts/{world.ids['bob']}/remove_from_followers")
    assert await ids(world, "bob", HOME) == []


async def test_the_same_post_is_not_shown_twice_when_friends_boost_it(world: World) -> None:
    for friend in ("alice", "carol", "dan"):
        await world.follow("bob", friend)
    post = await world.post("alice", "Boost me")
    await world.run_jobs()
    for friend in ("carol", "dan"):
        await act(world, friend, f"/api/v1/statuses/{post['id']}/reblog")
    assert await home(world, "bob") == [post["id"]]
    stranger = await world.post("erin", "Nobody follows me")
    first = await act(world, "carol", f"/api/v1/statuses/{stranger['id']}/reblog")
    await world.run_jobs()
    await act(world, "dan", f"/api/v1/statuses/{stranger['id']}/reblog")
    assert await home(world, "bob") == [first["id"], post["id"]]


async def test_two_boosts_that_were_sent_at_the_same_moment_show_once(world: World) -> None:
    for friend in ("carol", "dan"):
        await world.follow("bob", friend)
    stranger = await world.post("erin", "Nobody follows me")
    first = await act(world, "carol", f"/api/v1/statuses/{stranger['id']}/reblog")
    await world.run_jobs()
    second = await act(world, "dan", f"/api/v1/statuses/{stranger['id']}/reblog")
    async with world.instance.db.write() as tx:  # as two workers would have left it
        await tx.execute(
            "INSERT INTO home_timeline VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            world.ids["bob"],
            int(second["id"]),
            world.ids["dan"],
            int(stranger["id"]),
        )
    assert await ids(world, "bob", HOME) == [first["id"]]
    assert await ids(world, "bob", HOME, min_id="1") == [first["id"]]


async def test_boosts_can_be_turned_off_for_a_friend(world: World) -> None:
    await world.follow("bob", "alice")
    post = await world.post("carol", "Original")
    boost = await act(world, "alice", f"/api/v1/statuses/{post['id']}/reblog")
    assert await home(world, "bob") == [boost["id"]]
    await act(world, "bob", f"/api/v1/accounts/{world.ids['alice']}/follow", reblogs=False)
    assert await ids(world, "bob", HOME) == []
    another = await world.post("carol", "Second")
    await act(world, "alice", f"/api/v1/statuses/{another['id']}/reblog")
    assert await home(world, "bob") == []


async def test_only_the_languages_of_a_follow_arrive(world: World) -> None:
    await world.account("alice")
    await act(world, "bob", f"/api/v1/accounts/{world.ids['alice']}/follow", languages=["de"])
    await world.post("alice", "Good morning", language="en")
    german = await world.post("alice", "Guten Morgen", language="de")
    assert await home(world, "bob") == [german["id"]]


async def test_members_of_an_exclusive_list_stay_out_of_home(world: World) -> None:
    await world.follow("bob", "alice")
    chosen = await act(world, "bob", "/api/v1/lists", title="Work", exclusive=True)
    await act(world, "bob", f"/api/v1/lists/{chosen['id']}/accounts", account_ids=[str(world.ids["alice"])])
    post = await world.post("alice", "Only on the list")
    assert await home(world, "bob") == []
    assert await ids(world, "bob", f"/api/v1/timelines/list/{chosen['id']}") == [post["id"]]


async def _friends(world: World) -> dict[str, str]:
    """bob follows alice and carol; alice posted, and boosted carol."""
    await world.follow("bob", "alice")
    await world.follow("bob", "carol")
    mine = await world.post("alice", "By alice")
    named = await world.post("alice", "@carol look at this")
    hers = await world.post("erin", "By erin")
    boost = await act(world, "alice", f"/api/v1/statuses/{hers['id']}/reblog")
    everything = [boost["id"], named["id"], mine["id"]]
    assert await home(world, "bob") == everything
    return {"mine": mine["id"], "named": named["id"], "boost": boost["id"], "hers": hers["id"]}


@pytest.mark.parametrize("verb", ["mute", "block"])
async def test_the_muted_and_blocked_vanish_at_once_also_when_boosted_or_named(world: World, verb: str) -> None:
    made = await _friends(world)
    await act(world, "bob", f"/api/v1/accounts/{world.ids['erin']}/{verb}")
    assert await ids(world, "bob", HOME) == [made["named"], made["mine"]]
    await act(world, "bob", f"/api/v1/accounts/{world.ids['carol']}/{verb}")
    assert await ids(world, "bob", HOME) == [made["mine"]]
    await act(world, "bob", f"/api/v1/accounts/{world.ids['alice']}/{verb}")
    assert await ids(world, "bob", HOME) == []
    assert await home(world, "bob") == []


async def test_who_blocks_me_vanishes_at_once(world: World) -> None:
    made = await _friends(world)
    await act(world, "erin", f"/api/v1/accounts/{world.ids['bob']}/block")
    assert await ids(world, "bob", HOME) == [made["named"], made["mine"]]


@pytest.mark.parametrize("state", ["held", "hidden_interim", "removed"])
async def test_a_status_that_is_not_published_any_more_is_gone_with_its_boosts(world: World, state: str) -> None:
    made = await _friends(world)
    async with world.instance.db.write() as tx:
        for which in ("mine", "hers"):
            await tx.execute("UPDATE statuses SET state = $2::status_state WHERE id = $1", int(made[which]), state)
    assert await ids(world, "bob", HOME) == [made["named"]]


async def test_a_deleted_status_is_gone_at_once_and_its_rows_are_cleaned(world: World) -> None:
    made = await _friends(world)
    answer = await (await world.client("alice")).delete(f"/api/v1/statuses/{made['mine']}")
    assert answer.status_code == 200
    answer = await (await world.client("erin")).delete(f"/api/v1/statuses/{made['hers']}")
    assert answer.status_code == 200
    assert await ids(world, "bob", HOME) == [made["named"]]
    assert await home(world, "bob") == [made["named"]]


async def test_a_suspended_author_is_gone_at_once_and_the_page_is_filled_up(world: World) -> None:
    await world.follow("bob", "alice")
    await world.follow("bob", "spam_sam")
    kept = [(await world.post("alice", f"Post {n}"))["id"] for n in range(5)]
    for n in range(30):
        await world.post("spam_sam", f"Buy {n}")
    await world.run_jobs()
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE accounts SET state = 'suspended' WHERE id = $1", world.ids["spam_sam"])
    assert await ids(world, "bob", HOME, limit=5) == kept[::-1]


async def test_pages_go_forwards_and_backwards_without_gaps_or_repeats(world: World) -> None:
    await world.follow("bob", "alice")
    posts = [(await world.post("alice", f"Post {n}"))["id"] for n in range(23)]
    await world.run_jobs()
    client = await world.client("bob")
    down = await walk(client, f"{HOME}?limit=5", "next")
    assert [len(page) for page in down] == [5, 5, 5, 5, 3]
    assert sum(down, []) == posts[::-1]
    up = await walk(client, f"{HOME}?limit=5&min_id={posts[0]}", "prev")
    assert [len(page) for page in up] == [5, 5, 5, 5, 2]
    assert all(page == sorted(page, key=int, reverse=True) for page in up)
    assert sum((page[::-1] for page in up), []) == posts[1:]
    assert await ids(world, "bob", HOME, since_id=posts[-4]) == posts[:-4:-1]
    assert await ids(world, "bob", HOME, since_id=posts[2], limit=2) == posts[:-3:-1]


async def test_home_takes_the_same_number_of_queries_for_few_and_many_rows(world: World) -> None:
    await world.follow("bob", "alice")
    client = await world.client("bob")
    for n in range(40):
        await world.post("alice", f"Post {n}")
    await world.run_jobs()
    await ids(world, "bob", HOME, limit=40)
    counts = []
    for limit in (3, 40):
        with world.queries() as seen:
            answer = await client.get(HOME, params={"limit": limit})
        assert len(answer.json()) == limit
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 6, counts


async def test_a_home_needs_a_token_with_the_right_scope(world: World) -> None:
    assert (await world.anonymous.get(HOME)).status_code == 401
    narrow = await world.client("bob", scopes="read:accounts")
    assert (await narrow.get(HOME)).status_code == 403


async def test_homes_are_trimmed(world: World) -> None:
    from parley.social.timelines import jobs

    await world.follow("bob", "alice")
    for n in range(30):
        await world.post("alice", f"Post {n}")
    await world.run_jobs()
    kept = await ids(world, "bob", HOME, limit=10)
    before = jobs.KEPT_ROWS
    try:
        jobs.KEPT_ROWS = -40  # rows beyond KEPT_ROWS + 50 make a home long
        async with world.instance.db.write() as tx:
            await jobs.store.delete_old_home_rows(tx, 10)
            assert await tx.fetchval("SELECT count(*) FROM home_timeline WHERE account_id = $1", world.ids["bob"]) == 30
        for n in range(40):
            await world.post("alice", f"More {n}")
        await world.run_jobs()
        kept = await ids(world, "bob", HOME, limit=10)
        async with world.instance.db.write() as tx:
            await jobs.store.delete_old_home_rows(tx, 10)
    finally:
        jobs.KEPT_ROWS = before
    assert await ids(world, "bob", HOME, limit=40) == kept


@pytest.fixture
def merged_settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, fanout_limit=1)


async def test_merge_on_read_shows_what_fan_out_shows(
    merged_settings: Settings, settings: Settings, postgres: str, template: str
) -> None:
    from tests.conftest import copied_database

    shown = []
    for chosen in (settings, merged_settings):
        async with copied_database(postgres, template) as dsn, open_world(chosen, dsn) as world:
            shown.append(await _scripted_homes(world))
    assert shown[0] == shown[1]
    assert any("alice" in line for line in shown[0]["bob"])


async def _scripted_homes(world: World) -> dict[str, list[str]]:
    """The same story in any world; returns who sees what, as words."""
    for reader in ("bob", "carol", "dan"):
        await world.follow(reader, "alice")
    await world.follow("bob", "carol")
    await act(world, "dan", f"/api/v1/accounts/{world.ids['alice']}/follow", reblogs=False, languages=["en"])
    await world.run_jobs()
    question = await world.post("carol", "carol asks", language="en")
    stranger = await world.post("erin", "erin is boosted", language="en")
    await world.run_jobs()
    await world.post("alice", "alice answers", in_reply_to_id=question["id"], language="en")
    await world.post("alice", "alice auf Deutsch", language="de")
    await world.post("alice", "@bob alice whispers", visibility="direct", language="en")
    await world.post("alice", "alice for friends", visibility="private", language="en")
    await world.run_jobs()
    await act(world, "carol", f"/api/v1/statuses/{stranger['id']}/reblog")
    await world.run_jobs()
    await act(world, "alice", f"/api/v1/statuses/{stranger['id']}/reblog")
    await act(world, "alice", f"/api/v1/statuses/{question['id']}/reblog")
    gone = await world.post("alice", "alice regrets", language="en")
    await world.run_jobs()
    await (await world.client("alice")).delete(f"/api/v1/statuses/{gone['id']}")
    await world.run_jobs()
    seen: dict[str, list[str]] = {}
    for reader in ("bob", "carol", "dan", "alice"):
        client = await world.client(reader)
        for params in ({"limit": 40}, {"limit": 40, "min_id": "1"}):
            statuses = (await client.get(HOME, params=params)).json()
            lines = [
                f"{one['account']['username']}: {one['content']} {(one['reblog'] or {}).get('content')}"
                for one in statuses
            ]
            assert seen.setdefault(reader, lines) == lines
    return seen


async def test_an_author_beyond_the_limit_is_merged_and_not_fanned_out(merged_settings: Settings, dsn: str) -> None:
    async with open_world(merged_settings, dsn) as world:
        await world.follow("bob", "alice")
        first = await world.post("alice", "Sent")
        await world.run_jobs()
        await world.follow("carol", "alice")
        await world.run_jobs()
        second = await world.post("alice", "Merged")
        await world.run_jobs()
        async with world.instance.db.read() as tx:
            rows = await tx.fetch("SELECT status_id FROM home_timeline WHERE account_id = $1", world.ids["bob"])
        assert [str(row["status_id"]) for row in rows] == [first["id"]]
        assert await ids(world, "bob", HOME) == [second["id"], first["id"]]
        assert await ids(world, "carol", HOME) == [second["id"], first["id"]]
