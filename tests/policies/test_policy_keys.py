"""Thresholds, ladder, clocks, expiry, fixed signals and further languages of a policy's files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.screening import Content, Facts, Outcome, Ruleset, check_policy, judge, load_policy
from parley.screening.difference import compare_rulesets
from parley.screening.reading import hash_files, read_policy_files
from parley.screening.rules import RuleError, fill_in_limits
from tests.policies.conftest import STRICTER, small

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MEMBER = Facts(now=NOW, account_age_days=10, published_statuses=10)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(more: dict[str, str] | None = None, **changes: tuple[str, str]) -> Path:
        for name, content in small(**changes).items():
            (tmp_path / name).write_bytes(content)
        for name, text in (more or {}).items():
            (tmp_path / name).write_text(text)
        return tmp_path

    return make


def compiled(**changes: tuple[str, str]) -> Ruleset:
    ruleset, problems = read_policy_files(small(**changes))
    assert ruleset is not None, problems
    return ruleset


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": ("{at: 3, action: limit_days, days: 7}", "{at: 3, action: limit_days}")}, "limit_days needs days"),
        ({"policy": ("{at: 1, action: warn}", "{at: 1, action: warn, days: 2}")}, "has no end, so it takes no days"),
        ({"policy": ("{at: 9,", "{at: 2,")}, "2 does not rise above 3"),
        ({"policy": ("most_mentions: 20", "most_mentions: 20, unused: 1")}, "no rule uses it. Write limit.unused"),
        ({"rules": ("limit.most_mentions", "limit.most_mention")}, "Thresholds: most_mentions."),
        ({"policy": ("most_mentions: 20", "most_mentions: 20.0")}, "Compare decimals with decimals"),
        ({"rules": ("    state: LIVE", "    state: LIVE\n    expires: tomorrow")}, "regex"),
        ({"rules": ("    state: LIVE", "    state: LIVE\n    expires: 2026-02-31")}, "is not a day"),
        ({"rules": ("    state: LIVE", "    state: LIVE\n    over_cap: reject")}, "reject"),
        ({"clauses": ("strike: {weight: 6, expires_days: 365}", "strike: {weight: 6}")}, "needs expires_days"),
        ({"clauses": ("clock_hours: 1", "clock_hours: 0")}, ">= 1"),
        ({"rules": ("{name: pills,", "{name: pills, signals: {content.mentionz: 3},")}, "no signal content.mentionz"),
        ({"rules": ("{name: pills,", "{name: pills, signals: {content.mentions: many},")}, "is of type int"),
    ],
)
def test_a_mistake_in_the_newer_keys_is_named(changes: dict[str, tuple[str, str]], message: str, write: Write) -> None:
    problems = [str(problem) for problem in check_policy(write(**changes))]
    assert any(message in problem for problem in problems), problems


def test_a_case_may_fix_the_value_of_a_signal(write: Write) -> None:
    live = ("state: BACKGROUND", "state: LIVE")
    folder = write(rules=live)
    rules = folder / "rules.yaml"
    fixed = "mentions: 2, signals: {content.mentions: 21}, expect: hold}"
    rules.write_text(rules.read_text().replace("mentions: 2, expect: allow}", fixed))
    assert check_policy(folder) == []


@pytest.mark.parametrize(("days", "outcome"), [(-1, Outcome.ALLOW), (0, Outcome.ALLOW), (1, Outcome.HOLD)])
def test_what_expires_is_judged_by_the_moment_of_the_post(days: int, outcome: Outcome) -> None:
    until = (NOW + timedelta(days=days)).date()
    rule = compiled(rules=("  - id: words-hold\n", f"  - id: words-hold\n    expires: {until}\n"))
    entry = compiled(words=("  - id: cheap-pills\n", f"  - id: cheap-pills\n    expires: {until}\n"))
    for ruleset in (rule, entry):
        content = Content(kind="status", texts={"text": "cheap pills"})
        assert judge(content, MEMBER, ruleset=ruleset).outcome is outcome


def test_a_subdomain_may_be_an_exception() -> None:
    ruleset = compiled(links=("domains: [trap.example]", "domains: [trap.example]\n    unless: [safe.trap.example]"))
    found = {
        link: judge(Content(kind="status", links=(link,)), MEMBER, ruleset=ruleset).outcome
        for link in ("https://trap.example/", "https://a.safe.trap.example/", "https://unsafe.trap.example/")
    }
    assert list(found.values()) == [Outcome.REJECT, Outcome.ALLOW, Outcome.REJECT]


def test_words_of_other_languages_stand_in_files_of_their_own(write: Write) -> None:
    german = """
words:
  - {id: pillen, tier: hold, clause: "7.3", title: Pillen, match: [billige pillen], hits: ["Billige Pillen!"], misses: [Billard]}
"""  # noqa: E501
    folder = write({"words.de.yaml": german, "notes.txt": "not part of it"})
    assert check_policy(folder) == []
    ruleset = load_policy(folder)
    assert judge(Content(kind="status", texts={"text": "b1llige Pillen"}), MEMBER, ruleset=ruleset).outcome == "hold"
    assert ruleset.policy_sha256 != hash_files(small())
    write({"words.de.yaml": german.replace("id: pillen", "id: cheap-pills")})
    assert any("stands twice" in str(problem) for problem in check_policy(folder))


def test_thresholds_are_filled_in_outside_of_texts_only() -> None:
    filled, used = fill_in_limits('a >= limit.x && "limit.x" in b && c < limit.y', {"x": 0.5, "y": -3})
    assert (filled, used) == ('a >= (0.5) && "limit.x" in b && c < (-3)', {"x", "y"})
    with pytest.raises(RuleError, match=r"limit\.z is not among the thresholds"):
        fill_in_limits("limit.z > 1", {})


@given(st.text(max_size=80))
def test_filling_in_thresholds_leaves_every_other_expression_alone(text: str) -> None:
    if "limit." not in text:
        assert fill_in_limits(text, {}) == (text, set())


def test_a_difference_says_what_may_stop_more_and_what_may_let_more_through() -> None:
    old = compiled()
    cases: list[tuple[dict[str, Any], bool, bool]] = [
        ({"policy": ("name: A small policy", "name: Another")}, False, False),
        ({"policy": ("known_after_posts: 3", "known_after_posts: 30")}, True, True),
        ({"policy": ("most_mentions: 20", "most_mentions: 5")}, False, False),  # its rule is in the background
        ({"rules": ("state: BACKGROUND", "state: LIVE")}, True, False),
        ({"rules": ("outcome: hold", "outcome: allow_flag")}, False, True),
        ({"rules": ("state: LIVE", "state: DRAFT")}, False, True),
        ({"words": ("tier: hold", "tier: flag")}, False, True),
        ({"words": ('"cheap pills"]\n    hits', '"cheap pills", "magic beans"]\n    hits')}, True, True),
        ({"links": ("title: Traps", "title: Snares")}, False, False),
        ({"clauses": ("severity: 3", "severity: 2")}, False, False),
        (STRICTER, True, False),
    ]
    for changes, stops, frees in cases:
        found = compare_rulesets(old, compiled(**changes))
        assert found, changes
        assert any(change.stops for change in found) is stops, (changes, [str(change) for change in found])
        assert any(change.frees for change in found) is frees, (changes, [str(change) for change in found])
    assert compare_rulesets(old, compiled()) == []
