"""Adding up what a draft would have done to history. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime

from parley.safety.backtests.views import Agreement, BacktestResult, RuleEffect
from parley.safety.history import Past
from parley.safety.intervals import wilson
from parley.safety.judging import Answer
from parley.safety.sweeps.effects import MOST_ACCOUNTS, MOST_SAMPLES, sample_of
from parley.safety.sweeps.views import Sample
from parley.screening import Outcome
from parley.social.verdicts.labels import Label, Revision

REVIEWED = frozenset({Outcome.ALLOW_FLAG, Outcome.HOLD, Outcome.QUARANTINE})


def revision_of(past: Past) -> Revision:
    """Under which name people's decisions about it are found."""
    return (past.subject_type, past.subject_id, past.revision)


class _Agreeing:
    """Counts how verdicts go with decisions. Stopping is what counts: whether a moderator looks is a smaller matter."""

    def __init__(self) -> None:
        self.decisions = self.agreed = self.caught = self.caught_of = self.right = self.right_of = 0

    def add(self, outcome: Outcome, label: Label) -> None:
        should, would = not label.outcome.published, not outcome.published
        self.decisions += 1
        self.agreed += should == would
        self.caught_of += should
        self.right_of += would
        self.caught += should and would
        self.right += should and would

    def result(self) -> Agreement:
        return Agreement(
            decisions=self.decisions,
            agreed=self.agreed,
            caught=self.caught,
            caught_of=self.caught_of,
            right=self.right,
            right_of=self.right_of,
            intervals={
                "agreed": wilson(self.agreed, self.decisions),
                "caught": wilson(self.caught, self.caught_of),
                "right": wilson(self.right, self.right_of),
            },
        )


class Measuring:
    """Compares answers with what happened. `rule` narrows it to the revisions in which that rule fires."""

    def __init__(self, rule: str | None = None) -> None:
        self.rule = rule
        self.judged = self.stopped = self.released = self.unclear = self.inexact = 0
        self.review = self.review_now = 0
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.was: Counter[str] = Counter()
        self.would_be: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()
        self.accounts: Counter[int] = Counter()
        self.fired: Counter[str] = Counter()
        self.changed: Counter[str] = Counter()
        self.logged: set[str] = set()
        self.by_rule: defaultdict[str, set[int]] = defaultdict(set)
        self.draft, self.now = _Agreeing(), _Agreeing()
        self.samples: Counter[str] = Counter()
        self.shown: list[Sample] = []

    def add(self, past: Past, answer: Answer, label: Label | None) -> None:
        """Count one revision."""
        self.judged += 1
        self.unclear += answer.degraded
        self.inexact += not past.exact
        self.first, self.last = self.first or past.created_at, past.created_at
        if answer.degraded or (self.rule and self.rule not in (*answer.rules, *answer.logged)):
            return
        before, after = Outcome(past.outcome), Outcome(answer.outcome)
        self.was[past.outcome] += 1
        self.would_be[answer.outcome] += 1
        self.review_now += before in REVIEWED
        self.review += after in REVIEWED
        changes = before is not after
        for rule in (*answer.rules, *answer.logged):
            self.fired[rule] += 1
            self.changed[rule] += changes
            self.by_rule[rule].add(past.account_id)
        self.logged.update(answer.logged)
        if label is not None:
            self.draft.add(after, label)
            self.now.add(before, label)
        if not changes:
            return
        self.stopped += before.published and not after.published
        self.released += after.published and not before.published
        change = f"{past.outcome} > {answer.outcome}"
        self.changes[change] += 1
        self.accounts[past.account_id] += 1
        self.samples[change] += 1
        if self.samples[change] <= MOST_SAMPLES // 4:
            self.shown.append(sample_of(past, answer))

    def result(self, share: float) -> BacktestResult:
        """What was found."""
        days = max((self.last - self.first).total_seconds() / 86400, 1.0) if self.first and self.last else 1.0
        return BacktestResult(
            judged=self.judged,
            share=share,
            first=self.first,
            last=self.last,
            days=days,
            rule=self.rule,
            was=dict(self.was),
            would_be=dict(self.would_be),
            changes=dict(self.changes),
            stopped=self.stopped,
            released=self.released,
            accounts=len(self.accounts),
            top_accounts=self.accounts.most_common(MOST_ACCOUNTS),
            rules={
                rule: RuleEffect(count, self.changed[rule], rule not in self.logged, len(self.by_rule[rule]))
                for rule, count in self.fired.most_common()
            },
            agreement=self.draft.result(),
            agreement_now=self.now.result(),
            review_per_day=self.review / share / days if share else 0.0,
            review_per_day_now=self.review_now / share / days if share else 0.0,
            unclear=self.unclear,
            inexact=self.inexact,
            samples=self.shown[:MOST_SAMPLES],
        )


def label_of(labels: Mapping[Revision, Label], past: Past) -> Label | None:
    """What people last said of it."""
    return labels.get(revision_of(past))
