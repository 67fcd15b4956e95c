"""Tables of members and browsers: users, sessions, one_time_tokens, invites, and the view members. No rules."""

# Long because these tables are one idea: they are read and written together when somebody joins or signs in.

# ruff: noqa: S105 (statements about tokens and passwords, not passwords)

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the view `members`."""

    account_id: int
    username: str
    account_state: str
    email: str
    unconfirmed_email: str | None
    email_confirmed_at: datetime | None
    password_hash: str
    role: str
    approved_at: datetime | None
    disabled_at: datetime | None
    sign_up_reason: str
    app_id: int | None
    locale: str
    otp_secret_sealed: bytes | None
    otp_enabled_at: datetime | None
    otp_last_step: int | None
    webauthn_id: bytes
    created_at: datetime
    restriction: dict[str, Any] | None


GET_MEMBER = """SELECT * FROM members WHERE account_id = $1"""
GET_MEMBER_BY_EMAIL = """SELECT * FROM members WHERE lower(email) = lower($1)"""
GET_MEMBER_BY_USERNAME = """SELECT * FROM members WHERE lower(username) = lower($1)"""


async def get_member(tx: Tx, account_id: int) -> Member | None:
    """The member, whatever state the account is in."""
    row = await tx.fetchrow(GET_MEMBER, account_id)
    return Member(**row) if row else None


async def get_member_by_email(tx: Tx, email: str) -> Member | None:
    """The member with this address, in any case."""
    row = await tx.fetchrow(GET_MEMBER_BY_EMAIL, email)
    return Member(**row) if row else None


async def get_member_by_username(tx: Tx, username: str) -> Member | None:
    """The member with this name, in any case."""
    row = await tx.fetchrow(GET_MEMBER_BY_USERNAME, username)
    return Member(**row) if row else None


INSERT_USER = """
    INSERT INTO users (account_id, email, password_hash, role, email_confirmed_at, approved_at,
                       sign_up_reason, sign_up_address, invite_id, app_id, locale, webauthn_id)
    VALUES ($1, $2, $3, $4::user_role, $5, $6, $7, $8::text::inet, $9, $10, $11, $12)
"""


async def insert_user(
    tx: Tx,
    account_id: int,
    *,
    email: str,
    password_hash: str,
    role: str,
    confirmed_at: datetime | None,
    approved_at: datetime | None,
    reason: str,
    address: str | None,
    invite_id: int | None,
    app_id: int | None,
    locale: str,
    webauthn_id: bytes,
) -> None:
    """Add the private half of an account; raises UniqueViolation when the e-mail address is taken."""
    values = (
        email,
        password_hash,
        role,
        confirmed_at,
        approved_at,
        reason,
        address,
        invite_id,
        app_id,
        locale,
    )
    await tx.execute(INSERT_USER, account_id, *values, webauthn_id)


HAS_EMAIL = """SELECT EXISTS (SELECT FROM users WHERE lower(email) = lower($1))"""
HAS_USERNAME = """SELECT EXISTS (SELECT FROM members WHERE lower(username) = lower($1))"""


async def has_email(tx: Tx, email: str) -> bool:
    """Whether a member has this address."""
    return bool(await tx.fetchval(HAS_EMAIL, email))


async def has_username(tx: Tx, username: str) -> bool:
    """Whether a member has this name, in any case."""
    return bool(await tx.fetchval(HAS_USERNAME, username))


UPDATE_PASSWORD = """UPDATE users SET password_hash = $2 WHERE account_id = $1"""


async def update_password(tx: Tx, account_id: int, password_hash: str) -> None:
    """Replace the hash."""
    await tx.execute(UPDATE_PASSWORD, account_id, password_hash)


UPDATE_CONFIRMED = """
    UPDATE users SET email_confirmed_at = coalesce(email_confirmed_at, now()) WHERE account_id = $1
"""


async def update_confirmed(tx: Tx, account_id: int) -> None:
    """The address was proved."""
    await tx.execute(UPDATE_CONFIRMED, account_id)


UPDATE_UNCONFIRMED_EMAIL = """UPDATE users SET unconfirmed_email = $2 WHERE account_id = $1"""


async def update_unconfirmed_email(tx: Tx, account_id: int, email: str | None) -> None:
    """Remember an address that is still to be proved."""
    await tx.execute(UPDATE_UNCONFIRMED_EMAIL, account_id, email)


UPDATE_EMAIL = """
    UPDATE users SET email = $2, unconfirmed_email = NULL, email_confirmed_at = $3 WHERE account_id = $1
"""


async def update_email(tx: Tx, account_id: int, email: str, confirmed_at: datetime | None) -> None:
    """Replace the address; raises UniqueViolation when somebody else has it."""
    await tx.execute(UPDATE_EMAIL, account_id, email, confirmed_at)


UPDATE_SIGNED_IN = """UPDATE users SET last_sign_in_at = now() WHERE account_id = $1"""


async def update_signed_in(tx: Tx, account_id: int) -> None:
    """Note the time of a sign-in."""
    await tx.execute(UPDATE_SIGNED_IN, account_id)


UPDATE_ROLE = """UPDATE users SET role = $2::user_role WHERE account_id = $1"""


async def update_role(tx: Tx, account_id: int, role: str) -> None:
    """Set the role."""
    await tx.execute(UPDATE_ROLE, account_id, role)


HAS_OWNER = """SELECT EXISTS (SELECT FROM users WHERE role = 'owner')"""


async def has_owner(tx: Tx) -> bool:
    """Whether anybody is an owner."""
    return bool(await tx.fetchval(HAS_OWNER))


LOCK_OWNERS = """SELECT account_id FROM users WHERE role = 'owner' ORDER BY account_id FOR UPDATE"""


async def lock_owners(tx: Tx) -> list[int]:
    """The owners, locked until `tx` ends, so that the last one cannot be lost to two changes at once."""
    return [row["account_id"] for row in await tx.fetch(LOCK_OWNERS)]


UPDATE_DISABLED = """UPDATE users SET disabled_at = CASE WHEN $2 THEN now() END WHERE account_id = $1"""


async def update_disabled(tx: Tx, account_id: int, disabled: bool) -> None:
    """Close or open the sign-in of a member."""
    await tx.execute(UPDATE_DISABLED, account_id, disabled)


UPDATE_APPROVED = """
    UPDATE users SET approved_at = now() WHERE account_id = $1 AND approved_at IS NULL RETURNING account_id
"""


async def update_approved(tx: Tx, account_id: int) -> bool:
    """Approve; False when that had happened before."""
    return await tx.fetchval(UPDATE_APPROVED, account_id) is not None


class PendingRow(msgspec.Struct, frozen=True):
    """A person who waits."""

    account_id: int
    username: str
    email: str
    email_confirmed_at: datetime | None
    sign_up_reason: str
    created_at: datetime
    because: list[str]


LIST_PENDING = """
    SELECT account_id, username, email, email_confirmed_at, sign_up_reason, created_at,
           coalesce((SELECT because FROM sign_up_notes n WHERE n.account_id = m.account_id), '{}') AS because
    FROM members m
    WHERE approved_at IS NULL AND account_id < $1 AND account_id > $2
    ORDER BY account_id DESC
    LIMIT $3
"""


async def list_pending_rows(tx: Tx, below: int, above: int, limit: int) -> list[PendingRow]:
    """Who waits for approval, newest first."""
    return [PendingRow(**row) for row in await tx.fetch(LIST_PENDING, below, above, limit)]


LIST_UNCONFIRMED = """
    SELECT account_id FROM users
    WHERE email_confirmed_at IS NULL AND created_at < $1
    ORDER BY created_at
    LIMIT 200
"""


async def list_unconfirmed(tx: Tx, before: datetime) -> list[int]:
    """Members who joined before `before` and never proved their address (at most 200)."""
    return [row["account_id"] for row in await tx.fetch(LIST_UNCONFIRMED, before)]


LIST_STAFF = """
    SELECT username, email FROM members
    WHERE role IN ('moderator', 'admin', 'owner') AND email_confirmed_at IS NOT NULL AND account_state = 'active'
    ORDER BY account_id LIMIT 100
"""


async def list_staff(tx: Tx) -> list[tuple[str, str]]:
    """Name and mail address of everybody of the staff (at most 100)."""
    return [(row["username"], row["email"]) for row in await tx.fetch(LIST_STAFF)]


UPDATE_OLD_ADDRESSES = """
    UPDATE users SET sign_up_address = NULL
    WHERE sign_up_address IS NOT NULL AND created_at < $1 AND NOT is_held(account_id)
"""


async def update_old_addresses(tx: Tx, before: datetime) -> None:
    """Forget from where members signed up who did so before `before`, but for those under a legal hold."""
    await tx.execute(UPDATE_OLD_ADDRESSES, before)


class PreferencesRow(msgspec.Struct, frozen=True):
    """A member's defaults."""

    default_visibility: str
    default_sensitive: bool
    default_language: str | None
    default_quote_policy: str
    expand_media: str
    expand_spoilers: bool
    theme: str
    locale: str


GET_PREFERENCES = """
    SELECT default_visibility, default_sensitive, default_language, default_quote_policy, expand_media,
           expand_spoilers, theme, locale
    FROM users WHERE account_id = $1
"""
UPDATE_PREFERENCES = """
    UPDATE users
    SET default_visibility = $2, default_sensitive = $3, default_language = $4, default_quote_policy = $5,
        expand_media = $6, expand_spoilers = $7, theme = $8, locale = $9
    WHERE account_id = $1
"""


async def get_preferences_row(tx: Tx, account_id: int) -> PreferencesRow | None:
    """The member's defaults."""
    row = await tx.fetchrow(GET_PREFERENCES, account_id)
    return PreferencesRow(**row) if row else None


async def update_preferences_row(tx: Tx, account_id: int, row: PreferencesRow) -> None:
    """Replace them all."""
    await tx.execute(UPDATE_PREFERENCES, account_id, *msgspec.structs.astuple(row))


INSERT_SESSION = """
    INSERT INTO sessions (account_id, token_hash, user_agent, address, method, expires_at, device_hash)
    VALUES ($1, $2, $3, $4::text::inet, $5, $6, $7)
    RETURNING id
"""


async def insert_session(
    tx: Tx,
    account_id: int,
    token: bytes,
    *,
    user_agent: str,
    address: str | None,
    method: str,
    until: datetime,
    device: bytes | None = None,
) -> int:
    """Add a browser; `token` is the hash. Returns its id."""
    return int(await tx.fetchval(INSERT_SESSION, account_id, token, user_agent, address, method, until, device))


class SessionMember(msgspec.Struct, frozen=True, kw_only=True):
    """A session with what makes a viewer of it."""

    session_id: int
    last_seen_at: datetime
    account_id: int
    username: str
    account_state: str
    role: str
    locale: str
    email_confirmed_at: datetime | None
    approved_at: datetime | None
    disabled_at: datetime | None
    restriction: dict[str, Any] | None


GET_SESSION = """
    SELECT s.id AS session_id, s.last_seen_at, m.account_id, m.username, m.account_state, m.role, m.locale,
           m.email_confirmed_at, m.approved_at, m.disabled_at, m.restriction
    FROM sessions s
    JOIN members m ON m.account_id = s.account_id
    WHERE s.token_hash = $1 AND s.expires_at > $2
"""


async def get_session_member(tx: Tx, token: bytes, now: datetime) -> SessionMember | None:
    """The unexpired session with this token hash, and its member."""
    row = await tx.fetchrow(GET_SESSION, token, now)
    return SessionMember(**row) if row else None


UPDATE_SESSION_SEEN = """UPDATE sessions SET last_seen_at = $2, expires_at = $3 WHERE id = $1"""


async def update_session_seen(tx: Tx, session_id: int, seen_at: datetime, until: datetime) -> None:
    """Note that the browser is in use, and let the session live on."""
    await tx.execute(UPDATE_SESSION_SEEN, session_id, seen_at, until)


class SessionRow(msgspec.Struct, frozen=True):
    """A browser."""

    id: int
    user_agent: str
    address: str | None
    method: str
    created_at: datetime
    last_seen_at: datetime


LIST_SESSIONS = """
    SELECT id, user_agent, host(address) AS address, method, created_at, last_seen_at
    FROM sessions WHERE account_id = $1 AND expires_at > $2
    ORDER BY last_seen_at DESC, id DESC
    LIMIT 200
"""


async def list_session_rows(tx: Tx, account_id: int, now: datetime) -> list[SessionRow]:
    """The member's browsers, the most recent first."""
    return [SessionRow(**row) for row in await tx.fetch(LIST_SESSIONS, account_id, now)]


GET_SESSION_BEGAN = """SELECT created_at FROM sessions WHERE account_id = $1 AND id = $2"""


async def get_session_began(tx: Tx, account_id: int, session_id: int) -> datetime | None:
    """When the member signed in with one of the own browsers."""
    began: datetime | None = await tx.fetchval(GET_SESSION_BEGAN, account_id, session_id)
    return began


DELETE_SESSION = """DELETE FROM sessions WHERE account_id = $1 AND id = $2 RETURNING id"""
DELETE_SESSIONS = """DELETE FROM sessions WHERE account_id = $1 AND id <> $2 RETURNING id"""
DELETE_EXPIRED_SESSIONS = """DELETE FROM sessions WHERE expires_at < $1 AND NOT is_held(account_id)"""


async def delete_session(tx: Tx, account_id: int, session_id: int) -> bool:
    """Remove one of the member's own sessions; False when there is none such."""
    return await tx.fetchval(DELETE_SESSION, account_id, session_id) is not None


async def delete_sessions(tx: Tx, account_id: int, *, keep: int | None) -> int:
    """Remove the member's sessions but `keep`; returns how many."""
    return len(await tx.fetch(DELETE_SESSIONS, account_id, keep or 0))


async def delete_expired_sessions(tx: Tx, now: datetime) -> None:
    """Remove what has run out; of members under a legal hold it stays, and signs nobody in."""
    await tx.execute(DELETE_EXPIRED_SESSIONS, now)


class Proof(msgspec.Struct, frozen=True):
    """A one-time token's row."""

    account_id: int | None
    payload: dict[str, Any]


INSERT_PROOF = """
    INSERT INTO one_time_tokens (token_hash, purpose, account_id, payload, expires_at)
    VALUES ($1, $2, $3, $4, $5)
"""
GET_PROOF = """
    SELECT account_id, payload FROM one_time_tokens WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3
"""
DELETE_PROOF = """
    DELETE FROM one_time_tokens WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3
    RETURNING account_id, payload
"""
DELETE_PROOFS = """DELETE FROM one_time_tokens WHERE account_id = $1 AND purpose = ANY($2::text[])"""
DELETE_EXPIRED_PROOFS = """DELETE FROM one_time_tokens WHERE expires_at < $1"""


async def insert_proof(
    tx: Tx, token: bytes, purpose: str, account_id: int | None, payload: dict[str, Any], until: datetime
) -> None:
    """Add a one-time token; `token` is the hash."""
    await tx.execute(INSERT_PROOF, token, purpose, account_id, payload, until)


async def get_proof(tx: Tx, token: bytes, purpose: str, now: datetime) -> Proof | None:
    """Look at a token without using it up."""
    row = await tx.fetchrow(GET_PROOF, token, purpose, now)
    return Proof(**row) if row else None


async def delete_proof(tx: Tx, token: bytes, purpose: str, now: datetime) -> Proof | None:
    """Use a token up: only one caller gets the row."""
    row = await tx.fetchrow(DELETE_PROOF, token, purpose, now)
    return Proof(**row) if row else None


async def delete_proofs(tx: Tx, account_id: int, purposes: list[str]) -> None:
    """Remove the member's tokens for `purposes`."""
    await tx.execute(DELETE_PROOFS, account_id, purposes)


async def delete_expired_proofs(tx: Tx, now: datetime) -> None:
    """Remove what has run out."""
    await tx.execute(DELETE_EXPIRED_PROOFS, now)


class InviteRow(msgspec.Struct, frozen=True):
    """An invitation."""

    id: int
    code: str
    created_by: int | None
    max_uses: int | None
    uses: int
    expires_at: datetime | None
    comment: str
    created_at: datetime


INSERT_INVITE = """
    INSERT INTO invites (code, created_by, max_uses, expires_at, comment) VALUES ($1, $2, $3, $4, $5)
    RETURNING *
"""
UPDATE_INVITE_USED = """
    UPDATE invites SET uses = uses + 1
    WHERE code = $1 AND (max_uses IS NULL OR uses < max_uses) AND (expires_at IS NULL OR expires_at > $2)
      AND NOT EXISTS (
          SELECT FROM members m WHERE m.account_id = invites.created_by
            AND (m.disabled_at IS NOT NULL OR m.account_state IN ('suspended', 'deleted')))
    RETURNING *
"""
LIST_INVITES = """SELECT * FROM invites WHERE $1::bigint IS NULL OR created_by = $1 ORDER BY id DESC LIMIT 500"""
COUNT_OPEN_INVITES = """
    SELECT count(*) FROM invites
    WHERE created_by = $1 AND (max_uses IS NULL OR uses < max_uses)
      AND (expires_at IS NULL OR expires_at > $2)
"""
DELETE_INVITE = """DELETE FROM invites WHERE id = $1 AND ($2::bigint IS NULL OR created_by = $2) RETURNING id"""


async def insert_invite(
    tx: Tx, code: str, created_by: int | None, *, max_uses: int | None, expires_at: datetime | None, comment: str
) -> InviteRow:
    """Add an invitation."""
    row = await tx.fetchrow(INSERT_INVITE, code, created_by, max_uses, expires_at, comment)
    return InviteRow(**row)


async def update_invite_used(tx: Tx, code: str, now: datetime) -> InviteRow | None:
    """Use the invitation once; None when it is unknown, used up, expired, or of a member who was shut out."""
    row = await tx.fetchrow(UPDATE_INVITE_USED, code, now)
    return InviteRow(**row) if row else None


async def list_invite_rows(tx: Tx, created_by: int | None) -> list[InviteRow]:
    """The invitations of one member, or of everybody (None), newest first, at most 500."""
    return [InviteRow(**row) for row in await tx.fetch(LIST_INVITES, created_by)]


async def count_open_invites(tx: Tx, created_by: int, now: datetime) -> int:
    """How many of the member's invitations can still be used."""
    return int(await tx.fetchval(COUNT_OPEN_INVITES, created_by, now))


async def delete_invite_row(tx: Tx, invite_id: int, created_by: int | None) -> bool:
    """Remove an invitation (of `created_by`, unless None); False when there is none such."""
    return await tx.fetchval(DELETE_INVITE, invite_id, created_by) is not None
