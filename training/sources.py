"""Reads the public sources and says what each source's labels mean for our heads.

It must never label a text itself, and never hand out a row of a test-only source as training data.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import io
import json
import random
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from training.heads import HEADS, Row

TRAIN_SOURCES = ("edos", "implicit_hate", "hatemoji_build", "gab", "davidson")
TEST_SOURCES = ("parler", "olid", "hateval")
ORDINARY_SOURCES = ("tweeteval_sentiment", "tweeteval_emotion")
GERMAN_SOURCES = ("germeval26_vio",)
PLAIN_SOURCES = {
    "vader_tweets": "tweets_GroundTruth.txt",
    "vader_reviews": "amazonReviewSnippets_GroundTruth.txt",
    "vader_films": "movieReviewSnippets_GroundTruth.txt",
    "vader_press": "nytEditorialSnippets_GroundTruth.txt",
}
"""Ordinary texts that train, and their files. Nobody labelled them for our heads."""

COMMENTS = "goemotions"
"""Ordinary comments of Reddit that train. Nobody labelled them for our heads, but for emotions."""

COMMENTS_FOLDER = "goemotions"
_COMMENT_SPLITS = {"train.tsv": "train", "test.tsv": "test"}
_ANGRY = {"2", "3", "9", "10", "11"}
"""Numbers of GoEmotions' anger, annoyance, disappointment, disapproval and disgust."""

_NAMES = (
    "@user", "he", "she", "they", "Sarah", "John", "Mike", "Jess", "Trump", "Brady", "LeBron", "Maria", "Tom", "Chris",
    "Kate", "Biden", "Dave", "Emma", "my brother", "the coach", "Ali", "Nina", "Messi", "Taylor",
)  # fmt: skip
PLAIN_ARCHIVE = "vaderSentiment-3.3.2.tar.gz"
_PLAIN_INNER = "hutto_ICWSM_2014.tar.gz"
REVIEWED = Path(__file__).parent / "reviewed.tsv"
_TAKEN_OUT = re.compile(r"\[(?:NAME|RELIGION)\]")
_BETWEEN = re.compile(r"[\s!-/:-@\[-`{-~]+")
_MENTION, _LINK = re.compile(r"@\w+"), re.compile(r"(?:https?://|www\.)\S+")

Raw = dict[str, Any]


def _probably_absent(row: Row, *heads: str) -> None:
    """Mark heads that a source was not annotated for, but that are rare in it: a weak zero."""
    for head in heads:
        row.labels.setdefault(head, 0)
        row.weights[head] = 0.5


def _edos(row: Row, raw: Raw) -> None:
    """Sexism is a head of its own; only the attacks on women as a group also count as hate.

    What is not sexist may attack others, so it says nothing about hate.
    """
    sexist = raw["labels"].get("hate")
    row.labels.pop("hate", None)
    if sexist is None:
        return
    row.labels["sexism"] = sexist
    vector = row.fine[:2]
    if vector in ("1.", "2."):
        row.labels["hate"], row.weights["hate"] = 1, 0.5
        row.labels["derogation"] = 1
    elif not sexist:
        row.labels["derogation"] = 0
        _probably_absent(row, "harassment")
    if row.fine.startswith("4.1"):
        row.labels["harassment"] = 1
    if row.fine.startswith(("3.2", "3.3", "3.4")):
        row.labels["stereotype"] = 1
    _probably_absent(row, "self_harm")


def _implicit_hate(row: Row, raw: Raw) -> None:
    kinds = row.fine.partition(":")[2]
    hateful = row.labels.get("hate") == 1
    if hateful:
        row.labels["incitement"] = int("incitement" in kinds)
        row.labels["stereotype"] = int("stereotypical" in kinds)
        row.labels["derogation"] = int("inferiority" in kinds or row.fine.startswith("explicit"))
    else:
        row.labels["incitement"] = row.labels["stereotype"] = row.labels["derogation"] = 0
        _probably_absent(row, "harassment")
    _probably_absent(row, "sexual", "self_harm")


def _hatemoji(row: Row, raw: Raw) -> None:
    row.labels["derogation"] = int(row.fine in ("derogation", "dehumanizinglanguage"))
    if not row.labels.get("hate"):
        _probably_absent(row, "harassment")
    _probably_absent(row, "sexual", "self_harm")


def _gab(row: Row, raw: Raw) -> None:
    """`vo` is vulgar or offensive language directed at a person."""
    offensive = int(raw["fine"]["vo"])
    row.labels["harassment"] = row.labels["abuse"] = offensive
    _probably_absent(row, "sexual", "self_harm")


def _davidson(row: Row, raw: Raw) -> None:
    if not row.labels.get("abuse") and not row.labels.get("hate"):
        _probably_absent(row, "harassment", "sexual")
    _probably_absent(row, "self_harm")


_MEANINGS: dict[str, Callable[[Row, Raw], None]] = {
    "edos": _edos,
    "implicit_hate": _implicit_hate,
    "hatemoji_build": _hatemoji,
    "gab": _gab,
    "davidson": _davidson,
}


def read_source(folder: Path, source: str) -> Iterator[Row]:
    """Yield the rows of one source. Rows of sources that are for measuring only get the split `test`."""
    with gzip.open(folder / f"{source}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            raw = json.loads(line)
            fine = raw.get("fine")
            row = Row(
                text=raw["text"],
                source=source,
                split=raw["split"] if source in TRAIN_SOURCES else "test",
                labels={head: int(label) for head, label in raw["labels"].items()},
                fine="" if fine is None else str(fine),
            )
            if source in _MEANINGS:
                _MEANINGS[source](row, raw)
            yield row


def read_plain(archive: Path) -> Iterator[Row]:
    """Yield ordinary texts from the source archive of vaderSentiment (MIT); one in ten is for validation.

    A threat or an insult among so many ordinary texts is rare: every head gets a zero, most of them a weak one.
    """
    with tarfile.open(archive) as outer, tarfile.open(fileobj=io.BytesIO(_member(outer, _PLAIN_INNER))) as inner:
        for source, name in PLAIN_SOURCES.items():
            for line in _member(inner, name).decode("utf-8", "replace").splitlines():
                text = html.unescape(line.split("\t", 2)[-1]).strip()
                text = _LINK.sub("http", _MENTION.sub("@user", text))
                place = hashlib.sha256(text.encode()).digest()[0]
                yield Row(
                    text=text,
                    source=source,
                    split="val" if place < 26 else "train",
                    labels=dict.fromkeys(HEADS, 0),
                    weights={head: 1.0 if head == "violence" else 0.6 for head in HEADS},
                )


def read_comments(folder: Path) -> Iterator[Row]:
    """Yield the comments of GoEmotions (`train.tsv` and `test.tsv` of its data folder; Apache-2.0).

    Its own emotions say which comments are angry: those say nothing about the other heads. The test split gets no
    labels: it is for counting what is flagged of ordinary comments. Names that were taken out are put in again.
    """
    for name, split in _COMMENT_SPLITS.items():
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            text, emotions, _ = line.split("\t")
            row = Row(text=_with_names(text), source=COMMENTS, split=split, key=text_key(text))
            if split == "train":
                row.labels["violence"] = 0
                if _ANGRY.isdisjoint(emotions.split(",")):
                    row.labels |= dict.fromkeys(HEADS[1:], 0)
                    row.weights = dict.fromkeys(HEADS[1:], 0.4)
            yield row


def _with_names(text: str) -> str:
    chance = random.Random(text)  # noqa: S311 - the same each time
    return _TAKEN_OUT.sub(lambda found: "faith" if "REL" in found[0] else chance.choice(_NAMES), text)


def read_reviewed(path: Path = REVIEWED) -> dict[str, int | None]:
    """Return what people who read them said of single texts: text key, hashed, to whether it is violence.

    None: it cannot be told without what it answers.
    """
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {key: None if said == "?" else int(said) for key, said in lines}


def apply_reviewed(rows: Iterable[Row], reviewed: dict[str, int | None]) -> None:
    """Put in what readers said. It never touches what a source's own annotators labelled as violence or not."""
    for row in rows:
        if row.split != "train" or (row.source != COMMENTS and "violence" in row.labels):
            continue
        key = hashlib.sha256((row.key or text_key(row.text)).encode()).hexdigest()[:16]
        if key not in reviewed:
            continue
        said = reviewed[key]
        row.reviewed = True
        if said is None:
            row.labels.pop("violence", None)
        else:
            row.labels["violence"] = said


def text_key(text: str) -> str:
    """Return what two copies of a text have in common: letters, digits and symbols, without mentions and links."""
    return _BETWEEN.sub("", text.lower().replace("@user", "").replace("http", ""))


def _member(archive: tarfile.TarFile, ending: str) -> bytes:
    for name in archive.getnames():
        file = archive.extractfile(name) if name.endswith(ending) else None
        if file is not None:
            return file.read()
    raise FileNotFoundError(f"The archive of ordinary texts does not hold {ending}.")
