"""Encryption of snapshots to the operator's recovery key: age (https://age-encryption.org/v1), by pyrage.

The instance knows the public half only. The private half is written once into a file that the operator must carry
away; whoever has it and the snapshot has everything.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from parley.hosting.errors import SnapshotError
from parley.hosting.manifest import Stored
from parley.kit.settings import Settings

if TYPE_CHECKING:
    from pyrage import x25519

KEY_FILE = "recovery.key"
PUBLIC_FILE = "recovery.pub"
LEVEL = 3
"""Of zstd: as fast as one core encrypts."""


def recovery_recipient(settings: Settings) -> tuple[str, Path | None]:
    """The public recovery key; made with its private half when there is none, and then where that was written."""
    public = settings.path(PUBLIC_FILE)
    if settings.snapshot_recipient:
        return check_recipient(settings.snapshot_recipient), None
    if public.exists():
        return check_recipient(public.read_text().strip()), None
    from pyrage import x25519

    identity = x25519.Identity.generate()
    recipient = str(identity.to_public())
    private = settings.path(KEY_FILE)
    text = f"# Recovery key of {settings.local_domain}. Keep it away from this machine.\n# {recipient}\n{identity}\n"
    private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    public.write_text(recipient + "\n")
    return recipient, private


def check_recipient(text: str) -> str:
    """A public recovery key as it should be written; raises SnapshotError."""
    from pyrage import RecipientError, x25519

    try:
        return str(x25519.Recipient.from_str(text.strip()))
    except RecipientError as error:
        raise SnapshotError("The recovery recipient is not an age public key (age1...).") from error


def read_identity(source: str) -> x25519.Identity:
    """The private recovery key from a file, or from the text itself (AGE-SECRET-KEY-1...); raises SnapshotError."""
    from pyrage import IdentityError, x25519

    text = source.strip()
    if not text.upper().startswith("AGE-SECRET-KEY-"):
        path = Path(text).expanduser()
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise SnapshotError(f"The recovery key cannot be read from {path}.") from error
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        return x25519.Identity.from_str(lines[0])
    except (IndexError, IdentityError) as error:
        raise SnapshotError("That is not a recovery key (AGE-SECRET-KEY-1...).") from error


def seal_file(plain: BinaryIO, target: Path, recipient: str, *, compress: bool) -> Stored:
    """Encrypt everything that `plain` still holds into the file `target`. The name of what is stored is the SHA-256
    of its encrypted bytes; two sealings of one content have different names."""
    import pyrage
    from pyrage import x25519

    source: BinaryIO = plain
    if compress:
        import zstandard

        source = zstandard.ZstdCompressor(level=LEVEL).stream_reader(plain)
    with target.open("wb") as out:
        pyrage.encrypt_io(source, out, [x25519.Recipient.from_str(recipient)])
    with target.open("rb") as done:
        digest = hashlib.file_digest(done, "sha256").hexdigest()
    return Stored(object_name(digest), digest, target.stat().st_size)


def open_file(sealed: Path, out: BinaryIO, identity: x25519.Identity, *, compressed: bool) -> None:
    """Decrypt the file `sealed` into `out`; raises SnapshotError when the key is another or a byte was changed."""
    import pyrage

    target: BinaryIO = out
    unpacked = None
    if compressed:
        import zstandard

        target = unpacked = zstandard.ZstdDecompressor().stream_writer(out, closefd=False)
    try:
        with sealed.open("rb") as source:
            pyrage.decrypt_io(source, target, [identity])
        if unpacked is not None:
            unpacked.flush()  # type: ignore[no-untyped-call]
    except pyrage.DecryptError as error:
        raise SnapshotError(
            "The snapshot cannot be opened with this recovery key: it is another instance's, or the object is damaged."
        ) from error


def object_name(digest: str) -> str:
    """Where an object with this SHA-256 is stored."""
    return f"objects/{digest[:2]}/{digest}"
