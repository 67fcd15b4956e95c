"""The writers and the checker against one instance alone: killed and stopped, it loses nothing that it acknowledged."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.moves.checker import check, text_of
from tests.moves.load import damaged_files, read_final, stored_files, writing
from tests.moves.pairs import prove_log
from tests.moves.providers import World, two_providers


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with two_providers(link=False) as made:
        made.a.start()
        yield made


def test_a_kill_of_everything_under_load_loses_nothing(world: World) -> None:
    with writing(world, resolve="stay") as load:
        load.wait(120)
        world.a.kill()
        time.sleep(0.3)
        world.a.start()
        load.wait(60)
        events = load.stop()
        report = check(events, read_final(load, world.a), world.deliveries())
    print(text_of(report))
    assert report.faults == ()
    assert report.acknowledged > 180
    assert report.errors  # the clients did notice, and tried again
    assert report.pause > 0.3
    assert damaged_files(stored_files(world.a)) == []
    assert {one.kind for one in world.deliveries()} >= {"model"}
    proved = prove_log(world.a)
    assert proved["holds"]
    assert proved["entries"] > 0


def test_clients_that_hang_up_while_they_are_answered_lose_nothing_and_post_nothing_twice(world: World) -> None:
    with writing(world, {"post": 3, "message": 1}, resolve="stay", disconnects=0.4, pace=0.02) as load:
        load.wait(150)
        events = load.stop()
        report = check(events, read_final(load, world.a))
    print(text_of(report))
    assert report.faults == ()
    assert report.errors == ()
    assert sum(one.on_purpose for one in events) > 20


def test_a_stop_under_load_loses_nothing(world: World) -> None:
    with writing(world, resolve="stay") as load:
        load.wait(60)
        assert world.a.stop() == 0
        world.a.start()
        load.wait(40)
        report = check(load.stop(), read_final(load, world.a))
    print(text_of(report))
    assert report.faults == ()
