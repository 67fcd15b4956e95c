"""A planned move to the other provider and back, while people write: nothing lost, nothing twice, no error seen."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.moves.load import writing
from tests.moves.pairs import judge, pair, primary_of, prove_log, status_of, wait_files_equal, wait_ready
from tests.moves.providers import CommandFailed, World, has_name_server

HOLD = 10
needs_names = pytest.mark.skipif(not has_name_server(), reason="needs Knot DNS: on Debian, apt install knot")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pair() as made:
        yield made


@pytest.mark.parametrize("resolve", ["stay", pytest.param("dns", marks=needs_names)])
def test_a_move_under_load_loses_nothing_and_shows_nobody_an_error(world: World, resolve: str) -> None:
    source = wait_ready(world)
    target = world.other(source)
    world.forget_names_soon()
    with writing(world, host=source, resolve=resolve) as load:
        load.wait(100)
        moved = source.parley("move", "run", "--to", target.name, "--hold", f"{HOLD}s", timeout=150)
        load.wait(100)
        report = judge(world, load, target, say=f"move {source.name} -> {target.name}, {resolve}")
    assert report.faults == ()
    assert report.errors == ()
    assert report.unknown == 0
    assert report.pause < HOLD
    assert moved["pause"] < HOLD
    assert primary_of(world) is target
    assert world.points_to() in (target.place.address, "")
    assert [one for host in world.hosts for one in host.tracebacks()] == []  # it is a thing of every day
    # The old host is the standby now, and hands on what still comes to it.
    wait_ready(world)
    assert source.get("/api/v2/instance") == 200
    wait_files_equal(world)
    assert prove_log(target)["holds"]


@needs_names
def test_a_wrong_name_in_the_dns_stops_only_the_dns_part_and_the_instance_goes_on(world: World) -> None:
    source = wait_ready(world)
    target = world.other(source)
    world.forget_names_soon("192.0.2.99")  # somebody has let it point elsewhere
    with writing(world, host=source, resolve="stay") as load:
        load.wait(40)
        with pytest.raises(CommandFailed, match=r"192\.0\.2\.99"):
            source.parley("move", "run", "--to", target.name, timeout=150)
        load.wait(40)
        assert primary_of(world) is target
        assert world.points_to() == "192.0.2.99"
        world.forget_names_soon(source.place.address)
        source.parley("move", "run", timeout=150)
        report = judge(world, load, target, say="wrong DNS value")
    assert world.points_to() == target.place.address
    assert report.faults == report.errors == ()
    assert wait_ready(world) is target


def test_a_move_that_is_aborted_before_the_end_changes_nothing(world: World) -> None:
    source = wait_ready(world)
    before = status_of(source)
    target = world.other(source)
    with writing(world, host=source, resolve="stay") as load:
        load.wait(40)
        world.network.cut(source.name, target.name)
        failed = source.run("move", "run", "--to", target.name, "--hold", "3s", "--json", timeout=150)
        world.network.heal()
        assert failed.returncode == 1
        load.wait(40)
        report = judge(world, load, source, say="aborted move")
    assert report.faults == ()
    assert wait_ready(world) is source
    after = status_of(source)
    assert before
    assert after
    assert after.epoch == before.epoch


def test_errors_while_files_are_copied_are_mended_before_a_move(world: World) -> None:
    source = wait_ready(world)
    target = world.other(source)
    world.forget_names_soon()
    with writing(world, {"upload": 3, "post": 1}, host=source, resolve="stay") as load:
        for _ in range(3):
            load.wait(8)
            world.network.cut(source.name, target.name)
            time.sleep(0.5)
            world.network.heal()
        source.parley("move", "run", "--to", target.name, "--hold", f"{HOLD}s", timeout=150)
        load.wait(10)
        report = judge(world, load, target, say="errors while copying")
    assert report.faults == ()
    wait_ready(world)
    wait_files_equal(world)
