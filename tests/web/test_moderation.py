"""A member's own pages about moderation, a juror's page, and the desk's pages of appeals, quality and incidents, as a
browser without scripts uses them."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from parley.kit.settings import Settings
from parley.safety.appeals.actions import file_appeal
from parley.safety.decisions.views import NewAction
from parley.safety.log.views import Subject
from parley.social.policies.live import load_live
from tests.conftest import PASSWORD, World
from tests.safety.appeals.deciding import decide_about, report, viewer_of
from tests.safety.juries.sitting import before_a_jury, jurors, report_spam, seated
from tests.web.forms import Form, find_form, read_forms, send, sign_in, submit

pytestmark = pytest.mark.usefixtures("_built_assets")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, jury=True)


async def press(browser: httpx.AsyncClient, form: Form, **values: str) -> httpx.Response:
    """Send a form where it leads to."""
    return await send(browser, form, form.action, **values)


async def browser_of(world: World, name: str, role: str = "member") -> httpx.AsyncClient:
    await world.account(name, role=role)
    return await sign_in(world.browser(), name, PASSWORD)


async def removed(world: World, *more: NewAction) -> tuple[dict[str, Any], Any]:
    """A post of alice that bob reported and mod_mia removed."""
    status = await world.post("alice", "Buy my book about <b>bread</b>, everybody")
    await world.account("bob")
    await report(world, "bob", "alice", status["id"])
    mia = await viewer_of(world, "mod_mia", "moderator")
    return status, await decide_about(world, mia, status, "remove", more=more)


async def test_an_author_reads_why_and_appeals_without_scripts(world: World) -> None:
    status, decision = await removed(world)
    alice = await browser_of(world, "alice")
    page = await alice.get("/moderation")
    assert page.status_code == 200
    assert "Scams" in page.text
    assert "You have no strikes" not in page.text
    place = f"/moderation/decisions/{decision.id}"
    page = await alice.get(place)
    for words in ("It advertises.", "It was removed.", "People.", "Buy my book about &lt;b&gt;bread"):
        assert words in page.text, words
    assert "mod_mia" not in page.text
    assert "bob" not in page.text
    form = find_form(page.text, f"{place}/appeal")
    refused = await press(alice, form, text="   ")
    assert refused.status_code == 422
    assert "Say in a few words" in refused.text
    sent = await press(alice, find_form(refused.text, f"{place}/appeal"), text="It is about bread.")
    assert sent.status_code == 200
    assert "Another person than the first looks at it" in sent.text
    assert "It is about bread." in sent.text
    assert "We mean to answer" in sent.text or "we mean to answer" in sent.text

    mia, max_ = await browser_of(world, "mod_mia"), await browser_of(world, "mod_max", "moderator")
    listed = await max_.get("/desk/appeals")
    assert "It is about bread." in listed.text
    async with world.instance.db.read() as tx:
        appeal_id = await tx.fetchval("SELECT id FROM appeals")
    there = f"/desk/appeals/{appeal_id}"
    assert "You made this decision" in (await mia.get(there)).text
    page = await max_.get(there)
    assert "mod_mia" not in page.text.split("<main")[1]
    page = await press(max_, find_form(page.text, f"{there}/claim"))
    form = find_form(page.text, f"{there}/decide")
    page = await press(max_, form, outcome="overturned", answer="Bread is fine.")
    assert page.status_code == 200
    assert (await world.anonymous.get(f"/api/v1/statuses/{status['id']}")).status_code == 200
    page = await alice.get(place)
    assert "Bread is fine." in page.text
    assert "This decision was taken back" in page.text


async def test_who_reported_learns_the_outcome_alone_and_may_contest_it(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches")
    await world.account("bob")
    await report(world, "bob", "spam_sam", status["id"])
    decision = await decide_about(world, await viewer_of(world, "mod_mia", "moderator"), status, "no_action")
    place = f"/moderation/decisions/{decision.id}"
    bob = await browser_of(world, "bob")
    page = await bob.get(place)
    assert "no rule was broken" in page.text
    assert "It advertises." not in page.text
    sent = await press(bob, find_form(page.text, f"{place}/appeal"), text="It is spam.")
    assert "It is spam." in sent.text
    assert "It is spam." not in (await (await browser_of(world, "spam_sam")).get("/moderation")).text
    carol = await browser_of(world, "carol")
    assert (await carol.get(place)).status_code == 404
    assert (await world.browser().get(place)).status_code in (302, 303)


@pytest.mark.parametrize("kind", ["freeze", "suspend"])
async def test_whoever_is_shut_out_still_reads_and_appeals(world: World, kind: str) -> None:
    alice_id = await world.account("alice")
    _, decision = await removed(world, NewAction(kind, Subject("account", alice_id), 48))  # type: ignore[arg-type]
    alice = world.browser()
    login = await submit(alice, "/sign-in", "/sign-in", login="alice", password=PASSWORD)
    assert login.url.path == ("/moderation" if kind == "suspend" else "/")
    place = f"/moderation/decisions/{decision.id}"
    assert (await alice.get("/moderation")).status_code == 200
    page = await alice.get(place)
    assert page.status_code == 200
    sent = await press(alice, find_form(page.text, f"{place}/appeal"), text="It is about bread.")
    assert sent.status_code == 200
    assert "It is about bread." in sent.text
    assert (await alice.get("/jury")).status_code == (403 if kind == "suspend" else 200)


async def test_a_juror_answers_with_buttons_and_sees_no_names(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches for @alice")
    case_id = await report_spam(world, "bob", status)
    people = await jurors(world, 6)
    await before_a_jury(world, case_id)
    sitting = await seated(world)
    name = next(viewer.username for viewer in people if viewer.account_id in sitting)
    juror = await browser_of(world, name)
    page = await juror.get("/jury")
    main = page.text.split("<main")[1].split("</main>")[0]
    assert "Cheap watches for @somebody" in main
    assert "spam_sam" not in main
    form = next(form for form in read_forms(page.text) if form.action.startswith("/jury/1"))
    done = await press(juror, form, vote="breaks")
    assert done.status_code == 200
    assert "Nothing waits for you" in done.text
    again = await press(juror, form, vote="fine")
    assert again.status_code == 409
    wish = find_form(done.text, "/jury/wish")
    off = await press(juror, wish, wish="")
    assert off.status_code == 200


async def test_the_page_of_quality_gives_blind_checks_and_keeps_wishes(world: World) -> None:
    from parley.safety.quality.jobs import draw_checks

    await removed(world)
    async with world.instance.db.write() as tx:
        await draw_checks(tx)
    max_ = await browser_of(world, "mod_max", "moderator")
    page = await max_.get("/desk/quality")
    assert page.status_code == 200
    page = await press(max_, find_form(page.text, "/desk/quality/next"))
    assert "Buy my book" in page.text
    async with world.instance.db.read() as tx:
        check_id = await tx.fetchval("SELECT id FROM quality_checks")
    form = find_form(page.text, f"/desk/quality/{check_id}")
    page = await press(max_, form, answer="fine")
    assert page.status_code == 200
    assert "Worth another look" in page.text
    saved = await press(max_, find_form(page.text, "/desk/quality/wellness"), no_severe_today="1")
    assert "Take care of yourself" in saved.text
    assert 'name="no_severe_today" value="1" checked' in saved.text


async def test_an_incident_is_declared_concluded_and_debriefed_on_its_page(world: World) -> None:
    await load_live(world.instance.db, world.settings, starting=True)
    mia = await browser_of(world, "mod_mia", "moderator")
    page = await mia.get("/desk/incidents")
    form = find_form(page.text, "/desk/incidents")
    refused = await press(mia, form, kind="riot", title="Unrest", why="", scope="#London")
    assert refused.status_code == 422
    page = await press(mia, form, kind="riot", title="Unrest", why="Calls for it", scope="#London")
    assert page.status_code == 200
    assert "The incident is in force" in page.text
    async with world.instance.db.read() as tx:
        incident_id = await tx.fetchval("SELECT id FROM incidents")
    place = f"/desk/incidents/{incident_id}"
    assert "One is running" in (await mia.get("/desk/incidents")).text
    refused = await press(mia, find_form(page.text, f"{place}/keep"), hours="100")
    assert refused.status_code == 403
    page = await press(mia, find_form(page.text, f"{place}/conclude"))
    assert "the policy of before judges again" in page.text
    page = await press(mia, find_form(page.text, f"{place}/debrief"), lessons="Sooner.")
    assert "Sooner." in page.text


@pytest.mark.parametrize(
    "path", ["/desk/appeals", "/desk/quality", "/desk/incidents", "/desk/appeals/1", "/desk/incidents/1"]
)
async def test_pages_of_the_desk_look_missing_to_members(world: World, path: str) -> None:
    assert (await (await browser_of(world, "alice")).get(path)).status_code == 404
    assert (await world.browser().get(path)).status_code in (302, 303)


async def test_forms_without_their_token_do_nothing(world: World) -> None:
    _, decision = await removed(world)
    alice = await browser_of(world, "alice")
    for path in (f"/moderation/decisions/{decision.id}/appeal", "/jury/wish", "/jury/1"):
        assert (await alice.post(path, data={"text": "x", "wish": "1", "vote": "fine"})).status_code == 403


async def test_pages_ask_a_fixed_number_of_questions(world: World) -> None:
    mia = await viewer_of(world, "mod_mia", "moderator")
    await viewer_of(world, "mod_max", "moderator")
    alice = await viewer_of(world, "alice")

    async def decide_and_appeal(number: int) -> int:
        status = await world.post("alice", f"Bread, number {number}")
        decision = await decide_about(world, mia, status, "remove")
        async with world.instance.db.write() as tx:
            await file_appeal(tx, world.settings, alice, decision.id, "No.", role="author")
        return decision.id

    first = await decide_and_appeal(1)
    member, staff = await browser_of(world, "alice"), await browser_of(world, "mod_max")
    pages = [(member, "/moderation"), (member, f"/moderation/decisions/{first}"), (staff, "/desk/appeals")]
    pages += [(staff, "/desk/quality"), (staff, "/desk/incidents"), (member, "/jury")]

    async def counted() -> list[int]:
        counts = []
        for browser, path in pages:
            await browser.get(path)  # what is kept for some seconds is read now
            with world.queries() as seen:
                assert (await browser.get(path)).status_code == 200
            counts.append(len(seen))
        return counts

    before = await counted()
    for number in range(2, 6):
        await decide_and_appeal(number)
    assert await counted() == before
    assert max(before) <= 24


async def test_an_author_sees_what_of_the_profile_was_decided_about(world: World) -> None:
    from parley.safety.decisions.actions import decide
    from parley.safety.decisions.views import NewDecision

    alice_id = await world.account("alice", note="I sell secrets about bread")
    mia = await viewer_of(world, "mod_mia", "moderator")
    new = NewDecision(
        account_id=alice_id, actions=(NewAction("remove", Subject("profile", alice_id)),), clause="7.1", facts="Look."
    )
    async with world.instance.db.write() as tx:
        decision = await decide(tx, world.settings, mia, new)
    page = await (await browser_of(world, "alice")).get(f"/moderation/decisions/{decision.id}")
    assert "I sell secrets about bread" in page.text


async def test_members_find_what_came_of_their_reports(world: World) -> None:
    spam, fine = await world.post("spam_sam", "Buy my pills"), await world.post("spam_sam", "Good morning")
    bob, alice = await browser_of(world, "bob"), await browser_of(world, "alice")
    mia = await viewer_of(world, "mod_mia", "moderator")
    assert "You have reported nothing" in (await bob.get("/reports")).text
    await report(world, "bob", "spam_sam", spam["id"])
    page = (await bob.get("/reports")).text
    assert "Received. A moderator will look at it." in page
    assert "@spam_sam" in page
    await decide_about(world, mia, spam, "remove")
    await world.run_jobs()
    page = (await bob.get("/reports")).text
    assert "Something was done about it." in page
    assert "ask for another look" in page
    assert "mod_mia" not in page
    await report(world, "bob", "spam_sam", fine["id"])
    await decide_about(world, mia, fine, "no_action")
    await world.run_jobs()
    assert "it breaks no rule" in (await bob.get("/reports")).text
    assert "spam_sam" not in (await alice.get("/reports")).text, "reports are nobody else's business"
    assert (await world.browser().get("/reports")).status_code in (302, 303)
    assert "/reports" in (await bob.get("/moderation")).text


async def test_who_is_not_listened_to_does_not_learn_it_from_the_page(world: World) -> None:
    from parley.safety.cases.reporters import mute_reporter

    post = await world.post("spam_sam", "Good morning")
    bob = await browser_of(world, "bob")
    mia = await viewer_of(world, "mod_mia", "moderator")
    async with world.instance.db.write() as tx:
        await mute_reporter(tx, mia, world.ids["bob"])
    await report(world, "bob", "spam_sam", post["id"])
    await world.run_jobs()
    assert "Received. A moderator will look at it." in (await bob.get("/reports")).text
