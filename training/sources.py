"""Reads the public sources and says what each source's labels mean for our heads.

It must never label a text itself, and never hand out a row of a test-only source as training data.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
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

PLAIN_ARCHIVE = "vaderSentiment-3.3.2.tar.gz"
_PLAIN_INNER = "hutto_ICWSM_2014.tar.gz"
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


def _member(archive: tarfile.TarFile, ending: str) -> bytes:
    for name in archive.getnames():
        file = archive.extractfile(name) if name.endswith(ending) else None
        if file is not None:
            return file.read()
    raise FileNotFoundError(f"The archive of ordinary texts does not hold {ending}.")
