"""Signing in with a password, then with a code where the member set that up.

The functions take `instance` and open their own short transactions: a failed try must be counted although it raises,
and argon2 does not run inside one. Every failure reads the same and takes the same time, whoever exists.
"""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Invalid
from parley.kit.ids import token_hash
from parley.kit.instance import Instance
from parley.kit.limits import bucket_of, count_try
from parley.kit.mail import is_mail_address
from parley.kit.settings import Settings
from parley.social.sessions import passwords, store
from parley.social.sessions.browsers import open_session
from parley.social.sessions.factors import store as factors
from parley.social.sessions.factors.otp import code_hash, matching_step, normal_code
from parley.social.sessions.joining import BadLink, make_proof
from parley.social.sessions.standing import SignInBlocked, turned_away_by
from parley.social.sessions.store import Member
from parley.social.sessions.views import SignInStep

__all__ = [
    "finish_sign_in_with_otp",
    "finish_sign_in_with_recovery_code",
    "open_session",
    "start_sign_in",
]

PENDING_LIFE = timedelta(minutes=10)
SIGN_IN = "sign_in"


class WrongCredentials(Invalid):
    """422: unknown member or wrong password; which of them is not told."""

    default_text = "The e-mail address, username or password is wrong."
    code = "wrong_credentials"


class WrongCode(Invalid):
    """422: the second factor did not match, or was used before."""

    default_text = "This code is wrong or was used before. Wait for the next one and try again."
    code = "wrong_code"


async def find_member(tx: Tx, settings: Settings, login: str) -> Member | None:
    """The member whom a sign-in names: an e-mail address, a username, `@name` or `name@this.instance`."""
    login = login.strip()
    if not login.isascii() or not login.isprintable() or len(login) > 320:
        return None
    if is_mail_address(login):
        member = await store.get_member_by_email(tx, login)
        if member is not None:
            return member
    name, _, domain = login.removeprefix("@").partition("@")
    if not name or domain.lower() not in ("", settings.local_domain):
        return None
    return await store.get_member_by_username(tx, name)


async def start_sign_in(instance: Instance, login: str, password: str, address: str) -> SignInStep:
    """Check a password. Raises WrongCredentials, SignInBlocked (only after the right password), RateLimited."""
    db, settings = instance.db, instance.settings
    await count_try(db, settings, bucket_of("sign_in_from", address), 25, timedelta(minutes=5))
    async with db.read() as tx:
        member = await find_member(tx, settings, login)
    whom = member.account_id if member else login.strip()[:320]
    await count_try(db, settings, bucket_of("sign_in_as", whom), 20, timedelta(hours=1))
    right = await passwords.is_right_password(member.password_hash if member else None, password)
    if member is None or not right:
        raise WrongCredentials
    if passwords.is_outdated_hash(member.password_hash):
        better = await passwords.hash_password(password)
        async with db.write() as tx:
            await store.update_password(tx, member.account_id, better)
    return await next_step(instance, member, "password")


async def next_step(instance: Instance, member: Member, method: str, *, verified: bool = False) -> SignInStep:
    """After a first factor: done, or a code is needed (unless `verified`: a passkey that checked its user)."""
    reason = turned_away_by(member)
    if reason is not None:
        raise SignInBlocked(reason)
    if member.otp_enabled_at is None or verified:
        return SignInStep(member.account_id, method)
    async with instance.db.write() as tx:
        until = now() + PENDING_LIFE
        token = await make_proof(tx, SIGN_IN, member.account_id, {"method": method}, until)
    return SignInStep(None, method, token)


async def finish_sign_in_with_otp(instance: Instance, pending_token: str, code: str, address: str) -> SignInStep:
    """Check the code of the authenticator app. Raises WrongCode, BadLink when the sign-in began too long ago."""
    member = await _pending_member(instance, pending_token, address)
    step = matching_step(instance.settings, member.otp_secret_sealed, code)
    if step is None:
        raise WrongCode
    async with instance.db.write() as tx:
        if not await factors.update_otp_step(tx, member.account_id, step):
            raise WrongCode
        return await _finish(tx, pending_token, None)


async def finish_sign_in_with_recovery_code(
    instance: Instance, pending_token: str, code: str, address: str
) -> SignInStep:
    """Use a recovery code up instead of the authenticator app. Raises WrongCode and BadLink."""
    member = await _pending_member(instance, pending_token, address)
    hashed = code_hash(member.account_id, normal_code(code))
    async with instance.db.write() as tx:
        if not await factors.update_recovery_code_used(tx, member.account_id, hashed):
            raise WrongCode("This recovery code is wrong or was used before.")
        return await _finish(tx, pending_token, "recovery_code")


async def _pending_member(instance: Instance, pending_token: str, address: str) -> Member:
    db, settings = instance.db, instance.settings
    await count_try(db, settings, bucket_of("otp_from", address), 30, timedelta(minutes=5))
    async with db.read() as tx:
        proof = await store.get_proof(tx, token_hash(pending_token), SIGN_IN, now())
        member = await store.get_member(tx, proof.account_id) if proof and proof.account_id else None
    if member is None:
        raise BadLink("This sign-in took too long. Begin again with your password.")
    await count_try(db, settings, bucket_of("otp_as", member.account_id), 10, timedelta(minutes=10))
    reason = turned_away_by(member)
    if reason is not None:
        raise SignInBlocked(reason)
    return member


async def _finish(tx: Tx, pending_token: str, method: str | None) -> SignInStep:
    proof = await store.delete_proof(tx, token_hash(pending_token), SIGN_IN, now())
    if proof is None or proof.account_id is None:
        raise BadLink("This sign-in took too long. Begin again with your password.")
    return SignInStep(proof.account_id, method or str(proof.payload.get("method", "password")))
