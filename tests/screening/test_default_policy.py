"""What the policy that ships promises: tests beside everything, a fair ladder, and no punishment by a score alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from parley import screening
from parley.screening import Content, Outcome, Ruleset, judge, shipped_policy
from parley.screening.signals import SIGNALS
from tests.screening.conftest import MEMBER, status

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = {"ar", "de", "es", "fr", "it", "nl", "pl", "pt", "ru", "tr"}


def read(name: str) -> dict:  # type: ignore[type-arg]
    return yaml.safe_load((shipped_policy() / name).read_text(encoding="utf-8"))  # type: ignore[no-any-return]


CLAUSES = read("clauses.yaml")["clauses"]
RULES = read("rules.yaml")["rules"]
HEAD = read("policy.yaml")


@pytest.mark.parametrize("clause", CLAUSES, ids=[clause["id"] for clause in CLAUSES])
def test_a_clause_is_whole(clause: dict) -> None:  # type: ignore[type-arg]
    expected = [case["expect"] for case in clause["tests"]]
    assert len(expected) >= 3
    assert "allow" in expected, "a clause shows what is fine"
    assert set(expected) != {"allow"} or clause["id"] == "10.1", "a clause shows what is not"
    assert clause["breaks"]
    assert clause["fine"]
    assert clause["clock_hours"] <= {0: 1, 1: 12, 2: 24, 3: 72}[clause["severity"]]
    assert clause["strike"]["weight"] == 0 or clause["strike"]["expires_days"] >= 30


def test_the_clauses_cover_what_hosts_and_stores_forbid() -> None:
    titles = {clause["title"] for clause in CLAUSES}
    assert {
        "Threats and incitement", "Praise of violence", "Violent organisations", "Hate", "Harassment",
        "Sexual harassment", "Sexual exploitation of children", "Intimate images without consent",
        "Selling sex and trafficking", "Encouraging self-harm", "Private information", "Scams", "Malicious links",
        "Impersonation", "Spam", "Manipulation",
        "Illegal and dangerous goods and services", "Instructions for weapons and attacks", "Copyright and trademarks",
        "Evading measures",
    } <= titles  # fmt: skip


def test_the_ladder_rises_and_the_gravest_breach_ends_it_at_once() -> None:
    ladder = HEAD["ladder"]
    assert [step["at"] for step in ladder] == sorted({step["at"] for step in ladder})
    assert ladder[0]["action"] == "warn"
    assert ladder[-1]["action"] == "terminate"
    weights = {clause["id"]: clause["strike"]["weight"] for clause in CLAUSES}
    assert weights["4.2"] >= ladder[-1]["at"]
    assert weights["1.1"] >= next(step["at"] for step in ladder if step["action"] == "restrict_days")
    assert weights["5.2"] == weights["8.1"] == 0, "a cry for help and a first link are no breach"


def test_no_score_of_a_text_alone_refuses_anything() -> None:
    scores = [name for signal in SIGNALS if signal.from_model for name in signal.fields]
    assert "text.violence.score" in scores
    for rule in RULES:
        if any(name in rule["when"] for name in scores) and rule["outcome"] in ("reject", "quarantine"):
            assert "words." in rule["when"] or "copies." in rule["when"], rule["id"]
            assert "account." in rule["when"], rule["id"]


def test_sexual_texts_are_put_behind_a_warning_and_before_nobody(shipped: Ruleset) -> None:
    verdict = judge(status("hello"), MEMBER, ruleset=shipped, given={"text.sexual.score": 1.0})
    assert verdict.outcome is Outcome.ALLOW
    assert "sensitive" in verdict.labels


@pytest.mark.parametrize("head", ["violence", "hate", "harassment", "sexism", "self_harm"])
def test_the_surest_score_holds_an_ordinary_member_at_most(head: str, shipped: Ruleset) -> None:
    verdict = judge(status("hello"), MEMBER, ruleset=shipped, given={f"text.{head}.score": 1.0})
    assert Outcome.ALLOW_FLAG.rank <= verdict.outcome.rank <= Outcome.HOLD.rank
    assert "text-model" in verdict.labels


def test_a_cry_for_help_is_seen_by_friends_and_never_punished(shipped: Ruleset) -> None:
    for rule in RULES:
        if rule["clause"] == "5.2":
            assert rule["outcome"] == "allow_flag", rule["id"]
            assert {"support", "never-strike"} <= set(rule["labels"]), rule["id"]
    given = {"text.self_harm.score": 0.95, "text.violence.score": 0.5}
    verdict = judge(status("I want to kill myself"), MEMBER, ruleset=shipped, given=given)
    assert verdict.outcome is Outcome.ALLOW_FLAG
    assert verdict.clause == "5.2"


def test_the_thresholds_are_those_of_the_model_that_ships() -> None:
    path = ROOT / "src" / "parley" / "screening" / "model" / "text.json"
    if not path.exists():
        pytest.skip("no model in this checkout")
    model = json.loads(path.read_text(encoding="utf-8"))["thresholds"]
    keys = {"flag": "flag_1_percent", "hold": "hold", "urgent": "urgent"}
    for name, value in HEAD["thresholds"].items():
        head, _, step = name.rpartition("_")
        if head in ("violence", "hate", "harassment", "sexism"):
            wanted = model[head][keys[step]]
            assert value == pytest.approx(wanted, abs=0.011), f"thresholds.{name} in policy.yaml should be {wanted:.2f}"


def test_every_signal_has_its_switch_in_the_policy_that_ships() -> None:
    assert set(HEAD["signals"]) == {signal.name for signal in SIGNALS}


def test_ten_languages_beside_english_know_threats_incitement_and_cries_for_help() -> None:
    files = {path.name.split(".")[1] for path in shipped_policy().glob("words.*.yaml")}
    assert files == LANGUAGES
    for language in LANGUAGES:
        entries = read(f"words.{language}.yaml")["words"]
        assert {"1.1", "5.1", "5.2"} <= {entry["clause"] for entry in entries}
        assert all(entry["tier"] != "reject" for entry in entries), "what few here can read is looked at, not refused"
        assert all(len(entry["misses"]) >= 1 and entry.get("unless") for entry in entries)


def challenge(files: str = "*.yaml") -> list[dict]:  # type: ignore[type-arg]
    folder = ROOT / "training" / "challenge"
    return [case for path in sorted(folder.glob(files)) for case in yaml.safe_load(path.read_text())["cases"]]


def test_the_word_bank_leaves_innocent_posts_alone(shipped: Ruleset) -> None:
    found: dict[bool, list[bool]] = {True: [], False: []}
    fresh = {
        case["id"] for case in challenge("fresh-*.yaml")
    }  # written for the model: few of them say it in known words
    for case in challenge():
        if case["id"] in fresh and any(case["expect"].values()):
            continue
        content = Content(kind="status", texts={"text": case["text"]})
        matches = judge(content, MEMBER, ruleset=shipped, given={}).matches
        found[any(case["expect"].values())].append(any(match.bank == "words" for match in matches))
    assert sum(found[False]) / len(found[False]) <= 0.03, "of innocent look-alikes, made to be mistaken"
    assert sum(found[True]) / len(found[True]) >= 0.20, "of what must be found"


def test_the_rules_page_is_the_policy(shipped: Ruleset) -> None:
    assert [clause.id for clause in screening.rules_page(shipped)] == [clause["id"] for clause in CLAUSES]
