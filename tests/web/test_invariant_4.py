"""Invariant 4 through every door that acts: what changes for posts, files, profiles and accounts has a decision, and
the decision a version of the policy. The check itself can fail, which is proved first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from parley.cli import app
from parley.kit.clock import time_travel
from parley.kit.settings import Settings
from parley.safety.appeals.actions import claim_appeal, decide_appeal, file_appeal
from parley.safety.clocks.jobs import watch_clocks
from parley.safety.decisions.jobs import end_due_actions
from parley.safety.decisions.views import NewAction
from parley.safety.incidents.actions import declare_incident
from parley.safety.incidents.views import NewIncident
from parley.safety.log.views import Subject
from parley.safety.sweeps.running import undo_sweep
from parley.screening import Ruleset
from parley.social.accounts.views import Viewer
from parley.social.policies.live import load_live
from tests.abuse.hosts import a_host
from tests.conftest import World
from tests.media.samples import jpeg
from tests.safety.decisions.deciding import account, decided, status, viewer_of
from tests.safety.juries.sitting import before_a_jury, jurors, report_spam, vote
from tests.safety.sweeping import cheese_history, staff, sweep, write_policy
from tests.sessions.pages import send_form
from tests.statuses.cast import known, upload
from tests.web.acting import Before, assert_decided, look
from tests.web.forms import read_forms, send
from tests.web.test_desk import confirm, open_next, report, reported_spam, review, signed_in

pytestmark = pytest.mark.usefixtures("_built_assets")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With juries, and a policy that is written down when the instance starts, as `parley serve` does it."""
    return msgspec.structs.replace(settings, jury=True)


@pytest.fixture
async def started(world: World) -> World:
    await load_live(world.instance.db, world.settings, starting=True)
    return world


async def nobody_acts(world: World, **passed: float) -> None:
    """Time passes; clocks are watched and jobs run."""
    with time_travel(timedelta(**passed)):
        await watch_clocks(world.instance, {})
        await world.run_jobs()


# ---- The doors: each makes something, looks, acts, and returns how it was ----


async def page(world: World) -> Before:
    await reported_spam(world)
    mia = await signed_in(world, "mod_mia")
    case = await open_next(mia)
    before = await look(world)
    await confirm(mia, case, await review(mia, case, clause="7.1", action="remove", account_action="restrict_posting"))
    return before


async def page_undo(world: World) -> Before:
    await reported_spam(world)
    mia = await signed_in(world, "mod_mia")
    case = await open_next(mia)
    done = await confirm(mia, case, await review(mia, case, clause="7.1", action="remove", account_action=""))
    before = await look(world)
    undo = next(form for form in read_forms(done.text) if form.action.endswith("/undo"))
    assert (await send(mia, undo, undo.action)).status_code == 200
    return before


async def second_person(world: World) -> Before:
    await reported_spam(world)
    mia, ben = await signed_in(world, "mod_mia"), await signed_in(world, "mod_ben")
    case = await open_next(mia)
    before = await look(world)
    await confirm(mia, case, await review(mia, case, clause="7.1", action="remove", account_action="terminate"))
    waiting = await ben.get("/desk/proposals")
    form = next(one for one in read_forms(waiting.text) if one.action.endswith("/approve"))
    assert (await send(ben, form, form.action)).status_code == 200
    return before


async def members_api_and_breach(world: World) -> Before:
    await known(world, "alice", "bob")
    post = await world.post("bob", "A post that somebody thinks grave")
    await report(world, "alice", "bob", post["id"], clause="1.1")
    async with world.instance.db.write() as tx:  # a reporter who has been right before is believed alone
        await tx.execute("SELECT set_config('parley.moderation_event', '1', true)")
        await tx.execute(
            """INSERT INTO reporters (account_id, flagger_since) VALUES ($1, now())
               ON CONFLICT (account_id) DO UPDATE SET flagger_since = now()""",
            world.ids["alice"],
        )
    before = await look(world)
    await nobody_acts(world, minutes=59)
    return before


async def trusted_host_over_the_api(world: World) -> Before:
    post = await world.post("alice", "A plain post")
    host = await a_host(world, trusted=True)
    before = await look(world)
    assert (await host.send({"urls": [post["url"]], "tags": ["harm:incitement"]})).status_code == 202
    await world.run_jobs()
    return before


async def host_and_breach(world: World) -> Before:
    post = await world.post("alice", "A plain post")
    host = await a_host(world)
    before = await look(world)
    assert (await host.send({"urls": [post["url"]]})).status_code == 202
    await nobody_acts(world, hours=4, minutes=1)
    return before


async def pasted_list(world: World) -> Before:
    posts = [await world.post(name, f"A plain post of {name}") for name in ("alice", "bob")]
    mia = await signed_in(world, "mod_mia")
    before = await look(world)
    form = {
        **{"from": "provider_notice", "urls": "\n".join(post["url"] for post in posts)},
        **{"statement": "By telephone", "name": "A host", "mail": "noc@host.example"},
    }
    filed = await send_form(mia, "/desk/notices/new", "/desk/notices/new", **form)
    assert filed.status_code == 303, filed.text[:2000]
    await nobody_acts(world, hours=4, minutes=1)
    return before


async def command(world: World) -> Before:
    post = await world.post("alice", "A plain post")
    before = await look(world)
    arguments = ["notice", "order", "--authority", "Court", "--url", post["url"], "--json"]
    ran = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert ran.exit_code == 0, ran.output
    await nobody_acts(world, minutes=59)
    return before


async def jury(world: World) -> Before:
    post = await world.post("spam_sam", "Cheap watches for everybody")
    case_id = await report_spam(world, "bob", post)
    people = await jurors(world, 9)
    await before_a_jury(world, case_id)
    before = await look(world)
    await vote(world, people, ["breaks"] * 5)
    return before


async def appeal(world: World) -> Before:
    post = await world.post("alice", "A plain post")
    made = await decided(world, world.ids["alice"], NewAction("remove", status(post["id"])))
    before = await look(world)
    olga = await viewer_of(world, "olga", "owner")
    async with world.instance.db.write() as tx:
        who = Viewer(account_id=world.ids["alice"], username="alice")
        appeal_id = await file_appeal(tx, world.settings, who, made.id, "It is plain.", role="author")
    async with world.instance.db.write() as tx:
        await claim_appeal(tx, olga, appeal_id)
        await decide_appeal(tx, world.settings, olga, appeal_id, "overturned", answer="It is.")
    return before


async def end_of_a_restriction(world: World) -> Before:
    await world.post("alice", "A plain post")
    alice = world.ids["alice"]
    await decided(world, alice, NewAction("restrict_posting", account(alice), hours=1.0))
    before = await look(world)
    with time_travel(timedelta(hours=2)):
        await end_due_actions(world.instance, {})
        await world.run_jobs()
    return before


async def change_that_was_asked_for(world: World) -> Before:
    post = await world.post("alice", "A plain post with a name in it")
    await decided(world, world.ids["alice"], NewAction("require_change", status(post["id"])))
    before = await look(world)
    client = await world.client("alice")
    answer = await client.put(f"/api/v1/statuses/{post['id']}", json={"status": "A plain post without it"})
    assert answer.status_code == 200, answer.text
    await world.run_jobs()
    return before


async def file_and_profile(world: World) -> Before:
    await known(world, "alice")
    media_id = await upload(world, "alice", "a house")
    post = await world.post("alice", "Look at this", media_ids=[media_id])
    client = await world.client("alice")
    avatar = {"avatar": ("a.jpg", jpeg(), "image/jpeg")}
    answer = await client.patch("/api/v1/accounts/update_credentials", data={"note": "I bake"}, files=avatar)
    assert answer.status_code == 200, answer.text
    await world.run_jobs()
    alice = world.ids["alice"]
    before = await look(world)
    await decided(
        world,
        alice,
        *(NewAction("remove", Subject("media", int(media_id))), NewAction("remove", Subject("profile", alice))),
        *(NewAction("sensitive", status(post["id"])), NewAction("limit", status(post["id"]))),
    )
    return before


async def incident(world: World) -> Before:
    """It holds what newcomers write; a moderator lets it through."""
    new = NewIncident(kind="riot", title="Unrest", why="Calls to burn shelters.", scope=("#London",))
    async with world.instance.db.write() as tx:
        await declare_incident(tx, await viewer_of(world, "mod_mia"), new)
    await load_live(world.instance.db, world.settings)
    await world.account("newcomer", age_days=0.01)
    held = await world.post("newcomer", "Good morning")
    assert held["moderation"]["state"] == "held"
    before = await look(world)
    await decided(world, world.ids["newcomer"], NewAction("publish", status(held["id"])), clause=None)
    return before


async def _history(world: World) -> Ruleset:
    """Posts that were fine under the policy of yesterday, and the stricter one that the instance starts with today."""
    await cheese_history(world)
    folder = write_policy(world.settings.path("stricter"))
    stricter = msgspec.structs.replace(world.settings, policy_dir=str(folder))
    return await load_live(world.instance.db, stricter, starting=True)


async def sweep_over_history(world: World) -> Before:
    ruleset = await _history(world)
    before = await look(world)
    done = await sweep(world, ruleset)
    assert done.state == "completed"
    await world.run_jobs()
    return before


async def sweep_undone(world: World) -> Before:
    ruleset = await _history(world)
    done = await sweep(world, ruleset)
    before = await look(world)
    await undo_sweep(world.instance.db, world.settings, await staff(world, "ada", "admin"), done.id)
    await world.run_jobs()
    return before


DOORS: dict[str, Callable[[World], Awaitable[Before]]] = {
    door.__name__: door
    for door in (
        *(page, page_undo, second_person, members_api_and_breach, trusted_host_over_the_api, host_and_breach),
        *(pasted_list, command, jury, appeal, end_of_a_restriction, change_that_was_asked_for, file_and_profile),
        *(incident, sweep_over_history, sweep_undone),
    )
}


@pytest.mark.parametrize("door", DOORS)
async def test_invariant_4_whatever_a_door_changes_is_an_action_of_a_decision_under_a_policy(
    started: World, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    for name, value in (("DATABASE_URL", dsn), ("DATA_DIR", str(tmp_path / "data")), ("DOMAIN", "localhost:3000")):
        monkeypatch.setenv(f"PARLEY_{name}", value)
    await assert_decided(started, await DOORS[door](started))


BEHIND: dict[str, str] = {
    "a post": "UPDATE statuses SET state = 'removed' WHERE account_id = $1",
    "a mark": "UPDATE statuses SET marked_sensitive = true WHERE account_id = $1",
    "an account": "UPDATE accounts SET state = 'suspended' WHERE id = $1",
    "a profile": "UPDATE accounts SET note = '' WHERE id = $1",
    "a file of a post": "UPDATE media SET hidden = true WHERE account_id = $1",
    "a stored file": "UPDATE files SET hidden = true WHERE account_id = $1",
    "a restriction": """
        INSERT INTO account_restrictions (action_id, account_id, decision_id, kind, found_state)
        VALUES (1, $1, 1, 'freeze', 'active')
    """,
}


@pytest.mark.parametrize("what", BEHIND)
async def test_a_change_that_nobody_decided_is_found(started: World, what: str) -> None:
    world = started
    media_id = await upload(world, "alice", "a house")
    await world.post("alice", "Look at this", media_ids=[media_id])
    client = await world.client("alice")
    assert (await client.patch("/api/v1/accounts/update_credentials", json={"note": "I bake"})).status_code == 200
    before = await look(world)
    async with world.instance.db.write() as tx:
        await tx.execute(BEHIND[what], world.ids["alice"])
    with pytest.raises(AssertionError, match="nobody has decided that"):
        await assert_decided(world, before)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("policy_sha256", "f" * 64, "under a policy that nobody knows"),
        ("ruleset", "f" * 64, "under a policy that nobody knows"),
    ],
)
async def test_a_decision_under_a_policy_that_never_was_is_found(
    started: World, column: str, value: Any, said: str
) -> None:
    before = await page(started)
    await assert_decided(started, before)
    async with started.instance.db.write() as tx:
        await tx.execute("SELECT set_config('parley.moderation_event', '1', true)")
        await tx.execute(f"UPDATE decisions SET {column} = $1", value)
    with pytest.raises(AssertionError, match=said):
        await assert_decided(started, before)


async def test_an_action_that_does_nothing_is_found(started: World) -> None:
    before = await page(started)
    async with started.instance.db.write() as tx:
        await tx.execute("UPDATE statuses SET state = 'published'")
    with pytest.raises(AssertionError, match="does nothing"):
        await assert_decided(started, before)
