"""The primary is lost: killed, cut off, alone. Who acknowledges waits for the standby, so nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.moves.load import writing
from tests.moves.nemesis import cancelling_commits
from tests.moves.pairs import (
    LEASE_SECONDS,
    epoch_of,
    judge,
    pair,
    primary_of,
    prove_log,
    status_of,
    wait_delivered,
    wait_files_equal,
    wait_ready,
    wait_until,
)
from tests.moves.providers import Host, World

DEGRADE_AFTER = 6
"""Longer than what the other scenarios take until the primary is lost or the link whole again."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pair(failover="auto", degrade_after=str(DEGRADE_AFTER)) as made:
        yield made


def is_degraded(host: Host) -> bool | None:
    """Whether a primary goes on without its standby; None when it does not say."""
    status = status_of(host)
    return status.degraded_since is not None if status else None


def takes_over(host: Host, patience: float = 40) -> float:
    """Wait until a host is the primary; returns the seconds that it took."""

    def is_primary() -> bool:
        status = status_of(host)
        return status is not None and status.role == "primary" and status.gate == "open"

    return wait_until(is_primary, f"{host.name} takes over", patience)


def test_a_killed_primary_is_replaced_and_comes_back_as_the_standby(world: World) -> None:
    primary = wait_ready(world)
    standby = world.other(primary)
    before = epoch_of(primary)
    with writing(world, host=primary, resolve="both", patience=4.0) as load:
        load.wait(100)
        primary.kill()
        took = takes_over(standby)
        load.wait(60)
        primary.start(healthy=False)
        report = judge(world, load, standby, say=f"killed; taken over after {took:.1f} s")
    assert report.faults == ()
    assert report.pause > LEASE_SECONDS / 2
    wait_delivered(world, before, epoch_of(standby))
    assert wait_ready(world) is standby
    wait_files_equal(world)
    assert prove_log(standby)["holds"]


def test_a_primary_that_is_cut_off_from_everybody_stops_and_the_other_side_goes_on(world: World) -> None:
    primary = wait_ready(world)
    standby = world.other(primary)
    before = epoch_of(primary)
    with writing(world, host=primary, resolve="both", patience=4.0) as load:
        load.wait(60)
        world.network.cut(primary.name, standby.name)
        world.network.cut(primary.name, "witness")
        takes_over(standby)
        load.wait(60)
        world.network.heal()
        report = judge(world, load, standby, say="partition, the standby sees the witness")
    assert report.faults == ()
    wait_delivered(world, before, epoch_of(standby))
    assert wait_ready(world) is standby
    wait_files_equal(world)


def test_after_a_cut_of_the_link_the_standby_is_waited_for_again_and_can_take_over(world: World) -> None:
    primary = wait_ready(world)
    standby = world.other(primary)
    with writing(world, host=primary, resolve="both", patience=30.0) as load:
        load.wait(40)
        world.network.cut(primary.name, standby.name)
        took = wait_until(lambda: getattr(status_of(primary), "degraded_since", None), "it goes on alone", 40)
        load.wait(40)
        seen = status_of(standby)
        assert seen
        assert seen.role == "standby"
        world.network.heal()
        whole = wait_until(lambda: is_degraded(primary) is False, "it is whole again", 60, every=0.01)
        primary.kill()  # the standby has every row, and every file that was uploaded alone
        takes_over(standby)
        load.wait(20)
        report = judge(
            world, load, standby, say=f"link cut, alone after {took:.1f} s, whole after {whole:.1f} s, then killed"
        )
    assert report.faults == ()
    assert wait_ready(world) is standby
    wait_files_equal(world)


def test_a_standby_whose_words_reach_nobody_does_not_take_over(world: World) -> None:
    primary = wait_ready(world)
    standby = world.other(primary)
    with writing(world, host=primary, resolve="stay", patience=30.0) as load:
        load.wait(40)
        world.network.cut(standby.name, primary.name, both=False)
        world.network.cut(standby.name, "witness", both=False)
        time.sleep(LEASE_SECONDS * 1.5)
        assert primary_of(world) is primary
        world.network.heal()
        load.wait(40)
        report = judge(world, load, primary, say="one-sided partition, the primary sees the witness")
    assert report.faults == ()
    assert wait_ready(world) is primary


def test_two_hosts_without_a_witness_never_fail_over_by_themselves(world: World) -> None:
    primary = wait_ready(world)
    standby = world.other(primary)
    with writing(world, host=primary, resolve="stay", patience=30.0) as load:
        load.wait(40)
        for one, other in ((primary.name, standby.name), (primary.name, "witness"), (standby.name, "witness")):
            world.network.cut(one, other)
        time.sleep(LEASE_SECONDS * 1.5 + 1)
        seen = status_of(standby)
        assert seen
        assert seen.role == "standby"
        world.network.heal()
        load.wait(40)
        report = judge(world, load, primary, say="partition, nobody sees the witness")
    assert report.faults == ()
    assert wait_ready(world) is primary


def test_a_storm_of_cancelled_waits_acknowledges_nothing_that_is_lost(world: World) -> None:
    primary = wait_ready(world)
    standby = world.other(primary)
    with (
        writing(world, {"post": 4, "message": 1, "follow": 1}, host=primary, resolve="both", patience=6.0) as load,
        cancelling_commits(primary) as storm,
    ):
        load.wait(40)
        world.network.cut(primary.name, standby.name)  # from here on every commit waits, and every wait is cancelled
        time.sleep(1.5)
        primary.kill()
        world.network.heal()
        takes_over(standby)
        load.wait(40)
        report = judge(world, load, standby, say=f"{storm.cancelled} waits cancelled")
    assert storm.cancelled > 10
    assert report.faults == ()
    assert wait_ready(world) is standby


def test_clients_that_hang_up_at_a_commit_lose_nothing_when_the_primary_dies(world: World) -> None:
    primary = wait_ready(world)
    standby = world.other(primary)
    with writing(world, {"post": 4}, host=primary, resolve="both", patience=6.0, disconnects=0.3) as load:
        load.wait(80)
        primary.kill()
        takes_over(standby)
        load.wait(40)
        report = judge(world, load, standby, say="clients that hang up")
    assert sum(one.on_purpose for one in load.events) > 10
    assert report.faults == ()
    assert wait_ready(world) is standby
