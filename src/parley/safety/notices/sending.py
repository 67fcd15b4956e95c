"""What goes out about a notice: queued in a transaction, sent by a job, so that nothing is sent that was rolled back.

A message's own id (`Message-ID`) is made when it is queued: an answer to it, and one that comes back to us, are known.
"""

from __future__ import annotations

import re
from datetime import datetime

from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.jobs import enqueue
from parley.kit.settings import Settings
from parley.safety.notices import store_notices
from parley.safety.notices.store_notices import MessageRow
from parley.safety.notices.views import NoticeView

OWN_ID = re.compile(r"<notice-[0-9]{1,19}-[0-9a-z-]{1,40}@[^<>\s]{1,255}>", re.IGNORECASE)
"""Ids of our own mails."""


async def queue_message(
    tx: Tx,
    notice_id: int,
    kind: str,
    address: str,
    *,
    response_id: int | None = None,
    question_id: int | None = None,
    moment: datetime | None = None,
) -> int:
    """Queue a receipt, a question or an answer (`kind`) for `address`, or a call (`webhook`).

    The caller has appended an event.
    """
    row_id = await get_new_id(tx)
    row = MessageRow(
        id=row_id,
        notice_id=notice_id,
        direction="out",
        kind=kind,
        response_id=response_id,
        address=address,
        message_id="" if kind == "webhook" else own_message_id(notice_id, row_id),
        raw_sha256=None,
        problem="",
        created_at=moment or now(),
        sent_at=None,
        question_id=question_id,
    )
    await store_notices.insert_message(tx, row)
    job = "call_notice_webhook" if kind == "webhook" else "mail_notice_message"
    await enqueue(tx, job, {"message_id": row_id})
    return row_id


def answer_address(notice: NoticeView) -> str:
    """Where answers and questions are mailed: to the provider's own address when it is one, else back to who wrote."""
    if notice.provider is not None:
        return notice.provider.contact_mail or notice.answer_to
    return notice.answer_to


def own_message_id(notice_id: int, row_id: int) -> str:
    """What identifies a mail of ours: the row keeps `notice-1-2`, the mail says `<notice-1-2@...>`."""
    return f"notice-{notice_id}-{row_id}"


def full_message_id(settings: Settings, own: str) -> str:
    """The Message-ID header of a mail of ours."""
    return f"<{own}@{settings.sender.rpartition('@')[2]}>"


def own_ids_of(settings: Settings, ids: list[str]) -> list[str]:
    """Of Message-IDs that a mail names, those of our own mails, as rows keep them."""
    domain = f"@{settings.sender.rpartition('@')[2]}>".lower()
    found = []
    for one in ids:
        lowered = one.lower()
        if OWN_ID.fullmatch(lowered) and lowered.endswith(domain):
            found.append(lowered[1 : -len(domain)])
    return found


def answer_subject(subject: str, reference: str, fallback: str) -> str:
    """The subject of a reply: theirs, with their reference untouched; `Re:` once."""
    line = subject or fallback
    if not line.lower().startswith(("re:", "aw:")) and subject:
        line = f"Re: {line}"
    return line if not reference or reference in line else f"{line} [{reference}]"
