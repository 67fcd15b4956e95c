"""Polls and votes. No rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class PollRow(msgspec.Struct, frozen=True):
    """A poll and what one account chose in it (empty: nothing)."""

    id: int
    account_id: int
    status_id: int | None
    options: list[str]
    tallies: list[int]
    multiple: bool
    hide_totals: bool
    voters_count: int
    expires_at: datetime
    closed_at: datetime | None
    own_votes: list[int]


LIST_POLLS = """
    SELECT p.id, p.account_id, p.status_id, p.options, p.tallies, p.multiple, p.hide_totals, p.voters_count,
        p.expires_at, p.closed_at,
        ARRAY(SELECT v.choice FROM poll_votes v WHERE v.poll_id = p.id AND v.account_id = $2 ORDER BY v.choice)
    FROM polls p WHERE p.id = ANY($1::bigint[])
"""


async def list_polls(tx: Tx, ids: Sequence[int], account_id: int) -> dict[int, PollRow]:
    """Polls by id, with the votes of `account_id` (0: nobody)."""
    return {row[0]: PollRow(*row) for row in await tx.fetch(LIST_POLLS, ids, account_id)}


LOCK_POLL = """SELECT FROM polls WHERE id = $1 FOR NO KEY UPDATE"""


async def get_poll_locked(tx: Tx, poll_id: int, account_id: int) -> PollRow | None:
    """One poll, locked until the transaction ends, so that a member votes once.

    Two statements: a single one would wait for the lock and still read the votes as they were before.
    """
    await tx.execute(LOCK_POLL, poll_id)
    return (await list_polls(tx, [poll_id], account_id)).get(poll_id)


INSERT_POLL = """
    INSERT INTO polls (id, account_id, status_id, options, tallies, multiple, hide_totals, expires_at)
    VALUES ($1, $2, $3, $4, array_fill(0::bigint, ARRAY[cardinality($4::text[])]), $5, $6, $7)
"""


async def insert_poll(
    tx: Tx,
    poll_id: int,
    account_id: int,
    status_id: int,
    options: Sequence[str],
    *,
    multiple: bool,
    hide_totals: bool,
    expires_at: datetime,
) -> None:
    """A poll without votes."""
    await tx.execute(INSERT_POLL, poll_id, account_id, status_id, options, multiple, hide_totals, expires_at)


INSERT_VOTES = """
    INSERT INTO poll_votes (poll_id, account_id, choice) SELECT $1, $2, unnest($3::integer[])
"""
UPDATE_TALLIES = """
    UPDATE polls SET voters_count = voters_count + 1, tallies = (
        SELECT array_agg(t.tally + (t.place - 1 = ANY($2::integer[]))::integer ORDER BY t.place)
        FROM unnest(tallies) WITH ORDINALITY AS t (tally, place)
    )
    WHERE id = $1
"""


async def insert_votes(tx: Tx, poll_id: int, account_id: int, choices: Sequence[int]) -> None:
    """The votes of one account, counted; the poll must be locked."""
    await tx.execute(INSERT_VOTES, poll_id, account_id, choices)
    await tx.execute(UPDATE_TALLIES, poll_id, choices)


UPDATE_POLL_TERMS = """UPDATE polls SET expires_at = $2, hide_totals = $3 WHERE id = $1"""


async def update_poll_terms(tx: Tx, poll_id: int, expires_at: datetime, hide_totals: bool) -> None:
    """Another end, or totals shown or hidden; the votes stay."""
    await tx.execute(UPDATE_POLL_TERMS, poll_id, expires_at, hide_totals)


DELETE_POLL = """DELETE FROM polls WHERE id = $1"""


async def delete_poll(tx: Tx, poll_id: int) -> None:
    """The poll and its votes."""
    await tx.execute(DELETE_POLL, poll_id)


class EndedPoll(msgspec.Struct, frozen=True):
    """A poll that ended and whose voters are not told yet."""

    id: int
    account_id: int
    status_id: int


UPDATE_ENDED_POLLS = """
    UPDATE polls SET closed_at = $1 WHERE id IN (
        SELECT p.id FROM polls p JOIN statuses s ON s.id = p.status_id AND s.poll_id = p.id
        WHERE p.closed_at IS NULL AND p.expires_at <= $1 AND s.state IN ('published', 'limited')
        ORDER BY p.expires_at LIMIT $2 FOR UPDATE OF p SKIP LOCKED
    )
    RETURNING id, account_id, status_id
"""


async def update_ended_polls(tx: Tx, moment: datetime, limit: int) -> list[EndedPoll]:
    """Close polls that ended by `moment`; returns those, so that voters can be told once."""
    return [EndedPoll(*row) for row in await tx.fetch(UPDATE_ENDED_POLLS, moment, limit)]


LIST_VOTERS = """
    SELECT DISTINCT account_id FROM poll_votes WHERE poll_id = $1 AND account_id > $2
    ORDER BY account_id LIMIT $3
"""


async def list_voters(tx: Tx, poll_id: int, after: int, limit: int) -> list[int]:
    """Who voted, by account id, from `after` on."""
    return [row[0] for row in await tx.fetch(LIST_VOTERS, poll_id, after, limit)]
