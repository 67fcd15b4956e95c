"""The written cases: read, expanded, split, and kept apart from the challenge set."""

import random
from collections import Counter
from pathlib import Path

import pytest

from training.challenge_set import read_challenge
from training.heads import HEADS
from training.prepare import drop_copies
from training.sources import text_key
from training.written import (
    FOLDER,
    WrittenError,
    count_variants,
    fill_line,
    parse_sections,
    read_slots,
    read_written,
    split_of,
)


@pytest.fixture(scope="module")
def written():
    return list(read_written())


def test_a_section_gives_its_lines_labels_and_masks_the_doubtful_heads():
    [section] = parse_sections(
        "== veiled: violence ?harassment\nnice house you have\n# a remark\n\nbe careful\n", "x.txt"
    )
    assert section.lines == ["nice house you have", "be careful"]
    assert section.labels == {"violence": 1, "hate": 0, "sexism": 0, "sexual": 0, "self_harm": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a line\n", "before the first"),
        ("== veiled violence\n", "write `== category"),
        ("== veiled: violense\n", "there is no head 'violense'"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_place(text, message):
    with pytest.raises(WrittenError, match=message):
        parse_sections(text, "x.txt")


def test_an_unknown_slot_is_named(tmp_path):
    (tmp_path / "slots.txt").write_text("day: monday | friday\n")
    (tmp_path / "a.txt").write_text("== idiom:\nsee you {dya}\n")
    with pytest.raises(WrittenError, match=r"there is no slot \{dya\}"):
        list(read_written(tmp_path))


def test_templates_are_filled_from_slots_and_alternatives(tmp_path):
    (tmp_path / "slots.txt").write_text("day: monday | friday\n")
    (tmp_path / "a.txt").write_text("== idiom:\n(see|meet) you {day}\n")
    assert count_variants("(see|meet) you {day}", read_slots(tmp_path)) == 4
    chance = random.Random(1)
    filled = {fill_line("(see|meet) you {day}", read_slots(tmp_path), chance) for _ in range(60)}
    assert filled == {"see you monday", "see you friday", "meet you monday", "meet you friday"}
    assert {row.text.lower().strip(".!") for row in read_written(tmp_path)} <= filled


def test_the_same_seed_gives_the_same_cases(written):
    assert list(read_written()) == written


def test_there_are_enough_cases_and_as_many_innocent_ones(written):
    templates = {row.template: row for row in written}
    assert len(templates) >= 2500
    assert len(written) >= 15_000
    guilty = sum(any(row.labels.get(head) for head in HEADS) for row in templates.values())
    assert guilty <= len(templates) / 2


def test_variants_of_one_line_share_a_split_and_a_tenth_is_for_tests(written):
    splits: dict[str, set[str]] = {}
    for row in written:
        splits.setdefault(row.template, set()).add(row.split)
    assert all(len(found) == 1 for found in splits.values())
    share = Counter(next(iter(found)) for found in splits.values())
    assert 0.07 < share["test"] / len(splits) < 0.14
    assert split_of("a line") == split_of("a line")


def test_no_line_is_written_twice():
    lines = [
        (line, path.name)
        for path in FOLDER.glob("*.txt")
        if path.name != "slots.txt"
        for section in parse_sections(path.read_text(encoding="utf-8"), path.name)
        for line in section.lines
    ]
    counts = Counter(line for line, _ in lines)
    assert not [line for line, count in counts.items() if count > 1]


def test_no_challenge_case_is_among_the_training_rows(written):
    trained = {text_key(row.text) for row in written if row.split == "train"}
    cases = [case for split in ("dev", "test") for case in read_challenge(split)]
    assert len(cases) >= 600
    shared = [case.id for case in cases if text_key(case.text) in trained and len(text_key(case.text)) > 25]
    assert not shared


def test_rows_that_are_also_in_a_test_never_train(tmp_path: Path):
    from training.heads import Row

    rows = [
        Row("Hello there!", "a", "train"),
        Row("hello THERE", "b", "test"),
        Row("only here", "a", "train"),
        Row("only  here.", "a", "train"),
        Row("👩 same", "a", "train"),
        Row("👨 same", "a", "train"),
    ]
    kept = [(row.text, row.split) for row in drop_copies(rows)]
    assert kept == [
        ("hello THERE", "test"),
        ("only here", "train"),
        ("👩 same", "train"),
        ("👨 same", "train"),
    ]
