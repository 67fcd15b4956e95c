"""What screening does to a post that its author believes published is a decision; what it refuses is an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parley.safety.decisions.actions import reverse_decision
from parley.safety.decisions.jobs import state_reasons_of_screening
from parley.safety.log.views import system
from parley.safety.transparency.statements import list_statements
from parley.social.events.actions import record
from parley.social.events.facts import RevisionRescreened
from tests.conftest import World
from tests.safety.auditing import assert_audit_holds
from tests.safety.decisions.test_sweeps_decide import mine, state_of
from tests.safety.decisions.test_telling import letters_to
from tests.safety.sweeping import HIDDEN, LIMITED, post, sweep, use_stricter
from tests.safety.transparency.desk import today
from tests.statuses.cast import ask, count, known, sees


async def statements(world: World) -> list[dict[str, Any]]:
    async with world.instance.db.read() as tx:
        return [one async for some in list_statements(tx, world.settings, today(), today()) for one in some]


async def test_a_post_that_screening_limits_is_a_decision_that_can_be_taken_back(world: World, tmp_path: Path) -> None:
    await known(world, "alice")
    use_stricter(tmp_path)
    status = await post(world, "alice", status=f"some {LIMITED}")
    assert await state_of(world, status) == "limited"
    await world.run_jobs()
    await world.run_jobs()
    (made,) = await mine(world, "alice")
    assert (made.kind, made.clause is None, made.automated_decision) == ("screening", False, True)
    assert [(one.kind, one.subject.id, one.subject.revision) for one in made.actions] == [
        ("limit", int(status["id"]), 1)
    ]
    told = (await ask(world, "alice", "GET", "/notifications")).json()
    (text,) = [one["moderation_warning"]["text"] for one in told if one["type"] == "moderation_warning"]
    assert f"/moderation/decisions/{made.id}" in text
    assert "examined automatically when it was posted" in text
    assert len(letters_to(world, "alice")) == 1
    payload = "SELECT payload FROM events WHERE type = 'StatusRestricted'"
    async with world.instance.db.read() as tx:
        (again,) = await tx.fetch(payload)
    await state_reasons_of_screening(world.instance, dict(again[0]))
    assert len(await mine(world, "alice")) == 1, "asking twice makes one decision"
    async with world.instance.db.write() as tx:
        await reverse_decision(tx, world.settings, system("test"), made.id, kind="appeal")
    assert await state_of(world, status) == "published"
    await assert_audit_holds(world)


async def test_an_edit_that_screening_limits_is_a_decision_too(world: World, tmp_path: Path) -> None:
    await known(world, "alice")
    use_stricter(tmp_path)
    status = await post(world, "alice", status="bread")
    await ask(world, "alice", "PUT", f"/statuses/{status['id']}", json={"status": f"bread and {LIMITED}"})
    await world.run_jobs()
    (made,) = await mine(world, "alice")
    assert [(one.kind, one.subject.revision) for one in made.actions] == [("limit", 2)]


async def test_a_second_screening_that_hides_what_others_read_is_a_decision(world: World, tmp_path: Path) -> None:
    await known(world, "alice")
    status = await post(world, "alice", status="bread")
    async with world.instance.db.write() as tx:
        screening_id = await tx.fetchval("SELECT screening_id FROM statuses WHERE id = $1", int(status["id"]))
        await tx.execute("UPDATE screening_results SET clause = '1.2' WHERE id = $1", screening_id)
        fact = RevisionRescreened(
            account_id=world.ids["alice"],
            screening_id=screening_id,
            subject_type="status",
            subject_id=int(status["id"]),
            revision=1,
            outcome="hold",
        )
        await record(tx, fact)
    await world.run_jobs()
    await world.run_jobs()
    assert not await sees(world, "bob", status["id"])
    (made,) = await mine(world, "alice")
    assert (made.kind, made.clause, [one.kind for one in made.actions]) == ("screening", "1.2", ["hide"])
    assert await count(world, "SELECT count(*) FROM notifications WHERE type = 'moderation_warning'") == 1
    await assert_audit_holds(world)


async def test_what_is_held_or_refused_at_once_is_no_decision_of_a_machine(world: World, tmp_path: Path) -> None:
    await known(world, "alice")
    use_stricter(tmp_path)
    status = await post(world, "alice", status=f"{HIDDEN} at last")
    assert await state_of(world, status) == "held"
    await world.run_jobs()
    assert await count(world, "SELECT count(*) FROM decisions") == 0
    told = (await ask(world, "alice", "GET", "/notifications")).json()
    assert [one["type"] for one in told].count("moderation_warning") == 1, "but its author is told at once"


async def test_what_sweeps_and_screening_restrict_is_in_the_statements_of_reasons(world: World, tmp_path: Path) -> None:
    await known(world, "alice", "bob")
    old = await post(world, "alice", status=f"{HIDDEN} of old")
    ruleset = use_stricter(tmp_path)
    new = await post(world, "bob", status=f"some {LIMITED}")
    await world.run_jobs()
    await sweep(world, ruleset)
    await world.run_jobs()
    made = {one["automated_decision"]: one for one in await statements(world)}
    assert set(made) == {"AUTOMATED_DECISION_PARTIALLY", "AUTOMATED_DECISION_FULLY"}
    swept, screened = made["AUTOMATED_DECISION_PARTIALLY"], made["AUTOMATED_DECISION_FULLY"]
    assert swept["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_DISABLED"]
    assert screened["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_DEMOTED"]
    assert {one["automated_detection"] for one in made.values()} == {"Yes"}
    assert {one["source_type"] for one in made.values()} == {"SOURCE_VOLUNTARY"}
    assert "People approved" in swept["decision_facts"]
    assert "without a person" in screened["decision_facts"]
    assert old["id"] != new["id"]
