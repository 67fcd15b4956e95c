"""What signing up, confirming and approving share: when a new account begins to be one that others can see."""

from __future__ import annotations

import secrets
from datetime import datetime

from parley.kit.db import Tx
from parley.kit.errors import Invalid
from parley.kit.ids import new_token, token_hash
from parley.kit.mail import is_mail_address
from parley.social.accounts.actions import set_account_state
from parley.social.sessions import store
from parley.social.sessions.tokens import publish_account_changed

MAX_EMAIL = 254
TAKEN = ("ERR_TAKEN", "has already been taken")


def problems_of_email(email: str) -> list[tuple[str, str]]:
    """What is wrong with an address, as Mastodon's codes with a sentence; empty when it is fine."""
    if not email:
        return [("ERR_BLANK", "can't be blank")]
    if len(email) > MAX_EMAIL:
        return [("ERR_TOO_LONG", f"is too long (maximum is {MAX_EMAIL} characters)")]
    if not is_mail_address(email):
        return [("ERR_INVALID", "is not a valid e-mail address")]
    return []


def new_webauthn_id() -> bytes:
    """A random name for the member on passkeys, which says nothing of the account (WebAuthn, 14.6.1)."""
    return secrets.token_bytes(32)


async def let_in(tx: Tx, account_id: int) -> bool:
    """Make a pending account active once its address is confirmed and it is approved; True when that happened."""
    await publish_account_changed(tx, account_id)
    member = await store.get_member(tx, account_id)
    if member is None or member.email_confirmed_at is None or member.approved_at is None:
        return False
    return member.account_state == "pending" and await set_account_state(tx, None, account_id, "active")


async def make_proof(tx: Tx, purpose: str, account_id: int | None, payload: dict[str, object], until: datetime) -> str:
    """A new one-time token for `purpose`; only its hash is stored."""
    token = new_token()
    await store.insert_proof(tx, token_hash(token), purpose, account_id, payload, until)
    return token


class BadLink(Invalid):
    """422: the link or the step is unknown, used or too old: all look the same."""

    default_text = "This link was used before or is too old. Ask for a new one."
    code = "bad_link"
