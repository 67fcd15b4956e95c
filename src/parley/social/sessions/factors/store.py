"""Tables of second factors: recovery_codes, passkeys, and the one-time-password columns of users."""

# ruff: noqa: S105 (statements about tokens and passwords, not passwords)

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.db import Tx

UPDATE_OTP_SECRET = """
    UPDATE users SET otp_secret_sealed = $2, otp_last_step = NULL
    WHERE account_id = $1 AND otp_enabled_at IS NULL
    RETURNING account_id
"""
UPDATE_OTP_ENABLED = """
    UPDATE users SET otp_enabled_at = now(), otp_last_step = $2
    WHERE account_id = $1 AND otp_enabled_at IS NULL AND otp_secret_sealed IS NOT NULL
    RETURNING account_id
"""
UPDATE_OTP_DISABLED = """
    UPDATE users SET otp_enabled_at = NULL, otp_secret_sealed = NULL, otp_last_step = NULL
    WHERE account_id = $1
"""
UPDATE_OTP_STEP = """
    UPDATE users SET otp_last_step = $2
    WHERE account_id = $1 AND otp_enabled_at IS NOT NULL AND (otp_last_step IS NULL OR otp_last_step < $2)
    RETURNING account_id
"""


async def update_otp_secret(tx: Tx, account_id: int, sealed: bytes) -> bool:
    """Keep a secret that is not yet in force; False when one-time passwords are already on."""
    return await tx.fetchval(UPDATE_OTP_SECRET, account_id, sealed) is not None


async def update_otp_enabled(tx: Tx, account_id: int, step: int) -> bool:
    """Put the kept secret in force; `step` is used up. False when it already was, or when there is none."""
    return await tx.fetchval(UPDATE_OTP_ENABLED, account_id, step) is not None


async def update_otp_disabled(tx: Tx, account_id: int) -> None:
    """Forget the secret."""
    await tx.execute(UPDATE_OTP_DISABLED, account_id)


async def update_otp_step(tx: Tx, account_id: int, step: int) -> bool:
    """Use a time step up; False when it or a later one was used before."""
    return await tx.fetchval(UPDATE_OTP_STEP, account_id, step) is not None


INSERT_RECOVERY_CODES = """
    INSERT INTO recovery_codes (account_id, code_hash) SELECT $1, unnest($2::bytea[])
"""
DELETE_RECOVERY_CODES = """DELETE FROM recovery_codes WHERE account_id = $1"""
UPDATE_RECOVERY_CODE_USED = """
    UPDATE recovery_codes SET used_at = now() WHERE account_id = $1 AND code_hash = $2 AND used_at IS NULL
    RETURNING account_id
"""
COUNT_RECOVERY_CODES = """SELECT count(*) FROM recovery_codes WHERE account_id = $1 AND used_at IS NULL"""


async def insert_recovery_codes(tx: Tx, account_id: int, hashes: list[bytes]) -> None:
    """Add codes, as hashes."""
    await tx.execute(INSERT_RECOVERY_CODES, account_id, hashes)


async def delete_recovery_codes(tx: Tx, account_id: int) -> None:
    """Remove every code of the member."""
    await tx.execute(DELETE_RECOVERY_CODES, account_id)


async def update_recovery_code_used(tx: Tx, account_id: int, code_hash: bytes) -> bool:
    """Use a code up: only one caller gets True."""
    return await tx.fetchval(UPDATE_RECOVERY_CODE_USED, account_id, code_hash) is not None


async def count_recovery_codes(tx: Tx, account_id: int) -> int:
    """How many codes are unused."""
    return int(await tx.fetchval(COUNT_RECOVERY_CODES, account_id))


class PasskeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey."""

    id: int
    account_id: int
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    transports: list[str]
    created_at: datetime
    last_used_at: datetime | None


INSERT_PASSKEY = """
    INSERT INTO passkeys (account_id, credential_id, public_key, sign_count, name, transports)
    VALUES ($1, $2, $3, $4, $5, $6)
    RETURNING *
"""
LIST_PASSKEYS = """SELECT * FROM passkeys WHERE account_id = $1 ORDER BY id"""
GET_PASSKEY_BY_CREDENTIAL = """SELECT * FROM passkeys WHERE credential_id = $1 FOR UPDATE"""
UPDATE_PASSKEY_USED = """UPDATE passkeys SET sign_count = $2, last_used_at = $3 WHERE id = $1"""
UPDATE_PASSKEY_NAME = """UPDATE passkeys SET name = $3 WHERE account_id = $1 AND id = $2 RETURNING id"""
DELETE_PASSKEY = """DELETE FROM passkeys WHERE account_id = $1 AND id = $2 RETURNING id"""


async def insert_passkey(
    tx: Tx,
    account_id: int,
    *,
    credential_id: bytes,
    public_key: bytes,
    sign_count: int,
    name: str,
    transports: list[str],
) -> PasskeyRow:
    """Add a passkey; raises UniqueViolation when the credential is known."""
    row = await tx.fetchrow(INSERT_PASSKEY, account_id, credential_id, public_key, sign_count, name, transports)
    return PasskeyRow(**row)


async def list_passkey_rows(tx: Tx, account_id: int) -> list[PasskeyRow]:
    """The member's passkeys, oldest first."""
    return [PasskeyRow(**row) for row in await tx.fetch(LIST_PASSKEYS, account_id)]


async def get_passkey_by_credential(tx: Tx, credential_id: bytes) -> PasskeyRow | None:
    """The passkey, locked until `tx` ends, so that its counter is compared and written as one."""
    row = await tx.fetchrow(GET_PASSKEY_BY_CREDENTIAL, credential_id)
    return PasskeyRow(**row) if row else None


async def update_passkey_used(tx: Tx, passkey_id: int, sign_count: int, used_at: datetime) -> None:
    """Note a use."""
    await tx.execute(UPDATE_PASSKEY_USED, passkey_id, sign_count, used_at)


async def update_passkey_name(tx: Tx, account_id: int, passkey_id: int, name: str) -> bool:
    """Rename one of the member's own passkeys; False when there is none such."""
    return await tx.fetchval(UPDATE_PASSKEY_NAME, account_id, passkey_id, name) is not None


async def delete_passkey_row(tx: Tx, account_id: int, passkey_id: int) -> bool:
    """Remove one of the member's own passkeys; False when there is none such."""
    return await tx.fetchval(DELETE_PASSKEY, account_id, passkey_id) is not None
