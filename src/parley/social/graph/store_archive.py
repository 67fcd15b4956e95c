"""A member's whole graph, a batch at a time, for archives and imports. SQL only; no rule lives here.

Every query walks by the other account's id, so that what is followed or blocked meanwhile neither repeats nor hides
anything.
"""

from __future__ import annotations

import msgspec

from parley.kit.db import Tx


class FollowRow(msgspec.Struct, frozen=True):
    """Whom a member follows, and how."""

    account_id: int
    show_reblogs: bool
    notify: bool
    languages: list[str] | None


LIST_FOLLOWS = """
    SELECT target_id, show_reblogs, notify, languages FROM follows
    WHERE account_id = $1 AND target_id > $2 ORDER BY target_id LIMIT $3
"""


async def list_follows(tx: Tx, account_id: int, after: int, limit: int) -> list[FollowRow]:
    """Whom `account_id` follows, those with ids above `after`."""
    return [FollowRow(*row) for row in await tx.fetch(LIST_FOLLOWS, account_id, after, limit)]


LIST_BLOCKED_IDS = """
    SELECT target_id FROM blocks WHERE account_id = $1 AND target_id > $2 ORDER BY target_id LIMIT $3
"""


async def list_blocked_ids(tx: Tx, account_id: int, after: int, limit: int) -> list[int]:
    """Whom `account_id` blocks, those with ids above `after`."""
    return [row[0] for row in await tx.fetch(LIST_BLOCKED_IDS, account_id, after, limit)]


class MuteRow(msgspec.Struct, frozen=True):
    """Whom a member mutes, and whether notifications go too."""

    account_id: int
    notifications: bool


LIST_MUTED = """
    SELECT target_id, notifications FROM mutes
    WHERE account_id = $1 AND target_id > $2 AND (expires_at IS NULL OR expires_at > now())
    ORDER BY target_id LIMIT $3
"""


async def list_muted(tx: Tx, account_id: int, after: int, limit: int) -> list[MuteRow]:
    """Whom `account_id` mutes now, those with ids above `after`."""
    return [MuteRow(*row) for row in await tx.fetch(LIST_MUTED, account_id, after, limit)]


LIST_BLOCKED_DOMAINS = """
    SELECT domain FROM account_domain_blocks WHERE account_id = $1 AND domain > $2 ORDER BY domain LIMIT $3
"""


async def list_blocked_domains(tx: Tx, account_id: int, after: str, limit: int) -> list[str]:
    """Which domains `account_id` blocks, those after `after` in the alphabet."""
    return [row[0] for row in await tx.fetch(LIST_BLOCKED_DOMAINS, account_id, after, limit)]


LIST_LISTED_IDS = """
    SELECT m.account_id FROM list_accounts m JOIN lists l ON l.id = m.list_id
    WHERE l.account_id = $1 AND m.list_id = $2 AND m.account_id > $3 ORDER BY m.account_id LIMIT $4
"""


async def list_listed_ids(tx: Tx, account_id: int, list_id: int, after: int, limit: int) -> list[int]:
    """Who is in a list that `account_id` owns, those with ids above `after`."""
    return [row[0] for row in await tx.fetch(LIST_LISTED_IDS, account_id, list_id, after, limit)]


class NoteRow(msgspec.Struct, frozen=True):
    """A member's private note about somebody."""

    account_id: int
    comment: str


LIST_NOTES = """
    SELECT target_id, comment FROM account_notes
    WHERE account_id = $1 AND target_id > $2 ORDER BY target_id LIMIT $3
"""


async def list_notes(tx: Tx, account_id: int, after: int, limit: int) -> list[NoteRow]:
    """The private notes of `account_id`, about those with ids above `after`."""
    return [NoteRow(*row) for row in await tx.fetch(LIST_NOTES, account_id, after, limit)]


LIST_ENDORSED_IDS = """
    SELECT target_id FROM endorsements WHERE account_id = $1 AND target_id > $2 ORDER BY target_id LIMIT $3
"""


async def list_endorsed_ids(tx: Tx, account_id: int, after: int, limit: int) -> list[int]:
    """Whom `account_id` features on its profile, those with ids above `after`."""
    return [row[0] for row in await tx.fetch(LIST_ENDORSED_IDS, account_id, after, limit)]


COUNT_OWN = """
    SELECT (SELECT count(*) FROM follows WHERE account_id = $1),
        (SELECT count(*) FROM blocks WHERE account_id = $1),
        (SELECT count(*) FROM mutes WHERE account_id = $1 AND (expires_at IS NULL OR expires_at > now())),
        (SELECT count(*) FROM account_domain_blocks WHERE account_id = $1),
        (SELECT count(*) FROM lists WHERE account_id = $1)
"""


async def count_own(tx: Tx, account_id: int) -> tuple[int, int, int, int, int]:
    """How many follows, blocks, mutes, blocked domains and lists `account_id` has."""
    return tuple(await tx.fetchrow(COUNT_OWN, account_id))
