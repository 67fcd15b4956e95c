"""What a machine must have alike to join, and what is written down for it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.fences import check_fence, sign_fence
from parley.hosting.hosts.joining import MACHINE_OWN, check_empty, differing_settings, instance_settings, write_keys
from parley.hosting.hosts.records import HostState, read_state, write_state
from parley.hosting.hosts.views import Fence
from parley.hosting.standby.seeding import _add_settings
from parley.kit.settings import Settings, load_settings


def test_settings_that_are_missing_are_written_and_read_again(tmp_path: Path) -> None:
    primary = Settings(
        name='Our "place"',
        domain="social.example",
        mail="smtp://u:p@mail.example",
        four_eyes=False,
        max_characters=500,
        other_hosts=("old.example", "media.example"),
        data_dir=tmp_path / "a",
        port=4000,
        metrics_token="x" * 20,
    )
    wanted = instance_settings(primary)
    assert wanted.keys().isdisjoint(MACHINE_OWN)
    file = tmp_path / "parley.toml"
    file.write_text('port = 5000\ndata_dir = "b"')
    here = load_settings({}, file=file)
    missing, otherwise = differing_settings(here, wanted)
    assert otherwise == []
    _add_settings(file, missing)
    assert tomllib.loads(file.read_text())["port"] == 5000
    again = load_settings({}, file=file)
    assert differing_settings(again, wanted) == ({}, [])
    assert (again.name, again.other_hosts, again.four_eyes) == (primary.name, primary.other_hosts, False)


def test_settings_that_are_set_otherwise_are_named(tmp_path: Path) -> None:
    wanted = instance_settings(Settings(domain="social.example", name="One"))
    here = Settings(domain="other.example", name="Two", max_characters=300, port=1)
    _, otherwise = differing_settings(here, wanted)
    assert otherwise == ["name", "domain", "max_characters"]


def test_a_machine_on_which_something_lives_does_not_join(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    check_empty(settings, data_exists=False)
    with pytest.raises(HostError, match="not empty"):
        check_empty(settings, data_exists=True)
    (tmp_path / "signing.key").write_bytes(b"1" * 32)
    with pytest.raises(HostError, match=r"signing\.key"):
        check_empty(settings, data_exists=False)
    with pytest.raises(HostError, match="another instance"):
        write_keys(settings, {"signing.key": b"2" * 32})


def test_keys_that_come_are_written_under_known_names_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    write_keys(settings, {"secret.key": b"a", "../evil": b"b", "parley.toml": b"c"})
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret.key"]
    assert not (tmp_path / "evil").exists()


def test_the_word_of_a_host_cannot_be_changed(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    fence = Fence(
        epoch=2,
        from_host="a",
        to_host="b",
        system_id="1",
        timeline=1,
        shutdown_lsn="0/30",
        media_root="",
        media_position=0,
    )
    signed = sign_fence(settings, fence)
    check_fence(settings, signed)
    for change in ({"epoch": 3}, {"to_host": "c"}, {"shutdown_lsn": "0/20"}, {"signature": ""}, {"signature": "zz"}):
        with pytest.raises(HostError, match="not signed"):
            check_fence(settings, msgspec.structs.replace(signed, **change))


def test_a_state_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    write_state(settings, HostState(role="fenced", epoch=4, to="b"))
    assert read_state(settings) == HostState(role="fenced", epoch=4, to="b")
    (tmp_path / "host-state.json").write_text('{"role": "prim')
    with pytest.raises(HostError, match="before you start"):
        read_state(settings)
