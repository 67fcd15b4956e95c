"""A policy is checked whole: every problem has its file, its line, what is wrong and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from parley import screening
from parley.screening import Outcome, PolicyError, check_policy, judge, load_policy, shipped_policy
from parley.screening import policy as policy_module
from parley.screening.phrases import PhraseError, compile_phrase
from parley.screening.signals import SIGNALS
from tests.screening.conftest import MEMBER, status

MakePolicy = Callable[..., Path]


@pytest.fixture(autouse=True)
def _same_live_policy_afterwards() -> Iterator[None]:
    before = policy_module._live
    yield
    policy_module._live = before


def test_the_shipped_policy_passes_all_its_tests() -> None:
    assert check_policy() == []
    assert check_policy(shipped_policy()) == []


def test_the_shipped_policy_covers_what_hosts_ask_for() -> None:
    clauses = {clause.title for clause in screening.rules_page(load_policy(shipped_policy()))}
    assert {"Threats and incitement", "Hate", "Harassment", "Sexual exploitation of children", "Encouraging self-harm",
            "Private information", "Scams", "Malicious links", "Spam"} <= clauses  # fmt: skip


PROBLEMS: list[tuple[dict[str, tuple[str, str]], str, str]] = [
    ({"rules": ("words.reject.count > 0", "words.rejct.count > 0")}, "rules.yaml", "Did you mean words.reject.count"),
    ({"rules": ("words.reject.count > 0", "words.reject.count >")}, "rules.yaml", "Syntax error"),
    ({"rules": ("words.reject.count > 0", "words.reject.count")}, "rules.yaml", "needs true or false"),
    ({"rules": ("words.reject.count > 0", "words.reject.count > 0.5")}, "rules.yaml", "decimals with decimals"),
    ({"rules": ("words.reject.count > 0", "words.reject.count > 'a'")}, "rules.yaml", "no matching overload"),
    ({"policy": ("known_file_days: 365", "known_file_days: 30")}, "policy.yaml", "30 is shorter than appeal_open_days"),
    ({"policy": ("known_file_days: 365", "known_file_days: 0")}, "policy.yaml", "`int` >= 1"),
    ({"policy": ("answer_wait: 24", "answer_wait: 0")}, "policy.yaml", "`float` > 0.0"),
    (
        {"rules": ("outcome: reject", "outcome: delete")},
        "rules.yaml",
        "'delete' is not one of the allowed values. Outcomes: allow",
    ),
    ({"rules": ("state: LIVE", "state: ON")}, "rules.yaml", "States: DRAFT, BACKGROUND, LIVE, EXPIRED"),
    ({"rules": ('clause: "5.2"', 'clause: "9.9"')}, "rules.yaml", "there is no clause 9.9. Clauses in"),
    ({"rules": ("    matches: words.reject\n", "")}, "rules.yaml", "needs to say of which bank"),
    ({"rules": ("matches: words.reject", "matches: words.rejects")}, "rules.yaml", "Allowed are: words.reject"),
    ({"rules": ("  - id: words-reject", "  - id: words_reject")}, "rules.yaml", "lower-case words joined by hyphens"),
    ({"rules": ("id: words-hold\n", "id: words-reject\n")}, "rules.yaml", "'words-reject' stands twice"),
    (
        {"rules": ("    title: Unmistakable", "    tittle: x\n    title: Unmistakable")},
        "rules.yaml",
        "'tittle' does not exist. Allowed here are:",
    ),
    (
        {"rules": ("account: {role: moderator}", "account: {rank: moderator}")},
        "rules.yaml",
        "no such fact. Facts: account_age_days",
    ),
    ({"rules": ("account: {role: moderator}", "account: {followers: many}")}, "rules.yaml", "is wrong: Expected `int`"),
    ({"words": ('clause: "1.1"', 'clause: "1.9"')}, "words.yaml", "there is no clause 1.9"),
    ({"words": ("    tier: reject", "    tier: ban")}, "words.yaml", "Tiers: reject, hold, flag"),
    ({"words": ('- "kys"', '- "kys ("')}, "words.yaml", "never closed"),
    ({"words": ('- "kys"', '- "kys)"')}, "words.yaml", "never opened"),
    ({"words": ('- "kys"', '- "K.Y.S"')}, "words.yaml", "which no normalised text can contain"),
    ({"words": ('- "kys"', '- "[kys]"')}, "words.yaml", "no word that must be there"),
    ({"words": ('- "kys"', '- "kys ..."')}, "words.yaml", "begins or ends with a gap"),
    ({"words": ('- "kys"', '- "<nobody> kys"')}, "words.yaml", "<nobody>, which does not exist"),
    ({"words": ('- "KYS"', '- "hello"')}, "words.yaml", "'hello' should be found by 'self-harm-encouraged'"),
    ({"words": ('- "Cut yourself some slack"', '- "kys"')}, "words.yaml", "'kys' should not be found by"),
    ({"words": ("  u: you", "  U: you")}, "words.yaml", "as in u: you"),
    ({"words": ("  u: you", "  u: you\n  u: thou")}, "words.yaml", "this key stands twice"),
    ({"links": ("- bit.ly", "- https://bit.ly/")}, "links.yaml", "is not a domain. Write it as example.org"),
    ({"links": ('- "^https?', '- "(^https?')}, "links.yaml", "is not a pattern in RE2 syntax"),
    ({"links": ('- "^https?', '- "(?=a)^https?')}, "links.yaml", "is not a pattern in RE2 syntax"),
    (
        {"links": ('"https://grabify.link/ABC"', '"https://example.org/"')},
        "links.yaml",
        "should be found by 'address-loggers'",
    ),
    ({"clauses": ("severity: 0", "severity: 7")}, "clauses.yaml", "<= 3"),
    ({"clauses": ('id: "1.2"', 'id: "1.1"')}, "clauses.yaml", "clause 1.1 stands twice"),
    ({"clauses": ('id: "1.2"', "id: 1.2")}, "clauses.yaml", "xpected `str`"),
    (
        {"clauses": ('text: "I am going to kill you", expect: reject', 'text: "hello", expect: reject')},
        "clauses.yaml",
        "expects reject, but the verdict is allow",
    ),
    ({"policy": ("format: 1", "format: 2")}, "policy.yaml", "This version reads format 1"),
    ({"policy": ("  new: hold", "  new: allow")}, "policy.yaml", "New accounts need: hold"),
    (
        {"policy": ("words: {enabled: true}", "wards: {enabled: true}")},
        "policy.yaml",
        "no such signal. Signals: content",
    ),
    ({"policy": ("review_hours: 24", "review_hours: 0")}, "policy.yaml", ">= 1"),
    ({"policy": ("version: 1.0.0", "version: first")}, "policy.yaml", "regex"),
    ({"policy": ("name: Parley default policy", "name: [")}, "policy.yaml", "cannot be read as YAML"),
]


@pytest.mark.parametrize(("changes", "file", "message"), PROBLEMS, ids=[p[2][:40] for p in PROBLEMS])
def test_a_mistake_is_reported_with_its_place_and_its_remedy(
    changes: dict[str, tuple[str, str]], file: str, message: str, policy: MakePolicy
) -> None:
    folder = policy(**changes)
    problems = check_policy(folder)
    assert [p for p in problems if p.file == file and message in p.message], [str(p) for p in problems]
    ((stem, (before, _)),) = changes.items()
    original = (shipped_policy() / f"{stem}.yaml").read_text()
    expected = original[: original.index(before)].count("\n") + 1
    assert any(abs(p.line - expected) <= 12 for p in problems), [str(p) for p in problems]


def test_the_line_of_a_mistake_is_exact(policy: MakePolicy) -> None:
    folder = policy(rules=("when: words.reject.count > 0", "when: words.rejct.count > 0"))
    line = (folder / "rules.yaml").read_text().splitlines().index("    when: words.rejct.count > 0") + 1
    (problem,) = check_policy(folder)
    assert str(problem).startswith(f"rules.yaml:{line}: rules[0].when: undeclared reference to 'words.rejct.count'")


def test_all_mistakes_are_reported_at_once(policy: MakePolicy) -> None:
    folder = policy(
        rules=("words.reject.count > 0", "nothing > 0"),
        words=("    tier: reject", "    tier: ban"),
        links=("- bit.ly", "- bit"),
    )
    assert {problem.file for problem in check_policy(folder)} == {"rules.yaml", "words.yaml", "links.yaml"}


def test_a_missing_file_or_folder_is_said(policy: MakePolicy, tmp_path: Path) -> None:
    assert "does not exist. A policy is a folder with policy.yaml" in check_policy(tmp_path / "nowhere")[0].message
    folder = policy()
    (folder / "rules.yaml").unlink()
    missing = next(problem for problem in check_policy(folder) if problem.file == "rules.yaml")
    assert missing.message.startswith("this file is missing")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "rules: 3",
        "rules: [3]",
        "rules: {a: b}",
        "- a: &x [1]\n- *x",
        "\x00",
        "a: !!python/object:os.system x",
    ],
)
def test_a_broken_file_is_reported_and_never_crashes(text: str, policy: MakePolicy) -> None:
    for stem in ("policy", "clauses", "words", "links", "rules"):
        assert check_policy(policy(**{stem: text})), (stem, text)


def test_words_like_no_and_on_are_words(policy: MakePolicy) -> None:
    folder = policy(words=('- "kys"', "- kys\n      - no\n      - on"))
    ruleset = load_policy(folder)
    assert judge(status("no"), MEMBER, ruleset=ruleset).outcome is Outcome.HOLD


@pytest.mark.parametrize(
    ("state", "outcome", "logged"),
    [("LIVE", "reject", True), ("BACKGROUND", "allow", True), ("DRAFT", "allow", False), ("EXPIRED", "allow", False)],
)
def test_only_a_live_rule_decides(state: str, outcome: str, logged: bool, policy: MakePolicy) -> None:
    folder = policy(rules=("  - id: words-reject\n    state: LIVE", f"  - id: words-reject\n    state: {state}"))
    verdict = judge(status("I will kill you"), MEMBER, ruleset=load_policy(folder), given={})
    assert verdict.outcome == outcome
    assert ("words-reject" in [rule.rule for rule in verdict.rules]) is logged


@pytest.mark.parametrize(
    ("state", "outcome", "found"),
    [("LIVE", "hold", True), ("BACKGROUND", "allow", True), ("DRAFT", "allow", False), ("EXPIRED", "allow", False)],
)
def test_only_a_live_bank_entry_counts(state: str, outcome: str, found: bool, policy: MakePolicy) -> None:
    title = "    title: Telling somebody to kill or hurt themselves\n"
    folder = policy(words=(title, f"{title}    state: {state}\n"))
    verdict = judge(status("kys"), MEMBER, ruleset=load_policy(folder), given={})
    assert (verdict.outcome, bool(verdict.matches)) == (outcome, found)


def test_a_policy_with_problems_never_replaces_the_live_one(policy: MakePolicy) -> None:
    live = screening.use_policy()
    with pytest.raises(PolicyError, match=r"rules\.yaml:\d+: rules\[0\]\.when"):
        screening.use_policy(policy(rules=("words.reject.count > 0", "nothing > 0")))
    assert screening.live_ruleset() is live


def test_another_policy_can_be_live(policy: MakePolicy) -> None:
    screening.use_policy(policy(policy=("known_after_posts: 3", "known_after_posts: 0")))
    assert judge(status("https://shop.example/"), replace_facts(age=2)).outcome is Outcome.ALLOW
    screening.use_policy(None)
    assert judge(status("https://shop.example/"), replace_facts(age=2)).outcome is Outcome.HOLD


def replace_facts(*, age: float) -> screening.Facts:
    return screening.Facts(now=MEMBER.now, account_age_days=age)


def test_the_hash_changes_with_the_files_and_with_the_code(policy: MakePolicy) -> None:
    shipped = load_policy(shipped_policy())
    assert shipped.sha256 == load_policy(policy()).sha256
    assert len(shipped.sha256) == 64
    assert load_policy(policy(words=("# The word bank.", "# The bank."))).sha256 != shipped.sha256
    newer = [replace(signal, version=signal.version + 1) for signal in SIGNALS]
    assert load_policy(shipped_policy(), signals=newer).sha256 != shipped.sha256


def test_a_later_signal_can_be_named_by_rules_at_once(policy: MakePolicy) -> None:
    from parley.screening.signal import Measured, Signal

    later = Signal(
        "mood", 1, "A later signal.", {"mood.anger.score": "double"}, lambda frame: Measured({"mood.anger.score": 0.97})
    )
    folder = policy(rules=("words.reject.count > 0", "mood.anger.score > 0.92 && account.age_days < 11"))
    ruleset = load_policy(folder, signals=[*SIGNALS, later])
    assert judge(status("hello"), MEMBER, ruleset=ruleset).outcome is Outcome.REJECT


@pytest.mark.parametrize(
    ("phrase", "pattern"),
    [
        ("kill yourself", " kill yourself "),
        ("(a|b c) d", "(?: a| b c) d "),
        ("kill [all|every] cats", " kill(?: all| every)? cats "),
        ("hang ... traitors", r" hang(?: [^ .]+){0,3} traitors "),
        ("murder* <mention>", r" murder[^ ]* @[^ ]+ "),
    ],
)
def test_the_language_of_phrases(phrase: str, pattern: str) -> None:
    assert compile_phrase(phrase, lambda word: (word,)).pattern == pattern


@pytest.mark.parametrize("phrase", ["", "  ", "...", "ab*", "don't", "É", "a | b", "()", "(a|)", "<number>", "[a] ..."])
def test_a_phrase_that_means_nothing_is_refused(phrase: str) -> None:
    with pytest.raises(PhraseError):
        compile_phrase(phrase, lambda word: (word,))
