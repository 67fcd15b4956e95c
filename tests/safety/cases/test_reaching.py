"""An escalation reaches somebody who can act, and those who run the instance learn when nobody has the role."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from parley.safety.cases.actions import claim_case, escalate_case
from parley.safety.cases.escalating import choose_reachable, reach_escalated
from parley.safety.cases.store_notes import StaffRow
from parley.safety.log.views import human
from tests.conftest import World
from tests.safety.auditing import assert_audit_holds
from tests.safety.cases.desk import case_of, events, report, staff, value, view
from tests.safety.cases.test_working import _letters

roles = st.sampled_from(["moderator", "admin", "owner"])


@given(st.sampled_from(["staff", "admin", "owner", "ann", "gone"]), st.lists(roles, max_size=4))
def test_whoever_is_asked_can_act_while_anybody_can(to: str, given_roles: list[str]) -> None:
    people = [
        StaffRow(number, name, role) for number, (name, role) in enumerate(zip("abcd", given_roles, strict=False))
    ]
    people += [StaffRow(9, "Ann", "moderator")]
    found = choose_reachable(to, people)
    can = {"staff"} | {one.username.lower() for one in people}
    can |= {"admin"} if {one.role for one in people} & {"admin", "owner"} else set()
    can |= {"owner"} if "owner" in {one.role for one in people} else set()
    assert found in can
    assert found == to or to not in can


async def _reported(world: World) -> int:
    await report(world, "alice", "spam_sam", comment="look")
    return await case_of(world, "spam_sam")


async def test_without_an_active_owner_a_case_goes_to_the_admins(world: World) -> None:
    mia, ada = await staff(world), await staff(world, "ada", "admin")
    case_id = await _reported(world)
    async with world.instance.db.write() as tx:
        await escalate_case(tx, human(mia), case_id, to="owner", why="he is a senator", viewer=mia)
    await world.run_jobs()
    assert (await view(world, case_id)).case.escalated_to == "admin"
    assert "ada@example.org" in _letters(world, "escalated to you")[0]
    async with world.instance.db.write() as tx:
        assert (await claim_case(tx, ada, case_id)).case.assigned_to is not None


async def test_a_case_that_an_owner_left_behind_reaches_somebody(world: World) -> None:
    mia, ada = await staff(world), await staff(world, "ada", "admin")
    olga = await staff(world, "olga", "owner")
    case_id = await _reported(world)
    async with world.instance.db.write() as tx:
        await escalate_case(tx, human(mia), case_id, to="owner", why="he is a senator", viewer=mia)
    await world.run_jobs()
    await reach_escalated(world.instance, {})
    assert (await view(world, case_id)).case.escalated_to == "owner", "she can act"
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE accounts SET state = 'suspended' WHERE id = $1", olga.account_id)
    await reach_escalated(world.instance, {})
    await world.run_jobs()
    assert (await view(world, case_id)).case.escalated_to == "admin"
    assert len(await events(world, case_id)) >= 3
    assert any("ada@example.org" in letter for letter in _letters(world, "escalated to you"))
    async with world.instance.db.write() as tx:
        await claim_case(tx, ada, case_id)
        await tx.execute("UPDATE accounts SET state = 'suspended' WHERE id = $1", ada.account_id)
    await reach_escalated(world.instance, {})
    assert (await view(world, case_id)).case.escalated_to == "staff"
    await assert_audit_holds(world)


async def test_a_case_about_the_only_owner_goes_to_the_admins(world: World) -> None:
    mia = await staff(world)
    await staff(world, "ada", "admin")
    await staff(world, "olga", "owner")
    await report(world, "alice", "olga", comment="look")
    case_id = await case_of(world, "olga")
    async with world.instance.db.write() as tx:
        await escalate_case(tx, human(mia), case_id, to="owner", why="it is about her", viewer=mia)
    assert await value(world, "SELECT escalated_to FROM cases WHERE id = $1", case_id) == "admin"
