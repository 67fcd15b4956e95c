"""A candidate of the text model: judges beside the live one, decides nothing, is compared, promoted and rolled back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from parley import screening
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.safety.candidates.actions import add_candidate, compare_candidate, promote_candidate, stop_candidate
from parley.safety.candidates.jobs import judge_by_candidate
from parley.screening import text_model
from parley.social.policies import models
from parley.social.policies.live import load_live
from tests.conftest import World
from tests.safety.sweeping import post, staff
from tests.statuses.cast import count, known

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (text_model.SHIPPED / text_model.CARD).is_file(), reason="no text model is installed"),
]
SENTENCE = "I know where you live and I will come for you tonight with a knife"


@pytest.fixture(autouse=True)
def _shipped_model_afterwards():
    yield
    text_model.use_model(None)
    models._live = models._folder = ""


def make_candidate(folder: Path, *, a: float = 0.0, b: float = -9.0) -> Path:
    """The shipped model, to which nothing is violent any more."""
    shutil.copytree(text_model.SHIPPED, folder)
    card = json.loads((folder / text_model.CARD).read_text())
    card["version"] = "candidate"
    card["calibration"]["violence"] = {"a": a, "b": b}
    (folder / text_model.CARD).write_text(json.dumps(card))
    return folder


async def test_a_candidate_judges_beside_the_live_model_and_takes_its_place_only_after_a_comparison(
    world: World, tmp_path: Path
) -> None:
    db, settings = world.instance.db, world.settings
    live = await load_live(db, settings, starting=True)
    await known(world, "alice")
    ada, mia = await staff(world, "ada", "admin"), await staff(world)
    folder = make_candidate(tmp_path / "candidate")
    async with db.write() as tx:
        with pytest.raises(Forbidden):
            await add_candidate(tx, mia, live, folder)
        added = await add_candidate(tx, ada, live, folder)
    async with db.write() as tx:
        with pytest.raises(Conflict):
            await add_candidate(tx, ada, live, folder)
        with pytest.raises(Invalid, match="compared over 0"):
            await promote_candidate(tx, ada, settings)
    held = await post(world, "alice", status=SENTENCE)
    await post(world, "alice", status="good morning, everybody")
    results = await count(world, "SELECT count(*) FROM screening_results")
    await judge_by_candidate(world.instance, {})
    await judge_by_candidate(world.instance, {})
    assert await count(world, "SELECT count(*) FROM screening_results") == results, "it decides nothing"
    assert await count(world, "SELECT count(*) FROM statuses WHERE id = $1", int(held["id"])) == 1

    async with db.write() as tx:
        view = await compare_candidate(tx, mia)
    found = view.comparison
    assert found is not None
    assert view.id == added.id
    assert found.judged >= 2
    assert found.difference["text.violence.score"] > 0.05
    assert found.judged > found.same, "the live model says that this is a threat"
    assert any(SENTENCE in sample.text for sample in found.samples)

    async with db.write() as tx:
        with pytest.raises(Invalid):
            await promote_candidate(tx, ada, settings)
        with pytest.raises(Forbidden):
            await promote_candidate(tx, mia, settings, least=1)
    eve = await staff(world, "eve", "admin")
    async with db.write() as tx:
        with pytest.raises(Conflict, match="not for one person to decide"):
            await promote_candidate(tx, ada, settings, least=1)
    async with db.write() as tx:
        assert await promote_candidate(tx, eve, settings, least=1) == ""
    promoted = await load_live(db, settings)
    assert promoted.sha256 != live.sha256
    assert promoted.policy_sha256 == live.policy_sha256
    assert text_model.live_model().card.version == "candidate"
    later = screening.judge(
        screening.Content(kind="status", texts={"text": SENTENCE}), screening.Facts(now=view.created_at, role="owner")
    )
    assert later.signals["text.violence.score"] < 0.01
    assert await count(world, "SELECT count(*) FROM events WHERE type = 'ModelPromoted'") == 1
    changed = "SELECT count(*) FROM events WHERE type = 'RulesetChanged' AND payload ->> 'ruleset' = $1"
    assert await count(world, changed, promoted.sha256) == 1, "so that a sweep is planned"

    async with db.write() as tx:  # going back needs nobody else
        assert await models.roll_back_model(tx, ada) == ""
    assert (await load_live(db, settings)).sha256 == live.sha256
    assert text_model.live_model().card.version != "candidate"


async def test_a_model_that_cannot_be_used_is_no_candidate_and_one_can_be_stopped(world: World, tmp_path: Path) -> None:
    db = world.instance.db
    live = await load_live(db, world.settings, starting=True)
    ada = await staff(world, "ada", "admin")
    broken = make_candidate(tmp_path / "broken")
    (broken / "tokenizer.json").write_text("{}")
    poor = make_candidate(tmp_path / "poor")
    card = json.loads((poor / text_model.CARD).read_text())
    card["heads"] = ["other", *card["heads"][1:]]
    card["calibration"]["other"] = {"a": 1.0, "b": 0.0}
    card.pop("linear", None)
    (poor / text_model.CARD).write_text(json.dumps(card))
    async with db.write() as tx:
        with pytest.raises(Invalid, match="damaged"):
            await add_candidate(tx, ada, live, broken)
        with pytest.raises(Invalid, match="lacks the heads"):
            await add_candidate(tx, ada, live, poor)
        with pytest.raises(NotFound):
            await stop_candidate(tx, ada)
        await add_candidate(tx, ada, live, make_candidate(tmp_path / "good"))
        await stop_candidate(tx, ada)
        with pytest.raises(NotFound):
            await compare_candidate(tx, ada)
    await judge_by_candidate(world.instance, {})
    assert await count(world, "SELECT count(*) FROM candidate_results") == 0


async def test_one_person_may_promote_without_four_eyes_but_it_is_on_record(world: World, tmp_path: Path) -> None:
    db, alone = world.instance.db, msgspec.structs.replace(world.settings, four_eyes=False)
    live = await load_live(db, alone, starting=True)
    await known(world, "alice")
    ada = await staff(world, "ada", "admin")
    async with db.write() as tx:
        await add_candidate(tx, ada, live, make_candidate(tmp_path / "candidate"))
    await post(world, "alice", status="good morning, everybody")
    await judge_by_candidate(world.instance, {})
    async with db.write() as tx:
        await compare_candidate(tx, ada)
        await promote_candidate(tx, ada, alone, least=1, note="trying")
    noted = "SELECT count(*) FROM text_model_promotions WHERE note = $1"
    assert await count(world, noted, "trying; WITHOUT FOUR EYES: the setting four_eyes is off") == 1
