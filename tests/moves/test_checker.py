"""The checker finds what is planted, and nothing where nothing is."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.moves.checker import Final, check, old_epochs, pause_of, text_of
from tests.moves.history import Delivery, Event, read_events, write_line


def op(number: int, kind: str = "post", end: str = "ok", *, at: float | None = None, key: str = "", value: bool = True):
    """Invocation and end of one operation."""
    began = number * 0.1 if at is None else at
    key = key or f"{kind}1-{number:05d}"
    base = {"writer": f"{kind}1", "number": number, "kind": kind, "key": key, "value": value}
    begun = Event(at=began, type="invoke", **base)
    return [begun] if end == "none" else [begun, Event(at=began + 0.05, type=end, id=str(number), **base)]


def history(ends: list[str], kind: str = "post") -> list[Event]:
    return [event for number, end in enumerate(ends, 1) for event in op(number, kind, end)]


def keys(ends: list[str], wanted: tuple[str, ...], kind: str = "post") -> list[str]:
    return [f"{kind}1-{number:05d}" for number, end in enumerate(ends, 1) if end in wanted]


ENDS = st.lists(st.sampled_from(["ok", "fail", "unknown", "none"]), min_size=1, max_size=60)


@given(ENDS, st.data())
def test_a_whole_history_has_no_faults_whatever_became_of_the_unknown(ends: list[str], data: st.DataObject) -> None:
    there = keys(ends, ("ok",))
    maybe = keys(ends, ("unknown", "none"))
    survived = data.draw(st.lists(st.sampled_from(maybe), unique=True) if maybe else st.just([]))
    report = check(history(ends), Final(counts=dict.fromkeys([*there, *survived], 1)))
    assert report.faults == ()
    assert report.acknowledged == len(there)
    assert report.unknown == len(maybe)
    assert report.recovered == len(survived)
    assert report.acknowledged + report.unknown + report.failed == report.attempted


@given(ENDS, st.data())
def test_what_was_acknowledged_and_is_gone_is_found_and_nothing_else(ends: list[str], data: st.DataObject) -> None:
    there = keys(ends, ("ok",))
    gone = data.draw(st.lists(st.sampled_from(there), unique=True) if there else st.just([]))
    report = check(history(ends), Final(counts={key: 1 for key in there if key not in gone}))
    assert set(report.lost) == set(gone)
    assert bool(report.faults) == bool(gone)


@given(ENDS, st.data())
def test_what_is_there_twice_is_found(ends: list[str], data: st.DataObject) -> None:
    there = keys(ends, ("ok", "unknown"))
    twice = data.draw(st.lists(st.sampled_from(there), unique=True) if there else st.just([]))
    report = check(history(ends), Final(counts={key: 2 if key in twice else 1 for key in there}))
    assert set(report.duplicates) == set(twice)


@given(st.lists(st.sampled_from(["ok", "fail", "unknown", "none"]), min_size=1, max_size=30), st.booleans())
def test_a_switch_may_stand_only_as_something_left_it(ends: list[str], stands: bool) -> None:
    events = [
        event
        for number, end in enumerate(ends, 1)
        for event in op(number, "follow", end, key="7", value=number % 2 == 1)
    ]
    possible = {False}
    for number, end in enumerate(ends, 1):
        value = number % 2 == 1
        possible = {value} if end == "ok" else possible if end == "fail" else possible | {value}
    report = check(events, Final(switches={"follow1/7": stands}))
    if "ok" in ends or "unknown" in ends or "none" in ends:
        assert bool(report.wrong_switches) == (stands not in possible)


def test_a_switch_that_nobody_looked_at_is_a_fault() -> None:
    assert check(op(1, "follow", key="7"), Final()).wrong_switches == ("follow1/7",)


@given(st.lists(st.integers(1, 5), max_size=30))
def test_only_epochs_that_never_fall_are_right(epochs: list[int]) -> None:
    found = old_epochs(Delivery(at=float(at), kind="mail", epoch=epoch) for at, epoch in enumerate(epochs))
    assert (found == ()) == (epochs == sorted(epochs))


def test_a_delivery_without_an_epoch_after_one_with_it_is_a_fault() -> None:
    mails = [Delivery(at=1.0, kind="mail", epoch=3), Delivery(at=2.0, kind="model", epoch=None)]
    assert len(old_epochs(mails)) == 1
    assert old_epochs(mails[::-1][:1]) == ()


def seen_file(number: int, content: bytes, url: str = "") -> Event:
    key, digest = f"upload1-{number:05d}", hashlib.sha256(content).hexdigest()
    return Event(
        at=1.0, type="seen", writer="upload1", number=number, kind="upload", key=key, sha256=digest, url=url or key
    )


def test_a_lost_upload_and_a_damaged_file_are_two_faults() -> None:
    events = [one for number in range(1, 6) for one in op(number, "upload")]
    events += [seen_file(1, b"1"), seen_file(2, b"2"), seen_file(3, b"3"), seen_file(4, b""), seen_file(5, b"5", "old")]
    whole = {f"upload1-{number:05d}": hashlib.sha256(f"{number}".encode()).hexdigest() for number in range(1, 6)}
    other = hashlib.sha256(b"other").hexdigest()
    report = check(
        events,
        Final(
            files={**whole, "upload1-00002": other, "upload1-00003": "its file answers 404"},
            urls={**{key: key for key in whole}, "upload1-00005": "new"},
        ),
    )
    assert report.damaged == (
        f"upload1-00002 ({whole['upload1-00002'][:8]} at first, {other[:8]} at the end)",
        f"upload1-00004 (no bytes at first, {whole['upload1-00004'][:8]} at the end)",
        "upload1-00005 (at old at first, at new at the end)",
    )
    assert report.lost == ("upload1-00003 (its file answers 404)",)
    assert len(report.faults) == 2


def test_an_upload_that_nobody_was_told_of_is_counted_and_one_id_for_two_uploads_is_a_fault() -> None:
    events = [*op(1, "upload"), *op(2, "upload", "unknown"), *op(3, "upload")]
    files = {"upload1-00001": "1" * 64, "upload1-00003": "3" * 64}
    held = {"upload1": ("1", "3", "77", "78")}  # 77 and 78: the second one, made twice, or once and once more by a try
    report = check(events, Final(files=files, held=held))
    assert report.faults == ()
    assert report.untold == ("upload1/77", "upload1/78")
    assert "2 uploads made again that nobody was told of" in text_of(report)
    events[-1] = msgspec.structs.replace(events[-1], id="1")
    assert check(events, Final(files=files, held=held)).duplicates == ("upload1-00003 is upload1-00001",)


def test_a_read_that_misses_what_was_acknowledged_before_is_stale_but_not_a_loss() -> None:
    events = [*op(1), *op(2), *op(3)]
    read = Event(
        at=1.2, began=1.0, type="seen", writer="post1", number=0, kind="post", key="read", found=("post1-00001",)
    )
    final = Final(counts={f"post1-{number:05d}": 1 for number in (1, 2, 3)})
    assert check([*events, read], final).stale == ("post1-00002", "post1-00003")
    assert check([*events, read], final).faults == ()
    # One that began before the acknowledgement proves nothing, nor does a page that ends above the element.
    assert check([*events, msgspec.structs.replace(read, began=0.16)], final).stale == ()
    assert check([*events, msgspec.structs.replace(read, number=4)], final).stale == ()


def test_errors_count_unless_the_client_made_them() -> None:
    wrong = {"type": "try", "writer": "post1", "number": 1, "kind": "post", "key": "post1-00001", "error": "ReadError"}
    events = [*op(1), Event(at=0.11, **wrong), Event(at=0.12, on_purpose=True, **wrong)]
    assert len(check(events, Final(counts={"post1-00001": 1})).errors) == 1


@given(st.lists(st.floats(0.001, 0.2), min_size=5, max_size=50), st.floats(1.0, 30.0))
def test_a_pause_is_as_long_as_it_was(gaps: list[float], pause: float) -> None:
    times, at = [0.0], 0.0
    for number, gap in enumerate(gaps):
        at += pause if number == len(gaps) // 2 else gap
        times.append(at)
    assert pause_of(times) == pytest.approx(pause, abs=0.21)
    assert pause_of([]) == pause_of([1.0]) == 0.0


def test_the_slowest_operation_counts_all_its_tries() -> None:
    events = [*op(1), Event(at=0.2, type="invoke", writer="post1", number=2, kind="post", key="post1-00002")]
    events.append(Event(at=4.2, type="ok", writer="post1", number=2, kind="post", key="post1-00002"))
    report = check(events, Final(counts={"post1-00001": 1, "post1-00002": 1}))
    assert report.longest_wait == pytest.approx(4.0)
    assert "2 acknowledged of 2, 0 lost" in text_of(report)


def test_a_log_that_was_cut_off_in_a_line_is_read_up_to_there(tmp_path) -> None:
    log = tmp_path / "log"
    lines = [write_line(event) for event in op(1)]
    log.write_bytes(b"".join(lines)[:-9])
    assert read_events(log) == op(1)[:1]
