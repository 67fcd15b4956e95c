"""The table of a move: whatever is written down, and wherever the writing ends, there is one right way on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.hosting.hosts.views import Fence
from parley.hosting.journals import CLOSED, Entry, JournalError
from parley.hosting.moves.states import (
    PROMOTE,
    STEPS,
    UNDO,
    Order,
    Standing,
    State,
    follow,
    may_undo,
    needed_undo,
    next_action,
    standing_of,
)

FENCE = msgspec.to_builtins(
    Fence(
        epoch=2,
        from_host="a",
        to_host="b",
        system_id="1",
        timeline=1,
        shutdown_lsn="0/1",
        media_root="",
        media_position=0,
    )
)
OUTCOMES = ("done", "failed", "noted", "lost", "undoing", "found", "overtaken")


def entry(seq: int, kind: str, step: str = "", **detail: Any) -> Entry:
    return Entry(seq=seq, at=datetime(2026, 1, 1, tzinfo=UTC), kind=kind, step=step, detail=detail, by="a", before="")


def opened(announced: bool = True) -> Entry:
    order = Order(source="a", target="b", epoch=2, hold=10, announced=announced, domain="social.example")
    return entry(0, "opened", **msgspec.to_builtins(order))


def what_came(standing: Standing, outcome: str, seq: int) -> list[Entry]:
    """The entries of one step with this outcome; none where it cannot have that one."""
    action = next_action(standing)
    if action.what == "nothing":
        return []
    if action.step is None:
        return [entry(seq, CLOSED, outcome=action.outcome)]
    step, begin = action.step, entry(seq, "begin", action.step.name)
    match outcome:
        case "done":
            detail = {"fence": FENCE} if step.name == "fence" else {}
            return [begin, entry(seq + 1, "done", step.name, **detail)]
        case "failed":
            return [begin, entry(seq + 1, "failed", step.name, error="no")]
        case "noted" if step.fails == "note":
            return [begin, entry(seq + 1, "noted", step.name, error="no")]
        case "lost":  # the command was killed before anything was written about it
            return [begin]
        case "undoing" if may_undo(standing) and not standing.undoing:
            return [begin, entry(seq + 1, "undoing", reason="no")]
        case "found" if "promote" in standing.tried and "release" not in standing.undone:
            return [begin, entry(seq + 1, "found", "promote")]
        case "overtaken":
            return [entry(seq, CLOSED, outcome="overtaken", reason="another")]
    return []


def journal_of(outcomes: list[str], announced: bool) -> list[Entry]:
    entries = [opened(announced)]
    for outcome in outcomes:
        entries += what_came(standing_of(entries), outcome, len(entries))
    return entries


def brought_to_its_end(entries: list[Entry]) -> list[Entry]:
    """A command that is run on what is written so far, and that nothing hinders."""
    entries = list(entries)
    for _ in range(2 * (len(STEPS) + len(UNDO)) + 2):
        made = what_came(standing_of(entries), "done", len(entries))
        if not made:
            break
        entries += made
    return entries


# Most of what happens is that steps go well: otherwise no journal would ever come far.
HAPPENING = st.lists(st.sampled_from([*("done",) * 12, *OUTCOMES]), max_size=40)


@given(outcomes=HAPPENING, announced=st.booleans())
def test_from_every_beginning_of_every_journal_a_move_comes_to_one_right_end(
    outcomes: list[str], announced: bool
) -> None:
    whole = journal_of(outcomes, announced)
    for length in range(1, len(whole) + 1):
        before = standing_of(whole[:length])
        ended = standing_of(brought_to_its_end(whole[:length]))
        assert ended.is_closed
        assert next_action(ended).what == "nothing"
        if before.is_closed:
            assert ended == before
        elif before.undoing:
            assert ended.outcome == "aborted"
            assert ended.state is State.ABORTED
        else:
            assert ended.outcome == "moved"
            assert ended.state is State.REVERSED
            assert {"hold", "fence", "verify", "promote"} <= set(ended.details) or "promote" in ended.details
        if ended.outcome == "aborted":
            assert {step.name for step in needed_undo(ended)} <= ended.undone, "everything that was done is undone"


@given(outcomes=HAPPENING, announced=st.booleans())
def test_once_the_other_host_has_taken_over_no_journal_turns_back(outcomes: list[str], announced: bool) -> None:
    entries = journal_of(outcomes, announced)
    for length in range(1, len(entries) + 1):
        standing = standing_of(entries[:length])
        if standing.is_promoted and not standing.is_closed:
            assert not may_undo(standing)
            with pytest.raises(JournalError, match="after the other host has taken over"):
                follow(standing, entry(length, "undoing", reason="no"))
            later = [standing_of(entries[:more]) for more in range(length, len(entries) + 1)]
            assert all(one.outcome in (None, "moved", "overtaken") for one in later)


@given(outcomes=HAPPENING, announced=st.booleans())
def test_a_host_that_was_told_to_take_over_is_always_asked_before_the_old_one_opens(
    outcomes: list[str], announced: bool
) -> None:
    entries = brought_to_its_end(journal_of([*outcomes, "undoing"], announced))
    names = [one.step for one in entries if one.kind == "begin"]
    if "promote" in names and "release" in names:
        assert "promise" in names[names.index("promote") : names.index("release")]


@given(
    outcomes=HAPPENING,
    kind=st.sampled_from(["begin", "done", "failed", "noted", "found", "undoing", CLOSED, "opened", "nonsense"]),
    step=st.sampled_from(["", "nonsense", *(step.name for step in (*STEPS, *UNDO))]),
)
def test_an_entry_either_follows_by_the_table_or_is_refused(outcomes: list[str], kind: str, step: str) -> None:
    standing = standing_of(journal_of(outcomes, announced=True))
    try:
        after = follow(standing, entry(99, kind, step, fence=FENCE, outcome="moved", error="", reason=""))
    except JournalError:
        return
    assert not standing.is_closed
    assert abs(after.place - standing.place) <= 1 or kind in ("found", "begin")
    if after.is_promoted and not standing.is_promoted:
        assert (kind, step) in (("done", "promote"), ("found", step))
    if after.is_closed:
        assert next_action(standing).what == "close"


def test_the_table_leads_through_every_state_in_order() -> None:
    assert [step.begins for step in STEPS[1:]] == [step.ends for step in STEPS[:-1]]
    assert STEPS[0].begins is State.IDLE
    assert STEPS[-1].ends is State.REVERSED
    assert STEPS[PROMOTE].ends is State.PROMOTED
    assert all(step.fails != "abort" for step in STEPS[PROMOTE + 1 :]), "after it there is only forward"


def test_a_journal_that_begins_with_something_else_is_refused() -> None:
    with pytest.raises(JournalError, match="begins with the order"):
        standing_of([entry(0, "begin", "seed")])
    with pytest.raises(JournalError, match="cannot be read"):
        standing_of([entry(0, "opened", source="a")])
