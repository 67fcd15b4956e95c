"""What the staff, a provider and whoever holds a receipt may see of notices. Everybody else sees nothing at all."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.secrets import keyed_hash
from parley.kit.settings import Settings
from parley.safety.cases.views import Source
from parley.safety.notices import store, store_ledger, store_notices, store_questions
from parley.safety.notices.states import outcome_of_url, preserved, progress_of, subject_of
from parley.safety.notices.store_ledger import ActionRow, SubjectRow
from parley.safety.notices.store_notices import StoredNotice, UrlRow
from parley.safety.notices.views import (
    Channel,
    Found,
    LedgerLine,
    LedgerSubject,
    MessageView,
    NoticeRow,
    NoticesPage,
    NoticeView,
    OrderKind,
    ProviderView,
    QuestionView,
    ResponseView,
)
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import Viewer
from parley.social.statuses.copies import list_copies

PROGRAM = Viewer(account_id=0, username="parley", role="moderator")
"""The program itself, where a read is for the staff: it only counts."""

MOST_COPIED = 50
"""For how many posts of a notice copies are counted when it is read."""
MOST_OF_CASE = 5
"""How many notices of a case are shown with it."""
TAKEN_DOWN = frozenset({"removed", "hidden_interim"})
_RECEIPT = re.compile(r"[0-9]{1,19}-[0-9a-f]{40}")
_MAC = 40


# ---- Providers ------------------------------------------------------------------------------------------------------


async def list_providers(tx: Tx, viewer: Viewer | None) -> list[ProviderView]:
    """All providers. For the staff; `viewer` None is an operator's shell."""
    if viewer is not None and not viewer.is_staff:
        raise NotFound
    return [present_provider(row) for row in await store.list_providers(tx)]


async def get_provider_by_sender(tx: Tx, address: str) -> ProviderView | None:
    """Who writes from this mail address, if it is true. For the door alone."""
    lowered = address.lower()
    parts = lowered.rpartition("@")[2].split(".")
    domains = [".".join(parts[start:]) for start in range(len(parts) - 1)]
    row = await store.get_provider_by_sender(tx, lowered, domains)
    return present_provider(row) if row else None


def present_provider(row: store.ProviderRow) -> ProviderView:
    """A provider without its token."""
    return msgspec.convert(
        {name: getattr(row, name) for name in store.ProviderRow.__struct_fields__}, ProviderView, strict=False
    )


# ---- The ledger -----------------------------------------------------------------------------------------------------


async def list_ledger(tx: Tx, viewer: Viewer | None, notice_id: int, *, copies: bool = True) -> list[LedgerLine]:
    """Each URL of a notice with what became of it. For the staff; raises NotFound."""
    await need_other_staff(tx, viewer, notice_id)
    lines = (await load_ledgers(tx, [notice_id])).get(notice_id)
    if lines is None:
        raise NotFound
    return await count_copies(tx, lines) if copies else lines


async def load_ledgers(tx: Tx, notice_ids: Sequence[int]) -> dict[int, list[LedgerLine]]:
    """The ledgers of notices by id, whoever asks: the caller has checked that. Without copies. Six queries."""
    notices = await store_notices.list_notices(tx, notice_ids)
    urls = await store_notices.list_urls(tx, list(notices)) if notices else []
    subjects = await store_ledger.list_subjects(tx, list(notices)) if urls else []
    named = list({(one.type, one.id) for one in subjects})
    decided = list({one.decision_id for one in subjects if one.decision_id is not None})
    actions = await store_ledger.list_actions(tx, named, decided) if named else []
    decisions = await store_ledger.list_decisions(tx, decided) if decided else {}
    moment = now()
    by_url: dict[int, list[LedgerSubject]] = {}
    for row in subjects:
        decision = decisions.get(row.decision_id) if row.decision_id is not None else None
        by_url.setdefault(row.url_id, []).append(subject_of(row, _actions_of(row, actions), decision, moment))
    found: dict[int, list[LedgerLine]] = {notice_id: [] for notice_id in notices}
    for url in urls:
        found[url.notice_id].append(_line(notices[url.notice_id], url, by_url.get(url.id, [])))
    return found


def _actions_of(row: SubjectRow, actions: Sequence[ActionRow]) -> list[ActionRow]:
    return [
        one
        for one in actions
        if (one.subject_type, one.subject_id) == (row.type, row.id)
        or (one.subject_type == "account" and one.subject_id == row.account_id and one.decision_id == row.decision_id)
    ]


def _line(notice: StoredNotice, url: UrlRow, subjects: Sequence[LedgerSubject]) -> LedgerLine:
    found: Found = msgspec.convert(url.found, Found)
    if notice.order_kind == "preservation":
        subjects = [preserved(one, notice.received_at) for one in subjects]
    outcome = outcome_of_url(found, subjects)
    deciding = next((one for one in subjects if one.outcome == outcome), None)
    settled = all(one.settled for one in subjects)
    firsts = [one.first_action_at for one in subjects]
    ends = [one.decided_at for one in subjects if one.decided_at is not None]
    return LedgerLine(
        id=url.id,
        position=url.position,
        url=url.url,
        found=found,
        subjects=tuple(subjects),
        outcome=outcome,
        clause=deciding.clause if deciding else None,
        clause_title=deciding.clause_title if deciding else "",
        reasons=deciding.reasons if deciding else "",
        received_at=notice.received_at,
        acknowledged_at=notice.acknowledged_at,
        first_action_at=_latest(firsts) if firsts else None,
        resolved_at=(max(ends) if ends else notice.received_at) if settled else None,
        due_at=notice.due_at,
        settled=settled,
        copies_found=0,
        copies_acted=0,
    )


def _latest(moments: Sequence[datetime | None]) -> datetime | None:
    """When something had been done about all of them."""
    known = [one for one in moments if one is not None]
    return max(known) if len(known) == len(moments) else None


async def count_copies(tx: Tx, lines: Sequence[LedgerLine]) -> list[LedgerLine]:
    """The same lines with how many other posts say the same, and how many of those were taken down."""
    counted: dict[int, tuple[int, int]] = {}
    named = [one.subject.id for line in lines for one in line.subjects if one.subject.type == "status"]
    for status_id in list(dict.fromkeys(named))[:MOST_COPIED]:
        try:
            like = await list_copies(tx, PROGRAM, status_id)
        except NotFound:
            continue
        counted[status_id] = (len(like), sum(one.state in TAKEN_DOWN for one in like))
    made = []
    for line in lines:
        subjects = tuple(
            msgspec.structs.replace(
                one, copies_found=counted[one.subject.id][0], copies_acted=counted[one.subject.id][1]
            )
            if one.subject.type == "status" and one.subject.id in counted
            else one
            for one in line.subjects
        )
        made.append(
            msgspec.structs.replace(
                line,
                subjects=subjects,
                copies_found=sum(one.copies_found for one in subjects),
                copies_acted=sum(one.copies_acted for one in subjects),
            )
        )
    return made


# ---- Notices --------------------------------------------------------------------------------------------------------


async def need_other_staff(tx: Tx, viewer: Viewer | None, notice_id: int) -> None:
    """Raise NotFound for whoever is not of the staff, and for whom of them the notice is about: who wrote it, and what
    is answered, is for others."""
    if viewer is None or not viewer.is_staff:
        raise NotFound
    if await store_ledger.list_about_account(tx, [notice_id], viewer.account_id):
        raise NotFound


async def get_notice(tx: Tx, viewer: Viewer | None, notice_id: int) -> NoticeView:
    """A notice as the staff see it; raises NotFound."""
    await need_other_staff(tx, viewer, notice_id)
    return await load_notice(tx, notice_id)


async def get_provider_notice(tx: Tx, provider_id: int, notice_id: int) -> NoticeView:
    """A notice for the provider that sent it over the API; raises NotFound for everybody else's."""
    notice = await load_notice(tx, notice_id)
    if notice.provider is None or notice.provider.id != provider_id:
        raise NotFound
    return notice


async def get_notice_by_receipt(tx: Tx, settings: Settings, receipt: str) -> NoticeView:
    """A notice for whoever holds its receipt; raises NotFound."""
    notice_id = read_receipt(settings, receipt)
    if notice_id is None:
        raise NotFound
    return await load_notice(tx, notice_id)


def make_receipt(settings: Settings, notice_id: int) -> str:
    """The unguessable part of a notice's status link. Nothing of it is stored."""
    return f"{notice_id}-{keyed_hash(settings, str(notice_id), purpose='receipt of a notice')[:_MAC]}"


def read_receipt(settings: Settings, receipt: str) -> int | None:
    """The id of the notice; None for what we did not make."""
    if not _RECEIPT.fullmatch(receipt):
        return None
    notice_id = int(receipt.partition("-")[0])
    return notice_id if hmac.compare_digest(receipt, make_receipt(settings, notice_id)) else None


def receipt_address(settings: Settings, notice_id: int) -> str:
    """The whole status link."""
    return f"{settings.base_url}/notice/{make_receipt(settings, notice_id)}"


async def load_notice(tx: Tx, notice_id: int) -> NoticeView:
    """A notice, whoever asks: the caller has checked that. Raises NotFound."""
    row = (await store_notices.list_notices(tx, [notice_id])).get(notice_id)
    if row is None:
        raise NotFound
    lines = (await load_ledgers(tx, [notice_id]))[notice_id]
    providers = await store.list_providers_by_id(tx, [row.provider_id]) if row.provider_id is not None else {}
    filed = await get_account_views(tx, [row.filed_by]) if row.filed_by is not None else {}
    questions = tuple([present_question(one) for one in await store_questions.list_questions(tx, notice_id)])
    asked = any(one.state == "open" for one in questions)
    progress, reason = progress_of([line.outcome for line in lines], answered=row.answered_at is not None, asked=asked)
    cases = (await store_notices.list_notice_cases(tx, [notice_id])).get(notice_id, [])
    plain = {
        name: getattr(row, name)
        for name in StoredNotice.__struct_fields__
        if name
        not in ("provider_id", "filed_by", "raw_sha256", "raw_bytes", "harms", "source", "channel", "order_kind")
    }
    return NoticeView(
        **plain,
        source=msgspec.convert(row.source, Source),
        channel=msgspec.convert(row.channel, Channel),
        order_kind=msgspec.convert(row.order_kind, OrderKind) if row.order_kind else None,
        harms=tuple(row.harms),
        provider=present_provider(providers[row.provider_id]) if row.provider_id in providers else None,
        filed_by=filed.get(row.filed_by) if row.filed_by is not None else None,
        raw_sha256=row.raw_sha256.hex() if row.raw_sha256 else "",
        raw_bytes=row.raw_bytes or 0,
        progress=progress,
        reason=reason,
        case_ids=tuple(cases),
        questions=questions,
    )


def present_question(row: store_questions.QuestionRow) -> QuestionView:
    """A question without the ids of its clocks."""
    plain = {name: getattr(row, name) for name in row.__struct_fields__ if name not in ("notice_id", "paused_clocks")}
    return msgspec.convert({**plain, "paused": bool(row.paused_clocks)}, QuestionView)


async def list_case_notices(tx: Tx, viewer: Viewer, case_id: int) -> list[NoticeView]:
    """The newest notices that led to a case, without those that are about the viewer. For the staff."""
    if not viewer.is_staff:
        raise NotFound
    ids = await store_questions.list_case_notices(tx, case_id, MOST_OF_CASE)
    own = await store_ledger.list_about_account(tx, ids, viewer.account_id) if ids else set()
    return [await load_notice(tx, one) for one in ids if one not in own]


async def list_notices(
    tx: Tx,
    viewer: Viewer,
    *,
    unanswered: bool | None = None,
    source: str | None = None,
    provider_id: int | None = None,
    after: int | None = None,
    limit: int = 40,
) -> NoticesPage:
    """Notices, the newest first; with `unanswered` True and nothing else those that are due first. For the staff."""
    if not viewer.is_staff:
        raise NotFound
    by_due = unanswered is True and source is None and provider_id is None
    if by_due:
        last = (await store_notices.list_notices(tx, [after])).get(after) if after else None
        moment = last.due_at if last else datetime(1970, 1, 1, tzinfo=UTC)
        ids = await store_notices.list_due_ids(tx, moment, after or 0, limit + 1)
    else:
        ids = await store_notices.list_notice_ids(tx, unanswered, source, provider_id, after, limit + 1)
    more = len(ids) > limit
    ids = ids[:limit]
    own = await store_ledger.list_about_account(tx, ids, viewer.account_id) if ids else set()
    rows = await _rows(tx, [one for one in ids if one not in own])
    return NoticesPage(tuple(rows), ids[-1] if more else None)


async def _rows(tx: Tx, ids: Sequence[int]) -> list[NoticeRow]:
    found = await store_notices.list_notices(tx, ids) if ids else {}
    ledgers = await load_ledgers(tx, ids) if ids else {}
    providers = await store.list_providers_by_id(tx, [row.provider_id for row in found.values() if row.provider_id])
    rows, moment = [], now()
    for row in (found[one] for one in ids):
        lines = ledgers[row.id]
        provider = providers.get(row.provider_id) if row.provider_id is not None else None
        sender = provider.name if provider else row.authority or row.reporter_name or row.reporter_mail
        rows.append(
            NoticeRow(
                id=row.id,
                source=msgspec.convert(row.source, Source),
                channel=msgspec.convert(row.channel, Channel),
                sender=sender or "Somebody without a name",
                reference=row.reference or row.subject,
                severity=row.severity,
                clause=row.clause,
                urls=len(lines),
                waiting=sum(not line.settled for line in lines),
                received_at=row.received_at,
                due_at=row.due_at,
                answered_at=row.answered_at,
                overdue=row.answered_at is None and row.due_at < moment,
            )
        )
    return rows


async def count_notices(tx: Tx, viewer: Viewer) -> tuple[int, int]:
    """How many notices have no answer, and how many of them are overdue. For the staff."""
    if not viewer.is_staff:
        raise NotFound
    return await store_notices.count_unanswered(tx, now())


async def list_responses(tx: Tx, notice_id: int) -> list[ResponseView]:
    """The signed answers to a notice; the caller has checked who asks."""
    return [
        ResponseView(
            id=row.id,
            number=row.number,
            contents=row.contents,
            sha256=row.sha256.hex(),
            signature=b64encode(row.signature).decode(),
            key_fingerprint=row.key_fingerprint,
            words=row.words,
            written_by=row.written_by,
            created_at=row.created_at,
        )
        for row in await store_notices.list_responses(tx, notice_id)
    ]


async def list_messages(tx: Tx, viewer: Viewer, notice_id: int) -> list[MessageView]:
    """What was sent and received about a notice. For the staff."""
    await need_other_staff(tx, viewer, notice_id)
    return [
        MessageView(
            id=row.id,
            direction=row.direction,
            kind=row.kind,
            address=row.address,
            message_id=row.message_id,
            raw_sha256=row.raw_sha256.hex() if row.raw_sha256 else "",
            problem=row.problem,
            created_at=row.created_at,
            sent_at=row.sent_at,
        )
        for row in await store_notices.list_messages(tx, notice_id)
    ]


# ---- For the door of mails ------------------------------------------------------------------------------------------


async def find_notice_of_mails(
    tx: Tx, message_ids: Sequence[str], *, sender: str | None = None, provider_id: int | None = None
) -> int | None:
    """The notice that one of these mails belongs to; with `sender`, only mails that came from there, with `provider_id`
    only those that are known to be of that provider."""
    return await store_notices.get_by_message(tx, list(message_ids), sender, provider_id)


async def list_notice_urls(tx: Tx, notice_id: int) -> list[str]:
    """The URLs of a notice as they were sent. For the door alone."""
    return [row.url for row in await store_notices.list_urls(tx, [notice_id])]
