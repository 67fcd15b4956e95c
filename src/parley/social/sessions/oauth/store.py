"""Tables of OAuth: apps, authorization_codes and access_tokens. Only hashes of secrets pass."""

# ruff: noqa: S105 (statements about tokens and passwords, not passwords)

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class AppRow(msgspec.Struct, frozen=True, kw_only=True):
    """An app."""

    id: int
    name: str
    website: str | None
    client_id: str
    client_secret_hash: bytes
    redirect_uris: list[str]
    scopes: list[str]
    created_at: datetime


INSERT_APP = """
    INSERT INTO apps (name, website, client_id, client_secret_hash, redirect_uris, scopes)
    VALUES ($1, $2, $3, $4, $5, $6)
    RETURNING *
"""
GET_APP = """SELECT * FROM apps WHERE id = $1"""
GET_APP_BY_CLIENT = """SELECT * FROM apps WHERE client_id = $1"""


async def insert_app(
    tx: Tx,
    *,
    name: str,
    website: str | None,
    client_id: str,
    secret_hash: bytes,
    redirect_uris: list[str],
    scopes: list[str],
) -> AppRow:
    """Add an app."""
    return AppRow(**await tx.fetchrow(INSERT_APP, name, website, client_id, secret_hash, redirect_uris, scopes))


async def get_app_row(tx: Tx, app_id: int) -> AppRow | None:
    """An app by its id."""
    row = await tx.fetchrow(GET_APP, app_id)
    return AppRow(**row) if row else None


async def get_app_by_client(tx: Tx, client_id: str) -> AppRow | None:
    """An app by its client_id."""
    row = await tx.fetchrow(GET_APP_BY_CLIENT, client_id)
    return AppRow(**row) if row else None


class CodeRow(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization code."""

    code_hash: bytes
    app_id: int
    account_id: int
    redirect_uri: str
    scopes: list[str]
    code_challenge: str | None
    expires_at: datetime
    used_at: datetime | None


INSERT_CODE = """
    INSERT INTO authorization_codes
        (code_hash, app_id, account_id, redirect_uri, scopes, code_challenge, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
GET_CODE = """SELECT * FROM authorization_codes WHERE code_hash = $1"""
UPDATE_CODE_USED = """
    UPDATE authorization_codes SET used_at = $2 WHERE code_hash = $1 AND used_at IS NULL AND expires_at > $2
    RETURNING code_hash
"""
DELETE_OLD_CODES = """DELETE FROM authorization_codes WHERE expires_at < $1"""


async def insert_code(
    tx: Tx,
    code_hash: bytes,
    *,
    app_id: int,
    account_id: int,
    redirect_uri: str,
    scopes: list[str],
    challenge: str | None,
    until: datetime,
) -> None:
    """Add a code; `code_hash` is what is kept of it."""
    await tx.execute(INSERT_CODE, code_hash, app_id, account_id, redirect_uri, scopes, challenge, until)


async def get_code(tx: Tx, code_hash: bytes) -> CodeRow | None:
    """A code, used and expired ones included."""
    row = await tx.fetchrow(GET_CODE, code_hash)
    return CodeRow(**row) if row else None


async def update_code_used(tx: Tx, code_hash: bytes, now: datetime) -> bool:
    """Use a code up: only one caller gets True."""
    return await tx.fetchval(UPDATE_CODE_USED, code_hash, now) is not None


async def delete_old_codes(tx: Tx, before: datetime) -> None:
    """Remove codes that ran out before `before`."""
    await tx.execute(DELETE_OLD_CODES, before)


class TokenRow(msgspec.Struct, frozen=True):
    """A new token's row."""

    id: int
    created_at: datetime


INSERT_TOKEN = """
    INSERT INTO access_tokens (token_hash, app_id, account_id, code_hash, scopes) VALUES ($1, $2, $3, $4, $5)
    RETURNING id, created_at
"""


async def insert_token(
    tx: Tx,
    token: bytes,
    *,
    app_id: int | None,
    account_id: int | None,
    code_hash: bytes | None,
    scopes: list[str],
) -> TokenRow:
    """Add a token; `token` is the hash."""
    return TokenRow(**await tx.fetchrow(INSERT_TOKEN, token, app_id, account_id, code_hash, scopes))


class TokenMember(msgspec.Struct, frozen=True, kw_only=True):
    """A token with what makes a viewer of it; the member's columns are None for an app's own token."""

    token_id: int
    app_id: int | None
    scopes: list[str]
    last_used_at: datetime | None
    account_id: int | None
    username: str | None
    account_state: str | None
    role: str | None
    locale: str | None
    email_confirmed_at: datetime | None
    approved_at: datetime | None
    disabled_at: datetime | None
    restriction: dict[str, Any] | None


GET_TOKEN_MEMBER = """
    SELECT t.id AS token_id, t.app_id, t.scopes, t.last_used_at, t.account_id,
           m.username, m.account_state, m.role, m.locale, m.email_confirmed_at, m.approved_at, m.disabled_at,
           m.restriction
    FROM access_tokens t
    LEFT JOIN members m ON m.account_id = t.account_id
    WHERE t.token_hash = $1 AND t.revoked_at IS NULL
"""
UPDATE_TOKEN_USED = """
    UPDATE access_tokens SET last_used_at = $2
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2::timestamptz - interval '59 minutes')
"""


async def get_token_member(tx: Tx, token: bytes) -> TokenMember | None:
    """The live token with this hash and its member: one query on one unique index and two primary keys."""
    row = await tx.fetchrow(GET_TOKEN_MEMBER, token)
    return TokenMember(**row) if row else None


async def update_token_used(tx: Tx, token_id: int, now: datetime) -> None:
    """Note a use, about once an hour."""
    await tx.execute(UPDATE_TOKEN_USED, token_id, now)


class TokenOwner(msgspec.Struct, frozen=True):
    """Whose token it is."""

    id: int
    app_id: int | None
    account_id: int | None


GET_TOKEN_OWNER = """
    SELECT id, app_id, account_id FROM access_tokens WHERE token_hash = $1 AND revoked_at IS NULL
"""
REVOKE_TOKEN = """UPDATE access_tokens SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL"""
REVOKE_TOKENS_OF_CODE = """
    UPDATE access_tokens SET revoked_at = now() WHERE code_hash = $1 AND revoked_at IS NULL
    RETURNING id, app_id, account_id
"""
REVOKE_TOKENS_OF_APP = """
    UPDATE access_tokens SET revoked_at = now()
    WHERE account_id = $1 AND app_id = $2 AND revoked_at IS NULL
    RETURNING id, app_id, account_id
"""
REVOKE_TOKENS_OF_ACCOUNT = """
    UPDATE access_tokens SET revoked_at = now() WHERE account_id = $1 AND revoked_at IS NULL
    RETURNING id, app_id, account_id
"""
DELETE_CODES_OF_APP = """DELETE FROM authorization_codes WHERE account_id = $1 AND app_id = $2 AND used_at IS NULL"""
DELETE_CODES_OF_ACCOUNT = """DELETE FROM authorization_codes WHERE account_id = $1 AND used_at IS NULL"""


async def get_token_owner(tx: Tx, token: bytes) -> TokenOwner | None:
    """The live token with this hash."""
    row = await tx.fetchrow(GET_TOKEN_OWNER, token)
    return TokenOwner(**row) if row else None


async def update_token_revoked(tx: Tx, token_id: int) -> None:
    """Revoke one token."""
    await tx.execute(REVOKE_TOKEN, token_id)


async def update_tokens_of_code_revoked(tx: Tx, code_hash: bytes) -> list[TokenOwner]:
    """Revoke what came from a code; returns what was revoked."""
    return [TokenOwner(**row) for row in await tx.fetch(REVOKE_TOKENS_OF_CODE, code_hash)]


async def update_tokens_of_app_revoked(tx: Tx, account_id: int, app_id: int) -> list[TokenOwner]:
    """Revoke the member's tokens of one app, and forget its unused codes; returns what was revoked."""
    await tx.execute(DELETE_CODES_OF_APP, account_id, app_id)
    return [TokenOwner(**row) for row in await tx.fetch(REVOKE_TOKENS_OF_APP, account_id, app_id)]


async def update_tokens_of_account_revoked(tx: Tx, account_id: int) -> list[TokenOwner]:
    """Revoke all of the member's tokens, and forget unused codes; returns what was revoked."""
    await tx.execute(DELETE_CODES_OF_ACCOUNT, account_id)
    return [TokenOwner(**row) for row in await tx.fetch(REVOKE_TOKENS_OF_ACCOUNT, account_id)]


class AuthorizedRow(msgspec.Struct, frozen=True, kw_only=True):
    """An app with the tokens that it holds of one member, summed up."""

    id: int
    name: str
    website: str | None
    client_id: str
    redirect_uris: list[str]
    app_scopes: list[str]
    created_at: datetime
    scopes: list[str]
    first_at: datetime
    last_used_at: datetime | None


LIST_AUTHORIZED = """
    SELECT a.id, a.name, a.website, a.client_id, a.redirect_uris, a.scopes AS app_scopes, a.created_at,
           t.scopes, t.first_at, t.last_used_at
    FROM (
        SELECT app_id, min(created_at) AS first_at, max(last_used_at) AS last_used_at,
               array_agg(DISTINCT scope ORDER BY scope) AS scopes
        FROM access_tokens CROSS JOIN LATERAL unnest(scopes) AS scope
        WHERE account_id = $1 AND revoked_at IS NULL AND app_id IS NOT NULL
        GROUP BY app_id
    ) t
    JOIN apps a ON a.id = t.app_id
    ORDER BY t.first_at DESC
    LIMIT 500
"""


async def list_authorized_rows(tx: Tx, account_id: int) -> list[AuthorizedRow]:
    """The apps that hold a live token of the member, newest first."""
    return [AuthorizedRow(**row) for row in await tx.fetch(LIST_AUTHORIZED, account_id)]
