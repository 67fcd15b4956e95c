"""The tables of holds, requests and disclosures. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from parley.kit.db import Tx
from parley.safety.evidence.law_views import (
    DisclosureView,
    Held,
    HoldView,
    NewDisclosure,
    NewHold,
    NewRequest,
    RequestView,
)

LOCK_PURGING = """SELECT pg_advisory_xact_lock(hashtextextended('evidence is purged', 0))"""


async def lock_purging(tx: Tx) -> None:
    """Let nothing be purged, and nothing be put under a hold, beside this transaction."""
    await tx.execute(LOCK_PURGING)


# ---- Holds -----------------------------------------------------------------------------------------------------------

INSERT_HOLD = """
    INSERT INTO legal_holds (kind, state, reason, reference, request_id, requested_by, activated_by, created_at,
                             ends_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id
"""
INSERT_HELD = """
    INSERT INTO legal_hold_subjects (hold_id, subject_type, subject_id)
    SELECT $1, n.type, n.id FROM unnest($2::text[], $3::bigint[]) AS n (type, id) ON CONFLICT DO NOTHING
"""


async def insert_hold(
    tx: Tx, new: NewHold, state: str, people: tuple[int | None, int | None], moment: datetime, ends_at: datetime | None
) -> int:
    """Place a hold with its subjects; `people` asked for it and activated it. Returns its id."""
    values = (new.kind, state, new.reason, new.reference, new.request_id, *people, moment, ends_at)
    hold_id = int(await tx.fetchval(INSERT_HOLD, *values))
    await tx.execute(INSERT_HELD, hold_id, [one.type for one in new.subjects], [one.id for one in new.subjects])
    return hold_id


LIST_HOLDS = """
    SELECT id, kind, state, reason, reference, request_id, requested_by, activated_by, created_at, ends_at, renewals,
        ended_by, ended_at
    FROM legal_holds
    WHERE ($1::bigint IS NULL OR id = $1) AND ($2 OR ended_at IS NULL) AND ($3::bigint IS NULL OR request_id = $3)
    ORDER BY id DESC LIMIT $4
"""


async def list_holds(
    tx: Tx, *, hold_id: int | None = None, ended: bool = True, request_id: int | None = None, limit: int = 100
) -> list[HoldView]:
    """Holds, newest first, without their subjects."""
    names = HoldView.__struct_fields__[:13]
    rows = await tx.fetch(LIST_HOLDS, hold_id, ended, request_id, limit)
    return [HoldView(**dict(zip(names, row, strict=True))) for row in rows]


LIST_HELD = """
    SELECT hold_id, subject_type, subject_id FROM legal_hold_subjects WHERE hold_id = ANY($1::bigint[]) ORDER BY id
"""


async def list_held(tx: Tx, hold_ids: Sequence[int]) -> list[tuple[int, Held]]:
    """What holds keep."""
    return [(row[0], Held(row[1], row[2])) for row in await tx.fetch(LIST_HELD, hold_ids)]


LIST_HELD_ABOUT = """
    SELECT DISTINCT o.hold_id
    FROM legal_hold_subjects o LEFT JOIN cases c ON o.subject_type = 'case' AND c.id = o.subject_id
    WHERE o.hold_id = ANY($1::bigint[])
      AND (o.subject_type IN ('account', 'profile') AND o.subject_id = $2 OR c.account_id = $2
           OR o.subject_type = 'status' AND EXISTS (
               SELECT FROM statuses s WHERE s.id = o.subject_id AND s.account_id = $2)
           OR o.subject_type = 'conversation' AND EXISTS (
               SELECT FROM statuses s WHERE s.conversation_id = o.subject_id AND s.account_id = $2)
           OR o.subject_type = 'media' AND EXISTS (
               SELECT FROM media m WHERE m.id = o.subject_id AND m.account_id = $2))
"""


async def list_held_about(tx: Tx, hold_ids: Sequence[int], account_id: int) -> set[int]:
    """Which of these holds keep an account, cases about it, or what it wrote."""
    return {row[0] for row in await tx.fetch(LIST_HELD_ABOUT, list(hold_ids), account_id)}


LIST_HELD_PEOPLE = """
    SELECT DISTINCT coalesce(c.account_id, o.subject_id) AS account_id
    FROM legal_hold_subjects o LEFT JOIN cases c ON o.subject_type = 'case' AND c.id = o.subject_id
    WHERE o.hold_id = $1 AND (o.subject_type IN ('account', 'profile') OR c.id IS NOT NULL)
    ORDER BY 1
"""


async def list_held_people(tx: Tx, hold_id: int) -> list[int]:
    """Accounts that a hold names, or a case about them: whose sign-ins it keeps."""
    return [row[0] for row in await tx.fetch(LIST_HELD_PEOPLE, hold_id)]


COUNT_HOLD_SNAPSHOTS = """
    SELECT hold_id, count(*) FROM evidence_captures WHERE hold_id = ANY($1::bigint[]) GROUP BY hold_id
"""


async def count_hold_snapshots(tx: Tx, hold_ids: Sequence[int]) -> dict[int, int]:
    """How many snapshots were captured for holds."""
    return {row[0]: row[1] for row in await tx.fetch(COUNT_HOLD_SNAPSHOTS, hold_ids)}


LOCK_HOLD = """SELECT state, ends_at, kind FROM legal_holds WHERE id = $1 FOR UPDATE"""


async def lock_hold(tx: Tx, hold_id: int) -> tuple[str, datetime | None, str] | None:
    """State, end and kind of a hold, which nobody else changes until `tx` ends."""
    row = await tx.fetchrow(LOCK_HOLD, hold_id)
    return (row[0], row[1], row[2]) if row else None


UPDATE_HOLD_ACTIVE = """UPDATE legal_holds SET state = 'active', activated_by = $2 WHERE id = $1"""
UPDATE_HOLD_RENEWED = """
    UPDATE legal_holds SET state = 'renewed', ends_at = $2, renewals = renewals + 1 WHERE id = $1
"""
UPDATE_HOLD_ENDED = """
    UPDATE legal_holds SET state = $2, ended_by = $3, ended_at = $4, released_why = $5 WHERE id = $1
"""


async def update_hold_active(tx: Tx, hold_id: int, by: int) -> None:
    """Somebody who may has put it in force."""
    await tx.execute(UPDATE_HOLD_ACTIVE, hold_id, by)


async def update_hold_renewed(tx: Tx, hold_id: int, ends_at: datetime | None) -> None:
    """It goes on."""
    await tx.execute(UPDATE_HOLD_RENEWED, hold_id, ends_at)


async def update_hold_ended(tx: Tx, hold_id: int, state: str, by: int | None, moment: datetime, why: str = "") -> None:
    """It is released, or over."""
    await tx.execute(UPDATE_HOLD_ENDED, hold_id, state, by, moment, why)


LIST_ENDING_HOLDS = """
    SELECT id FROM legal_holds WHERE ended_at IS NULL AND ends_at <= $1 ORDER BY id FOR UPDATE SKIP LOCKED
"""


async def list_ending_holds(tx: Tx, moment: datetime) -> list[int]:
    """Holds whose time is over; locked."""
    return [row[0] for row in await tx.fetch(LIST_ENDING_HOLDS, moment)]


LIST_UNKNOWN_HELD = """
    SELECT n.type, n.id FROM unnest($1::text[], $2::bigint[]) AS n (type, id)
    WHERE NOT CASE n.type
        WHEN 'account' THEN EXISTS (SELECT FROM accounts a WHERE a.id = n.id)
        WHEN 'profile' THEN EXISTS (SELECT FROM accounts a WHERE a.id = n.id)
        WHEN 'case' THEN EXISTS (SELECT FROM cases c WHERE c.id = n.id)
        WHEN 'status' THEN EXISTS (SELECT FROM statuses s WHERE s.id = n.id)
        WHEN 'media' THEN EXISTS (SELECT FROM media m WHERE m.id = n.id)
            OR EXISTS (SELECT FROM media_remains r WHERE r.media_id = n.id)
        WHEN 'conversation' THEN EXISTS (SELECT FROM statuses s WHERE s.conversation_id = n.id)
        ELSE false END
"""


async def list_unknown_held(tx: Tx, subjects: Sequence[Held]) -> list[Held]:
    """Those of these that do not exist."""
    rows = await tx.fetch(LIST_UNKNOWN_HELD, [one.type for one in subjects], [one.id for one in subjects])
    return [Held(row[0], row[1]) for row in rows]


LIST_CASE_SUBJECTS = """
    SELECT subject_type, subject_id, revision FROM case_subjects WHERE case_id = $1 ORDER BY id
"""


async def list_case_subjects(tx: Tx, case_id: int) -> list[tuple[str, int, int | None]]:
    """What a case is about."""
    return [(row[0], row[1], row[2]) for row in await tx.fetch(LIST_CASE_SUBJECTS, case_id)]


GET_HELD_UP_TO = """
    SELECT coalesce(max(s.subject_id), 0) FROM evidence_captures c JOIN evidence_snapshots s ON s.id = c.snapshot_id
    WHERE c.hold_id = $1 AND s.subject_type = 'status' AND s.account_id = $2
"""


async def get_held_up_to(tx: Tx, hold_id: int, account_id: int) -> int:
    """The newest status of an account that was captured for a hold; 0 for none."""
    return int(await tx.fetchval(GET_HELD_UP_TO, hold_id, account_id))


# ---- Requests --------------------------------------------------------------------------------------------------------

INSERT_REQUEST = """
    INSERT INTO legal_requests (kind, authority, reference, basis, statement, case_id, notice_id, registered_by,
                                received_at, due_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id
"""


async def insert_request(tx: Tx, new: NewRequest, by: int | None, received_at: datetime, due_at: datetime) -> int:
    """Register a request; returns its id."""
    said = (new.kind, new.authority, new.reference, new.basis, new.statement, new.case_id, new.notice_id)
    return int(await tx.fetchval(INSERT_REQUEST, *said, by, received_at, due_at))


LIST_REQUESTS = """
    SELECT id, kind, state, authority, reference, basis, statement, answer, case_id, notice_id, registered_by,
        received_at, due_at, overdue_at, ended_at
    FROM legal_requests WHERE ($1::bigint IS NULL OR id = $1) AND ($2 OR state = 'received')
    ORDER BY ended_at IS NOT NULL, due_at, id LIMIT $3
"""


async def list_requests(
    tx: Tx, *, request_id: int | None = None, ended: bool = True, limit: int = 100
) -> list[RequestView]:
    """Requests: what is open first, by the time when it is due."""
    names = RequestView.__struct_fields__
    rows = await tx.fetch(LIST_REQUESTS, request_id, ended, limit)
    return [RequestView(**dict(zip(names, row, strict=True))) for row in rows]


# By its case, its notice, what is held for it, or what is to be handed out for it.
LIST_REQUESTS_ABOUT = """
    SELECT r.id FROM legal_requests r
    WHERE r.id = ANY($1::bigint[]) AND (
        EXISTS (SELECT FROM cases c WHERE c.id = r.case_id AND c.account_id = $2)
        OR EXISTS (SELECT FROM notice_subjects n WHERE n.notice_id = r.notice_id AND n.account_id = $2)
        OR EXISTS (
            SELECT FROM legal_disclosures d LEFT JOIN cases c ON c.id = d.case_id
            WHERE d.request_id = r.id AND (d.account_id = $2 OR c.account_id = $2))
        OR EXISTS (
            SELECT FROM legal_holds h JOIN legal_hold_subjects o ON o.hold_id = h.id
            LEFT JOIN cases c ON o.subject_type = 'case' AND c.id = o.subject_id
            WHERE h.request_id = r.id
              AND (o.subject_type IN ('account', 'profile') AND o.subject_id = $2 OR c.account_id = $2)))
"""


async def list_requests_about(tx: Tx, request_ids: Sequence[int], account_id: int) -> set[int]:
    """Which of these requests are about an account."""
    return {row[0] for row in await tx.fetch(LIST_REQUESTS_ABOUT, list(request_ids), account_id)}


LOCK_REQUEST = """SELECT state FROM legal_requests WHERE id = $1 FOR UPDATE"""


async def lock_request(tx: Tx, request_id: int) -> str | None:
    """The state of a request, which nobody else changes until `tx` ends."""
    state: str | None = await tx.fetchval(LOCK_REQUEST, request_id)
    return state


UPDATE_REQUEST_ENDED = """UPDATE legal_requests SET state = $2, answer = $3, ended_at = $4 WHERE id = $1"""


async def update_request_ended(tx: Tx, request_id: int, state: str, answer: str, moment: datetime) -> None:
    """Note what became of it."""
    await tx.execute(UPDATE_REQUEST_ENDED, request_id, state, answer, moment)


LIST_OVERDUE_REQUESTS = """
    SELECT id, kind, due_at FROM legal_requests
    WHERE state = 'received' AND due_at <= $1 AND overdue_at IS NULL ORDER BY due_at FOR UPDATE SKIP LOCKED
"""


async def list_overdue_requests(tx: Tx, moment: datetime) -> list[tuple[int, str, datetime]]:
    """Open requests whose time is over and for which that was not noted yet; locked."""
    return [(row[0], row[1], row[2]) for row in await tx.fetch(LIST_OVERDUE_REQUESTS, moment)]


UPDATE_OVERDUE = """UPDATE legal_requests SET overdue_at = $2 WHERE id = $1"""


async def update_overdue(tx: Tx, request_id: int, moment: datetime) -> None:
    """Note that its time is over."""
    await tx.execute(UPDATE_OVERDUE, request_id, moment)


# ---- Disclosures -----------------------------------------------------------------------------------------------------

INSERT_DISCLOSURE = """
    INSERT INTO legal_disclosures (request_id, recipient, basis, what, case_id, account_id, subscriber, proposed_by,
                                   created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id
"""


async def insert_disclosure(tx: Tx, new: NewDisclosure, by: int, moment: datetime) -> int:
    """Propose a disclosure; returns its id."""
    about = (new.request_id, new.recipient, new.basis, new.what, new.case_id, new.account_id, new.subscriber)
    return int(await tx.fetchval(INSERT_DISCLOSURE, *about, by, moment))


LIST_DISCLOSURES = """
    SELECT id, request_id, state, recipient, basis, what, case_id, account_id, subscriber, proposed_by, decided_by,
        single_handed, encode(package_sha256, 'hex'), package_bytes, created_at, decided_at, sent_at
    FROM legal_disclosures WHERE ($1::bigint IS NULL OR id = $1) AND ($2::bigint IS NULL OR request_id = $2)
    ORDER BY id DESC LIMIT $3
"""


async def list_disclosures(
    tx: Tx, *, disclosure_id: int | None = None, request_id: int | None = None, limit: int = 100
) -> list[DisclosureView]:
    """Disclosures, newest first."""
    names = DisclosureView.__struct_fields__
    rows = await tx.fetch(LIST_DISCLOSURES, disclosure_id, request_id, limit)
    return [DisclosureView(**dict(zip(names, row, strict=True))) for row in rows]


LOCK_DISCLOSURE = """SELECT state, proposed_by FROM legal_disclosures WHERE id = $1 FOR UPDATE"""


async def lock_disclosure(tx: Tx, disclosure_id: int) -> tuple[str, int | None] | None:
    """State and proposer of a disclosure, which nobody else changes until `tx` ends."""
    row = await tx.fetchrow(LOCK_DISCLOSURE, disclosure_id)
    return (row[0], row[1]) if row else None


UPDATE_DISCLOSURE_DECIDED = """
    UPDATE legal_disclosures SET state = $2, decided_by = $3, single_handed = $4, decided_at = $5 WHERE id = $1
"""


async def update_disclosure_decided(
    tx: Tx, disclosure_id: int, state: str, by: int, moment: datetime, *, single_handed: bool
) -> None:
    """Somebody let it go, or refused it."""
    await tx.execute(UPDATE_DISCLOSURE_DECIDED, disclosure_id, state, by, single_handed, moment)


UPDATE_DISCLOSURE_SENT = """
    UPDATE legal_disclosures SET state = 'sent', package_sha256 = $2, package_bytes = $3, sent_at = $4 WHERE id = $1
"""


async def update_disclosure_sent(tx: Tx, disclosure_id: int, sha256: bytes, size: int, moment: datetime) -> None:
    """It was handed out, as exactly this file."""
    await tx.execute(UPDATE_DISCLOSURE_SENT, disclosure_id, sha256, size, moment)
