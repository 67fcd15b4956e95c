"""What `make bench` says of moves: a missed promise is said and ends it with 1, and the page is what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

import bench.__main__ as whole
from bench import moves
from bench.page import BEGINNINGS, PAGE, NotThisPage, lines_of, page_of, with_rows, worlds_once
from tests.moves.checker import Final, Report, check
from tests.moves.test_checker import op

FINE = check([*op(1), *op(2)], Final(counts={"post1-00001": 1, "post1-00002": 1}))
LOST = check([*op(1), *op(2)], Final(counts={"post1-00001": 1}))

Scenarios = dict[str, Callable[[int], Iterator[moves.Result]]]


def result(report: Report = FINE, *, took: float | None = None, control: bool = False) -> moves.Result:
    return moves.Result(name="a scenario", report=report, took_over=took, control=control)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (result(), ""),
        (result(LOST), "lost: post1-00002"),
        (result(msgspec.structs.replace(FINE, pause=2.0)), "pause 2.00 s"),
        (result(msgspec.structs.replace(FINE, errors=("post 503",))), "errors seen: 1"),
        (result(took=9.9), ""),
        (result(msgspec.structs.replace(FINE, errors=("post 503",), pause=9.0), took=9.9), ""),
        (result(took=10.0), "taken over after 10.0 s"),
        (result(LOST, took=3.0), "lost: post1-00002"),
        (result(LOST, took=30.0, control=True), ""),
        (result(took=3.0, control=True), "nothing was lost: the nemesis or the checker is blind"),
        (result(msgspec.structs.replace(FINE, duplicates=("x",)), took=3.0, control=True), "nothing was lost"),
    ],
)
def test_what_is_promised_of_a_move_and_a_failover_is_held_against_what_was_measured(
    one: moves.Result, why: str
) -> None:
    assert " and ".join(one.missed).startswith(why)
    assert bool(one.missed) == bool(why)
    assert one.good == (not why)


def run(monkeypatch: pytest.MonkeyPatch, scenarios: Scenarios, *words: str) -> str | int | None:
    """`python -m bench` with these scenarios; returns what it ends with."""
    monkeypatch.setattr(moves, "SCENARIOS", scenarios)
    monkeypatch.setattr(whole, "need_wrk", lambda: None)
    monkeypatch.setattr("sys.argv", ["bench", "--only", "moves", "--json", *words])
    try:
        whole.main()
    except SystemExit as end:
        return end.code
    return None


def test_make_bench_ends_well_only_when_every_promise_was_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks_off(_writes: int) -> Iterator[moves.Result]:
        yield result()
        raise AssertionError("not after 60 s: b takes over\nand a long log")

    assert run(monkeypatch, {"planned": lambda _: iter([result()])}) is None
    assert "not as promised" not in capsys.readouterr().out
    scenarios: Scenarios = {"killed": breaks_off, "planned": lambda _: iter([result(LOST)])}
    assert run(monkeypatch, scenarios) == (
        "NOT AS PROMISED:\nmove: killed broke off: not after 60 s: b takes over\nmove: a scenario: lost: post1-00002"
    )
    said = capsys.readouterr().out
    assert said.count("2 acknowledged, 0 lost, 0 twice") == 1
    assert "2 acknowledged, 1 lost, 0 twice; 0 errors seen; pause 0.00 s; **not as promised**" in said


def test_rows_of_one_measurement_are_exchanged_where_they_stood(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = [("home", "w", "1/s", ""), ("move: a", "w", "old", ""), ("move: b", "w", "old", ""), ("desk", "w", "2", "")]
    page = tmp_path / "benchmarks.md"
    page.write_text(page_of(old))
    monkeypatch.setattr(whole, "PAGE", page)
    monkeypatch.setattr(moves, "load_before", lambda: "here")
    monkeypatch.setattr(whole, "write", page.write_text)
    assert run(monkeypatch, {"planned": lambda _: iter([result()])}, "--exchange") is None
    (row,) = moves.rows_of([result()], "here")
    assert page.read_text().replace(lines_of([row])[0], "-").splitlines()[-3:] == [
        "| home | w | 1/s |  |",
        "-",
        "| desk | w | 2 |  |",
    ]
    assert page.read_text().splitlines()[:9] == page_of(old).splitlines()[:9]


def test_rows_that_cannot_stand_in_the_page_are_refused() -> None:
    page = page_of([("home", "w", "1/s", "")])
    move = ("move: a", "w", "new", "")
    assert with_rows(page, ["moves"], [move]) == page_of([("home", "w", "1/s", ""), move])
    with pytest.raises(NotThisPage, match="another machine"):
        with_rows(page.replace(" cores of", " wheels of"), ["moves"], [move])
    with pytest.raises(NotThisPage, match="returned no row"):
        with_rows(page, ["home"], [move])
    with pytest.raises(NotThisPage, match="belongs to no measurement"):
        with_rows(page, ["moves"], [move, ("desk", "w", "2", "")])
    with pytest.raises(NotThisPage, match="returned no row"):
        with_rows(page, ["moves", "snapshots"], [move])
    days = with_rows(page.replace("Measured 20", "Measured 19"), ["moves"], [move])
    assert "Measured 19" in days
    assert " to 20" in days.split(" on ", 1)[0]


def test_every_row_of_the_page_belongs_to_one_measurement() -> None:
    rows = [line[2:] for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:]
    assert rows
    for row in rows:
        owners = [name for name, beginnings in BEGINNINGS.items() if row.startswith(beginnings)]
        assert len(owners) == 1, f"{row}: {owners}"


def test_a_world_that_is_that_of_the_row_above_is_named_once() -> None:
    rows = [("a", "w", "1", ""), ("b", "w", "2", ""), ("c", "", "3", ""), ("d", "", "4", ""), ("e", "w", "5", "")]
    assert [world for _, world, _, _ in worlds_once(rows)] == ["w", "the same", "", "", "w"]
