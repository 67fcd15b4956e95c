"""The tables of juries and seats. SQL only; what is drawn and counted is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx
from parley.safety.juries.states import State, Vote

HAS_OPTED_IN = """SELECT EXISTS (SELECT FROM jury_members WHERE account_id = $1)"""
INSERT_MEMBER = """INSERT INTO jury_members (account_id) VALUES ($1) ON CONFLICT DO NOTHING"""
DELETE_MEMBER = """DELETE FROM jury_members WHERE account_id = $1"""
COUNT_MEMBERS = """SELECT count(*) FROM jury_members"""


async def has_opted_in(tx: Tx, account_id: int) -> bool:
    """Whether a member wishes to sit on juries."""
    return bool(await tx.fetchval(HAS_OPTED_IN, account_id))


async def insert_member(tx: Tx, account_id: int) -> None:
    """Note that a member wishes to."""
    await tx.execute(INSERT_MEMBER, account_id)


async def delete_member(tx: Tx, account_id: int) -> None:
    """Note that a member does not wish to (any more)."""
    await tx.execute(DELETE_MEMBER, account_id)


async def count_members(tx: Tx) -> int:
    """How many wish to."""
    return int(await tx.fetchval(COUNT_MEMBERS))


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a member must have to be drawn."""

    joined_before: datetime
    active_since: datetime
    posts: int
    reliability: float
    enough_known: int
    prior_right: int
    prior_all: int


# Members who opted in, are grown, active and without strikes, and answered known questions well enough. What must be
# known of somebody before they are drawn stands in many rooms; it is read here in one statement, and only read.
_FIT = """
    FROM jury_members m
    JOIN accounts a ON a.id = m.account_id
    JOIN users u ON u.account_id = a.id
    JOIN account_stats n ON n.account_id = a.id
    LEFT JOIN LATERAL (
        SELECT count(*) AS answered, count(*) FILTER (WHERE s.vote = g.expected) AS good
        FROM jury_seats s JOIN golden_cases g ON g.id = s.golden_id
        WHERE s.account_id = a.id AND s.state = 'answered' AND s.vote <> 'unsure'
    ) known ON true
    WHERE a.domain IS NULL AND a.state = 'active' AND a.role = 'member' AND u.disabled_at IS NULL
      AND a.created_at < $1 AND n.last_status_at >= $2 AND n.statuses_count >= $3
      AND NOT EXISTS (
          SELECT FROM strikes k WHERE k.account_id = a.id AND k.refunded_at IS NULL AND k.expires_at > now())
      AND NOT EXISTS (SELECT FROM account_restrictions r WHERE r.account_id = a.id)
      AND (known.answered < $5 OR (known.good + $6)::real / (known.answered + $7) >= $4)
"""
# And besides: no party, nobody who follows, is followed by, blocks or is blocked by a party, nobody who signed up
# alike, and nobody who has three questions open already.
LIST_POOL = """
    SELECT m.account_id /*fit*/
      AND m.account_id <> ALL ($8::bigint[])
      AND NOT EXISTS (
          SELECT FROM follows f WHERE f.account_id = a.id AND f.target_id = ANY ($8)
          UNION ALL SELECT FROM follows f WHERE f.target_id = a.id AND f.account_id = ANY ($8)
          UNION ALL SELECT FROM blocks b WHERE b.account_id = a.id AND b.target_id = ANY ($8)
          UNION ALL SELECT FROM blocks b WHERE b.target_id = a.id AND b.account_id = ANY ($8)
          UNION ALL SELECT FROM mutes b WHERE b.account_id = a.id AND b.target_id = ANY ($8))
      AND NOT EXISTS (
          SELECT FROM account_standing mine JOIN account_standing theirs ON theirs.cluster_id = mine.cluster_id
          WHERE mine.account_id = a.id AND theirs.account_id = ANY ($8))
      AND (SELECT count(*) FROM jury_seats s
           WHERE s.account_id = a.id AND s.state = 'called' AND s.jury_id IS NOT NULL) < 3
    ORDER BY n.last_status_at DESC, m.account_id LIMIT $9
""".replace("/*fit*/", _FIT)
HAS_FIT = """SELECT EXISTS (SELECT /*fit*/ AND m.account_id = $8)""".replace("/*fit*/", _FIT)


def _terms(terms: Terms) -> tuple[object, ...]:
    return (
        terms.joined_before,
        terms.active_since,
        terms.posts,
        terms.reliability,
        terms.enough_known,
        terms.prior_right,
        terms.prior_all,
    )


async def list_pool(tx: Tx, terms: Terms, parties: Sequence[int], limit: int) -> list[int]:
    """Who may be drawn for a case of these parties, in order of their ids."""
    rows = await tx.fetch(LIST_POOL, *_terms(terms), list(parties), limit)
    return sorted(row[0] for row in rows)


async def has_fit(tx: Tx, terms: Terms, account_id: int) -> bool:
    """Whether one member may be drawn for anything at all."""
    return bool(await tx.fetchval(HAS_FIT, *_terms(terms), account_id))


class CaseRow(msgspec.Struct, frozen=True):
    """What must be known of a case before a jury may have it."""

    id: int
    account_id: int
    state: str
    queue: str
    source: str
    clause: str | None
    severity: int
    incident_id: int | None
    statuses: list[tuple[int, int]]
    """Its undecided statuses with the revision that came into the case."""
    others: int
    """Undecided subjects that are no statuses."""
    reporters: list[int]


GET_CASE = """
    SELECT c.id, c.account_id, c.state, c.queue, c.source, c.clause, c.severity, c.incident_id,
           coalesce((SELECT array_agg(s.subject_id || ' ' || coalesce(s.revision, t.revision) ORDER BY s.id)
                     FROM case_subjects s JOIN statuses t ON t.id = s.subject_id
                     WHERE s.case_id = c.id AND s.subject_type = 'status' AND s.settled_at IS NULL
                       AND ($2::bigint IS NULL OR s.id < $2 AND NOT EXISTS (
                           SELECT FROM status_revisions v
                           WHERE v.status_id = t.id AND v.revision = coalesce(s.revision, t.revision)
                             AND v.created_at > $3))), '{}'),
           (SELECT count(*) FROM case_subjects s
            WHERE s.case_id = c.id AND s.subject_type <> 'status' AND s.settled_at IS NULL),
           coalesce((SELECT array_agg(DISTINCT r.account_id) FROM reports r
                     WHERE r.case_id = c.id AND r.account_id IS NOT NULL), '{}')
    FROM cases c WHERE c.id = $1
"""


async def get_case(tx: Tx, case_id: int, *, convened: tuple[int, datetime] | None = None) -> CaseRow | None:
    """One case as a jury must know it. `convened` (the entry in the log, and when): with those statuses alone that it
    was convened about, and not with what was reported, or written, since then."""
    row = await tx.fetchrow(GET_CASE, case_id, *(convened or (None, None)))
    if row is None:
        return None
    statuses = [(int(a), int(b)) for a, b in (text.split() for text in row[8])]
    plain = (*row[:8], statuses, row[9], list(row[10]))
    return CaseRow(*plain)


LIST_WAITING_CASES = """
    SELECT c.id FROM cases c
    WHERE c.queue = 'jury' AND c.state IN ('open', 'queued')
      AND NOT EXISTS (SELECT FROM juries j WHERE j.case_id = c.id AND j.ended_at IS NULL)
    ORDER BY c.id LIMIT $1
"""


async def list_waiting_cases(tx: Tx, limit: int) -> list[int]:
    """Cases in the jury's queue without a jury."""
    return [row[0] for row in await tx.fetch(LIST_WAITING_CASES, limit)]


LIST_WAITING_APPEALS = """
    SELECT a.id FROM appeals a
    WHERE a.state = 'queued' AND a.waits_for = 'jury'
      AND NOT EXISTS (SELECT FROM juries j WHERE j.appeal_id = a.id)
    ORDER BY a.id LIMIT $1
"""


async def list_waiting_appeals(tx: Tx, limit: int) -> list[int]:
    """Appeals that wait for a jury."""
    return [row[0] for row in await tx.fetch(LIST_WAITING_APPEALS, limit)]


class AppealGround(msgspec.Struct, frozen=True):
    """What a jury is asked about by an appeal."""

    id: int
    decision_id: int
    case_id: int | None
    account_id: int
    role: str
    appellant_id: int | None
    clause: str | None
    severity: int | None
    statuses: list[tuple[int, int]]
    others: int
    deciders: list[int]
    reporters: list[int]


GET_APPEAL_GROUND = """
    SELECT a.id, d.id, d.case_id, d.account_id, a.role, a.account_id, coalesce(d.clause, c.clause),
           coalesce(d.severity, c.severity),
           coalesce((SELECT array_agg(DISTINCT x.subject_id || ' ' || coalesce(x.revision, t.revision))
                     FROM decision_actions x JOIN statuses t ON t.id = x.subject_id
                     WHERE x.decision_id = d.id AND x.subject_type = 'status'), '{}'),
           (SELECT count(*) FROM decision_actions x
            WHERE x.decision_id = d.id AND x.subject_type NOT IN ('status', 'account')),
           ARRAY(SELECT list_deciders(d.id)),
           coalesce((SELECT array_agg(DISTINCT r.account_id) FROM reports r
                     WHERE r.case_id = d.case_id AND r.account_id IS NOT NULL), '{}')
    FROM appeals a JOIN decisions d ON d.id = a.decision_id LEFT JOIN cases c ON c.id = d.case_id
    WHERE a.id = $1
"""


async def get_appeal_ground(tx: Tx, appeal_id: int) -> AppealGround | None:
    """One appeal as a jury must know it."""
    row = await tx.fetchrow(GET_APPEAL_GROUND, appeal_id)
    if row is None:
        return None
    statuses = sorted((int(a), int(b)) for a, b in (text.split() for text in row[8]))
    plain = (*row[:8], statuses, row[9], list(row[10]), list(row[11]))
    return AppealGround(*plain)


GET_CHAINED = """SELECT hash FROM moderation_events WHERE id = $1"""


async def get_chained(tx: Tx, event_id: int) -> bytes | None:
    """The hash of an entry of the log; None until the transaction that wrote it has committed."""
    found = await tx.fetchval(GET_CHAINED, event_id)
    return bytes(found) if found else None


LIST_CHAINED = """SELECT id, hash FROM moderation_events WHERE id = ANY ($1::bigint[]) AND hash IS NOT NULL"""


async def list_chained(tx: Tx, event_ids: Sequence[int]) -> dict[int, bytes]:
    """The hashes of entries of the log, by id; those that are not in the chain yet are left out."""
    return {row[0]: bytes(row[1]) for row in await tx.fetch(LIST_CHAINED, list(event_ids))}


class JuryRow(msgspec.Struct, frozen=True):
    """One jury."""

    id: int
    case_id: int
    appeal_id: int | None
    account_id: int
    state: State
    seats: int
    quorum: int
    pool: list[int]
    pool_sha256: str
    seed: bytes
    convened_event: int
    verdict: Vote | None
    clause: str | None
    decision_id: int | None
    convened_at: datetime
    due_at: datetime
    ended_at: datetime | None


_JURY = """
    SELECT id, case_id, appeal_id, account_id, state, seats, quorum, pool, pool_sha256, seed, convened_event, verdict,
           clause, decision_id, convened_at, due_at, ended_at
    FROM juries
"""
GET_JURY = _JURY + " WHERE id = $1"
LOCK_JURY = _JURY + " WHERE id = $1 FOR UPDATE"
LIST_OPEN = _JURY + " WHERE ended_at IS NULL ORDER BY id LIMIT $1"
LIST_NEWEST = _JURY + " ORDER BY id DESC LIMIT $1"


async def get_jury(tx: Tx, jury_id: int) -> JuryRow | None:
    """One jury."""
    row = await tx.fetchrow(GET_JURY, jury_id)
    return JuryRow(*row) if row else None


async def lock_jury(tx: Tx, jury_id: int) -> JuryRow | None:
    """One jury, that nobody else changes until `tx` ends."""
    row = await tx.fetchrow(LOCK_JURY, jury_id)
    return JuryRow(*row) if row else None


async def list_open(tx: Tx, limit: int) -> list[JuryRow]:
    """Juries that have not ended."""
    return [JuryRow(*row) for row in await tx.fetch(LIST_OPEN, limit)]


async def list_newest(tx: Tx, limit: int) -> list[JuryRow]:
    """The newest juries."""
    return [JuryRow(*row) for row in await tx.fetch(LIST_NEWEST, limit)]


INSERT_JURY = """
    INSERT INTO juries (id, case_id, appeal_id, account_id, seats, quorum, pool, pool_sha256, seed, convened_event,
                        clause, due_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""


async def insert_jury(
    tx: Tx,
    jury_id: int,
    about: tuple[int, int | None, int],
    numbers: tuple[int, int],
    draw: tuple[list[int], str, bytes, int],
    clause: str,
    due_at: datetime,
) -> None:
    """Store a jury: `about` is case, appeal and account; `numbers` seats and quorum; `draw` pool, hash, seed, entry."""
    await tx.execute(INSERT_JURY, jury_id, *about, *numbers, *draw, clause, due_at)


UPDATE_STATE = """UPDATE juries SET state = $2 WHERE id = $1"""
UPDATE_ENDED = """
    UPDATE juries SET state = $2, verdict = $3, decision_id = $4, ended_at = now() WHERE id = $1
"""


async def update_state(tx: Tx, jury_id: int, state: State) -> None:
    """Put a jury into another state that does not end it."""
    await tx.execute(UPDATE_STATE, jury_id, state)


async def update_ended(tx: Tx, jury_id: int, state: State, verdict: str | None, decision_id: int | None) -> None:
    """End a jury."""
    await tx.execute(UPDATE_ENDED, jury_id, state, verdict, decision_id)


LIST_HELD = """SELECT id FROM statuses WHERE id = ANY ($1::bigint[]) AND state = 'held'"""


async def list_held(tx: Tx, status_ids: Sequence[int]) -> set[int]:
    """Which of these statuses screening held."""
    return {row[0] for row in await tx.fetch(LIST_HELD, list(status_ids))}


GET_ADDRESS = """
    SELECT a.username, u.email FROM accounts a JOIN users u ON u.account_id = a.id WHERE a.id = $1
"""


async def get_address(tx: Tx, account_id: int) -> tuple[str, str] | None:
    """Name and mail address of a member."""
    row = await tx.fetchrow(GET_ADDRESS, account_id)
    return (row[0], row[1]) if row else None


LIST_PENDING = """
    SELECT j.id FROM juries j JOIN appeals a ON a.id = j.appeal_id
    WHERE j.id = $1 AND a.ended_at IS NULL AND a.reviewer_id IS NULL
"""


async def list_pending(tx: Tx, jury_id: int) -> list[int]:
    """The jury, while nobody of the staff reviews its appeal or has answered it."""
    return [row[0] for row in await tx.fetch(LIST_PENDING, jury_id)]
