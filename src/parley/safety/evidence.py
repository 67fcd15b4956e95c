"""Evidence: reported content as it was at that moment, so that no later edit or deletion defeats the report.

Pure functions; nothing is stored here. The snapshot's SHA-256 is taken over its canonical form (JSON with sorted
keys), which survives being stored as jsonb.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.social.accounts.views import AccountView
from parley.social.media.views import MediaView
from parley.social.statuses.views import StatusView

_canonical = msgspec.json.Encoder(order="sorted")


def take_evidence(account: AccountView, statuses: Sequence[StatusView], moment: datetime) -> dict[str, Any]:
    """The profile and the statuses as the reporter saw them at `moment`."""
    snapshot = {
        "version": 1,
        "taken_at": moment,
        "account": _profile(account),
        "statuses": [_status(status) for status in statuses],
    }
    plain: dict[str, Any] = msgspec.to_builtins(snapshot)
    return plain


def hash_evidence(evidence: dict[str, Any]) -> bytes:
    """SHA-256 (32 bytes) of the canonical form."""
    return hashlib.sha256(_canonical.encode(evidence)).digest()


def list_evidence_files(evidence: dict[str, Any]) -> list[str]:
    """Public names of every file that the evidence speaks of: pictures of the profile, and attachments."""
    account = evidence["account"]
    names = [account["avatar_file"], account["header_file"]]
    for status in evidence["statuses"]:
        names += [media["file"] for media in status["media"]]
        if status["reblog"] is not None:
            names += [media["file"] for media in status["reblog"]["media"]]
    return list(dict.fromkeys(name for name in names if name))


def _profile(account: AccountView) -> dict[str, Any]:
    return {
        "id": str(account.id),
        "acct": account.acct,
        "state": account.state,
        "display_name": account.display_name,
        "note": account.note,
        "note_html": account.note_html,
        "fields": account.fields,
        "avatar_file": account.avatar_file,
        "avatar_description": account.avatar_description,
        "header_file": account.header_file,
        "header_description": account.header_description,
        "bot": account.bot,
        "uri": account.uri,
        "url": account.url,
        "created_at": account.created_at,
        "version": account.version,
        "statuses_count": account.statuses_count,
        "followers_count": account.followers_count,
        "following_count": account.following_count,
    }


def _status(status: StatusView) -> dict[str, Any]:
    return {
        "id": str(status.id),
        "account_id": str(status.account.id),
        "revision": status.revision,
        "state": status.state,
        "visibility": status.visibility,
        "local_only": status.local_only,
        "text": status.text,
        "content_type": status.content_type,
        "html": status.html,
        "spoiler_text": status.spoiler_text,
        "sensitive": status.sensitive,
        "language": status.language,
        "mentions": [{"id": str(one.id), "username": one.username, "domain": one.domain} for one in status.mentions],
        "tags": status.tags,
        "media": [_media(media) for media in status.media],
        "poll": [option.title for option in status.poll.options] if status.poll else None,
        "in_reply_to_id": str(status.in_reply_to_id) if status.in_reply_to_id else None,
        "conversation_id": str(status.conversation_id),
        "reblog": _status(status.reblog) if status.reblog else None,
        "quote": _quote(status),
        "uri": status.uri,
        "url": status.url,
        "created_at": status.created_at,
        "edited_at": status.edited_at,
        "reblogs_count": status.reblogs_count,
        "favourites_count": status.favourites_count,
        "replies_count": status.replies_count,
    }


def _quote(status: StatusView) -> dict[str, Any] | None:
    if status.quote is None:
        return None
    quoted = status.quote.status
    return {
        "state": status.quote.state,
        "id": str(quoted.id) if quoted else None,
        "account_id": str(quoted.account.id) if quoted else None,
        "text": quoted.text if quoted else None,
        "url": quoted.url if quoted else None,
    }


def _media(media: MediaView) -> dict[str, Any]:
    return {
        "id": str(media.id),
        "type": media.type,
        "state": media.state,
        "file": media.file,
        "preview_file": media.preview_file,
        "remote_url": media.remote_url,
        "mime_type": media.mime_type,
        "description": media.description,
        "blurhash": media.blurhash,
        "meta": media.meta,
    }
