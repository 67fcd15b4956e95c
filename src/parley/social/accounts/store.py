"""The tables of accounts, their profiles and counters. No rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.social.accounts.views import AccountHead

LIST_HEADS = """
    SELECT id, version, updated_at, statuses_count, followers_count, following_count, last_status_at
    FROM account_heads($1::bigint[])
"""


async def list_heads(tx: Tx, ids: Sequence[int]) -> list[AccountHead]:
    """Stamps and counters of the accounts that exist, in no order."""
    return [AccountHead(*row) for row in await tx.fetch(LIST_HEADS, ids)]


class AccountRow(msgspec.Struct, frozen=True):
    """Everything else about an account. `emojis` are rows of shortcode, file, static_file, category,
    visible."""

    id: int
    username: str
    domain: str | None
    state: str
    display_name: str
    note: str
    note_html: str
    fields: list[dict[str, Any]]
    avatar_file: str | None
    avatar_static_file: str | None
    header_file: str | None
    header_static_file: str | None
    avatar_description: str
    header_description: str
    role: str
    attribution_domains: list[str]
    show_media: bool
    show_media_replies: bool
    show_featured: bool
    bot: bool
    locked: bool
    discoverable: bool
    indexable: bool
    hide_collections: bool
    sensitized: bool
    uri: str | None
    url: str | None
    merge_on_read: bool
    version: int
    updated_at: datetime
    held_revision: int | None
    created_at: datetime
    emojis: list[list[Any]] | None


LIST_ACCOUNTS = """
    SELECT a.id, a.username, a.domain, a.state::text, a.display_name, a.note, a.note_html, a.fields,
           a.avatar_file, a.avatar_static_file, a.header_file, a.header_static_file,
           a.avatar_description, a.header_description, a.role, a.attribution_domains,
           a.show_media, a.show_media_replies, a.show_featured, a.bot, a.locked, a.discoverable, a.indexable,
           a.hide_collections, a.sensitized, a.uri, a.url, a.merge_on_read, a.version, a.updated_at,
           a.held_revision, a.created_at,
           CASE WHEN a.emojis <> '{}' THEN (
               SELECT json_agg(json_build_array(
                   e.shortcode, e.file, e.static_file, e.category, e.visible_in_picker) ORDER BY e.shortcode)
               FROM custom_emojis e
               WHERE e.shortcode = ANY(a.emojis) AND coalesce(e.domain, '') = coalesce(a.domain, '')
                 AND NOT e.disabled
           ) END
    FROM accounts a WHERE a.id = ANY($1::bigint[])
"""


async def list_accounts(tx: Tx, ids: Sequence[int]) -> list[AccountRow]:
    """The accounts that exist, in no order."""
    return [AccountRow(*row) for row in await tx.fetch(LIST_ACCOUNTS, ids)]


class AddressRow(msgspec.Struct, frozen=True):
    """An account as mentions need it."""

    id: int
    username: str
    domain: str | None
    state: str
    uri: str | None
    url: str | None


LIST_BY_ADDRESS = """
    SELECT a.id, a.username, a.domain, a.state::text, a.uri, a.url
    FROM unnest($1::text[], $2::text[]) AS wanted (username, domain)
    JOIN accounts a ON lower(a.username) = wanted.username AND coalesce(a.domain, '') = wanted.domain
"""


async def list_by_address(tx: Tx, addresses: Sequence[tuple[str, str | None]]) -> list[AddressRow]:
    """Accounts by lower-case username and domain (None: local), in no order."""
    names = [username for username, _ in addresses]
    domains = [domain or "" for _, domain in addresses]
    return [AddressRow(*row) for row in await tx.fetch(LIST_BY_ADDRESS, names, domains)]


# USING ~<~ is the order of the index on prefixes: the first 500 are read, not all that begin so.
SEARCH_IDS = """
    WITH found AS (
        (SELECT a.id, a.username FROM accounts a
         WHERE lower(a.username) LIKE $1 || '%' AND a.state IN ('active', 'limited')
           AND (NOT $4 OR a.id = ANY($3::bigint[]))
         ORDER BY lower(a.username) USING ~<~ LIMIT 500)
        UNION
        (SELECT a.id, a.username FROM accounts a
         WHERE $2 <> ''
           AND to_tsvector('simple', a.username || ' ' || a.display_name) @@ to_tsquery('simple', $2)
           AND a.state IN ('active', 'limited')
           AND CASE WHEN $4 THEN a.id = ANY($3::bigint[]) ELSE a.discoverable END
         LIMIT 500)
    )
    SELECT f.id FROM found f LEFT JOIN account_stats s ON s.account_id = f.id
    ORDER BY lower(f.username) = $5 DESC, coalesce(s.followers_count, 0) DESC, f.id
    LIMIT $6 OFFSET $7
"""


async def list_search_ids(
    tx: Tx,
    prefix: str,
    words: str,
    *,
    friends: Sequence[int],
    friends_only: bool,
    limit: int,
    offset: int,
) -> list[int]:
    """Ids by prefix of the username (an escaped LIKE pattern) or words of the name (a tsquery): best first.

    Each way looks at 500 candidates at most.
    """
    exact = prefix.replace("\\", "")
    rows = await tx.fetch(SEARCH_IDS, prefix, words, friends, friends_only, exact, limit, offset)
    return [row[0] for row in rows]


LIST_DIRECTORY_ACTIVE = """
    SELECT a.id FROM account_stats s JOIN accounts a ON a.id = s.account_id
    WHERE a.discoverable AND a.state = 'active' AND s.last_status_at IS NOT NULL
      AND (NOT $1 OR a.domain IS NULL)
    ORDER BY s.last_status_at DESC NULLS LAST, s.account_id DESC LIMIT $2 OFFSET $3
"""
LIST_DIRECTORY_NEW = """
    SELECT a.id FROM accounts a
    WHERE a.discoverable AND a.state = 'active' AND (NOT $1 OR a.domain IS NULL)
    ORDER BY a.id DESC LIMIT $2 OFFSET $3
"""


async def list_directory_ids(tx: Tx, *, newest: bool, local: bool, limit: int, offset: int) -> list[int]:
    """Accounts that want to be found: the newest first, or those who posted last first."""
    sql = LIST_DIRECTORY_NEW if newest else LIST_DIRECTORY_ACTIVE
    return [row[0] for row in await tx.fetch(sql, local, limit, offset)]


INSERT_ACCOUNT = """
    INSERT INTO accounts (id, username, state, display_name, note, note_html, fields, emojis, role, bot,
                          locked, discoverable, indexable, uri, url, screening_id)
    VALUES ($1, $2, $3::account_state, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
INSERT_STATS = """INSERT INTO account_stats (account_id) VALUES ($1) ON CONFLICT DO NOTHING"""


async def insert_account(tx: Tx, account_id: int, *values: Any) -> None:
    """Add a local account and its counters; `values` are the columns of INSERT_ACCOUNT after the id, in
    order."""
    await tx.execute(INSERT_ACCOUNT, account_id, *values)
    await tx.execute(INSERT_STATS, account_id)


class ProfileRow(msgspec.Struct, frozen=True):
    """An account's public profile and what waits, locked for a change."""

    username: str
    domain: str | None
    state: str
    profile: dict[str, Any]
    held: dict[str, Any] | None
    held_revision: int | None
    newest_revision: int


GET_PROFILE = """
    SELECT a.username, a.domain, a.state::text, p.profile, h.profile, a.held_revision,
           (SELECT max(n.revision) FROM profile_revisions n WHERE n.account_id = a.id)
    FROM accounts a
    JOIN profile_revisions p ON p.account_id = a.id AND p.revision = a.revision
    LEFT JOIN profile_revisions h ON h.account_id = a.id AND h.revision = a.held_revision
    WHERE a.id = $1
"""
# Locked first, in a statement of its own: one that waited for the lock would go on with the revisions of before.
LOCK_ACCOUNT = """SELECT id FROM accounts WHERE id = $1 FOR UPDATE"""


async def get_profile_for_update(tx: Tx, account_id: int) -> ProfileRow | None:
    """The profile as it is shown and the newer one that waits, with the account locked."""
    await tx.execute(LOCK_ACCOUNT, account_id)
    row = await tx.fetchrow(GET_PROFILE, account_id)
    return ProfileRow(*row) if row else None


INSERT_REVISION = """
    INSERT INTO profile_revisions (account_id, revision, profile, screening_id, held, sentence)
    VALUES ($1, $2, $3, $4, $5, $6)
"""


async def insert_profile_revision(
    tx: Tx, account_id: int, revision: int, profile: Any, screening_id: int, *, held: bool, sentence: str
) -> None:
    """Keep one revision of a profile, shown or held."""
    await tx.execute(INSERT_REVISION, account_id, revision, profile, screening_id, held, sentence)


class RevisionRow(msgspec.Struct, frozen=True):
    """One revision of a profile."""

    profile: dict[str, Any]
    screening_id: int
    held: bool
    sentence: str
    created_at: datetime


GET_REVISION = """
    SELECT profile, screening_id, held, sentence, created_at FROM profile_revisions
    WHERE account_id = $1 AND revision = $2
"""


async def get_profile_revision(tx: Tx, account_id: int, revision: int) -> RevisionRow | None:
    """One revision, or None."""
    row = await tx.fetchrow(GET_REVISION, account_id, revision)
    return RevisionRow(*row) if row else None


UPDATE_REVISION_DECIDED = """
    UPDATE profile_revisions SET held = false WHERE account_id = $1 AND revision = $2
"""


async def update_revision_decided(tx: Tx, account_id: int, revision: int) -> None:
    """Note that a held revision waits no longer."""
    await tx.execute(UPDATE_REVISION_DECIDED, account_id, revision)


UPDATE_PROFILE = """
    UPDATE accounts SET display_name = $2, note = $3, note_html = $4, fields = $5, emojis = $6,
           avatar_file = $7, avatar_static_file = $8, header_file = $9, header_static_file = $10,
           avatar_description = $11, header_description = $12, revision = $13, screening_id = $14,
           held_revision = NULL
    WHERE id = $1
"""


async def update_profile(tx: Tx, account_id: int, *values: Any) -> None:
    """Show a revision; `values` are the columns of UPDATE_PROFILE after the id, in order."""
    await tx.execute(UPDATE_PROFILE, account_id, *values)


UPDATE_HELD_REVISION = """UPDATE accounts SET held_revision = $2 WHERE id = $1"""


async def update_held_revision(tx: Tx, account_id: int, revision: int | None) -> None:
    """Remember which revision waits for a decision, or that none does."""
    await tx.execute(UPDATE_HELD_REVISION, account_id, revision)


UPDATE_FLAGS = """
    UPDATE accounts SET bot = coalesce($2, bot), locked = coalesce($3, locked),
           discoverable = coalesce($4, discoverable), indexable = coalesce($5, indexable),
           hide_collections = coalesce($6, hide_collections), show_media = coalesce($7, show_media),
           show_media_replies = coalesce($8, show_media_replies), show_featured = coalesce($9, show_featured),
           attribution_domains = coalesce($10, attribution_domains)
    WHERE id = $1
"""


async def update_flags(tx: Tx, account_id: int, flags: Sequence[bool | None], sites: list[str] | None) -> None:
    """Set the switches that are not None: bot, locked, discoverable, indexable, hide_collections, show_media,
    show_media_replies, show_featured; and the attribution domains."""
    await tx.execute(UPDATE_FLAGS, account_id, *flags, sites)


UPDATE_STATE = """
    UPDATE accounts SET state = $2::account_state,
           suspended_at = CASE WHEN $2 = 'suspended' THEN now() END
    WHERE id = $1 AND state <> $2::account_state
    RETURNING id
"""


async def update_state(tx: Tx, account_id: int, state: str) -> bool:
    """Set the state; False when it was that already, or there is no such account."""
    return await tx.fetchval(UPDATE_STATE, account_id, state) is not None


DELETE_PENDING = """
    DELETE FROM accounts WHERE id = $1 AND state = 'pending' AND domain IS NULL AND NOT is_held(id) RETURNING id
"""


async def delete_pending(tx: Tx, account_id: int) -> bool:
    """Remove a member who never began, with everything that hangs on the account; False when it had begun,
    or is under a legal hold."""
    return await tx.fetchval(DELETE_PENDING, account_id) is not None


UPDATE_ROLE = """UPDATE accounts SET role = $2 WHERE id = $1 AND role <> $2"""


async def update_role(tx: Tx, account_id: int, role: str) -> None:
    """Set the badge."""
    await tx.execute(UPDATE_ROLE, account_id, role)


UPDATE_MERGE_ON_READ = """
    UPDATE accounts SET merge_on_read = $2 WHERE id = $1 AND merge_on_read <> $2
"""


async def update_merge_on_read(tx: Tx, account_id: int, merge: bool) -> None:
    """Set whether posts are merged into home timelines when they are read."""
    await tx.execute(UPDATE_MERGE_ON_READ, account_id, merge)


UPDATE_COUNTERS = """
    UPDATE account_stats SET statuses_count = greatest(statuses_count + $2, 0),
           followers_count = greatest(followers_count + $3, 0),
           following_count = greatest(following_count + $4, 0),
           last_status_at = greatest(last_status_at, date_trunc('day', $5::timestamptz, 'UTC')),
           boosts_count = greatest(boosts_count + $6, 0)
    WHERE account_id = $1
"""


async def update_counters(
    tx: Tx,
    account_id: int,
    *,
    statuses: int = 0,
    boosts: int = 0,
    followers: int = 0,
    following: int = 0,
    posted_at: datetime | None = None,
) -> None:
    """Add to the counters, and note the day of the last post. Boosts are among the statuses as well."""
    await tx.execute(UPDATE_COUNTERS, account_id, statuses, followers, following, posted_at, boosts)


class FactsRow(msgspec.Struct, frozen=True):
    """What screening is told about an author."""

    created_at: datetime
    domain: str | None
    role: str
    statuses_count: int
    """Without boosts: who only passes on what others wrote is not trusted for it."""
    followers_count: int
    following_count: int
    strikes: int
    reporters: int
    cluster_size: int
    linked_banned: int


GET_FACTS = """
    SELECT created_at, domain, role, statuses_count, followers_count, following_count, strikes, reporters, cluster_size,
        coalesce((SELECT t.linked_banned FROM account_standing t WHERE t.account_id = $1), 0)
    FROM author_facts($1)
"""


async def get_facts(tx: Tx, account_id: int) -> FactsRow | None:
    """Facts about one account, or None."""
    row = await tx.fetchrow(GET_FACTS, account_id)
    return FactsRow(*row) if row else None


LIST_PICTURE_FILES = """
    SELECT picture ->> 'file', picture ->> 'static_file'
    FROM accounts a
    JOIN profile_revisions p ON p.account_id = a.id AND p.revision IN (a.revision, a.held_revision)
    CROSS JOIN LATERAL (VALUES (p.profile -> 'avatar'), (p.profile -> 'header')) AS pictures (picture)
    WHERE a.id = $1 AND jsonb_typeof(picture) = 'object'
"""


async def list_picture_files(tx: Tx, account_id: int) -> set[str]:
    """Files of the profile that is shown and of the one that waits."""
    return {name for row in await tx.fetch(LIST_PICTURE_FILES, account_id) for name in row}
