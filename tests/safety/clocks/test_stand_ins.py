"""What is hidden when the clock of an account or a conversation runs out: something else, until people decide."""

from __future__ import annotations

from parley.safety.cases.actions import open_case
from parley.safety.cases.views import NewSubject, Source
from parley.safety.decisions.actions import decide
from parley.safety.decisions.views import NewAction, NewDecision
from parley.safety.log.views import Subject
from tests.conftest import World
from tests.safety.auditing import assert_audit_holds
from tests.safety.cases.desk import staff, value, view
from tests.safety.clocks.test_watching import HOST, _state, _watch_in


async def _named(world: World, subject: NewSubject, source: Source = "trusted_flagger") -> int:
    async with world.instance.db.write() as tx:
        return await open_case(tx, world.settings, HOST, world.ids["spam_sam"], [subject], source=source)


async def test_of_an_account_that_threatens_lives_the_profile_is_hidden_until_somebody_decides(world: World) -> None:
    sam = await world.account("spam_sam")
    client = await world.client("spam_sam")
    assert (await client.patch("/api/v1/profile", json={"note": "see you on Sunday"})).status_code == 200
    case_id = await _named(world, NewSubject(type="account", id=sam, clause="1.1", severity=0))

    async def note() -> str:
        return str((await (await world.client("bob")).get(f"/api/v1/accounts/{sam}")).json()["note"])

    await _watch_in(world, minutes=50)
    assert "Sunday" in await note()
    await _watch_in(world, minutes=58)
    assert "Sunday" not in await note()
    case = await view(world, case_id)
    assert case.subjects[0].interim_decision_id is not None
    assert {clock.kind: clock.state for clock in case.clocks}["interim"] == "met"
    decided = await value(world, "SELECT count(*) FROM decisions")
    await _watch_in(world, minutes=59)
    assert await value(world, "SELECT count(*) FROM decisions") == decided, "once is enough"
    mia = await staff(world)
    async with world.instance.db.write() as tx:
        new = NewDecision(account_id=sam, actions=(NewAction("no_action", Subject("account", sam)),), case_id=case_id)
        await decide(tx, world.settings, mia, new)
    assert "Sunday" in await note()
    await assert_audit_holds(world)


async def test_of_a_conversation_what_the_account_wrote_in_it_is_hidden_until_somebody_decides(world: World) -> None:
    first = await world.post("alice", "good morning")
    answers = [await world.post("spam_sam", text, in_reply_to_id=first["id"]) for text in ("see you", "on Sunday")]
    conversation = await value(world, "SELECT conversation_id FROM statuses WHERE id = $1", int(first["id"]))
    other = await world.post("spam_sam", "somewhere else")
    case_id = await _named(world, NewSubject(type="conversation", id=conversation, clause="1.1", severity=0))
    await _watch_in(world, minutes=58)
    assert [await _state(world, one) for one in answers] == ["hidden_interim"] * 2
    assert [await _state(world, one) for one in (first, other)] == ["published"] * 2
    mia = await staff(world)
    async with world.instance.db.write() as tx:
        subject = Subject("conversation", conversation)
        new = NewDecision(account_id=world.ids["spam_sam"], actions=(NewAction("no_action", subject),), case_id=case_id)
        await decide(tx, world.settings, mia, new)
    assert [await _state(world, one) for one in answers] == ["published"] * 2
    await assert_audit_holds(world)


async def test_one_new_accounts_word_hides_no_profile_either(world: World) -> None:
    sam = await world.account("spam_sam")
    case_id = await _named(world, NewSubject(type="account", id=sam, clause="1.1", severity=0), source="public_notice")
    await _watch_in(world, minutes=70)
    assert (await view(world, case_id)).subjects[0].interim_decision_id is None
    assert await value(world, "SELECT count(*) FROM decisions") == 0
    assert (await view(world, case_id)).case.state == "escalated", "people are called"
