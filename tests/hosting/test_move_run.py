"""A move ends well whatever breaks on the way: every step killed, every answer lost, on either host."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parley.hosting.hosts.errors import HostError
from parley.hosting.journals import JournalError, newest_journal
from parley.hosting.moves.doing import MoveStopped, Told
from parley.hosting.moves.states import Standing, standing_of
from parley.kit.clock import time_travel
from tests.hosting.moving import FAULTS, FakeNames, Killed, World, run_once


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts in memory answer at once, or not at all."""
    for name in ("ANSWER_SECONDS", "FORWARD_SECONDS", "ASK_SECONDS"):
        monkeypatch.setattr(f"parley.hosting.moves.doing.{name}", 0.15)


def assert_ended_well(world: World, standing: Standing) -> None:
    """Exactly one host takes writes, it has everything, and the other one follows or can."""
    world.let_time_pass()
    world.write()
    takers = [host for host in world.hosts.values() if host.takes_writes]
    assert len(takers) == 1
    assert takers[0].wal == world.acknowledged
    assert takers[0].name == (standing.order.target if standing.outcome == "moved" else standing.order.source)
    if standing.outcome == "moved":
        other = world.other(takers[0].name)
        assert (other.role, other.gate, other.following) == ("standby", "away", takers[0].name)
        assert takers[0].epoch == standing.order.epoch


class NotOver(AssertionError):
    """The command has to be run again."""


async def run_until_over(world: World, names: FakeNames, on: str = "a", to: str = "b", tries: int = 12) -> Standing:
    """Run the command again and again, on one host and the other, until it says that the move is over."""
    last: Exception | None = None
    for n in range(tries):
        try:
            return await run_once(world, names, on=on if n % 2 == 0 else world.other(on).name, to=to)
        except Killed:
            continue
        except (HostError, MoveStopped, JournalError) as error:
            last = error
            if "lives on" in str(error):  # it was killed after the last word had been written
                return standing_of(newest_journal(world.hosts[to].settings)[1])
    raise NotOver(f"not over after {tries} tries: {last}")


async def test_a_move_there_and_back_loses_nothing(tmp_path: Path) -> None:
    world, names, heard = World(tmp_path), FakeNames(), []
    there = await run_once(world, names, heard=heard, announced=True)
    assert_ended_well(world, there)
    assert names.points_to == ("192.0.2.2",)
    assert [one.step for one in heard if one.kind == "done"] == [
        "seed",
        "prepare",
        "announce",
        "hold",
        "fence",
        "verify",
        "promote",
        "forward",
        "rejoin",
        "flip",
        "converge",
        "welcome",
        "settle",
    ]
    assert [one.title for one in world.hosts["b"].announced.values()] == [
        "We are moving to another host",
        "We have moved",
    ]
    assert world.hosts["b"].notes[0]["pause"] < 1
    back = await run_once(world, names, on="b", to="a")
    assert_ended_well(world, back)
    assert names.points_to == ("192.0.2.1",)
    assert world.hosts["a"].epoch == 3


async def test_both_hosts_have_the_same_signed_journal_at_the_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    await run_once(world, FakeNames())
    journals = [newest_journal(host.settings) for host in world.hosts.values()]
    assert journals[0] == journals[1]
    standing = standing_of(journals[0][1])
    assert standing.outcome == "moved"
    assert {"hold", "fence", "verify", "promote", "forward"} <= set(standing.details)


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_goes_wrong_once_at_any_call_the_move_ends_well(tmp_path: Path, fault: str) -> None:
    world = World(tmp_path / "none")
    await run_once(world, FakeNames())
    for place in range(len(world.calls)):
        broken = World(tmp_path / f"{place}", {place: fault})
        names = FakeNames()
        standing = await run_until_over(broken, names)
        assert_ended_well(broken, standing)
        if standing.outcome == "aborted":
            again = await run_until_over(broken, names)
            assert again.outcome == "moved", f"{fault} at {broken.calls[place]}"
            assert_ended_well(broken, again)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.dictionaries(st.integers(0, 60), st.sampled_from([one for one in FAULTS if one != "slow"]), max_size=6),
    on=st.sampled_from("ab"),
    time_passes=st.lists(st.booleans(), min_size=12, max_size=12),
)
async def test_whatever_goes_wrong_how_often_ever_the_move_ends_well(
    tmp_path_factory: pytest.TempPathFactory, faults: dict[int, str], on: str, time_passes: list[bool]
) -> None:
    world, names = World(tmp_path_factory.mktemp("move"), faults), FakeNames()
    for n, passes in enumerate(time_passes):
        try:
            standing = await run_until_over(world, names, on=on if n % 2 == 0 else world.other(on).name, tries=1)
            break
        except NotOver:
            if passes:
                world.let_time_pass()
    else:
        raise AssertionError("it is not over, although nothing breaks any more")
    assert_ended_well(world, standing)


async def test_a_standby_that_lacks_something_is_not_moved_to(tmp_path: Path) -> None:
    world, heard = World(tmp_path), []
    original = world.hosts["a"]._hold

    def hold() -> None:
        original()
        world.cut = True
        world.hosts["a"].wal.append(len(world.acknowledged))
        world.acknowledged.append(len(world.acknowledged))

    world.hosts["a"]._hold = hold  # type: ignore[method-assign]
    standing = await run_once(world, FakeNames(), heard=heard)
    assert standing.outcome == "aborted"
    assert "lacks 1 rows" in standing.reason
    assert_ended_well(world, standing)
    assert world.hosts["a"].notes[0]["ok"] is False


async def test_the_old_host_opens_again_when_the_new_one_dies_before_it_was_told_to_take_over(tmp_path: Path) -> None:
    world = World(tmp_path)
    original = world.hosts["a"]._fence

    def fence(epoch: int, to: str) -> object:
        world.down.add("b")
        return original(epoch, to)

    world.hosts["a"]._fence = fence  # type: ignore[method-assign, assignment]
    standing = await run_once(world, FakeNames())
    assert standing.outcome == "aborted"
    assert_ended_well(world, standing)
    world.down.clear()
    world.hosts["a"]._fence = original  # type: ignore[method-assign]
    assert (await run_once(world, FakeNames())).outcome == "moved"


async def test_a_host_that_may_have_taken_over_is_asked_before_the_old_one_opens(tmp_path: Path) -> None:
    world, names = World(tmp_path), FakeNames()
    original = world.hosts["b"]._promote

    def promote_and_vanish(fence: object, epoch: int) -> None:
        original(fence, epoch)  # type: ignore[arg-type]
        world.down.add("b")
        raise HostError("b breaks down")

    world.hosts["b"]._promote = promote_and_vanish  # type: ignore[method-assign]
    with pytest.raises(MoveStopped, match="nobody can know"):
        await run_once(world, names)
    assert world.hosts["a"].role == "fenced", "two hosts never write"
    world.down.clear()
    standing = await run_once(world, names)
    assert standing.outcome == "moved"
    assert_ended_well(world, standing)


async def test_a_name_that_points_elsewhere_stops_the_move_and_the_instance_goes_on(tmp_path: Path) -> None:
    world, names = World(tmp_path), FakeNames(("203.0.113.9",))
    with pytest.raises(MoveStopped, match=r"points to 203\.0\.113\.9, not to 192\.0\.2\.1"):
        await run_once(world, names)
    assert world.hosts["b"].takes_writes
    assert world.hosts["a"].gate == "away", "the old host hands on"
    names.points_to = ("192.0.2.1",)
    standing = await run_once(world, names, on="b")
    assert standing.outcome == "moved"
    assert_ended_well(world, standing)


async def test_an_old_host_that_dies_after_the_other_has_taken_over_does_not_keep_the_world_waiting(
    tmp_path: Path,
) -> None:
    world, names, heard = World(tmp_path), FakeNames(), list[Told]()
    original = world.hosts["b"]._promote

    def promote(fence: object, epoch: int) -> None:
        original(fence, epoch)  # type: ignore[arg-type]
        world.down.add("a")

    world.hosts["b"]._promote = promote  # type: ignore[method-assign]
    with pytest.raises(MoveStopped, match="The host a does not answer"):
        await run_once(world, names, on="b", heard=heard)
    assert names.points_to == ("192.0.2.2",)
    assert [one.step for one in heard if one.kind == "noted"] == ["forward", "rejoin"]
    world.down.clear()
    standing = await run_once(world, names, on="b")
    assert_ended_well(world, standing)
    assert newest_journal(world.hosts["a"].settings) == newest_journal(world.hosts["b"].settings)


async def test_a_command_that_was_overtaken_by_another_stops(tmp_path: Path) -> None:
    world, names = World(tmp_path), FakeNames()
    original = world.hosts["a"]._hold
    second: list[Standing] = []

    async def other_command() -> None:
        second.append(await run_once(world, names, on="b"))

    tasks = []

    def hold() -> None:
        original()
        if not tasks:
            tasks.append(asyncio.get_running_loop().create_task(other_command()))

    world.hosts["a"]._hold = hold  # type: ignore[method-assign]
    with pytest.raises((JournalError, MoveStopped)):
        slow = World.call

        async def slower(self: World, *words: object) -> object:
            await asyncio.sleep(0.01)
            return await slow(self, *words)  # type: ignore[arg-type]

        world.call = slower.__get__(world)  # type: ignore[method-assign]
        await run_once(world, names)
    await tasks[0]
    assert second[0].outcome == "moved"
    assert_ended_well(world, second[0])


@pytest.mark.parametrize("step", ["seed", "prepare", "announce", "hold", "fence", "verify"])
async def test_a_command_that_is_told_to_stop_turns_back_while_it_can(tmp_path: Path, step: str) -> None:
    world = World(tmp_path)
    standing = await run_once(world, FakeNames(), stop_at=step, announced=True)
    assert standing.outcome == "aborted"
    assert "told to stop" in standing.reason
    assert_ended_well(world, standing)
    said = [one.title for one in world.hosts["a"].announced.values()]
    assert not said or said[-1] == "The move was put off"


@pytest.mark.parametrize("step", ["promote", "forward", "rejoin", "flip", "converge"])
async def test_a_command_that_is_told_to_stop_later_ends_where_it_can_be_taken_up_again(
    tmp_path: Path, step: str
) -> None:
    world, names = World(tmp_path), FakeNames()
    names.ttl = 30
    with pytest.raises(MoveStopped, match="told to stop"):
        await run_once(world, names, stop_at=step)
    assert world.hosts["b"].takes_writes
    assert world.hosts["a"].gate == "away", "the old host hands on"
    assert names.points_to == ("192.0.2.2",)
    names.ttl = 0
    with time_travel(timedelta(minutes=1)):
        standing = await asyncio.wait_for(run_once(world, names, on="b"), 40)
    assert_ended_well(world, standing)
