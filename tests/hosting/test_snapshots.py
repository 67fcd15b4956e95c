"""A snapshot holds everything, opens only with its key, and is restored whole or not at all."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from parley.hosting.errors import SnapshotError
from parley.hosting.making import create_snapshot, list_snapshots
from parley.hosting.manifest import FOLDER, Manifest, decode_manifest, encode_manifest, merkle_root
from parley.hosting.places import open_place
from parley.hosting.restoring import restore_snapshot
from parley.hosting.sealing import KEY_FILE, read_identity
from parley.hosting.verifying import verify_snapshot
from parley.kit.db import connect
from parley.kit.secrets import seal
from parley.kit.settings import Settings
from parley.kit.signing import public_key_of, sign
from parley.safety.log.exporting import export_log
from parley.safety.log.opening import open_value
from parley.safety.log.views import system
from tests.conftest import World, copied_database, open_world
from tests.media.helpers import body, processed
from tests.safety.auditing import assert_audit_holds
from tools import parley_verify


def photo(colour: str) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((320, 240), 60).convert("RGB").save(file, "JPEG")
    Image.new("RGB", (320, 240), colour).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
async def filled(world: World) -> World:
    """An instance in use: posts, a picture, a follow, a report, something in the queue."""
    media = await processed(world, photo("red"))
    await world.account("bob")
    await world.post("alice", "With a picture, tab\there, \\N and a line\nbreak ✓", media_ids=[media["id"]])
    await world.follow("bob", "alice")
    status = await world.post("alice", "Second post about #gardens")
    answer = await (await world.client("bob")).post(
        "/api/v1/reports", json={"account_id": str(world.ids["alice"]), "status_ids": [status["id"]], "comment": "rude"}
    )
    assert answer.status_code == 200, answer.text
    seal(world.settings, b"makes the key", purpose="test")
    return world


class Saved(msgspec.Struct):
    """A snapshot of `world` in `folder`, and the key that opens it."""

    world: World
    folder: Path
    key: str
    manifest: Manifest


@pytest.fixture
async def saved(filled: World, dsn: str, tmp_path: Path) -> Saved:
    folder = tmp_path / "place"
    made = await create_snapshot(filled.settings, dsn, str(folder))
    assert made.key_file is not None
    return Saved(filled, folder, made.key_file.read_text(), made.manifest)


def new_home(saved: Saved, dsn: str, tmp_path: Path, **other: Any) -> Settings:
    """Settings of an empty machine."""
    home = tmp_path / "elsewhere"
    return msgspec.structs.replace(saved.world.settings, data_dir=home, database_url=dsn, **other)


@contextmanager
def as_set(settings: Settings) -> Iterator[str]:
    yield settings.database_url


@pytest.fixture
async def empty_dsn(postgres: str, template: str) -> AsyncIterator[str]:
    async with copied_database(postgres, template) as address:
        yield address


async def restore(saved: Saved, home: Settings, **options: Any) -> Any:
    identity = options.pop("identity", None) or read_identity(saved.key.strip().splitlines()[-1])
    return await restore_snapshot(home, as_set, str(saved.folder), identity=identity, **options)


async def test_a_restored_instance_answers_as_the_old_one_did(saved: Saved, empty_dsn: str, tmp_path: Path) -> None:
    old = saved.world
    posts = (await old.anonymous.get(f"/api/v1/accounts/{old.ids['alice']}/statuses")).json()
    picture = next(post for post in posts if post["media_attachments"])["media_attachments"][0]
    bytes_before = await body(old, picture["url"])
    home = new_home(saved, empty_dsn, tmp_path)
    done = await restore(saved, home)
    assert done.rows == saved.manifest.rows > 20
    assert done.vanished == 0
    async with open_world(home, empty_dsn) as new:
        again = (await new.anonymous.get(f"/api/v1/accounts/{old.ids['alice']}/statuses")).json()
        assert again == posts
        assert await body(new, picture["url"]) == bytes_before
        new.ids = dict(old.ids)
        client = await old.client("bob")
        headers = {"authorization": client.headers["authorization"]}
        mine = await new.anonymous.get("/api/v1/accounts/verify_credentials", headers=headers)
        assert mine.json()["username"] == "bob", "tokens go on being good"
        more = await new.post("alice", "and life goes on")
        assert int(more["id"]) > max(int(post["id"]) for post in posts)
    assert home.path("secret.key").read_bytes() == old.settings.path("secret.key").read_bytes()
    assert public_key_of(home) == public_key_of(old.settings)


async def test_every_table_has_the_same_rows_and_the_schema_its_constraints(
    saved: Saved, dsn: str, empty_dsn: str, tmp_path: Path
) -> None:
    before = await shape_of(empty_dsn)
    await restore(saved, new_home(saved, empty_dsn, tmp_path))
    assert await shape_of(empty_dsn) == before, "constraints, indexes and triggers are all back"
    restored, saved_rows = await contents_of(empty_dsn), await contents_of(dsn)
    changed = {name for name in saved_rows if restored[name] != saved_rows[name]}
    assert changed == {"parley_meta", "hosting_records"}, "it says that it was restored, and begins a new epoch"
    assert await epoch_of(empty_dsn) == await epoch_of(dsn) + 1


async def test_the_moderation_log_holds_in_its_new_home_and_hidden_words_are_still_proved(
    saved: Saved, empty_dsn: str, tmp_path: Path
) -> None:
    old = saved.world
    export = tmp_path / "log.jsonl"
    await export_log(old.instance.db, old.settings, export)
    home = new_home(saved, empty_dsn, tmp_path)
    await restore(saved, home)
    await assert_audit_holds(empty_dsn)
    async with open_world(home, empty_dsn) as new, new.instance.db.write() as tx:
        report = await tx.fetchval("SELECT id FROM reports")
        opened = msgspec.to_builtins(await open_value(tx, system("test"), "reports", report, "comment"))
    assert opened["value"] == "rude"
    assert not parley_verify.verify(str(export), values=[opened]).problems, "against the log of before"


async def epoch_of(dsn: str) -> int:
    connection = await connect(dsn)
    try:
        return int(await connection.fetchval("SELECT epoch FROM parley_meta"))
    finally:
        await connection.close()


async def shape_of(dsn: str) -> list[str]:
    connection = await connect(dsn)
    try:
        rows = await connection.fetch(
            """
            SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || convalidated
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace
            UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
            UNION ALL SELECT concat_ws(' ', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
            ORDER BY 1
            """
        )
    finally:
        await connection.close()
    return [row[0] for row in rows]


CONTENTS = """SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} t"""


async def contents_of(dsn: str) -> dict[str, Any]:
    connection = await connect(dsn)
    try:
        names = await connection.fetch(
            """SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
               AND relpersistence = 'p' ORDER BY 1"""
        )
        return {name: await connection.fetchval(CONTENTS.format(name)) for (name,) in names}
    finally:
        await connection.close()


async def test_nothing_that_is_stored_can_be_read_without_the_key(saved: Saved) -> None:
    everything = b"".join(path.read_bytes() for path in saved.folder.rglob("*") if path.is_file())
    assert b"gardens" not in everything
    assert b"alice@example.org" not in everything
    assert saved.world.settings.path("secret.key").read_bytes() not in everything
    other = tmp_identity()
    with pytest.raises(SnapshotError, match="cannot be opened with this recovery key"):
        await verify_snapshot(str(saved.folder), scratch=saved.folder.parent, identity=other)


def tmp_identity() -> Any:
    from pyrage import x25519

    return x25519.Identity.generate()


async def test_verifying_reads_everything_with_and_without_the_key(saved: Saved, tmp_path: Path) -> None:
    without = await verify_snapshot(str(saved.folder), scratch=tmp_path)
    assert not without.opened
    assert without.objects == len(saved.manifest.objects) + 1
    identity = read_identity(saved.key.strip().splitlines()[-1])
    opened = await verify_snapshot(str(saved.folder), scratch=tmp_path, identity=identity, signer=saved.manifest.signer)
    assert opened.opened


async def test_a_flipped_bit_anywhere_is_named(saved: Saved, tmp_path: Path) -> None:
    for one in (saved.manifest.index, *saved.manifest.objects):
        path = saved.folder / one.name
        good = path.read_bytes()
        middle = len(good) // 2
        path.write_bytes(good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :])
        with pytest.raises(SnapshotError, match=one.sha256):
            await verify_snapshot(str(saved.folder), scratch=tmp_path)
        path.write_bytes(good)
    await verify_snapshot(str(saved.folder), scratch=tmp_path)


async def test_damage_leaves_nothing_half_restored(saved: Saved, empty_dsn: str, tmp_path: Path) -> None:
    home = new_home(saved, empty_dsn, tmp_path)
    for number, (damage, sentence) in enumerate(
        (
            (lambda path: path.unlink(), "is missing"),
            (lambda path: path.write_bytes(path.read_bytes()[:-7]), "bytes instead of"),
            (lambda path: path.write_bytes(b"x" * path.stat().st_size), "at least one byte was changed"),
        )
    ):
        victim = saved.folder / saved.manifest.objects[-1 - number].name
        good = victim.read_bytes()
        damage(victim)
        with pytest.raises(SnapshotError, match=sentence):
            await restore(saved, home)
        victim.write_bytes(good)
        connection = await connect(empty_dsn)
        assert await connection.fetchval("SELECT count(*) FROM accounts") == 0
        await connection.close()
        left = [path.name for path in home.path().rglob("*") if path.is_file()]
        assert left == ["parley.lock"]
    await restore(saved, home)


async def test_a_changed_manifest_another_signer_and_another_key_are_refused(
    saved: Saved, empty_dsn: str, tmp_path: Path
) -> None:
    home = new_home(saved, empty_dsn, tmp_path)
    with pytest.raises(SnapshotError, match="signed by another instance"):
        await restore(saved, home, signer="00" * 32)
    with pytest.raises(SnapshotError, match="cannot be opened with this recovery key"):
        await restore(saved, home, identity=tmp_identity())
    path = saved.folder / FOLDER / saved.manifest.snapshot / "manifest.json"
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"rows":', b'"rows":1'))
    with pytest.raises(SnapshotError, match="its signature does not fit"):
        await restore(saved, home)
    path.write_bytes(good)


def sign_anew(saved: Saved, **changes: Any) -> None:
    folder = saved.folder / FOLDER / saved.manifest.snapshot
    encoded = encode_manifest(msgspec.structs.replace(saved.manifest, **changes))
    (folder / "manifest.json").write_bytes(encoded)
    (folder / "manifest.sig").write_bytes(sign(saved.world.settings, encoded))


async def test_a_newer_schema_format_or_another_domain_is_refused(saved: Saved, empty_dsn: str, tmp_path: Path) -> None:
    home = new_home(saved, empty_dsn, tmp_path)
    sign_anew(saved, schema_version=9999, oldest_compatible=9999)
    with pytest.raises(SnapshotError, match="this program knows schemas up to"):
        await restore(saved, home)
    sign_anew(saved, format=2)
    with pytest.raises(SnapshotError, match="install a newer one"):
        await restore(saved, home)
    sign_anew(saved)
    with pytest.raises(SnapshotError, match="members' addresses cannot change"):
        await restore(saved, msgspec.structs.replace(home, domain="other.localhost:3000"))


async def test_what_is_in_use_is_never_restored_over(saved: Saved, dsn: str, tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="is not empty"):
        await restore(saved, saved.world.settings)
    with pytest.raises(SnapshotError, match="The database is not empty"):
        await restore(saved, new_home(saved, dsn, tmp_path))


async def test_the_next_snapshot_copies_only_what_is_new_and_old_ones_go(
    saved: Saved, dsn: str, tmp_path: Path
) -> None:
    world = saved.world
    files_before = {one.sha256 for one in saved.manifest.objects}
    await world.post("alice", "a third post")
    second = await create_snapshot(world.settings, dsn, str(saved.folder), keep=2)
    assert second.key_file is None
    assert second.manifest.recipient == saved.manifest.recipient
    again = {one.sha256 for one in second.manifest.objects}
    assert len(files_before & again) == saved.manifest.files, "no file was copied twice"
    third = await create_snapshot(world.settings, dsn, str(saved.folder), keep=1)
    assert third.removed == 2
    assert await list_snapshots(open_place(str(saved.folder))) == [third.manifest.snapshot]
    stored = {str(path.relative_to(saved.folder)) for path in (saved.folder / "objects").rglob("*") if path.is_file()}
    assert stored == {third.manifest.index.name, *(one.name for one in third.manifest.objects)}
    identity = read_identity(saved.key.strip().splitlines()[-1])
    await verify_snapshot(str(saved.folder), scratch=tmp_path, identity=identity)


async def test_what_was_not_finished_is_no_snapshot(saved: Saved, tmp_path: Path) -> None:
    (saved.folder / FOLDER / saved.manifest.snapshot / "manifest.json").unlink()
    with pytest.raises(SnapshotError, match="There is no whole snapshot"):
        await verify_snapshot(str(saved.folder), scratch=tmp_path)


def test_the_recovery_key_is_read_by_its_owner_alone(saved: Saved) -> None:
    assert saved.world.settings.path(KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_the_merkle_root_is_that_of_rfc_6962() -> None:
    """Known answers of certificate-transparency's own tests, over leaves that are themselves hashes."""
    assert merkle_root([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    leaves = [f"{number:064x}" for number in range(7)]
    assert merkle_root(leaves) == plain_root([bytes.fromhex(leaf) for leaf in leaves]).hex()


def plain_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, word for word."""
    from hashlib import sha256

    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + plain_root(leaves[:split]) + plain_root(leaves[split:])).digest()


def test_a_manifest_survives_being_read(saved: Saved) -> None:
    assert decode_manifest(encode_manifest(saved.manifest)) == saved.manifest
