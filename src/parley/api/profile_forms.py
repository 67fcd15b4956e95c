"""Reading a profile change as clients send it: JSON, form or multipart with pictures.

Shared by update_credentials and PATCH /api/v1/profile. It parses; every rule is in `social.accounts`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec
from litestar import Request
from msgspec import UNSET, UnsetType

from parley.kit.http import instance_of, listify, nest, query_pairs, read_params, to_struct
from parley.kit.uploads import Upload, receive_form
from parley.social.accounts.profiles import FieldInput, Picture, ProfileChange
from parley.social.accounts.views import Viewer
from parley.social.media.actions import picture_inspector
from parley.social.media.profile_pictures import store_profile_pictures
from parley.social.sessions.views import PreferencesChange

Asked = Request[Any, Any, Any]

MIB = 2**20
PICTURES: tuple[Literal["avatar"], Literal["header"]] = ("avatar", "header")


class SourceForm(msgspec.Struct):
    """Defaults for new posts."""

    privacy: str | UnsetType = UNSET
    sensitive: bool | UnsetType = UNSET
    language: str | UnsetType | None = UNSET
    quote_policy: str | UnsetType = UNSET


class ProfileForm(msgspec.Struct):
    """https://docs.joinmastodon.org/methods/accounts/#update_credentials and /methods/profile/#update"""

    display_name: str | UnsetType | None = UNSET
    note: str | UnsetType | None = UNSET
    avatar_description: str | UnsetType | None = UNSET
    header_description: str | UnsetType | None = UNSET
    locked: bool | None = None
    bot: bool | None = None
    discoverable: bool | None = None
    indexable: bool | None = None
    hide_collections: bool | None = None
    show_media: bool | None = None
    show_media_replies: bool | None = None
    show_featured: bool | None = None
    fields_attributes: list[FieldInput] | UnsetType = UNSET
    attribution_domains: list[str] | None = None
    source: SourceForm = msgspec.field(default_factory=SourceForm)


class ReceivedProfile(msgspec.Struct, frozen=True):
    """A form and the pictures that came with it, which live as long as the `async with` block."""

    form: ProfileForm
    uploads: dict[Literal["avatar", "header"], Upload]


@asynccontextmanager
async def receive_profile(request: Asked) -> AsyncIterator[ReceivedProfile]:
    """The change that the request asks for. The route needs `request_max_body_size=None`."""
    settings = instance_of(request).settings
    if request.content_type[0] != "multipart/form-data":
        params = await read_params(request)
        yield ReceivedProfile(_read(params), {})
        return
    most = (2 * settings.max_image_mb + 1) * MIB
    async with receive_form(request, picture_inspector(settings), most=most) as received:
        params = nest([*query_pairs(request), *received.pairs])
        uploads = {name: received.files[name] for name in PICTURES if name in received.files}
        uploads = {name: file for name, file in uploads.items() if file.size}
        yield ReceivedProfile(_read(params), uploads)


def _read(params: dict[str, Any]) -> ProfileForm:
    return to_struct(listify(params, ProfileForm), ProfileForm)


async def change_of(request: Asked, viewer: Viewer, received: ReceivedProfile) -> ProfileChange:
    """The change, with its pictures cleaned and stored: not to be called inside a transaction."""
    form = received.form
    instance = instance_of(request)
    stored = await store_profile_pictures(instance, received.uploads, account_id=viewer.account_id)
    pictures = {kind: Picture(one.file, one.static_file, one.matches) for kind, one in stored.items()}
    typed = form.fields_attributes
    return ProfileChange(
        display_name=_text(form.display_name),
        note=_text(form.note),
        fields=UNSET if typed is UNSET else tuple(typed),
        avatar=pictures.get("avatar", UNSET),
        header=pictures.get("header", UNSET),
        avatar_description=_text(form.avatar_description),
        header_description=_text(form.header_description),
        bot=form.bot,
        locked=form.locked,
        discoverable=form.discoverable,
        indexable=form.indexable,
        hide_collections=form.hide_collections,
        show_media=form.show_media,
        show_media_replies=form.show_media_replies,
        show_featured=form.show_featured,
        attribution_domains=None if form.attribution_domains is None else tuple(form.attribution_domains),
    )


def _text(value: str | UnsetType | None) -> str | UnsetType:
    return "" if value is None else value


def preferences_of(source: SourceForm) -> PreferencesChange | None:
    """The defaults to change, or None when nothing was asked for."""
    if source == SourceForm():
        return None
    return PreferencesChange(
        visibility=source.privacy,
        sensitive=source.sensitive,
        language=source.language or None if source.language is not UNSET else UNSET,
        quote_policy=source.quote_policy,
    )
