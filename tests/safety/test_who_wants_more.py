"""What somebody of the staff, or a host with a token, could do beyond what is theirs: each of these is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from parley.kit.errors import Forbidden, NotFound
from parley.kit.settings import Settings
from parley.safety.cases.actions import escalate_case
from parley.safety.decisions.actions import decide
from parley.safety.decisions.views import DecisionView, NewAction, NewDecision, Proposal
from parley.safety.evidence.holding import get_hold, place_hold, release_hold, renew_hold
from parley.safety.evidence.law_views import Held, NewDisclosure, NewHold, NewPackage, NewRequest
from parley.safety.evidence.packing import pack_evidence
from parley.safety.evidence.requests import (
    decide_disclosure,
    end_request,
    get_request,
    list_requests,
    propose_disclosure,
    register_request,
)
from parley.safety.log.views import Subject, human
from tests.abuse.hosts import a_host
from tests.conftest import World, open_world
from tests.safety.auditing import assert_audit_holds
from tests.safety.cases.desk import case_of, events, report, staff


@pytest.fixture(scope="module")
def _built_assets() -> None:
    from parley.web.build import build_assets

    build_assets()


async def test_nobody_of_the_staff_reads_an_order_about_themselves(world: World) -> None:
    """An authority's request can be secret: whom it is about does not find it, by whatever it hangs on."""
    mia, ada, olga = await staff(world), await staff(world, "ada", "admin"), await staff(world, "olga", "owner")
    await report(world, "alice", "ada", comment="look at her")
    case_id = await case_of(world, "ada")
    post = await world.post("ada", "I am the admin")
    async with world.instance.db.write() as tx:
        by_case = await register_request(
            tx, mia, NewRequest(kind="disclosure", authority="Police", statement="about ada", case_id=case_id)
        )
        by_hold = await register_request(tx, olga, NewRequest(kind="preservation", authority="A court"))
        hold = await place_hold(
            tx,
            olga,
            NewHold(
                subjects=[Held("status", int(post["id"]))], kind="preservation", reason="ordered", request_id=by_hold.id
            ),
        )
        on_account = await place_hold(
            tx,
            olga,
            NewHold(
                subjects=[Held("account", ada.account_id)], kind="preservation", reason="ordered", request_id=by_hold.id
            ),
        )
    async with world.instance.db.read() as tx:
        assert not await list_requests(tx, ada)
        assert {one.id for one in await list_requests(tx, mia)} == {by_case.id, by_hold.id}
        for request in (by_case, by_hold):
            with pytest.raises(NotFound):
                await get_request(tx, ada, request.id)
        with pytest.raises(NotFound):
            await get_hold(tx, ada, hold.id)
    for act in (
        lambda tx: end_request(tx, ada, by_case.id, "refused", answer="it is nothing"),
        lambda tx: renew_hold(tx, ada, on_account.id),
        lambda tx: release_hold(tx, ada, hold.id, why="it is mine"),
    ):
        with pytest.raises(NotFound):
            async with world.instance.db.write() as tx:
                await act(tx)


@pytest.mark.parametrize(("to", "may"), [("owner", "olga"), ("mod_mia", "mod_mia"), ("admin", "ada")])
async def test_what_was_escalated_is_decided_by_those_who_were_asked(world: World, to: str, may: str) -> None:
    people = {
        "mod_mia": await staff(world),
        "mod_max": await staff(world, "mod_max"),
        "ada": await staff(world, "ada", "admin"),
        "olga": await staff(world, "olga", "owner"),
    }
    post = await world.post("spam_sam", "buy my pills")
    await report(world, "alice", "spam_sam", status_ids=[post["id"]])
    case_id = await case_of(world, "spam_sam")
    async with world.instance.db.write() as tx:
        await escalate_case(tx, human(people["mod_max"]), case_id, to=to, why="please", viewer=people["mod_max"])
    new = NewDecision(
        account_id=world.ids["spam_sam"],
        actions=(NewAction("no_action", Subject("status", int(post["id"]))),),
        case_id=case_id,
    )
    refused = {"owner": ("mod_max", "ada"), "mod_mia": ("mod_max",), "admin": ("mod_max", "mod_mia")}[to]
    for name in refused:
        with pytest.raises(Forbidden, match="escalated"):
            async with world.instance.db.write() as tx:
                await decide(tx, world.settings, people[name], new)
    async with world.instance.db.write() as tx:
        assert isinstance(await decide(tx, world.settings, people[may], new), DecisionView)


async def test_a_suspension_for_years_takes_two_as_a_termination_does(world: World) -> None:
    mia, sam = await staff(world), await world.account("spam_sam")
    for hours, kind in ((24.0 * 365 * 2, Proposal), (24.0 * 90, DecisionView)):
        new = NewDecision(
            account_id=sam, actions=(NewAction("suspend", Subject("account", sam), hours=hours),), clause="1.2"
        )
        async with world.instance.db.write() as tx:
            assert isinstance(await decide(tx, world.settings, mia, new), kind)


async def _approved(world: World, viewer: Any, **what: Any) -> int:
    ada = await staff(world, "ada", "admin")
    async with world.instance.db.write() as tx:
        made = await propose_disclosure(
            tx, viewer, NewDisclosure(recipient="Host", basis="their notice", what="the account", **what)
        )
        await decide_disclosure(tx, world.settings, ada, made.id, approve=True)
    return made.id


async def test_an_approved_package_is_not_packed_for_somebody_else(world: World, tmp_path: Path) -> None:
    mia = await staff(world)
    await world.post("spam_sam", "hello")
    disclosure = await _approved(world, mia, account_id=world.ids["spam_sam"])
    new = NewPackage(disclosure_id=disclosure, audience="court")
    with pytest.raises(Forbidden, match="no request on record"):
        await pack_evidence(world.instance, mia, new, tmp_path / "a.zip")
    await pack_evidence(world.instance, mia, msgspec.structs.replace(new, audience="host"), tmp_path / "a.zip")
    await assert_audit_holds(world)


async def test_what_somebody_wrote_to_one_person_alone_is_not_handed_to_a_host(world: World, tmp_path: Path) -> None:
    mia = await staff(world)
    await world.account("alice")
    await world.post("spam_sam", "hello everybody")
    await world.post("spam_sam", "@alice for your eyes only", visibility="direct")
    texts = {}
    for audience in ("host", "court"):
        what: dict[str, Any] = {"account_id": world.ids["spam_sam"]}
        if audience == "court":
            async with world.instance.db.write() as tx:
                request = await register_request(tx, mia, NewRequest(kind="disclosure", authority="A court"))
            what["request_id"] = request.id
        path = tmp_path / f"{audience}.zip"
        disclosure = await _approved(world, mia, **what)
        await pack_evidence(world.instance, mia, NewPackage(disclosure_id=disclosure, audience=audience), path)  # type: ignore[arg-type]
        with zipfile.ZipFile(path) as package:
            named = [one["path"] for one in json.loads(package.read("evidence.json"))["snapshots"]]
            texts[audience] = "".join(package.read(name).decode() for name in named)
        from tools import parley_verify

        assert not parley_verify.verify(str(path)).problems
    assert "for your eyes only" not in texts["host"]
    assert "hello everybody" in texts["host"]
    assert "for your eyes only" in texts["court"]


async def test_a_stolen_token_neither_hides_everything_nor_floods_the_desk(
    settings: Settings, dsn: str, monkeypatch: Any
) -> None:
    import parley.abuse.reports as door
    import parley.safety.notices.jobs as jobs

    monkeypatch.setattr(jobs, "MOST_HIDDEN", 2)
    monkeypatch.setattr(door, "MOST_URLS", 6)
    async with open_world(msgspec.structs.replace(settings, rate_limits="on"), dsn) as world:
        host = await a_host(world, trusted=True)
        posts = [await world.post("spam_sam", f"post number {number}") for number in range(4)]
        for chunk in (posts[:2], posts[2:]):
            answer = await host.send({"urls": [one["url"] for one in chunk], "tags": ["harm:incitement"]})
            assert answer.status_code == 202, answer.text
            await world.run_jobs()
        seen = [(await world.anonymous.get(f"/api/v1/statuses/{one['id']}")).status_code for one in posts]
        assert seen == [404, 404, 200, 200], "the first are hidden at once; then people, or a clock, decide"
        again = await host.send({"urls": [f"https://localhost/@a/{number}" for number in range(9)]})
        assert again.status_code == 429
        assert int(again.headers["retry-after"]) > 0


@pytest.mark.usefixtures("_built_assets")
async def test_no_page_of_a_case_is_shown_without_a_word_in_the_log(world: World) -> None:
    from tests.sessions.pages import send_form, sign_in

    await staff(world)
    post = await world.post("spam_sam", "buy my pills")
    await report(world, "alice", "spam_sam", status_ids=[post["id"]])
    case_id = await case_of(world, "spam_sam")
    browser = await sign_in(world, "mod_mia")
    await browser.get("/desk")
    before = (await events(world, case_id)).count("evidence_viewed")
    page = await send_form(browser, "/desk", f"/desk/cases/{case_id}/escalate", to="nobody", why="x")
    assert "buy my pills" in page.text
    assert (await events(world, case_id)).count("evidence_viewed") == before + 1
