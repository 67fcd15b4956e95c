"""`parley move` says what it will do, does it, can be turned back, and tells people and scripts where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from parley.commands import move
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.views import HostStatus, Smoke
from parley.hosting.journals import newest_journal, read_entries
from parley.hosting.moves.minding import is_left_alone
from parley.hosting.moves.states import standing_of
from parley.kit.clock import now, time_travel
from tests.hosting.moving import FakeNames, Killed, World, opener


class Shell:
    """A terminal on one of two hosts."""

    def __init__(self, world: World, names: FakeNames, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.names, self._monkeypatch = world, names, monkeypatch
        monkeypatch.setattr(move, "names_of", lambda settings: names)

    def run(self, *words: str, on: str = "a") -> Result:
        """`parley move ...` there."""
        open_fake = opener(self.world)
        self._monkeypatch.setattr(move, "settings_or_exit", lambda: self.world.hosts[on].settings)
        self._monkeypatch.setattr(move, "read_hosts", lambda settings: self.world.record(on))
        self._monkeypatch.setattr(move, "open_host", lambda settings, name: open_fake(name))
        return CliRunner().invoke(move.app, list(words))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANSWER_SECONDS", "FORWARD_SECONDS", "ASK_SECONDS"):
        monkeypatch.setattr(f"parley.hosting.moves.doing.{name}", 0.25)
    monkeypatch.setattr("parley.hosting.moves.plan.AUTHORITY_SECONDS", 0.1)
    monkeypatch.setattr("parley.hosting.moves.plan.START_SECONDS", 0.2)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    return Shell(World(tmp_path), FakeNames(), monkeypatch)


def saying(shell: Shell, host: str, **changes: Any) -> None:
    """Let a host say something else of itself; what can be called is asked anew each time."""
    fake = shell.world.hosts[host]
    look = fake.look

    def say() -> HostStatus:
        return msgspec.structs.replace(look(), **{key: one() if callable(one) else one for key, one in changes.items()})

    fake.look = say  # type: ignore[method-assign]


def test_a_plan_says_what_is_right_and_how_long_it_will_take(shell: Shell) -> None:
    done = shell.run("plan")
    assert done.exit_code == 0, done.output
    assert "Moving social.example from a to b, epoch 2" in done.output
    assert "ok    dns" in done.output
    assert "Writes will wait for about 0." in done.output
    plan = json.loads(shell.run("plan", "--json").output)
    assert plan["allowed"] is True
    assert plan["points_to"] == ["192.0.2.1"]
    assert plan["order"]["target"] == "b"
    assert 0 < plan["pause"] < 2
    assert not newest_journal(shell.world.hosts["a"].settings)[1], "nothing was begun"


@pytest.mark.parametrize(
    ("host", "changes", "what", "said"),
    [
        ("a", {"last_drill": None}, "drill", "was never restored"),
        ("b", {"streaming": False}, "copy", "does not follow"),
        ("b", {"program": "0.0.9"}, "program", "runs Parley 0.1.0"),
        ("b", {"schema_version": 1}, "schema", "schemas are 27 and 1"),
        ("b", {"system_id": "2"}, "origin", "not of one origin"),
        ("b", {"role": "fenced"}, "roles", "b is fenced"),
        ("b", {"free_bytes": 1000}, "disk", "0.0 GiB free"),
        ("a", {"gate": "hold"}, "roles", "its gate is hold"),
    ],
)
def test_what_forbids_a_move_stops_plan_and_run(
    shell: Shell, host: str, changes: dict[str, Any], what: str, said: str
) -> None:
    saying(shell, host, **changes)
    plan = shell.run("plan", "--json")
    assert plan.exit_code == 1
    forbids = {one["what"]: one for one in json.loads(plan.output)["checks"] if one["verdict"] == "forbids"}
    assert said in forbids[what]["said"]
    assert forbids[what]["do"], "it says what to do"
    run = shell.run("run", "--yes")
    assert run.exit_code == 1
    assert "Nothing was done." in run.output
    assert shell.world.hosts["a"].takes_writes


@pytest.mark.parametrize(
    ("host", "changes", "what"),
    [
        ("a", {"last_drill": lambda: now() - timedelta(days=3)}, "drill"),
        ("a", {"last_snapshot": None}, "snapshot"),
        ("b", {"certificate_until": lambda: now() + timedelta(days=3)}, "certificate"),
        ("b", {"now": lambda: now() + timedelta(seconds=20)}, "clocks"),
        ("b", {"problems": ("It is 90 seconds behind.",)}, "b"),
    ],
)
def test_what_is_only_not_nice_is_said_and_stops_nothing(
    shell: Shell, host: str, changes: dict[str, Any], what: str
) -> None:
    saying(shell, host, **changes)
    plan = shell.run("plan", "--json")
    assert plan.exit_code == 0
    assert what in {one["what"] for one in json.loads(plan.output)["checks"] if one["verdict"] == "look"}


def test_pages_that_the_standby_cannot_show_forbid_a_move(shell: Shell) -> None:
    shell.world.faults = {}
    from tests.hosting import moving

    async def smoke(self: Any) -> tuple[Smoke, ...]:
        return (Smoke("/", 500, 3.0),)

    shell._monkeypatch.setattr(moving.FakeClient, "smoke", smoke)
    plan = shell.run("plan")
    assert plan.exit_code == 1
    assert "On b, / answers 500." in plan.output


def test_a_move_is_run_shown_and_told_afterwards(shell: Shell) -> None:
    dry = shell.run("run", "--dry-run")
    assert dry.exit_code == 0
    assert shell.world.hosts["a"].takes_writes, "a dry run does nothing"
    done = shell.run("run", "--yes", "--announce")
    assert done.exit_code == 0, done.output
    assert "promote   done" in done.output
    assert "It is over: b serves, a is its standby." in done.output
    assert shell.world.hosts["b"].takes_writes
    for on in ("a", "b"):
        told = json.loads(shell.run("status", "--json", on=on).output)
        assert (told["outcome"], told["state"]) == ("moved", "reversed")
        assert told["pause"] < 1
        assert set(told["steps"]) >= {"hold", "fence", "verify", "promote", "forward", "flip"}
    assert "Writes waited" in shell.run("status").output
    journal = shell.world.hosts["a"].settings.path("moves", "000001-a-b.jsonl")
    journal.write_bytes(journal.read_bytes().replace(b'"epoch":2', b'"epoch":7', 1))
    changed = shell.run("status")
    assert changed.exit_code == 1
    assert "is not signed by this instance's key" in changed.output
    journal.write_bytes(journal.read_bytes().replace(b'"epoch":7', b'"epoch":2', 1))
    back = json.loads(shell.run("run", "--json", on="b").output)
    assert (back["source"], back["target"], back["epoch"], back["outcome"]) == ("b", "a", 3, "moved")
    assert "lives on a already" in shell.run("run", "--to", "a", "--yes").output


def test_a_move_that_was_turned_back_ends_with_1_and_says_why(shell: Shell) -> None:
    def verify(fence: object) -> None:
        raise HostError("b lacks 3 files.")

    shell.world.hosts["b"]._verify = verify  # type: ignore[method-assign]
    done = shell.run("run", "--yes", "--announce")
    assert done.exit_code == 1
    assert "It was aborted, and nothing was lost: a serves." in done.output
    assert "Why: b lacks 3 files." in done.output
    assert shell.world.hosts["a"].takes_writes
    assert list(shell.world.hosts["a"].announced.values())[-1].title == "The move was put off"
    in_json = shell.run("run", "--json")
    assert in_json.exit_code == 1
    assert "b lacks 3 files." in in_json.output


def killed_in(shell: Shell, operation: str) -> None:
    """A command that dies right after an operation was done."""
    probe = World(shell.world.hosts["a"].settings.path("probe"))
    shell_of_probe = Shell(probe, FakeNames(), shell._monkeypatch)
    shell_of_probe.run("run", "--yes")
    shell._monkeypatch.setattr(move, "names_of", lambda settings: shell.names)
    place = next(n for n, call in enumerate(probe.calls) if call.endswith(f".{operation}"))
    shell.world.faults = {place: "killed after"}
    with pytest.raises(Killed):
        shell.run("run", "--yes")


def test_a_killed_move_can_be_turned_back_until_the_other_host_has_taken_over(shell: Shell) -> None:
    killed_in(shell, "fence")
    told = shell.run("status")
    assert "draining" in told.output
    assert "`parley move run` goes on, `parley move abort` turns it back" in told.output
    done = shell.run("abort", on="b")
    assert done.exit_code == 0, done.output
    assert "nothing was lost: a serves" in done.output
    assert shell.world.hosts["a"].takes_writes
    nothing = shell.run("abort")
    assert nothing.exit_code == 1
    assert "No move is under way" in nothing.output


def test_a_move_is_not_turned_back_after_the_other_host_has_taken_over(shell: Shell) -> None:
    killed_in(shell, "promote")
    refused = shell.run("abort")
    assert refused.exit_code == 1
    assert "b has taken over and writes: there is no way back." in refused.output
    assert "`parley move run --to a`" in refused.output
    assert shell.world.hosts["b"].takes_writes
    other_way = shell.run("run", "--to", "a", "--yes")
    assert other_way.exit_code == 1
    assert "is not over" in other_way.output
    on = shell.run("run", "--json", on="b")
    assert json.loads(on.output)["outcome"] == "moved"


def test_a_name_that_points_elsewhere_can_be_taken_with_what_the_operator_has_seen(shell: Shell) -> None:
    shell.names.points_to = ("203.0.113.9",)
    assert "203.0.113.9, not to a (192.0.2.1)" in shell.run("plan").output
    done = shell.run("run", "--yes")
    assert done.exit_code == 1
    assert "points to 203.0.113.9, not to 192.0.2.1" in done.output
    assert shell.world.hosts["b"].takes_writes, "the instance goes on"
    again = shell.run("run", "--yes", "--dns-from", "203.0.113.9", on="b")
    assert again.exit_code == 0, again.output
    assert shell.names.points_to == ("192.0.2.2",)


def test_an_instance_with_one_host_is_told_how_to_get_a_second(shell: Shell) -> None:
    shell.world.record = lambda me: msgspec.structs.replace(World.record(shell.world, me), hosts=())  # type: ignore[method-assign]
    for words in (("plan",), ("run", "--yes"), ("abort",)):
        done = shell.run(*words)
        assert done.exit_code == 1
        assert "`parley host add`" in done.output
    assert "never moved" in shell.run("status").output
    assert "--hold is a time" in shell.run("plan", "--hold", "tomorrow").output


def test_a_move_that_nobody_carries_on_is_seen_by_the_old_host_alone(shell: Shell) -> None:
    killed_in(shell, "fence")
    name, entries = newest_journal(shell.world.hosts["a"].settings)
    assert not is_left_alone("a", entries), "somebody may still be at it"
    with time_travel(timedelta(minutes=2)):
        assert is_left_alone("a", entries)
        assert not is_left_alone("b", entries)
        assert not is_left_alone("a", ())
    shell.run("abort")
    with time_travel(timedelta(minutes=2)):
        assert not is_left_alone("a", read_entries(shell.world.hosts["a"].settings, name))
    assert standing_of(read_entries(shell.world.hosts["a"].settings, name)).outcome == "aborted"
