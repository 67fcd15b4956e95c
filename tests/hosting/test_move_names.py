"""The DNS's part of a move, on a real name server: changed once, from what was expected, and waited for honestly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from parley.hosting.dns import NamesError, StaleName, ask_server, point_name, read_addresses, read_door
from parley.hosting.moves.names import RealNames, names_of, wait_until_seen_everywhere
from parley.kit.settings import Settings
from tests.hosting.names import ZONE, knot_server

OLD = ("192.0.2.1", "2001:db8::1")
NEW = ("198.51.100.7",)


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealNames]:
    monkeypatch.setattr("parley.hosting.moves.names.AUTHORITY_SECONDS", 0.2)  # the world knows no such zone
    with knot_server(tmp_path / "knot") as door:
        yield RealNames(Settings(domain=ZONE, data_dir=tmp_path, dns=door))


async def test_the_name_is_changed_once_and_again_changes_nothing(names: RealNames) -> None:
    assert (await names.current()).all == OLD
    assert await names.not_seen(NEW) == ["127.0.0.1"]
    done = await names.flip(NEW, OLD)
    assert (done["from"], done["to"], done["ttl"]) == (list(OLD), list(NEW), 60)
    assert await names.not_seen(NEW) == []
    again = await names.flip(NEW, OLD)
    assert again["was"] == "there already"


async def test_a_name_that_somebody_else_changed_is_left_and_the_sentence_says_how_to_go_on(
    names: RealNames, tmp_path: Path
) -> None:
    door = read_door(names._settings.dns)
    await point_name(door, ZONE, read_addresses(["203.0.113.5"]))
    with pytest.raises(StaleName, match=r"--dns-from '203\.0\.113\.5'"):
        await names.flip(NEW, OLD)
    assert (await ask_server(ZONE, door.server, door.port)).all == ("203.0.113.5",)
    await names.flip(NEW, ("203.0.113.5",))
    assert (await names.current()).all == NEW


async def test_without_a_way_to_change_it_people_are_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.hosting.moves.names.AUTHORITY_SECONDS", 0.2)
    alone = names_of(Settings(domain="nowhere.invalid", data_dir=tmp_path))
    assert alone is not None
    with pytest.raises(NamesError, match="cannot be found"):
        await alone.current()
    assert names_of(Settings(domain="localhost:3000", data_dir=tmp_path)) is None


async def test_the_old_answer_is_waited_out_to_its_last_second(names: RealNames) -> None:
    door, said = read_door(names._settings.dns), list[str]()
    await point_name(door, ZONE, read_addresses(OLD), ttl=2)
    done = await names.flip(NEW, OLD)
    began = time.time()
    await wait_until_seen_everywhere(names, NEW, ttl=done["ttl"], since=began, tell=said.append, seconds=5)
    assert 1.9 < time.time() - began < 4
    assert said[0] == "old answers are forgotten in 2 s"
    late = await wait_until_seen_everywhere(names, NEW, ttl=2, since=began - 60, tell=said.append, seconds=5)
    assert late < 1, "taken up again later, nothing is left to wait for"
    with pytest.raises(NamesError, match="do not show the change"):
        await wait_until_seen_everywhere(names, OLD, ttl=0, since=began, tell=said.append, seconds=0.5)
