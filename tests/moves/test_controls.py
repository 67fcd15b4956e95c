"""Control runs: with a guard taken away, or without waiting for the standby, the checker must find what is lost.

If one of these passes unseen, the checker or the nemesis is blind, and the other results mean nothing. Guards are taken
away from outside, by sabotage/*/sitecustomize.py; the product has no switch for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.moves.load import writing
from tests.moves.nemesis import kill_in_a_storm
from tests.moves.pairs import LEASE_SECONDS, judge, pair, status_of, wait_ready, wait_until
from tests.moves.providers import Host, World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pair(relays=True) as made:
        yield made


def take_over_by_hand(host: Host) -> None:
    """As soon as the lease has run out."""
    wait_until(lambda: host.run("failover", "--accept-loss", "--json").returncode == 0, "taken over", every=0.3)


def come_back(world: World, host: Host) -> None:
    """Start a host again as it ships, and wait until both are READY."""
    host.kill()
    wait_ready(world)


def restart(world: World, host: Host, sabotage: str) -> None:
    host.stop()
    host.start(sabotage=sabotage)
    wait_ready(world)


def test_without_waiting_for_the_standby_writes_are_lost(world: World) -> None:
    primary = wait_ready(world)
    standby = world.other(primary)
    primary.parley("standby", "commits", "async")
    wait_ready(world)
    with writing(world, {"post": 4, "message": 2}, host=primary, resolve="both", patience=4.0, pace=0.02) as load:
        load.wait(60)
        world.network.delay(primary.name, standby.name, 0.3)
        load.wait(60)
        world.network.cut(primary.name, standby.name)
        primary.kill()
        take_over_by_hand(standby)
        load.wait(20)
        report = judge(world, load, standby, say="control: asynchronous")
    world.network.delay(primary.name, standby.name, 0)
    assert len(report.lost) > 0
    come_back(world, primary)


@pytest.mark.parametrize("guard", ["off", "on"])
def test_a_storm_of_cancelled_waits_loses_writes_exactly_when_the_commit_guard_is_off(world: World, guard: str) -> None:
    primary = wait_ready(world)
    standby = world.other(primary)
    primary.parley("standby", "commits", "sync")
    wait_ready(world)
    restart(world, primary, "commit_guard_off" if guard == "off" else "")
    with writing(world, {"post": 4, "message": 2}, host=primary, resolve="both", patience=4.0, pace=0.02) as load:
        load.wait(40)
        kill_in_a_storm(world, load, primary, told=12)
        take_over_by_hand(standby)
        load.wait(20)
        report = judge(world, load, standby, say=f"storm of cancelled waits, commit guard {guard}")
    assert (len(report.lost) > 0) == (guard == "off")
    assert guard == "off" or report.faults == ()
    come_back(world, primary)


def test_without_the_epoch_guard_a_host_that_is_cut_off_goes_on_writing_and_sending(world: World) -> None:
    primary = wait_ready(world)
    standby = world.other(primary)
    primary.parley("standby", "commits", "async")
    restart(world, primary, "epoch_guard_off")
    with writing(world, {"post": 3}, host=primary, resolve="stay", patience=4.0) as load:
        load.wait(30)
        world.network.cut(primary.name, standby.name)
        world.network.cut(primary.name, "witness")  # members, and those who get mails, are still reached
        take_over_by_hand(standby)
        with writing(world, {"post": 2}, host=standby, resolve="stay", patience=4.0) as second:
            second.wait(20)
            load.wait(30)
            second.stop()
        time.sleep(LEASE_SECONDS)
        report = judge(world, load, standby, say="control: no epoch guard")
    assert len(report.lost) > 0
    assert len(report.old_epochs) > 0
    status = status_of(standby)
    assert status
    assert status.role == "primary"
    come_back(world, primary)
