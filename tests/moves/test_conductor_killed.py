"""The command that carries a move on is killed at every line of its journal, and run again: it comes to its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parley.hosting.moves.states import STEPS
from tests.moves.load import writing
from tests.moves.pairs import judge, pair, primary_of, wait_files_equal, wait_ready
from tests.moves.providers import Host, World

HOLD = 60


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pair() as made:
        yield made


def killed_at(host: Host, target: str, where: str) -> bool:
    """Carry a move on until it is killed there; False when it never came there, because it came to its end."""
    done = host.run(
        *("move", "run", "--to", target, "--hold", f"{HOLD}s", "--announce", "--json"),
        timeout=170,
        PYTHONPATH=host.python_path("conductor_killed"),
        MOVES_KILL=where,
    )
    if done.returncode not in (-9, 137):
        assert done.returncode == 0, done.stdout + done.stderr
    return done.returncode != 0


@pytest.mark.parametrize("when", ["after", "before"])
@pytest.mark.timeout(300)
def test_a_move_that_is_killed_at_each_of_its_steps_comes_to_its_end(world: World, when: str) -> None:
    source = wait_ready(world)
    target = world.other(source)
    world.forget_names_soon()
    with writing(world, {"post": 2, "upload": 1}, host=source, resolve="stay", patience=HOLD + 20.0, pace=0.2) as load:
        load.wait(15)
        killed = [step.name for step in STEPS if killed_at(source, target.name, f"{when} begin {step.name}")]
        source.run("move", "run", "--to", target.name, timeout=150)  # the last kill may have been at the very end
        load.wait(15)
        report = judge(world, load, target, say=f"killed {when} the beginning of {', '.join(killed)}")
    assert {"seed", "prepare", "hold", "fence", "verify", "promote", "forward", "rejoin", "settle"} <= {*killed}
    assert report.faults == ()
    assert primary_of(world) is target
    assert world.points_to() in (target.place.address, "")
    assert wait_ready(world) is target
    wait_files_equal(world)
