"""Making, renewing and striking off providers. Their tokens are shown once, and kept as hashes.

For those who run the instance; `viewer` None is an operator's shell.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import urlsplit

from parley.kit.clock import now
from parley.kit.db import Tx, UniqueViolation, get_new_id
from parley.kit.errors import Conflict, Invalid, NotFound, Unauthorized
from parley.kit.ids import new_token, token_hash
from parley.kit.mail import is_mail_address
from parley.kit.signing import is_signed_by
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, human, system
from parley.safety.notices import store
from parley.safety.notices.reads import present_provider
from parley.safety.notices.views import NewProvider, ProviderView
from parley.social.accounts.views import Viewer

PREFIX = "parley_abuse_"
"""Tokens begin with it, so that scanners of leaked secrets know one."""

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


async def create_provider(tx: Tx, viewer: Viewer | None, new: NewProvider) -> tuple[ProviderView, str]:
    """A provider and its token, which nobody can ask for again. Raises Invalid, and Conflict when the name is taken."""
    actor = _actor(viewer)
    checked = check_provider(new)
    provider_id, token, moment = await get_new_id(tx), PREFIX + new_token(), now()
    await append_event(tx, actor, "provider_created", provider_id=str(provider_id), kind=checked.kind)
    try:
        async with tx.transaction():
            await store.insert_provider(
                tx,
                provider_id,
                (checked.name, checked.kind, checked.contact_mail, checked.format, checked.trusted),
                (list(checked.addresses), list(checked.domains), checked.address_suffices),
                (checked.public_key, checked.webhook_url),
                (token_hash(token), moment),
            )
    except UniqueViolation as error:
        raise Conflict(
            f"There is a provider called {checked.name} already. Choose another name, or rotate its token."
        ) from error
    return present_provider((await store.list_providers_by_id(tx, [provider_id]))[provider_id]), token


async def rotate_token(tx: Tx, viewer: Viewer | None, provider: str) -> tuple[ProviderView, str]:
    """Another token for a provider (by name or id); the old one is worthless at once. Raises NotFound."""
    actor = _actor(viewer)
    row = await _locked(tx, provider)
    token = PREFIX + new_token()
    await append_event(tx, actor, "provider_token_made", provider_id=str(row.id))
    await store.update_token(tx, row.id, token_hash(token), now())
    return present_provider((await store.list_providers_by_id(tx, [row.id]))[row.id]), token


async def revoke_provider(tx: Tx, viewer: Viewer | None, provider: str) -> ProviderView:
    """Strike a provider off; what it sent stays and is answered. Raises NotFound."""
    actor = _actor(viewer)
    row = await _locked(tx, provider)
    await append_event(tx, actor, "provider_revoked", provider_id=str(row.id))
    await store.update_revoked(tx, row.id, now())
    return present_provider((await store.list_providers_by_id(tx, [row.id]))[row.id])


async def authenticate_provider(tx: Tx, token: str) -> ProviderView:
    """Whose token this is; raises Unauthorized."""
    row = await store.get_provider_by_token(tx, token_hash(token)) if token else None
    if row is None:
        raise Unauthorized(
            "This token is not known. Send `Authorization: Bearer TOKEN` with the token that the operator gave you."
        )
    return present_provider(row)


def check_signature(provider: ProviderView, body: bytes, signature: str) -> None:
    """Raise Unauthorized when a provider that has a key did not sign this body (Ed25519, base64)."""
    if not provider.public_key:
        return
    try:
        given = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        given = b""
    if not is_signed_by(base64.b64decode(provider.public_key), given, body):
        raise Unauthorized(
            "The body is not signed with your key. Send its Ed25519 signature in base64 as `X-Body-Signature`, or ask "
            "the operator to take your key off."
        )


def check_provider(new: NewProvider) -> NewProvider:
    """The same with everything in the form in which it is compared. Raises Invalid with what to change."""
    name = " ".join(new.name.split())
    if not 1 <= len(name) <= 200:
        raise Invalid("Give the provider a name of at most 200 characters.")
    if new.contact_mail and not is_mail_address(new.contact_mail):
        raise Invalid(f"{new.contact_mail[:100]} is not a mail address.")
    addresses = tuple(one.strip().lower() for one in new.addresses if one.strip())
    for address in addresses:
        if not is_mail_address(address):
            raise Invalid(f"{address[:100]} is not a mail address.")
    domains = tuple(one.strip().lower().lstrip("@").rstrip(".") for one in new.domains if one.strip())
    for domain in domains:
        if not _DOMAIN.fullmatch(domain):
            raise Invalid(f"{domain[:100]} is not a domain. Give it as `host.example`.")
    url = new.webhook_url.strip()
    if url and (urlsplit(url).scheme != "https" or not urlsplit(url).hostname or urlsplit(url).username):
        raise Invalid("The webhook must be an https:// address without a password in it.")
    return NewProvider(
        name=name,
        kind=new.kind,
        contact_mail=new.contact_mail,
        format=new.format,
        trusted=new.trusted,
        addresses=addresses,
        domains=domains,
        address_suffices=new.address_suffices,
        public_key=_read_key(new.public_key),
        webhook_url=url,
    )


def _read_key(written: str) -> str:
    """An Ed25519 public key (PEM, or its 32 bytes in base64) as base64; empty stays empty."""
    if not written.strip():
        return ""
    try:
        if "BEGIN" in written:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
            from cryptography.hazmat.primitives.serialization import load_pem_public_key

            key = load_pem_public_key(written.encode())
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("another kind of key")
            raw = key.public_bytes_raw()
        else:
            raw = base64.b64decode(written.strip(), validate=True)
    except (ValueError, binascii.Error) as error:
        raise Invalid("The key is not an Ed25519 public key. Give it as PEM, or as its 32 bytes in base64.") from error
    if len(raw) != 32:
        raise Invalid(f"The key has {len(raw)} bytes; an Ed25519 public key has 32.")
    return base64.b64encode(raw).decode()


async def _locked(tx: Tx, provider: str) -> store.ProviderRow:
    number = int(provider) if provider.isascii() and provider.isdigit() and len(provider) < 19 else 0
    row = await store.lock_provider(tx, number, provider)
    if row is None:
        raise NotFound(f"There is no provider {provider[:100]}. `parley provider list` shows them all.")
    return row


def _actor(viewer: Viewer | None) -> Actor:
    if viewer is None:
        return system("shell")
    viewer.need_operator()
    return human(viewer)
