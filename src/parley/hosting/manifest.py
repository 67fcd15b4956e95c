"""The manifest of a snapshot: what belongs to it, signed. Pure: bytes in, bytes out.

What anybody may read stands in the manifest: which objects there are, with the SHA-256 of each as it is stored, that is
encrypted. So a snapshot can be verified without the key that opens it. Names of files and tables' columns stand in the
index, which is one of those objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from parley.hosting.errors import SnapshotError
from parley.kit.merkle import Tree

FORMAT = 1
FOLDER = "snapshots"
"""Below it each snapshot has a folder with manifest.json and manifest.sig."""

_canonical = msgspec.json.Encoder(order="sorted")


class Stored(msgspec.Struct, frozen=True):
    """One object as it is stored: its name, SHA-256 in hexadecimal, size in bytes."""

    name: str
    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot is made of. `media_root` is the Merkle root over the files as they were, before encryption."""

    format: int
    snapshot: str
    created_at: datetime
    domain: str
    instance_id: str
    program: str
    schema_version: int
    oldest_compatible: int
    recipient: str
    """Public key to which everything is encrypted (age, X25519)."""
    signer: str
    """Public key of the instance (Ed25519, hexadecimal)."""
    index: Stored
    objects: tuple[Stored, ...]
    """Every other object, ordered by name."""
    rows: int
    files: int
    media_root: str

    @property
    def size(self) -> int:
        """Bytes of everything that is stored."""
        return self.index.size + sum(one.size for one in self.objects)


class TableEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One table: its columns in order, how many rows, the SHA-256 of all its rows as text, and where they are."""

    name: str
    columns: tuple[str, ...]
    rows: int
    sha256: str
    parts: tuple[str, ...]
    partition_of: str | None = None
    bound: str | None = None
    """`FOR VALUES FROM ... TO ...`, or DEFAULT."""


class FileEntry(msgspec.Struct, frozen=True):
    """One file: its area and name, SHA-256 and size as it was, when it was written, and the object it is in."""

    area: str
    name: str
    sha256: str
    size: int
    modified_at: datetime
    object: str


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """What only the holder of the recovery key may read."""

    tables: tuple[TableEntry, ...]
    sequences: dict[str, int]
    files: tuple[FileEntry, ...]
    vanished: tuple[str, ...] = ()
    """Files that were deleted while the snapshot was made."""
    settings: dict[str, str]
    """Settings that are not the default, as they would stand in the environment; secrets too."""
    keys: dict[str, str]
    """The instance's own keys, by file name, in base64."""


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes that are signed: JSON with sorted keys."""
    return _canonical.encode(manifest)


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest; raises SnapshotError for anything that is none, or of a format unknown to this program."""
    try:
        version = msgspec.json.decode(data, type=dict[str, object]).get("format")
        if version != FORMAT:
            raise SnapshotError(f"The snapshot has format {version}, this Parley reads {FORMAT}: install a newer one.")
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotError(f"The manifest is damaged: {error}.") from error


def merkle_root(leaves: Iterable[str]) -> str:
    """The root over SHA-256 hashes in hexadecimal, in the order given (RFC 9162, 2.1).
    The root of nothing is the hash of nothing."""
    tree = Tree()
    for leaf in leaves:
        tree.add(bytes.fromhex(leaf))
    return tree.root.hex()
