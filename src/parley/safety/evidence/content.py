"""Evidence: content as it was at that moment, so that no later edit or deletion defeats a report.

Pure functions; nothing is stored here. What is kept is canonical JSON (sorted keys, no spaces, UTF-8), and its SHA-256
is taken over those very bytes. Figures that change from day to day are not part of it (they are facts of a capture),
so that the same content has the same hash.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.social.accounts.for_evidence import ProfileEvidence
from parley.social.accounts.views import AccountView
from parley.social.media.for_evidence import FileFacts, MediaEvidence
from parley.social.media.views import MediaView
from parley.social.statuses.for_evidence import StatusEvidence
from parley.social.statuses.views import StatusView
from parley.social.verdicts.reads import ResultRow

VERSION = 2
_COUNTS = ("statuses_count", "followers_count", "following_count", "reblogs_count", "favourites_count", "replies_count")
_TOLD = ("because", "matches", "signals", "rules", "labels", "trust", "failed_signals", "texts")

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


def encode_evidence(content: Mapping[str, Any]) -> str:
    """The canonical form, as it is stored and hashed."""
    return _canonical.encode(content).decode()


def hash_text(text: str) -> bytes:
    """SHA-256 (32 bytes) of a canonical form."""
    return hashlib.sha256(text.encode()).digest()


def hash_evidence(evidence: dict[str, Any]) -> bytes:
    """SHA-256 (32 bytes) of the canonical form."""
    return hashlib.sha256(_canonical.encode(evidence)).digest()


def describe_status(one: StatusEvidence) -> dict[str, Any]:
    """A status as it was, with the profile of its author, its thread and what screening said of it."""
    return {
        "account": _steady(_profile(one.status.account)),
        "status": _steady(_status(one.status)),
        "context": [
            {
                "relation": other.relation,
                "depth": other.depth,
                "account": _author(other.status.account),
                "status": _steady(_status(other.status)),
            }
            for other in one.context
        ],
        "screening": [_result(one.screening)] if one.screening else [],
    }


def describe_profile(one: ProfileEvidence) -> dict[str, Any]:
    """A profile as it was, and what screening said of it."""
    return {
        "account": _steady(_profile(one.account)),
        "revision": one.revision,
        "held": one.held,
        "screening": [_result(one.screening)] if one.screening else [],
    }


def describe_account(one: ProfileEvidence, recent: Sequence[StatusEvidence]) -> dict[str, Any]:
    """An account: its profile, and what it wrote last."""
    return {**describe_profile(one), "recent": [_steady(_status(each.status)) for each in recent]}


def describe_media(one: MediaEvidence, owner: ProfileEvidence | None, status: StatusEvidence | None) -> dict[str, Any]:
    """An attachment with its owner, the post that carries it, and what screening said of file and description."""
    return {
        "account": _steady(_profile(owner.account)) if owner else None,
        "media": {**_media(one.media), "image_text": one.media.image_text, "matches": one.media.matches},
        "status": _steady(_status(status.status)) if status else None,
        "screening": [_result(result) for result in one.screening],
    }


def describe_conversation(statuses: Sequence[StatusEvidence]) -> dict[str, Any]:
    """What was said in a conversation, with who said it."""
    authors = {str(one.status.account.id): _author(one.status.account) for one in statuses}
    return {"authors": authors, "messages": [_steady(_status(one.status)) for one in statuses]}


def describe_file(file: FileFacts) -> dict[str, Any]:
    """A stored file: what it is and the SHA-256 of its bytes, in hexadecimal."""
    return {
        "file": file.name,
        "sha256": file.content_hash.hex(),
        "size_bytes": file.size_bytes,
        "mime_type": file.mime_type,
    }


_FILE_KEY = re.compile(r"(avatar|header|preview)?_?file")


def find_files(value: Any) -> list[str]:
    """Public names of every file that some content speaks of, in order, each once."""
    return list(dict.fromkeys(_walk(value)))


def _walk(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, str) and inner and _FILE_KEY.fullmatch(key):
                yield inner
            else:
                yield from _walk(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _walk(inner)


def find_counts(status: StatusView) -> dict[str, int]:
    """Figures of a status that change from day to day."""
    return {name: getattr(status, name) for name in _COUNTS if hasattr(status, name)}


def _steady(described: dict[str, Any]) -> dict[str, Any]:
    for name in (*_COUNTS, "version"):
        described.pop(name, None)
    if described.get("reblog"):
        _steady(described["reblog"])
    return described


def _author(account: AccountView) -> dict[str, Any]:
    return {"id": str(account.id), "acct": account.acct, "display_name": account.display_name, "state": account.state}


def _result(result: ResultRow) -> dict[str, Any]:
    return {
        "id": str(result.id),
        "revision": result.revision,
        "outcome": result.outcome,
        "clause": result.clause,
        "sentence": result.sentence,
        "ruleset": result.ruleset,
        "degraded": result.degraded,
        **{name: result.detail[name] for name in _TOLD if result.detail.get(name)},
    }


def list_evidence_files(evidence: dict[str, Any]) -> list[str]:
    """Public names of every file that a report's evidence speaks of: pictures of the profile, and attachments."""
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
