"""What the judge is told of the setting: conduct, strangers, brigades, threads, copies. HTTP in, HTTP out."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from parley.cli import app
from parley.kit import clock
from parley.kit.errors import NotFound
from parley.safety.cases.jobs import recount_reporters
from parley.screening.signal import quiet_values
from parley.screening.signals import SIGNALS
from parley.social.accounts.standing import set_strikes
from parley.social.sessions.clusters import cluster_sign_ups
from parley.social.statuses.copies import (
    forget_recent,
    list_copies,
    mark_removed,
    store_fingerprints,
    unmark_removed,
)
from parley.social.statuses.publishing import drop_held_revision
from tests.conftest import World
from tests.statuses.cast import DOUBTFUL, THREAT, ask, count, known

SAID = "They have been lying to you about the new bridge, and the council knew it all along"
DISGUISED = "Th3y h4ve been lying to you about the n3w br1dge, and the c o u n c i l knеw it аll along #bridge"


async def signals(world: World, status: dict[str, Any]) -> dict[str, Any]:
    """What was measured of a status when it was posted; what was at rest is not stored."""
    async with world.instance.db.read() as tx:
        stored = await tx.fetchval(
            "SELECT detail -> 'signals' FROM screening_results WHERE subject_id = $1 ORDER BY id DESC LIMIT 1",
            int(status["id"]),
        )
    return {**quiet_values(SIGNALS), **stored}


def is_held(status: dict[str, Any]) -> bool:
    return status.get("moderation", {}).get("state") == "held"


async def newcomers(world: World, number: int, *, start: int = 0) -> list[str]:
    """Accounts that were made just now."""
    names = [f"new{start + n}" for n in range(number)]
    for name in names:
        await world.account(name, age_days=0.01)
    return names


async def test_a_first_contact_is_one_with_somebody_who_neither_follows_nor_wrote(world: World) -> None:
    await known(world, "alice", "bob")
    assert (await signals(world, await world.post("alice", "Hello @bob")))["context.strangers"] == 1
    await world.follow("bob", "alice")
    assert (await signals(world, await world.post("alice", "Hello @bob")))["context.strangers"] == 0
    await (await world.client("bob")).post(f"/api/v1/accounts/{world.ids['alice']}/unfollow")
    assert (await signals(world, await world.post("alice", "Hello @bob")))["account.first_contact"] is True
    await world.post("bob", "Hello back @alice")
    measured = await signals(world, await world.post("alice", "Hello @bob"))
    assert measured["account.first_contact"] is False
    assert measured["context.strangers"] == 0


async def test_who_is_answered_or_quoted_is_addressed_too(world: World) -> None:
    await known(world, "alice", "bob")
    post = await world.post("bob", "A post of mine")
    answer = await world.post("alice", "No", in_reply_to_id=post["id"])
    assert (await signals(world, answer))["context.strangers"] == 1
    quote = await world.post("alice", "Look at this", quoted_status_id=post["id"])
    assert (await signals(world, quote))["context.strangers"] == 1
    own = await world.post("alice", "And another thing", in_reply_to_id=answer["id"])
    assert (await signals(world, own))["context.strangers"] == 0


async def test_writing_again_and_again_without_an_answer_is_counted(world: World) -> None:
    await world.account("alice", age_days=10)
    await known(world, "alice", "bob")
    letters = ["Did you see it?", "Hello, are you there", "Why no answer", "I will wait", "Say something", "Well then"]
    for n, words in enumerate(letters):
        status = await world.post("alice", f"@bob {words}")
        assert (await signals(world, status))["context.unanswered"] == n
    seventh = await world.post("alice", "@bob hello?")
    async with world.instance.db.read() as tx:
        outcome = await tx.fetchval(
            "SELECT outcome::text FROM screening_results WHERE subject_id = $1", int(seventh["id"])
        )
    assert outcome == "allow_flag"


async def test_the_same_to_one_stranger_after_another_is_held(world: World) -> None:
    await world.account("alice", age_days=10)
    await known(world, "alice", "bob", "carol", "dave", "erin")
    held = [
        is_held(await world.post("alice", f"@{name} have a look at my new shop, it opened yesterday, number {n}"))
        for n, name in enumerate(["bob", "carol", "dave", "erin"])
    ]
    assert held == [False, False, False, True]


async def test_a_thread_has_depth_and_heat(world: World) -> None:
    await known(world, "alice", "bob")
    post = await world.post("alice", "What do you think?")
    last = post
    for n in range(3):
        last = await world.post("bob" if n % 2 else "alice", f"I think {n}", in_reply_to_id=last["id"])
    measured = await signals(world, last)
    assert measured["context.reply_depth"] == 3
    assert (measured["context.thread_posts"], measured["context.thread_people"]) == (3, 2)
    alone = await signals(world, await world.post("alice", "Alone"))
    assert (alone["context.reply_depth"], alone["context.thread_posts"]) == (0, 0)


async def test_speed_and_people_are_counted(world: World) -> None:
    await known(world, "alice", "bob", "carol")
    await world.post("alice", "Hello @bob and @carol")
    await world.post("alice", "Hello again @bob")
    measured = await signals(world, await world.post("alice", "Third"))
    assert measured["context.people_hour"] == 2
    assert (measured["context.posts_ten_minutes"], measured["account.posts_last_hour"]) == (2, 2)
    assert measured["context.published_month"] == 2


async def test_what_was_held_removed_and_refused_is_remembered(world: World) -> None:
    await world.account("alice", age_days=10)
    await known(world, "alice")
    client = await world.client("alice")
    removed = await world.post("alice", "To be taken down")
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE statuses SET state = 'removed' WHERE id = $1", int(removed["id"]))
    assert is_held(await world.post("alice", f"Go and {DOUBTFUL}"))
    for _ in range(3):
        assert (await client.post("/api/v1/statuses", json={"status": THREAT})).status_code == 422
    refused = await world.post("alice", "Let us see whether this works now")
    measured = await signals(world, refused)
    assert measured["context.removed_month"] == 1
    assert measured["context.held_month"] == 1
    assert (measured["context.refused_month"], measured["context.refused_hour"]) == (3, 3)
    assert is_held(refused), "after three refusals within the hour a moderator looks first"


async def test_strikes_reach_the_judge_and_cost_trust(world: World) -> None:
    await world.account("alice", age_days=400)
    await known(world, "alice")
    assert (await signals(world, await world.post("alice", "Before")))["account.trust"] == "trusted"
    async with world.instance.db.write() as tx:
        await set_strikes(tx, world.ids["alice"], 2)
    measured = await signals(world, await world.post("alice", "After"))
    assert (measured["account.strikes"], measured["account.trust"]) == (2, "known")


async def test_reports_are_counted_by_reporter_and_forgotten_after_a_week(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam = await world.account("spam_sam", age_days=0.01)
    for name in ("alice", "alice", "bob", "carol"):
        answer = await (await world.client(name)).post("/api/v1/reports", json={"account_id": str(sam)})
        assert answer.status_code == 200
    await world.run_jobs()
    measured = await signals(world, await world.post("spam_sam", "Hello there"))
    assert measured["context.reporters_week"] == 3
    later = clock.now() + timedelta(days=8)
    monkeypatch.setattr("parley.safety.cases.jobs.now", lambda: later)
    await recount_reporters(world.instance, {})
    assert (await signals(world, await world.post("spam_sam", "Hello again")))["context.reporters_week"] == 0


async def test_a_brigade_is_seen_and_its_copies_are_held(world: World) -> None:
    await known(world, "alice")
    names = await newcomers(world, 7)
    held = []
    for n, name in enumerate(names):
        status = await world.post(name, f"@alice {SAID if n % 2 else DISGUISED}")
        held.append(is_held(status))
    assert held[:4] == [False] * 4, "a few people who say the same are no brigade"
    assert held[5:] == [True, True]
    last = await signals(world, status)
    assert last["context.strangers_at_target_hour"] == 6
    assert last["copies.seen_hour_accounts"] == 6
    await known(world, "bob")
    await world.follow("alice", "bob")
    assert not is_held(await world.post("bob", "@alice hold on, we are with you"))


async def test_a_brigade_is_forgotten_after_a_day_and_held_posts_count(world: World) -> None:
    await known(world, "alice")
    for name in await newcomers(world, 2):
        await world.post(name, f"@alice {DOUBTFUL}")
    assert await count(world, "SELECT count(*) FROM stranger_mentions") == 2
    await forget_recent(world.instance, {})
    assert await count(world, "SELECT count(*) FROM stranger_mentions") == 2
    async with world.instance.db.write() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        await tx.execute("UPDATE stranger_mentions SET status_id = status_id - (25 * 3600 * 1000::bigint << 16)")
    await forget_recent(world.instance, {})
    assert await count(world, "SELECT count(*) FROM stranger_mentions") == 0


async def test_what_was_said_hours_ago_counts_no_more_and_stays_found(world: World) -> None:
    await known(world, "alice", "bob", "mod_mia")
    first = await world.post("alice", SAID)
    assert (await signals(world, await world.post("bob", SAID)))["copies.seen_hour_accounts"] == 1
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE recent_numbers SET status_id = status_id - (61 * 60 * 1000::bigint << 16)")
    later = await world.post("bob", SAID)
    assert (await signals(world, later))["copies.seen_hour_accounts"] == 0
    async with world.instance.db.write() as tx:
        await tx.execute("DELETE FROM recent_numbers WHERE status_id = $1", int(later["id"]))
    await store_fingerprints(world.instance, {})
    await forget_recent(world.instance, {})
    assert await count(world, "SELECT count(*) FROM recent_numbers") == 0
    assert await count(world, "SELECT count(*) FROM fingerprint_queue") == 0
    async with world.instance.db.read() as tx:
        assert len(await list_copies(tx, viewer_of(world, "mod_mia", "moderator"), int(first["id"]))) == 2


async def test_accounts_that_signed_up_alike_are_a_cluster(world: World) -> None:
    await known(world, "alice")
    names = await newcomers(world, 4)
    async with world.instance.db.write() as tx:
        for n, name in enumerate(names):
            await tx.execute(
                "UPDATE users SET sign_up_address = $2::text::inet, email = $3 WHERE account_id = $1",
                world.ids[name],
                f"203.0.113.{n + 1}",
                f"promo{n}@gmail.com",
            )
        await tx.execute(
            "UPDATE users SET sign_up_address = '198.51.100.7', created_at = now() - interval '3 hours' "
            "WHERE account_id = $1",
            world.ids["alice"],
        )
    await cluster_sign_ups(world.instance, {})
    assert (await signals(world, await world.post("new0", "Hello")))["context.cluster_size"] == 4
    assert (await signals(world, await world.post("alice", "Hello")))["context.cluster_size"] == 1
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE users SET email = account_id || '@gmail.com', sign_up_address = NULL")
    await cluster_sign_ups(world.instance, {})
    assert (await signals(world, await world.post("new0", "Hello")))["context.cluster_size"] == 1


async def test_copies_are_found_for_moderators_alone_whatever_was_done_to_them(world: World) -> None:
    await known(world, "alice", "bob", "carol", "dave", "mod_mia")
    first = await world.post("alice", SAID)
    plain = await world.post("bob", SAID)
    disguised = await world.post("carol", DISGUISED)
    edited = await world.post("dave", SAID.replace("bridge", "tunnel"))
    letter = await world.post("dave", f"@bob {SAID}", visibility="direct")
    await world.post("dave", "Something else that nobody would take for it, about the weather and the trains today")
    await world.run_jobs()
    viewer = viewer_of(world, "mod_mia", "moderator")
    async with world.instance.db.read() as tx:
        copies = await list_copies(tx, viewer, int(first["id"]))
        found = {str(copy.id): copy for copy in copies}
        assert set(found) == {plain["id"], disguised["id"], edited["id"], letter["id"]}
        assert found[plain["id"]].difference == 0
        assert 0 < found[edited["id"]].difference < 0.3
        assert found[letter["id"]].text is None, "letters are found, and not shown"
        assert found[plain["id"]].text == SAID
        assert [str(copy.id) for copy in await list_copies(tx, viewer, int(first["id"]), distance=0)][-1] != edited[
            "id"
        ]
        with pytest.raises(NotFound):
            await list_copies(tx, viewer_of(world, "alice", "member"), int(first["id"]))
        with pytest.raises(NotFound):
            await list_copies(tx, viewer, 1)


async def test_the_command_lists_copies(world: World, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await known(world, "alice", "bob")
    first = await world.post("alice", SAID)
    second = await world.post("bob", DISGUISED)
    await world.run_jobs()
    monkeypatch.setenv("PARLEY_DATABASE_URL", dsn)
    monkeypatch.setenv("PARLEY_DATA_DIR", str(world.settings.data_dir))

    async def run(*arguments: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, app, ["copies", *arguments])

    address = f"{world.settings.base_url}/@alice/{first['id']}"
    answer = await run(address, "--json")
    assert answer.exit_code == 0, answer.output
    data = json.loads(answer.stdout)
    assert data["status_id"] == first["id"]
    assert [(copy["id"], copy["account"], copy["state"]) for copy in data["copies"]] == [
        (second["id"], "bob", "published")
    ]
    assert data["copies"][0]["url"] == f"{world.settings.base_url}/@bob/{second['id']}"
    assert second["id"] in (await run(first["id"])).stdout
    for wrong in ("https://elsewhere.example/@alice/1", "nonsense", "1"):
        answer = await run(wrong)
        assert answer.exit_code == 1
        assert answer.stdout == ""


def viewer_of(world: World, name: str, role: str) -> Any:
    from parley.social.accounts.views import Viewer

    return Viewer(account_id=world.ids[name], username=name, role=role)


async def test_what_was_removed_is_held_when_it_comes_again_until_that_is_reversed(world: World) -> None:
    await known(world, "alice", "bob")
    status = await world.post("alice", SAID)
    async with world.instance.db.write() as tx:
        assert await mark_removed(tx, int(status["id"]), 1, clause="8.3")
    again = await world.post("bob", f"@alice {DISGUISED}")
    assert is_held(again)
    assert again["moderation"]["clause"] == "8.3"
    measured = await signals(world, again)
    assert measured["copies.removed_before"] is True
    assert measured["copies.removed_clause"] == "8.3"
    assert not is_held(await world.post("bob", "They have been building the new bridge, and the council likes it"))
    async with world.instance.db.write() as tx:
        await unmark_removed(tx, int(status["id"]))
    assert not is_held(await world.post("bob", SAID))


async def test_an_edit_into_something_that_was_removed_is_held(world: World) -> None:
    await known(world, "alice", "bob")
    status = await world.post("alice", SAID)
    async with world.instance.db.write() as tx:
        await mark_removed(tx, int(status["id"]), 1, clause="8.3")
    harmless = await world.post("bob", "A harmless thing")
    answer = await ask(world, "bob", "PUT", f"/statuses/{harmless['id']}", json={"status": DISGUISED})
    assert answer.status_code == 200
    assert (await ask(world, "alice", "GET", f"/statuses/{harmless['id']}")).json()[
        "content"
    ] == "<p>A harmless thing</p>"


async def test_a_refused_edit_is_remembered_as_removed(world: World) -> None:
    await known(world, "alice", "bob")
    text = f"{SAID}, so go and {DOUBTFUL}"
    status = await world.post("alice", "A harmless thing")
    await ask(world, "alice", "PUT", f"/statuses/{status['id']}", json={"status": text})
    async with world.instance.db.write() as tx:
        await drop_held_revision(tx, int(status["id"]), 2)
    await world.run_jobs()
    again = await world.post("bob", text)
    assert (await signals(world, again))["copies.removed_before"] is True


async def test_the_fingerprint_follows_the_newest_text(world: World) -> None:
    await known(world, "alice", "bob", "mod_mia")
    first = await world.post("alice", SAID)
    second = await world.post("bob", SAID)
    await store_fingerprints(world.instance, {})
    other = "Something else that nobody would take for it, about the weather and the trains today"
    viewer = viewer_of(world, "mod_mia", "moderator")

    async def copies() -> list[str]:
        async with world.instance.db.read() as tx:
            return [str(copy.id) for copy in await list_copies(tx, viewer, int(first["id"]))]

    assert await copies() == [second["id"]]
    for text, found in ((other, []), (DISGUISED, [second["id"]]), ("", [])):
        await ask(world, "bob", "PUT", f"/statuses/{second['id']}", json={"status": text, "spoiler_text": "!"})
        assert await copies() == found, "as soon as it is edited"
        await world.run_jobs()
        await store_fingerprints(world.instance, {})
        async with world.instance.db.write() as tx:
            await tx.execute("DELETE FROM recent_numbers")
        assert await copies() == found, "and for good"
