"""Revisions of profiles, for judging them again and for what follows from that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from parley.kit.db import Tx


class JudgedRow(msgspec.Struct, frozen=True):
    """A profile that a result of screening is about."""

    account_id: int
    named: int
    """The revision that the result names."""
    revision: int
    """The one that it is about: a profile that was held at sign-up is kept beside an empty first one."""
    username: str
    profile: dict[str, Any]


LIST_JUDGED = """
    SELECT a.id, p.revision, coalesce(h.revision, p.revision), a.username, coalesce(h.profile, p.profile)
    FROM unnest($1::bigint[], $2::integer[]) AS named (account_id, revision)
    JOIN accounts a ON a.id = named.account_id
    JOIN profile_revisions p ON p.account_id = a.id AND p.revision = named.revision
    LEFT JOIN profile_revisions h
        ON h.account_id = a.id AND p.revision = 1 AND h.revision = 2 AND h.screening_id = p.screening_id
"""


async def list_judged(tx: Tx, named: Sequence[tuple[int, int]]) -> list[JudgedRow]:
    """Profiles by account and revision, in no order; missing ones are left out."""
    rows = await tx.fetch(LIST_JUDGED, [pair[0] for pair in named], [pair[1] for pair in named])
    return [JudgedRow(*row) for row in rows]


class SweptRow(msgspec.Struct, frozen=True):
    """Where an account's profile stands, with the account locked."""

    username: str
    revision: int
    held_revision: int | None
    newest_revision: int


GET_SWEPT = """
    SELECT a.username, a.revision, a.held_revision,
        (SELECT max(n.revision) FROM profile_revisions n WHERE n.account_id = a.id)
    FROM accounts a WHERE a.id = $1
"""


async def get_swept(tx: Tx, account_id: int) -> SweptRow | None:
    """Where the profile stands; lock the account before."""
    row = await tx.fetchrow(GET_SWEPT, account_id)
    return SweptRow(*row) if row else None


UPDATE_SWEPT = """
    UPDATE profile_revisions SET held = $3, sentence = $4, screening_id = $5 WHERE account_id = $1 AND revision = $2
"""


async def update_swept(tx: Tx, account_id: int, revision: int, *, held: bool, sentence: str, screening_id: int) -> None:
    """What another verdict says of one revision of a profile."""
    await tx.execute(UPDATE_SWEPT, account_id, revision, held, sentence, screening_id)


# A profile has two pictures; `$4` says which of them.
UPDATE_PICTURE_MATCHES = """
    UPDATE profile_revisions p SET profile = jsonb_set(p.profile, ARRAY[$4, 'matches'], $3::jsonb, true)
    FROM accounts a
    WHERE a.id = $1 AND p.account_id = a.id AND p.profile -> $4 ->> 'file' = $2
    RETURNING p.revision, p.revision IN (a.revision, a.held_revision)
"""


async def update_picture_matches(
    tx: Tx, account_id: int, file: str, matches: Any, picture: str
) -> list[tuple[int, bool]]:
    """Keep what is known of an avatar or header; the revisions that have it, each with whether it is shown or waits."""
    rows = await tx.fetch(UPDATE_PICTURE_MATCHES, account_id, file, matches, picture)
    return [(row[0], bool(row[1])) for row in rows]


GET_PICTURE_MATCHES = """
    SELECT coalesce(picture -> 'matches', '[]'::jsonb)
    FROM profile_revisions p
    CROSS JOIN LATERAL (VALUES (p.profile -> 'avatar'), (p.profile -> 'header')) AS pictures (picture)
    WHERE p.account_id = $1 AND picture ->> 'file' = $2
    ORDER BY p.revision DESC LIMIT 1
"""


async def get_picture_matches(tx: Tx, account_id: int, file: str) -> list[dict[str, Any]] | None:
    """What is known of a picture that a revision of the profile has; None when none has it."""
    found: list[dict[str, Any]] | None = await tx.fetchval(GET_PICTURE_MATCHES, account_id, file)
    return found
