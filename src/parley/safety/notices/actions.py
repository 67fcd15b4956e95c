"""Taking notices in: what their URLs are about goes into the cases of those accounts, and clocks start.

A notice, its ledger, its cases and its clocks are one transaction. Mails go out by jobs. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from parley.kit.cleaning import clean_text
from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.errors import Invalid, NotFound
from parley.kit.jobs import enqueue
from parley.kit.mail import is_mail_address
from parley.kit.settings import Settings
from parley.safety.cases.clocks import meet_clocks, start_clock
from parley.safety.cases.reports import file_outside_report
from parley.safety.cases.sla import ClockKind, hours_of
from parley.safety.cases.views import NewSubject, Source
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, human
from parley.safety.notices import store_ledger, store_notices
from parley.safety.notices.following import list_short_links
from parley.safety.notices.harms import Meaning, load_harms, read_harms
from parley.safety.notices.preserving import preserve_notice, register_notice
from parley.safety.notices.reads import load_ledgers
from parley.safety.notices.resolving import Resolved, mask_unseen, resolve_urls
from parley.safety.notices.sending import queue_message
from parley.safety.notices.states import EFFECTS
from parley.safety.notices.store_notices import MessageRow, StoredNotice
from parley.safety.notices.views import NewNotice
from parley.screening import live_ruleset
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import NoticeReceived

MOST_URLS = 1000
MOST_STATEMENT = 20_000
MOST_LINE = 1000
MOST_HARMS = 50


async def file_notice(tx: Tx, settings: Settings, actor: Actor, new: NewNotice) -> int:
    """Take a notice in; returns its id.

    The door has authenticated who sent it. Every URL is resolved, and gets a line in the ledger whatever it is;
    strangers are not told of what they could not see, but moderators look at it all the same. Raises Invalid with what
    to change.
    """
    checked = _check(new)
    received = checked.received_at or now()
    policy = live_ruleset()
    meaning = read_harms(load_harms(settings).harms, policy, checked.harms, source=checked.source)
    if checked.source == "public_notice":
        # Anybody can say so: it is looked at as soon as a threat to life, but hides nothing by itself.
        meaning = Meaning(meaning.clause, max(1, meaning.severity))
    notice_id = await get_new_id(tx)
    hours = hours_of(policy, "resolve", checked.source, meaning.severity, meaning.clause)
    await append_event(
        tx,
        actor,
        "notice_received",
        notice_id=str(notice_id),
        source=checked.source,
        channel=checked.channel,
        urls=len(checked.urls),
        order=checked.order_kind,
    )
    by_mail = _gets_receipt(checked)
    row = _stored(notice_id, checked, meaning, received, received + timedelta(hours=hours))
    await store_notices.insert_notice(tx, row)
    resolved = await resolve_urls(tx, settings, checked.urls)
    url_ids = await _insert_urls(tx, notice_id, what_is_told(row, resolved))
    await link_subjects(tx, settings, actor, row, url_ids, resolved)
    await _start_clocks(tx, row, received, acknowledged=not by_mail)
    await _note_messages(tx, row, checked, received)
    request_id = await register_notice(tx, actor, row) if checked.order_kind is not None else None
    if checked.order_kind == "preservation" and request_id is not None:
        await preserve_notice(tx, settings, actor, row, request_id, resolved)
    else:
        await hide_if_urgent(tx, row)
    short = [] if checked.order_kind == "preservation" else list_short_links(checked.urls, checked.statement)
    if short:  # it is answered when it is known where they lead
        await enqueue(tx, "follow_notice_links", {"notice_id": notice_id, "urls": short})
    else:
        await enqueue(tx, "answer_notice", {"notice_id": notice_id})
    await record(tx, NoticeReceived(account_id=0, notice_id=notice_id, source=checked.source))
    return notice_id


async def hide_if_urgent(tx: Tx, row: StoredNotice) -> None:
    """What a provider, known to be it, calls a threat to life is hidden by a job, before anybody has looked at it."""
    if row.severity == 0 and row.verified and row.provider_id is not None:
        await enqueue(tx, "hide_named", {"notice_id": row.id})


def what_is_told(row: StoredNotice, resolved: Sequence[Resolved]) -> Sequence[Resolved]:
    """What whoever sent a notice may learn of its URLs: strangers only what everybody can see."""
    return mask_unseen(resolved) if row.source == "public_notice" and row.channel != "desk" else resolved


async def link_subjects(
    tx: Tx,
    settings: Settings,
    actor: Actor,
    row: StoredNotice,
    url_ids: Sequence[int],
    resolved: Sequence[Resolved],
) -> None:
    """Bring what URLs of a notice are about into the cases of those accounts, and into the notice's ledger."""
    removed = await _list_removed(tx, resolved)
    cases: dict[int, int] = {}
    if row.order_kind != "preservation":
        cases = await _open_cases(tx, settings, actor, row, resolved, removed)
    await append_event(tx, actor, "notice_linked", notice_id=str(row.id), cases=[str(one) for one in cases.values()])
    await _insert_subjects(tx, row.id, url_ids, what_is_told(row, resolved), cases, removed)


async def file_bulk_notice(
    tx: Tx,
    settings: Settings,
    viewer: Viewer,
    urls: Sequence[str],
    *,
    new: NewNotice,
) -> int:
    """A list of URLs that somebody of the staff pasted: what came by telephone, by letter. Raises NotFound.

    Only what somebody who runs the instance files is believed to be from whom it says: what is believed hides many
    things at once, and preserves without a second look.
    """
    if not viewer.is_staff:
        raise NotFound
    if not urls:
        raise Invalid("Paste at least one URL, each on a line of its own.")
    made = replace(
        new,
        urls=tuple(urls),
        channel="desk",
        filed_by=viewer.account_id,
        verified=viewer.runs_instance,
        format="list",
    )
    return await file_notice(tx, settings, human(viewer), made)


def _check(new: NewNotice) -> NewNotice:
    """The same, fit for the database: cut where cutting loses nothing that is not in the raw message."""
    if len(new.urls) > MOST_URLS:
        raise Invalid(f"This notice names {len(new.urls)} URLs. Send at most {MOST_URLS} in one notice.")
    if new.order_kind is not None and not new.authority.strip():
        raise Invalid("Say which authority gives the order.")
    urls = dict.fromkeys(_line(one, 4 * MOST_LINE) for one in new.urls)
    return replace(
        new,
        urls=tuple(one for one in urls if one),
        statement=clean_text(new.statement)[:MOST_STATEMENT].strip(),
        harms=tuple(dict.fromkeys(_line(one, 100) for one in new.harms[:MOST_HARMS] if one.strip())),
        reference=_line(new.reference, MOST_LINE),
        subject=_line(new.subject, MOST_LINE),
        authority=_line(new.authority, 300),
        basis=_line(new.basis, MOST_LINE),
        reporter_name=_line(new.reporter_name, 300),
        reporter_mail=_line(new.reporter_mail, 320),
        answer_to=new.answer_to if is_mail_address(new.answer_to) else "",
        message_id=_line(new.message_id, MOST_LINE),
        language=new.language[:20] or "en",
    )


def _line(text: str, most: int) -> str:
    return " ".join(clean_text(text[: 4 * most]).split())[:most]


def _stored(notice_id: int, new: NewNotice, meaning: Meaning, received: datetime, due_at: datetime) -> StoredNotice:
    return StoredNotice(
        id=notice_id,
        source=new.source,
        channel=new.channel,
        provider_id=new.provider_id,
        verified=new.verified,
        format=new.format,
        reference=new.reference,
        subject=new.subject,
        statement=new.statement,
        harms=list(new.harms),
        clause=meaning.clause,
        severity=meaning.severity,
        order_kind=new.order_kind,
        authority=new.authority,
        basis=new.basis,
        reporter_name=new.reporter_name,
        reporter_mail=new.reporter_mail,
        answer_to=new.answer_to,
        good_faith=new.good_faith,
        language=new.language,
        filed_by=new.filed_by,
        raw_sha256=new.raw.sha256 if new.raw else None,
        raw_bytes=new.raw.size if new.raw else None,
        message_id=new.message_id,
        received_at=received,
        due_at=due_at,
        acknowledged_at=None if _gets_receipt(new) else received,
        answered_at=None,
    )


async def _insert_urls(tx: Tx, notice_id: int, resolved: Sequence[Resolved]) -> list[int]:
    if not resolved:
        return []
    ids = await store_notices.list_new_ids(tx, len(resolved))
    rows = [(ids[place], place + 1, one.url, one.found) for place, one in enumerate(resolved)]
    await store_notices.insert_urls(tx, notice_id, rows)
    return ids


async def _open_cases(
    tx: Tx,
    settings: Settings,
    actor: Actor,
    row: StoredNotice,
    resolved: Sequence[Resolved],
    removed: set[tuple[str, int]],
) -> dict[int, int]:
    """Bring each account's subjects into its case; returns the case of each account. In the order of ids: two notices
    about the same accounts wait for each other, and neither for ever."""
    by_account: dict[int, dict[tuple[str, int], NewSubject]] = {}
    for one in resolved:
        for named in one.named:
            about = named.subject
            if (about.type, about.id) in removed:
                continue  # the answer is there already
            by_account.setdefault(named.account_id, {})[about.type, about.id] = NewSubject(
                type=about.type, id=about.id, revision=about.revision, clause=row.clause, severity=row.severity
            )
    cases: dict[int, int] = {}
    for account_id in sorted(by_account):
        _, cases[account_id] = await file_outside_report(
            tx,
            settings,
            actor,
            account_id,
            list(by_account[account_id].values()),
            source=msgspec.convert(row.source, Source),
            notice_id=row.id,
            clause=row.clause,
            comment=row.statement,
            started_at=row.received_at,
        )
    return cases


async def _list_removed(tx: Tx, resolved: Sequence[Resolved]) -> set[tuple[str, int]]:
    """What a decision that stands has removed for good."""
    named = list({(named.subject.type, named.subject.id) for one in resolved for named in one.named})
    actions = await store_ledger.list_actions(tx, named, []) if named else []
    return {
        (one.subject_type, one.subject_id)
        for one in actions
        if EFFECTS.get(one.kind) == "removed"
        and one.kind not in ("remove_media", "hide", "require_change")
        and one.decision_kind != "interim"
        and one.reversed_at is None
        and one.ends_at is None
    }


async def _insert_subjects(
    tx: Tx,
    notice_id: int,
    url_ids: Sequence[int],
    resolved: Sequence[Resolved],
    cases: dict[int, int],
    removed: set[tuple[str, int]],
) -> None:
    rows = [
        (
            url_id,
            named.subject.type,
            named.subject.id,
            named.subject.revision,
            named.account_id,
            None if (named.subject.type, named.subject.id) in removed else cases.get(named.account_id),
        )
        for url_id, one in zip(url_ids, resolved, strict=True)
        for named in one.named
    ]
    if rows:
        await store_notices.insert_subjects(tx, notice_id, rows)


async def _start_clocks(tx: Tx, row: StoredNotice, received: datetime, *, acknowledged: bool) -> None:
    """The promises of the notice itself; those of its subjects run in their cases."""
    source = msgspec.convert(row.source, Source)
    kinds: tuple[ClockKind, ...] = ("acknowledge", "preserve" if row.order_kind == "preservation" else "resolve")
    for kind in kinds:
        await start_clock(
            tx,
            kind,
            source=source,
            severity=row.severity,
            clause=row.clause,
            notice_id=row.id,
            started_at=received,
        )
    if acknowledged:
        await meet_clocks(tx, notice_id=row.id, kinds=["acknowledge"])


async def _note_messages(tx: Tx, row: StoredNotice, new: NewNotice, received: datetime) -> None:
    """What came in by mail, and the receipt that goes out."""
    if new.channel == "mail":
        message = MessageRow(
            id=await get_new_id(tx),
            notice_id=row.id,
            direction="in",
            kind="notice",
            response_id=None,
            address=new.reporter_mail,
            message_id=row.message_id,
            raw_sha256=row.raw_sha256,
            problem="",
            created_at=received,
            sent_at=received,
        )
        await store_notices.insert_message(tx, message)
    if _gets_receipt(new):
        await queue_message(tx, row.id, "receipt", new.answer_to)


def _gets_receipt(new: NewNotice) -> bool:
    """Whether somebody learns by mail that we have it; everybody else is told at once, or cannot be told."""
    return new.wants_receipt and bool(new.answer_to)


async def note_reply(tx: Tx, actor: Actor, notice_id: int, *, address: str, message_id: str, raw_sha256: bytes) -> None:
    """Somebody wrote again about a notice: the mail is kept beside it, and the staff see it. It starts no clock."""
    await append_event(tx, actor, "notice_reply_received", notice_id=str(notice_id))
    moment = now()
    await store_notices.insert_message(
        tx,
        MessageRow(
            id=await get_new_id(tx),
            notice_id=notice_id,
            direction="in",
            kind="reply",
            response_id=None,
            address=address[:320],
            message_id=message_id[:MOST_LINE],
            raw_sha256=raw_sha256,
            problem="",
            created_at=moment,
            sent_at=moment,
        ),
    )


async def is_settled(tx: Tx, notice_id: int) -> bool:
    """Whether nothing is left to decide about what a notice names."""
    lines = (await load_ledgers(tx, [notice_id])).get(notice_id, [])
    return bool(lines) and all(line.settled for line in lines)
