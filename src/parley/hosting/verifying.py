"""Finding a snapshot and proving that it is whole and ours: the signature, and every byte of every object.

Reading nothing but the manifest needs no key. With the recovery key everything is opened too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from parley.hosting.dumping import Progress, Tally
from parley.hosting.errors import SnapshotError
from parley.hosting.loading import Reading, check_versions, fetch_checked
from parley.hosting.making import KEYS, list_snapshots
from parley.hosting.manifest import FOLDER, Index, Manifest, decode_manifest, merkle_root
from parley.hosting.places import Place, open_place
from parley.kit.files import AREAS, CHUNK, is_kept_name
from parley.kit.signing import KEY_FILE, is_signed_by, public_key_in

if TYPE_CHECKING:
    from pyrage import x25519


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about a snapshot. `opened`: it was also decrypted and compared with its index."""

    manifest: Manifest
    objects: int
    size: int
    opened: bool


async def find_snapshot(url: str, name: str | None, *, signer: str | None) -> tuple[Place, Manifest]:
    """The snapshot `name` at `url`, or the newest one, with its signature checked.

    `signer` is the public key (hexadecimal) that must have signed it; None: the one that the manifest itself names,
    which proves that nothing was damaged, but not who made it. Raises SnapshotError.
    """
    place = open_place(url)
    if name is None:
        names = await list_snapshots(place)
        if not names:
            raise SnapshotError(f"There is no whole snapshot in {place.url}.")
        name = names[-1]
    encoded = await place.get(f"{FOLDER}/{name}/manifest.json")
    signature = await place.get(f"{FOLDER}/{name}/manifest.sig", limit=1024)
    manifest = decode_manifest(encoded)
    if signer is not None and manifest.signer != signer:
        raise SnapshotError(
            f"The snapshot was signed by another instance ({manifest.signer[:16]}...), not by {signer[:16]}..."
        )
    if not is_signed_by(bytes.fromhex(manifest.signer), signature, encoded):
        raise SnapshotError(f"The manifest of {name} was changed: its signature does not fit.")
    return place, manifest


async def read_index(reading: Reading) -> Index:
    """Open the index with the recovery key; raises SnapshotError."""
    manifest = reading.manifest
    path = reading.scratch / "index"
    await reading.open(manifest.index.name, path, compressed=True)
    try:
        index = msgspec.json.decode(path.read_bytes(), type=Index)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"The index is damaged: {error}.") from error
    finally:
        path.unlink(missing_ok=True)
    if merkle_root(one.sha256 for one in index.files) != manifest.media_root:
        raise SnapshotError("The list of files is not the one that was signed.")
    return index


def check_index(manifest: Manifest, index: Index) -> None:
    """Raise SnapshotError when the snapshot holds something that this program cannot put where it belongs."""
    for name in index.keys:
        if name not in KEYS:
            raise SnapshotError(f"This Parley knows no key {name}. Install a newer one.")
    for file in index.files:
        if file.area not in AREAS:
            raise SnapshotError(f"This Parley knows no area {file.area} of files. Install a newer one.")
        if not is_kept_name(file.area, file.name):
            raise SnapshotError(
                f"This Parley knows no file names such as {file.area}/{file.name}. Install a newer one."
            )
    try:
        keys = {name: base64.b64decode(text, validate=True) for name, text in index.keys.items()}
        own = public_key_in(keys[KEY_FILE]).hex()
    except (KeyError, ValueError, binascii.Error) as error:
        raise SnapshotError("The snapshot has no signing key of its instance: it is damaged.") from error
    if own != manifest.signer:
        raise SnapshotError(
            f"The snapshot is signed by {manifest.signer[:16]}..., and the instance in it has the key {own[:16]}...: "
            "somebody else signed it. Take one that the instance itself has made."
        )


async def verify_snapshot(
    url: str,
    *,
    scratch: Path,
    name: str | None = None,
    signer: str | None = None,
    identity: x25519.Identity | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Read every byte of a snapshot; raises SnapshotError that names the first object that is not right."""
    place, manifest = await find_snapshot(url, name, signer=signer)
    stored = (manifest.index, *manifest.objects)
    tally = Tally(progress, manifest.size * (2 if identity else 1))
    for one in stored:
        await fetch_checked(place, one, None)
        tally.add(one.size)
    if identity is not None:
        with tempfile.TemporaryDirectory(dir=scratch, prefix="verify-") as folder:
            await _open_everything(Reading(place, manifest, identity, Path(folder), tally))
    return Verified(manifest=manifest, objects=len(stored), size=manifest.size, opened=identity is not None)


async def _open_everything(reading: Reading) -> None:
    check_versions(reading.manifest)
    index = await read_index(reading)
    check_index(reading.manifest, index)
    path = reading.scratch / "plain"
    for table in index.tables:
        digest = hashlib.sha256()
        for part in table.parts:
            await reading.open(part, path, compressed=True)
            _add_file(digest, path)
            reading.tally.add(reading.find(part).size)
        if digest.hexdigest() != table.sha256:
            raise SnapshotError(f"The rows of {table.name} are not those that were saved: the snapshot is damaged.")
    for file in index.files:
        await reading.open(file.object, path, compressed=False)
        check_file(path, file.sha256, f"{file.area}/{file.name}")
        reading.tally.add(file.size)


def check_file(path: Path, sha256: str, label: str) -> None:
    """Raise SnapshotError when a file that was opened is not the one that was saved."""
    digest = hashlib.sha256()
    _add_file(digest, path)
    if digest.hexdigest() != sha256:
        raise SnapshotError(f"The file {label} is not the one that was saved: the snapshot is damaged.")


def _add_file(digest: hashlib._Hash, path: Path) -> None:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
