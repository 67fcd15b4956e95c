"""Joining: sign-up, confirmation of the e-mail address, and its repetition.

`sign_up` and `resend_confirmation` take `instance` and open their own transactions: tries are counted even when they
fail, and the password is hashed outside of any transaction.
"""

from __future__ import annotations

import re
from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx, UniqueViolation
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.ids import token_hash
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.kit.limits import bucket_of, count_try
from parley.kit.settings import Settings
from parley.screening.account_banks import SignUpVerdict
from parley.social.accounts.actions import NewAccount, create_account
from parley.social.accounts.names import check_username
from parley.social.accounts.reads import has_held_profile
from parley.social.events.actions import record
from parley.social.events.facts import AccountCreated
from parley.social.sessions import passwords, store, store_notes
from parley.social.sessions.joining import TAKEN, BadLink, let_in, new_webauthn_id, problems_of_email
from parley.social.sessions.judging import SignUpRejected, judge_joining, judge_new_email, keep_refusal
from parley.social.sessions.mailing import count_mails, note_security
from parley.social.sessions.views import NewUser, SignUp

MAX_REASON = 1000
_LOCALE = re.compile(r"[a-z]{2,3}([_-][A-Za-z]{2,8})?")

Problems = dict[str, list[tuple[str, str]]]


async def sign_up(instance: Instance, new: NewUser) -> SignUp:
    """Make an account for a person. An invitation stands for approval.

    Raises Invalid whose `details` carry Mastodon's codes for each field; Forbidden when nobody, or only people
    with an invitation, may join; Rejection when policy refuses the name, SignUpRejected when a bank refuses
    an address or the name.
    """
    settings = instance.settings
    if settings.registrations == "closed":
        raise Forbidden("This instance does not take new members at the moment.")
    await count_try(instance.db, settings, bucket_of("sign_up", new.address), 20, timedelta(minutes=30))
    new, problems = _checked(settings, new)
    async with instance.db.read() as tx:
        if "username" not in problems and await store.has_username(tx, new.username):
            problems["username"] = [TAKEN]
        if "email" not in problems and await store.has_email(tx, new.email):
            problems["email"] = [TAKEN]
    if problems:
        raise Invalid(fields=problems)
    try:
        found = judge_joining(new.username, new.email, new.address)
    except SignUpRejected as refusal:
        await keep_refusal(instance.db, refusal)
        raise
    password_hash = await passwords.hash_password(new.password)
    try:
        async with instance.db.write() as tx:
            return await _join(tx, settings, new, password_hash, found)
    except UniqueViolation as error:
        raise Invalid(fields={"email": [TAKEN]}) from error


def _checked(settings: Settings, new: NewUser) -> tuple[NewUser, Problems]:
    """The input in its normal form, and what is wrong with it, field by field."""
    problems: Problems = {}
    username, email = new.username.strip(), new.email.strip()
    try:
        username = check_username(username)
    except Invalid as error:
        problems |= error.fields
    for field, found in (
        ("email", problems_of_email(email)),
        ("password", passwords.problems_of(new.password, username=username, email=email)),
    ):
        if found:
            problems[field] = found
    if not new.agreement:
        problems["agreement"] = [("ERR_ACCEPTED", "must be accepted")]
    reason = new.reason.replace("\0", "").strip()
    if len(reason) > MAX_REASON:
        problems["reason"] = [("ERR_TOO_LONG", f"is too long (maximum is {MAX_REASON} characters)")]
    code = new.invite_code.strip()
    if settings.registrations == "approval" and not reason and not code:
        problems["reason"] = [("ERR_BLANK", "can't be blank")]
    if settings.registrations == "invite" and not code:
        problems["invite_code"] = [("ERR_BLANK", "can't be blank: joining takes an invitation")]
    normal = NewUser(
        username=username,
        email=email,
        password=new.password,
        agreement=new.agreement,
        locale=new.locale if _LOCALE.fullmatch(new.locale) else "en",
        reason=reason,
        invite_code=code if code.isascii() and code.isprintable() else "?",
        address=new.address,
        app_id=new.app_id,
    )
    return normal, problems


async def _join(tx: Tx, settings: Settings, new: NewUser, password_hash: str, found: SignUpVerdict) -> SignUp:
    invite = await store.update_invite_used(tx, new.invite_code, now()) if new.invite_code else None
    if new.invite_code and invite is None:
        raise Invalid(fields={"invite_code": [("ERR_INVALID", "is unknown, used up or expired")]})
    approved = (settings.registrations != "approval" and found.tier != "hold") or invite is not None
    confirmed = not settings.email_confirmation
    account = NewAccount(username=new.username, state="active" if approved and confirmed else "pending")
    account_id = await create_account(tx, settings, account)
    # Where screening held the name, a person must look at the account before it begins, whatever is confirmed.
    approved = approved and not await has_held_profile(tx, account_id)
    moment = now()
    await store.insert_user(
        tx,
        account_id,
        email=new.email,
        password_hash=password_hash,
        role="member",
        confirmed_at=moment if confirmed else None,
        approved_at=moment if approved else None,
        reason=new.reason,
        address=new.address or None,
        invite_id=invite.id if invite else None,
        app_id=new.app_id,
        locale=new.locale,
        webauthn_id=new_webauthn_id(),
    )
    if found.tier:
        await store_notes.upsert_note(tx, account_id, found.tier, found.clause or "", found.because, found.entries)
    if not confirmed:
        await enqueue(tx, "mail_confirmation", {"account_id": account_id})
    await record(tx, AccountCreated(account_id=account_id, approved=approved))
    return SignUp(account_id, not confirmed, not approved)


async def confirm_email(tx: Tx, token: str) -> int:
    """Use the link of a mail: confirm the address of a new member, or the new address of an old one.

    Returns the account's id. Raises BadLink, and Conflict when somebody else took the address meanwhile. Call it
    for a POST only: mail scanners open links.
    """
    proof = await store.delete_proof(tx, token_hash(token), "confirm_email", now())
    member = await store.get_member(tx, proof.account_id) if proof and proof.account_id else None
    if proof is None or member is None:
        raise BadLink
    email = str(proof.payload.get("email", ""))
    if member.unconfirmed_email is not None and email == member.unconfirmed_email:
        try:
            await store.update_email(tx, member.account_id, email, now())
        except UniqueViolation as error:
            raise Conflict("This e-mail address belongs to another account by now.") from error
        await note_security(tx, member.account_id, "email_changed", to=member.email)
    elif email == member.email:
        await store.update_confirmed(tx, member.account_id)
    else:
        raise BadLink
    await store.delete_proofs(tx, member.account_id, ["confirm_email"])
    await let_in(tx, member.account_id)
    return member.account_id


async def resend_confirmation(instance: Instance, email: str, address: str) -> None:
    """Send the confirmation again, if the address waits for it. Whether it does cannot be told from outside."""
    await count_mails(instance, "confirmation", email, address)
    async with instance.db.write() as tx:
        await enqueue(tx, "mail_confirmation_again", {"email": email[:320]})


async def resend_own_confirmation(
    instance: Instance, account_id: int, app_id: int | None, email: str | None, address: str
) -> None:
    """For the app through which a person signed up: send the confirmation again, to a corrected address if given.

    Raises Forbidden with Mastodon's texts for another app or when the address is confirmed, Invalid for a bad one. An
    address that was once confirmed can get the password reset, so no app's token may put another in its place.
    """
    email = email.strip() if email else None
    async with instance.db.read() as tx:
        member = await store.get_member(tx, account_id)
        if member is None:
            raise NotFound
        if app_id is None or member.app_id != app_id:
            text = "This method is only available to the application the user originally signed-up with"
            raise Forbidden(text)
        if member.email_confirmed_at is not None and member.unconfirmed_email is None:
            raise Forbidden("This method is only available while the e-mail is awaiting confirmation")
        if member.email_confirmed_at is not None and email is not None:
            raise Forbidden("A confirmed e-mail address can be changed on the settings pages only")
    await count_mails(instance, "confirmation", email or member.email, address)
    if email is not None and problems_of_email(email):
        raise Invalid(fields={"email": problems_of_email(email)})
    if email is not None:
        await judge_new_email(instance.db, email, account_id)
    try:
        async with instance.db.write() as tx:
            if email is not None and email.lower() != member.email.lower():
                await store.update_email(tx, account_id, email, None)
            await enqueue(tx, "mail_confirmation", {"account_id": account_id})
    except UniqueViolation as error:
        raise Invalid(fields={"email": [TAKEN]}) from error
