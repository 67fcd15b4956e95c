"""A member's defaults for posting and reading."""

from __future__ import annotations

import re

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.social.accounts.views import Viewer
from parley.social.sessions import store
from parley.social.sessions.views import PreferencesChange, PreferencesView

VISIBILITIES = ("public", "unlisted", "private", "direct")
QUOTE_POLICIES = ("public", "followers", "nobody")
EXPAND_MEDIA = ("default", "show_all", "hide_all")
THEMES = ("auto", "light", "dark")
_CHOICES = {
    "visibility": VISIBILITIES,
    "quote_policy": QUOTE_POLICIES,
    "expand_media": EXPAND_MEDIA,
    "theme": THEMES,
}
_LANGUAGE = re.compile(r"[a-z]{2,3}([_-][A-Za-z]{2,8})?")


async def get_preferences(tx: Tx, viewer: Viewer) -> PreferencesView:
    """The viewer's own defaults."""
    row = await store.get_preferences_row(tx, viewer.account_id)
    if row is None:
        raise NotFound
    return PreferencesView(
        visibility=row.default_visibility,
        sensitive=row.default_sensitive,
        language=row.default_language,
        quote_policy=row.default_quote_policy,
        expand_media=row.expand_media,
        expand_spoilers=row.expand_spoilers,
        theme=row.theme,
        locale=row.locale,
    )


async def update_preferences(tx: Tx, viewer: Viewer, change: PreferencesChange) -> PreferencesView:
    """Change some of the viewer's defaults; raises Invalid naming the field."""
    wanted = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET}
    if wanted.get("language") == "":
        wanted["language"] = None
    for name, value in wanted.items():
        if name in _CHOICES and value not in _CHOICES[name]:
            said = f"must be one of {', '.join(_CHOICES[name])}"
            raise Invalid(fields={name: [("ERR_INCLUSION", said)]})
        if name in ("language", "locale") and value is not None and not _LANGUAGE.fullmatch(value):
            raise Invalid(fields={name: [("ERR_INVALID", "must be a language code such as en or pt-BR")]})
    new = msgspec.structs.replace(await get_preferences(tx, viewer), **wanted)
    row = store.PreferencesRow(
        default_visibility=new.visibility,
        default_sensitive=new.sensitive,
        default_language=new.language,
        default_quote_policy=new.quote_policy,
        expand_media=new.expand_media,
        expand_spoilers=new.expand_spoilers,
        theme=new.theme,
        locale=new.locale,
    )
    await store.update_preferences_row(tx, viewer.account_id, row)
    return new
