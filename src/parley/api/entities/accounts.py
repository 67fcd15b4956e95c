"""Accounts, profiles, roles and custom emoji in Mastodon's JSON shapes. No rule lives here.

Sources: https://docs.joinmastodon.org/entities/Account/ and /Role/, /CustomEmoji/, /Profile/,
/CredentialAccount/.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from parley.api.entities.moderation import Moderation, moderation_entity
from parley.kit.clock import iso
from parley.kit.settings import Settings
from parley.social.accounts.profiles import member_uri, page_url
from parley.social.accounts.views import AccountView, EmojiView, FieldView
from parley.social.sessions.views import PreferencesView

MOST_KEPT = 5_000
"""How many rendered accounts one process keeps: about 2 KiB each."""

_kept: dict[int, tuple[AccountView, str, msgspec.Raw]] = {}
_encode = msgspec.json.Encoder().encode

# Nobody can be put into a collection here, because there are none.
_NOT_FEATURED: dict[str, Any] = {"automatic": [], "manual": [], "current_user": "denied"}

_ROLES = {
    # id, name, colour, permissions: https://docs.joinmastodon.org/entities/Role/#permission-flags
    "member": ("-99", "", "", 0),
    "moderator": ("1", "Moderator", "#0a6557", 4 | 8 | 16 | 256 | 512 | 1024),
    "admin": ("2", "Admin", "#7a3e00", (1 << 20) - 2),
    "owner": ("3", "Owner", "#7a1f5c", 1),
}


class CustomEmoji(msgspec.Struct, frozen=True):
    """A picture that stands for a shortcode."""

    shortcode: str
    url: str
    static_url: str
    visible_in_picker: bool
    category: str | None


class Field(msgspec.Struct, frozen=True):
    """One row of a profile's table."""

    name: str
    value: str
    verified_at: str | None


class Badge(msgspec.Struct, frozen=True):
    """AccountRole: a role as everybody sees it."""

    id: str
    name: str
    color: str


class Role(msgspec.Struct, frozen=True):
    """A role as its holder sees it."""

    id: str
    name: str
    color: str
    permissions: str
    highlighted: bool


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as everybody sees it; `limited` and `suspended` are there only when they are true."""

    id: str
    username: str
    acct: str
    display_name: str
    locked: bool
    bot: bool
    discoverable: bool
    indexable: bool
    group: bool
    created_at: str
    note: str
    url: str
    uri: str
    avatar: str
    avatar_static: str
    avatar_description: str
    header: str
    header_static: str
    header_description: str
    followers_count: int
    following_count: int
    statuses_count: int
    last_status_at: str | None
    hide_collections: bool
    noindex: bool
    show_media: bool
    show_media_replies: bool
    show_featured: bool
    emojis: Sequence[CustomEmoji]
    roles: Sequence[Badge]
    fields: Sequence[Field]
    feature_approval: dict[str, Any]
    limited: bool | msgspec.UnsetType = msgspec.UNSET
    suspended: bool | msgspec.UnsetType = msgspec.UNSET


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What only the owner sees: texts as typed, and defaults for new posts."""

    privacy: str
    sensitive: bool
    language: str | None
    quote_policy: str
    note: str
    fields: Sequence[Field]
    follow_requests_count: int
    hide_collections: bool
    discoverable: bool
    indexable: bool
    attribution_domains: Sequence[str]


class CredentialAccount(Account, frozen=True, kw_only=True):
    """The owner's own account. `moderation` is ours: there when the newest profile waits for a decision."""

    source: Source
    role: Role
    moderation: Moderation | msgspec.UnsetType = msgspec.UNSET


class ProfileEntity(msgspec.Struct, frozen=True, kw_only=True):
    """The owner's own profile for editing: texts as typed, pictures null when there are none."""

    id: str
    display_name: str
    note: str
    fields: Sequence[Field]
    avatar: str | None
    avatar_static: str | None
    avatar_description: str
    header: str | None
    header_static: str | None
    header_description: str
    locked: bool
    bot: bool
    hide_collections: bool
    discoverable: bool
    indexable: bool
    show_media: bool
    show_media_replies: bool
    show_featured: bool
    attribution_domains: Sequence[str]
    moderation: Moderation | msgspec.UnsetType = msgspec.UNSET


def file_url(settings: Settings, name: str) -> str:
    """The address of a stored file."""
    return f"{settings.base_url}/media/{name}"


def emoji_entity(view: EmojiView, settings: Settings) -> CustomEmoji:
    """A custom emoji."""
    return CustomEmoji(
        shortcode=view.shortcode,
        url=file_url(settings, view.file),
        static_url=file_url(settings, view.static_file),
        visible_in_picker=view.visible_in_picker,
        category=view.category,
    )


def account_entity(view: AccountView, settings: Settings) -> msgspec.Raw:
    """The account as JSON that is ready to be put into a larger answer.

    Reads return the same view object while nothing changed, so most accounts of a page are already written.
    """
    kept = _kept.get(view.id)
    if kept is not None and kept[0] is view and kept[1] == settings.base_url:
        return kept[2]
    raw = msgspec.Raw(_encode(account_struct(view, settings)))
    _kept.pop(view.id, None)
    if len(_kept) >= MOST_KEPT:
        del _kept[next(iter(_kept))]
    _kept[view.id] = (view, settings.base_url, raw)
    return raw


def account_struct(view: AccountView, settings: Settings) -> Account:
    """The account's fields, for entities that add to them."""
    return Account(**_account_values(view, settings))


def _account_values(view: AccountView, settings: Settings) -> dict[str, Any]:
    base = settings.base_url
    avatar = file_url(settings, view.avatar_file) if view.avatar_file else f"{base}/static/avatar.png"
    header = file_url(settings, view.header_file) if view.header_file else f"{base}/static/header.png"
    return {
        "id": str(view.id),
        "username": view.username,
        "acct": view.acct,
        "display_name": view.display_name,
        "locked": view.locked,
        "bot": view.bot,
        "discoverable": view.discoverable,
        "indexable": view.indexable,
        "group": False,
        # The day is all that the public learns of when somebody joined, as in Mastodon.
        "created_at": view.created_at.strftime("%Y-%m-%dT00:00:00.000Z"),
        "note": view.note_html,
        "url": page_url(settings, view.domain, view.username, view.url, view.uri),
        "uri": view.uri or member_uri(settings, view.username),
        "avatar": avatar,
        "avatar_static": file_url(settings, view.avatar_static_file) if view.avatar_static_file else avatar,
        "avatar_description": view.avatar_description,
        "header": header,
        "header_static": file_url(settings, view.header_static_file) if view.header_static_file else header,
        "header_description": view.header_description,
        "followers_count": view.followers_count,
        "following_count": view.following_count,
        "statuses_count": view.statuses_count,
        "last_status_at": view.last_status_at.date().isoformat() if view.last_status_at else None,
        "hide_collections": view.hide_collections,
        "noindex": not view.indexable,
        "show_media": view.show_media,
        "show_media_replies": view.show_media_replies,
        "show_featured": view.show_featured,
        "emojis": [emoji_entity(emoji, settings) for emoji in view.emojis],
        "roles": _badges(view.role),
        "fields": [_field(row, row.value_html) for row in view.fields],
        "feature_approval": _NOT_FEATURED,
        "limited": True if view.state == "limited" else msgspec.UNSET,
        "suspended": True if view.state == "suspended" else msgspec.UNSET,
    }


def _field(row: FieldView, value: str) -> Field:
    return Field(row.name, value, iso(row.verified_at) if row.verified_at else None)


def _badges(role: str) -> list[Badge]:
    if role == "member":
        return []
    number, name, colour, _ = _ROLES[role]
    return [Badge(number, name, colour)]


def role_entity(role: str) -> Role:
    """The role that a member holds."""
    number, name, colour, permissions = _ROLES[role]
    return Role(number, name, colour, str(permissions), role != "member")


def _moderation(view: AccountView) -> Moderation | msgspec.UnsetType:
    if not view.held:
        return msgspec.UNSET
    return moderation_entity("held", view.held_clause, view.held_sentence, since=view.held_since or view.created_at)


def credential_account_entity(
    view: AccountView, preferences: PreferencesView, follow_requests_count: int, settings: Settings
) -> CredentialAccount:
    """The account of the viewer, with what only its owner sees."""
    return CredentialAccount(
        **_account_values(view, settings),
        source=Source(
            privacy=preferences.visibility,
            sensitive=preferences.sensitive,
            language=preferences.language,
            quote_policy=preferences.quote_policy,
            note=view.note,
            fields=[_field(row, row.value) for row in view.fields],
            follow_requests_count=follow_requests_count,
            hide_collections=view.hide_collections,
            discoverable=view.discoverable,
            indexable=view.indexable,
            attribution_domains=view.attribution_domains,
        ),
        role=role_entity(view.role),
        moderation=_moderation(view),
    )


def profile_entity(view: AccountView, settings: Settings) -> ProfileEntity:
    """The viewer's own profile for editing."""

    def picture(name: str | None) -> str | None:
        return file_url(settings, name) if name else None

    return ProfileEntity(
        id=str(view.id),
        display_name=view.display_name,
        note=view.note,
        fields=[_field(row, row.value) for row in view.fields],
        avatar=picture(view.avatar_file),
        avatar_static=picture(view.avatar_static_file or view.avatar_file),
        avatar_description=view.avatar_description,
        header=picture(view.header_file),
        header_static=picture(view.header_static_file or view.header_file),
        header_description=view.header_description,
        locked=view.locked,
        bot=view.bot,
        hide_collections=view.hide_collections,
        discoverable=view.discoverable,
        indexable=view.indexable,
        show_media=view.show_media,
        show_media_replies=view.show_media_replies,
        show_featured=view.show_featured,
        attribution_domains=view.attribution_domains,
        moderation=_moderation(view),
    )
