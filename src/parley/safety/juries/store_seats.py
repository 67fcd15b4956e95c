"""The table of seats: who is asked what until when, and the answers. SQL only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx
from parley.safety.juries.states import SeatState, Vote


class SeatRow(msgspec.Struct, frozen=True):
    """One seat: of a jury, or with a known answer."""

    id: int
    jury_id: int | None
    golden_id: int | None
    account_id: int
    rank: int
    state: SeatState
    vote: Vote | None
    due_at: datetime


_SEAT = """SELECT id, jury_id, golden_id, account_id, rank, state, vote, due_at FROM jury_seats"""
LIST_OF_JURIES = _SEAT + " WHERE jury_id = ANY ($1::bigint[]) ORDER BY jury_id, rank"
LOCK_SEAT = _SEAT + " WHERE id = $1 FOR UPDATE"
# In an order that says nothing about which answers are known.
LIST_CALLED = (
    _SEAT
    + """
    WHERE account_id = $1 AND state = 'called' AND due_at > $2
    ORDER BY sha256(convert_to(id::text, 'UTF8')) LIMIT $3
"""
)
LIST_LATE = _SEAT + " WHERE state = 'called' AND due_at <= $1 ORDER BY id LIMIT $2"


async def list_of_juries(tx: Tx, jury_ids: Sequence[int]) -> list[SeatRow]:
    """The seats of these juries, by rank."""
    return [SeatRow(*row) for row in await tx.fetch(LIST_OF_JURIES, list(jury_ids))]


async def lock_seat(tx: Tx, seat_id: int) -> SeatRow | None:
    """One seat, that nobody else changes until `tx` ends."""
    row = await tx.fetchrow(LOCK_SEAT, seat_id)
    return SeatRow(*row) if row else None


async def list_called(tx: Tx, account_id: int, moment: datetime, limit: int) -> list[SeatRow]:
    """What a member is asked now."""
    return [SeatRow(*row) for row in await tx.fetch(LIST_CALLED, account_id, moment, limit)]


async def list_late(tx: Tx, moment: datetime, limit: int) -> list[SeatRow]:
    """Seats whose time ran out."""
    return [SeatRow(*row) for row in await tx.fetch(LIST_LATE, moment, limit)]


INSERT_SEATS = """
    INSERT INTO jury_seats (jury_id, account_id, rank, due_at)
    SELECT $1, one.account_id, one.rank, $4 FROM unnest($2::bigint[], $3::integer[]) AS one (account_id, rank)
"""
INSERT_KNOWN = """
    INSERT INTO jury_seats (golden_id, account_id, due_at) SELECT unnest($1::bigint[]), $2, $3 ON CONFLICT DO NOTHING
"""


async def insert_seats(tx: Tx, jury_id: int, ranked: Sequence[tuple[int, int]], due_at: datetime) -> None:
    """Call these members, each with their rank in the lot, to a jury."""
    await tx.execute(INSERT_SEATS, jury_id, [one for one, _ in ranked], [rank for _, rank in ranked], due_at)


async def insert_known(tx: Tx, golden_ids: Sequence[int], account_id: int, due_at: datetime) -> None:
    """Ask a member questions whose answers are known."""
    await tx.execute(INSERT_KNOWN, list(golden_ids), account_id, due_at)


UPDATE_SEAT = """UPDATE jury_seats SET state = $2, vote = $3, ended_at = now() WHERE id = $1"""
UPDATE_LEFT = """
    UPDATE jury_seats SET state = 'expired', ended_at = now() WHERE jury_id = $1 AND state = 'called'
"""


async def update_seat(tx: Tx, seat_id: int, state: SeatState, vote: Vote | None) -> None:
    """End a seat."""
    await tx.execute(UPDATE_SEAT, seat_id, state, vote)


async def update_left(tx: Tx, jury_id: int) -> None:
    """Let those go who have not answered a jury that is over."""
    await tx.execute(UPDATE_LEFT, jury_id)


class RecordRow(msgspec.Struct, frozen=True):
    """How a member answered: all, those with a known answer, and those of them that were right."""

    account_id: int
    answered: int
    known: int
    right: int


LIST_RECORDS = """
    SELECT s.account_id, count(*), count(*) FILTER (WHERE g.id IS NOT NULL AND s.vote <> 'unsure'),
           count(*) FILTER (WHERE s.vote = g.expected)
    FROM jury_seats s LEFT JOIN golden_cases g ON g.id = s.golden_id
    WHERE s.account_id = ANY ($1::bigint[]) AND s.state = 'answered' GROUP BY s.account_id
"""


async def list_records(tx: Tx, account_ids: Sequence[int]) -> dict[int, RecordRow]:
    """How these members answered, by account; who never did is left out."""
    return {row[0]: RecordRow(*row) for row in await tx.fetch(LIST_RECORDS, list(account_ids))}


COUNT_KNOWN = """
    SELECT count(*) FILTER (WHERE s.vote = g.expected), count(*) FILTER (WHERE s.vote <> 'unsure')
    FROM jury_seats s JOIN golden_cases g ON g.id = s.golden_id WHERE s.state = 'answered'
"""


async def count_known(tx: Tx) -> tuple[int, int]:
    """Of all questions with a known answer: answered right, answered."""
    row = await tx.fetchrow(COUNT_KNOWN)
    return int(row[0]), int(row[1])


COUNT_STATES = """SELECT state, count(*) FROM juries GROUP BY state"""


async def count_states(tx: Tx) -> dict[str, int]:
    """How many juries are in each state."""
    return {row[0]: int(row[1]) for row in await tx.fetch(COUNT_STATES)}


LIST_BALLOTS = """
    SELECT array_agg(s.vote ORDER BY s.rank) FROM jury_seats s JOIN juries j ON j.id = s.jury_id
    WHERE j.state IN ('decided', 'hung') AND s.vote IS NOT NULL AND j.ended_at > now() - interval '1 year'
    GROUP BY s.jury_id ORDER BY s.jury_id DESC LIMIT 5000
"""


async def list_ballots(tx: Tx) -> list[list[str]]:
    """The answers to each jury of the last year."""
    return [list(row[0]) for row in await tx.fetch(LIST_BALLOTS)]
