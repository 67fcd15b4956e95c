"""What may follow what in the life of holds, requests and disclosures: the tables, whatever is tried."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.kit.errors import Invalid
from parley.safety.evidence.states import (
    DISCLOSURE_FOLLOWS,
    HOLD_FOLLOWS,
    PROTECTING,
    REQUEST_FOLLOWS,
    DisclosureState,
    HoldState,
    RequestState,
    check_transition,
)

TABLES = ((HOLD_FOLLOWS, HoldState), (REQUEST_FOLLOWS, RequestState), (DISCLOSURE_FOLLOWS, DisclosureState))


@pytest.mark.parametrize(("table", "states"), TABLES)
def test_every_state_has_its_line(table, states) -> None:
    assert set(table) == set(get_args(states))
    assert {state for following in table.values() for state in following} <= set(table)


@given(tried=st.lists(st.sampled_from(get_args(HoldState)), max_size=12))
def test_a_hold_that_ended_never_protects_again(tried: list[str]) -> None:
    state, ended = "requested", False
    for following in tried:
        try:
            check_transition(HOLD_FOLLOWS, state, following)
        except Invalid:
            continue
        state = following
        ended = ended or state not in PROTECTING
        assert (state in PROTECTING) is not ended


@given(tried=st.lists(st.sampled_from(get_args(DisclosureState)), max_size=12))
def test_nothing_is_sent_that_nobody_approved(tried: list[str]) -> None:
    state, seen = "proposed", ["proposed"]
    for following in tried:
        try:
            check_transition(DISCLOSURE_FOLLOWS, state, following)
        except Invalid:
            continue
        state = following
        seen.append(state)
    assert "sent" not in seen or seen[seen.index("sent") - 1] == "approved"
    assert "sent" not in seen or seen[-1] == "sent"
