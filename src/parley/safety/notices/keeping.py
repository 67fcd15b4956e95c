"""Raw messages: kept byte for byte in the area of evidence, under their SHA-256, and served to nobody.

A message is written before the transaction that names it: what no notice names is an orphan and does no harm.
"""

from __future__ import annotations

import hashlib

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.files import FileStore
from parley.safety.log.actions import append_event
from parley.safety.log.views import human
from parley.safety.notices.reads import get_notice
from parley.safety.notices.views import RawMessage
from parley.social.accounts.views import Viewer

FOLDER = "notices"
MOST_SHOWN = 1_000_000
"""Bytes of a message that a page shows."""


def raw_name(sha256: bytes) -> str:
    """Where a message lies in the area of evidence."""
    digest = sha256.hex()
    return f"{FOLDER}/{digest[:2]}/{digest}"


async def keep_raw(files: FileStore, body: bytes) -> RawMessage:
    """Keep a message; the same bytes are kept once. Never called inside a transaction."""
    digest = hashlib.sha256(body).digest()
    name = raw_name(digest)
    if not await files.evidence.exists(name):
        await files.evidence.put(name, body)
    return RawMessage(digest, len(body))


async def note_raw_access(tx: Tx, viewer: Viewer, notice_id: int) -> str:
    """Write down that somebody of the staff reads a raw message; returns its name. Raises NotFound."""
    notice = await get_notice(tx, viewer, notice_id)
    if not notice.raw_sha256:
        raise NotFound
    await append_event(tx, human(viewer), "notice_raw_read", notice_id=str(notice_id))
    return raw_name(bytes.fromhex(notice.raw_sha256))


async def read_raw(files: FileStore, name: str, *, most: int | None = None) -> bytes:
    """A kept message, or its first `most` bytes. Raises NotFound."""
    chunks = [chunk async for chunk in await files.evidence.read(name, end=most)]
    return b"".join(chunks)
