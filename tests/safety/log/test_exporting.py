"""What is handed out of the log is checked by one file of plain Python, which needs nothing of ours."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.kit.merkle import Prover, Tree, is_proved, leaf_hash, node_hash
from parley.kit.signing import fingerprint_of, public_key_of, sign
from parley.safety.log.checkpoints import make_checkpoint
from parley.safety.log.exporting import export_log
from tests.conftest import World
from tests.safety.log.scenes import go_on, make_log
from tests.shape.source import ROOT
from tools import parley_verify

PROGRAM = ROOT / "tools" / "parley_verify.py"


def _run(path: Path, *arguments: str) -> tuple[int, str]:
    """The program by itself: without our packages, our folder, or anything that is installed."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(path.with_name(PROGRAM.name)), str(path), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


async def _export(world: World, folder: Path, name: str = "log.jsonl") -> Path:
    await make_log(world)
    await make_checkpoint(world.instance.db, world.settings)
    await go_on(world)
    path = folder / name
    await export_log(world.instance.db, world.settings, path)
    return path


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz"])
async def test_an_export_is_checked_without_us(world: World, tmp_path: Path, name: str) -> None:
    path = await _export(world, tmp_path, name)
    fingerprint = fingerprint_of(public_key_of(world.settings))
    code, said = _run(path, "--key", fingerprint)
    assert code == 0, said
    assert "1 earlier heads are part of it" in said
    assert f"with the key {fingerprint}" in said
    assert _run(path, "--key", "0" * 64)[0] == 1
    whole = gzip.decompress(path.read_bytes()) if name.endswith("gz") else path.read_bytes()
    assert whole.startswith(b'{"kind":"parley moderation log"')
    assert not list(tmp_path.glob(".*")), "no draft is left"


async def test_it_holds_against_a_head_that_was_got_from_the_instance(world: World, tmp_path: Path) -> None:
    path = await _export(world, tmp_path)
    page = await world.anonymous.get("/.well-known/parley-checkpoints")
    assert page.status_code == 200
    kept = tmp_path / "kept.json"
    kept.write_text(page.text)
    code, said = _run(path, "--checkpoint", str(kept))
    assert code == 0, said
    read = page.json()
    told = json.loads(read["checkpoints"][0]["signed"])
    kept.write_text(json.dumps({"seq": told["seq"], "hash": "0" * 64}))
    assert _run(path, "--checkpoint", str(kept))[0] == 1
    key = (await world.anonymous.get("/.well-known/parley-key")).json()
    assert key["public_key"] == read["checkpoints"][0]["public_key"]
    assert key["fingerprint"] == fingerprint_of(public_key_of(world.settings))
    assert (await world.anonymous.get("/.well-known/parley-checkpoints?before=x")).status_code == 400
    older = (await world.anonymous.get(f"/.well-known/parley-checkpoints?before={told['seq']}")).json()
    assert older == {"checkpoints": []}
    program = await world.anonymous.get("/.well-known/parley_verify.py")
    assert program.content == PROGRAM.read_bytes()


Lines = list[dict[str, Any]]


def _resign(lines: Lines, world: World, **changes: Any) -> None:
    """What whoever holds the key could do."""
    signed = json.dumps({**json.loads(lines[-1]["signed"]), **changes}, sort_keys=True)
    lines[-1]["signed"], lines[-1]["signature"] = signed, sign(world.settings, signed.encode()).hex()


def _change_body(lines: Lines, world: World) -> None:
    lines[3]["body"] = lines[3]["body"].replace("spam", "ham").replace("1", "2")


def _change_row(lines: Lines, world: World) -> None:
    """An entry changed, and everything after it chained and signed anew: the signed tables still differ."""
    last = b""
    tree = Tree()
    for entry in lines[1:-1]:
        if '"table": "case_notes"' in entry["body"]:
            body = json.loads(entry["body"])
            body["row"]["written_by"] = 1
            entry["body"] = json.dumps(body)
        last = parley_verify.link(last, entry["seq"], entry["id"], entry["body"])
        entry["hash"] = last.hex()
        tree.add(last)
    _resign(lines, world, hash=last.hex(), root=tree.root.hex())
    lines[0]["checkpoints"], lines[-1]["checkpoints"] = [], []


FORGERIES: dict[str, Callable[[Lines, World], Any]] = {
    "a changed entry": _change_body,
    "a removed entry": lambda lines, world: lines.pop(4),
    "swapped entries": lambda lines, world: lines.insert(4, lines.pop(5)),
    "an entry put in": lambda lines, world: lines.insert(4, {**lines[4], "id": "1"}),
    "a cut tail": lambda lines, world: lines.pop(-2),
    "no end": lambda lines, world: lines.pop(-1),
    "another head": lambda lines, world: _resign(lines, world, hash="0" * 64),
    "another root": lambda lines, world: _resign(lines, world, root="0" * 64),
    "another signature": lambda lines, world: lines[-1].update(signature="0" * 128),
    "a forged checkpoint": lambda lines, world: lines[-1]["checkpoints"][0].update(signature="0" * 128),
    "a changed row, chained and signed anew": _change_row,
    "another table": lambda lines, world: _resign(lines, world, tables={}),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_changed_export_is_refused(world: World, tmp_path: Path, name: str) -> None:
    path = await _export(world, tmp_path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    FORGERIES[name](lines, world)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert parley_verify.verify(str(path)).problems


@pytest.mark.parametrize(
    "text", ["", "no json", '{"kind": "something else"}\n', '{"kind":"parley moderation log","format":9}']
)
def test_what_cannot_be_read_is_said_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text(text)
    path.with_name(PROGRAM.name).write_bytes(PROGRAM.read_bytes())
    code, said = _run(path)
    assert code == 2
    assert said.startswith("CANNOT BE READ")


@settings(max_examples=25, deadline=None)
@given(message=st.binary(max_size=200), flip=st.integers(0, 64 * 8 - 1))
def test_its_ed25519_agrees_with_the_library(message: bytes, flip: int) -> None:
    key = Ed25519PrivateKey.generate()
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert parley_verify.is_signed(public, signature, message)
    assert not parley_verify.is_signed(public, signature, message + b"x")
    bad = (int.from_bytes(signature, "big") ^ (1 << flip)).to_bytes(64, "big")
    assert not parley_verify.is_signed(public, bad, message)
    # A signature whose second half is not reduced is refused (RFC 8032, 5.1.7).
    larger = int.from_bytes(signature[32:], "little") + parley_verify.ORDER
    if larger < 2**256:
        assert not parley_verify.is_signed(public, signature[:32] + larger.to_bytes(32, "little"), message)


def test_its_ed25519_knows_the_vectors_of_the_standard() -> None:
    """RFC 8032, 7.1, TEST 3."""
    public = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert parley_verify.is_signed(public, signature, bytes.fromhex("af82"))
    assert not parley_verify.is_signed(public, signature, bytes.fromhex("af83"))


def _path(leaves: list[bytes], index: int) -> list[bytes]:
    """RFC 9162, 2.1.3.1, as it is written there."""
    if len(leaves) == 1:
        return []
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < split:
        return [*_path(leaves[:split], index), _root(leaves[split:])]
    return [*_path(leaves[split:], index - split), _root(leaves[:split])]


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(_root(leaves[:split]), _root(leaves[split:]))


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 70), data=st.data())
def test_proofs_are_those_of_the_standard_and_prove_nothing_else(count: int, data: st.DataObject) -> None:
    hashes = [bytes([number]) * 32 for number in range(count)]
    wanted = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=5))
    tree, outside = Tree(), parley_verify.Tree()
    for one in hashes:
        tree.add(one)
        outside.add(one)
    leaves = [leaf_hash(one) for one in hashes]
    assert tree.root == outside.root() == _root(leaves)
    prover = Prover(wanted)
    for one in hashes:
        prover.add(one)
    for index, path in prover.finish().items():
        assert path == _path(leaves, index)
        for prove in (is_proved, parley_verify.is_in_tree):
            assert prove(hashes[index], index, count, path, tree.root)
            assert not prove(b"x" * 32, index, count, path, tree.root)
            assert not prove(hashes[index], (index + 1) % count, count, path, tree.root) or count == 1
    grown = Tree(tree.count, tree.peaks)
    grown.add(b"y" * 32)
    assert grown.root == _root([*leaves, leaf_hash(b"y" * 32)])
