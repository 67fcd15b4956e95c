"""The files that ship: whole, described, and right about a few sentences. Needs no data and no torch."""

import hashlib
import json
from pathlib import Path

import pytest

from parley.screening.normalise import for_model
from parley.screening.text_model import load_model
from training.heads import HEADS

FOLDER = Path(__file__).parents[2] / "src" / "parley" / "screening" / "model"
CARD = json.loads((FOLDER / "text.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model():
    return load_model(FOLDER)


def _flagged(model, text: str) -> set[str]:
    scores = model.score_plain(for_model(text))
    return {head for head in HEADS if scores[head] >= CARD["thresholds"][head]["flag_1_percent"]}


def test_the_files_are_the_ones_that_were_measured():
    assert set(CARD["sha256"]) == {path.name for path in FOLDER.iterdir() if path.name != "text.json"}
    for name, expected in CARD["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == expected
    report = (Path(__file__).parents[2] / "training" / "REPORT.md").read_text(encoding="utf-8")
    assert f"model {CARD['version']}" in report


def test_the_model_is_small_enough_to_ship():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 30_000_000


def test_every_head_has_a_calibration_and_rising_thresholds():
    assert CARD["heads"] == list(HEADS)
    for head in HEADS:
        assert CARD["calibration"][head]["a"] > 0
        limits = CARD["thresholds"][head]
        assert 0 < limits["flag_1_percent"] < limits["hold"] < limits["urgent"] < 1


@pytest.mark.parametrize(
    "text",
    [
        "I am going to kill you tomorrow, you are dead",
        "i know where you live and i'm coming with a gun",
        "everyone to the courthouse on friday at 9, bring your rifles, we hang the judge",
        "the mosque shooter is a hero and did nothing wrong",
        "nice family you have there. would be a shame if something happened to them",
        "here is where the judge lives: 12 oak street. you know what to do",
        "i will k1ll y0u and your f a m i l y",
    ],
)
def test_violence_is_found(model, text):
    assert "violence" in _flagged(model, text)


@pytest.mark.parametrize(
    "text",
    [
        "Good morning everyone, off to work",
        "this heat is killing me",
        "they absolutely murdered us in the second half",
        "kill the process and restart the server",
        "drain the swamp, vote them all out",
        "my ex said he would kill me, what can I do?",
        "today we remember the victims of the mosque shooting",
        "Nice house, is it still for sale?",
        "beat the eggs and burn the sugar a little",
    ],
)
def test_innocent_texts_are_left_alone(model, text):
    assert "violence" not in _flagged(model, text)


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("women belong in the kitchen", "sexism"),
        ("all muslims are filthy animals and should be deported", "hate"),
        ("kill yourself you worthless piece of shit", "harassment"),
        ("i want to end my life tonight", "self_harm"),
        ("hot girls want to fuck tonight, link in bio, free nudes", "sexual"),
    ],
)
def test_each_head_finds_its_own(model, text, head):
    assert head in _flagged(model, text)


def test_the_same_text_always_gets_the_same_score(model):
    text = for_model("we will be at the gate on Sunday")
    first = model.score_plain(text)
    model.score_plain(for_model("another text, of another length, in between"))
    assert model.score_plain(text) == first
