"""Incidents: declared by one, kept by two, concluded exactly, and told of."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from parley import screening
from parley.kit.clock import time_travel
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.safety.incidents.actions import conclude_incident, debrief_incident, declare_incident, keep_incident
from parley.safety.incidents.jobs import end_incidents
from parley.safety.incidents.reads import get_incident, list_incidents
from parley.safety.incidents.views import NewIncident
from parley.social.policies.live import load_live, load_ruleset
from tests.conftest import World
from tests.media.samples import jpeg
from tests.safety.appeals.deciding import decide_about, viewer_of
from tests.safety.auditing import assert_audit_holds
from tests.safety.juries.sitting import report_spam

RIOT = NewIncident(
    kind="riot", title="Unrest in London", why="Calls to burn shelters are going round.", scope=("#London",)
)


@pytest.fixture
async def mia(world: World):
    """A moderator, on an instance that has judged by its policy for a while."""
    await load_live(world.instance.db, world.settings, starting=True)
    return await viewer_of(world, "mod_mia", "moderator")


async def _declare(world, viewer, new=RIOT):
    async with world.instance.db.write() as tx:
        view = await declare_incident(tx, viewer, new)
    await load_live(world.instance.db, world.settings)
    return view


async def _conclude(world, viewer, incident_id):
    async with world.instance.db.write() as tx:
        await conclude_incident(tx, viewer, incident_id)
    await load_live(world.instance.db, world.settings)


async def test_from_the_declaration_on_newcomers_wait_and_concluding_restores_exactly(world: World, mia) -> None:
    before = screening.live_ruleset()
    assert (await world.post("alice", "Good morning"))["visibility"] == "public"
    view = await _declare(world, mia)
    assert (view.state, view.in_force, view.scope) == ("active", True, ("london",))
    during = screening.live_ruleset()
    assert during.sha256 != before.sha256
    assert during.head.thresholds["violence_hold"] < before.head.thresholds["violence_hold"]
    await world.account("newcomer", age_days=0.01)
    held = await world.post("newcomer", "Good morning to you too")
    assert (await world.anonymous.get(f"/api/v1/statuses/{held['id']}")).status_code == 404
    await _introduces_herself_and_waits(world, "newcomer")
    await _conclude(world, mia, view.id)
    assert screening.live_ruleset().sha256 == before.sha256
    async with world.instance.db.read() as tx:
        view = await get_incident(tx, mia, view.id)
        assert (view.state, view.restored, view.in_force) == ("concluded", True, False)
        # what was judged during it can be judged again in the same way
        assert (await load_ruleset(tx, during.sha256)).sha256 == during.sha256
        assert await tx.fetchval("SELECT pinned FROM policy_activations ORDER BY id DESC LIMIT 1") is False


async def _introduces_herself_and_waits(world: World, name: str) -> None:
    """A name, a bio and the words of a picture, by somebody new: their owner sees them, nobody else does."""
    client, account_id = await world.client(name), world.ids[name]
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT state FROM accounts WHERE id = $1", account_id) == "active", "a name is enough"
    profile = {"display_name": "Ann of the garden", "note": "Good morning, I am new"}
    answer = await client.patch("/api/v1/accounts/update_credentials", json=profile)
    assert answer.status_code == 200, answer.text
    seen = (await world.anonymous.get(f"/api/v1/accounts/{account_id}")).json()
    assert "garden" not in seen["display_name"]
    assert "new" not in seen["note"]
    form = {"description": "A morning by the river"}
    sent = await client.post("/api/v2/media", data=form, files={"file": ("a.jpg", jpeg(), "image/jpeg")})
    assert sent.status_code in (200, 202), sent.text
    async with world.instance.db.read() as tx:
        held = await tx.fetchval("SELECT held FROM media_descriptions WHERE media_id = $1", int(sent.json()["id"]))
    assert held is True


async def test_grave_cases_go_to_the_war_queue_and_carry_the_incident(world: World, mia) -> None:
    old = await report_spam(world, "bob", await world.post("alice", "An ordinary sentence"), clause="1.1")
    posts = [await world.post(name, "One more sentence") for name in ("carol", "dora")]
    view = await _declare(world, mia)
    new = await report_spam(world, "bob", posts[0], clause="1.1")
    mild = await report_spam(world, "bob", posts[1], clause="8.2")
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        rows = await tx.fetch("SELECT id, queue, incident_id FROM cases")
    queues = {row["id"]: (row["queue"], row["incident_id"]) for row in rows}
    assert queues[old] == queues[new] == ("war", view.id)
    assert queues[mild][1] is None
    await _conclude(world, mia, view.id)
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM cases WHERE queue = 'war'") == 0
        assert (await get_incident(tx, mia, view.id)).figures.cases == 2


async def test_one_person_declares_and_a_second_one_keeps_it_beyond_72_hours(world: World, mia) -> None:
    view = await _declare(world, mia)
    with pytest.raises(Conflict, match="one at a time"):
        await _declare(world, mia)
    async with world.instance.db.write() as tx:
        await keep_incident(tx, mia, view.id, hours=70)
        with pytest.raises(Forbidden, match="somebody else of the staff"):
            await keep_incident(tx, mia, view.id, hours=80)
        with pytest.raises(Invalid, match="30 days"):
            await keep_incident(tx, await viewer_of(world, "mod_max", "moderator"), view.id, hours=24 * 40)
    async with world.instance.db.write() as tx:
        kept = await keep_incident(tx, await viewer_of(world, "mod_max", "moderator"), view.id, hours=100)
        assert kept.kept_name == "mod_max"
    await load_live(world.instance.db, world.settings)
    async with world.instance.db.read() as tx:
        assert (await get_incident(tx, mia, view.id)).in_force
    with pytest.raises(Exception, match="incidents"):
        async with world.instance.db.write() as tx:
            await tx.execute("SELECT set_config('parley.moderation_event', '1', true)")
            await tx.execute("UPDATE incidents SET kept_by = declared_by")


async def test_it_ends_by_itself(world: World, mia) -> None:
    before = screening.live_ruleset().sha256
    view = await _declare(world, mia)
    await end_incidents(world.instance, {})
    with time_travel(timedelta(hours=25)):
        await end_incidents(world.instance, {})
    await load_live(world.instance.db, world.settings)
    assert screening.live_ruleset().sha256 == before
    async with world.instance.db.read() as tx:
        view = await get_incident(tx, mia, view.id)
    assert (view.state, view.concluded_name) == ("concluded", None)


async def test_what_people_activate_meanwhile_stays(world: World, mia) -> None:
    from parley.screening.sources import policy_files
    from parley.social.policies.actions import activate_policy, propose_policy
    from parley.social.policies.views import Staff

    view = await _declare(world, mia)
    owner = Staff(await world.account("olga", role="owner"), "olga", "owner")
    files = policy_files(screening.shipped_policy())
    assert isinstance(files, dict)
    files["policy.yaml"] += b"\n# ours\n"
    async with world.instance.db.write() as tx:
        sha256 = await propose_policy(tx, owner, files)
        alone = msgspec.structs.replace(world.settings, four_eyes=False)
        await activate_policy(tx, owner, sha256, alone, emergency="to see")
    await load_live(world.instance.db, world.settings)
    async with world.instance.db.read() as tx:
        assert not (await get_incident(tx, mia, view.id)).in_force
    await _conclude(world, mia, view.id)
    assert screening.live_ruleset().policy_sha256 == sha256
    async with world.instance.db.read() as tx:
        assert (await get_incident(tx, mia, view.id)).restored is False


def _unwrapped(mail: str) -> str:
    return mail.replace("=\n", "")


async def test_staff_and_hosts_are_told_by_mail_and_everything_is_logged(world: World, mia) -> None:
    async with world.instance.db.write() as tx:
        await tx.execute("SELECT set_config('parley.moderation_event', '1', true)")
        await tx.execute(
            "INSERT INTO providers (name, kind, contact_mail) VALUES ('Big Host', 'host', 'abuse@host.example')"
        )
    view = await _declare(world, mia)
    await world.run_jobs()
    mails = [_unwrapped(path.read_text()) for path in world.settings.path("mail").iterdir()]
    assert any("To: mod_mia@example.org" in mail and "Unrest in London" in mail for mail in mails)
    (to_host,) = [mail for mail in mails if "To: abuse@host.example" in mail]
    assert "stricter until it is over" in to_host
    assert "Unrest in London" not in to_host
    await _conclude(world, mia, view.id)
    async with world.instance.db.write() as tx:
        await debrief_incident(tx, mia, view.id, lessons="Answer sooner.")
        types = [row[0] for row in await tx.fetch("SELECT type FROM moderation_events WHERE type LIKE 'incident%'")]
    assert sorted(types) == ["incident_concluded", "incident_debriefed", "incident_declared"]


async def test_the_debriefing_counts_what_was_held_and_what_people_let_go(world: World, mia) -> None:
    view = await _declare(world, mia)
    held = []
    for number in range(4):
        await world.account(f"newcomer_{number}", age_days=0.01)
        held.append(await world.post(f"newcomer_{number}", f"Good morning, number {number}"))
    for status in held[:2]:
        await decide_about(world, mia, status, "publish")
    await decide_about(world, mia, held[2], "remove")
    await _conclude(world, mia, view.id)
    async with world.instance.db.write() as tx:
        with pytest.raises(Invalid, match="what was learned"):
            await debrief_incident(tx, mia, view.id, lessons=" ")
        done = await debrief_incident(tx, mia, view.id, lessons="Half of it was harmless.")
        with pytest.raises(Conflict):
            await debrief_incident(tx, mia, view.id, lessons="Again.")
    figures = done.figures
    assert figures is not None
    assert (figures.held, figures.released, figures.removed, figures.waiting) == (4, 2, 1, 1)
    assert figures.false_positive_share == pytest.approx(2 / 3)
    assert figures.minutes_median is not None
    assert done.state == "debriefed"
    await assert_audit_holds(world)


async def test_incidents_look_missing_to_members(world: World, mia) -> None:
    view = await _declare(world, mia)
    alice = await viewer_of(world, "alice")
    async with world.instance.db.write() as tx:
        for call in (
            declare_incident(tx, alice, RIOT),
            conclude_incident(tx, alice, view.id),
            keep_incident(tx, alice, view.id, hours=1),
            debrief_incident(tx, alice, view.id, lessons="x"),
            get_incident(tx, alice, view.id),
            list_incidents(tx, alice),
        ):
            with pytest.raises(NotFound):
                await call
        for wrong in ({"title": " "}, {"hours": 100.0}, {"hours": -1.0}, {"factor": 0.01}, {"scope": ("(a|b)",)}):
            with pytest.raises(Invalid):
                await declare_incident(tx, mia, msgspec.structs.replace(RIOT, **wrong))
