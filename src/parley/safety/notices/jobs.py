"""What follows a notice: its receipt, hiding in the interim, its answer, and forgetting who wrote it.

Each job may run twice: what was sent is marked as sent, what is hidden is hidden once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from parley.kit.clock import iso, now
from parley.kit.db import Tx
from parley.kit.errors import ParleyError, RateLimited
from parley.kit.instance import Instance
from parley.kit.limits import bucket_of, count_try
from parley.kit.mail import Attached, is_mail_address, send_mail
from parley.safety.cases.clocks import meet_clocks
from parley.safety.decisions.actions import decide_automatically
from parley.safety.decisions.views import NewAction, NewDecision
from parley.safety.log.actions import append_event
from parley.safety.log.views import system
from parley.safety.notices import store, store_notices, store_questions, store_raw
from parley.safety.notices.formats import attach_format
from parley.safety.notices.keeping import sweep
from parley.safety.notices.letters import answer_text, question_text, receipt_text
from parley.safety.notices.questions import end_question
from parley.safety.notices.reads import count_copies, list_responses, load_ledgers, load_notice
from parley.safety.notices.responses import answer_when_settled
from parley.safety.notices.sending import answer_subject, full_message_id
from parley.safety.notices.store_notices import MessageRow
from parley.safety.notices.views import LedgerLine, NoticeView, ResponseView
from parley.screening import live_ruleset

log = logging.getLogger(__name__)

ME = system("notices")
MOST_HIDDEN = 1000
HIDDEN_PER = timedelta(hours=1)
"""Addresses that are hidden at once because a trusted provider names them; others wait for people, or for a clock."""
KEEP_TOKENS = timedelta(hours=24)
FORGET_EACH = 500


# ---- Mails and calls ------------------------------------------------------------------------------------------------


async def mail_notice_message(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: send a receipt, a question or an answer. Payload: `message_id`."""
    async with instance.db.read() as tx:
        row = await store_notices.get_message(tx, int(payload["message_id"]))
        if row is None or row.sent_at is not None or not is_mail_address(row.address):
            return
        notice = await load_notice(tx, row.notice_id)
        lines = (await load_ledgers(tx, [row.notice_id]))[row.notice_id]
        if row.kind == "answer":
            lines = await count_copies(tx, lines)
        response = await _response_of(tx, row)
        question = next((one for one in notice.questions if one.id == row.question_id), None)
    if question is not None:
        if question.state != "open":
            return  # nobody waits for the answer any more
        text, files = question_text(instance.settings, notice, question), list[Attached]()
    else:
        text, files = _write(instance, notice, lines, row, response)
    await send_mail(
        instance.settings,
        row.address,
        answer_subject(notice.subject, notice.reference, f"Your notice {notice.id} to {instance.settings.name}"),
        text,
        headers=_headers(instance, notice, row),
        files=files,
    )
    async with instance.db.write() as tx:
        await append_event(tx, ME, "notice_mail_sent", notice_id=str(row.notice_id), kind=row.kind)
        await store_notices.update_sent(tx, row.id, now(), "")
        if row.kind == "receipt":
            await store_notices.update_acknowledged(tx, row.notice_id, now())
            await meet_clocks(tx, notice_id=row.notice_id, kinds=["acknowledge"])


async def _response_of(tx: Tx, row: MessageRow) -> ResponseView | None:
    found = await list_responses(tx, row.notice_id) if row.response_id is not None else []
    return next((one for one in found if one.id == row.response_id), None)


def _write(
    instance: Instance, notice: NoticeView, lines: Sequence[LedgerLine], row: MessageRow, response: ResponseView | None
) -> tuple[str, list[Attached]]:
    if response is None or row.kind != "answer":
        return receipt_text(instance.settings, notice, lines), []
    text = answer_text(instance.settings, notice, lines, response.words, response.key_fingerprint)
    return text, [
        Attached("answer.json", "application/json", response.contents.encode()),
        Attached("answer.json.sig", "application/octet-stream", _signature(response)),
        *attach_format(instance.settings, notice, lines, response),
    ]


def _signature(response: ResponseView) -> bytes:
    from base64 import b64decode

    return b64decode(response.signature)


def _headers(instance: Instance, notice: NoticeView, row: MessageRow) -> dict[str, str]:
    headers = {
        "Message-ID": full_message_id(instance.settings, row.message_id),
        "Reply-To": instance.settings.abuse_mail,
        "Auto-Submitted": "auto-replied",
    }
    if notice.message_id:
        headers["In-Reply-To"] = headers["References"] = notice.message_id
    return headers


async def call_notice_webhook(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: hand a signed answer to the provider's https address. Payload: `message_id`."""
    from parley.kit.outbound import OutboundRefused, post_outside

    async with instance.db.read() as tx:
        row = await store_notices.get_message(tx, int(payload["message_id"]))
        response = await _response_of(tx, row) if row is not None and row.sent_at is None else None
    if row is None or response is None:
        return
    headers = {
        "content-type": "application/json",
        "x-parley-signature": response.signature,
        "x-parley-key": response.key_fingerprint,
    }
    try:
        status = await post_outside(instance.settings, row.address, response.contents.encode(), headers)
        problem = "" if status < 400 else f"it answered {status}"
    except (OutboundRefused, OSError) as error:
        problem = str(error)
    async with instance.db.write() as tx:
        await append_event(tx, ME, "notice_webhook_called", notice_id=str(row.notice_id), reached=not problem)
        await store_notices.update_sent(tx, row.id, None if problem else now(), problem[:300])
    if problem and not problem.startswith(("Only https", "it answered 4")) and "not on the public" not in problem:
        raise OSError(f"the webhook of notice {row.notice_id} was not reached: {problem}")


# ---- Hiding in the interim ------------------------------------------------------------------------------------------


async def hide_named(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: a provider that is trusted names a threat to life: hide it until somebody decides. Payload: `notice_id`."""
    async with instance.db.read() as tx:
        notice = await load_notice(tx, int(payload["notice_id"]))
        lines = (await load_ledgers(tx, [notice.id]))[notice.id]
    if notice.provider is None or not notice.provider.trusted or not notice.verified:
        return
    bucket = bucket_of("hide-named", notice.provider.id)
    try:
        await count_try(instance.db, instance.settings, bucket, MOST_HIDDEN, HIDDEN_PER, weight=max(len(lines), 1))
    except RateLimited:
        # As a cap on a rule: a token that was stolen must not empty the place before anybody has looked. The clocks go
        # on: what it named is hidden when the hour for it is over, unless its token was taken back, and people decided.
        log.error("provider %s named more than %s addresses in an hour to be hidden", notice.provider.id, MOST_HIDDEN)
        return
    await hide_undecided(instance, notice.id)


async def hide_overdue_notice(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, after a clock was breached: what a provider or an authority named and nobody decided about is hidden.

    Payload: a ClockBreached.
    """
    if payload.get("notice_id") is None or payload.get("kind") not in ("resolve", "first_action"):
        return
    async with instance.db.read() as tx:
        notice = await load_notice(tx, int(payload["notice_id"]))
    if notice.source in ("provider_notice", "authority_order"):
        await hide_undecided(instance, notice.id)


async def hide_undecided(instance: Instance, notice_id: int) -> None:
    """Hide everything of a notice that is seen and undecided, until somebody decides."""
    async with instance.db.write() as tx:
        notice = await load_notice(tx, notice_id)
        lines = (await load_ledgers(tx, [notice_id]))[notice_id]
        by_account: dict[tuple[int, int | None], dict[tuple[str, int], NewAction]] = {}
        for one in (one for line in lines for one in line.subjects):
            if one.outcome == "waiting" and one.subject.type in ("status", "media", "profile"):
                key = (one.subject.type, one.subject.id)
                by_account.setdefault((one.account_id, one.case_id), {})[key] = NewAction("hide", one.subject)
        for (account_id, case_id), actions in sorted(by_account.items(), key=lambda item: item[0][0]):
            new = NewDecision(
                account_id=account_id,
                actions=tuple(actions.values()),
                case_id=case_id,
                clause=notice.clause,
                source=notice.source,
                automated_detection=False,
            )
            try:
                async with tx.transaction():
                    await decide_automatically(tx, instance.settings, ME, new, kind="interim")
            except ParleyError as error:
                # One account's must not keep all others' from being hidden; what failed waits for people.
                log.error(
                    "notice %s: what account %s posted could not be hidden: %s", notice_id, account_id, error.text
                )


# ---- Questions ------------------------------------------------------------------------------------------------------


async def end_questions(instance: Instance, payload: dict[str, Any]) -> None:
    """Each minute: whoever was asked has not answered in time, so the clocks go on."""
    async with instance.db.read() as tx:
        overdue = await store_questions.list_overdue(tx, now(), FORGET_EACH)
    for notice_id in overdue:
        async with instance.db.write() as tx:
            await end_question(tx, ME, notice_id, "expired")


# ---- Answers --------------------------------------------------------------------------------------------------------


async def answer_notice(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: answer a notice if nothing of it waits. Payload: `notice_id`."""
    async with instance.db.write() as tx:
        await answer_when_settled(tx, instance.settings, int(payload["notice_id"]))


async def answer_notices_of_decision(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, after a decision or its reversal: answer those notices that it settles. Payload: the fact."""
    decisions = [int(payload[name]) for name in ("decision_id", "by_decision_id") if payload.get(name) is not None]
    async with instance.db.read() as tx:
        notice_ids = await store_notices.list_notices_about(tx, decisions)
    for notice_id in notice_ids:
        async with instance.db.write() as tx:
            await answer_when_settled(tx, instance.settings, notice_id)


async def answer_notices_of_deletion(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, after an author deleted a status: what a notice named is gone. Payload: a StatusDeleted."""
    async with instance.db.read() as tx:
        notice_ids = await store_notices.list_notices_naming(tx, "status", int(payload["status_id"]))
    for notice_id in notice_ids:
        async with instance.db.write() as tx:
            await answer_when_settled(tx, instance.settings, notice_id)


# ---- Tidying up -----------------------------------------------------------------------------------------------------


async def clean_notice_tokens(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, hourly: forget idempotency tokens and used challenges after a day."""
    async with instance.db.write() as tx:
        await store.delete_old(tx, now() - KEEP_TOKENS)


async def forget_notice_senders(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, daily: forget who wrote public notices once they were answered and nobody can appeal any more.

    Their raw messages go too. What is about an account of which nothing may be lost waits until it may.
    """
    before = now() - timedelta(days=live_ruleset().head.clocks.appeal_open_days)
    async with instance.db.write() as tx:
        ids = await store_notices.list_forgettable(tx, before, FORGET_EACH)
        if not ids:
            return
        await append_event(tx, ME, "notice_senders_forgotten", notices=len(ids), before=iso(before))
        await store_notices.update_forgotten(tx, ids, now())
        unused = await store_raw.list_raw_of(tx, ids)
    await sweep(instance, before=now(), digests=unused)
