"""What cannot be judged is never simply published: fail modes, limits, hostile input."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import msgspec
import pytest

from parley import screening
from parley.screening import Content, Facts, Outcome, Ruleset, Verdict, judge, screen_failed
from parley.screening import policy as policy_module
from parley.screening.documents import PolicyError
from parley.screening.rules import Rule
from tests.screening.conftest import MEMBER, MODERATOR, NOW, STRANGER, TRUSTED, status, with_broken_signal

AUTHORS = [
    (STRANGER, Outcome.HOLD),
    (MEMBER, Outcome.HOLD),
    (TRUSTED, Outcome.ALLOW_FLAG),
    (MODERATOR, Outcome.ALLOW_FLAG),
]


@pytest.mark.parametrize(("facts", "outcome"), AUTHORS)
@pytest.mark.parametrize("signal", ["content", "account", "text", "words", "links"])
@pytest.mark.parametrize("error", [ValueError("x"), MemoryError(), RecursionError()], ids=lambda e: type(e).__name__)
def test_invariant_2_a_failing_signal_leads_to_the_fail_mode(
    signal: str, error: Exception, facts: Facts, outcome: Outcome, shipped: Ruleset
) -> None:
    verdict = judge(status("hello"), facts, ruleset=with_broken_signal(shipped, signal, error))
    assert (verdict.outcome, verdict.degraded, verdict.failed_signals) == (outcome, True, (signal,))
    assert type(error).__name__ in verdict.because[0]
    assert "screened again" in verdict.because[0]


def test_what_the_other_signals_find_still_counts(shipped: Ruleset) -> None:
    verdict = judge(status("I will kill you"), TRUSTED, ruleset=with_broken_signal(shipped, "links", OSError()))
    assert (verdict.outcome, verdict.clause, verdict.degraded) == (Outcome.REJECT, "1.1", True)


def test_a_signal_that_leaves_out_a_value_has_failed(shipped: Ruleset) -> None:
    def forgetful(frame: object) -> object:
        return type("Measured", (), {"values": {}, "matches": ()})()

    signals = tuple(replace(s, measure=forgetful) if s.name == "text" else s for s in shipped.signals)
    verdict = judge(status("hello"), MEMBER, ruleset=replace(shipped, signals=signals))
    assert (verdict.outcome, verdict.failed_signals) == (Outcome.HOLD, ("text",))


def test_a_signal_may_have_a_fail_mode_of_its_own(policy: object) -> None:
    folder = policy(
        policy=("links: {enabled: true}", "links: {fail: {new: hold, known: allow_flag, trusted: allow, staff: allow}}")
    )  # type: ignore[operator]
    ruleset = screening.load_policy(folder)
    assert (
        judge(status("hi"), MEMBER, ruleset=with_broken_signal(ruleset, "links", OSError())).outcome
        is Outcome.ALLOW_FLAG
    )
    assert (
        judge(status("hi"), TRUSTED, ruleset=with_broken_signal(ruleset, "links", OSError())).outcome is Outcome.ALLOW
    )
    assert judge(status("hi"), MEMBER, ruleset=with_broken_signal(ruleset, "words", OSError())).outcome is Outcome.HOLD


def test_a_signal_that_is_switched_off_finds_nothing_and_breaks_nothing(policy: object) -> None:
    folder = policy(policy=("words: {enabled: true}", "words: {enabled: false}"))  # type: ignore[operator]
    verdict = judge(status("I will kill you"), MEMBER, ruleset=screening.load_policy(folder), given={})
    assert (verdict.outcome, verdict.degraded, verdict.signals["words.reject.count"]) == (Outcome.ALLOW, False, 0)


def test_invariant_2_a_rule_that_cannot_be_evaluated_leads_to_the_fail_mode(shipped: Ruleset) -> None:
    program = shipped.expressions.compile("1 / links.count > 0")
    rule: Rule = msgspec.structs.replace(shipped.rules[0], id="divides", program=program)
    verdict = judge(status("hello"), MEMBER, ruleset=replace(shipped, rules=(rule,)))
    assert (verdict.outcome, verdict.degraded) == (Outcome.HOLD, True)
    assert "'divides' could not be evaluated" in verdict.because[0]


def test_a_rule_over_a_great_list_stops_at_the_budget(shipped: Ruleset) -> None:
    nested = "words.hold.entries.map(a, words.hold.entries.map(b, words.hold.entries.map(c, words.hold.entries)))"
    program = shipped.expressions.compile(f"{nested}.size() > 100")
    activation = shipped.expressions.activation({"words.hold.entries": [str(n) for n in range(300)]})
    with pytest.raises(Exception, match="budget"):
        shipped.expressions.evaluate(program, activation)


@pytest.mark.parametrize(("facts", "outcome"), AUTHORS)
def test_invariant_2_a_judge_that_breaks_leads_to_the_fail_mode(facts: Facts, outcome: Outcome) -> None:
    verdict = screen_failed(facts, RuntimeError("the text of a post"))
    assert (verdict.outcome, verdict.degraded) == (outcome, True)
    assert "RuntimeError" in verdict.because[0]
    assert "the text of a post" not in str(verdict)
    assert ("visible only to you" in verdict.sentence) is (outcome is Outcome.HOLD)


def test_invariant_2_fail_modes_work_without_any_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Ruleset:
        raise PolicyError([])

    monkeypatch.setattr(policy_module, "_live", None)
    monkeypatch.setattr(sys.modules["parley.screening.judge"], "live_ruleset", broken)
    assert screen_failed(STRANGER, ValueError()).outcome is Outcome.HOLD
    assert screen_failed(TRUSTED, ValueError()).outcome is Outcome.ALLOW_FLAG
    assert screen_failed(object(), ValueError(), kind="profile").outcome is Outcome.HOLD  # type: ignore[arg-type]


def test_what_is_too_large_is_judged_as_far_as_it_goes(shipped: Ruleset) -> None:
    for text in ("I will kill you. " + "x " * 500_000, "x " * 500_000 + "I will kill you"):
        assert judge(status(text), TRUSTED, ruleset=shipped).outcome is Outcome.REJECT
    verdict = judge(status("x " * 500_000), MEMBER, ruleset=shipped)
    assert (verdict.outcome, verdict.degraded, verdict.clause) == (Outcome.HOLD, True, None)
    assert "1000000 characters in text, 20000 allowed" in verdict.because[0]


def test_too_many_texts_and_links_are_not_judged_silently(shipped: Ruleset) -> None:
    many = Content(kind="profile", texts={f"field_{n}_value": "x" for n in range(1000)})
    assert judge(many, MEMBER, ruleset=shipped).degraded
    assert judge(status("x", *[f"https://h{n}.example/" for n in range(1000)]), MEMBER, ruleset=shipped).degraded


HOSTILE = {
    "one megabyte of one letter": "a" * 10**6,
    "one megabyte of a threat": "kill you i will " * 65_000,
    "ten thousand marks": "a" + "\u0301\u0323" * 5000,
    "twenty thousand Hebrew points": "ב" + "\u05b0\u05bc" * 10_000,
    "spaced letters": "k " * 10_000,
    "joiners": "\u200d" * 20_000,
    "dots": "a." * 10_000,
    "at signs": "@" * 20_000,
    "numbers for letters": "1!|$@03" * 2800,
    "stars": "k*" * 10_000,
    "starred words": "k***a " * 3300,
    "emoji": "🔫" * 20_000,
    "new lines": "\n" * 20_000,
    "links": "http://a.b " * 1800,
    "one endless link": "http://" + "a." * 9990,
    "one endless domain": "a-" * 9990 + ".com",
    "zero bytes": "\0" * 20_000,
    "lone surrogates": "\ud800" * 20_000,
    "ligatures that unfold": "ﷺ" * 20_000,
    "Chinese": "殺" * 20_000,
    "Cyrillic": "убить " * 3300,
    "brackets": "(" * 20_000,
    "every exception": "never kill yourself " * 1000,
    "repeats": "kiiiiill yourseeeelf " * 950,
    "flags": "🇰🇮" * 10_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_is_judged_in_time_and_without_a_crash(name: str, shipped: Ruleset) -> None:
    started = time.process_time()
    verdict = judge(status(HOSTILE[name], HOSTILE[name]), STRANGER, ruleset=shipped)
    assert time.process_time() - started < 1.0
    assert verdict.failed_signals == ()
    assert msgspec.json.decode(msgspec.json.encode(verdict.because), type=tuple[str, ...]) == verdict.because
    assert isinstance(verdict, Verdict)


@pytest.mark.parametrize(
    "link",
    ["", " ", "javascript:alert(1)", "data:text/html,x", "http://", "http:///", "\x00", "http://[::1", "http://a..b/",
     "http://" + "a" * 5000, "//evil.example", "ht\ntp://evil.example", "http://1.2.3.4.5/", "\ud800", "file:///etc/passwd"],
)  # fmt: skip
def test_a_malformed_link_never_breaks_the_judge(link: str, shipped: Ruleset) -> None:
    verdict = judge(status("x", link), Facts(now=NOW), ruleset=shipped)
    assert verdict.failed_signals == ()
    assert verdict.outcome.rank >= Outcome.HOLD.rank
