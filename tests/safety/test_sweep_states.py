"""The states of a sweep as a table, under whatever anybody does in whatever order; and the figures beside it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parley.kit.errors import Invalid
from parley.safety.backtests.thresholds import find_thresholds
from parley.safety.intervals import stability_index, wilson
from parley.safety.sweeps.states import FOLLOWS, STATES, UNDOABLE, can_follow, check_transition


@given(st.lists(st.sampled_from(STATES), max_size=30))
def test_no_order_of_wishes_leads_round_counting_and_approval(wishes: list[str]) -> None:
    state, path = "planned", ["planned"]
    for wish in wishes:
        if can_follow(state, wish):  # type: ignore[arg-type]
            state = wish
            path.append(wish)
        else:
            with pytest.raises(Invalid):
                check_transition(state, wish)  # type: ignore[arg-type]
    if "running" in path:
        at = path.index("running")
        assert path[at - 1] == "approved"
        assert path[at - 2] == "counted"
    if "completed" in path:
        assert path[-2:] == ["running", "completed"]
    assert path.count("running") <= 1


def test_what_has_ended_stays_so_and_everything_else_can_end() -> None:
    for state in STATES:
        assert (FOLLOWS[state] == frozenset()) == (state in UNDOABLE)
        assert state in UNDOABLE or "aborted" in FOLLOWS[state]


@given(st.integers(0, 500), st.integers(0, 500))
def test_an_interval_holds_the_share_that_was_seen(successes: int, more: int) -> None:
    trials = successes + more
    low, high = wilson(successes, trials)
    assert 0.0 <= low <= high <= 1.0
    if trials:
        assert low - 1e-9 <= successes / trials <= high + 1e-9


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=20))
def test_a_distribution_that_did_not_change_has_an_index_of_nothing(counts: list[int]) -> None:
    assert stability_index(counts, counts) == pytest.approx(0.0)
    assert stability_index(counts, [2 * count for count in counts]) >= -1e-9
    assert stability_index([100, 0], [0, 100]) > 0.25


@given(
    st.dictionaries(st.sampled_from(["violence", "hate"]), st.lists(st.floats(0.01, 1), max_size=200), min_size=1),
    st.floats(1, 100),
)
@example({"violence": [], "hate": [1.0] * 6}, 1.0)
def test_a_threshold_never_asks_for_more_reviews_than_there_are_people(
    scores: dict[str, list[float]], budget: float
) -> None:
    found = find_thresholds(scores, 10.0, 5000, budget)
    for one in found.heads:
        assert one.per_day <= budget / len(scores) + 1e-9
        assert 0.0 < one.score <= 1.0


@pytest.mark.parametrize(("days", "posts", "budget"), [(2.0, 5000, 10.0), (30.0, 12, 10.0), (30.0, 5000, 0.0)])
def test_thresholds_are_not_made_up_where_nothing_is_known(days: float, posts: int, budget: float) -> None:
    with pytest.raises(Invalid):
        find_thresholds({"violence": [0.5]}, days, posts, budget)
