"""Copies at the desk: whoever must agree sees them, agreeing acts on all, and undoing brings all of them back."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest

from parley.safety.appeals.actions import file_appeal
from parley.safety.decisions import proposals
from parley.social.accounts.views import Viewer
from tests.conftest import World
from tests.safety.auditing import assert_audit_holds
from tests.statuses.cast import known
from tests.web.forms import Form, read_forms, send
from tests.web.test_desk import confirm, open_next, reported_spam, review, signed_in, subjects_of

pytestmark = pytest.mark.usefixtures("_built_assets")

TEXT = "Message me today and learn the secret of doubling all your coins in a single night, friends"


class Scene:
    """A reported post, two copies of it by others, and its case as the first of two moderators has opened it."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def begin(self) -> Scene:
        world = self.world
        await known(world, "bob", "carol")
        self.copies = [(await world.post(name, TEXT))["id"] for name in ("bob", "carol")]
        await reported_spam(world, TEXT)
        await world.run_jobs()
        self.mia, self.ben = await signed_in(world, "mod_mia"), await signed_in(world, "mod_ben")
        self.page = await open_next(self.mia)
        self.post = subjects_of(self.page.text)[0].split(":")[1]
        return self

    async def seen(self) -> list[int]:
        """What strangers get of the post and its copies."""
        return [
            (await self.world.anonymous.get(f"/api/v1/statuses/{one}")).status_code for one in (self.post, *self.copies)
        ]

    async def agree(self) -> httpx.Response:
        waiting = await self.ben.get("/desk/proposals")
        form = form_to(waiting.text, "/approve")
        answer = await send(self.ben, form, form.action)
        await self.world.run_jobs()
        return answer

    async def undo(self, html: str) -> httpx.Response:
        form = form_to(html, "/undo")
        answer = await send(self.mia, form, form.action)
        await self.world.run_jobs()
        return answer


def form_to(html: str, end: str) -> Form:
    return next(one for one in read_forms(html) if one.action.endswith(end))


async def test_who_must_agree_to_a_termination_sees_its_copies_and_agreeing_acts_on_them(world: World) -> None:
    scene = await Scene(world).begin()
    shown = await review(
        scene.mia, scene.page, clause="7.1", action="remove", account_action="terminate", copies=scene.post
    )
    assert "2 copies" in shown.text
    await confirm(scene.mia, scene.page, shown)
    assert await scene.seen() == [200, 200, 200], "nothing happens alone"
    waiting = await scene.ben.get("/desk/proposals")
    assert "The same for 2 copies by 2 accounts" in waiting.text
    for name in ("@bob", "@carol", TEXT):
        assert name in waiting.text
    assert (await scene.agree()).status_code == 200
    assert await scene.seen() == [404, 404, 404]
    async with world.instance.db.read() as tx:
        rows = await tx.fetch("SELECT account_id, approved_by IS NOT NULL AS two FROM decisions ORDER BY id")
    assert {row["account_id"] for row in rows} == {world.ids[name] for name in ("spam_sam", "bob", "carol")}
    assert all(row["two"] for row in rows)
    await assert_audit_holds(world)


async def test_copies_that_are_too_many_wait_for_a_second_person_and_the_moderator_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = SimpleNamespace(head=SimpleNamespace(decisions=SimpleNamespace(four_eyes_over_subjects=1)))
    monkeypatch.setattr(proposals, "live_ruleset", lambda: few)
    scene = await Scene(world).begin()
    shown = await review(scene.mia, scene.page, clause="7.1", action="remove", account_action="", copies=scene.post)
    assert "The copies are very many" in shown.text
    after = await confirm(scene.mia, scene.page, shown)
    assert "they wait for a second person" in after.text
    assert await scene.seen() == [404, 200, 200]
    waiting = await scene.ben.get("/desk/proposals")
    assert "2 copies by 2 accounts" in waiting.text
    assert TEXT in waiting.text
    # One of them is gone meanwhile: the other is acted on all the same.
    assert (await (await world.client("carol")).delete(f"/api/v1/statuses/{scene.copies[1]}")).status_code == 200
    await scene.agree()
    assert await scene.seen() == [404, 404, 404]
    back = await scene.undo(after.text)
    assert "Proposed" in back.text
    assert await scene.seen() == [404, 404, 404], "two agreed to the copies: two undo them"
    assert "which were decided with it" in (await scene.ben.get("/desk/proposals")).text
    await scene.agree()
    assert await scene.seen() == [200, 200, 404]
    await assert_audit_holds(world)


async def test_undoing_the_first_decision_brings_copies_that_wait_to_an_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = SimpleNamespace(head=SimpleNamespace(decisions=SimpleNamespace(four_eyes_over_subjects=1)))
    monkeypatch.setattr(proposals, "live_ruleset", lambda: few)
    scene = await Scene(world).begin()
    shown = await review(scene.mia, scene.page, clause="7.1", action="remove", account_action="", copies=scene.post)
    after = await confirm(scene.mia, scene.page, shown)
    await scene.undo(after.text)
    assert await scene.seen() == [200, 200, 200]
    assert "Nothing waits for a second person" in (await scene.ben.get("/desk/proposals")).text
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT state FROM decision_proposals") == "stale"


async def test_undoing_a_decision_undoes_it_for_the_copies_too(world: World) -> None:
    scene = await Scene(world).begin()
    shown = await review(scene.mia, scene.page, clause="7.1", action="remove", account_action="", copies=scene.post)
    after = await confirm(scene.mia, scene.page, shown)
    assert await scene.seen() == [404, 404, 404]
    back = await scene.undo(after.text)
    assert await scene.seen() == [200, 200, 200]
    assert "copies that were decided with it too" in back.text
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM strikes WHERE refunded_at IS NULL") == 0
    await assert_audit_holds(world)


async def test_undoing_the_decision_about_one_copy_leaves_the_others(world: World) -> None:
    scene = await Scene(world).begin()
    shown = await review(scene.mia, scene.page, clause="7.1", action="remove", account_action="", copies=scene.post)
    await confirm(scene.mia, scene.page, shown)
    async with world.instance.db.read() as tx:
        first, copy = [row[0] for row in await tx.fetch("SELECT id FROM decisions ORDER BY id LIMIT 2")]
    assert "2 copies" in (await scene.mia.get(f"/desk/decisions/{first}")).text
    page = await scene.mia.get(f"/desk/decisions/{copy}")
    assert f"/desk/decisions/{first}" in page.text
    back = await scene.undo(page.text)
    assert "Undone for this author" in back.text
    assert sorted(await scene.seen()) == [200, 404, 404]
    assert "1 copy" in (await scene.mia.get(f"/desk/decisions/{first}")).text


async def appealed(scene: Scene) -> tuple[httpx.AsyncClient, httpx.Response, str]:
    """All three posts are removed; the author of the first appeals, and another moderator takes the appeal."""
    world = scene.world
    shown = await review(scene.mia, scene.page, clause="7.1", action="remove", account_action="", copies=scene.post)
    await confirm(scene.mia, scene.page, shown)
    assert await scene.seen() == [404, 404, 404]
    async with world.instance.db.write() as tx:
        first, author = (await tx.fetch("SELECT id, account_id FROM decisions ORDER BY id LIMIT 1"))[0]
        who = Viewer(account_id=author, username=next(name for name, id_ in world.ids.items() if id_ == author))
        appeal_id = await file_appeal(tx, world.settings, who, first, "It is a line of a play.", role="author")
    address = f"/desk/appeals/{appeal_id}"
    claim = form_to((await scene.ben.get(address)).text, "/claim")
    return scene.ben, await send(scene.ben, claim, claim.action), address


async def strikes_in_force(world: World) -> int:
    async with world.instance.db.read() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM strikes WHERE refunded_at IS NULL"))


async def test_an_appeal_that_overturns_a_decision_brings_its_copies_back_too(world: World) -> None:
    scene = await Scene(world).begin()
    ben, page, address = await appealed(scene)
    assert "The same was decided about 2 copies by others" in page.text
    assert await strikes_in_force(world) == 3
    form = form_to(page.text, "/decide")
    answer = await send(ben, form, form.action, outcome="overturned", answer="So it is.")
    assert answer.status_code == 200, answer.text
    await world.run_jobs()
    assert await scene.seen() == [200, 200, 200]
    assert await strikes_in_force(world) == 0
    async with world.instance.db.read() as tx:
        reversals = await tx.fetch("SELECT account_id, decided_by FROM decisions WHERE kind = 'appeal'")
        labels = await tx.fetchval("SELECT count(*) FROM labels WHERE source = 'appeal'")
    assert {row["account_id"] for row in reversals} == {world.ids[name] for name in ("spam_sam", "bob", "carol")}
    assert {row["decided_by"] for row in reversals} == {world.ids["mod_ben"]}
    assert labels == 3, "the judge learns of each"
    for name in ("bob", "carol"):
        told = (await (await world.client(name)).get("/api/v1/notifications")).json()
        assert sum(one["type"] == "moderation_warning" for one in told) == 2, "that it was removed, and that it is back"
    assert "The same was decided" not in (await ben.get(address)).text
    await assert_audit_holds(world)


async def test_a_reviewer_may_give_one_author_alone_right(world: World) -> None:
    scene = await Scene(world).begin()
    ben, page, _ = await appealed(scene)
    form = form_to(page.text, "/decide")
    await send(ben, form, form.action, outcome="overturned", answer="You may.", one_alone="1")
    await world.run_jobs()
    assert sorted(await scene.seen()) == [200, 404, 404]
    assert await strikes_in_force(world) == 2
    await assert_audit_holds(world)
