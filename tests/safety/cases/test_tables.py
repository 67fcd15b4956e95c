"""The pure tables: states of reports and cases, clocks, promises, queues, and the order of the queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.kit.errors import Invalid
from parley.safety.cases import clock_states, priority, states
from parley.safety.cases.routing import QUEUES, graver_source, queue_of, rank_of_source
from parley.safety.cases.sla import gravest_clause, hours_of, list_promises, severity_of
from parley.screening import live_ruleset

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOURCES = ("automated", "user", "public_notice", "trusted_flagger", "provider_notice", "authority_order")


@given(st.lists(st.sampled_from(states.STATES), max_size=40))
def test_no_order_of_wishes_leads_out_of_the_table_of_reports(wishes: list[str]) -> None:
    state, path = "open", ["open"]
    for wish in wishes:
        if states.can_follow(state, wish):  # type: ignore[arg-type]
            states.check_transition(state, wish)  # type: ignore[arg-type]
            state = wish
            path.append(wish)
        else:
            with pytest.raises(Invalid, match="cannot become"):
                states.check_transition(state, wish)  # type: ignore[arg-type]
    for before, after in pairwise(path):
        assert before != "closed" or after == "open"
        assert before != "escalated" or after in ("open", "closed")
        assert before != "queued" or after != "escalated"


def test_every_state_can_be_closed_and_what_is_closed_can_be_opened_again() -> None:
    for state in states.STATES:
        assert state == "closed" or states.can_follow(state, "closed")
    assert states.FOLLOWS["closed"] == frozenset({"open"})
    assert set(states.FOLLOWS) == set(states.STATES)


@given(st.sampled_from(["open", "queued", "assigned", "escalated"]), st.sampled_from(QUEUES))
def test_claiming_and_letting_go_stay_in_the_table(state: str, queue: str) -> None:
    claimed = states.state_when_claimed(state)  # type: ignore[arg-type]
    assert claimed == state or states.can_follow(state, claimed)  # type: ignore[arg-type]
    back = states.state_when_let_go(claimed, queue)
    assert back == claimed or states.can_follow(claimed, back)
    assert claimed != "escalated" or back == "escalated"


@given(st.lists(st.sampled_from(clock_states.CLOCK_STATES), max_size=30))
def test_a_clock_ends_once_and_is_never_breached_while_it_stands_still(wishes: list[str]) -> None:
    state, path = "running", ["running"]
    for wish in wishes:
        if clock_states.can_follow(state, wish):  # type: ignore[arg-type]
            state = wish
            path.append(wish)
        else:
            with pytest.raises(Invalid):
                clock_states.check_clock(state, wish)  # type: ignore[arg-type]
    assert sum(step in ("met", "breached") for step in path) <= 1
    if "breached" in path:
        assert path[-2:] == ["running", "breached"]


@given(st.timedeltas(timedelta(0), timedelta(days=9)), st.timedeltas(timedelta(0), timedelta(days=9)))
def test_a_clock_that_stood_still_has_as_much_time_left_as_before(left: timedelta, pause: timedelta) -> None:
    due = NOW + left
    assert clock_states.due_after_pause(due, NOW, NOW + pause) - (NOW + pause) == left


_case = st.fixed_dictionaries(
    {
        "severity": st.integers(0, 3),
        "opened_at": st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda t: t.replace(tzinfo=UTC)),
        "hours": st.floats(0.5, 200),
        "reach": st.integers(0, 10**9),
        "per_hour": st.floats(0, 1e9),
        "confidence": st.floats(0, 1),
    }
)


def _priority(case: dict[str, object], **changes: object) -> float:
    one = {**case, **changes}
    opened: datetime = one["opened_at"]  # type: ignore[assignment]
    return priority.priority_of(
        one["severity"],  # type: ignore[arg-type]
        opened + timedelta(hours=one["hours"]),  # type: ignore[arg-type]
        opened,
        reach=one["reach"],  # type: ignore[arg-type]
        reach_per_hour=one["per_hour"],  # type: ignore[arg-type]
        confidence=one["confidence"],  # type: ignore[arg-type]
    )


@given(_case, _case)
def test_nothing_waits_for_ever(one: dict[str, object], other: dict[str, object]) -> None:
    """Whatever else is known of two cases, the one that is due long enough before the other comes first."""
    later = one["opened_at"] + timedelta(hours=one["hours"] + priority.LONGEST_HEAD_START + 1)  # type: ignore[operator]
    assert _priority(one) > _priority(other, opened_at=later, hours=0.5)


@given(_case, st.integers(0, 3), st.integers(0, 10**9), st.floats(0, 1))
def test_whatever_makes_a_case_graver_moves_it_forward(
    case: dict[str, object], severity: int, reach: int, confidence: float
) -> None:
    graver = _priority(
        case,
        severity=min(severity, case["severity"]),  # type: ignore[type-var]
        reach=max(reach, case["reach"]),  # type: ignore[type-var]
        confidence=max(confidence, case["confidence"]),  # type: ignore[type-var]
    )
    assert graver >= _priority(case)


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0, 1))
def test_each_voice_adds_to_what_we_are_sure_of_and_none_is_enough_alone(voices: list[float], one: float) -> None:
    alone = priority.confidence_of(voices, [], [])
    more = priority.confidence_of([*voices, one], ["user"], [])
    assert 0 <= alone <= more <= 1
    assert priority.confidence_of([one], [], []) <= priority.REPORT_WEIGHT + 1e-3


@given(st.floats(0, 500), st.floats(0, 500))
def test_reliability_starts_in_the_middle_and_follows_what_was_right(right: float, wrong: float) -> None:
    assert priority.reliability_of(0, 0) == 0.5
    assert 0 < priority.reliability_of(right, wrong) < 1
    assert priority.reliability_of(right + 1, wrong) > priority.reliability_of(right, wrong)
    assert priority.reliability_of(right, wrong + 1) < priority.reliability_of(right, wrong)
    assert priority.reliability_of(0, 0, trusted=True) > 0.5


def test_what_happened_long_ago_counts_less() -> None:
    assert priority.decayed(timedelta(0)) == 1.0
    assert priority.decayed(timedelta(days=180)) == pytest.approx(0.5)
    assert priority.decayed(timedelta(days=3650)) < 0.001


@given(st.sampled_from(SOURCES), st.sampled_from(SOURCES))
def test_the_gravest_source_is_answered_first(one: str, other: str) -> None:
    assert graver_source(one, other) == graver_source(other, one)  # type: ignore[arg-type]
    assert rank_of_source(graver_source(one, other)) >= rank_of_source(one)  # type: ignore[arg-type]


def test_cases_go_to_the_queue_that_the_policy_says() -> None:
    policy = live_ruleset()
    assert queue_of(policy, "user", 2) == "main"
    assert queue_of(policy, "user", 0) == "urgent"
    assert queue_of(policy, "provider_notice", 3) == "urgent"
    assert queue_of(policy, "authority_order", 3) == "legal"
    assert queue_of(policy, "trusted_flagger", 2) == "flaggers"
    assert queue_of(policy, "user", 3, incident=True) == "war"


def test_what_is_promised_follows_the_policy() -> None:
    policy = live_ruleset()
    clocks = policy.head.clocks
    assert severity_of(policy, "1.1") == 0
    assert severity_of(policy, None) == 2
    assert gravest_clause(policy, ("3.1", "1.1", "no such")) == "1.1"
    assert [(one.kind, one.hours) for one in list_promises(policy, "user", 2, None)] == [
        ("resolve", clocks.user_report)
    ]
    threat = {one.kind: one.hours for one in list_promises(policy, "user", 0, "1.1")}
    assert threat == {"resolve": 1, "interim": 1}
    held = {one.kind: one.hours for one in list_promises(policy, "automated", 0, "1.1", calm=True)}
    assert held == {"resolve": policy.head.review_hours}, "what nobody sees need not be hidden"
    host = {one.kind: one.hours for one in list_promises(policy, "provider_notice", 2, None)}
    assert host == {"resolve": clocks.provider_notice, "first_action": clocks.provider_first_action}
    order = {one.kind: one.hours for one in list_promises(policy, "authority_order", 3, None)}
    assert order["resolve"] == clocks.authority_order
    assert order["interim"] < order["resolve"], "an order with one hour is not first looked at after an hour"
    assert hours_of(policy, "appeal", "user") == clocks.appeal_target
    assert hours_of(policy, "acknowledge", "provider_notice") == clocks.provider_acknowledge
