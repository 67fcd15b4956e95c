"""What each source's labels mean, on made-up rows of the same form; and the real ones, where they lie beside us."""

import gzip
import hashlib
import io
import json
import tarfile

import pytest

from training.heads import Row
from training.prepare import DATA
from training.sources import (
    ORDINARY_SOURCES,
    PLAIN_SOURCES,
    TEST_SOURCES,
    TRAIN_SOURCES,
    apply_reviewed,
    read_comments,
    read_plain,
    read_reviewed,
    read_source,
    text_key,
)


def _write(folder, source, rows):
    with gzip.open(folder / f"{source}.jsonl.gz", "wt") as file:
        for row in rows:
            file.write(json.dumps({"source": source, "lang": "en", "split": "train"} | row) + "\n")


def test_sexism_is_a_head_of_its_own(tmp_path):
    _write(
        tmp_path,
        "edos",
        [
            {"text": "a", "labels": {"hate": 1, "violence": 1}, "fine": "1.1 threats of harm"},
            {"text": "b", "labels": {"hate": 1, "violence": 0}, "fine": "3.3 backhanded gendered compliments"},
            {"text": "c", "labels": {"hate": 0}, "fine": "none"},
        ],
    )
    threat, compliment, plain = read_source(tmp_path, "edos")
    assert (threat.labels["sexism"], threat.labels["hate"], threat.labels["violence"]) == (1, 1, 1)
    assert compliment.labels["sexism"] == 1
    assert "hate" not in compliment.labels
    assert plain.labels["sexism"] == 0
    assert "hate" not in plain.labels
    assert "violence" not in plain.labels


def test_what_a_source_was_not_annotated_for_is_masked_or_weak(tmp_path):
    _write(tmp_path, "davidson", [{"text": "a", "labels": {"hate": 0, "abuse": 1}}])
    [row] = read_source(tmp_path, "davidson")
    assert "harassment" not in row.labels
    assert "violence" not in row.labels
    assert row.weights["self_harm"] < 1


def test_gab_tells_offence_against_a_person(tmp_path):
    _write(tmp_path, "gab", [{"text": "a", "labels": {"hate": 0, "violence": 0}, "fine": {"vo": 1, "hd": 0, "cv": 0}}])
    [row] = read_source(tmp_path, "gab")
    assert row.labels["harassment"] == 1


@pytest.mark.parametrize("source", [*TEST_SOURCES, *ORDINARY_SOURCES])
def test_sources_for_measuring_never_train(tmp_path, source):
    _write(tmp_path, source, [{"text": "a", "labels": {"hate": 1}}])
    [row] = read_source(tmp_path, source)
    assert row.split == "test"


def _packed(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def test_ordinary_texts_train_as_innocent_and_never_test(tmp_path):
    tweets = "".join(f"{i}\t1.5\t@anonymous see www.example.com &lt;3 number {i}\n" for i in range(200)).encode()
    inner = _packed({f"hutto/{name}": tweets for name in PLAIN_SOURCES.values()})
    archive = tmp_path / "plain.tar.gz"
    archive.write_bytes(_packed({"vader/hutto_ICWSM_2014.tar.gz": inner}))
    rows = list(read_plain(archive))
    assert rows[7].text == "@user see http <3 number 7"
    assert {row.source for row in rows} == set(PLAIN_SOURCES)
    assert {row.split for row in rows} == {"train", "val"}
    assert not any(label for row in rows for label in row.labels.values())
    assert rows[0].weights["violence"] == 1


@pytest.mark.skipif(
    not DATA.exists(), reason="the public sources are not beside this checkout (see training/README.md)"
)
def test_the_real_sources_hold_what_the_model_card_says():
    counts = {
        source: sum(row.labels.get("violence", 0) for row in read_source(DATA, source)) for source in TRAIN_SOURCES
    }
    assert counts == {"edos": 442, "implicit_hate": 662, "hatemoji_build": 171, "gab": 27, "davidson": 0}


def _comments(folder, *lines):
    (folder / "train.tsv").write_text(
        "".join(f"{text}\t{emotions}\tid{n}\n" for n, (text, emotions) in enumerate(lines))
    )
    (folder / "test.tsv").write_text("you hit the nail on the head\t4\tid9\n")


def test_comments_are_ordinary_and_angry_ones_say_nothing_about_insults(tmp_path):
    _comments(tmp_path, ("We need [NAME] back, [NAME] was great", "0,4"), ("what an idiot", "2"))
    calm, angry, kept = read_comments(tmp_path)
    assert (calm.split, calm.labels["violence"], calm.labels["hate"]) == ("train", 0, 0)
    assert calm.weights["hate"] < 1
    assert "violence" not in calm.weights
    assert "[" not in calm.text
    assert angry.labels == {"violence": 0}
    assert (kept.split, kept.labels) == ("test", {})


def test_names_are_put_in_the_same_each_time(tmp_path):
    _comments(tmp_path, ("[NAME] and [NAME] and [RELIGION]", "4"))
    first, second = next(read_comments(tmp_path)), next(read_comments(tmp_path))
    assert first.text == second.text
    assert first.key == text_key("[NAME] and [NAME] and [RELIGION]")


def test_what_readers_said_of_a_text_stands_above_the_guess(tmp_path):
    _comments(tmp_path, ("I will burn your house down tonight", "2"), ("I will fight you for that pizza", "1"))
    told = [f"{hashlib.sha256(text_key(t).encode()).hexdigest()[:16]}\t{said}" for t, said in
            (("I will burn your house down tonight", "1"), ("i will FIGHT you for that pizza!", "?"))]  # fmt: skip
    (tmp_path / "reviewed.tsv").write_text("# why\n" + "\n".join(told) + "\n")
    rows = list(read_comments(tmp_path))
    apply_reviewed(rows, read_reviewed(tmp_path / "reviewed.tsv"))
    assert rows[0].labels["violence"] == 1
    assert "violence" not in rows[1].labels
    assert [row.reviewed for row in rows] == [True, True, False]


def test_annotators_are_not_overruled(tmp_path):
    row = Row("kill them all", "edos", "train", {"violence": 1})
    test = Row("kill them all", "davidson", "test", {})
    apply_reviewed([row, test], {hashlib.sha256(text_key(row.text).encode()).hexdigest()[:16]: 0})
    assert row.labels["violence"] == 1
    assert test.labels == {}


def test_the_reviewed_texts_are_many_and_most_are_innocent():
    said = list(read_reviewed().values())
    assert len(said) > 1500
    assert said.count(1) < said.count(0) / 5
