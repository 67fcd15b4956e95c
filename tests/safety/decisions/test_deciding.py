"""Making decisions: who may, in one transaction or not at all, once, and never two at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.safety.cases.actions import claim_case, open_case
from parley.safety.cases.views import NewSubject
from parley.safety.decisions import making
from parley.safety.decisions.actions import (
    approve_proposal,
    decide_automatically,
    decide_copies,
    refuse_proposal,
)
from parley.safety.decisions.reads import (
    get_decision,
    get_history,
    list_decisions_about,
    list_my_decisions,
    list_proposals,
    suggest,
)
from parley.safety.decisions.views import DecisionView, NewAction, NewDecision, Proposal
from parley.safety.log.views import Subject, system
from parley.social.accounts.views import Viewer
from tests.conftest import World
from tests.safety.auditing import assert_audit_holds
from tests.safety.decisions.deciding import (
    account,
    decided,
    mia,
    propose_or_decide,
    reversed_by,
    rows_of,
    status,
    viewer_of,
)
from tests.sessions.pages import mails
from tests.statuses.cast import DOUBTFUL, known, sees

DESK = (
    "decisions",
    "decision_actions",
    "strikes",
    "notifications",
    "moderation_events",
    "evidence_snapshots",
    "labels",
)


async def counts(world: World) -> dict[str, int]:
    async with world.instance.db.read() as tx:
        return {table: await tx.fetchval(f"SELECT count(*) FROM {table}") for table in DESK}


async def in_a_case(world: World, author: str, *posts: dict[str, Any]) -> int:
    async with world.instance.db.write() as tx:
        subjects = [NewSubject(type="status", id=int(post["id"]), revision=1, clause="1.2") for post in posts]
        return await open_case(tx, world.settings, system("tests"), world.ids[author], subjects, source="user")


# ---- Invariant 4; through every door: tests/web/test_invariant_4.py ----


@pytest.mark.parametrize(
    "step",
    ["capture_all", "_append", "_do", "_replace_automatic", "_tell_judge", "give_strike", "tell_author", "_settle"],
)
@pytest.mark.parametrize("after", [False, True])
async def test_invariant_4_a_crash_between_any_two_steps_leaves_nothing_of_a_decision(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    post = await world.post("alice", "hello #cats")
    case_id = await in_a_case(world, "alice", post)
    await mia(world)
    rows, desk = await rows_of(world), await counts(world)
    real = getattr(making, step)

    async def crash(*args: Any, **kwargs: Any) -> Any:
        if after:
            await real(*args, **kwargs)
        raise RuntimeError("the machine burns")

    monkeypatch.setattr(making, step, crash)
    with pytest.raises(RuntimeError):
        await decided(world, world.ids["alice"], NewAction("remove", status(post["id"])), case_id=case_id)
    assert await rows_of(world) == rows
    assert await counts(world) == desk
    assert await sees(world, "bob", post["id"])


async def test_evidence_is_captured_before_anything_is_removed(world: World) -> None:
    post = await world.post("alice", "the very words")
    await decided(world, world.ids["alice"], NewAction("remove", status(post["id"])))
    async with world.instance.db.read() as tx:
        content = await tx.fetchval(
            "SELECT content FROM evidence_snapshots WHERE subject_type = 'status' AND subject_id = $1", int(post["id"])
        )
    assert "the very words" in content
    assert '"state":"published"' in content.replace('": "', '":"')


async def test_a_decision_closes_its_case_and_the_reports_in_it(world: World) -> None:
    post = await world.post("alice", "hello")
    bob = await world.client("bob")
    await bob.post(
        "/api/v1/reports", json={"account_id": str(world.ids["alice"]), "status_ids": [post["id"]], "comment": "look"}
    )
    async with world.instance.db.read() as tx:
        case_id = await tx.fetchval("SELECT id FROM cases")
    made = await decided(world, world.ids["alice"], NewAction("remove", status(post["id"])))
    assert made.case_id == case_id, "the open case is found"
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT state FROM cases") == "closed"
        assert tuple(await tx.fetchrow("SELECT state, outcome FROM reports")) == ("closed", "acted")
    await reversed_by(world, made.id)
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT state FROM cases") == "open", "what is undone waits again"


# ---- Who may ----


async def test_nobody_but_the_staff_decides_and_nobody_about_themselves_or_their_own_rank(world: World) -> None:
    post = await world.post("alice", "hello")
    alice = world.ids["alice"]
    bob = Viewer(account_id=await world.account("bob"), username="bob")
    lena = await viewer_of(world, "mod_lena")
    anna = await viewer_of(world, "anna", "admin")
    remove = NewAction("remove", status(post["id"]))
    with pytest.raises(NotFound):
        await propose_or_decide(world, alice, remove, who=bob)
    for target, who in ((lena.account_id, lena), (lena.account_id, await mia(world)), (anna.account_id, lena)):
        with pytest.raises(Forbidden):
            await propose_or_decide(world, target, NewAction("warn", account(target)), who=who)
    assert await propose_or_decide(world, lena.account_id, NewAction("warn", account(lena.account_id)), who=anna)


async def test_a_decision_is_about_subjects_of_its_account_alone(world: World) -> None:
    post = await world.post("bob", "hello")
    alice = await world.account("alice")
    await mia(world)
    for action in (
        NewAction("remove", status(post["id"])),
        NewAction("suspend", account(world.ids["bob"]), 5),
        NewAction("sensitive", account(world.ids["bob"])),
        NewAction("remove", Subject("profile", world.ids["bob"])),
        NewAction("remove", status(1)),
    ):
        with pytest.raises(NotFound):
            await propose_or_decide(world, alice, action)
    assert await sees(world, "alice", post["id"])


@pytest.mark.parametrize(
    ("kind", "subject", "hours"),
    [
        ("suspend", "account", None),
        ("restrict_posting", "account", None),
        ("terminate", "account", 5),
        ("remove", "status", 5),
        ("remove", "account", None),
        ("freeze", "status", None),
        ("label", "profile", None),
        ("warn", "account", 3),
        ("suspend", "account", -1),
        ("suspend", "account", float("nan")),
        ("burn", "account", None),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_sentence(
    world: World, kind: Any, subject: Any, hours: float | None
) -> None:
    alice = await world.account("alice")
    with pytest.raises(Invalid) as refused:
        await propose_or_decide(world, alice, NewAction(kind, Subject(subject, alice), hours))
    assert len(refused.value.text) > 20


async def test_who_breaks_a_rule_is_told_which(world: World) -> None:
    alice = await world.account("alice")
    for clause in (None, "99.9"):
        with pytest.raises(Invalid):
            await propose_or_decide(world, alice, NewAction("warn", account(alice)), clause=clause)


# ---- Four eyes ----


async def test_ending_an_account_takes_two_people(world: World) -> None:
    alice = await world.account("alice")
    mod, lena = await mia(world), await viewer_of(world, "mod_lena")
    client = await world.client("alice")
    proposal = await propose_or_decide(world, alice, NewAction("terminate", account(alice)), key="k")
    assert isinstance(proposal, Proposal)
    assert (proposal.why, proposal.state) == ("termination", "waiting")
    again = await propose_or_decide(world, alice, NewAction("terminate", account(alice)), key="k")
    assert isinstance(again, Proposal) and again.id == proposal.id
    assert (await client.get("/api/v1/accounts/verify_credentials")).status_code == 200, "nothing has happened"
    await world.run_jobs()
    told = [str(mail["To"]) for mail in mails(world.settings) if "second person" in str(mail["Subject"])]
    assert told == ["mod_lena@example.org"]
    with pytest.raises(Forbidden):
        async with world.instance.db.write() as tx:
            await approve_proposal(tx, world.settings, mod, proposal.id)
    async with world.instance.db.read() as tx:
        assert [one.id for one in await list_proposals(tx, lena)] == [proposal.id]
    async with world.instance.db.write() as tx:
        (made,) = await approve_proposal(tx, world.settings, lena, proposal.id)
    assert (made.decided_by.username, made.approved_by.username) == ("mod_mia", "mod_lena")  # type: ignore[union-attr]
    assert (await client.get("/api/v1/accounts/verify_credentials")).status_code == 403
    with pytest.raises(Conflict):
        async with world.instance.db.write() as tx:
            await approve_proposal(tx, world.settings, lena, proposal.id)
    await assert_audit_holds(world)


async def test_many_posts_at_once_take_two_people_and_may_be_refused(world: World) -> None:
    posts = [await world.post("alice", f"post number {number}") for number in range(21)]
    actions = [NewAction("remove", status(post["id"])) for post in posts]
    assert isinstance(await propose_or_decide(world, world.ids["alice"], *actions[:20]), DecisionView)
    more = [await world.post("alice", f"another, number {number}") for number in range(20)]
    actions = [NewAction("hide", status(post["id"])) for post in [*more, posts[20]]]
    proposal = await propose_or_decide(world, world.ids["alice"], *actions)
    assert isinstance(proposal, Proposal) and proposal.why == "many"
    lena = await viewer_of(world, "mod_lena")
    async with world.instance.db.write() as tx:
        await refuse_proposal(tx, lena, proposal.id, answer="Not all of these.")
    assert await sees(world, "bob", more[0]["id"])


async def test_acting_on_copies_makes_a_decision_for_each_account(world: World) -> None:
    first = await world.post("alice", "buy these pills")
    copies = [await world.post(name, "buy these pills") for name in ("bob", "spam_sam", "bob")]
    made = await decided(world, world.ids["alice"], NewAction("remove", status(first["id"])))
    async with world.instance.db.write() as tx:
        done = await decide_copies(
            tx, world.settings, await mia(world), made.id, [status(copy["id"]) for copy in copies]
        )
    assert isinstance(done, list)
    assert {one.account.username: len(one.actions) for one in done} == {"bob": 2, "spam_sam": 1}
    assert not any([await sees(world, None, copy["id"]) for copy in copies])


# ---- Once, and one at a time ----


async def test_nobody_is_struck_twice_for_one_post(world: World) -> None:
    post = await world.post("alice", "hello")
    alice, remove = world.ids["alice"], NewAction("remove", status(post["id"]))
    lena = await viewer_of(world, "mod_lena")
    both = await asyncio.gather(
        decided(world, alice, remove), decided(world, alice, remove, who=lena), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in both) == ["Conflict", "DecisionView"]
    case_id = await in_a_case(world, "alice", post)
    again = await decided(world, alice, remove, case_id=case_id)
    assert again.strikes == 0, "what comes up again is decided again, but counts once"
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM strikes") == 1
        assert await tx.fetchval("SELECT state FROM cases WHERE id = $1", case_id) == "closed"


async def test_the_same_request_twice_decides_once(world: World) -> None:
    post = await world.post("alice", "hello")
    action = NewAction("remove", status(post["id"]))
    await mia(world)
    made = await asyncio.gather(*(decided(world, world.ids["alice"], action, key="one") for _ in range(4)))
    assert len({one.id for one in made}) == 1
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM strikes") == 1


async def test_two_moderators_never_decide_the_same_case(world: World) -> None:
    post = await world.post("alice", "hello")
    case_id = await in_a_case(world, "alice", post)
    mod, lena = await mia(world), await viewer_of(world, "mod_lena")
    async with world.instance.db.write() as tx:
        await claim_case(tx, lena, case_id)
    with pytest.raises(Conflict) as refused:
        await decided(world, world.ids["alice"], NewAction("remove", status(post["id"])), who=mod)
    assert "@mod_lena" in refused.value.text
    async with world.instance.db.write() as tx:
        await tx.execute("SELECT set_config('parley.moderation_event', '1', true)")
        await tx.execute("UPDATE cases SET leased_until = NULL, assigned_to = NULL, state = 'open'")
    action = NewAction("remove", status(post["id"]))
    both = await asyncio.gather(
        *(decided(world, world.ids["alice"], action, who=who, case_id=case_id) for who in (mod, lena)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in both) == ["Conflict", "DecisionView"]


async def test_an_edit_between_looking_and_publishing_is_not_published_unseen(world: World) -> None:
    await known(world, "alice")
    held = await world.post("alice", DOUBTFUL)
    client = await world.client("alice")
    edited = await client.put(f"/api/v1/statuses/{held['id']}", json={"status": f"{DOUBTFUL}, all of you"})
    assert edited.status_code == 200
    with pytest.raises(Conflict):
        await decided(world, world.ids["alice"], NewAction("publish", status(held["id"], 1)), clause=None)
    assert not await sees(world, "bob", held["id"])
    await decided(world, world.ids["alice"], NewAction("publish", status(held["id"], 2)), clause=None)
    assert await sees(world, "bob", held["id"])


async def test_a_decision_and_its_authors_edit_at_the_same_time_lose_nothing(world: World) -> None:
    await known(world, "alice")
    client = await world.client("alice")
    await mia(world)
    for number in range(5):
        post = await world.post("alice", f"hello number {number}")
        made, edited = await asyncio.gather(
            decided(world, world.ids["alice"], NewAction("remove", status(post["id"]))),
            client.put(f"/api/v1/statuses/{post['id']}", json={"status": f"changed number {number}"}),
        )
        assert edited.status_code in (200, 404)
        assert not await sees(world, None, post["id"])
        await reversed_by(world, made.id)
        shown = (await client.get(f"/api/v1/statuses/{post['id']}")).json()
        assert ("changed" in shown["content"]) == (edited.status_code == 200)


async def test_a_decision_and_its_authors_deletion_at_the_same_time_count_once(world: World) -> None:
    client = await world.client("alice")
    await mia(world)
    for number in range(5):
        post = await world.post("alice", f"hello number {number}")
        made, deleted = await asyncio.gather(
            decided(world, world.ids["alice"], NewAction("remove", status(post["id"]))),
            client.delete(f"/api/v1/statuses/{post['id']}"),
        )
        assert made.actions and deleted.status_code in (200, 404)
        async with world.instance.db.read() as tx:
            assert (
                await tx.fetchval("SELECT statuses_count FROM account_stats WHERE account_id = $1", world.ids["alice"])
                == 0
            )


# ---- Machines ----


async def test_machines_hide_until_a_person_decides_and_never_shut_an_account(world: World) -> None:
    post = await world.post("alice", "hello")
    alice = world.ids["alice"]
    case_id = await in_a_case(world, "alice", post)

    async def interim(*actions: NewAction) -> int:
        async with world.instance.db.write() as tx:
            new = NewDecision(account_id=alice, actions=actions, case_id=case_id)
            return await decide_automatically(tx, world.settings, system("clocks"), new, kind="interim")

    for kind in ("terminate", "suspend", "remove"):
        subject = status(post["id"]) if kind == "remove" else account(alice)
        with pytest.raises(Invalid):
            await interim(NewAction(kind, subject, 5 if kind == "suspend" else None))  # type: ignore[arg-type]
    first = await interim(NewAction("hide", status(post["id"])))
    assert await interim(NewAction("hide", status(post["id"]))) == first, "not twice"
    assert not await sees(world, "bob", post["id"])
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT interim_decision_id FROM case_subjects") == first
    fine = await decided(world, alice, NewAction("no_action", status(post["id"])), clause=None, case_id=case_id)
    assert await sees(world, "bob", post["id"]), "a person's word ends it"
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT reversed_by_id FROM decisions WHERE id = $1", first) == fine.id
        assert await tx.fetchval("SELECT count(*) FROM strikes") == 0
    await reversed_by(world, fine.id)
    assert not await sees(world, "bob", post["id"]), "and what it ended is in force again when it is undone"


async def test_an_interim_measure_gives_way_to_the_decision_and_an_overturned_decision_to_nothing(world: World) -> None:
    post = await world.post("alice", "hello")
    alice = world.ids["alice"]
    async with world.instance.db.write() as tx:
        new = NewDecision(account_id=alice, actions=(NewAction("hide", status(post["id"])),))
        await decide_automatically(tx, world.settings, system("clocks"), new, kind="interim")
    removed = await decided(world, alice, NewAction("remove", status(post["id"])))
    assert not await sees(world, None, post["id"])
    await reversed_by(world, removed.id, "appeal", who=await viewer_of(world, "mod_lena"))
    assert await sees(world, None, post["id"]), "nothing of the interim measure is left"


# ---- What is seen of it ----


async def test_an_author_sees_the_own_decisions_without_names_and_nobody_elses(world: World) -> None:
    post = await world.post("alice", "hello")
    made = await decided(world, world.ids["alice"], NewAction("remove", status(post["id"])), facts="It says hello.")
    quiet = await decided(world, world.ids["alice"], NewAction("no_action", account(world.ids["alice"])), clause=None)
    alice = Viewer(account_id=world.ids["alice"], username="alice")
    bob = Viewer(account_id=await world.account("bob"), username="bob")
    async with world.instance.db.read() as tx:
        own = await list_my_decisions(tx, alice)
        assert [one.id for one in own] == [made.id], "that somebody looked and found nothing is not told"
        assert (own[0].decided_by, own[0].approved_by, own[0].case_id) == (None, None, None)
        assert own[0].facts == "It says hello."
        assert own[0].clause_text
        for hidden in ((bob, made.id), (alice, quiet.id), (bob, 1)):
            with pytest.raises(NotFound):
                await get_decision(tx, *hidden)
        for read in (list_decisions_about, get_history):
            with pytest.raises(NotFound):
                await read(tx, alice, world.ids["alice"])


async def test_reading_decisions_takes_a_fixed_number_of_queries(world: World) -> None:
    mod = await mia(world)
    alice = Viewer(account_id=await world.account("alice"), username="alice")

    async def queries() -> tuple[int, int, int]:
        found = []
        for read in (
            lambda tx: list_my_decisions(tx, alice),
            lambda tx: list_decisions_about(tx, mod, alice.account_id),
            lambda tx: get_history(tx, mod, alice.account_id),
        ):
            with world.queries() as seen:
                async with world.instance.db.read() as tx:
                    await read(tx)
            found.append(len(seen))
        return found[0], found[1], found[2]

    for number in range(2):
        post = await world.post("alice", f"hello number {number}")
        await decided(world, alice.account_id, NewAction("limit", status(post["id"])))
    few = await queries()
    for number in range(6):
        post = await world.post("alice", f"more, number {number}")
        await decided(world, alice.account_id, NewAction("limit", status(post["id"])))
    assert await queries() == few
    assert max(few) <= 12


async def test_the_ladder_suggests_more_the_more_strikes_count(world: World) -> None:
    mod = await mia(world)
    kinds = []
    for number in range(4):
        post = await world.post("alice", f"hello number {number}")
        case_id = await in_a_case(world, "alice", post)
        async with world.instance.db.read() as tx:
            offered = await suggest(tx, mod, case_id)
        kinds.append(next((one.kind for one in offered.actions if one.subject.type == "account"), "none"))
        assert offered.clause == "1.2"
        assert offered.after == offered.weight + 4
        assert offered.reasons and offered.because
        await decided(world, world.ids["alice"], NewAction("remove", status(post["id"])), case_id=case_id)
    assert kinds == ["limit_account", "restrict_posting", "terminate", "terminate"]


async def test_a_machine_and_a_moderator_at_the_same_time_do_not_wait_for_each_other(world: World) -> None:
    alice = await world.account("alice")
    await mia(world)
    for number in range(4):
        posts = [await world.post("alice", f"hello number {number} {letter}") for letter in "abc"]
        case_id = await in_a_case(world, "alice", *posts)
        subjects = [status(post["id"]) for post in posts]

        async def interim(case: int = case_id, about: list[Subject] = subjects) -> int:
            async with world.instance.db.write() as tx:
                actions = tuple(NewAction("hide", subject) for subject in reversed(about))
                new = NewDecision(account_id=alice, actions=actions, case_id=case)
                return await decide_automatically(tx, world.settings, system("clocks"), new, kind="interim")

        removals = [NewAction("remove", subject) for subject in subjects]
        await asyncio.gather(interim(), decided(world, alice, *removals, case_id=case_id))
        assert not any([await sees(world, None, post["id"]) for post in posts])
