"""Profiles and facts about accounts as evidence needs them. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class ProfileRow(msgspec.Struct, frozen=True):
    """One revision of a profile. `profile` is None for a remote account, whose revisions are not kept."""

    account_id: int
    asked: int | None
    revision: int
    profile: dict[str, Any] | None
    held: bool | None
    screening_id: int | None


LIST_PROFILES = """
    SELECT a.id, named.revision, coalesce(p.revision, a.revision), p.profile, p.held,
        coalesce(p.screening_id, a.screening_id)
    FROM unnest($1::bigint[], $2::integer[]) AS named (account_id, revision)
    JOIN accounts a ON a.id = named.account_id
    LEFT JOIN profile_revisions p ON p.account_id = a.id AND p.revision = coalesce(named.revision, a.revision)
    WHERE named.revision IS NULL OR p.revision IS NOT NULL
"""


async def list_profiles(tx: Tx, named: Sequence[tuple[int, int | None]]) -> list[ProfileRow]:
    """Profiles by account and revision; None is the one that is shown."""
    rows = await tx.fetch(LIST_PROFILES, [pair[0] for pair in named], [pair[1] for pair in named])
    return [ProfileRow(*row) for row in rows]


class AuthorFacts(msgspec.Struct, frozen=True):
    """What changes from day to day about an account, as the judge is told it."""

    id: int
    created_at: datetime
    domain: str | None
    role: str
    statuses: int
    followers: int
    following: int
    strikes: int
    reporters_week: int
    cluster_size: int


LIST_AUTHOR_FACTS = """
    SELECT named.id, f.* FROM unnest($1::bigint[]) AS named (id) CROSS JOIN LATERAL author_facts(named.id) f
"""


async def list_author_facts(tx: Tx, ids: Sequence[int]) -> dict[int, AuthorFacts]:
    """Facts about accounts, by id."""
    return {row[0]: AuthorFacts(*row) for row in await tx.fetch(LIST_AUTHOR_FACTS, ids)}
