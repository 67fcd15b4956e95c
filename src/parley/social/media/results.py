"""What the server asks of the decoding process and what that answers. Plain data, no decoding.

The answer is written by a process that has just read a hostile file: the caller checks every name in it.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Literal

import msgspec

Purpose = Literal["attachment", "thumbnail", "avatar", "header", "emoji", "bank", "text"]
"""`text` reads words in a picture that was cleaned before, `bank` hashes a file with its parts; all others clean what a
member sent."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One file to clean. `format` is a name of `formats.FORMATS`; results go into `folder`."""

    purpose: Purpose
    path: str
    format: str
    folder: str
    memory: int
    """Bytes of address space"""
    seconds: int
    """Of CPU time"""


class FileMade(msgspec.Struct, frozen=True):
    """A file in the task's folder. `extension` also names the kind that it is served as."""

    name: str
    extension: str

    def path_in(self, folder: Path) -> Path:
        """Where it lies; raises ValueError for a name that is not a plain one."""
        if "/" in self.name or self.name.startswith("."):
            raise ValueError("the decoding process named a file outside its folder")
        return folder / self.name


class FileHash(msgspec.Struct, frozen=True):
    """One hash of what is in a file: `kind` is pdq (a picture), frame (of a video, shown at `second`) or audio (SHA-256
    of the packets of a sound track, whatever its container and tags). `hash` is in hexadecimal."""

    kind: str
    hash: str
    quality: int = 100
    second: float | None = None
    part: str = ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The cleaned file, or `error`: one sentence for the member."""

    error: str | None = None
    detail: str = ""
    """For the log alone: what the decoding library said."""
    type: str = "unknown"
    """image, gifv, video or audio"""
    file: FileMade | None = None
    preview: FileMade | None = None
    """Attachment: a smaller picture. Profile picture or emoji: its version that does not move."""
    meta: dict[str, Any] = {}
    blurhash: str | None = None
    hashes: tuple[FileHash, ...] = ()
    text: str = ""
    """Words that were read in the picture."""


MOST_HASHES = 200
MOST_WORDS = 10_000
_HASH = re.compile(r"[0-9a-f]{64}")


def is_credible(result: Result) -> bool:
    """Whether hashes and words can be what they should: the process that answered has read a hostile file."""
    return (
        len(result.hashes) <= MOST_HASHES
        and len(result.text) <= MOST_WORDS
        and "\0" not in result.text
        and all(
            one.kind in ("pdq", "frame", "audio")
            and _HASH.fullmatch(one.hash) is not None
            and 0 <= one.quality <= 100
            and len(one.part) <= 100
            and (one.second is None or math.isfinite(one.second))
            for one in result.hashes
        )
    )


MIME_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
}
"""Every type that is ever served, by extension. None of them can carry a script."""
