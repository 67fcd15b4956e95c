"""The instance in Mastodon's JSON shapes. No rule lives here.

Sources: https://docs.joinmastodon.org/entities/Instance/ and /V1_Instance/, /Rule/.
"""

from __future__ import annotations

from typing import Any

import parley
from parley.api.entities.accounts import account_entity
from parley.kit.html import render_plain
from parley.kit.settings import Settings
from parley.screening import Clause
from parley.social.accounts import profiles
from parley.social.accounts.reads import InstanceCounts
from parley.social.accounts.views import AccountView
from parley.social.media import formats
from parley.social.statuses import rules
from parley.social.statuses.text import LINK_LENGTH

MIB = 2**20
MASTODON = "4.5.0"
"""The version of Mastodon's API that is answered here; clients read it from the front of `version`."""
API_VERSION = 7
"""Mastodon's number of 4.5, by which clients ask for features: 2 has grouped notifications, 7 has quotes."""
VERSION = f"{MASTODON} (compatible; Parley {parley.__version__})"
FRAME_RATE = 120
FEATURED_TAGS = 0


def rule_entity(clause: Clause) -> dict[str, Any]:
    """One clause of the policy as a rule that members agree to."""
    return {"id": clause.id, "text": clause.text, "hint": clause.hint, "translations": {}}


def streaming_url(settings: Settings) -> str:
    """Where clients open a WebSocket."""
    return "ws" + settings.base_url.removeprefix("http")


def _configuration(settings: Settings) -> dict[str, Any]:
    return {
        "accounts": {
            "max_featured_tags": FEATURED_TAGS,
            "max_pinned_statuses": rules.MOST_PINS,
            "max_display_name_length": profiles.LONGEST_DISPLAY_NAME,
            "max_note_length": profiles.LONGEST_NOTE,
            "max_avatar_description_length": profiles.LONGEST_PICTURE_DESCRIPTION,
            "max_header_description_length": profiles.LONGEST_PICTURE_DESCRIPTION,
            "max_profile_fields": profiles.MOST_FIELDS,
            "profile_field_name_limit": profiles.LONGEST_FIELD,
            "profile_field_value_limit": profiles.LONGEST_FIELD,
        },
        "statuses": {
            "max_characters": settings.max_characters,
            "max_media_attachments": rules.MOST_MEDIA,
            "characters_reserved_per_url": LINK_LENGTH,
            "supported_mime_types": list(rules.CONTENT_TYPES),
        },
        "media_attachments": {
            "supported_mime_types": list(formats.ACCEPTED_TYPES),
            "description_limit": formats.MAX_DESCRIPTION,
            "image_size_limit": settings.max_image_mb * MIB,
            "image_matrix_limit": formats.MAX_PIXELS,
            "video_size_limit": settings.max_video_mb * MIB,
            "video_frame_rate_limit": FRAME_RATE,
            "video_matrix_limit": formats.MAX_PIXELS,
        },
        "polls": {
            "max_options": rules.MOST_OPTIONS,
            "max_characters_per_option": rules.LONGEST_OPTION,
            "min_expiration": int(rules.SHORTEST_POLL.total_seconds()),
            "max_expiration": int(rules.LONGEST_POLL.total_seconds()),
        },
    }


def instance_entity(
    settings: Settings, counts: InstanceCounts, contact: AccountView | None, clauses: list[Clause]
) -> dict[str, Any]:
    """The instance as /api/v2/instance shows it."""
    base = settings.base_url
    everybody = {"local": "public", "remote": "public"}
    return {
        "domain": settings.local_domain,
        "title": settings.name,
        "version": VERSION,
        "source_url": f"{base}/about",
        "description": settings.description,
        "usage": {"users": {"active_month": counts.active_month}},
        "thumbnail": {
            "url": f"{base}/static/icon-512.png",
            "blurhash": None,
            "description": None,
            "versions": {"@1x": f"{base}/static/icon-512.png", "@2x": f"{base}/static/icon-512.png"},
        },
        "icon": [{"src": f"{base}/static/icon-{size}.png", "size": f"{size}x{size}"} for size in (192, 512)],
        "languages": ["en"],
        "configuration": {
            "urls": {
                "streaming": streaming_url(settings),
                "status": None,
                "about": f"{base}/about",
                "privacy_policy": f"{base}/privacy",
                "terms_of_service": None,
            },
            "vapid": {"public_key": ""},
            **_configuration(settings),
            "translation": {"enabled": False},
            "timelines_access": {
                "live_feeds": everybody,
                "hashtag_feeds": everybody,
                "trending_link_feeds": {"local": "public", "remote": "disabled"},
            },
            "limited_federation": False,
        },
        "registrations": {
            "enabled": settings.registrations in ("open", "approval"),
            "approval_required": settings.registrations == "approval",
            "reason_required": settings.registrations == "approval",
            "message": _closed_message(settings),
            "min_age": None,
            "url": f"{base}/sign-up",
        },
        "api_versions": {"mastodon": API_VERSION},
        "contact": {
            "email": settings.contact_email,
            "account": account_entity(contact, settings) if contact else None,
        },
        "rules": [rule_entity(clause) for clause in clauses],
    }


def _closed_message(settings: Settings) -> str | None:
    if settings.registrations == "invite":
        return "<p>Joining takes an invitation from a member.</p>"
    if settings.registrations == "closed":
        return "<p>This instance does not take new members at the moment.</p>"
    return None


def instance_v1_entity(
    settings: Settings, counts: InstanceCounts, contact: AccountView | None, clauses: list[Clause]
) -> dict[str, Any]:
    """The instance as the older /api/v1/instance shows it."""
    description = render_plain(settings.description, mention_url=lambda _: None, tag_url=str).html
    return {
        "uri": settings.local_domain,
        "title": settings.name,
        "short_description": settings.description,
        "description": description,
        "email": settings.contact_email,
        "version": VERSION,
        "urls": {"streaming_api": streaming_url(settings)},
        "stats": {
            "user_count": counts.members,
            "status_count": counts.statuses,
            "domain_count": counts.domains,
        },
        "thumbnail": f"{settings.base_url}/static/icon-512.png",
        "languages": ["en"],
        "registrations": settings.registrations in ("open", "approval"),
        "approval_required": settings.registrations == "approval",
        "invites_enabled": settings.registrations == "invite",
        "configuration": _configuration(settings),
        "contact_account": account_entity(contact, settings) if contact else None,
        "rules": [rule_entity(clause) for clause in clauses],
    }
