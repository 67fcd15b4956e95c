"""The table of states, and the rule about taking over, under everything that can be seen in any order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.hosting.failover.lease import Lease
from parley.hosting.failover.states import (
    ALLOWED,
    WRITES,
    Asked,
    NotAllowed,
    Seen,
    State,
    may_take_over,
    next_state,
)

leases = st.none() | st.builds(
    Lease,
    epoch=st.integers(1, 9),
    holder=st.sampled_from(["a", "b"]),
    serial=st.integers(1, 99),
    seconds=st.just(5.0),
    in_sync=st.booleans(),
    standby=st.sampled_from([None, "a", "b", "c"]),
)
asked = st.builds(
    Asked, mode=st.sampled_from(["auto", "operator"]), accept_loss=st.booleans(), other_host_is_off=st.booleans()
)


@given(st.lists(st.sampled_from(list(Seen)), max_size=40))
def test_no_host_writes_before_it_has_won_the_lease_and_been_promoted(seen: list[Seen]) -> None:
    state, won, promoted = State.HEALTHY, False, False
    for one in seen:
        try:
            state = next_state(state, one)
        except NotAllowed:
            continue
        if state is State.FENCED:
            won = promoted = False
        won = won or one is Seen.WON
        promoted = promoted or (one is Seen.PROMOTED and won)
        assert (state in WRITES) == promoted
        if state is State.CLAIMED:
            assert won


@given(st.lists(st.sampled_from(list(Seen)), max_size=40))
def test_an_overtaken_primary_leaves_that_state_only_as_a_standby(seen: list[Seen]) -> None:
    state = State.FENCED
    for one in seen:
        try:
            after = next_state(state, one)
        except NotAllowed:
            continue
        if state is State.FENCED:
            assert after is State.FENCED or (after is State.HEALTHY and one is Seen.REJOINED)
        state = after


@given(st.sampled_from(sorted(WRITES)))
def test_a_primary_can_be_overtaken_in_every_state(state: State) -> None:
    assert next_state(state, Seen.OVERTAKEN) is State.FENCED


def test_a_primary_is_synchronous_again_only_when_the_standby_is_safe() -> None:
    into_ready = {(state, seen) for (state, seen), after in ALLOWED.items() if after is State.READY}
    assert {seen for _, seen in into_ready} == {Seen.STANDBY_SAFE}


def test_every_state_can_be_reached_from_a_healthy_standby() -> None:
    reached, fresh = {State.HEALTHY}, {State.HEALTHY}
    while fresh:
        fresh = {after for (state, _), after in ALLOWED.items() if state in fresh} - reached
        reached |= fresh
    assert reached == set(State)


@given(leases, st.booleans(), st.booleans(), asked)
def test_nobody_takes_over_what_is_held_nor_by_itself_without_a_witness(
    lease: Lease | None, has_witness: bool, expired: bool, who: Asked
) -> None:
    found = may_take_over("b", lease, has_witness=has_witness, expired=expired, asked=who)
    assert (found.claim is None) == bool(found.reason)
    if found.claim is None:
        return
    if not has_witness:
        assert who.mode == "operator"
        assert who.other_host_is_off
        assert who.accept_loss
    elif lease is None:
        assert who.mode == "operator"
        assert who.other_host_is_off
    elif lease.holder != "b":
        assert expired


@given(leases, st.booleans(), asked)
def test_what_may_lose_something_is_only_done_when_an_operator_accepts_it(
    lease: Lease | None, expired: bool, who: Asked
) -> None:
    found = may_take_over("b", lease, has_witness=True, expired=expired, asked=who)
    if found.claim is None or (lease is not None and lease.holder == "b"):
        return
    lossless = lease is not None and lease.in_sync and lease.standby == "b"
    assert lossless or (who.mode == "operator" and who.accept_loss)
    assert (found.claim == "lossless") == lossless


@pytest.mark.parametrize("mode", ["auto", "operator"])
def test_a_host_that_was_told_everything_takes_over_without_being_asked_twice(mode: str) -> None:
    lease = Lease(epoch=3, holder="a", serial=8, seconds=5, in_sync=True, standby="b")
    who = Asked(mode=mode)  # type: ignore[arg-type]
    assert may_take_over("b", lease, has_witness=True, expired=True, asked=who).claim == "lossless"
    assert may_take_over("b", lease, has_witness=True, expired=False, asked=who).claim is None
