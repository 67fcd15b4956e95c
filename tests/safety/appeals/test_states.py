"""The table of an appeal's states: nothing outside it can happen, whatever is tried in whatever order."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from parley.kit.errors import Conflict
from parley.safety.appeals.states import ENDS, NEXT, OUTCOMES, State, next_state

STATES: tuple[State, ...] = get_args(State)


@settings(deadline=None)
@given(st.lists(st.sampled_from(STATES), max_size=30))
def test_whatever_is_tried_an_appeal_only_goes_where_the_table_says(wishes: list[State]) -> None:
    state: State = "received"
    path = [state]
    for wish in wishes:
        try:
            state = next_state(state, wish)
        except Conflict:
            assert wish not in NEXT[state]
            continue
        path.append(state)
    for before, after in pairwise(path):
        assert after in NEXT[before]
    ends = [one for one in path if one in ENDS]
    assert len(ends) <= 1
    assert not ends or path[-1] == ends[0]
    assert not ends or path[-2] == "in_review"


def test_every_state_can_be_reached_and_every_outcome_is_an_end() -> None:
    reached: set[State] = {"received"}
    while more := {after for state in reached for after in NEXT[state]} - reached:
        reached |= more
    assert reached == set(STATES)
    assert set(OUTCOMES) == ENDS
