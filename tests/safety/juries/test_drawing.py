"""The lot and the count: pure functions that anybody can repeat."""

from __future__ import annotations

from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from parley.kit.errors import Conflict
from parley.safety.intervals import krippendorff_alpha
from parley.safety.juries.drawing import count_votes, hash_pool, order_pool, reliability_of
from parley.safety.juries.states import NEXT, NEXT_SEAT, SeatState, State, next_seat_state, next_state

IDS = st.lists(st.integers(1, 2**63 - 1), unique=True, min_size=5, max_size=60)
VOTES = st.lists(st.sampled_from(("breaks", "fine", "unsure")), max_size=7)


@settings(deadline=None)
@given(IDS, st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_the_lot_is_the_same_for_everybody_who_repeats_it(pool: list[int], seed: bytes, chained: bytes) -> None:
    order = order_pool(pool, seed, chained)
    assert sorted(order) == sorted(pool)
    assert order == order_pool(sorted(pool), seed, chained)
    assert hash_pool(sorted(pool)) == hash_pool(sorted(order))


def test_another_seed_or_another_entry_of_the_log_gives_another_order() -> None:
    pool = list(range(1, 200))
    orders = [order_pool(pool, seed * 32, chained * 32) for seed in (b"a", b"b") for chained in (b"c", b"d")]
    assert len({tuple(order) for order in orders}) == 4


def test_everybody_is_drawn_about_equally_often() -> None:
    pool = list(range(1, 11))
    firsts = [order_pool(pool, n.to_bytes(32, "big"), b"x" * 32)[0] for n in range(2000)]
    counts = [firsts.count(one) for one in pool]
    assert min(counts) > 140
    assert max(counts) < 260


@settings(deadline=None)
@given(VOTES)
def test_a_verdict_is_what_most_of_those_who_are_sure_say(votes: list[str]) -> None:
    for over in (False, True):
        verdict = count_votes(votes, 7, 4, over=over)  # type: ignore[arg-type]
        breaks, fine = votes.count("breaks"), votes.count("fine")
        if verdict in ("breaks", "fine"):
            assert breaks + fine >= 4
            assert (verdict == "breaks") == (breaks > fine)
            if not over:
                missing = 7 - len(votes)
                assert abs(breaks - fine) > missing or missing == 0
        elif verdict is None:
            assert not over


def test_silence_is_no_verdict() -> None:
    assert count_votes([], 5, 3, over=True) == "unsure"
    assert count_votes(["breaks", "breaks"], 5, 3, over=True) == "unsure"
    assert count_votes(["breaks", "breaks", "breaks"], 5, 3, over=False) == "breaks"
    assert count_votes(["breaks", "breaks", "fine"], 5, 3, over=False) is None
    assert count_votes(["breaks", "fine", "unsure", "unsure", "unsure"], 5, 3, over=False) == "unsure"


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(get_args(State)), max_size=20), st.lists(st.sampled_from(get_args(SeatState)), max_size=9)
)
def test_juries_and_seats_only_go_where_their_tables_say(wishes: list[State], seats: list[SeatState]) -> None:
    state: State = "convened"
    for wish in wishes:
        try:
            following = next_state(state, wish)
        except Conflict:
            assert wish not in NEXT[state]
        else:
            assert following in NEXT[state]
            state = following
    seat: SeatState = "called"
    for one in seats:
        try:
            seat = next_seat_state(seat, one)
        except Conflict:
            assert seat != "called" or one == "called"
        else:
            assert NEXT_SEAT[seat] == frozenset()


def _units(*observers: str) -> list[list[str]]:
    return [[one for one in unit if one != "."] for unit in zip(*(text.split() for text in observers), strict=True)]


def test_agreement_is_as_published() -> None:
    """The examples A, B and C of Krippendorff, Computing Krippendorff's Alpha-Reliability (2011)."""
    two = _units("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0")
    nominal = _units("a a b b d c c c e d d a", "b a b b b c c c e d d d")
    four = _units(
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    )
    found = [krippendorff_alpha(units) for units in (two, nominal, four)]
    assert [round(one, 3) for one in found if one is not None] == [0.095, 0.692, 0.743]


def test_agreement_of_nothing_is_unknown_and_of_one_mind_is_whole() -> None:
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([["a"], ["b"]]) is None
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) == 1.0
    assert krippendorff_alpha([["a", "a"], ["b", "b"]]) == 1.0


def test_a_juror_of_whom_nothing_is_known_is_trusted_a_little() -> None:
    assert 0.6 < reliability_of(0, 0) < 0.7
    assert reliability_of(0, 4) < 0.3
    assert reliability_of(10, 10) > 0.9
