"""A mail becomes a notice, a reply to one, or nothing: the same for the listener and for the mailbox.

No loops: what a program wrote as an answer gets no receipt, our own mails come back in vain, and nobody gets more than
a few receipts an hour. Nothing is lost: the raw mail is kept before anything else is done.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Literal

import msgspec

from parley.abuse.headers import Envelope, read_envelope
from parley.abuse.mail import Mail, Refused, read_mail
from parley.abuse.reading import SOURCES
from parley.kit.clock import now
from parley.kit.db import Tx, wait_for_disk
from parley.kit.errors import Invalid, RateLimited
from parley.kit.instance import Instance
from parley.kit.limits import bucket_of, check_rate
from parley.kit.settings import Settings
from parley.safety.log.views import Actor
from parley.safety.notices.actions import file_notice, note_reply
from parley.safety.notices.harms import load_harms
from parley.safety.notices.keeping import keep_raw
from parley.safety.notices.questions import take_reply
from parley.safety.notices.reads import find_notice_of_mails, get_provider_by_sender, list_notice_urls
from parley.safety.notices.sending import own_ids_of
from parley.safety.notices.urls import own_hosts
from parley.safety.notices.views import NewNotice, OrderKind, ProviderView, RawMessage

log = logging.getLogger(__name__)

MOST_MAILS = 60
MOST_OF_PROVIDERS = 2000
MOST_OF_STRANGERS = 500
MOST_BYTES_OF_STRANGERS = 5 * 2**20
MOST_URLS = 50_000
MOST_URLS_OF_STRANGERS = 5000
"""Addresses that mails of a provider, and of all strangers together, may name in an hour."""
MOST_RECEIPTS = 10
PER = timedelta(hours=1)

Kind = Literal["notice", "reply", "known", "own", "bounce"]


class Taken(msgspec.Struct, frozen=True):
    """What a mail became: a new notice, a reply to one; or it is known already, our own, or a bounce."""

    kind: Kind
    notice_id: int | None = None


async def take_mail(instance: Instance, raw: bytes, *, null_sender: bool = False) -> Taken:
    """Take a mail in. `null_sender`: it was sent by `<>`, and must never be answered.

    Raises Refused with the answer to whoever delivers it; a 4xx means that it is tried again later.
    """
    settings = instance.settings
    # The header alone is read before anything is counted: a body costs as much as its sender likes.
    envelope = await asyncio.to_thread(read_envelope, raw, relay=settings.abuse_relay)
    try:
        async with instance.db.write() as tx:
            provider = await _provider_of(tx, envelope)
            await _check_rate(tx, settings, envelope, provider)
        if provider is None and len(raw) > MOST_BYTES_OF_STRANGERS:
            size = MOST_BYTES_OF_STRANGERS // 2**20
            raise Refused(552, f"5.3.4 Message too big: at most {size} MiB are taken from senders that we do not know")
        mail = await asyncio.to_thread(read_mail, raw, own_hosts(settings), relay=settings.abuse_relay)
        mail = msgspec.structs.replace(mail, sender=envelope.sender, authenticated=envelope.authenticated)
        kept = await keep_raw(instance, raw, provider_id=provider.id if provider is not None else None)
        async with instance.db.write() as tx:
            await wait_for_disk(tx)
            return await _take(tx, settings, mail, kept, provider, null_sender=null_sender)
    except RateLimited as error:
        minutes = -(-error.retry_after // 60)
        raise Refused(451, f"4.7.1 Too many mails: nothing is lost, try again in {minutes} minutes") from error
    except Invalid as error:
        raise Refused(554, f"5.6.0 {error.text}") from error


async def _take(
    tx: Tx, settings: Settings, mail: Mail, kept: RawMessage, provider: ProviderView | None, *, null_sender: bool
) -> Taken:
    if mail.message_id and own_ids_of(settings, [mail.message_id]):
        return Taken("own")
    actor = Actor("provider", provider.id, provider.name) if provider is not None else Actor("public")
    ours = own_ids_of(settings, list(mail.mentioned_ids))
    earlier = await find_notice_of_mails(tx, [*ours, *mail.mentioned_ids]) if ours or mail.mentioned_ids else None
    if mail.message_id:
        # A stranger who guessed the id of a host's mail must not make the real one look as if it were here already.
        whose = provider.id if provider is not None and _is_vouched(mail) else None
        known = await find_notice_of_mails(tx, [mail.message_id], sender=mail.sender, provider_id=whose)
        if known is not None:
            return Taken("known", known)
    if earlier is not None and mail.automatic != "replied" and not mail.is_bounce:
        await take_reply(tx, actor, earlier, address=mail.sender, text=mail.understood.statement)
    if earlier is not None and await _says_nothing_new(tx, mail, earlier):
        await note_reply(tx, actor, earlier, address=mail.sender, message_id=mail.message_id, raw_sha256=kept.sha256)
        return Taken("reply", earlier)
    if mail.is_bounce:
        return Taken("bounce")
    new = _notice_of(settings, mail, kept, provider)
    bucket = bucket_of("abuse-mail-urls", provider.id if provider is not None else "strangers")
    most = MOST_URLS if provider is not None else MOST_URLS_OF_STRANGERS
    await check_rate(tx, settings, bucket, most, PER, weight=max(len(new.urls), 1))
    answer_to = "" if null_sender else _answer_to(settings, mail, provider)
    receipt = bool(answer_to) and await _may_send_receipt(tx, settings, mail, answer_to, provider is not None)
    notice_id = await file_notice(
        tx, settings, actor, msgspec.structs.replace(new, answer_to=answer_to, wants_receipt=receipt)
    )
    return Taken("notice", notice_id)


async def _provider_of(tx: Tx, mail: Envelope) -> ProviderView | None:
    """The provider that we know to have written it. One that a mail only names did not."""
    provider = await get_provider_by_sender(tx, mail.sender) if mail.sender else None
    if provider is None:
        return None
    return provider if _is_vouched(mail) or provider.address_suffices else None


def _is_vouched(mail: Mail | Envelope) -> bool:
    """Whether our own relay found that the mail is of its sender's domain."""
    return mail.sender.rpartition("@")[2] in mail.authenticated


async def _check_rate(tx: Tx, settings: Settings, mail: Envelope, provider: ProviderView | None) -> None:
    """Count a mail before anything of it is kept: of a provider, else of its sender and of all strangers together."""
    if provider is not None:
        await check_rate(tx, settings, bucket_of("abuse-mail", provider.id), MOST_OF_PROVIDERS, PER)
        return
    await check_rate(tx, settings, bucket_of("abuse-mail", "sender", mail.sender or "nobody"), MOST_MAILS, PER)
    await check_rate(tx, settings, bucket_of("abuse-mail", "strangers"), MOST_OF_STRANGERS, PER)


async def _says_nothing_new(tx: Tx, mail: Mail, notice_id: int) -> bool:
    """Whether a mail in a thread names no URL that the notice does not name."""
    return set(mail.understood.urls) <= set(await list_notice_urls(tx, notice_id))


def _answer_to(settings: Settings, mail: Mail, provider: ProviderView | None) -> str:
    """Where people's answer goes; empty: nowhere, because a program waits there that would only write again, or because
    nobody knows who wrote.

    Anybody can write any sender into a mail, and any address into Reply-To: nothing is sent to either unless a provider
    has it registered, or our own relay vouches for it. Whoever forges makes us write to nobody.
    """
    if not mail.sender or mail.automatic == "replied" or mail.is_bounce:
        return ""
    to = _proved_address(mail, provider)
    return "" if to in (settings.abuse_mail, settings.sender.lower()) else to


def _proved_address(mail: Mail, provider: ProviderView | None) -> str:
    wanted, vouched = mail.reply_to or mail.sender, _is_vouched(mail)
    if provider is None:
        return mail.sender if vouched else ""
    registered = {one.lower() for one in (*provider.addresses, provider.contact_mail) if one}
    if wanted in registered or (vouched and _is_of(provider, wanted)):
        return wanted
    if vouched or mail.sender in registered:
        return mail.sender
    return provider.contact_mail


def _is_of(provider: ProviderView, address: str) -> bool:
    """Whether an address is in one of a provider's domains."""
    domain = address.rpartition("@")[2]
    return any(domain == one or domain.endswith(f".{one}") for one in provider.domains)


async def _may_send_receipt(tx: Tx, settings: Settings, mail: Mail, answer_to: str, verified: bool) -> bool:
    """Whether the program may answer by itself (RFC 3834): not to programs of strangers, and to nobody too often,
    whoever says that answers go there."""
    if verified:
        return True
    if mail.automatic:
        return False
    try:
        async with tx.transaction():
            await check_rate(tx, settings, bucket_of("abuse-receipt", answer_to.lower()), MOST_RECEIPTS, PER)
    except RateLimited:
        return False
    return True


def _notice_of(settings: Settings, mail: Mail, kept: RawMessage, provider: ProviderView | None) -> NewNotice:
    """The notice of a mail. `provider` is one that we know it to come from; who only says so is anybody."""
    said = mail.understood
    order: OrderKind | None = None
    if provider is not None and provider.kind == "authority":
        order = "preservation" if said.order_kind == "preservation" else "removal"
    return NewNotice(
        source=SOURCES[provider.kind] if provider is not None else "public_notice",
        channel="mail",
        urls=said.urls,
        statement=said.statement,
        harms=_harms_of(settings, said.harms),
        provider_id=provider.id if provider is not None else None,
        verified=provider is not None and _is_vouched(mail),
        format=said.format,
        reference=said.reference,
        subject=mail.subject,
        order_kind=order,
        authority=provider.name if order is not None and provider is not None else "",
        basis=said.basis,
        reporter_name=mail.sender_name or said.reporter_name,
        reporter_mail=mail.sender,
        good_faith=provider is not None,
        raw=kept,
        message_id=mail.message_id,
        received_at=now(),
    )


def _harms_of(settings: Settings, harms: tuple[str, ...]) -> tuple[str, ...]:
    """With the types of ARF as the clauses that they mean."""
    feedback = load_harms(settings).feedback
    named = []
    for one in harms:
        kind = one.removeprefix("feedback:")
        named.append(f"clause:{feedback[kind]}" if kind != one and kind in feedback else one)
    return tuple(named)
