"""What happens in the replay, and when: posts with a truth that we know, reports, notices. Everything from one seed.

The texts are public test sets of labelled posts where a folder with them is at hand (they are ugly and not ours to
ship), else sentences that are made here. Only their test splits are used: the judge has not learned from them.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from bench.world import WORDS

Truth = Literal["violence", "hate", "abuse", "innocent"]
TRUTHS: tuple[Truth, ...] = ("violence", "hate", "abuse", "innocent")

TEXTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "moderation"
CLAUSES: dict[Truth, str] = {"violence": "1.1", "hate": "2.1", "abuse": "3.1", "innocent": "8.2"}
SEVERITY: dict[Truth, int] = {"violence": 0, "hate": 1, "abuse": 2, "innocent": 3}

SHARES: dict[Truth, float] = {"violence": 0.012, "hate": 0.03, "abuse": 0.05, "innocent": 0.908}
"""Of all posts: several times what an ordinary network has."""
REPORTS_OF: dict[Truth, float] = {"violence": 55.0, "hate": 23.0, "abuse": 9.8, "innocent": 0.275}
"""How many of those who see a post report it, on average, as long as it is there. They are set so that the whole replay
comes to 26,000 reports at least; no more are sent."""
REPORTED_WITHIN = 6.0
"""Hours after which a report comes, on average."""
REPEATED: dict[Truth, float] = {"violence": 0.25, "hate": 0.08, "abuse": 0.02}
"""What stays up is repeated: how many others post the same in an hour, at first."""
FADES = 12.0
"""Hours after which that is a third as many."""

_PEOPLE = ["traitors", "senators", "judges", "reporters", "teachers", "nurses", "neighbours", "voters"]
_PLACES = ["courthouse", "station", "square", "library", "bridge", "school", "market", "harbour"]
_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_MADE: dict[Truth, tuple[str, ...]] = {
    "violence": (
        "hang the {people} at the {place} on {day}",
        "bring your rifles to the {place} on {day}, the {people} must pay in blood",
        "somebody should put a bullet into the {people}",
        "the {people} will be dragged out of the {place} and shot",
        "{day} is the day, we burn down the {place} with the {people} in it",
    ),
    "hate": (
        "those people are vermin, get them out of the {place}",
        "they are not human and do not belong at our {place}",
        "no decent person wants their kind near the {place}",
    ),
    "abuse": (
        "you are a worthless idiot and everyone at the {place} knows it",
        "shut up you pathetic clown",
        "what a disgusting stupid creature you are",
    ),
    "innocent": (
        "lovely light over the {place} this {day}",
        "does anybody know when the {place} opens on {day}?",
        "made soup for the {people} next door, it was good",
        "the train to the {place} was late again, third {day} in a row",
        "reading about the history of the {place}, recommended",
        "our team murdered theirs on {day}, what a match",
    ),
}


@dataclass
class Texts:
    """Texts by their truth. `given`: whether they are real posts."""

    by_truth: dict[Truth, list[str]]
    given: bool

    def draw(self, dice: random.Random, truth: Truth) -> str:
        """A text; made ones are filled in."""
        text = dice.choice(self.by_truth[truth])
        if not self.given:
            text = text.format(people=dice.choice(_PEOPLE), place=dice.choice(_PLACES), day=dice.choice(_DAYS))
            if truth == "innocent":
                # What ordinary people write is not alike; or one post that is removed by mistake would take many along.
                text = f"{' '.join(dice.choices(WORDS, k=8))}: {text}"
        return text


def load_texts(folder: Path = TEXTS) -> Texts:
    """The labelled texts in `folder`, or the ones made here when it is not there."""
    found: dict[Truth, list[str]] = {truth: [] for truth in TRUTHS}
    for path in sorted(folder.glob("*.jsonl.gz")) if folder.is_dir() else []:
        if path.name.startswith("germeval"):
            continue
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                if row.get("split") == "test" and 3 <= len(row["text"]) <= 900:
                    found[_truth_of(row)].append(row["text"])
    if min(map(len, found.values())) >= 50:
        return Texts(found, True)
    return Texts({truth: list(_MADE[truth]) for truth in TRUTHS}, False)


def _truth_of(row: dict[str, object]) -> Truth:
    labels = row.get("labels") or {}
    assert isinstance(labels, dict)
    return next((truth for truth in TRUTHS if labels.get(truth)), "innocent")


@dataclass(order=True)
class Post:
    """A post that somebody will make."""

    at: datetime
    author: int
    text: str = field(compare=False)
    truth: Truth = field(compare=False)
    copy_of: int = field(default=-1, compare=False)


@dataclass
class Script:
    """Everything that is known beforehand, in order of time."""

    start: datetime
    days: int
    accounts: int
    posts: list[Post]
    reports: int
    """How many there are to be; what comes of what is seen decides how many there would be."""
    notices: list[datetime]

    @property
    def end(self) -> datetime:
        return self.start + timedelta(days=self.days)


def write_script(
    *, seed: int, start: datetime, days: int, accounts: int, posts: int, reports: int, notices: int, texts: Texts
) -> Script:
    """The script of a replay; the same seed and texts write the same one."""
    dice = random.Random(seed)
    order = list(range(accounts))
    dice.shuffle(order)
    # A few accounts write most of what is bad, as everywhere; a tenth of it are copies of each other.
    bad = order[: max(accounts // 25, 3)]
    made: list[Post] = []
    campaigns: dict[Truth, list[str]] = {truth: [] for truth in TRUTHS}
    for at in _moments(dice, start, days, posts):
        truth = dice.choices(TRUTHS, [SHARES[one] for one in TRUTHS])[0]
        writers = bad if truth != "innocent" and dice.random() < 0.7 else order
        author = writers[min(int(dice.expovariate(3.0) * len(writers)), len(writers) - 1)]
        copies = campaigns[truth]
        if truth != "innocent" and copies and dice.random() < 0.15:
            text = dice.choice(copies[-20:])
        else:
            text = texts.draw(dice, truth)
            copies.append(text)
        made.append(Post(at, author, text, truth))
    # By day and by night, and early enough for all of them to be due before the end.
    last = max((days - 1.05) / days, 0.35)
    noticed = [start + timedelta(days=days) * (0.04 + (last - 0.04) * dice.random()) for _ in range(notices)]
    return Script(
        start,
        days,
        accounts,
        sorted(made),
        reports,
        sorted(noticed),
    )


def _moments(dice: random.Random, start: datetime, days: int, count: int) -> Iterator[datetime]:
    """Moments within the days, more of them in the evening; and one wave in the middle, when something happens."""
    hours = [1, 1, 1, 1, 1, 2, 3, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 7, 8, 9, 9, 8, 5, 2]
    middle = days / 2
    for _ in range(count):
        day = dice.gauss(middle, 0.35) if dice.random() < 0.15 else dice.random() * days
        day = min(max(day, 0.0), days - 0.001)
        hour = dice.choices(range(24), hours)[0] + dice.random()
        yield start + timedelta(days=int(day), hours=hour)
