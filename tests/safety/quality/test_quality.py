"""Quality: what is judged again, by whom, and what the figures say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.kit.clock import time_travel
from parley.kit.errors import Conflict, Invalid, NotFound
from parley.safety.cases.actions import claim_case
from parley.safety.quality.actions import answer_check, claim_next_check
from parley.safety.quality.jobs import draw_checks
from parley.safety.quality.reads import get_quality
from parley.safety.quality.strata import MOST_OF_A_STRATUM, SHARES, draw, size_of, stratum_of
from parley.safety.wellness.actions import set_wishes
from parley.safety.wellness.load import minutes_without_break
from parley.safety.wellness.reads import list_loads, wellness_of
from parley.safety.wellness.views import Wishes
from tests.conftest import World
from tests.safety.appeals.deciding import decide_about, viewer_of
from tests.safety.auditing import assert_audit_holds
from tests.safety.juries.sitting import report_spam


@settings(deadline=None)
@given(st.integers(0, 5000), st.sampled_from(sorted(SHARES)), st.integers(0, 3))
def test_of_every_stratum_something_is_drawn_and_never_more_than_people_can_bear(count: int, by: str, severity: int):
    size = size_of(stratum_of(severity, by), count)
    assert 0 <= size <= min(MOST_OF_A_STRATUM, count)
    assert (size > 0) == (count > 0)


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 10**9), unique=True, max_size=50), st.integers(0, 60), st.binary(min_size=16, max_size=16)
)
def test_what_is_drawn_can_be_drawn_again_from_the_seed(ids: list[int], size: int, seed: bytes) -> None:
    found = draw(ids, size, seed)
    assert found == draw(sorted(ids), size, seed)
    assert len(found) == min(size, len(ids))


async def _next(world, viewer):
    async with world.instance.db.write() as tx:
        return await claim_next_check(tx, viewer)


async def _answer(world, viewer, check_id, answer, clause=None):
    async with world.instance.db.write() as tx:
        return await answer_check(tx, viewer, check_id, answer, clause=clause)


async def _decided(world, count, kind="remove"):
    """Decisions by mod_mia."""
    mia = await viewer_of(world, "mod_mia", "moderator")
    for number in range(count):
        await decide_about(world, mia, await world.post("spam_sam", f"Watches of kind {number}, cheap"), kind)
    async with world.instance.db.write() as tx:
        assert await draw_checks(tx) > 0
    return mia


async def test_a_second_opinion_is_blind_and_never_by_who_decided(world: World) -> None:
    mia = await _decided(world, 3)
    max_ = await viewer_of(world, "mod_max", "moderator")
    assert await _next(world, mia) is None
    check = await _next(world, max_)
    assert check is not None
    shown = str(check)
    assert "Watches of kind" in shown
    for hidden in ("spam_sam", "7.1", "remove", "mod_mia", "breaks"):
        assert hidden not in shown
    with pytest.raises(NotFound):
        await _answer(world, mia, check.id, "breaks")
    with pytest.raises(Invalid):
        await _answer(world, max_, check.id, "guilty")
    assert await _answer(world, max_, check.id, "breaks", "8.2") is True
    with pytest.raises(Conflict):
        await _answer(world, max_, check.id, "fine")
    with pytest.raises(Exception, match="does not review"):
        async with world.instance.db.write() as tx:
            await tx.execute("SELECT set_config('parley.moderation_event', '1', true)")
            await tx.execute("UPDATE quality_checks SET reviewer_id = $1", mia.account_id)


async def test_disagreement_is_counted_and_shown_for_another_look(world: World) -> None:
    await _decided(world, 30)
    max_ = await viewer_of(world, "mod_max", "moderator")
    said = []
    while (check := await _next(world, max_)) is not None:
        said.append(await _answer(world, max_, check.id, "fine" if len(said) == 0 else "breaks"))
    assert len(said) == 2  # a twentieth of thirty decisions of severity 2
    async with world.instance.db.read() as tx:
        view = await get_quality(tx, max_)
        with pytest.raises(NotFound):
            await get_quality(tx, await viewer_of(world, "alice"))
    assert (view.people.disagreed, view.people.answered, view.people.share) == (1, 2, 0.5)
    assert 0 < view.people.low < 0.5 < view.people.high < 1
    assert len(view.disagreements) == 1
    (own,) = [one for one in view.readers if one.username == "mod_mia"]
    assert (own.second_guessed, own.disagreed) == (2, 1)
    await assert_audit_holds(world)


async def test_what_screening_refused_by_itself_is_judged_again_and_measures_the_judge(world: World) -> None:
    client = await world.client("spam_sam")
    refused = await client.post("/api/v1/statuses", json={"status": "I will kill you"})
    assert refused.status_code == 422
    await viewer_of(world, "mod_mia", "moderator")
    max_ = await viewer_of(world, "mod_max", "moderator")
    async with world.instance.db.write() as tx:
        assert await draw_checks(tx) == 1
        assert await draw_checks(tx) == 0  # drawn once
    check = await _next(world, max_)
    assert check is not None
    assert check.severe
    assert check.words[0][1] == "I will kill you"
    assert await _answer(world, max_, check.id, "breaks", "1.1") is True
    async with world.instance.db.read() as tx:
        label = await tx.fetchrow("SELECT outcome, clause, source FROM labels")
        assert tuple(label) == ("hold", "1.1", "quality_check")
        view = await get_quality(tx, max_)
    assert (view.program.disagreed, view.program.answered) == (0, 1)


async def test_wellness_counts_severe_cases_and_their_cap_is_kept(world: World) -> None:
    mia = await viewer_of(world, "mod_mia", "moderator")
    for number in range(2):
        status = await world.post(f"somebody_{number}", f"An ordinary sentence {number}")
        case_id = await report_spam(world, "bob", status, clause="1.1")
        async with world.instance.db.write() as tx:
            await claim_case(tx, mia, case_id)
    async with world.instance.db.write() as tx:
        assert (await wellness_of(tx, mia)).severe_today == 2
        with pytest.raises(Invalid):
            await set_wishes(tx, mia, Wishes(severe_per_day=1000))
        await set_wishes(tx, mia, Wishes(severe_per_day=2))
        well = await wellness_of(tx, mia)
        assert (well.at_cap, well.least_severity) == (True, 2)
        assert "no more until tomorrow" in well.advice
        (load,) = [one for one in await list_loads(tx, mia) if one.username == "mod_mia"]
        assert (load.cases, load.severe) == (2, 2)
        with pytest.raises(NotFound):
            await wellness_of(tx, await viewer_of(world, "alice"))


async def test_nothing_severe_today_ends_at_midnight(world: World) -> None:
    mia = await viewer_of(world, "mod_mia", "moderator")
    async with world.instance.db.write() as tx:
        await set_wishes(tx, mia, Wishes(no_severe_today=True))
        assert (await wellness_of(tx, mia)).least_severity == 2
        with time_travel(timedelta(hours=25)):
            assert (await wellness_of(tx, mia)).least_severity == 0


async def test_the_next_case_is_none_of_those_that_a_moderator_cannot_bear_today(world: World) -> None:
    mia = await viewer_of(world, "mod_mia", "moderator")
    severe = await report_spam(world, "bob", await world.post("alice", "One ordinary sentence"), clause="1.1")
    mild = await report_spam(world, "bob", await world.post("spam_sam", "Another ordinary sentence"), clause="8.2")
    from parley.safety.cases.actions import claim_next_case

    async with world.instance.db.write() as tx:
        await set_wishes(tx, mia, Wishes(no_severe_today=True))
        least = (await wellness_of(tx, mia)).least_severity
        view = await claim_next_case(tx, mia, least_severity=least)
        assert view is not None
        assert view.case.id == mild
        assert await claim_next_case(tx, mia, least_severity=least, passed=(mild,)) is None
        other = await claim_next_case(tx, await viewer_of(world, "mod_max", "moderator"))
        assert other is not None
        assert other.case.id == severe


def test_a_pause_is_a_break() -> None:
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    pause = timedelta(minutes=10)
    every_five = [now - timedelta(minutes=5 * n) for n in range(10, 0, -1)]
    assert minutes_without_break(every_five, now, pause) == 50
    assert minutes_without_break(every_five, now + timedelta(minutes=11), pause) == 0
    assert minutes_without_break([now - timedelta(minutes=30), now - timedelta(minutes=2)], now, pause) == 2
    assert minutes_without_break([], now, pause) == 0
