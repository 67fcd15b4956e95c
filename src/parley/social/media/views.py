"""What a reader sees of media."""

from __future__ import annotations

from typing import Any

import msgspec

from parley.screening.content import MediaMatch


class MediaView(msgspec.Struct, frozen=True, kw_only=True):
    """One attachment. `file` and `preview_file` are names below media/, None while it is processed."""

    id: int
    account_id: int
    type: str
    """unknown, image, gifv, video or audio"""
    state: str
    """processing, ready or failed"""
    error: str | None
    file: str | None
    preview_file: str | None
    remote_url: str | None
    mime_type: str | None
    meta: dict[str, Any]
    blurhash: str | None
    description: str
    held: bool = False
    """The owner alone learns that the newest description waits for a decision; it is shown to the owner only."""
    held_sentence: str = ""
    matches: tuple[dict[str, Any], ...] = ()
    """What banks of hashes know of the file, for the judge alone."""
    image_text: str = ""
    """Words that were read in the picture, for the judge alone."""
    withheld: bool = False
    """Its files are served only to those who may see what carries it: see `file_address` in reads.py."""


class FileView(msgspec.Struct, frozen=True):
    """A stored file as it is served. `etag` is derived from its content; `key` is for reading the bytes alone."""

    name: str
    key: str
    mime_type: str
    size: int
    etag: str
    withheld: bool = False


class PictureFiles(msgspec.Struct, frozen=True):
    """A stored profile picture or emoji: its name below media/ and that of the version that does not move."""

    file: str
    static_file: str
    matches: tuple[MediaMatch, ...] = ()
    """What banks of hashes know of it, for the judge alone."""
