"""Every read of this room, on one screen; each stands in the file of its subject."""

from __future__ import annotations

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.social.accounts.views import Viewer
from parley.social.sessions import store
from parley.social.sessions.browsers import list_sessions, viewer_of_session
from parley.social.sessions.credentials import needs_password
from parley.social.sessions.factors import store as factors
from parley.social.sessions.factors.passkeys import list_passkeys
from parley.social.sessions.members import list_invites, list_pending
from parley.social.sessions.oauth.reads import get_app, list_authorized_apps
from parley.social.sessions.preferences import get_preferences
from parley.social.sessions.scopes import describe_scopes, has_scope
from parley.social.sessions.standing import blocked_by
from parley.social.sessions.tokens import viewer_of_token
from parley.social.sessions.views import SecurityView

__all__ = [
    "Addressee",
    "describe_scopes",
    "get_addressee",
    "get_app",
    "get_preferences",
    "get_security",
    "has_owner",
    "has_scope",
    "list_authorized_apps",
    "list_invites",
    "list_passkeys",
    "list_pending",
    "list_sessions",
    "may_use_instance",
    "viewer_of_session",
    "viewer_of_token",
]


async def get_security(tx: Tx, viewer: Viewer) -> SecurityView:
    """How the viewer signs in, for the viewer's own settings page."""
    member = await store.get_member(tx, viewer.account_id)
    if member is None:
        raise NotFound
    return SecurityView(
        email=member.email,
        unconfirmed_email=member.unconfirmed_email,
        otp_enabled=member.otp_enabled_at is not None,
        recovery_codes_left=await factors.count_recovery_codes(tx, viewer.account_id),
        passkeys=tuple(await list_passkeys(tx, viewer)),
        needs_password=await needs_password(tx, viewer),
    )


class Addressee(msgspec.Struct, frozen=True):
    """Where a member gets mail, and in which language (as chosen for the pages)."""

    account_id: int
    username: str
    email: str
    locale: str


async def get_addressee(tx: Tx, account_id: int) -> Addressee | None:
    """How to write to a member, whatever state the account is in; None for somebody of another instance, and for an
    address that was never proved."""
    member = await store.get_member(tx, account_id)
    if member is None or member.email_confirmed_at is None:
        return None
    return Addressee(member.account_id, member.username, member.email, member.locale)


async def may_use_instance(tx: Tx, account_id: int) -> bool:
    """Whether the member could use the instance now: confirmed, approved, neither disabled nor suspended."""
    member = await store.get_member(tx, account_id)
    return member is not None and blocked_by(member) is None


async def has_owner(tx: Tx) -> bool:
    """Whether the instance has an owner yet."""
    return await store.has_owner(tx)
