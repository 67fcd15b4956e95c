"""Members whom a new entry of the banks of sign-up means come before the moderators by themselves, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from parley.kit.clock import now, time_travel
from parley.kit.paging import Page
from parley.safety.cases.views import CaseView
from parley.safety.decisions.views import NewAction
from parley.safety.sweeps import jobs, members
from parley.safety.sweeps.jobs import look_at_members
from parley.safety.sweeps.reads import get_member_sweep, list_member_sweeps
from parley.safety.sweeps.views import MemberSweepView
from parley.screening.extending import BankItem
from parley.social.policies.actions import activate_policy, approve_policy, propose_policy
from parley.social.policies.bank_actions import add_entry, import_entries, remove_entry
from parley.social.policies.live import load_live
from parley.social.policies.views import NewEntry
from parley.social.sessions.members import approve_account
from parley.social.sessions.reads import list_pending
from tests.conftest import World
from tests.policies.conftest import small, staff
from tests.safety.auditing import assert_audit_holds
from tests.safety.cases.desk import case_of, events, rows, value, view
from tests.safety.decisions.deciding import account, decided
from tests.sessions.pages import mails, sign_in

BAD = "throwaway.example"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "SETTLE", timedelta())


async def member(world: World, name: str, email: str = "", *, state: str = "active", address: str = "") -> int:
    """Somebody who is here, with that mail address."""
    account_id = await world.account(name)
    async with world.instance.db.write() as tx:
        await tx.execute(
            "UPDATE users SET email = $2, sign_up_address = nullif($3, '')::inet WHERE account_id = $1",
            account_id,
            email or f"{name}@{BAD}",
            address,
        )
        await tx.execute("UPDATE accounts SET state = $2::account_state WHERE id = $1", account_id, state)
    return account_id


def item(bank: str = "emails", **more: Any) -> NewEntry:
    what: Any = {"names": {"patterns": ("^support[0-9]*$",)}, "addresses": {"items": ("198.51.100.0/24",)}}
    given: Any = {"bank": bank, "name": "entry", "tier": "hold", "clause": "7.3", **what.get(bank, {"items": (BAD,)})}
    return NewEntry(item=BankItem(**{**given, **more}))


async def add(world: World, bank: str = "emails", *, look: bool = True, **more: Any) -> None:
    """Add an entry as a moderator, and let the worker do what follows."""
    async with world.instance.db.write() as tx:
        await add_entry(tx, await staff(world, "mod_mia", "moderator"), item(bank, **more), world.settings)
    await load_live(world.instance.db, world.settings)
    if look:
        await world.run_jobs()


async def remove(world: World, bank: str = "emails", name: str = "entry") -> None:
    async with world.instance.db.write() as tx:
        await remove_entry(tx, await staff(world, "mod_mia", "moderator"), bank, name)
    await load_live(world.instance.db, world.settings)
    await world.run_jobs()


async def sweeps(world: World) -> list[MemberSweepView]:
    async with world.instance.db.read() as tx:
        return await list_member_sweeps(tx)


async def cases(world: World) -> list[tuple[int, str]]:
    return [tuple(row) for row in await rows(world, "SELECT account_id, state FROM cases ORDER BY account_id")]


async def test_members_of_a_new_entry_come_before_the_moderators_with_the_reason_and_nothing_is_done_to_them(
    ruled: World,
) -> None:
    eve = await member(ruled, "early_eve", f"eve.private@mx.{BAD}")
    sam = await member(ruled, "support24", "s@mail.example", address="198.51.100.77")
    await member(ruled, "bob", "bob@mail.example")
    await add(ruled, name="throwaway", title="Mailboxes for ten minutes")
    await add(ruled, "addresses", name="botnet")
    await add(ruled, "names", name="helpers", tier="reject")
    assert await cases(ruled) == [(eve, "open"), (sam, "open")], "one case for each, however many entries"
    case: CaseView = await view(ruled, await case_of(ruled, "early_eve"))
    (report,) = case.reports
    said = (
        "Its mail address is what the entry own:throwaway of the bank emails means (hold, rule 7.3: Mailboxes for ten "
        "minutes). The account was here before the entry; nothing was done to it."
    )
    assert (report.comment, report.source, report.clause) == (said, "automated", "7.3")
    assert [(one.type, one.id, one.clause, one.state_now) for one in case.subjects] == [
        ("account", eve, "7.3", "active")
    ]
    both = await view(ruled, await case_of(ruled, "support24"))
    assert len(both.subjects) == 1
    assert sorted(one.comment.partition(" is what the entry ")[0] for one in both.reports) == [
        "Its network address",
        "Its user name",
    ]
    assert (await events(ruled, both.case.id)).count("case_opened") == 1
    desk = await sign_in(ruled, "mod_mia")
    page = await desk.get(f"/desk/cases/{case.case.id}")
    assert page.status_code == 200
    assert "the entry own:throwaway of the bank emails" in page.text
    assert await value(ruled, "SELECT count(*) FROM decisions") == 0
    assert (
        await (await ruled.client("early_eve")).post("/api/v1/statuses", json={"status": "hello"})
    ).status_code == 200
    stored = str(await rows(ruled, "SELECT comment, evidence::text FROM reports"))
    stored += str(await rows(ruled, "SELECT body FROM moderation_events"))
    stored += str(await rows(ruled, "SELECT payload::text FROM events"))
    for private in ("eve.private", "s@mail", "198.51.100"):
        assert private not in stored
    await assert_audit_holds(ruled)


async def test_the_plan_says_how_far_it_is_and_whom_each_entry_means(ruled: World) -> None:
    await member(ruled, "early_eve")
    await add(ruled, name="first", look=False)
    await add(ruled, name="second", look=False, tier="flag", items=("nobody.example",))
    for _ in range(2):
        await jobs.plan_sweep_over_members(ruled.instance, {})
    (planned,) = await sweeps(ruled)
    assert (planned.state, planned.entries, planned.looked) == ("planned", 2, 0), "what comes together is one sweep"
    await ruled.run_jobs()
    (done,) = await sweeps(ruled)
    assert (done.state, done.looked, done.meant, done.opened, done.left_out) == ("completed", done.members, 1, 1, 0)
    assert [(one.entry, one.meant, one.opened) for one in done.counts] == [("own:first", 1, 1)]
    told = await rows(ruled, 'SELECT type FROM moderation_events WHERE body LIKE \'%"scope":"members"%\' ORDER BY seq')
    assert [row[0] for row in told] == ["sweep_planned", "sweep_completed"]


async def test_an_entry_that_comes_back_opens_no_second_case_and_none_that_was_decided(ruled: World) -> None:
    eve = await member(ruled, "early_eve")
    await add(ruled)
    await remove(ruled)
    await member(ruled, "late_lou")
    await add(ruled)
    assert await cases(ruled) == [(eve, "open"), (ruled.ids["late_lou"], "open")]
    assert await value(ruled, "SELECT count(*) FROM reports") == 2
    case_id = await case_of(ruled, "early_eve")
    await decided(ruled, eve, NewAction("no_action", account(eve)), clause="7.3", case_id=case_id)
    await ruled.run_jobs()
    await remove(ruled)
    await add(ruled, tier="reject")
    async with ruled.instance.db.write() as tx:  # as a job that is run again
        await tx.execute("UPDATE member_sweeps SET ended_at = NULL, cursor = 0")
    for sweep in await sweeps(ruled):
        await look_at_members(ruled.instance, {"sweep_id": sweep.id})
    assert await cases(ruled) == [(eve, "closed"), (ruled.ids["late_lou"], "open")]
    await add(ruled, "names", name="eves", patterns=("^early_",))
    assert (eve, "open") in await cases(ruled), "another entry is another reason"


async def test_an_entry_that_means_very_many_stops_and_says_so(
    ruled: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(members, "MOST_OF_ENTRY", 3)
    monkeypatch.setattr(members, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(members, "PAGE", 4)
    await ruled.account("ada", role="admin")
    crowd = [await member(ruled, f"crowd{number}") for number in range(6)]
    await member(ruled, "support7", "other@mail.example")
    async with ruled.instance.db.write() as tx:
        mia = await staff(ruled, "mod_mia", "moderator")
        await import_entries(tx, mia, "emails", [item(name="wide")], ruled.settings, source="a list")
        await add_entry(tx, mia, item("names", name="helpers"), ruled.settings)
    await ruled.run_jobs()
    assert [one for one, _ in await cases(ruled)] == [*crowd[:3], ruled.ids["support7"]], (
        "it stops for that entry alone"
    )
    (done,) = await sweeps(ruled)
    assert (done.meant, done.opened, done.left_out) == (7, 4, 3)
    assert [(one.entry, one.meant, one.opened, one.left_out) for one in done.counts] == [
        ("own:wide", 6, 3, 3),
        ("own:helpers", 1, 1, 0),
    ]
    assert "3 more are meant than come before the moderators" in caplog.text
    (letter,) = [one for one in mails(ruled.settings) if "A bank means many" in str(one["Subject"])]
    assert letter["To"] == "ada@example.org"
    assert "own:wide of the bank emails: 6 members, 3 of them before the moderators" in letter.get_content()
    assert BAD not in letter.get_content()
    await remove(ruled, name="wide")
    await add(ruled, name="wide")
    assert len(await cases(ruled)) == 7, "whoever wants the next ones takes it out and in again"


async def test_whom_a_process_let_in_before_it_heard_of_the_entry_is_found_too(ruled: World) -> None:
    await member(ruled, "early_eve")
    await add(ruled, look=False)
    await jobs.plan_sweep_over_members(ruled.instance, {})
    late = await member(ruled, "late_lou")
    await ruled.run_jobs()
    assert (late, "open") in await cases(ruled)


async def test_all_that_is_new_together_has_a_bound(ruled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "MOST_OF_SWEEP", 2)
    for number in range(3):
        await member(ruled, f"crowd{number}")
    await add(ruled)
    assert len(await cases(ruled)) == 2
    assert (await sweeps(ruled))[0].left_out == 1


async def test_a_worker_that_is_killed_goes_on_where_it_was(ruled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "PAGE", 2)
    monkeypatch.setattr(members, "MOST_AT_ONCE", 2)
    crowd = [await member(ruled, f"crowd{number}") for number in range(5)]
    await add(ruled, look=False)
    put, calls = members.put_before_moderators, 0

    async def die(*asked: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return await put(*asked)

    monkeypatch.setattr(members, "put_before_moderators", die)
    with pytest.raises(KeyboardInterrupt):
        await ruled.run_jobs()
    (sweep,) = await sweeps(ruled)
    assert (sweep.state, sweep.opened) == ("running", 2), "whole transactions were left behind"
    assert len(await cases(ruled)) == 2
    await look_at_members(ruled.instance, {"sweep_id": sweep.id})
    await look_at_members(ruled.instance, {"sweep_id": sweep.id})
    assert await cases(ruled) == [(one, "open") for one in crowd]
    async with ruled.instance.db.read() as tx:
        done = await get_member_sweep(tx, sweep.id)
    assert (done.state, done.opened, done.looked) == ("completed", 5, done.members)


async def test_an_entry_that_is_taken_out_or_ends_meanwhile_is_not_looked_for_any_more(ruled: World) -> None:
    await member(ruled, "early_eve")
    await add(ruled, name="first", look=False)
    await jobs.plan_sweep_over_members(ruled.instance, {})
    await remove(ruled, name="first")
    assert await cases(ruled) == []
    await add(ruled, name="second", look=False, expires=now() + timedelta(hours=1))
    await jobs.plan_sweep_over_members(ruled.instance, {})
    with time_travel(timedelta(hours=2)):
        for sweep in await sweeps(ruled):
            await look_at_members(ruled.instance, {"sweep_id": sweep.id})
    assert await cases(ruled) == []


async def test_what_decides_nothing_brings_nobody_before_anybody(ruled: World) -> None:
    eve = await member(ruled, "early_eve")
    await member(ruled, "gone_gus", state="suspended")
    await ruled.account("mod_mia", role="moderator")
    await member(ruled, "mod_mia")
    await add(ruled, name="watched", state="BACKGROUND")
    assert await sweeps(ruled) == []
    await add(ruled, name="mild", tier="flag")  # a clause of severity 3: flagged posts of it come before nobody either
    assert (await sweeps(ruled))[0].meant == 1
    assert await cases(ruled) == []
    await add(ruled, name="grave", tier="flag", clause="1.1")
    assert await cases(ruled) == [(eve, "open")], "neither the staff, nor who is shut out already"
    (subject,) = (await view(ruled, await case_of(ruled, "early_eve"))).subjects
    kinds = await rows(ruled, "SELECT kind FROM sla_clocks WHERE case_subject_id = $1", subject.case_subject_id)
    assert [row[0] for row in kinds] == ["resolve"], "however grave the clause, no clock hides an account for a list"


async def test_a_newcomer_who_is_not_let_in_yet_waits_as_who_comes_later_would(ruled: World) -> None:
    new = await member(ruled, "new_nan", state="pending")
    await member(ruled, "invited_ida", state="pending")
    async with ruled.instance.db.write() as tx:
        invite = "INSERT INTO invites (code, created_by) VALUES ('x', $1) RETURNING id"
        invite_id = await tx.fetchval(invite, await ruled.account("mod_mia", role="moderator"))
        await tx.execute("UPDATE users SET invite_id = $2 WHERE account_id = $1", ruled.ids["invited_ida"], invite_id)
    await add(ruled)
    assert await cases(ruled) == [], "an account that has not begun can still be turned away, and then goes"
    assert (await sweeps(ruled))[0].held == 1
    async with ruled.instance.db.read() as tx:
        (waiting,) = await list_pending(tx, None, Page(10))
    assert waiting.username == "new_nan", "an invitation stands for approval"
    assert waiting.because == (f"The mail address new_nan@{BAD} is in the bank (own:entry, rule 7.3).",)
    async with ruled.instance.db.write() as tx:
        await approve_account(tx, None, new)
    await remove(ruled)
    await add(ruled)
    assert await cases(ruled) == [], "whoever let them in knew of the entry"


async def test_entries_of_a_policy_that_goes_live_are_looked_for_too(ruled: World) -> None:
    eve = await member(ruled, "early_eve")
    entry = (
        f"{{id: disposable, tier: hold, clause: '7.3', title: x, domains: [{BAD}], hits: [x@{BAD}], misses: [x@y.z]}}"
    )
    files = {**small(), "accounts.yaml": f"emails: [{entry}]\n".encode()}
    async with ruled.instance.db.write() as tx:
        alice = await staff(ruled, "alice")
        sha256 = await propose_policy(tx, alice, files)
        await approve_policy(tx, await staff(ruled, "mod_mia", "moderator"), sha256)
        await activate_policy(tx, alice, sha256, ruled.settings, emergency="a flood of them")
    await load_live(ruled.instance.db, ruled.settings)
    await ruled.run_jobs()
    assert await cases(ruled) == [(eve, "open")]
    assert (await sweeps(ruled))[0].counts[0].entry == "disposable"
    files["accounts.yaml"] = files["accounts.yaml"].replace(b"title: x", b"title: 'Other words'")
    async with ruled.instance.db.write() as tx:
        sha256 = await propose_policy(tx, alice, files)
        await activate_policy(tx, alice, sha256, ruled.settings, emergency="only words")
    await load_live(ruled.instance.db, ruled.settings)
    await ruled.run_jobs()
    assert len(await sweeps(ruled)) == 1, "other words for the same are nothing new"


async def test_before_anybody_is_here_nothing_is_planned_and_nothing_is_made_up_for_later(ruled: World) -> None:
    async with ruled.instance.db.write() as tx:
        await tx.execute("DELETE FROM member_sweep_entries")
        await tx.execute(
            "INSERT INTO member_sweep_entries (bank, entry, digest) VALUES ('emails', 'own:long-gone', ''::bytea)"
        )
    await ruled.run_jobs()
    assert await sweeps(ruled) == []
    assert await rows(ruled, "SELECT entry FROM member_sweep_entries") == []
