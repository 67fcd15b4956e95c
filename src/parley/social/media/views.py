"""What a reader sees of media."""

from __future__ import annotations

from typing import Any

import msgspec


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
