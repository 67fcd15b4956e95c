"""How well the judge agrees with people: precision, recall and calibration, as far as labels tell. Pure.

Labels are of what was held or flagged, reported or appealed, and say little of what nobody looked at: recall is of what
came before people by any way at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from parley.safety.intervals import wilson
from parley.screening import Outcome
from parley.social.verdicts.measured import LabelledRow

BINS = 10


class Share(msgspec.Struct, frozen=True):
    """`count` of `of`, with the interval of 95 % confidence."""

    count: int
    of: int
    low: float
    high: float

    @classmethod
    def make(cls, count: int, of: int) -> Share:
        """With its interval."""
        return cls(count, of, *wilson(count, of))


class Quality(msgspec.Struct, frozen=True):
    """How a way of deciding goes with people's decisions. `right` is precision, `caught` recall."""

    labels: int
    agreed: Share
    right: Share
    caught: Share


class Bin(msgspec.Struct, frozen=True):
    """Scores of about `score`: the share of them that people found to break the rules."""

    score: float
    share: Share


class HeadQuality(msgspec.Struct, frozen=True):
    """One head of the text model, taken to say yes from `threshold` on, against labels of its clauses."""

    threshold: float
    quality: Quality
    calibration_error: float
    bins: tuple[Bin, ...]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the judge from labels."""

    labels: int
    verdicts: Quality
    by_language: dict[str, Quality]
    by_clause: dict[str, Quality]
    heads: dict[str, HeadQuality]


class _Counting:
    def __init__(self) -> None:
        self.labels = self.agreed = self.right = self.said = self.caught = self.breaks = 0

    def add(self, said: bool, breaks: bool) -> None:
        self.labels += 1
        self.agreed += said == breaks
        self.said += said
        self.breaks += breaks
        self.right += said and breaks
        self.caught += said and breaks

    def result(self) -> Quality:
        return Quality(
            self.labels,
            Share.make(self.agreed, self.labels),
            Share.make(self.right, self.said),
            Share.make(self.caught, self.breaks),
        )


def evaluate_labels(
    rows: Iterable[LabelledRow], thresholds: Mapping[str, float], clauses: Mapping[str, Collection[str]]
) -> Evaluation:
    """Compare what the machine said with labels.

    `thresholds` has, by head of the model (`text.violence.score`), the score from which on it is taken to say yes;
    `clauses` which clauses a head is about: labels under others say nothing against it.
    """
    whole = _Counting()
    languages: defaultdict[str, _Counting] = defaultdict(_Counting)
    by_clause: defaultdict[str, _Counting] = defaultdict(_Counting)
    heads: defaultdict[str, list[tuple[float, bool]]] = defaultdict(list)
    for row in rows:
        said, breaks = not Outcome(row.judged).published, not Outcome(row.outcome).published
        whole.add(said, breaks)
        languages[row.language or "unknown"].add(said, breaks)
        if clause := row.clause or row.judged_clause:
            by_clause[clause].add(said, breaks)
        for head, score in row.scores.items():
            about = clauses.get(head)
            if not breaks:
                heads[head].append((score, False))
            elif about is None or row.clause is None or row.clause in about:
                heads[head].append((score, True))
    return Evaluation(
        labels=whole.labels,
        verdicts=whole.result(),
        by_language={name: one.result() for name, one in sorted(languages.items())},
        by_clause={name: one.result() for name, one in sorted(by_clause.items())},
        heads={head: _evaluate_head(pairs, thresholds.get(head, 0.5)) for head, pairs in sorted(heads.items())},
    )


def _evaluate_head(pairs: Sequence[tuple[float, bool]], threshold: float) -> HeadQuality:
    counting = _Counting()
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for score, breaks in pairs:
        counting.add(score >= threshold, breaks)
        bins[min(int(score * BINS), BINS - 1)].append((score, breaks))
    shown: list[Bin] = []
    error = 0.0
    for found in bins:
        if found:
            middle = sum(score for score, _ in found) / len(found)
            share = Share.make(sum(breaks for _, breaks in found), len(found))
            error += abs(middle - share.count / share.of) * len(found) / len(pairs)
            shown.append(Bin(middle, share))
    return HeadQuality(threshold, counting.result(), error, tuple(shown))
