"""Jobs of this room: the mails about signing in, and tidying up what has run out.

A link in a mail is made here, when the mail is sent, so that no usable token ever lies in the queue. A job that runs
twice sends a second mail with a second link; making one voids the links before it.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from parley.kit.clock import now
from parley.kit.instance import Instance
from parley.kit.mail import is_mail_address, send_mail
from parley.kit.store_limits import delete_old_tries
from parley.social.accounts.actions import remove_pending_account
from parley.social.sessions import letters, store
from parley.social.sessions.joining import make_proof
from parley.social.sessions.oauth.store import delete_old_codes
from parley.social.sessions.staff import queue_letter, write_to_staff

log = logging.getLogger(__name__)

CONFIRM_LIFE = timedelta(days=3)
RESET_LIFE = timedelta(hours=2)
UNCONFIRMED_LIFE = timedelta(days=7)
"""How long an account may wait for its address to be confirmed before it is deleted, and its name free again."""

ADDRESS_LIFE = timedelta(days=365)
KEEP_USED_CODES = timedelta(days=1)


async def mail_confirmation(instance: Instance, payload: dict[str, Any]) -> None:
    """Send the link that proves the address of `account_id`: the new one when a change waits, else the first."""
    async with instance.db.write() as tx:
        member = await store.get_member(tx, payload["account_id"])
        if member is None or (member.email_confirmed_at is not None and member.unconfirmed_email is None):
            return
        to = member.unconfirmed_email or member.email
        if member.unconfirmed_email is not None and await store.has_email(tx, to):
            return
        await store.delete_proofs(tx, member.account_id, ["confirm_email"])
        until = now() + CONFIRM_LIFE
        token = await make_proof(tx, "confirm_email", member.account_id, {"email": to}, until)
    await send_mail(instance.settings, to, *letters.confirmation(instance.settings, member.username, token))


async def mail_confirmation_again(instance: Instance, payload: dict[str, Any]) -> None:
    """`mail_confirmation` for whoever has the address `email`, if anybody waits for it."""
    async with instance.db.read() as tx:
        email = str(payload["email"])
        member = await store.get_member_by_email(tx, email) if is_mail_address(email) else None
    if member is not None and member.email_confirmed_at is None:
        await mail_confirmation(instance, {"account_id": member.account_id})


async def mail_password_reset(instance: Instance, payload: dict[str, Any]) -> None:
    """Send a link that sets a new password to whoever has the address `email`, if anybody has."""
    email = str(payload["email"]).strip()
    if not is_mail_address(email):
        return
    async with instance.db.write() as tx:
        member = await store.get_member_by_email(tx, email)
        if member is None or member.disabled_at is not None:
            return
        await store.delete_proofs(tx, member.account_id, ["reset_password"])
        until = now() + RESET_LIFE
        token = await make_proof(tx, "reset_password", member.account_id, {"email": member.email}, until)
    letter = letters.password_reset(instance.settings, member.username, token)
    await send_mail(instance.settings, member.email, *letter)


async def mail_security_notice(instance: Instance, payload: dict[str, Any]) -> None:
    """Write to `account_id` (or to the address `to`) that `what` changed."""
    async with instance.db.read() as tx:
        member = await store.get_member(tx, payload["account_id"])
    if member is None or payload["what"] not in letters.SECURITY:
        return
    letter = letters.security_notice(instance.settings, member.username, payload["what"])
    await send_mail(instance.settings, payload.get("to") or member.email, *letter)


async def mail_approval(instance: Instance, payload: dict[str, Any]) -> None:
    """Write to `account_id` that a moderator approved the account."""
    async with instance.db.read() as tx:
        member = await store.get_member(tx, payload["account_id"])
    if member is not None:
        letter = letters.approval(instance.settings, member.username, member.email_confirmed_at is None)
        await send_mail(instance.settings, member.email, *letter)


async def mail_rule_alarm(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after RuleAlarmRaised: write to everybody of the staff that a rule does not do what it used to."""
    async with instance.db.write() as tx:
        for username, email in await store.list_staff(tx):
            await queue_letter(tx, email, letters.rule_alarm(instance.settings, username, payload))


async def mail_emergency(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: write to every admin and owner, whoever did it among them, that a policy went live without a backtest.

    Payload: see `letters.emergency`.
    """
    letter = letters.emergency(instance.settings, payload)
    async with instance.db.write() as tx:
        told = await write_to_staff(tx, instance.settings, letter, roles=("admin", "owner"))
    if not told:
        log.error("nobody could be told by mail of the emergency: nobody of the staff has a proven address")


async def delete_stale_credentials(instance: Instance, payload: dict[str, Any]) -> None:
    """Hourly: forget one-time tokens, sessions, codes, counted tries and network addresses past
    their time."""
    moment = now()
    async with instance.db.write() as tx:
        await store.delete_expired_proofs(tx, moment)
        await store.delete_expired_sessions(tx, moment)
        await delete_old_codes(tx, moment - KEEP_USED_CODES)
        await delete_old_tries(tx, moment - timedelta(days=1))
        await store.update_old_addresses(tx, moment - ADDRESS_LIFE)


async def delete_unconfirmed_accounts(instance: Instance, payload: dict[str, Any]) -> None:
    """Daily: delete accounts whose address was not confirmed for a week, so that nobody can keep names and
    addresses of others taken."""
    async with instance.db.read() as tx:
        waiting = await store.list_unconfirmed(tx, now() - UNCONFIRMED_LIFE)
    for account_id in waiting:
        async with instance.db.write() as tx:
            member = await store.get_member(tx, account_id)
            if member is not None and member.email_confirmed_at is None:
                await remove_pending_account(tx, account_id)
