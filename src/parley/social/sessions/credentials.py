"""Changing what one signs in with: password and e-mail address, and getting in again without the password.

The functions take `instance` and open their own short transactions (see sign_in). What changes here may only be
changed from the member's own browser: an app's token never reaches it.
"""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx, UniqueViolation
from parley.kit.errors import Forbidden, Invalid
from parley.kit.ids import token_hash
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.kit.limits import bucket_of, count_try
from parley.social.accounts.views import Viewer
from parley.social.sessions import passwords, store
from parley.social.sessions.joining import TAKEN, BadLink, let_in, problems_of_email
from parley.social.sessions.judging import judge_new_email
from parley.social.sessions.mailing import count_mails, note_security
from parley.social.sessions.oauth.actions import revoke_all_tokens
from parley.social.sessions.store import Member
from parley.social.sessions.tokens import publish_account_changed


def need_session(viewer: Viewer) -> None:
    """Raise Forbidden unless the viewer acts in a browser of the member, not through an app."""
    if viewer.session_id is None:
        raise Forbidden("This can be changed only on the settings pages, after signing in there.")


async def check_password(instance: Instance, viewer: Viewer, password: str) -> None:
    """Make sure that it is the member who sits there. Raises Invalid (field `password`), Forbidden, RateLimited."""
    await right_member(instance, viewer, password)


async def right_member(instance: Instance, viewer: Viewer, password: str) -> Member:
    """The viewer's own row, after the password was right."""
    need_session(viewer)
    bucket = bucket_of("password_of", viewer.account_id)
    await count_try(instance.db, instance.settings, bucket, 10, timedelta(minutes=15))
    async with instance.db.read() as tx:
        member = await store.get_member(tx, viewer.account_id)
    right = await passwords.is_right_password(member.password_hash if member else None, password)
    if member is None or not right:
        raise Invalid("The password is wrong.", fields={"password": [("ERR_INVALID", "is wrong")]})
    return member


FRESH = timedelta(minutes=10)
"""How long after signing in a new way to sign in may be added without the password."""


async def needs_password(tx: Tx, viewer: Viewer) -> bool:
    """Whether the viewer must give the password again before a new way to sign in is added."""
    need_session(viewer)
    began = await store.get_session_began(tx, viewer.account_id, viewer.session_id or 0)
    return began is None or now() - began > FRESH


async def check_presence(instance: Instance, viewer: Viewer, password: str) -> None:
    """Make sure that the member sits there, who has just signed in or gives the password again: whoever finds a
    browser that was left signed in must not get a way in of their own. Raises as `check_password`."""
    async with instance.db.read() as tx:
        again = await needs_password(tx, viewer)
    if again:
        await right_member(instance, viewer, password)


async def change_password(instance: Instance, viewer: Viewer, current: str, new: str) -> None:
    """Replace the password; every other browser is signed out. Raises Invalid (fields `password`, `new_password`)."""
    member = await right_member(instance, viewer, current)
    problems = passwords.problems_of(new, username=member.username, email=member.email)
    if problems:
        raise Invalid(fields={"new_password": problems})
    hashed = await passwords.hash_password(new)
    async with instance.db.write() as tx:
        await store.update_password(tx, viewer.account_id, hashed)
        await store.delete_sessions(tx, viewer.account_id, keep=viewer.session_id)
        await store.delete_proofs(tx, viewer.account_id, ["sign_in", "reset_password"])
        await publish_account_changed(tx, viewer.account_id)
        await note_security(tx, viewer.account_id, "password_changed")


async def change_email(instance: Instance, viewer: Viewer, password: str, email: str) -> bool:
    """Ask for another address; returns whether a mail to it must be confirmed first.

    Whether somebody else has the address is not told where confirmation is on: then no mail is sent.
    """
    member = await right_member(instance, viewer, password)
    email = email.strip()
    problems = problems_of_email(email)
    if problems:
        raise Invalid(fields={"email": problems})
    if email.lower() == member.email.lower():
        raise Invalid(fields={"email": [("ERR_INVALID", "is already your address")]})
    await count_mails(instance, "confirmation", email, f"account {viewer.account_id}")
    await judge_new_email(instance.db, email, viewer.account_id)
    try:
        async with instance.db.write() as tx:
            if instance.settings.email_confirmation:
                await store.delete_proofs(tx, viewer.account_id, ["confirm_email"])
                await store.update_unconfirmed_email(tx, viewer.account_id, email)
                await enqueue(tx, "mail_confirmation", {"account_id": viewer.account_id})
                return True
            await store.update_email(tx, viewer.account_id, email, now())
            await note_security(tx, viewer.account_id, "email_changed", to=member.email)
            return False
    except UniqueViolation as error:
        raise Invalid(fields={"email": [TAKEN]}) from error


async def request_password_reset(instance: Instance, email: str, address: str) -> None:
    """Have a link sent, if a member has this address. Whether one does cannot be told from outside."""
    await count_mails(instance, "reset", email, address)
    async with instance.db.write() as tx:
        await enqueue(tx, "mail_password_reset", {"email": email[:320]})


async def reset_password(instance: Instance, token: str, password: str) -> int:
    """Use the link of a mail: set a new password, sign every browser out and void every app's token.

    Having read the mail also proves the address. A second factor stays in force. Raises BadLink, and Invalid (field
    `password`) after which the link still works. Returns the account's id.
    """
    hashed_token = token_hash(token)
    async with instance.db.read() as tx:
        proof = await store.get_proof(tx, hashed_token, "reset_password", now())
        member = await store.get_member(tx, proof.account_id) if proof and proof.account_id else None
    if member is None:
        raise BadLink
    problems = passwords.problems_of(password, username=member.username, email=member.email)
    if problems:
        raise Invalid(fields={"password": problems})
    hashed = await passwords.hash_password(password)
    async with instance.db.write() as tx:
        used = await store.delete_proof(tx, hashed_token, "reset_password", now())
        if used is None or str(used.payload.get("email")) != member.email:
            raise BadLink
        await store.update_password(tx, member.account_id, hashed)
        await store.update_confirmed(tx, member.account_id)
        await store.delete_sessions(tx, member.account_id, keep=None)
        await store.delete_proofs(tx, member.account_id, ["sign_in", "reset_password"])
        await revoke_all_tokens(tx, member.account_id)
        await let_in(tx, member.account_id)
        await note_security(tx, member.account_id, "password_reset")
    return member.account_id
