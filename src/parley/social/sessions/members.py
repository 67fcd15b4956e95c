"""Who may be what: members made by an operator, roles, approval of newcomers, closed sign-ins, invitations."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, cast

from parley.kit.clock import now
from parley.kit.db import Tx, UniqueViolation
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.ids import new_token
from parley.kit.jobs import enqueue
from parley.kit.paging import Page
from parley.kit.settings import Settings
from parley.social.accounts.actions import (
    NewAccount,
    create_account,
    remove_pending_account,
    set_account_role,
    set_account_state,
)
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import AccountApproved, AccountCreated, SecurityChanged
from parley.social.sessions import passwords, store
from parley.social.sessions.joining import TAKEN, let_in, new_webauthn_id, problems_of_email
from parley.social.sessions.names import get_member_id
from parley.social.sessions.oauth.actions import revoke_all_tokens
from parley.social.sessions.tokens import publish_account_changed
from parley.social.sessions.views import InviteView, PendingView

Role = Literal["member", "moderator", "admin", "owner"]
ROLES = ("member", "moderator", "admin", "owner")
MAX_OPEN_INVITES = 50


def _role(role: str) -> Role:
    if role not in ROLES:
        raise Invalid(f"There is no role {role!r}. Roles are {', '.join(ROLES)}.")
    return cast(Role, role)


async def create_member(
    tx: Tx, settings: Settings, *, username: str, email: str, password: str, role: str = "member"
) -> int:
    """An operator's command: an account that can sign in at once. Reserved names are allowed. Returns its id.

    The one place that hashes a password inside a transaction: nobody else waits for the operator's.
    """
    wanted = _role(role)
    problems = {
        field: found
        for field, found in (
            ("email", problems_of_email(email)),
            ("password", passwords.problems_of(password, username=username, email=email)),
        )
        if found
    }
    if problems:
        raise Invalid(fields=problems)
    hashed = await passwords.hash_password(password)
    account_id = await create_account(tx, settings, NewAccount(username=username, role=wanted, by_operator=True))
    await set_account_state(tx, None, account_id, "active")
    moment = now()
    try:
        await store.insert_user(
            tx,
            account_id,
            email=email,
            password_hash=hashed,
            role=wanted,
            confirmed_at=moment,
            approved_at=moment,
            reason="",
            address=None,
            invite_id=None,
            app_id=None,
            locale="en",
            webauthn_id=new_webauthn_id(),
        )
    except UniqueViolation as error:
        raise Invalid(fields={"email": [TAKEN]}) from error
    await record(tx, AccountCreated(account_id=account_id, approved=True))
    return account_id


async def set_role(tx: Tx, actor: Viewer | None, account_id: int, role: str) -> None:
    """Give a member a role. `actor` None is the operator's shell.

    Owners give any role; admins make and unmake moderators; nobody changes the own role, and the last owner
    stays one. Raises Forbidden, NotFound, Conflict.
    """
    wanted = _role(role)
    owners = await store.lock_owners(tx)
    member = await store.get_member(tx, account_id)
    if member is None:
        raise NotFound
    if actor is not None:
        _need_rights(actor)
        touches_admins = {wanted, member.role} & {"admin", "owner"}
        if actor.account_id == account_id or (touches_admins and actor.role != "owner"):
            raise Forbidden
        if actor.role not in ("admin", "owner"):
            raise Forbidden
    if owners == [account_id] and wanted != "owner":
        raise Conflict("This is the last owner. Make somebody else an owner first.")
    await store.update_role(tx, account_id, wanted)
    await set_account_role(tx, account_id, wanted)
    await record(tx, SecurityChanged(account_id=account_id, what=f"role_{wanted}"))
    await publish_account_changed(tx, account_id)


async def set_role_by_operator(tx: Tx, username: str, role: str) -> None:
    """The operator's command: any role, for a member by name. Raises NotFound with a sentence."""
    await set_role(tx, None, await get_member_id(tx, username), role)


def _need_rights(actor: Viewer) -> None:
    """Staff acting in the own browser, or through an app that was given administration."""
    if not actor.is_staff or not any(scope.startswith("admin:write") for scope in actor.scopes):
        raise Forbidden


async def _need_authority(tx: Tx, actor: Viewer | None, account_id: int) -> store.Member:
    """The member, after it is clear that `actor` (None: the operator) stands above. Raises Forbidden, NotFound."""
    member = await store.get_member(tx, account_id)
    if member is None:
        raise NotFound
    if actor is not None:
        _need_rights(actor)
        if actor.account_id == account_id or ROLES.index(member.role) >= ROLES.index(actor.role):
            raise Forbidden
    return member


async def set_disabled(tx: Tx, actor: Viewer | None, account_id: int, disabled: bool) -> None:
    """Close a member's sign-in, at once in every browser and app, or open it again."""
    await _need_authority(tx, actor, account_id)
    await store.update_disabled(tx, account_id, disabled)
    if disabled:
        await store.delete_sessions(tx, account_id, keep=None)
        await revoke_all_tokens(tx, account_id)
    await record(tx, SecurityChanged(account_id=account_id, what="disabled" if disabled else "enabled"))
    await publish_account_changed(tx, account_id)


async def approve_account(tx: Tx, actor: Viewer | None, account_id: int) -> None:
    """Let a newcomer in. Raises Conflict when that was decided before."""
    await _need_authority(tx, actor, account_id)
    if not await store.update_approved(tx, account_id):
        raise Conflict("This account is approved already.")
    await let_in(tx, account_id)
    by = actor.account_id if actor else None
    await record(tx, AccountApproved(account_id=account_id, by_account_id=by))
    await enqueue(tx, "mail_approval", {"account_id": account_id})


async def reject_account(tx: Tx, actor: Viewer | None, account_id: int) -> None:
    """Turn a newcomer away: the account and its data are deleted. Raises Conflict when it was approved before."""
    member = await _need_authority(tx, actor, account_id)
    if member.approved_at is not None:
        raise Conflict("This account is approved already; it can be suspended instead.")
    if not await remove_pending_account(tx, account_id):
        raise Conflict("This account has begun or must be kept, so it cannot be deleted; it can be suspended instead.")
    by = actor.account_id if actor else account_id
    await record(tx, SecurityChanged(account_id=by, what="newcomer_rejected"))


async def list_pending(tx: Tx, viewer: Viewer | None, page: Page) -> list[PendingView]:
    """Who waits for approval, newest first, for staff (None: the operator). Raises Forbidden."""
    if viewer is not None and not viewer.is_staff:
        raise Forbidden
    rows = await store.list_pending_rows(tx, page.below, page.above, page.limit)
    return [
        PendingView(
            account_id=row.account_id,
            username=row.username,
            email=row.email,
            confirmed=row.email_confirmed_at is not None,
            reason=row.sign_up_reason,
            created_at=row.created_at,
            because=tuple(row.because),
        )
        for row in rows
    ]


async def create_invite(
    tx: Tx,
    settings: Settings,
    viewer: Viewer,
    *,
    max_uses: int | None = None,
    expires_in: timedelta | None = None,
    comment: str = "",
) -> InviteView:
    """Make an invitation. Where newcomers are approved it stands for approval, so only staff may make one there.

    Raises Forbidden, Conflict beyond 50 open ones, Invalid.
    """
    if not viewer.is_staff and settings.registrations not in ("open", "invite"):
        raise Forbidden("Only the moderators of this instance can invite people.")
    if max_uses is not None and not 1 <= max_uses <= 10_000:
        raise Invalid(fields={"max_uses": [("ERR_INVALID", "must be between 1 and 10,000")]})
    if expires_in is not None and not timedelta() < expires_in <= timedelta(days=366):
        raise Invalid(fields={"expires_in": [("ERR_INVALID", "must be at most a year")]})
    if await store.count_open_invites(tx, viewer.account_id, now()) >= MAX_OPEN_INVITES:
        raise Conflict(f"You have {MAX_OPEN_INVITES} open invitations. Delete one first.")
    row = await store.insert_invite(
        tx,
        new_token(128),
        viewer.account_id,
        max_uses=max_uses,
        expires_at=now() + expires_in if expires_in else None,
        comment=comment.replace("\0", "").strip()[:200],
    )
    return _invite_view(row)


async def create_operator_invite(tx: Tx, *, max_uses: int | None = 1, comment: str = "") -> str:
    """The operator's command: an invitation of nobody in particular. Returns its code."""
    row = await store.insert_invite(tx, new_token(128), None, max_uses=max_uses, expires_at=None, comment=comment[:200])
    return row.code


def _invite_view(row: store.InviteRow) -> InviteView:
    return InviteView(
        row.id, row.code, row.created_by, row.max_uses, row.uses, row.expires_at, row.comment, row.created_at
    )


async def list_invites(tx: Tx, viewer: Viewer) -> list[InviteView]:
    """The viewer's invitations; for staff, everybody's. Newest first."""
    by = None if viewer.is_staff else viewer.account_id
    return [_invite_view(row) for row in await store.list_invite_rows(tx, by)]


async def delete_invite(tx: Tx, viewer: Viewer, invite_id: int) -> None:
    """Withdraw an invitation: the own, or any for staff. Raises NotFound."""
    if not await store.delete_invite_row(tx, invite_id, None if viewer.is_staff else viewer.account_id):
        raise NotFound
