"""What operators see of how well the judge does. Callers have checked who asks."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.safety.feedback.drift import Drift, advise, choose_reference, compare_weeks, describe_outcomes
from parley.safety.feedback.evaluation import Evaluation, evaluate_labels
from parley.screening import Outcome, Ruleset
from parley.social.accounts.views import Viewer
from parley.social.verdicts.measured import LabelledRow, list_labelled, list_outcome_weeks, list_score_weeks

WEEKS = 13
PAGE = 5000


async def list_all_labelled(tx: Tx, since: datetime) -> list[LabelledRow]:
    """Every label since a moment that counts."""
    rows: list[LabelledRow] = []
    while True:
        page = await list_labelled(tx, since, after_id=rows[-1].id if rows else 0, limit=PAGE)
        rows += page
        if len(page) < PAGE:
            return rows


async def get_evaluation(tx: Tx, ruleset: Ruleset, since: datetime) -> Evaluation:
    """How the judge compares with the labels since a moment, at the thresholds of the live policy."""
    rows = await list_all_labelled(tx, since)
    return evaluate_labels(rows, _thresholds(ruleset), _clauses_of_heads(ruleset))


def _thresholds(ruleset: Ruleset) -> dict[str, float]:
    """From which score on a head is taken to say yes: where posts are held, or where they are flagged."""
    found: dict[str, float] = {}
    for name, value in ruleset.head.thresholds.items():
        head, _, what = name.rpartition("_")
        if what == "hold" or (what == "flag" and f"{head}_hold" not in ruleset.head.thresholds):
            found[f"text.{head}.score"] = float(value)
    return found


def _clauses_of_heads(ruleset: Ruleset) -> dict[str, set[str]]:
    """Which clauses a head of the model is about: those of the rules that ask for its score."""
    found: dict[str, set[str]] = {}
    for rule in ruleset.rules:
        for head in re.findall(r"text\.[a-z_]+\.score", rule.when):
            if rule.clause is not None:
                found.setdefault(head, set()).add(rule.clause)
    return found


async def get_drift(tx: Tx, viewer: Viewer) -> Drift:
    """The last thirteen weeks against the first of them in which enough was judged.

    Raises NotFound for whoever does not run the instance.
    """
    viewer.need_operator()
    moment = now()
    monday = (moment - timedelta(days=moment.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    since = monday - timedelta(weeks=WEEKS - 1)
    scores = await list_score_weeks(tx, since, moment)
    outcomes = await list_outcome_weeks(tx, since, moment)
    agreement: dict[datetime, tuple[int, int]] = {}
    for row in await list_all_labelled(tx, since):
        week = (row.created_at - timedelta(days=row.created_at.weekday())).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        labels, agreed = agreement.get(week, (0, 0))
        same = Outcome(row.judged).published == Outcome(row.outcome).published
        agreement[week] = (labels + 1, agreed + same)
    totals = {week: sum(count for count, _ in said.values()) for week, said in outcomes.items()}
    reference = choose_reference(totals, monday)
    compared = {name: compare_weeks(weeks, reference) for name, weeks in sorted(scores.items())}
    described = describe_outcomes(outcomes, agreement)
    return Drift(reference, compared, described, advise(compared, described))
