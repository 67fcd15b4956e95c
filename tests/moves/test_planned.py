"""A planned move to the other provider and back, while people write: nothing lost, nothing twice, no error seen.

One of the hosts keeps its files in folders, the other one in a bucket.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parley.hosting.hosts.views import MediaStatus
from tests.moves.load import Load, writing
from tests.moves.pairs import (
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
from tests.moves.providers import MEDIA, CommandFailed, Host, World, has_name_server

HOLD = 10
needs_names = pytest.mark.skipif(not has_name_server(), reason="needs Knot DNS: on Debian, apt install knot")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pair(bucket_of_b=True) as made:
        yield made


@pytest.mark.parametrize("resolve", ["stay", pytest.param("dns", marks=needs_names)])
def test_a_move_under_load_loses_nothing_and_shows_nobody_an_error(world: World, resolve: str) -> None:
    source = wait_ready(world)
    target = world.other(source)
    before = epoch_of(source)
    world.forget_names_soon()
    with writing(world, host=source, resolve=resolve) as load:
        load.wait(100)
        moved = source.parley("move", "run", "--to", target.name, "--hold", f"{HOLD}s", timeout=150)
        load.wait(100)
        report = judge(world, load, target, say=f"move {source.name} -> {target.name}, {resolve}")
    assert report.faults == ()
    assert report.errors == ()
    assert report.unknown == 0
    assert report.untold == ()
    wait_delivered(world, before, epoch_of(target))
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


def media_of(host: Host) -> MediaStatus:
    """How far the files of a host are, as it says itself."""
    status = status_of(host)
    return (status and status.media) or MediaStatus(position=0, root="")


def test_errors_of_the_link_and_of_a_store_while_files_are_copied_lose_none(world: World) -> None:
    source = wait_ready(world)
    if source is world.b:  # so that it is the bucket that files are copied to
        source.parley("move", "run", "--to", "a", timeout=150)
        source = wait_ready(world)
    target = world.other(source)
    world.forget_names_soon()
    with writing(world, {"upload": 3, "post": 1}, host=source, resolve="stay") as load:
        load.wait(10)
        world.network.cut(source.name, target.name)
        wait_until(lambda: media_of(source).backlog_files > 0, "a file is missing on the standby")
        world.network.heal()
        load.wait(5)
        world.store.trouble(status=403, below=f"/{MEDIA}/b/")
        wait_until(lambda: media_of(target).failed > 0, "the standby's store has refused a file")
        behind = media_of(target)
        world.store.trouble()
        assert behind.backlog_files > 0
        load.wait(5)
        source.parley("move", "run", "--to", target.name, "--hold", f"{HOLD}s", timeout=150)
        load.wait(5)
        # Now the store that fails is the one that members' files are put into.
        told = refused_uploads(load)
        world.store.trouble(status=403, below=f"/{MEDIA}/b/")
        wait_until(lambda: refused_uploads(load) > told + 3, "members are told that it failed")
        world.store.trouble()
        load.wait(10)
        report = judge(world, load, target, say="errors of the link and the store")
    assert report.faults == ()
    assert len(report.errors) > 3
    assert {error.split()[0] for error in report.errors} == {"upload"}
    assert wait_ready(world) is target
    wait_files_equal(world)


def refused_uploads(load: Load) -> int:
    """How often a member was told that an upload did not succeed."""
    return sum(one.type == "try" and one.kind == "upload" and one.status >= 500 for one in load.events)


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
