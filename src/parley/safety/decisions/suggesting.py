"""What the policy offers for a case: the clause that seems broken, and what its ladder of strikes asks for. Pure.

An offer, never a decision: a person chooses, and may choose otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from parley.safety.cases.views import CaseView, SubjectView
from parley.safety.decisions.kinds import SUBJECTS
from parley.safety.decisions.strikes import step_of
from parley.safety.decisions.templates import templates
from parley.safety.decisions.views import ActionKind, NewAction, Suggestion, Suggestions
from parley.safety.log.views import Subject
from parley.screening import Ruleset
from parley.screening.documents import LadderStep
from parley.screening.ruleset import Clause, describe_step, severity_name

NUISANCE = 3
_STEPS: dict[str, ActionKind] = {
    "limit_days": "limit_account",
    "restrict_days": "restrict_posting",
    "suspend_days": "suspend",
    "terminate": "terminate",
}


def make_suggestions(policy: Ruleset, view: CaseView, weight: int, language: str) -> Suggestions:
    """The best suggestion for a case, and one for every clause. `weight` is that of the strikes that count now."""
    waiting = [subject for subject in view.subjects if subject.settled_at is None]
    found, because = _likely_clause(policy, view, waiting)
    by_clause = {
        clause.id: _suggest(policy, clause, waiting, view.case.account.id, weight, language, ())
        for clause in policy.clauses.values()
    }
    best = _suggest(policy, found, waiting, view.case.account.id, weight, language, because)
    nothing = _suggest(policy, None, waiting, view.case.account.id, weight, language, ())
    return Suggestions(best=best, nothing=nothing, by_clause=by_clause)


def _likely_clause(
    policy: Ruleset, view: CaseView, waiting: Sequence[SubjectView]
) -> tuple[Clause | None, tuple[str, ...]]:
    """The gravest clause that was named or found, what screening found before what people say."""
    named = [(subject.clause, subject.source == "automated") for subject in waiting if subject.clause]
    if view.case.clause:
        named.append((view.case.clause, view.case.source == "automated"))
    known = [(policy.clauses[clause], found) for clause, found in named if clause in policy.clauses]
    if not known:
        return None, ("Nobody named a rule, and screening found none.",)
    clause, found = min(known, key=lambda one: (one[0].severity, not one[1]))
    who = "screening found it" if found else "it was reported under this rule"
    times = sum(1 for one, _ in known if one.id == clause.id)
    return clause, (
        f"{clause.id} {clause.title}: {who}{f' {times} times' if times > 1 else ''}.",
        f"Severity {clause.severity}: {severity_name(clause.severity)}.",
    )


def _suggest(
    policy: Ruleset,
    clause: Clause | None,
    waiting: Sequence[SubjectView],
    account_id: int,
    weight: int,
    language: str,
    because: tuple[str, ...],
) -> Suggestion:
    more = (clause.strike_weight or 0) if clause else 0
    step = step_of(policy, weight + more) if more else None
    actions = _actions(clause, step, waiting, account_id)
    subjects = [action.subject for action in actions if action.subject.type != "account"]
    kind = actions[0].kind if actions else "no_action"
    words = templates(language, clause, kind, subjects)
    said = describe_step(step.action, step.days) if step else "no strike" if not more else "nothing yet"
    if more:
        because = (*because, f"Strikes that count: {weight}; with this one {weight + more}. The ladder says: {said}.")
    return Suggestion(
        clause=clause.id if clause else None,
        clause_title=clause.title if clause else "",
        severity=clause.severity if clause else None,
        weight=weight,
        after=weight + more,
        step=said,
        actions=actions,
        because=because,
        facts=words.facts,
        reasons=words.reasons,
        language=words.language,
    )


def _actions(
    clause: Clause | None, step: LadderStep | None, waiting: Sequence[SubjectView], account_id: int
) -> tuple[NewAction, ...]:
    actions = [NewAction(_kind_for(clause, subject), _subject(subject)) for subject in waiting]
    about = Subject("account", account_id)
    kind = _STEPS.get(step.action) if step else None
    if step is not None and kind is not None:
        hours = step.days * 24.0 if step.days else None
        actions = [action for action in actions if action.subject.type != "account"]
        actions.append(NewAction(kind, about, hours))
    elif step is not None and step.action == "warn" and not any(a.kind not in ("no_action", "warn") for a in actions):
        actions = [action for action in actions if action.subject.type != "account"]
        actions.append(NewAction("warn", about))
    return tuple(actions) or (NewAction("no_action", about),)


def _kind_for(clause: Clause | None, subject: SubjectView) -> ActionKind:
    """What the rule asks for about one thing: gone, or for a nuisance shown to fewer; what waits is let through when
    no rule is broken."""
    waits = subject.state_now == "held"
    if clause is None:
        return "publish" if waits and subject.type in SUBJECTS["publish"] else "no_action"
    if subject.type in ("account", "conversation"):
        return "warn"
    if clause.severity >= NUISANCE and subject.type == "status" and not waits:
        return "limit"
    return "remove"


def _subject(subject: SubjectView) -> Subject:
    return Subject(subject.type, subject.id, subject.revision)
