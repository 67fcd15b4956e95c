"""Mastodon's shape of an attachment: MediaAttachment.

Source: https://docs.joinmastodon.org/entities/MediaAttachment/. No rule lives here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from parley.kit.settings import Settings
from parley.social.media.reads import file_address
from parley.social.media.views import MediaView


class MediaModeration(msgspec.Struct, frozen=True, kw_only=True):
    """Ours, told to the owner alone: the newest description waits for a decision."""

    state: str
    sentence: str


class MediaAttachment(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/entities/MediaAttachment/"""

    id: str
    type: str
    url: str | None
    preview_url: str | None
    remote_url: str | None
    preview_remote_url: str | None
    text_url: str | None
    meta: dict[str, Any] | None
    description: str | None
    blurhash: str | None
    moderation: MediaModeration | msgspec.UnsetType = msgspec.UNSET


def file_url(view: MediaView, name: str | None, settings: Settings) -> str | None:
    """The address of one of an attachment's stored files."""
    return None if name is None else settings.base_url + file_address(settings, view, name)


def media_entity(view: MediaView, settings: Settings) -> MediaAttachment:
    """One attachment. `url` is null while it is processed; a file that failed has the type unknown."""
    moderation = MediaModeration(state="held", sentence=view.held_sentence) if view.held else msgspec.UNSET
    return MediaAttachment(
        id=str(view.id),
        type="unknown" if view.state == "failed" else view.type,
        url=file_url(view, view.file, settings) or view.remote_url,
        preview_url=file_url(view, view.preview_file, settings),
        remote_url=view.remote_url,
        preview_remote_url=None,
        text_url=None,
        meta=view.meta or None,
        description=view.description or None,
        blurhash=view.blurhash,
        moderation=moderation,
    )
