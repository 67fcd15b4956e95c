"""The tables of notices, their URLs and subjects, answers and messages. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class StoredNotice(msgspec.Struct, frozen=True):
    """A notice as it is stored."""

    id: int
    source: str
    channel: str
    provider_id: int | None
    verified: bool
    format: str
    reference: str
    subject: str
    statement: str
    harms: list[str]
    clause: str | None
    severity: int
    order_kind: str | None
    authority: str
    basis: str
    reporter_name: str
    reporter_mail: str
    answer_to: str
    good_faith: bool
    language: str
    filed_by: int | None
    raw_sha256: bytes | None
    raw_bytes: int | None
    message_id: str
    received_at: datetime
    due_at: datetime
    acknowledged_at: datetime | None
    answered_at: datetime | None


INSERT_NOTICE = """
    INSERT INTO notices (id, source, channel, provider_id, verified, format, reference, subject, statement, harms,
        clause, severity, order_kind, authority, basis, reporter_name, reporter_mail, answer_to, good_faith, language,
        filed_by, raw_sha256, raw_bytes, message_id, received_at, due_at, acknowledged_at, answered_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
        $24, $25, $26, $27, $28)
"""


async def insert_notice(tx: Tx, row: StoredNotice) -> None:
    """Store a notice."""
    await tx.execute(INSERT_NOTICE, *msgspec.structs.astuple(row))


LIST_NOTICES = """
    SELECT id, source, channel, provider_id, verified, format, reference, subject, statement, harms, clause, severity,
           order_kind, authority, basis, reporter_name, reporter_mail, answer_to, good_faith, language, filed_by,
           raw_sha256, raw_bytes, message_id, received_at, due_at, acknowledged_at, answered_at
    FROM notices WHERE id = ANY($1::bigint[])
"""


async def list_notices(tx: Tx, ids: Sequence[int]) -> dict[int, StoredNotice]:
    """Notices by id."""
    return {row[0]: StoredNotice(*row) for row in await tx.fetch(LIST_NOTICES, ids)}


LOCK_NOTICE = """
    SELECT id, source, channel, provider_id, verified, format, reference, subject, statement, harms, clause, severity,
           order_kind, authority, basis, reporter_name, reporter_mail, answer_to, good_faith, language, filed_by,
           raw_sha256, raw_bytes, message_id, received_at, due_at, acknowledged_at, answered_at
    FROM notices WHERE id = $1 FOR UPDATE
"""


async def lock_notice(tx: Tx, notice_id: int) -> StoredNotice | None:
    """A notice, locked."""
    row = await tx.fetchrow(LOCK_NOTICE, notice_id)
    return StoredNotice(*row) if row else None


# Plan: notices_open, or the primary key backwards; a page at a time.
LIST_NOTICE_IDS = """
    SELECT n.id FROM notices n
    WHERE ($1::boolean IS NULL OR (n.answered_at IS NULL) = $1)
      AND ($2::text IS NULL OR n.source = $2)
      AND ($3::bigint IS NULL OR n.provider_id = $3)
      AND ($4::bigint IS NULL OR n.id < $4)
    ORDER BY n.id DESC LIMIT $5
"""


async def list_notice_ids(
    tx: Tx, unanswered: bool | None, source: str | None, provider_id: int | None, before: int | None, limit: int
) -> list[int]:
    """The newest notices; None: whatever they are."""
    rows = await tx.fetch(LIST_NOTICE_IDS, unanswered, source, provider_id, before, limit)
    return [row[0] for row in rows]


LIST_DUE_IDS = """
    SELECT id FROM notices WHERE answered_at IS NULL AND (due_at, id) > ($1, $2) ORDER BY due_at, id LIMIT $3
"""


async def list_due_ids(tx: Tx, after: datetime, after_id: int, limit: int) -> list[int]:
    """Unanswered notices, those that are due first."""
    return [row[0] for row in await tx.fetch(LIST_DUE_IDS, after, after_id, limit)]


COUNT_UNANSWERED = """SELECT count(*), count(*) FILTER (WHERE due_at < $1) FROM notices WHERE answered_at IS NULL"""


async def count_unanswered(tx: Tx, moment: datetime) -> tuple[int, int]:
    """How many notices have no answer, and how many of them are overdue."""
    row = await tx.fetchrow(COUNT_UNANSWERED, moment)
    return row[0], row[1]


GET_BY_MESSAGE = """
    SELECT m.notice_id FROM notice_messages m
    WHERE m.message_id = ANY($1::text[]) AND ($2::text IS NULL OR (m.direction = 'in' AND m.address = $2))
      AND ($3::bigint IS NULL OR EXISTS (
        SELECT FROM notices n WHERE n.id = m.notice_id AND n.provider_id = $3 AND n.verified))
    ORDER BY m.id LIMIT 1
"""


async def get_by_message(
    tx: Tx, message_ids: Sequence[str], sender: str | None, provider_id: int | None = None
) -> int | None:
    """The notice to which one of these mails belongs; with `sender`, only of those that came from there, with
    `provider_id` only of notices that are proved to be of that provider."""
    found: int | None = await tx.fetchval(GET_BY_MESSAGE, message_ids, sender, provider_id)
    return found


UPDATE_ACKNOWLEDGED = """UPDATE notices SET acknowledged_at = $2 WHERE id = $1 AND acknowledged_at IS NULL"""


async def update_acknowledged(tx: Tx, notice_id: int, moment: datetime) -> None:
    """Its sender knows that we have it."""
    await tx.execute(UPDATE_ACKNOWLEDGED, notice_id, moment)


UPDATE_ANSWERED = """UPDATE notices SET answered_at = $2 WHERE id = $1 AND answered_at IS NULL"""


async def update_answered(tx: Tx, notice_id: int, moment: datetime) -> None:
    """Its first answer was given."""
    await tx.execute(UPDATE_ANSWERED, notice_id, moment)


LIST_FORGETTABLE = """
    SELECT id FROM notices
    WHERE answered_at < $1 AND forgotten_at IS NULL AND source = 'public_notice'
      AND NOT EXISTS (SELECT FROM appeals a WHERE a.notice_id = notices.id AND a.ended_at IS NULL)
      AND NOT EXISTS (SELECT FROM notice_subjects s WHERE s.notice_id = notices.id AND is_preserved(s.account_id))
    ORDER BY answered_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""


async def list_forgettable(tx: Tx, before: datetime, limit: int) -> list[int]:
    """Answered notices of people whose names are not needed any more."""
    return [row[0] for row in await tx.fetch(LIST_FORGETTABLE, before, limit)]


UPDATE_FORGOTTEN = """
    WITH mails AS (UPDATE notice_messages SET address = '' WHERE notice_id = ANY($1::bigint[]))
    UPDATE notices SET reporter_name = '', reporter_mail = '', answer_to = '', subject = '', forgotten_at = $2
    WHERE id = ANY($1::bigint[])
"""


async def update_forgotten(tx: Tx, ids: Sequence[int], moment: datetime) -> None:
    """Forget who wrote these notices."""
    await tx.execute(UPDATE_FORGOTTEN, ids, moment)


# ---- URLs and subjects ----------------------------------------------------------------------------------------------


class UrlRow(msgspec.Struct, frozen=True):
    """A URL of a notice, and what it turned out to be."""

    id: int
    notice_id: int
    position: int
    url: str
    found: str


INSERT_URLS = """
    INSERT INTO notice_urls (id, notice_id, position, url, found)
    SELECT one.id, $1, one.position, one.url, one.found
    FROM unnest($2::bigint[], $3::integer[], $4::text[], $5::text[]) AS one (id, position, url, found)
"""


async def insert_urls(tx: Tx, notice_id: int, rows: Sequence[tuple[int, int, str, str]]) -> None:
    """Store the URLs of a notice: id, position, URL, what it is."""
    await tx.execute(INSERT_URLS, notice_id, *(list(column) for column in zip(*rows, strict=True)))


LIST_URLS = """
    SELECT id, notice_id, position, url, found FROM notice_urls WHERE notice_id = ANY($1::bigint[])
    ORDER BY notice_id, position
"""


async def list_urls(tx: Tx, notice_ids: Sequence[int]) -> list[UrlRow]:
    """The URLs of notices in their order."""
    return [UrlRow(*row) for row in await tx.fetch(LIST_URLS, notice_ids)]


UPDATE_FOUND = """UPDATE notice_urls SET found = $2 WHERE id = $1"""


async def update_found(tx: Tx, url_id: int, found: str) -> None:
    """What a URL turned out to be, once it was followed."""
    await tx.execute(UPDATE_FOUND, url_id, found)


NEW_IDS = """SELECT parley_id() FROM generate_series(1, $1)"""


async def list_new_ids(tx: Tx, count: int) -> list[int]:
    """Fresh ids, in order."""
    return [row[0] for row in await tx.fetch(NEW_IDS, count)]


INSERT_SUBJECTS = """
    INSERT INTO notice_subjects (notice_id, url_id, subject_type, subject_id, revision, account_id, case_id)
    SELECT $1, one.url_id, one.type, one.id, one.revision, one.account_id, one.case_id
    FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::integer[], $6::bigint[], $7::bigint[])
        AS one (url_id, type, id, revision, account_id, case_id)
    ON CONFLICT DO NOTHING
"""


async def insert_subjects(
    tx: Tx, notice_id: int, rows: Sequence[tuple[int, str, int, int | None, int, int | None]]
) -> None:
    """Store what the URLs are about: URL's id, type, id, revision, whose, case."""
    await tx.execute(INSERT_SUBJECTS, notice_id, *(list(column) for column in zip(*rows, strict=True)))


# Plan: decision_actions_decision and notice_subjects_subject; the key of decisions and notice_subjects_case.
LIST_NOTICES_ABOUT = """
    SELECT n.notice_id FROM decision_actions a
    JOIN notice_subjects n ON n.subject_type = a.subject_type AND n.subject_id = a.subject_id
    WHERE a.decision_id = ANY($1::bigint[])
    UNION
    SELECT n.notice_id FROM decisions d JOIN notice_subjects n ON n.case_id = d.case_id WHERE d.id = ANY($1::bigint[])
"""


async def list_notices_about(tx: Tx, decision_ids: Sequence[int]) -> list[int]:
    """Notices that one of these decisions is about."""
    return sorted(row[0] for row in await tx.fetch(LIST_NOTICES_ABOUT, decision_ids))


LIST_NOTICE_CASES = """
    SELECT DISTINCT notice_id, case_id FROM notice_subjects
    WHERE notice_id = ANY($1::bigint[]) AND case_id IS NOT NULL ORDER BY 1, 2
"""


async def list_notice_cases(tx: Tx, notice_ids: Sequence[int]) -> dict[int, list[int]]:
    """The cases of each notice."""
    found: dict[int, list[int]] = {}
    for notice_id, case_id in await tx.fetch(LIST_NOTICE_CASES, notice_ids):
        found.setdefault(notice_id, []).append(case_id)
    return found


# ---- Answers and messages -------------------------------------------------------------------------------------------


class ResponseRow(msgspec.Struct, frozen=True):
    """An answer as it was given."""

    id: int
    notice_id: int
    number: int
    contents: str
    sha256: bytes
    signature: bytes
    key_fingerprint: str
    words: str
    written_by: int | None
    created_at: datetime


INSERT_RESPONSE = """
    INSERT INTO provider_responses (id, notice_id, number, contents, sha256, signature, key_fingerprint, words,
        written_by, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


async def insert_response(tx: Tx, row: ResponseRow) -> None:
    """Store an answer."""
    await tx.execute(INSERT_RESPONSE, *msgspec.structs.astuple(row))


LIST_RESPONSES = """
    SELECT id, notice_id, number, contents, sha256, signature, key_fingerprint, words, written_by, created_at
    FROM provider_responses WHERE notice_id = $1 ORDER BY number
"""


async def list_responses(tx: Tx, notice_id: int) -> list[ResponseRow]:
    """The answers to a notice, the first one first."""
    return [ResponseRow(*row) for row in await tx.fetch(LIST_RESPONSES, notice_id)]


class MessageRow(msgspec.Struct, frozen=True):
    """A mail or call of a notice."""

    id: int
    notice_id: int
    direction: str
    kind: str
    response_id: int | None
    address: str
    message_id: str
    raw_sha256: bytes | None
    problem: str
    created_at: datetime
    sent_at: datetime | None
    question_id: int | None = None


INSERT_MESSAGE = """
    INSERT INTO notice_messages (id, notice_id, direction, kind, response_id, address, message_id, raw_sha256, problem,
        created_at, sent_at, question_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""


async def insert_message(tx: Tx, row: MessageRow) -> None:
    """Store a message."""
    await tx.execute(INSERT_MESSAGE, *msgspec.structs.astuple(row))


LIST_MESSAGES = """
    SELECT id, notice_id, direction, kind, response_id, address, message_id, raw_sha256, problem, created_at, sent_at,
           question_id
    FROM notice_messages WHERE notice_id = $1 ORDER BY id
"""


async def list_messages(tx: Tx, notice_id: int) -> list[MessageRow]:
    """The messages of a notice in order."""
    return [MessageRow(*row) for row in await tx.fetch(LIST_MESSAGES, notice_id)]


GET_MESSAGE = """
    SELECT id, notice_id, direction, kind, response_id, address, message_id, raw_sha256, problem, created_at, sent_at,
           question_id
    FROM notice_messages WHERE id = $1
"""


async def get_message(tx: Tx, message_id: int) -> MessageRow | None:
    """One message."""
    row = await tx.fetchrow(GET_MESSAGE, message_id)
    return MessageRow(*row) if row else None


UPDATE_SENT = """
    UPDATE notice_messages SET sent_at = coalesce($2, sent_at), problem = $3 WHERE id = $1 AND sent_at IS NULL
"""


async def update_sent(tx: Tx, message_id: int, moment: datetime | None, problem: str) -> None:
    """It has gone out, or why it could not."""
    await tx.execute(UPDATE_SENT, message_id, moment, problem)


LIST_NOTICES_NAMING = """
    SELECT DISTINCT notice_id FROM notice_subjects WHERE subject_type = $1 AND subject_id = $2
"""


async def list_notices_naming(tx: Tx, type: str, subject_id: int) -> list[int]:
    """Notices that name this subject."""
    return sorted(row[0] for row in await tx.fetch(LIST_NOTICES_NAMING, type, subject_id))
