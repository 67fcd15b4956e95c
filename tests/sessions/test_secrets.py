"""The key and what it seals."""

from __future__ import annotations

import base64
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from parley.kit import secrets
from parley.kit.secrets import CannotUnseal, seal, unseal
from parley.kit.settings import Settings, SettingsError


def test_what_is_sealed_is_opened_by_the_same_key_for_the_same_purpose(settings: Settings) -> None:
    sealed = seal(settings, b"secret", purpose="otp")
    assert b"secret" not in sealed and seal(settings, b"secret", purpose="otp") != sealed
    assert unseal(settings, sealed, purpose="otp") == b"secret"
    with pytest.raises(CannotUnseal):
        unseal(settings, sealed, purpose="other")
    other = msgspec.structs.replace(settings, secret_key=base64.b64encode(bytes(32)).decode())
    with pytest.raises(CannotUnseal):
        unseal(other, sealed, purpose="otp")


@pytest.mark.parametrize("cut", [0, 1, 5, 20])
def test_changed_bytes_are_noticed(settings: Settings, cut: int) -> None:
    sealed = seal(settings, b"secret")
    with pytest.raises(CannotUnseal):
        unseal(settings, sealed[:cut])
    changed = bytearray(sealed)
    changed[cut] ^= 1
    with pytest.raises(CannotUnseal):
        unseal(settings, bytes(changed))


def test_the_key_is_made_once_and_is_its_owners_alone(settings: Settings) -> None:
    sealed = seal(settings, b"x")
    file = settings.path("secret.key")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    secrets._key_of.cache_clear()
    assert unseal(settings, sealed) == b"x"


def test_processes_that_start_together_share_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from parley.kit.secrets import _kept_key;"
        "sys.stdin.readline(); print(_kept_key(Path(sys.argv[1])).hex())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "data" / "secret.key")]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=60)[0].strip() for process in started}
    assert len(keys) == 1 and len(keys.pop()) == 64


@pytest.mark.parametrize("key", ["not base64!", base64.b64encode(b"short").decode(), "é"])
def test_a_wrong_key_stops_with_a_sentence(settings: Settings, key: str) -> None:
    with pytest.raises(SettingsError, match="secret_key"):
        seal(msgspec.structs.replace(settings, secret_key=key), b"x")


def test_a_keyed_hash_is_bound_to_its_purpose_and_to_the_instances_key(tmp_path: Path) -> None:
    here, there = [Settings(data_dir=tmp_path / name) for name in ("here", "there")]
    made = secrets.keyed_hash(here, "text", purpose="one")
    assert made == secrets.keyed_hash(here, "text", purpose="one")
    others = {
        secrets.keyed_hash(here, "text", purpose="two"),
        secrets.keyed_hash(here, "tex", purpose="one"),
        secrets.keyed_hash(there, "text", purpose="one"),
    }
    assert made not in others
    assert len(others) == 3
