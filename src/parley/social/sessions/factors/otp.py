"""One-time passwords (RFC 6238, by pyotp) and the recovery codes beside them.

The secret is sealed at rest. A code is good once: the last used time step is kept, and only later ones count.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime

import pyotp

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Conflict, Invalid, NotFound
from parley.kit.ids import token_hash
from parley.kit.instance import Instance
from parley.kit.secrets import CannotUnseal, seal, unseal
from parley.kit.settings import Settings
from parley.social.accounts.views import Viewer
from parley.social.sessions import store as members
from parley.social.sessions.credentials import check_presence, need_session, right_member
from parley.social.sessions.factors import store
from parley.social.sessions.mailing import note_security
from parley.social.sessions.views import OtpSetup

PURPOSE = "otp"
PERIOD = 30
RECOVERY_CODES = 10
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
# 32 characters that cannot be mistaken for each other: 16 of them are 80 bits.


def matching_step(settings: Settings, sealed: bytes | None, code: str, *, at: datetime | None = None) -> int | None:
    """The time step whose code was given: this one, or one before or after it for clocks that differ; else None."""
    digits = "".join(code.split())
    if sealed is None or len(digits) != 6 or not digits.isascii() or not digits.isdigit():
        return None
    try:
        secret = unseal(settings, sealed, purpose=PURPOSE).decode()
    except CannotUnseal:
        return None
    generator = pyotp.TOTP(secret, interval=PERIOD)
    current = int((at or now()).timestamp()) // PERIOD
    found = None
    for step in (current - 1, current, current + 1):
        if hmac.compare_digest(generator.generate_otp(step), digits):
            found = step
    return found


async def begin_otp_setup(instance: Instance, viewer: Viewer, password: str = "") -> OtpSetup:
    """Make a secret for the member's authenticator app; it counts once `enable_otp` saw a code of it.

    Who did not sign in just now gives the password again. Raises Invalid (field `password`), and Conflict when
    one-time passwords are on already.
    """
    await check_presence(instance, viewer, password)
    settings = instance.settings
    secret = pyotp.random_base32()
    sealed = seal(settings, secret.encode(), purpose=PURPOSE)
    async with instance.db.write() as tx:
        if not await store.update_otp_secret(tx, viewer.account_id, sealed):
            raise Conflict("One-time codes are on already. Turn them off first.")
    label = f"{viewer.username}@{settings.local_domain}"
    uri = pyotp.TOTP(secret, interval=PERIOD, name=label, issuer=settings.name).provisioning_uri()
    return OtpSetup(secret, uri)


async def enable_otp(tx: Tx, settings: Settings, viewer: Viewer, code: str) -> list[str]:
    """Turn one-time passwords on with the first code; returns the recovery codes, which are shown this once.

    Raises Invalid (field `code`) when it does not match.
    """
    need_session(viewer)
    member = await members.get_member(tx, viewer.account_id)
    if member is None:
        raise NotFound
    step = matching_step(settings, member.otp_secret_sealed, code)
    if step is None:
        raise Invalid(
            "This code does not match. Check that the clock of your device is right and try the next code.",
            fields={"code": [("ERR_INVALID", "does not match")]},
        )
    if not await store.update_otp_enabled(tx, viewer.account_id, step):
        raise Conflict("One-time codes are on already.")
    await note_security(tx, viewer.account_id, "otp_enabled")
    return await _fresh_codes(tx, viewer.account_id)


async def disable_otp(instance: Instance, viewer: Viewer, password: str) -> None:
    """Turn one-time passwords off, with the password. Raises Invalid (field `password`)."""
    await right_member(instance, viewer, password)
    async with instance.db.write() as tx:
        await store.update_otp_disabled(tx, viewer.account_id)
        await store.delete_recovery_codes(tx, viewer.account_id)
        await note_security(tx, viewer.account_id, "otp_disabled")


async def new_recovery_codes(instance: Instance, viewer: Viewer, password: str) -> list[str]:
    """Replace the recovery codes, with the password; returns the new ones, which are shown this once."""
    member = await right_member(instance, viewer, password)
    if member.otp_enabled_at is None:
        raise Conflict("Turn one-time codes on first.")
    async with instance.db.write() as tx:
        await note_security(tx, viewer.account_id, "recovery_codes_made")
        return await _fresh_codes(tx, viewer.account_id)


async def _fresh_codes(tx: Tx, account_id: int) -> list[str]:
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    await store.delete_recovery_codes(tx, account_id)
    await store.insert_recovery_codes(tx, account_id, [code_hash(account_id, normal_code(code)) for code in codes])
    return codes


def _new_code() -> str:
    letters = "".join(secrets.choice(_LETTERS) for _ in range(16))
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))


def normal_code(code: str) -> str:
    """A recovery code as it is hashed, however it was typed."""
    return "".join(char for char in code.lower() if char in _LETTERS)


def code_hash(account_id: int, code: str) -> bytes:
    """What is stored of a recovery code."""
    return token_hash(f"{account_id}:{code}")
