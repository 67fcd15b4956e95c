"""A member's settings: profile, e-mail and password, apps, preferences. Second steps and sessions: security.py."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.errors import ParleyError
from parley.kit.ids import parse_id
from parley.kit.uploads import UploadForm, receive_form
from parley.social.accounts.actions import update_profile
from parley.social.accounts.profiles import FieldInput, Picture, ProfileChange
from parley.social.accounts.reads import get_own_account
from parley.social.accounts.views import AccountView, Viewer
from parley.social.media.actions import picture_inspector
from parley.social.media.profile_pictures import Kind, store_profile_pictures
from parley.social.sessions.credentials import change_email, change_password
from parley.social.sessions.oauth.actions import revoke_app
from parley.social.sessions.oauth.reads import list_authorized_apps
from parley.social.sessions.preferences import get_preferences, update_preferences
from parley.social.sessions.reads import get_security
from parley.social.sessions.scopes import describe_scopes
from parley.social.sessions.views import PreferencesChange
from parley.web.errors import keep_refusal, wrong_fields
from parley.web.pages import redirect, render
from parley.web.visits import AnyRequest, Visit, check_form_token, read_form, visit_of

MIB = 1024 * 1024
MOST_FIELDS = 4
SHOWN_AGAIN = (413, 422)


@get("/settings")
async def show_settings(request: AnyRequest) -> Response[str]:
    """Settings begin with the profile."""
    return redirect(await visit_of(request), "/settings/profile")


@get("/settings/profile")
async def show_profile_form(request: AnyRequest) -> Response[str]:
    """The profile as its owner typed it."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        account = await get_own_account(tx, viewer)
    return await _profile_page(visit, account, _values_of(account))


@post("/settings/profile", opt={"reads_own_form": True}, request_max_body_size=None)
async def save_profile(request: AnyRequest) -> Response[str]:
    """Change the profile; its words and pictures are screened like a post."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    settings = visit.instance.settings
    most = (2 * settings.max_image_mb + 1) * MIB
    async with receive_form(request, picture_inspector(settings), most=most) as form:
        check_form_token(visit, form.fields.get("csrf", ""))
        try:
            change = await _profile_change(visit, viewer, form)
            async with visit.instance.db.write() as tx:
                account = await update_profile(tx, settings, viewer, change)
        except ParleyError as error:
            if error.status not in SHOWN_AGAIN:
                raise
            await keep_refusal(visit, error)
            async with visit.instance.db.read() as tx:
                account = await get_own_account(tx, viewer)
            return await _profile_page(visit, account, _values_typed(form), code=422, said=error.text)
    return redirect(visit, "/settings/profile", "profile-held" if account.held else "saved")


async def _profile_page(
    visit: Visit, account: AccountView, values: dict[str, Any], *, code: int = 200, said: str = ""
) -> Response[str]:
    return await render(
        visit, "settings_profile.html", code=code, title="Profile", account=account, values=values, said=said
    )


def _values_of(account: AccountView) -> dict[str, Any]:
    return {
        "display_name": account.display_name,
        "note": account.note,
        "avatar_description": account.avatar_description,
        "header_description": account.header_description,
        "fields": [(one.name, one.value) for one in account.fields],
        "locked": account.locked,
        "bot": account.bot,
        "discoverable": account.discoverable,
        "indexable": account.indexable,
        "hide_collections": account.hide_collections,
    }


def _values_typed(form: UploadForm) -> dict[str, Any]:
    texts = {name: form.fields.get(name, "") for name in TEXTS}
    return {**texts, **{name: bool(form.fields.get(name)) for name in SWITCHES}, "fields": _fields_typed(form)}


TEXTS = ("display_name", "note", "avatar_description", "header_description")
SWITCHES = ("locked", "bot", "discoverable", "indexable", "hide_collections")


def _fields_typed(form: UploadForm) -> list[tuple[str, str]]:
    return [
        (form.fields.get(f"field_name_{n}", ""), form.fields.get(f"field_value_{n}", "")) for n in range(MOST_FIELDS)
    ]


async def _profile_change(visit: Visit, viewer: Viewer, form: UploadForm) -> ProfileChange:
    """The form as a change, its pictures cleaned and stored."""
    kinds: tuple[Kind, ...] = ("avatar", "header")
    uploads = {kind: form.files[kind] for kind in kinds if kind in form.files and form.files[kind].size}
    stored = await store_profile_pictures(visit.instance, uploads, account_id=viewer.account_id)
    pictures: dict[str, Picture | None] = {
        **{kind: None for kind in kinds if form.fields.get(f"delete_{kind}")},
        **{kind: Picture(one.file, one.static_file, one.matches) for kind, one in stored.items()},
    }
    fields = tuple(FieldInput(name, value) for name, value in _fields_typed(form) if name.strip() or value.strip())
    texts = {name: form.fields.get(name, "") for name in TEXTS}
    switches = {name: bool(form.fields.get(name)) for name in SWITCHES}
    return ProfileChange(fields=fields, **texts, **switches, **pictures)  # type: ignore[arg-type]


@get("/settings/account")
async def show_account(request: AnyRequest) -> Response[str]:
    """E-mail address and password."""
    return await _account_page(await visit_of(request))


async def _account_page(visit: Visit, *, error: ParleyError | None = None) -> Response[str]:
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        security = await get_security(tx, viewer)
    return await render(
        visit,
        "settings_account.html",
        code=error.status if error else 200,
        title="Account",
        email=security.email,
        unconfirmed_email=security.unconfirmed_email,
        said=error.text if error else "",
        wrong=wrong_fields(error) if error else {},
    )


@post("/settings/account/email")
async def save_email(request: AnyRequest) -> Response[str]:
    """Ask for another address: a mail to it must be confirmed first."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    try:
        waits = await change_email(
            visit.instance, viewer, str(form.get("current_password", "")), str(form.get("email", ""))
        )
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _account_page(visit, error=error)
    return redirect(visit, "/settings/account", "email" if waits else "saved")


@post("/settings/account/password")
async def save_password(request: AnyRequest) -> Response[str]:
    """Change the password."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    try:
        await change_password(
            visit.instance, viewer, str(form.get("current_password", "")), str(form.get("new_password", ""))
        )
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _account_page(visit, error=error)
    return redirect(visit, "/settings/account", "password")


@get("/settings/apps")
async def show_apps(request: AnyRequest) -> Response[str]:
    """Which apps may act for the member."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        found = await list_authorized_apps(tx, viewer)
    apps = [(one, describe_scopes(one.scopes)) for one in found]
    return await render(visit, "settings_apps.html", title="Apps", apps=apps)


@post("/settings/apps/{app_id:str}/revoke")
async def take_app_off(request: AnyRequest, app_id: FromPath[str]) -> Response[str]:
    """Take back what an app was allowed."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.write() as tx:
        await revoke_app(tx, viewer, parse_id(app_id))
    return redirect(visit, "/settings/apps", "revoked")


@get("/settings/preferences")
async def show_preferences(request: AnyRequest) -> Response[str]:
    """How pages look (for everybody) and what a new post starts with (for members)."""
    visit = await visit_of(request)
    preferences = None
    if visit.viewer is not None:
        async with visit.instance.db.read() as tx:
            preferences = await get_preferences(tx, visit.viewer)
    return await render(visit, "settings_preferences.html", title="Preferences", values=preferences)


@post("/settings/preferences")
async def save_preferences(request: AnyRequest) -> Response[str]:
    """Change them."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    change = PreferencesChange(
        visibility=str(form.get("visibility", "public")),
        language=str(form.get("language", "")).strip() or None,
        sensitive=bool(form.get("sensitive")),
        quote_policy=str(form.get("quote_policy", "public")),
    )
    async with visit.instance.db.write() as tx:
        await update_preferences(tx, viewer, change)
    return redirect(visit, "/settings/preferences", "saved")


routes = [
    show_settings,
    show_profile_form,
    save_profile,
    show_account,
    save_email,
    save_password,
    show_apps,
    take_app_off,
    show_preferences,
    save_preferences,
]
