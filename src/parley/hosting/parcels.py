"""A parcel: files in one zip with a signed list of their hashes, to be checked without any instance."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import IO

import msgspec

from parley.hosting.errors import SnapshotError
from parley.kit.clock import now
from parley.kit.files import CHUNK
from parley.kit.settings import Settings
from parley.kit.signing import is_signed_by, public_key_of, sign

FORMAT = 1
LIST, SIGNATURE = "manifest.json", "manifest.sig"
MOST_LIST_BYTES = 256 * 1024 * 1024

_canonical = msgspec.json.Encoder(order="sorted")


class ParcelError(SnapshotError):
    """A parcel cannot be made or is not what it says; the text says which file is wrong."""


class Entry(msgspec.Struct, frozen=True):
    """One file of a parcel: name, SHA-256 in hexadecimal, size in bytes."""

    name: str
    sha256: str
    size: int


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a parcel, from whom, made when."""

    format: int
    domain: str
    purpose: str
    made_at: datetime
    signer: str
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(one.size for one in self.entries)


def write_parcel(settings: Settings, path: Path, files: Mapping[str, Path | bytes], *, purpose: str) -> Parcel:
    """Write the files into a new zip at `path`. The list is written last; raises ParcelError when `path` exists."""
    entries = []
    try:
        with path.open("xb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            for name in sorted(files):
                content = files[name]
                with archive.open(name, "w", force_zip64=True) as target:
                    if isinstance(content, bytes):
                        target.write(content)
                        entries.append(Entry(name, hashlib.sha256(content).hexdigest(), len(content)))
                    else:
                        with content.open("rb") as source:
                            entries.append(_copy(name, source, target))
            parcel = Parcel(
                format=FORMAT,
                domain=settings.local_domain,
                purpose=purpose,
                made_at=now(),
                signer=public_key_of(settings).hex(),
                entries=tuple(entries),
            )
            encoded = _canonical.encode(parcel)
            archive.writestr(LIST, encoded)
            archive.writestr(SIGNATURE, sign(settings, encoded))
    except FileExistsError as error:
        raise ParcelError(f"{path} is there already: give another name.") from error
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ParcelError(f"{path} cannot be written: {error.strerror}.") from error
    return parcel


def _copy(name: str, source: IO[bytes], target: IO[bytes]) -> Entry:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
        target.write(chunk)
    return Entry(name, digest.hexdigest(), size)


def verify_parcel(path: Path, *, signer: str | None = None) -> Parcel:
    """Read every byte of a parcel; raises ParcelError that names the first file which is not as its list says.

    `signer` is the public key (hexadecimal) that must have signed it; None: the one that it names itself.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(LIST).file_size > MOST_LIST_BYTES:
                raise ParcelError(f"{LIST} in {path} is too large to be one.")
            encoded, signature = archive.read(LIST), archive.read(SIGNATURE)
            parcel = msgspec.json.decode(encoded, type=Parcel)
            key = signer or parcel.signer
            if key != parcel.signer or not is_signed_by(bytes.fromhex(key), signature, encoded):
                raise ParcelError(f"{path} is not signed by {key[:16]}...")
            _compare(archive, parcel)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, msgspec.DecodeError) as error:
        raise ParcelError(f"{path} is damaged or no such file: {error}") from error
    return parcel


def _compare(archive: zipfile.ZipFile, parcel: Parcel) -> None:
    found = {info.filename: info for info in archive.infolist()}
    more = found.keys() - {one.name for one in parcel.entries} - {LIST, SIGNATURE}
    if more:
        raise ParcelError(f"{min(more)} is not in the list of the parcel: somebody has added it.")
    for entry in parcel.entries:
        if entry.name not in found:
            raise ParcelError(f"{entry.name} is missing.")
        digest, size = hashlib.sha256(), 0
        with archive.open(found[entry.name]) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                if size > entry.size:
                    break
        if size != entry.size or digest.hexdigest() != entry.sha256:
            raise ParcelError(f"{entry.name} is not the file that was packed.")
