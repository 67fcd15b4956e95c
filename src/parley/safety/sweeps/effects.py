"""What another verdict means for a revision of the past, and counting that. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from parley.safety.history import Past
from parley.safety.intervals import wilson
from parley.safety.judging import Answer
from parley.safety.sweeps.views import Count, Sample
from parley.screening import Outcome
from parley.social.media.judging import FILE_REVISION, REFUSED

Effect = Literal["hide", "limit", "flag", "release"]
MOST_SAMPLES = 20
MOST_ACCOUNTS = 10
LONGEST_SAMPLE = 300


def effect_of(past: Past, answer: Answer) -> Effect | None:
    """What the new verdict asks for, compared with the one on record; None for nothing.

    Refused writes left nothing behind, and a verdict that is not complete asks for nothing.
    """
    if answer.degraded or past.outcome == Outcome.REJECT.value:
        return None
    before, after = Outcome(past.outcome), Outcome(answer.outcome)
    if past.subject_type == "media" and past.revision == FILE_REVISION:
        # Not what was on record counts but whether it is served: a file that was held is, with what people let through.
        refused = after in REFUSED and before not in REFUSED
        alone = not past.carried and before.published and not after.published
        return "hide" if refused or alone else None
    if not after.published:
        return "hide" if before.published else None
    if not before.published:
        return "release"
    if after.rank <= before.rank:
        return None
    return "limit" if after is Outcome.LIMIT else "flag"


def sample_of(past: Past, answer: Answer) -> Sample:
    """A sample to show to the staff; the words only of what everybody may read."""
    text = " / ".join(text for text in past.content.texts.values() if text)
    return Sample(
        subject_type=past.subject_type,
        subject_id=past.subject_id,
        revision=past.revision,
        account_id=past.account_id,
        before=past.outcome,
        after=answer.outcome,
        clause=answer.clause,
        because=answer.because,
        text="" if past.private else text[:LONGEST_SAMPLE],
        created_at=past.created_at,
    )


class Counting:
    """Adds up what a sweep would do."""

    def __init__(self) -> None:
        self.judged = self.unclear = self.inexact = 0
        self.effects: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.clauses: Counter[str] = Counter()
        self.accounts: Counter[int] = Counter()
        self.samples: list[Sample] = []

    def add(self, past: Past, answer: Answer, *, release: bool) -> None:
        """Count one revision."""
        self.judged += 1
        self.unclear += answer.degraded
        self.inexact += not past.exact
        effect = effect_of(past, answer)
        if effect is None or (effect == "release" and not release):
            return
        self.effects[effect] += 1
        self.outcomes[f"{past.outcome} > {answer.outcome}"] += 1
        self.clauses[answer.clause or "none"] += 1
        self.accounts[past.account_id] += 1
        # The first of each kind, so that a rare one is not hidden behind a thousand of another.
        if self.effects[effect] <= MOST_SAMPLES // 4 or len(self.samples) < MOST_SAMPLES // 2:
            self.samples.append(sample_of(past, answer))

    def result(self, total: int, share: float) -> Count:
        """What was counted, and what it means for `total` revisions."""
        expected: dict[str, tuple[int, int, int]] = {}
        for effect, found in self.effects.items():
            low, high = wilson(found, self.judged)
            if share >= 1.0:
                expected[effect] = (found, found, found)
            else:
                expected[effect] = (round(total * found / self.judged), int(total * low), -int(-total * high // 1))
        return Count(
            judged=self.judged,
            share=share,
            total=total,
            effects=dict(self.effects),
            outcomes=dict(self.outcomes),
            clauses=dict(self.clauses),
            expected=expected,
            accounts=len(self.accounts),
            top_accounts=self.accounts.most_common(MOST_ACCOUNTS),
            unclear=self.unclear,
            inexact=self.inexact,
            samples=self.samples[:MOST_SAMPLES],
        )
