"""A member and the member's posts as ActivityStreams, the way Mastodon's archives have them. Pure: views in, dicts out.

https://www.w3.org/TR/activitystreams-vocabulary/ with Mastodon's extensions (https://docs.joinmastodon.org/spec/
activitypub/). What is ours on top is below `parley:`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from parley.kit.clock import iso
from parley.kit.settings import Settings
from parley.social.accounts.profiles import member_uri, member_url, page_url, tag_url
from parley.social.accounts.views import AccountView
from parley.social.media.views import MediaView
from parley.social.statuses.archiving import OwnStatus
from parley.social.statuses.views import PollView, StatusView

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
CONTEXT: list[Any] = [
    "https://www.w3.org/ns/activitystreams",
    {
        "manuallyApprovesFollowers": "as:manuallyApprovesFollowers",
        "sensitive": "as:sensitive",
        "Hashtag": "as:Hashtag",
        "alsoKnownAs": {"@id": "as:alsoKnownAs", "@type": "@id"},
        "schema": "http://schema.org#",
        "PropertyValue": "schema:PropertyValue",
        "value": "schema:value",
        "toot": "http://joinmastodon.org/ns#",
        "discoverable": "toot:discoverable",
        "indexable": "toot:indexable",
        "blurhash": "toot:blurhash",
        "focalPoint": {"@container": "@list", "@id": "toot:focalPoint"},
        "votersCount": "toot:votersCount",
        "quote": {"@id": "https://w3id.org/fep/044f#quote", "@type": "@id"},
        "parley": "urn:parley:",
    },
]
FORMAT = "parley-archive/1"


def actor_of(
    account: AccountView, settings: Settings, *, avatar: str | None, header: str | None, alias: str | None = None
) -> dict[str, Any]:
    """actor.json. `avatar` and `header` are names of files in the archive, `alias` is another account of the same
    person (`alice@new.example`)."""
    uri = member_uri(settings, account.username)
    actor: dict[str, Any] = {
        "@context": CONTEXT,
        "id": uri,
        "type": "Service" if account.bot else "Person",
        "following": f"{uri}/following",
        "followers": f"{uri}/followers",
        "inbox": f"{uri}/inbox",
        "outbox": "outbox.json",
        "likes": "likes.json",
        "bookmarks": "bookmarks.json",
        "preferredUsername": account.username,
        "name": account.display_name,
        "summary": account.note_html,
        "source": {"content": account.note, "mediaType": "text/plain"},
        "url": member_url(settings, account.username),
        "manuallyApprovesFollowers": account.locked,
        "discoverable": account.discoverable,
        "indexable": account.indexable,
        "published": iso(account.created_at),
        "alsoKnownAs": [f"acct:{alias}"] if alias else [],
        "tag": [],
        "attachment": [
            {"type": "PropertyValue", "name": field.name, "value": field.value_html} for field in account.fields
        ],
    }
    if avatar is not None:
        actor["icon"] = {"type": "Image", "url": avatar, "summary": account.avatar_description}
    if header is not None:
        actor["image"] = {"type": "Image", "url": header, "summary": account.header_description}
    return actor


def activity_of(one: OwnStatus, settings: Settings, media: Sequence[tuple[MediaView, str]]) -> dict[str, Any]:
    """An entry of outbox.json: Create for a post, Announce for a boost. `media` are its files with their names."""
    view = one.view
    actor = member_uri(settings, view.account.username)
    to, cc = _audience(view, settings)
    if view.reblog is not None:
        return {
            "id": f"{actor}/statuses/{view.id}/activity",
            "type": "Announce",
            "actor": actor,
            "published": iso(view.created_at),
            "to": to,
            "cc": cc,
            "object": _uri_of(view.reblog, settings),
        }
    return {
        "id": f"{_uri_of(view, settings)}/activity",
        "type": "Create",
        "actor": actor,
        "published": iso(view.created_at),
        "to": to,
        "cc": cc,
        "object": _note_of(one, settings, media, to, cc),
    }


def _note_of(
    one: OwnStatus, settings: Settings, media: Sequence[tuple[MediaView, str]], to: list[str], cc: list[str]
) -> dict[str, Any]:
    view = one.view
    uri = _uri_of(view, settings)
    note: dict[str, Any] = {
        "id": uri,
        "type": "Note" if view.poll is None else "Question",
        "summary": view.own_warning or None,
        "inReplyTo": one.parent_uri,
        "published": iso(view.created_at),
        "url": f"{member_url(settings, view.account.username)}/{view.id}",
        "attributedTo": member_uri(settings, view.account.username),
        "to": to,
        "cc": cc,
        "sensitive": view.sensitive,
        "content": view.html,
        "source": {"content": view.text, "mediaType": view.content_type},
        "attachment": [_document(file, name) for file, name in media],
        "tag": _tags(view, settings),
        "replies": None,
    }
    if view.language:
        note["contentMap"] = {view.language: view.html}
    if view.edited_at is not None:
        note["updated"] = iso(view.edited_at)
    if view.poll is not None:
        note |= _question(view.poll, view.edited_at or view.created_at)
    if view.quote is not None and view.quote.status is not None:
        note["quote"] = _uri_of(view.quote.status, settings)
    if view.local_only:
        note["parley:localOnly"] = True
    if view.state != "published":
        note["parley:state"] = view.state
    if view.imported is not None:
        note["parley:importedFrom"] = view.imported.host
    return note


def _uri_of(view: StatusView, settings: Settings) -> str:
    return view.uri or f"{member_uri(settings, view.account.username)}/statuses/{view.id}"


def _audience(view: StatusView, settings: Settings) -> tuple[list[str], list[str]]:
    """to and cc, by which readers of an archive tell the visibility."""
    followers = f"{member_uri(settings, view.account.username)}/followers"
    people = [page_url(settings, one.domain, one.username, one.url, None) for one in view.mentions]
    people = [
        member_uri(settings, one.username) if one.domain is None else page
        for one, page in zip(view.mentions, people, strict=True)
    ]
    if view.visibility == "public":
        return [PUBLIC], [followers, *people]
    if view.visibility == "unlisted":
        return [followers], [PUBLIC, *people]
    if view.visibility == "private":
        return [followers], people
    return people, []


def _tags(view: StatusView, settings: Settings) -> list[dict[str, str]]:
    mentions = [
        {
            "type": "Mention",
            "href": member_uri(settings, one.username) if one.domain is None else (one.url or f"https://{one.domain}"),
            "name": f"@{one.username}@{one.domain or settings.local_domain}",
        }
        for one in view.mentions
    ]
    return mentions + [{"type": "Hashtag", "href": tag_url(settings, tag), "name": f"#{tag}"} for tag in view.tags]


def _document(media: MediaView, name: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "type": "Document",
        "mediaType": media.mime_type,
        "url": name,
        "name": media.description or None,
    }
    if media.blurhash:
        document["blurhash"] = media.blurhash
    focus = media.meta.get("focus")
    if isinstance(focus, dict):
        document["focalPoint"] = [focus.get("x", 0.0), focus.get("y", 0.0)]
    original = media.meta.get("original")
    if isinstance(original, dict):
        document |= {key: original[key] for key in ("width", "height") if original.get(key)}
    return document


def _question(poll: PollView, posted_at: datetime) -> dict[str, Any]:
    options = [
        {
            "type": "Note",
            "name": option.title,
            "replies": {"type": "Collection", "totalItems": option.votes_count or 0},
        }
        for option in poll.options
    ]
    question: dict[str, Any] = {
        "anyOf" if poll.multiple else "oneOf": options,
        "endTime": iso(poll.expires_at),
        "votersCount": poll.voters_count,
    }
    if poll.expired:
        question["closed"] = iso(max(poll.expires_at, posted_at))
    return question
