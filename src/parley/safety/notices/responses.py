"""Answers: made when everything that a notice names is decided, signed, and never changed afterwards.

What changes later (an appeal, a word of a moderator) makes another answer. Nothing is sent here: jobs do that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.errors import Conflict, Invalid, NotFound
from parley.kit.settings import Settings
from parley.kit.signing import fingerprint_of, public_key_of, sign
from parley.safety.cases.clocks import meet_clocks
from parley.safety.evidence.orders import end_order
from parley.safety.log.actions import append_event, keep_cause
from parley.safety.log.views import Actor, human, system
from parley.safety.notices import store_notices
from parley.safety.notices.questions import end_question
from parley.safety.notices.reads import count_copies, load_ledgers, load_notice, need_other_staff
from parley.safety.notices.sending import answer_address, queue_message
from parley.safety.notices.states import reason_of
from parley.safety.notices.store_notices import ResponseRow
from parley.safety.notices.views import OUTCOME_WORDS, LedgerLine, NoticeView
from parley.social.accounts.views import Viewer

FORMAT = 1
MOST_WORDS = 4000
ME = system("notices")
_canonical = msgspec.json.Encoder(order="sorted")


async def answer_when_settled(tx: Tx, settings: Settings, notice_id: int) -> bool:
    """Answer a notice when nothing of it waits, or answer again when what was answered is true no more.

    False when there is nothing to say now.
    """
    row = await store_notices.lock_notice(tx, notice_id)
    if row is None:
        return False
    lines = (await load_ledgers(tx, [notice_id]))[notice_id]
    if not lines or not all(line.settled for line in lines):
        return False
    earlier = await store_notices.list_responses(tx, notice_id)
    if earlier and _outcomes_of(earlier[-1]) == [(line.url, line.outcome) for line in lines]:
        return False
    await _answer(tx, settings, ME, notice_id, lines, words="", written_by=None)
    return True


async def give_answer(tx: Tx, settings: Settings, actor: Actor, notice_id: int, *, words: str) -> int:
    """Answer a notice in the program's own words, with the ledger as it is; returns the answer's id."""
    lines = (await load_ledgers(tx, [notice_id]))[notice_id]
    return await _answer(tx, settings, actor, notice_id, lines, words=words, written_by=None)


async def respond_to_notice(tx: Tx, settings: Settings, viewer: Viewer, notice_id: int, words: str) -> int:
    """A moderator answers in words, beside the ledger as it is now; returns the answer's id.

    Raises NotFound for who is not staff, Invalid without words, Conflict while something that the notice names waits
    for a decision: what is undecided cannot be answered.
    """
    await need_other_staff(tx, viewer, notice_id)
    said = words.replace("\x00", "").strip()
    if not said:
        raise Invalid("Write what the answer shall say.")
    if len(said) > MOST_WORDS:
        raise Invalid(f"This is longer than {MOST_WORDS} characters. Shorten it.")
    if await store_notices.lock_notice(tx, notice_id) is None:
        raise NotFound
    lines = (await load_ledgers(tx, [notice_id]))[notice_id]
    waiting = sum(not line.settled for line in lines)
    if waiting:
        raise Conflict(f"{waiting} of the addresses wait for a decision. Decide about them: the answer goes out then.")
    return await _answer(tx, settings, human(viewer), notice_id, lines, words=said, written_by=viewer.account_id)


async def _answer(
    tx: Tx,
    settings: Settings,
    actor: Actor,
    notice_id: int,
    lines: Sequence[LedgerLine],
    *,
    words: str,
    written_by: int | None,
) -> int:
    number = len(await store_notices.list_responses(tx, notice_id)) + 1
    await end_question(tx, actor, notice_id, "ended")  # nobody waits for it any more; clocks end as they would have
    response_id, moment = await get_new_id(tx), now()
    notice = await load_notice(tx, notice_id)
    lines = [msgspec.structs.replace(line, due_at=notice.due_at) for line in lines]
    counted = await count_copies(tx, lines)
    contents = _canonical.encode(describe_answer(settings, notice, counted, number, words))
    await append_event(
        tx,
        actor,
        "notice_answered",
        notice_id=str(notice_id),
        number=number,
    )
    await store_notices.insert_response(
        tx,
        ResponseRow(
            id=response_id,
            notice_id=notice_id,
            number=number,
            contents=contents.decode(),
            sha256=hashlib.sha256(contents).digest(),
            signature=sign(settings, contents),
            key_fingerprint=fingerprint_of(public_key_of(settings)),
            words=words,
            written_by=written_by,
            created_at=moment,
        ),
    )
    await store_notices.update_acknowledged(tx, notice_id, moment)
    await store_notices.update_answered(tx, notice_id, moment)
    await meet_clocks(tx, notice_id=notice_id)
    if notice.order_kind is not None:
        async with keep_cause(tx):
            await end_order(tx, actor, notice_id, answer=words or f"Answered as notice {notice_id}, answer {number}.")
    if address := answer_address(notice):
        await queue_message(tx, notice_id, "answer", address, response_id=response_id)
    if notice.provider is not None and notice.provider.webhook_url and notice.provider.revoked_at is None:
        await queue_message(tx, notice_id, "webhook", notice.provider.webhook_url, response_id=response_id)
    return response_id


def describe_answer(
    settings: Settings, notice: NoticeView, lines: Sequence[LedgerLine], number: int, words: str
) -> dict[str, Any]:
    """An answer as it is signed. Nothing of it was written by a member."""
    return {
        "format": FORMAT,
        "instance": settings.name,
        "domain": settings.local_domain,
        "id": str(notice.id),
        "number": number,
        "reference": notice.reference,
        "provider": notice.provider.name if notice.provider else None,
        "status": "COMPLETED",
        "reason": reason_of([line.outcome for line in lines]),
        "words": words,
        "received_at": notice.received_at,
        "acknowledged_at": notice.acknowledged_at,
        "due_at": notice.due_at,
        "answered_at": now(),
        "urls": [describe_line(line) for line in lines],
    }


def describe_line(line: LedgerLine) -> dict[str, Any]:
    """A line of the ledger for whoever sent the notice: the same in answers and over the API."""
    return {
        "url": line.url,
        "found": line.found,
        "outcome": line.outcome,
        "explanation": OUTCOME_WORDS[line.outcome],
        "rule": line.clause,
        "rule_title": line.clause_title,
        "reasons": line.reasons if line.outcome in ("kept", "restored") else "",
        "automated": any(one.automated for one in line.subjects),
        "subjects": [
            {"type": one.subject.type, "id": str(one.subject.id), "outcome": one.outcome} for one in line.subjects
        ],
        "received_at": line.received_at,
        "acknowledged_at": line.acknowledged_at,
        "first_action_at": line.first_action_at,
        "resolved_at": line.resolved_at,
        "due_at": line.due_at,
        "in_time": line.in_time,
        "copies_found": line.copies_found,
        "copies_acted": line.copies_acted,
    }


def _outcomes_of(row: ResponseRow) -> list[tuple[str, str]]:
    said = msgspec.json.decode(row.contents)
    return [(one["url"], one["outcome"]) for one in said["urls"]]
