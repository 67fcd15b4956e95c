"""What a sweep does to a post that others read is a decision, with its reasons, its notice and its appeal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parley.safety.appeals.actions import claim_appeal, decide_appeal, file_appeal
from parley.safety.decisions.reads import list_my_decisions
from parley.safety.decisions.views import DecisionView, NewAction
from parley.safety.log.views import Subject
from parley.safety.sweeps.reads import list_changes
from parley.safety.sweeps.running import undo_sweep
from parley.screening import live_ruleset
from parley.social.accounts.views import Viewer
from tests.conftest import World
from tests.safety.auditing import assert_audit_holds
from tests.safety.decisions.deciding import decided
from tests.safety.decisions.test_telling import letters_to
from tests.safety.sweeping import HIDDEN, cheese_history, post, staff, sweep, use_stricter
from tests.statuses.cast import ask, count, known, sees

STATE = "SELECT state::text FROM statuses WHERE id = $1"


async def state_of(world: World, status: dict[str, Any]) -> str:
    async with world.instance.db.read() as tx:
        return str(await tx.fetchval(STATE, int(status["id"])))


async def mine(world: World, name: str) -> list[DecisionView]:
    viewer = Viewer(account_id=world.ids[name], username=name)
    async with world.instance.db.read() as tx:
        return list(await list_my_decisions(tx, viewer))


async def about(world: World, name: str, status: dict[str, Any]) -> DecisionView:
    found = [one for one in await mine(world, name) if one.actions and one.actions[0].subject.id == int(status["id"])]
    return next(one for one in found if one.kind == "sweep")


async def test_what_a_sweep_hides_or_limits_is_a_decision_with_notice_and_letter(world: World, tmp_path: Path) -> None:
    posts = await cheese_history(world)
    ruleset = use_stricter(tmp_path)
    row = await sweep(world, ruleset)
    await world.run_jobs()
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        changes = {one.subject_id: one for one in await list_changes(tx, row.id)}
    for name, kind in (("hidden", "hide"), ("limited", "limit"), ("message", "hide"), ("poll", "hide")):
        change = changes[int(posts[name]["id"])]
        author = next(who for who, id_ in world.ids.items() if id_ == change.account_id)
        made = await about(world, author, posts[name])
        assert change.decision_id == made.id
        assert [one.kind for one in made.actions] == [kind]
        assert (made.automated_detection, made.automated_decision, made.source) == (True, True, "automated")
        assert (made.clause, made.policy_sha256) == (change.clause, live_ruleset().policy_sha256)
        assert "what was posted before was examined again" in made.facts
        told = (await ask(world, author, "GET", "/notifications")).json()
        texts = [one["moderation_warning"]["text"] for one in told if one["type"] == "moderation_warning"]
        mine_here = [text for text in texts if f"/moderation/decisions/{made.id}" in text]
        assert len(mine_here) == 1, "the author is told once"
        assert made.clause_title in mine_here[0]
        letters = [letter.get_content() for letter in letters_to(world, author)]
        assert sum(f"/moderation/decisions/{made.id}" in letter.replace("\n", "") for letter in letters) == 1
    assert changes[int(posts["flagged"]["id"])].decision_id is None, "nothing was done to it"
    kinds = "SELECT count(*) FROM notifications WHERE type = 'moderation_warning'"
    assert await count(world, kinds) == 4, "no second notice for the same thing"
    await assert_audit_holds(world)


async def test_many_posts_of_one_author_make_one_letter(world: World, tmp_path: Path) -> None:
    await known(world, "alice")
    for number in range(3):
        await post(world, "alice", status=f"{HIDDEN} {number}")
    await sweep(world, use_stricter(tmp_path))
    await world.run_jobs()
    await world.run_jobs()
    assert len(await mine(world, "alice")) == 3
    (letter,) = letters_to(world, "alice")
    text = letter.get_content().replace("\n", "")
    assert all(f"/moderation/decisions/{made.id}" in text for made in await mine(world, "alice"))


async def test_an_appeal_against_a_sweep_restores_the_post(world: World, tmp_path: Path) -> None:
    posts = await cheese_history(world)
    row = await sweep(world, use_stricter(tmp_path))
    made = await about(world, "alice", posts["hidden"])
    alice = Viewer(account_id=world.ids["alice"], username="alice")
    mia = Viewer(account_id=await world.account("mod_mia", role="moderator"), username="mod_mia", role="moderator")
    async with world.instance.db.write() as tx:
        appeal = await file_appeal(tx, world.settings, alice, made.id, "It was only cheese.", role="author")
    async with world.instance.db.write() as tx:
        await claim_appeal(tx, mia, appeal)
        await decide_appeal(tx, world.settings, mia, appeal, "overturned", answer="Cheese is fine.")
    assert await state_of(world, posts["hidden"]) == "published"
    assert await sees(world, "bob", posts["hidden"]["id"])
    labels = "SELECT count(*) FROM labels WHERE subject_id = $1 AND source = 'appeal' AND outcome = 'allow'"
    assert await count(world, labels, int(posts["hidden"]["id"])) == 1, "a false positive, for the judge to learn from"
    ada = await staff(world, "ada", "admin")
    restored, kept = await undo_sweep(world.instance.db, world.settings, ada, row.id)
    assert (restored, kept) == (row.acted - 1, 1), "what the appeal put back stays as it is"
    await assert_audit_holds(world)


async def test_undoing_a_sweep_reverses_its_decisions_and_tells_their_authors(world: World, tmp_path: Path) -> None:
    posts = await cheese_history(world)
    row = await sweep(world, use_stricter(tmp_path))
    made = await about(world, "alice", posts["hidden"])
    ada = await staff(world, "ada", "admin")
    assert await undo_sweep(world.instance.db, world.settings, ada, row.id) == (row.acted, 0)
    assert await count(world, "SELECT count(*) FROM decisions WHERE kind = 'sweep' AND reversed_by_id IS NULL") == 0
    assert await count(world, "SELECT count(*) FROM decision_actions WHERE reversed_at IS NULL") == 0
    assert await sees(world, "bob", posts["hidden"]["id"])
    told = (await ask(world, "alice", "GET", "/notifications")).json()
    texts = [one["moderation_warning"]["text"] for one in told if one["type"] == "moderation_warning"]
    assert any("was a mistake" in text and str(made.id) in text for text in texts)
    await assert_audit_holds(world)


async def test_what_a_person_decides_afterwards_stands_when_the_sweep_is_undone(world: World, tmp_path: Path) -> None:
    posts = await cheese_history(world)
    row = await sweep(world, use_stricter(tmp_path))
    hidden = int(posts["hidden"]["id"])
    await decided(world, world.ids["alice"], NewAction("remove", Subject("status", hidden)), clause="1.2")
    assert (await about(world, "alice", posts["hidden"])).reversed_by_id is not None
    ada = await staff(world, "ada", "admin")
    assert await undo_sweep(world.instance.db, world.settings, ada, row.id) == (row.acted - 1, 1)
    assert await state_of(world, posts["hidden"]) == "removed"
    await assert_audit_holds(world)
