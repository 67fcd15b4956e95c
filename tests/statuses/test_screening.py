"""Nothing that a status can carry gets round screening, through whatever door it comes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from parley import screening
from parley.kit.clock import now, time_travel
from parley.social.statuses.actions import publish_held_status
from parley.social.statuses.jobs import publish_scheduled
from parley.social.verdicts.jobs import rescreen_degraded
from tests.conftest import World
from tests.oracle import assert_entity
from tests.statuses.cast import DOUBTFUL, LINK, STACKED, THREAT, act, ask, count, known, read, sees, upload

UNSCREENED = """
    SELECT count(*) FROM statuses s
    LEFT JOIN screening_results r ON r.id = s.screening_id AND r.subject_id = s.id AND r.revision = s.revision
    WHERE s.reblog_of_id IS NULL AND s.state IN ('published', 'limited')
        AND (r.id IS NULL OR r.ruleset <> $1 OR r.outcome NOT IN ('allow', 'allow_flag', 'limit'))
"""
UNSCREENED_REVISIONS = """
    SELECT count(*) FROM status_revisions v LEFT JOIN screening_results r ON r.id = v.screening_id
    WHERE r.id IS NULL OR r.subject_id <> v.status_id OR r.revision <> v.revision OR r.ruleset <> $1
"""


async def assert_everything_is_screened(world: World) -> None:
    """Invariant 1: every visible revision has a result of its own, under the live ruleset, that lets it be seen."""
    ruleset = screening.live_ruleset().sha256
    assert await count(world, UNSCREENED, ruleset) == 0
    assert await count(world, UNSCREENED_REVISIONS, ruleset) == 0


def poll(word: str) -> dict[str, Any]:
    return {"options": ["tea", word], "expires_in": 600}


DOORS: dict[str, Callable[[str], dict[str, Any]]] = {
    "text": lambda word: {"status": word},
    "spoiler text": lambda word: {"status": "hello", "spoiler_text": word},
    "poll option": lambda word: {"status": "what?", "poll": poll(word)},
    "direct message": lambda word: {"status": word, "visibility": "direct"},
    "followers only": lambda word: {"status": word, "visibility": "private"},
    "local only": lambda word: {"status": word, "local_only": True},
    "markdown": lambda word: {"status": f"**{word}**", "content_type": "text/markdown"},
}


@pytest.mark.parametrize("door", DOORS)
async def test_what_is_refused_is_not_stored_whatever_door_it_comes_through(world: World, door: str) -> None:
    await known(world, "alice", "bob")
    answer = await ask(world, "alice", "POST", "/statuses", json=DOORS[door](THREAT))
    assert answer.status_code == 422, answer.text
    assert "1.1" in answer.json()["error"], "the sentence names the clause"
    assert await count(world, "SELECT count(*) FROM statuses") == 0
    kept = "SELECT count(*) FROM screening_results WHERE outcome = 'reject' AND subject_type <> 'profile'"
    assert await count(world, kept) == 1, "the refusal is on record"


@pytest.mark.parametrize("door", DOORS)
async def test_what_is_held_is_seen_by_its_author_alone_whatever_door(world: World, door: str) -> None:
    await known(world, "alice", "bob")
    await world.follow("bob", "alice")
    params = DOORS[door](DOUBTFUL)
    params["status"] += " @bob #tagged"
    status = await world.post("alice", params.pop("status"), **params)
    assert_entity("Status", status)
    assert status["moderation"]["state"] == "held"
    assert status["moderation"]["sentence"]
    assert (await read(world, "alice", status["id"]))["moderation"] == status["moderation"]
    for name in (None, "bob"):
        assert not await sees(world, name, status["id"])
        for place in ("context", "history", "card", "reblogged_by", "favourited_by"):
            assert (await ask(world, name, "GET", f"/statuses/{status['id']}/{place}")).status_code == 404
        answer = await ask(world, name, "GET", f"/accounts/{await world.account('alice')}/statuses")
        assert answer.json() == []
    for verb in ("favourite", "reblog", "bookmark", "mute"):
        assert (await ask(world, "bob", "POST", f"/statuses/{status['id']}/{verb}")).status_code == 404
    answer = await ask(world, "bob", "POST", "/statuses", json={"status": "x", "quoted_status_id": status["id"]})
    assert answer.status_code == 404
    if status["poll"]:
        assert (await ask(world, "bob", "GET", f"/polls/{status['poll']['id']}")).status_code == 404
    assert await count(world, "SELECT count(*) FROM events WHERE type = 'StatusPosted'") == 0
    assert await count(world, "SELECT count(*) FROM events WHERE type = 'StatusHeld'") == 1
    assert await count(world, "SELECT count(*) FROM tags") == 0, "not even its hashtag is known"
    account = (await ask(world, None, "GET", f"/accounts/{await world.account('alice')}")).json()
    assert account["statuses_count"] == 100


async def test_words_in_media_descriptions_are_read_with_the_post(world: World) -> None:
    await known(world, "alice")
    client = await world.client("alice")
    media = await upload(world, "alice", "a picture")
    status = await world.post("alice", "hello", media_ids=[media])
    for word, code in ((THREAT, 422), (DOUBTFUL, 200)):
        answer = await client.put(
            f"/api/v1/statuses/{status['id']}",
            json={
                "status": "hello",
                "media_ids": [media],
                "media_attributes": [{"id": media, "description": word}],
            },
        )
        assert answer.status_code == code, answer.text
        shown = await read(world, None, status["id"])
        assert shown["media_attachments"][0]["description"] == "a picture"
    held = await upload(world, "alice", DOUBTFUL)
    other = await world.post("alice", "look", media_ids=[held])
    if await sees(world, "bob", other["id"]):
        assert (await read(world, "bob", other["id"]))["media_attachments"][0]["description"] is None
    await assert_everything_is_screened(world)


@pytest.mark.parametrize("door", ["text", "spoiler text", "poll option", "markdown"])
async def test_an_edit_is_screened_like_a_post(world: World, door: str) -> None:
    await known(world, "alice")
    status = await world.post("alice", "a friendly word")
    refused = await ask(world, "alice", "PUT", f"/statuses/{status['id']}", json=DOORS[door](THREAT))
    assert refused.status_code == 422
    answer = await ask(world, "alice", "PUT", f"/statuses/{status['id']}", json=DOORS[door](DOUBTFUL))
    assert answer.status_code == 200
    mine = answer.json()
    assert mine["moderation"]["state"] == "held"
    assert_entity("Status", mine)
    shown = await read(world, None, status["id"])
    assert "a friendly word" in shown["content"], "others keep seeing what was published"
    assert (shown["spoiler_text"], shown["poll"], shown["edited_at"]) == ("", None, None)
    history = (await ask(world, None, "GET", f"/statuses/{status['id']}/history")).json()
    assert len(history) == 1
    source = (await ask(world, "bob", "GET", f"/statuses/{status['id']}/source")).json()
    assert source["text"] == "a friendly word"
    await assert_everything_is_screened(world)


async def test_a_held_edit_becomes_public_when_it_is_let_through(world: World) -> None:
    await known(world, "alice", "bob")
    status = await world.post("alice", "first")
    poll_ = {"options": ["tea", DOUBTFUL], "expires_in": 600}
    await ask(world, "alice", "PUT", f"/statuses/{status['id']}", json={"status": "second @bob", "poll": poll_})
    assert "first" in (await read(world, None, status["id"]))["content"]
    async with world.instance.db.write() as tx:
        await publish_held_status(tx, int(status["id"]), revision=2)
    shown = await read(world, None, status["id"])
    assert "second" in shown["content"]
    assert [option["title"] for option in shown["poll"]["options"]] == ["tea", DOUBTFUL]
    assert [mention["acct"] for mention in shown["mentions"]] == ["bob"]
    assert "moderation" not in (await read(world, "alice", status["id"]))
    assert await count(world, "SELECT count(*) FROM events WHERE type = 'StatusEdited'") == 1


async def test_a_held_post_becomes_public_with_all_that_follows(world: World) -> None:
    await known(world, "alice", "bob")
    first = await world.post("bob", "first")
    status = await world.post("alice", f"{DOUBTFUL} #tagged", in_reply_to_id=first["id"])
    assert (await read(world, None, first["id"]))["replies_count"] == 0
    context = (await ask(world, "bob", "GET", f"/statuses/{first['id']}/context")).json()
    assert context["descendants"] == []
    async with world.instance.db.write() as tx:
        await publish_held_status(tx, int(status["id"]))
    assert (await read(world, None, first["id"]))["replies_count"] == 1
    shown = await read(world, None, status["id"])
    assert shown["edited_at"] is None
    assert await count(world, "SELECT count(*) FROM status_tags WHERE status_id = $1", int(status["id"])) == 1
    posted = "SELECT count(*) FROM events WHERE type = 'StatusPosted' AND (payload->>'status_id')::bigint = $1"
    assert await count(world, posted, int(status["id"])) == 1


async def test_rewriting_a_held_post_publishes_what_passes(world: World) -> None:
    await known(world, "alice")
    status = await world.post("alice", DOUBTFUL)
    answer = await ask(world, "alice", "PUT", f"/statuses/{status['id']}", json={"status": "take care of yourself"})
    assert "moderation" not in answer.json()
    assert "take care" in (await read(world, None, status["id"]))["content"]
    history = (await ask(world, "bob", "GET", f"/statuses/{status['id']}/history")).json()
    assert [DOUBTFUL in edit["content"] for edit in history] == [False], "the held revision stays unseen"
    await assert_everything_is_screened(world)


async def test_deleting_and_writing_anew_is_screened_again(world: World) -> None:
    await known(world, "alice")
    status = await world.post("alice", "hello")
    await ask(world, "alice", "DELETE", f"/statuses/{status['id']}")
    answer = await ask(world, "alice", "POST", "/statuses", json={"status": THREAT})
    assert answer.status_code == 422
    held = await world.post("alice", DOUBTFUL)
    deleted = await ask(world, "alice", "DELETE", f"/statuses/{held['id']}")
    assert deleted.json()["text"] == DOUBTFUL
    assert await count(world, "SELECT min(statuses_count) FROM account_stats") == 100


async def test_a_quote_is_screened_and_a_held_one_not_counted(world: World) -> None:
    await known(world, "alice", "bob")
    status = await world.post("alice", "hello")
    answer = await ask(world, "bob", "POST", "/statuses", json={"status": THREAT, "quoted_status_id": status["id"]})
    assert answer.status_code == 422
    await world.post("bob", DOUBTFUL, quoted_status_id=status["id"])
    assert (await read(world, None, status["id"]))["quotes_count"] == 0
    assert (await ask(world, "alice", "GET", f"/statuses/{status['id']}/quotes")).json() == []


async def test_a_scheduled_post_is_screened_when_it_is_posted(world: World) -> None:
    await known(world, "alice")
    at = (now() + timedelta(minutes=10)).isoformat()
    for word in (THREAT, DOUBTFUL, "a friendly word"):
        answer = await ask(world, "alice", "POST", "/statuses", json={"status": word, "scheduled_at": at})
        assert answer.status_code == 200
    with time_travel(timedelta(minutes=11)):
        await publish_scheduled(world.instance, {})
    public = (await ask(world, None, "GET", f"/accounts/{await world.account('alice')}/statuses")).json()
    assert ["a friendly word" in status["content"] for status in public] == [True]
    left = (await ask(world, "alice", "GET", "/scheduled_statuses")).json()
    assert [one["params"]["text"] for one in left] == [THREAT]
    assert "1.1" in left[0]["error"]
    assert await count(world, "SELECT count(*) FROM screening_results WHERE outcome = 'reject'") == 1
    await assert_everything_is_screened(world)


async def test_first_posts_with_links_are_held(world: World) -> None:
    status = await world.post("spam_sam", f"cheap watches {LINK}")
    assert status["moderation"]["clause"] == "8.1"
    await known(world, "alice")
    assert "moderation" not in await world.post("alice", f"see {LINK}")


async def test_a_limited_post_is_seen_by_those_who_open_it(world: World) -> None:
    await known(world, "alice")
    status = await world.post("alice", STACKED)
    assert status["moderation"]["state"] == "limited"
    assert await sees(world, None, status["id"])
    assert "moderation" not in (await read(world, "bob", status["id"]))
    assert await count(world, "SELECT count(*) FROM statuses WHERE state = 'limited'") == 1


async def test_everything_that_was_written_has_its_result(world: World) -> None:
    await known(world, "alice", "bob")
    status = await world.post("alice", "hello @bob", poll=poll("coffee"))
    await ask(world, "alice", "PUT", f"/statuses/{status['id']}", json={"status": "hello", "poll": poll("water")})
    await world.post("bob", "psst @alice", visibility="direct")
    await world.post("bob", "so true", quoted_status_id=status["id"])
    await act(world, "bob", status["id"], "reblog")
    await assert_everything_is_screened(world)
    kinds = "SELECT count(DISTINCT subject_type) FROM screening_results WHERE subject_type <> 'profile'"
    assert await count(world, kinds) == 3, "status, poll and message"


async def test_invariant_2_a_broken_judge_holds_newcomers_lets_the_trusted_through_and_judges_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await known(world, "alice")
    await world.account("spam_sam", age_days=0)
    judge = screening.judge

    def broken(*_: Any) -> Any:
        raise RuntimeError("the judge is not well")

    monkeypatch.setattr(screening, "judge", broken)
    trusted = await world.post("alice", "hello")
    threat = await world.post("alice", THREAT)
    newcomer = await world.post("spam_sam", "hello")
    spam = await world.post("spam_sam", f"watches {LINK}")
    assert await sees(world, None, trusted["id"])
    assert await sees(world, None, threat["id"]), "the declared fail mode of a trusted member is allow_flag"
    assert newcomer["moderation"]["state"] == "held"
    degraded = "SELECT count(*) FROM screening_results WHERE degraded AND rescreened_at IS NULL"
    assert await count(world, degraded) == 4
    await rescreen_degraded(world.instance, {})
    await world.run_jobs()
    assert await count(world, degraded) == 4, "still not well"
    monkeypatch.setattr(screening, "judge", judge)
    await rescreen_degraded(world.instance, {})
    await world.run_jobs()
    assert await count(world, degraded) == 0
    assert await sees(world, None, trusted["id"])
    assert await sees(world, None, newcomer["id"]), "held only for caution"
    assert not await sees(world, None, threat["id"]), "hidden until somebody decides"
    assert (await read(world, "alice", threat["id"]))["moderation"]["state"] == "hidden_interim"
    assert not await sees(world, None, spam["id"])
    assert (await read(world, "spam_sam", spam["id"]))["moderation"]["clause"] == "8.1"
    await assert_everything_is_screened(world)
    assert await count(world, "SELECT count(*) FROM screening_results WHERE detail ? 'again'") == 0
