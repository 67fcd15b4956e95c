"""Notices on their way: what they resolve to, their clocks, orders of authorities, and invariant 6."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from parley.kit.clock import now, time_travel
from parley.safety.clocks.jobs import watch_clocks
from parley.safety.log.views import Actor, human, system
from parley.safety.notices.actions import file_bulk_notice, file_notice
from parley.safety.notices.reads import get_notice, list_ledger, load_ledgers
from parley.safety.notices.responses import respond_to_notice
from parley.safety.notices.views import NewNotice
from tests.abuse.hosts import a_host, a_moderator, decide_about, mails_to
from tests.conftest import World
from tests.media.helpers import processed
from tests.media.samples import jpeg


async def take(world: World, *urls: str, **values: Any) -> int:
    """A notice of a host that came in somehow."""
    new = NewNotice(**{"source": "provider_notice", "channel": "api", "urls": urls, "verified": True, **values})
    async with world.instance.db.write() as tx:
        return await file_notice(tx, world.settings, Actor("public"), new)


async def ledger(world: World, notice_id: int) -> list[Any]:
    """The ledger without copies."""
    async with world.instance.db.read() as tx:
        return (await load_ledgers(tx, [notice_id]))[notice_id]


async def test_a_file_leads_to_every_status_that_carries_it(world: World) -> None:
    media = await processed(world, jpeg())
    status = await world.post("alice", "look", media_ids=[media["id"]])
    notice_id = await take(
        world,
        media["url"],
        media["preview_url"],
        f"{world.settings.base_url}/api/v1/media/{media['id']}",
    )
    for line in await ledger(world, notice_id):
        assert line.found == "media"
        assert [(one.subject.type, str(one.subject.id)) for one in line.subjects] == [("status", status["id"])]


async def test_a_deleted_posts_file_is_still_known(world: World) -> None:
    media = await processed(world, jpeg())
    status = await world.post("alice", "look", media_ids=[media["id"]])
    first = await take(world, status["url"])
    alice = await world.client("alice")
    assert (await alice.delete(f"/api/v1/statuses/{status['id']}?delete_media=true")).status_code == 200
    await world.run_jobs()
    [line] = await ledger(world, await take(world, media["url"]))
    assert line.found == "gone"
    assert [str(one.subject.id) for one in line.subjects] == [status["id"]]
    assert (await ledger(world, first))[0].outcome == "gone"


async def test_a_boost_leads_to_what_it_boosts_and_a_picture_of_a_profile_to_the_profile(world: World) -> None:
    status = await world.post("alice", "words")
    bob = await world.client("bob")
    boost = (await bob.post(f"/api/v1/statuses/{status['id']}/reblog")).json()
    answer = await bob.patch("/api/v1/accounts/update_credentials", files={"avatar": ("a.jpg", jpeg(), "image/jpeg")})
    assert answer.status_code == 200, answer.text
    boosted, avatar = await ledger(
        world, await take(world, f"{world.settings.base_url}/@bob/{boost['id']}", answer.json()["avatar"])
    )
    assert [str(one.subject.id) for one in boosted.subjects] == [status["id"]]
    assert (avatar.found, avatar.subjects[0].subject.type) == ("profile", "profile")
    assert avatar.subjects[0].account_id == await world.account("bob")


async def test_several_accounts_of_one_notice_get_a_case_each(world: World) -> None:
    one, other = await world.post("alice", "words"), await world.post("bob", "other words")
    mia = await a_moderator(world)
    notice_id = await take(world, one["url"], other["url"], one["url"], harms=("harm:hate",))
    async with world.instance.db.read() as tx:
        notice = await get_notice(tx, mia, notice_id)
        reports = await tx.fetch("SELECT source, clause, notice_id FROM reports ORDER BY id")
    assert len(notice.case_ids) == 2
    assert [tuple(row) for row in reports] == [("provider_notice", "2.1", notice_id)] * 2
    assert len(await ledger(world, notice_id)) == 2  # the same URL is one line


async def test_the_clocks_of_a_notice_are_those_of_the_policy(world: World) -> None:
    status = await world.post("alice", "words")
    notice_id = await take(world, status["url"])
    order_id = await take(world, status["url"], source="authority_order", order_kind="removal", authority="Police")
    async with world.instance.db.read() as tx:
        rows = await tx.fetch(
            "SELECT notice_id, kind, state, due_at - started_at AS span FROM sla_clocks WHERE notice_id > 0"
        )
        spans = {(row["notice_id"], row["kind"]): (row["span"], row["state"]) for row in rows}
        subjects = await tx.fetch("SELECT kind, due_at - started_at AS span FROM sla_clocks WHERE case_subject_id > 0")
    assert spans[notice_id, "acknowledge"] == (timedelta(minutes=15), "met")
    assert spans[notice_id, "resolve"] == (timedelta(hours=24), "running")
    assert spans[order_id, "resolve"] == (timedelta(hours=1), "running")
    assert ("first_action", timedelta(hours=4)) in {(row["kind"], row["span"]) for row in subjects}


async def test_invariant_6_every_url_of_a_provider_has_an_outcome_in_time_or_a_breach_and_an_interim_measure(
    world: World,
) -> None:
    mia = await a_moderator(world)
    await a_moderator(world, "olga", "owner")
    decided, neglected = await world.post("alice", "one thing"), await world.post("bob", "quite another thing")
    host = await a_host(world)
    urls = [decided["url"], neglected["url"], "https://elsewhere.example/x", f"{world.settings.base_url}/@nobody"]
    sent = (await host.send({"urls": urls})).json()
    await decide_about(world, mia, decided["id"], "no_action")
    await world.run_jobs()
    with time_travel(timedelta(hours=4, minutes=1)):
        await watch_clocks(world.instance, {})
        await world.run_jobs()
        first = await host.ask(sent["id"])
        assert [line["outcome"] for line in first["urls"]] == ["kept", "hidden", "not_ours", "unknown"]
        assert (first["status"], first["reason"]) == ("PROCESSING", "interim_measures")
        assert (await world.anonymous.get(f"/api/v1/statuses/{neglected['id']}")).status_code == 404
    with time_travel(timedelta(hours=24, minutes=1)):
        await watch_clocks(world.instance, {})
        await world.run_jobs()
        async with world.instance.db.read() as tx:
            breached = await tx.fetchval("SELECT count(*) FROM moderation_events WHERE type = 'clock_breached'")
            states = await tx.fetch(
                "SELECT state FROM sla_clocks WHERE notice_id = $1 AND kind = 'resolve'", int(sent["id"])
            )
        assert breached
        assert [row["state"] for row in states] == ["breached"]
        report = await host.ask(sent["id"])
        for line in report["urls"]:
            acted = line["outcome"] != "waiting"
            assert acted, line
        await decide_about(world, mia, neglected["id"], "remove")
        await world.run_jobs()
        done = await host.ask(sent["id"])
        assert (done["status"], done["reason"]) == ("COMPLETED", "action_taken_partly")
        assert done["urls"][1]["in_time"] is True  # it was hidden in time


async def test_an_order_to_preserve_holds_the_account_at_once_and_is_answered(world: World) -> None:
    status = await world.post("spam_sam", "words")
    sam = await world.account("spam_sam")
    host = await a_host(world, "Landeskriminalamt", kind="authority", contact_mail="order@police.example")
    sent = await host.send(
        {"urls": [status["url"]], "order": "preservation", "reference": "AZ 1/26", "basis": "18 USC 2703(f)"}
    )
    assert sent.status_code == 202, sent.text
    assert (sent.json()["status"], sent.json()["reason"]) == ("COMPLETED", "preserved")
    assert sent.json()["urls"][0]["outcome"] == "preserved"
    async with world.instance.db.read() as tx:
        hold = await tx.fetchrow(
            "SELECT h.state, h.kind, h.ends_at FROM legal_holds h JOIN legal_hold_subjects s ON s.hold_id = h.id "
            "WHERE s.subject_type = 'account' AND s.subject_id = $1",
            sam,
        )
        asked = await tx.fetchrow("SELECT kind, state, authority FROM legal_requests")
        cases = await tx.fetchval("SELECT count(*) FROM cases")
    assert (hold["state"], hold["kind"]) == ("active", "preservation")
    assert hold["ends_at"] > now() + timedelta(days=80)
    assert tuple(asked) == ("preservation", "answered", "Landeskriminalamt")
    assert cases == 0
    await world.run_jobs()
    [mail] = mails_to(world, "order@police.example")
    assert "AZ 1/26" in mail["Subject"]


async def test_an_order_to_remove_has_an_hour_and_hides_before_it_is_over(world: World) -> None:
    await a_moderator(world, "olga", "owner")
    status = await world.post("spam_sam", "words")
    async with world.instance.db.write() as tx:
        new = NewNotice(
            source="authority_order",
            channel="shell",
            urls=(status["url"],),
            authority="BKA",
            order_kind="removal",
            verified=True,
            basis="TCO",
        )
        notice_id = await file_notice(tx, world.settings, system("shell"), new)
        due = await tx.fetchval("SELECT due_at - received_at FROM notices WHERE id = $1", notice_id)
        kind = await tx.fetchval("SELECT kind FROM legal_requests WHERE notice_id = $1", notice_id)
    assert due == timedelta(hours=1)
    assert kind == "removal_order"
    with time_travel(timedelta(minutes=59)):
        await watch_clocks(world.instance, {})
        await world.run_jobs()
        assert (await world.anonymous.get(f"/api/v1/statuses/{status['id']}")).status_code == 404
        assert (await ledger(world, notice_id))[0].outcome == "hidden"


async def test_copies_that_say_the_same_are_counted_for_the_host(world: World) -> None:
    text = "The very same long sentence about gathering at the old mill on the hill tomorrow morning with all friends"
    status = await world.post("alice", text)
    await world.post("bob", text + "!")
    await world.run_jobs()
    mia = await a_moderator(world)
    notice_id = await take(world, status["url"])
    async with world.instance.db.read() as tx:
        [line] = await list_ledger(tx, mia, notice_id)
    assert (line.copies_found, line.copies_acted) == (1, 0)


async def test_a_moderator_files_a_list_and_answers_in_words(world: World) -> None:
    mia = await a_moderator(world)
    status = await world.post("spam_sam", "words")
    async with world.instance.db.write() as tx:
        new = NewNotice(
            source="provider_notice", channel="desk", reference="by telephone", answer_to="noc@host.example"
        )
        notice_id = await file_bulk_notice(tx, world.settings, mia, [status["url"], "https://x.example/y"], new=new)
    from parley.kit.errors import Conflict

    with pytest.raises(Conflict, match="wait for a decision"):
        async with world.instance.db.write() as tx:
            await respond_to_notice(tx, world.settings, mia, notice_id, "Soon.")
    await decide_about(world, mia, status["id"], "remove")
    await world.run_jobs()
    async with world.instance.db.write() as tx:
        await respond_to_notice(tx, world.settings, mia, notice_id, "The account is watched from now on.")
    await world.run_jobs()
    first, second = mails_to(world, "noc@host.example")
    assert "by telephone" in first["Subject"]
    assert "The account is watched from now on." in second.get_body(("plain",)).get_content()
    async with world.instance.db.read() as tx:
        contents = [
            json.loads(row[0]) for row in await tx.fetch("SELECT contents FROM provider_responses ORDER BY number")
        ]
    assert [one["words"] for one in contents] == ["", "The account is watched from now on."]


async def test_what_a_notice_did_stands_in_the_log_without_what_people_wrote(world: World) -> None:
    status = await world.post("spam_sam", "words")
    await take(
        world,
        status["url"],
        reporter_name="Ann Secret",
        reporter_mail="ann@people.example",
        answer_to="ann@people.example",
        statement="a very private statement",
        subject="private subject",
    )
    async with world.instance.db.read() as tx:
        bodies = "".join(row[0] for row in await tx.fetch("SELECT body FROM moderation_events"))
        types = [row[0] for row in await tx.fetch("SELECT type FROM moderation_events WHERE type <> 'row_changed'")]
    assert "notice_received" in types
    for secret in ("Ann Secret", "ann@people.example", "private statement", "private subject"):
        assert secret not in bodies


async def test_who_wrote_a_public_notice_is_forgotten_when_nobody_can_appeal_any_more(world: World) -> None:
    from parley.safety.notices.jobs import forget_notice_senders
    from parley.safety.notices.keeping import keep_raw, raw_name

    mia = await a_moderator(world)
    raw = await keep_raw(world.instance, b"a raw message", provider_id=None)
    notice_id = await take(
        world,
        "https://elsewhere.example/x",
        source="public_notice",
        raw=raw,
        reporter_name="Ann",
        reporter_mail="ann@people.example",
        answer_to="ann@people.example",
    )
    await world.run_jobs()
    await forget_notice_senders(world.instance, {})
    async with world.instance.db.read() as tx:
        assert (await get_notice(tx, mia, notice_id)).reporter_mail == "ann@people.example"
    with time_travel(timedelta(days=200)):
        await forget_notice_senders(world.instance, {})
    async with world.instance.db.read() as tx:
        notice = await get_notice(tx, mia, notice_id)
    assert (notice.reporter_name, notice.reporter_mail, notice.answer_to) == ("", "", "")
    assert not await world.instance.files.evidence.exists(raw_name(raw.sha256))
    assert human(mia).id == mia.account_id


async def test_nobody_but_the_staff_reads_notices(world: World) -> None:
    from parley.kit.errors import NotFound
    from parley.safety.notices.reads import count_notices, list_notices
    from parley.social.accounts.views import Viewer

    alice = Viewer(account_id=await world.account("alice"), username="alice")
    notice_id = await take(world, "https://elsewhere.example/x")
    async with world.instance.db.read() as tx:
        for read in (
            get_notice(tx, alice, notice_id),
            list_ledger(tx, alice, notice_id),
            list_ledger(tx, None, notice_id),
            list_notices(tx, alice),
            count_notices(tx, alice),
        ):
            with pytest.raises(NotFound):
                await read


async def test_a_stranger_learns_nothing_of_what_not_everybody_can_see(world: World) -> None:
    mia = await a_moderator(world)
    seen = await world.post("alice", "for everybody")
    private = await world.post("alice", "for followers", visibility="private")
    deleted = await world.post("alice", "soon gone")
    removed = await world.post("alice", "soon removed")
    await (await world.client("alice")).delete(f"/api/v1/statuses/{deleted['id']}")
    await decide_about(world, mia, removed["id"], "remove")
    urls = [one["url"] for one in (seen, private, deleted, removed)] + [f"{world.settings.base_url}/@alice/12345"]
    lines = await ledger(world, await take(world, *urls, source="public_notice", channel="form"))
    assert [line.outcome for line in lines] == ["waiting", "unknown", "unknown", "unknown", "unknown"]
    assert [bool(line.subjects) for line in lines] == [True, False, False, False, False]
    async with world.instance.db.read() as tx:  # the moderators look at all the same
        rows = await tx.fetch("SELECT subject_id FROM case_subjects WHERE source = 'public_notice'")
    assert {int(private["id"]), int(deleted["id"])} <= {row[0] for row in rows}
    of_host = await ledger(world, await take(world, *urls))
    assert [line.found for line in of_host] == ["status", "status", "gone", "status", "unknown"]
