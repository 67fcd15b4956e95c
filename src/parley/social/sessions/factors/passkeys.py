"""Passkeys (WebAuthn level 2, by the webauthn library): adding, using, renaming and removing them.

A passkey signs in without a password. When it did not check its user (PIN, finger, face) and the member has
one-time passwords on, the code is still asked for. The library is imported only where it is used: it is large.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, UniqueViolation
from parley.kit.errors import Conflict, Invalid, NotFound
from parley.kit.ids import token_hash
from parley.kit.instance import Instance
from parley.kit.limits import bucket_of, count_try
from parley.kit.settings import Settings
from parley.social.accounts.views import Viewer
from parley.social.sessions import store as members
from parley.social.sessions.credentials import check_presence, need_session
from parley.social.sessions.factors import store
from parley.social.sessions.joining import BadLink, make_proof
from parley.social.sessions.mailing import note_security
from parley.social.sessions.sign_in import next_step
from parley.social.sessions.views import PasskeyOptions, PasskeyView, SignInStep

log = logging.getLogger(__name__)

CHALLENGE_LIFE = timedelta(minutes=5)
MAX_PASSKEYS = 20
ADD, USE = "passkey_add", "passkey_use"
TOO_LATE = "That took too long. Begin again."


class WrongPasskey(Invalid):
    """422: the authenticator's answer does not hold. Why is logged, not told."""

    default_text = "This passkey was not accepted. Try again, or sign in another way."
    code = "wrong_passkey"


def _host(settings: Settings) -> str:
    return settings.local_domain.rsplit(":", 1)[0]


async def begin_passkey_registration(instance: Instance, viewer: Viewer, password: str = "") -> PasskeyOptions:
    """What the browser needs to make a passkey for the viewer. Who did not sign in just now gives the password again.

    Raises Invalid (field `password`), and Conflict when there are 20 already.
    """
    await check_presence(instance, viewer, password)
    async with instance.db.write() as tx:
        return await _begin_registration(tx, instance.settings, viewer)


async def _begin_registration(tx: Tx, settings: Settings, viewer: Viewer) -> PasskeyOptions:
    import webauthn
    from webauthn.helpers import structs

    member = await members.get_member(tx, viewer.account_id)
    if member is None:
        raise NotFound
    known = await store.list_passkey_rows(tx, viewer.account_id)
    if len(known) >= MAX_PASSKEYS:
        raise Conflict(f"You have {MAX_PASSKEYS} passkeys already. Remove one first.")
    options = webauthn.generate_registration_options(
        rp_id=_host(settings),
        rp_name=settings.name,
        user_id=member.webauthn_id,
        user_name=f"{member.username}@{settings.local_domain}",
        user_display_name=member.username,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.PREFERRED,
        ),
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=row.credential_id) for row in known],
    )
    return await _with_handle(tx, ADD, viewer.account_id, options)


async def _with_handle(tx: Tx, purpose: str, account_id: int | None, options: Any) -> PasskeyOptions:
    import webauthn
    from webauthn.helpers import bytes_to_base64url

    payload: dict[str, object] = {"challenge": bytes_to_base64url(options.challenge)}
    handle = await make_proof(tx, purpose, account_id, payload, now() + CHALLENGE_LIFE)
    return PasskeyOptions(msgspec.json.decode(webauthn.options_to_json(options)), handle)


async def finish_passkey_registration(
    tx: Tx, settings: Settings, viewer: Viewer, handle: str, credential: dict[str, Any], *, name: str
) -> PasskeyView:
    """Store the passkey that the browser made. Raises WrongPasskey, BadLink (too late), Conflict (known already)."""
    import webauthn

    need_session(viewer)
    proof = await members.delete_proof(tx, token_hash(handle), ADD, now())
    if proof is None or proof.account_id != viewer.account_id:
        raise BadLink(TOO_LATE)
    try:
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=webauthn.base64url_to_bytes(str(proof.payload["challenge"])),
            expected_rp_id=_host(settings),
            expected_origin=settings.base_url,
        )
    except Exception as error:
        # Whatever the library trips over in an answer that anybody may have written is a refused answer.
        raise WrongPasskey(detail=f"{type(error).__name__}: {error}") from error
    try:
        row = await store.insert_passkey(
            tx,
            viewer.account_id,
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            name=_clean_name(name),
            transports=_transports(credential),
        )
    except UniqueViolation as error:
        raise Conflict("This passkey is on an account already.") from error
    await note_security(tx, viewer.account_id, "passkey_added")
    return _view(row)


def _clean_name(name: str) -> str:
    return "".join(char for char in name if char.isprintable()).strip()[:60] or "Passkey"


def _transports(credential: dict[str, Any]) -> list[str]:
    response = credential.get("response")
    found = response.get("transports") if isinstance(response, dict) else None
    known = {"usb", "nfc", "ble", "internal", "hybrid", "cable", "smart-card"}
    return [item for item in found if item in known] if isinstance(found, list) else []


async def begin_passkey_sign_in(instance: Instance, address: str) -> PasskeyOptions:
    """What the browser needs to ask for any passkey of this site. Raises RateLimited."""
    import webauthn

    bucket = bucket_of("passkey_from", address)
    await count_try(instance.db, instance.settings, bucket, 50, timedelta(minutes=5))
    options = webauthn.generate_authentication_options(rp_id=_host(instance.settings))
    async with instance.db.write() as tx:
        return await _with_handle(tx, USE, None, options)


async def finish_passkey_sign_in(
    instance: Instance, handle: str, credential: dict[str, Any], address: str
) -> SignInStep:
    """Sign in with what the authenticator answered. Raises WrongPasskey, BadLink (too late), SignInBlocked."""
    import webauthn

    bucket = bucket_of("passkey_from", address)
    await count_try(instance.db, instance.settings, bucket, 50, timedelta(minutes=5))
    async with instance.db.write() as tx:
        proof = await members.delete_proof(tx, token_hash(handle), USE, now())
        if proof is None:
            raise BadLink(TOO_LATE)
        row = await store.get_passkey_by_credential(tx, _credential_id(credential))
        member = await members.get_member(tx, row.account_id) if row else None
        if row is None or member is None:
            raise WrongPasskey
        _check_user_handle(credential, member.webauthn_id)
        try:
            verified = webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=webauthn.base64url_to_bytes(str(proof.payload["challenge"])),
                expected_rp_id=_host(instance.settings),
                expected_origin=instance.settings.base_url,
                credential_public_key=row.public_key,
                credential_current_sign_count=row.sign_count,
            )
        except Exception as error:
            log.warning("passkey %s of account %s: %s", row.id, row.account_id, error)
            raise WrongPasskey(detail=f"{type(error).__name__}: {error}") from error
        await store.update_passkey_used(tx, row.id, verified.new_sign_count, now())
    return await next_step(instance, member, "passkey", verified=verified.user_verified)


def _credential_id(credential: dict[str, Any]) -> bytes:
    import webauthn

    try:
        return webauthn.base64url_to_bytes(str(credential.get("id", ""))[:2000])
    except ValueError as error:
        raise WrongPasskey from error


def _check_user_handle(credential: dict[str, Any], expected: bytes) -> None:
    """A discoverable credential says whose it is; that must be the member whom the credential's id names."""
    import webauthn

    response = credential.get("response")
    given = response.get("userHandle") if isinstance(response, dict) else None
    try:
        matches = given is None or webauthn.base64url_to_bytes(str(given)) == expected
    except ValueError:
        matches = False
    if not matches:
        raise WrongPasskey(detail="the user handle is another member's")


async def list_passkeys(tx: Tx, viewer: Viewer) -> list[PasskeyView]:
    """The viewer's own passkeys, oldest first."""
    return [_view(row) for row in await store.list_passkey_rows(tx, viewer.account_id)]


def _view(row: store.PasskeyRow) -> PasskeyView:
    return PasskeyView(row.id, row.name, row.created_at, row.last_used_at)


async def rename_passkey(tx: Tx, viewer: Viewer, passkey_id: int, name: str) -> None:
    """Give one of the viewer's passkeys another name. Raises NotFound."""
    need_session(viewer)
    if not await store.update_passkey_name(tx, viewer.account_id, passkey_id, _clean_name(name)):
        raise NotFound


async def delete_passkey(tx: Tx, viewer: Viewer, passkey_id: int) -> None:
    """Remove one of the viewer's passkeys. Raises NotFound."""
    need_session(viewer)
    if not await store.delete_passkey_row(tx, viewer.account_id, passkey_id):
        raise NotFound
    await note_security(tx, viewer.account_id, "passkey_removed")
