"""What two people decided takes two to undo; what nobody can agree to any more is void; nobody is mailed twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from parley.kit.clock import time_travel
from parley.kit.errors import Conflict, Forbidden, NotFound
from parley.safety.decisions.actions import approve_proposal, reverse_decision, undo_decision
from parley.safety.decisions.jobs import end_stale_proposals, mail_proposal
from parley.safety.decisions.reads import get_decision, get_proposal, list_proposals
from parley.safety.decisions.views import NewAction, Proposal
from parley.safety.log.views import Subject, human
from tests.conftest import World
from tests.safety.auditing import assert_audit_holds
from tests.safety.cases.desk import case_of, report
from tests.safety.decisions.deciding import account, mia, propose_or_decide, status, viewer_of


async def _terminated(world: World) -> int:
    """spam_sam's account was ended by mod_mia and mod_max."""
    sam = await world.account("spam_sam")
    proposal = await propose_or_decide(world, sam, NewAction("terminate", account(sam)))
    assert isinstance(proposal, Proposal)
    async with world.instance.db.write() as tx:
        [made] = await approve_proposal(tx, world.settings, await viewer_of(world, "mod_max"), proposal.id)
    return made.id


async def _undo(world: World, viewer: Any, decision_id: int) -> Any:
    async with world.instance.db.write() as tx:
        return await undo_decision(tx, world.settings, viewer, decision_id, reasons="We were wrong.")


async def test_what_two_decided_is_not_undone_by_one(world: World) -> None:
    decision = await _terminated(world)
    olga = await viewer_of(world, "olga", "owner")
    for viewer in (await mia(world), await viewer_of(world, "mod_max"), olga):
        with pytest.raises(Forbidden, match="takes two"):
            async with world.instance.db.write() as tx:
                await reverse_decision(tx, world.settings, human(viewer), decision, kind="undo", viewer=viewer)
    proposal = await _undo(world, await mia(world), decision)
    assert isinstance(proposal, Proposal)
    assert (proposal.why, proposal.reverses_id, proposal.state) == ("undo", decision, "waiting")
    with pytest.raises(Conflict, match="waits for a second person"):
        await _undo(world, olga, decision)
    with pytest.raises(Forbidden, match="yourself"):
        async with world.instance.db.write() as tx:
            await approve_proposal(tx, world.settings, await mia(world), proposal.id)
    async with world.instance.db.read() as tx:
        assert (await get_decision(tx, olga, decision)).reversed_by_id is None
    async with world.instance.db.write() as tx:
        [undone] = await approve_proposal(tx, world.settings, olga, proposal.id)
    assert (undone.kind, undone.reverses_id, undone.reasons) == ("undo", decision, "We were wrong.")
    assert undone.approved_by is not None
    assert undone.approved_by.id == olga.account_id
    await assert_audit_holds(world)


async def test_where_four_eyes_are_off_one_person_undoes(world: World) -> None:
    import msgspec

    decision = await _terminated(world)
    alone = msgspec.structs.replace(world.settings, four_eyes=False)
    async with world.instance.db.write() as tx:
        assert isinstance(await undo_decision(tx, alone, await mia(world), decision), int)


async def test_the_page_proposes_the_undoing_and_shows_it(world: World) -> None:
    """The door makes the same call."""
    decision = await _terminated(world)
    await _undo(world, await mia(world), decision)
    async with world.instance.db.read() as tx:
        [shown] = await list_proposals(tx, await viewer_of(world, "mod_max"))
    assert shown.why == "undo"
    sam = await viewer_of(world, "spam_sam", "moderator")
    async with world.instance.db.read() as tx:
        assert not await list_proposals(tx, sam), "whom it is about does not read it"


async def test_a_proposal_becomes_stale_when_its_case_is_decided_otherwise(world: World) -> None:
    post = await world.post("spam_sam", "buy my pills")
    await report(world, "alice", "spam_sam", status_ids=[post["id"]])
    sam, case_id = world.ids["spam_sam"], await case_of(world, "spam_sam")
    await viewer_of(world, "mod_max")
    proposal = await propose_or_decide(world, sam, NewAction("terminate", account(sam)), case_id=case_id)
    assert isinstance(proposal, Proposal)
    await propose_or_decide(world, sam, NewAction("no_action", status(post["id"])), case_id=case_id, clause=None)
    await propose_or_decide(world, sam, NewAction("no_action", account(sam)), case_id=case_id, clause=None) if (
        await _open(world, case_id)
    ) else None
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        found = await get_proposal(tx, await mia(world), proposal.id)
    assert found.state == "stale"
    assert "decided otherwise" in found.answer
    assert found.answered_by is None
    letters = [mail for mail in _mails(world) if "void" in mail]
    assert len(letters) == 1
    assert "mod_mia@example.org" in letters[0]
    with pytest.raises(Conflict, match="stale"):
        async with world.instance.db.write() as tx:
            await approve_proposal(tx, world.settings, await viewer_of(world, "mod_max"), proposal.id)
    await assert_audit_holds(world)


async def _open(world: World, case_id: int) -> bool:
    async with world.instance.db.read() as tx:
        return bool(await tx.fetchval("SELECT state <> 'closed' FROM cases WHERE id = $1", case_id))


@pytest.mark.parametrize("why", ["left", "old"])
async def test_a_proposal_becomes_stale_when_its_proposer_left_or_nobody_answers(world: World, why: str) -> None:
    sam = await world.account("spam_sam")
    proposal = await propose_or_decide(world, sam, NewAction("terminate", account(sam)))
    assert isinstance(proposal, Proposal)
    await end_stale_proposals(world.instance, {})
    if why == "left":
        async with world.instance.db.write() as tx:
            await tx.execute("UPDATE accounts SET role = 'member' WHERE username = 'mod_mia'")
    with time_travel(timedelta(days=15 if why == "old" else 0)):
        await end_stale_proposals(world.instance, {})
    async with world.instance.db.read() as tx:
        found = await get_proposal(tx, await viewer_of(world, "mod_max"), proposal.id)
    assert found.state == "stale"


def _mails(world: World) -> list[str]:
    folder = world.settings.path("mail")
    return [path.read_text() for path in sorted(folder.glob("*.eml"))] if folder.is_dir() else []


async def test_one_mailbox_that_fails_makes_nobody_else_get_a_letter_twice(world: World, monkeypatch: Any) -> None:
    import parley.kit.mail as mail
    import parley.social.sessions.staff as letters

    sam = await world.account("spam_sam")
    for name in ("mod_ann", "mod_max", "mod_zoe"):
        await viewer_of(world, name)
    proposal = await propose_or_decide(world, sam, NewAction("terminate", account(sam)))
    await world.run_jobs()
    sent: list[str] = []

    async def flaky(settings: Any, to: str, subject: str, text: str, **more: Any) -> None:
        if to.startswith("mod_max"):
            raise OSError("mailbox full")
        sent.append(to)

    monkeypatch.setattr(letters, "send_mail", flaky)
    assert mail.send_mail is not flaky
    for _ in range(2):  # the job is tried again: nothing goes out by itself
        await mail_proposal(world.instance, {"proposal_id": proposal.id})
        async with world.instance.db.write() as tx:
            queued = await tx.fetch("DELETE FROM pgqueuer WHERE entrypoint = 'mail_letter' RETURNING payload")
    import msgspec

    for row in queued:
        payload = msgspec.json.decode(row["payload"])
        try:
            await letters.mail_letter(world.instance, payload)
        except OSError:
            continue
    assert sorted(one.partition("@")[0] for one in sent) == ["mod_ann", "mod_zoe"]


async def test_a_conversation_is_decided_about_only_with_an_account_that_has_a_part_in_it(world: World) -> None:
    post = await world.post("alice", "just between us")
    sam = await world.account("spam_sam")
    async with world.instance.db.read() as tx:
        conversation = await tx.fetchval("SELECT conversation_id FROM statuses WHERE id = $1", int(post["id"]))
    with pytest.raises(NotFound):
        await propose_or_decide(world, sam, NewAction("warn", Subject("conversation", conversation)))
    made = await propose_or_decide(world, world.ids["alice"], NewAction("warn", Subject("conversation", conversation)))
    assert not isinstance(made, Proposal)
