"""The judge: content and facts in, verdict out. Pure and deterministic, used live, in tests and over history.

Every signal runs guarded. What cannot be measured leads to the policy's fail mode for the author's trust,
never to silence. This file must not read a database, the network or (but for the latency) a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter_ns

from parley.screening.content import STAFF_ROLES, Content, Facts, Kind, Trust
from parley.screening.documents import FailModes, Limits, TrustThresholds
from parley.screening.explain import author_sentence, rule_reason
from parley.screening.policy import live_ruleset
from parley.screening.rules import Rule, fired
from parley.screening.ruleset import Ruleset, trust_level
from parley.screening.signal import Frame, quiet_values
from parley.screening.verdict import Match, Outcome, RuleFired, SignalValue, Verdict, strongest

_WITHOUT_POLICY = FailModes(new=Outcome.HOLD, known=Outcome.HOLD, trusted=Outcome.ALLOW_FLAG, staff=Outcome.ALLOW_FLAG)
_THRESHOLDS_WITHOUT_POLICY = TrustThresholds(
    known_after_days=1, known_after_posts=3, trusted_after_days=30, trusted_after_posts=20
)


def judge(
    content: Content,
    facts: Facts,
    *,
    ruleset: Ruleset | None = None,
    given: Mapping[str, SignalValue] | None = None,
) -> Verdict:
    """Return the verdict for one revision; the ruleset is the live one unless another is given.

    `given` is for a policy's tests: values that replace what was measured. With it, signals that depend on a model are
    not measured but quiet, unless it holds their values.

    Never raises for any content: a signal or a rule that fails makes the verdict degraded. Takes well under a
    millisecond for an ordinary post, and is bounded by the policy's limits for any other.
    """
    started = perf_counter_ns()
    ruleset = ruleset or live_ruleset()
    trust = trust_level(facts, ruleset.head.trust)
    texts, exceeded = _within_limits(content, ruleset.head.limits)
    frame = Frame(
        content=content,
        facts=facts,
        trust=trust,
        words=ruleset.words,
        link_bank=ruleset.links,
        limits=ruleset.head.limits,
        texts=texts,
    )
    values, matches, broken, costs = _measure(frame, ruleset, given)
    true, unknown = fired(ruleset.rules, ruleset.expressions, values, content.kind, facts.now)
    failures = [f"Not everything was looked at: {'; '.join(exceeded[:3])}."] if exceeded else []
    failures += [f"The signal {name!r} failed ({why})." for name, why in broken.items()]
    failures += [f"The rule {rule.id!r} could not be evaluated ({why})." for rule, why in unknown if rule.decides]
    modes = [_fail_modes(ruleset, name).mode(trust) for name in broken]
    if exceeded or (failures and not broken):
        modes.append(ruleset.head.fail_modes.mode(trust))
    verdict = _decide(content, facts, ruleset, trust, values, matches, true, failures, modes, tuple(broken))
    return replace(verdict, costs_us=costs, latency_us=(perf_counter_ns() - started) // 1000)


def screen_failed(facts: Facts, error: BaseException, *, kind: Kind = "status") -> Verdict:
    """Return the verdict to use when `judge` itself raised: the fail mode for the author's trust.

    Works without a usable policy too. The error's text stays out of the verdict, for it may quote content.
    """
    try:
        ruleset: Ruleset | None = live_ruleset()
    except Exception:
        ruleset = None
    modes = ruleset.head.fail_modes if ruleset else _WITHOUT_POLICY
    try:
        trust = trust_level(facts, ruleset.head.trust if ruleset else _THRESHOLDS_WITHOUT_POLICY)
    except Exception:
        trust = "staff" if getattr(facts, "role", "") in STAFF_ROLES and getattr(facts, "local", False) else "new"
    outcome = modes.mode(trust)
    hours = ruleset.head.review_hours if ruleset else 24
    return Verdict(
        outcome=outcome,
        sentence=author_sentence(outcome, kind, None, hours, degraded=True),
        because=(f"Screening failed ({type(error).__name__}). {_mode_reason(outcome, trust)}",),
        trust=trust,
        ruleset=ruleset.sha256 if ruleset else "",
        degraded=True,
        failed_signals=("judge",),
    )


def _within_limits(content: Content, limits: Limits) -> tuple[dict[str, str], list[str]]:
    """Return the texts cut to the limits (beginning and end of each are kept), and what was exceeded."""
    exceeded: list[str] = []
    names = list(content.texts)
    if len(names) > limits.texts:
        exceeded.append(f"{len(names)} texts, {limits.texts} allowed")
        names = names[: limits.texts]
    left = limits.all_characters
    texts: dict[str, str] = {}
    for name in names:
        text = content.texts[name]
        allowed = min(limits.text_characters, left)
        if len(text) > allowed == 0:
            exceeded.append(f"more than {limits.all_characters} characters in all")
            break
        if len(text) > allowed:
            exceeded.append(f"{len(text)} characters in {name[:40]}, {allowed} allowed")
            text = text[: allowed - allowed // 2] + "\n\n" + text[len(text) - allowed // 2 :]
        left = max(left - len(text), 0)
        texts[name] = text
    if len(content.links) > limits.links:
        exceeded.append(f"{len(content.links)} links, {limits.links} allowed")
    return texts, exceeded


def _measure(
    frame: Frame, ruleset: Ruleset, given: Mapping[str, SignalValue] | None
) -> tuple[dict[str, SignalValue], list[Match], dict[str, str], dict[str, int]]:
    """Run every enabled signal guarded; return values, matches, the failed signals with the reason, and what each
    signal took in microseconds."""
    values: dict[str, SignalValue] = dict(ruleset.quiet)
    matches: list[Match] = []
    broken: dict[str, str] = {}
    costs: dict[str, int] = {}
    for signal in ruleset.signals:
        if given is not None and signal.from_model:
            values.update(quiet_values([signal]))
            continue
        began = perf_counter_ns()
        try:
            measured = signal.measure(frame)
            missing = signal.fields.keys() - measured.values.keys()
            if missing:
                raise LookupError(f"no value for {', '.join(sorted(missing))}")
        except Exception as error:
            broken[signal.name] = type(error).__name__
            for name in signal.fields:
                values.pop(name, None)
            continue
        finally:
            costs[signal.name] = (perf_counter_ns() - began) // 1000
        values.update(measured.values)
        matches.extend(measured.matches)
    values.update(given or {})
    return values, matches, broken, costs


def _fail_modes(ruleset: Ruleset, signal: str) -> FailModes:
    switch = ruleset.head.signals.get(signal)
    return switch.fail if switch and switch.fail else ruleset.head.fail_modes


def _decide(
    content: Content,
    facts: Facts,
    ruleset: Ruleset,
    trust: Trust,
    values: dict[str, SignalValue],
    matches: list[Match],
    true: list[Rule],
    failures: list[str],
    modes: list[Outcome],
    broken: tuple[str, ...],
) -> Verdict:
    """Let the strongest outcome win; among equals the clause of the greatest severity, then the first rule."""
    rules = [_fire(rule, matches, values, ruleset, facts) for rule in true]
    rules.sort(key=lambda rule: (not rule.decides, -rule.outcome.rank, _severity(ruleset, rule.clause)))
    deciding = [rule for rule in rules if rule.decides]
    by_rules = strongest(rule.outcome for rule in deciding)
    outcome = strongest([by_rules, *modes])
    clause_id = deciding[0].clause if deciding and by_rules is outcome else None
    because = [rule.because for rule in deciding]
    if failures:
        reason = " ".join([*failures, _mode_reason(strongest(modes), trust)])
        because.insert(0 if by_rules is not outcome else len(because), reason)
    labels = dict.fromkeys(label for rule in deciding for label in rule.labels)
    clause = ruleset.clauses.get(clause_id) if clause_id else None
    return Verdict(
        outcome=outcome,
        clause=clause_id,
        sentence=author_sentence(outcome, content.kind, clause, ruleset.head.review_hours, degraded=bool(failures)),
        because=tuple(because),
        matches=tuple(matches),
        signals=values,
        rules=tuple(rules),
        labels=tuple(labels),
        trust=trust,
        ruleset=ruleset.sha256,
        degraded=bool(failures),
        failed_signals=broken,
    )


def _fire(
    rule: Rule, matches: list[Match], values: Mapping[str, SignalValue], ruleset: Ruleset, facts: Facts
) -> RuleFired:
    clause = rule.clause
    if clause is None:
        found = {m.clause for m in matches if f"{m.bank}.{m.tier}" == rule.matches and not m.background}
        clause = min(found, key=lambda name: (_severity(ruleset, name), name), default=None)
    because, outcome = rule_reason(rule, matches, values, ruleset.signals), rule.outcome
    if rule.id in facts.capped_rules:
        outcome = _softened(rule, _severity(ruleset, clause))
    capped = outcome is not rule.outcome
    if capped:
        because += f" ({rule.outcome} became {outcome}: the rule acted {rule.cap_per_hour} times within the hour.)"
    return RuleFired(
        rule=rule.id,
        version=rule.version,
        outcome=outcome,
        clause=clause,
        because=because,
        labels=rule.labels,
        decides=rule.decides,
        capped=capped,
    )


def _softened(rule: Rule, severity: int) -> Outcome:
    """Return what a rule does that acted too often: never more than before, for severity 0 never less than hold."""
    over_cap = Outcome.HOLD if severity == 0 else rule.over_cap
    return min(rule.outcome, over_cap, key=lambda outcome: outcome.rank)


def _severity(ruleset: Ruleset, clause: str | None) -> int:
    known = ruleset.clauses.get(clause) if clause else None
    return known.severity if known else 9


def _mode_reason(outcome: Outcome, trust: Trust) -> str:
    what = {
        Outcome.HOLD: "held for a moderator",
        Outcome.ALLOW_FLAG: "published and put before a moderator",
        Outcome.ALLOW: "published",
        Outcome.LIMIT: "published but limited",
        Outcome.REJECT: "refused",
        Outcome.QUARANTINE: "kept for the moderators",
    }[outcome]
    return f"What cannot be judged is {what} when its author is {trust}; it will be screened again."
