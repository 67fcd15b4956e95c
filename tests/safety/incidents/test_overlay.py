"""What an incident changes about a policy: numbers drop, newcomers wait, words are flagged, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.kit.errors import Conflict, Invalid
from parley.safety.incidents.overlay import Change, apply_incident, clean_scope
from parley.safety.incidents.states import NEXT, State, next_state
from parley.screening import Content, Facts, Outcome, judge, shipped_policy
from parley.screening.difference import compare_rulesets
from parley.screening.reading import read_policy_files
from parley.screening.sources import policy_files

SOON = datetime(2027, 1, 1, 12, tzinfo=UTC)


def _files() -> dict[str, bytes]:
    files = policy_files(shipped_policy())
    assert isinstance(files, dict)
    return files


def _ruleset(files: dict[str, bytes]) -> Any:
    ruleset, problems = read_policy_files(files)
    assert problems == []
    assert ruleset is not None
    return ruleset


def _change(**options: Any) -> Change:
    given = {"kind": "riot", "factor": 0.5, "hold_new": True, "scope": ("london",), **options}
    return Change(incident_id=7, clause="1.1", ends_at=SOON, **given)


def test_thresholds_drop_and_the_hash_changes() -> None:
    base, changed = _ruleset(_files()), _ruleset(apply_incident(_files(), _change()))
    assert changed.sha256 != base.sha256
    for name, value in base.head.thresholds.items():
        dropped = name.rpartition("_")[0] in ("violence", "hate", "harassment")
        assert changed.head.thresholds[name] == (round(value * 0.5, 4) if dropped else value), name
    assert changed.clauses == base.clauses
    kinds = {change.part for change in compare_rulesets(base, changed)}
    assert kinds <= {"threshold", "rule", "words"}


def test_other_files_stay_the_same_bytes() -> None:
    files = _files()
    changed = apply_incident(files, _change())
    assert {name for name in changed if changed[name] != files.get(name)} == {
        "policy.yaml",
        "rules.yaml",
        "words.inc.yaml",
    }
    only_numbers = apply_incident(files, _change(hold_new=False, scope=()))
    assert {name for name in only_numbers if only_numbers[name] != files.get(name)} == {"policy.yaml"}


def test_newcomers_wait_until_it_is_over_and_others_do_not() -> None:
    ruleset = _ruleset(apply_incident(_files(), _change()))
    content = Content(kind="status", texts={"text": "good morning everybody"})
    new = Facts(now=SOON, account_age_days=0.1)
    known = Facts(now=SOON, account_age_days=50, published_statuses=50)
    later = Facts(now=datetime(2027, 1, 3, tzinfo=UTC), account_age_days=0.1)
    outcomes = [judge(content, facts, ruleset=ruleset).outcome for facts in (new, known, later)]
    assert outcomes == [Outcome.HOLD, Outcome.ALLOW, Outcome.ALLOW]


@pytest.mark.parametrize(
    ("kind", "texts", "media", "waits"),
    [
        ("status", {"text": "hello"}, 0, True),
        ("poll", {"poll_option_1": "tea", "poll_option_2": "coffee"}, 0, True),
        ("message", {"text": "hello"}, 0, True),
        ("media", {"description": "a house by the sea"}, 1, True),
        ("media", {"description": "https://example.org/"}, 1, True),
        ("profile", {"username": "ann", "display_name": "Ann"}, 0, True),
        ("profile", {"username": "ann", "note": "I bake"}, 0, True),
        ("profile", {"username": "ann", "field_1_name": "Home", "field_1_value": "Bath"}, 0, True),
        ("profile", {"username": "ann"}, 1, True),
        ("profile", {"username": "ann_of_the_old_bridge"}, 0, False),
        ("media", {}, 1, False),
    ],
)
def test_everything_that_newcomers_write_waits_whatever_it_is(
    kind: Any, texts: dict[str, str], media: int, waits: bool
) -> None:
    ruleset = _ruleset(apply_incident(_files(), _change()))
    content = Content(kind=kind, texts=texts, media_count=media)
    new, known = Facts(now=SOON, account_age_days=0.1), Facts(now=SOON, account_age_days=50, published_statuses=50)
    expected = Outcome.HOLD if waits else Outcome.ALLOW
    assert judge(content, new, ruleset=ruleset).outcome is expected
    assert judge(content, known, ruleset=ruleset).outcome is Outcome.ALLOW


def test_somebody_in_danger_is_not_held_because_of_an_incident() -> None:
    ruleset = _ruleset(apply_incident(_files(), _change()))
    content = Content(kind="status", texts={"text": "i want to die"})
    verdict = judge(content, Facts(now=SOON, account_age_days=0.1), ruleset=ruleset)
    assert verdict.outcome is Outcome.ALLOW_FLAG


def test_what_names_the_incident_is_flagged() -> None:
    ruleset = _ruleset(apply_incident(_files(), _change(scope=clean_scope(["#London", "City Hall", "Saint-Denis"]))))
    facts = Facts(now=SOON, account_age_days=50, published_statuses=50)
    for text in ("I am at city hall now", "look at #london", "trains to Saint-Denis"):
        verdict = judge(Content(kind="status", texts={"text": text}), facts, ruleset=ruleset)
        assert verdict.outcome is Outcome.ALLOW_FLAG, text
        assert any("incident-scope" in match.entry for match in verdict.matches), text


def test_a_scope_is_words_and_nothing_of_the_language_of_phrases() -> None:
    assert clean_scope([" #London ", "city  hall", "London", ""]) == ("london", "city hall")
    for wrong in ("(a|b)", "murder*", "<word>", "a", "x" * 61, "one ... two [maybe]"):
        with pytest.raises(Invalid):
            clean_scope([wrong])
    with pytest.raises(Invalid, match="at most 100"):
        clean_scope([f"word{n}" for n in range(101)])


@settings(max_examples=6, deadline=None)
@given(
    st.sampled_from(("riot", "mass_shooting", "custom")),
    st.floats(0.1, 1.0),
    st.booleans(),
    st.lists(st.text("abcdefghijklmnop", min_size=3, max_size=12), max_size=5, unique=True),
)
def test_every_change_gives_a_policy_that_can_be_read(
    kind: Any, factor: float, hold_new: bool, scope: list[str]
) -> None:
    change = _change(kind=kind, factor=factor, hold_new=hold_new, scope=clean_scope(scope))
    _ruleset(apply_incident(_files(), change))


@settings(deadline=None)
@given(st.lists(st.sampled_from(get_args(State)), max_size=20))
def test_incidents_only_go_where_the_table_says(wishes: list[State]) -> None:
    state: State = "declared"
    for wish in wishes:
        try:
            following = next_state(state, wish)
        except Conflict:
            assert wish not in NEXT[state]
        else:
            assert following in NEXT[state]
            state = following
