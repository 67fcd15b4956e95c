"""The part of an account that is screened: its profile. Checks, renders and describes it; pure, no query.

A Profile is what `profile_revisions.profile` holds. Switches such as `locked` are not part of it: they hold
no content and apply at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias
from urllib.parse import quote

import msgspec

from parley.kit.cleaning import clean_text
from parley.kit.errors import Invalid
from parley.kit.html import Entities, Mention, find_entities, render_inline, render_plain
from parley.kit.settings import Settings
from parley.screening import Content
from parley.screening.content import MediaMatch
from parley.social.accounts.store import AddressRow
from parley.social.accounts.views import FieldView

LONGEST_DISPLAY_NAME = 30
LONGEST_NOTE = 500
MOST_FIELDS = 4
LONGEST_FIELD = 255
LONGEST_PICTURE_DESCRIPTION = 150
LONGEST_CHANGE = 20_000
"""Of all that is typed in one change, before it is looked at."""
MOST_ATTRIBUTION_DOMAINS = 100
LONGEST_ADDRESS = 2000
"""Of a site as it is typed: more is not looked at."""

People: TypeAlias = dict[tuple[str, str | None], str]
"""URL of a person's page by lower-case username and domain."""


class Picture(msgspec.Struct, frozen=True):
    """Names below media/ of an avatar or header: the picture, and one frame of it for those who want no
    motion."""

    file: str
    static_file: str
    matches: tuple[MediaMatch, ...] = ()
    """What banks of hashes know of it, for the judge alone."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of a profile, rendered."""

    display_name: str = ""
    note: str = ""
    note_html: str = ""
    fields: tuple[FieldView, ...] = ()
    emojis: tuple[str, ...] = ()
    avatar: Picture | None = None
    header: Picture | None = None
    avatar_description: str = ""
    header_description: str = ""


class FieldInput(msgspec.Struct, frozen=True):
    """One row of the profile's table as its owner typed it."""

    name: str = ""
    value: str = ""


class ProfileChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; what is UNSET stays. `avatar` and `header` None is back to the default picture."""

    display_name: str | msgspec.UnsetType = msgspec.UNSET
    note: str | msgspec.UnsetType = msgspec.UNSET
    fields: tuple[FieldInput, ...] | msgspec.UnsetType = msgspec.UNSET
    avatar: Picture | msgspec.UnsetType | None = msgspec.UNSET
    header: Picture | msgspec.UnsetType | None = msgspec.UNSET
    avatar_description: str | msgspec.UnsetType = msgspec.UNSET
    header_description: str | msgspec.UnsetType = msgspec.UNSET
    bot: bool | None = None
    locked: bool | None = None
    discoverable: bool | None = None
    indexable: bool | None = None
    hide_collections: bool | None = None
    show_media: bool | None = None
    show_media_replies: bool | None = None
    show_featured: bool | None = None
    attribution_domains: tuple[str, ...] | None = None


def member_uri(settings: Settings, username: str) -> str:
    """The permanent identifier of a member of this instance."""
    return f"{settings.base_url}/users/{username}"


def member_url(settings: Settings, username: str) -> str:
    """The page of a member of this instance."""
    return f"{settings.base_url}/@{username}"


def tag_url(settings: Settings, tag: str) -> str:
    """The page of a hashtag."""
    return f"{settings.base_url}/tags/{quote(tag, safe='')}"


def page_url(settings: Settings, domain: str | None, username: str, url: str | None, uri: str | None) -> str:
    """The page of any account, local or remote."""
    if domain is None:
        return member_url(settings, username)
    return url or uri or f"https://{domain}/@{username}"


def with_changes(before: Profile, change: ProfileChange) -> Profile:
    """`before` with what was typed, cleaned and checked, not rendered yet; raises Invalid."""
    _check_size(change)
    problems: dict[str, list[tuple[str, str]]] = {}
    name = _line(change.display_name, before.display_name)
    note = before.note if change.note is msgspec.UNSET else clean_text(change.note).strip()
    avatar_text = _line(change.avatar_description, before.avatar_description)
    header_text = _line(change.header_description, before.header_description)
    avatar = before.avatar if change.avatar is msgspec.UNSET else change.avatar
    header = before.header if change.header is msgspec.UNSET else change.header
    for key, text, most in (
        ("display_name", name, LONGEST_DISPLAY_NAME),
        ("note", note, LONGEST_NOTE),
        ("avatar_description", avatar_text, LONGEST_PICTURE_DESCRIPTION),
        ("header_description", header_text, LONGEST_PICTURE_DESCRIPTION),
    ):
        if len(text) > most:
            problems[key] = [("ERR_TOO_LONG", f"is too long (maximum is {most} characters)")]
    fields = before.fields
    if change.fields is not msgspec.UNSET:
        fields, wrong = _read_fields(change.fields, before.fields)
        if wrong:
            problems["fields"] = wrong
    if problems:
        raise Invalid(fields=problems)
    return Profile(
        display_name=name,
        note=note,
        fields=fields,
        avatar=avatar,
        header=header,
        avatar_description=avatar_text if avatar else "",
        header_description=header_text if header else "",
    )


def _check_size(change: ProfileChange) -> None:
    """Refuse what is far beyond every limit before it is cleaned, which takes its time for a text without end."""
    texts = [change.display_name, change.note, change.avatar_description, change.header_description]
    if change.fields is not msgspec.UNSET:
        texts += [text for row in change.fields for text in (row.name, row.value)]
    if sum(len(text) for text in texts if text is not msgspec.UNSET) > LONGEST_CHANGE:
        raise Invalid("Validation failed: this is much too long for a profile.")


def _line(text: str | msgspec.UnsetType, before: str) -> str:
    """One line of typed text."""
    return before if text is msgspec.UNSET else " ".join(clean_text(text).split())


def _read_fields(
    typed: Sequence[FieldInput], before: Sequence[FieldView]
) -> tuple[tuple[FieldView, ...], list[tuple[str, str]]]:
    """The rows that say something; a row that did not change keeps its proof."""
    proofs: dict[tuple[str, str], datetime | None] = {(row.name, row.value): row.verified_at for row in before}
    rows: list[FieldView] = []
    wrong: list[tuple[str, str]] = []
    for row in typed:
        name, value = _line(row.name, ""), _line(row.value, "")
        if not name and not value:
            continue
        if not name:
            wrong.append(("ERR_BLANK", "need a label for every content"))
        if max(len(name), len(value)) > LONGEST_FIELD:
            wrong.append(("ERR_TOO_LONG", f"have a label or content of more than {LONGEST_FIELD} characters"))
        rows.append(FieldView(name, value, "", proofs.get((name, value))))
    if len(rows) > MOST_FIELDS:
        wrong.append(("ERR_TOO_MANY", f"are too many (maximum is {MOST_FIELDS})"))
    return tuple(rows), wrong


_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")


def read_domains(typed: Sequence[str]) -> list[str]:
    """Bare domains, in lower case, of what may be typed as addresses of sites; raises Invalid."""
    domains: list[str] = []
    for text in typed[: 10 * MOST_ATTRIBUTION_DOMAINS]:
        name = re.sub(r"^https?://", "", text[:LONGEST_ADDRESS].strip().lower()).removeprefix("*.").partition("/")[0]
        if not name:
            continue
        try:
            name = name if name.isascii() else name.encode("idna").decode()
        except UnicodeError:
            name = ""
        if len(name) > 253 or not _DOMAIN.fullmatch(name):
            raise Invalid(fields={"attribution_domains": [("ERR_INVALID", "must be domains such as news.example")]})
        domains.append(name)
    if len(domains) > MOST_ATTRIBUTION_DOMAINS:
        raise Invalid(
            fields={"attribution_domains": [("ERR_TOO_MANY", f"are too many (maximum is {MOST_ATTRIBUTION_DOMAINS})")]}
        )
    return list(dict.fromkeys(domains))


def addressed(profile: Profile) -> tuple[Mention, ...]:
    """Everybody mentioned anywhere in the profile: look them up, then call `rendered`."""
    texts = [profile.note, *(row.value for row in profile.fields)]
    return tuple(dict.fromkeys(mention for text in texts for mention in find_entities(text).mentions))


def address_key(settings: Settings, mention: Mention) -> tuple[str, str | None]:
    """Lower-case username and domain, None for our own."""
    domain = None if mention.domain == settings.local_domain else mention.domain
    return mention.username.lower(), domain


def known_people(settings: Settings, rows: Sequence[AddressRow]) -> People:
    """Where the pages are of those who may be linked to."""
    return {
        (row.username.lower(), row.domain): page_url(settings, row.domain, row.username, row.url, row.uri)
        for row in rows
        if row.state in ("active", "limited")
    }


def rendered(settings: Settings, profile: Profile, people: People) -> Profile:
    """`profile` with its HTML made, and the shortcodes that it uses."""

    def mention_url(mention: Mention) -> str | None:
        return people.get(address_key(settings, mention))

    def link_tag(tag: str) -> str:
        return tag_url(settings, tag)

    note = render_plain(profile.note, mention_url=mention_url, tag_url=link_tag)
    used = [*find_entities(profile.display_name).emojis, *note.emojis]
    fields: list[FieldView] = []
    for row in profile.fields:
        value = render_inline(row.value, mention_url=mention_url, tag_url=link_tag, me=True)
        used += [*find_entities(row.name).emojis, *value.emojis]
        fields.append(msgspec.structs.replace(row, value_html=value.html))
    return msgspec.structs.replace(
        profile, note_html=note.html, fields=tuple(fields), emojis=tuple(dict.fromkeys(used))
    )


def describe(username: str, profile: Profile) -> Content:
    """What screening judges of this revision."""
    texts = {
        "username": username,
        "display_name": profile.display_name,
        "note": profile.note,
        "avatar_description": profile.avatar_description,
        "header_description": profile.header_description,
    }
    for number, row in enumerate(profile.fields, start=1):
        texts[f"field_{number}_name"] = row.name
        texts[f"field_{number}_value"] = row.value
    found: list[Entities] = [find_entities(text) for text in texts.values() if text]
    return Content(
        kind="profile",
        texts={name: text for name, text in texts.items() if text},
        links=_unique(found, lambda one: one.links),
        mentions_count=len(addressed(profile)),
        tags=_unique(found, lambda one: one.tags),
        media_count=(profile.avatar is not None) + (profile.header is not None),
        media_matches=tuple(
            match for picture in (profile.avatar, profile.header) if picture for match in picture.matches
        ),
    )


def _unique(found: Sequence[Entities], part: Callable[[Entities], tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for one in found for value in part(one)))
