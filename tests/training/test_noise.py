"""Disguises change a text, and the normaliser undoes those that it promises to undo."""

import random

import pytest

from parley.screening.normalise import for_model
from training.noise import KINDS, disguise

TEXT = "I will murder your family tomorrow night, nobody can help you"


@pytest.mark.parametrize("kind", KINDS)
def test_every_disguise_changes_the_text_and_is_repeatable(kind):
    found = KINDS[kind](TEXT, random.Random(4))
    assert found != TEXT
    assert found == KINDS[kind](TEXT, random.Random(4))


@pytest.mark.parametrize("kind", ["invisible", "look_alikes", "fancy"])
def test_what_only_looks_the_same_is_undone_wholly(kind):
    for seed in range(20):
        assert for_model(KINDS[kind](TEXT, random.Random(seed))) == for_model(TEXT)


@pytest.mark.parametrize("text", ["", "!!", "@user http", "ok", "🙂", "a b c"])
def test_texts_without_words_are_left_whole(text):
    for seed in range(30):
        assert isinstance(disguise(text, random.Random(seed)), str)
