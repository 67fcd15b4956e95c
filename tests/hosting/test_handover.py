"""What is handed over can be checked without an instance, and says so when it was touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from parley.hosting.parcels import ParcelError, verify_parcel, write_parcel
from parley.kit.settings import Settings
from parley.kit.signing import public_key_of


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Take the zip apart, change its files, and put it together again."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


@pytest.fixture
def parcel(settings: Settings, tmp_path: Path) -> Path:
    large = tmp_path / "large"
    large.write_bytes(os.urandom(3_000_000))
    path = tmp_path / "parcel.zip"
    write_parcel(settings, path, {"a/small.txt": b"small", "b/large.bin": large, "c": b"end"}, purpose="test")
    return path


def test_a_parcel_is_whole_until_somebody_touches_it(parcel: Path, settings: Settings) -> None:
    found = verify_parcel(parcel, signer=public_key_of(settings).hex())
    assert [one.name for one in found.entries] == ["a/small.txt", "b/large.bin", "c"]
    assert found.size == 3_000_008


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: files.update({"a/small.txt": b"smell"}), "a/small.txt is not the file"),
        (lambda files: files.update({"c": b"end and more"}), "c is not the file"),
        (lambda files: files.pop("c"), "c is missing"),
        (lambda files: files.update({"d": b"more"}), "d is not in the list"),
        (
            lambda files: files.update({"manifest.json": files["manifest.json"].replace(b'"c"', b'"e"')}),
            "not signed by",
        ),
        (lambda files: files.pop("manifest.sig"), "is damaged"),
    ],
)
def test_every_change_is_named(parcel: Path, change: Callable[[dict[str, bytes]], None], said: str) -> None:
    rewrite(parcel, change)
    with pytest.raises(ParcelError, match=said):
        verify_parcel(parcel)


def test_another_signer_no_zip_and_an_existing_file_are_refused(
    parcel: Path, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(ParcelError, match="not signed by 00000000"):
        verify_parcel(parcel, signer="00" * 32)
    (tmp_path / "no.zip").write_bytes(b"no zip")
    with pytest.raises(ParcelError, match="damaged or no such file"):
        verify_parcel(tmp_path / "no.zip")
    with pytest.raises(ParcelError, match="is there already"):
        write_parcel(settings, parcel, {}, purpose="test")


def test_a_whole_instance_is_handed_over_and_lives_on_elsewhere(tmp_path: Path) -> None:
    """Pack, check, check the log without Parley, restore from what was packed: as a new host would."""

    def run(home: str, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PARLEY_DATA_DIR": str(tmp_path / home)}
        command = [sys.executable, *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=170, check=False)
        assert done.returncode == 0, done.stderr
        return done

    tmp_path.chmod(0o755)
    parley = ("-m", "parley.cli")
    owner = ("account", "create", "olga", "--email", "o@example.org", "--password", "correct horse battery staple")
    run("old", *parley, *owner, "--role", "owner")
    file = tmp_path / "handover.zip"
    packed = json.loads(run("old", *parley, "handover", "pack", "--to", str(file), "--json").stdout)
    assert packed["snapshot"]
    checked = json.loads(
        run("nowhere", *parley, "handover", "verify", str(file), "--signer", packed["signer"], "--json").stdout
    )
    assert checked["ok"]
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path / "got")
        names = archive.namelist()
        everything = b"".join(archive.read(name) for name in names)
    assert "policy/clauses.yaml" in names
    assert "holding/index.html" in names
    assert b"AGE-SECRET-KEY" not in everything, "the key is never packed"
    audit = tmp_path / "got" / "audit"
    checked_alone = run("nowhere", "-I", str(audit / "parley_verify.py"), str(audit / "log.jsonl.gz"))
    assert "ok:" in checked_alone.stdout
    key = packed["recovery_key_file"]
    snapshot = str(tmp_path / "got" / "snapshot")
    restored = json.loads(run("new", *parley, "snapshot", "restore", "--from", snapshot, "--key", key, "--json").stdout)
    assert restored["rows"] > 0
    token = json.loads(run("new", *parley, "token", "create", "olga", "--json").stdout)
    assert token["username"] == "olga"
