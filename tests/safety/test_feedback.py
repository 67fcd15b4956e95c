"""Labels, what is learnt from them, and the page that says whether anything has changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from parley import screening
from parley.kit.clock import now
from parley.safety.feedback.drift import advise, compare_weeks, describe_outcomes
from parley.safety.feedback.evaluation import evaluate_labels
from parley.safety.feedback.reads import get_drift, get_evaluation
from parley.screening import Outcome
from parley.social.accounts.views import Viewer
from parley.social.statuses.actions import drop_held_revision, publish_held_status
from parley.social.verdicts.labels import Label, list_labels, record_label
from parley.social.verdicts.measured import LabelledRow
from tests.conftest import PASSWORD, World
from tests.safety.sweeping import post
from tests.statuses.cast import DOUBTFUL, ask, count, known
from tests.web.conftest import _built_assets
from tests.web.forms import sign_in

__all__ = ["_built_assets"]


async def test_decisions_about_what_was_held_become_labels(world: World) -> None:
    await known(world, "alice")
    mia = await world.account("mod_mia", role="moderator")
    held = await post(world, "alice", status=DOUBTFUL)
    shown = await post(world, "alice", status="bread")
    await ask(world, "alice", "PUT", f"/statuses/{shown['id']}", json={"status": f"bread, {DOUBTFUL}"})
    async with world.instance.db.write() as tx:
        await publish_held_status(tx, int(held["id"]), by=mia)
        await drop_held_revision(tx, int(shown["id"]), 2, by=mia)
        subjects = [("status", int(held["id"]), 1), ("message", int(shown["id"]), 2), ("status", 1, 1)]
        labels = await list_labels(tx, subjects)
    assert labels[subjects[0]] == Label(Outcome.ALLOW, None, "decision")
    assert labels[subjects[1]].outcome is Outcome.HOLD, "a status is one thing, whatever it was judged as"
    assert labels[subjects[1]].clause is not None
    assert len(labels) == 2
    assert await count(world, "SELECT count(*) FROM events WHERE type = 'LabelRecorded' AND account_id = $1", mia) == 2


async def test_an_appeal_has_the_last_word_and_the_machines_first_one_is_measured(world: World) -> None:
    await known(world, "alice")
    held = await post(world, "alice", status=DOUBTFUL)
    subject = ("status", int(held["id"]), 1)
    async with world.instance.db.write() as tx:
        await record_label(tx, subject, Outcome.HOLD, clause="1.1", source="decision")
        await record_label(tx, subject, Outcome.ALLOW, clause=None, source="appeal")
        found = await get_evaluation(tx, screening.live_ruleset(), now() - timedelta(days=1))
    assert found.labels == 1
    assert (found.verdicts.right.count, found.verdicts.right.of) == (0, 1)
    assert found.verdicts.caught.of == 0


def row(outcome: str, judged: str, score: float, clause: str | None = None, language: str = "en") -> LabelledRow:
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    return LabelledRow(
        1, moment, outcome, clause, "decision", judged, clause, moment, language, {"text.violence.score": score}
    )


def test_precision_recall_and_calibration_are_what_they_should_be() -> None:
    rows = [row("hold", "hold", 0.9, "1.1")] * 8 + [row("allow", "hold", 0.9)] * 2
    rows += [row("hold", "allow", 0.2, "1.1", "de")] * 4 + [row("allow", "allow", 0.1)] * 6
    rows += [row("hold", "hold", 0.0, "7.1")]
    found = evaluate_labels(rows, {"text.violence.score": 0.5}, {"text.violence.score": {"1.1"}})
    assert (found.verdicts.right.count, found.verdicts.right.of) == (9, 11)
    assert (found.verdicts.caught.count, found.verdicts.caught.of) == (9, 13)
    assert found.by_language["de"].caught.count == 0
    head = found.heads["text.violence.score"]
    assert (head.quality.right.count, head.quality.right.of) == (8, 10)
    assert (head.quality.caught.count, head.quality.caught.of) == (8, 12), "a label under 7.1 says nothing about it"
    assert head.quality.right.low < 0.8 < head.quality.right.high
    expected = (10 * abs(0.9 - 0.8) + 4 * abs(0.2 - 1.0) + 6 * abs(0.1 - 0.0)) / 20
    assert head.calibration_error == pytest.approx(expected)


def test_drift_is_told_in_plain_words() -> None:
    first, second = datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC)
    steady = compare_weeks({first: [900, 80, 15, 5], second: [1810, 155, 31, 11]}, first)
    assert [week.level for week in steady] == ["steady", "steady"]
    moved = compare_weeks({first: [900, 80, 15, 5], second: [300, 300, 200, 200]}, first)
    assert moved[-1].level == "changed"
    assert moved[-1].above_half == pytest.approx(0.4)
    few = compare_weeks({first: [900, 80, 15, 5], second: [3, 1, 0, 0]}, first)
    assert few[-1].level == "unknown"
    said = {first: {"allow": (990, 0), "hold": (10, 0)}, second: {"allow": (900, 50), "hold": (100, 0)}}
    outcomes = describe_outcomes(said, {second: (40, 20)})
    advice = " ".join(advise({"text.violence.score": moved}, outcomes))
    for words in ("scores very differently", "could not be judged", "stopped this week", "agreed with 50%"):
        assert words in advice
    assert advise({"text.violence.score": steady}, describe_outcomes({second: {"allow": (2000, 0)}}, {})) == (
        "Nothing needs doing: scores, flags and agreement are as they were.",
    )
    assert advise({}, ()) == ("Nothing has been judged yet.",)


@pytest.mark.usefixtures("_built_assets")
async def test_the_drift_page_is_for_operators_and_shows_nothing_that_was_written(world: World) -> None:
    await known(world, "alice")
    await post(world, "alice", status=f"{DOUBTFUL} pumpernickel")
    await post(world, "alice", status="good morning everybody")
    for name, role, status in (("olga", "owner", 200), ("mod_mia", "moderator", 404), ("eve", "member", 404)):
        await world.account(name, role=role)
        browser = await sign_in(world.browser(), name, PASSWORD)
        page = await browser.get("/operator/judge/drift")
        assert page.status_code == status
        if status == 200:
            assert 'href="/operator/judge/drift"' in (await browser.get("/operator")).text
            assert "What to do" in page.text
            assert "Too little to tell yet" in page.text
            assert "Score for violence" in page.text
            assert '<th scope="col">Week</th>' in page.text
        assert "pumpernickel" not in page.text
    assert (await world.browser().get("/operator/judge/drift")).status_code == 303
    async with world.instance.db.read() as tx:
        drift = await get_drift(tx, Viewer(account_id=world.ids["olga"], username="olga", role="owner"))
    assert drift.outcomes[-1].results >= 2
    assert drift.outcomes[-1].stopped > 0
