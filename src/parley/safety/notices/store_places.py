"""What stands behind addresses of ours, whatever its state: also what is hidden, removed or deleted. SQL only.

Reads tables of other rooms, for notices alone: nothing of it may be shown to anybody who is not staff.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx


class StatusRow(msgspec.Struct, frozen=True):
    """A status, and whose it is."""

    id: int
    account_id: int
    revision: int
    state: str
    reblog_of_id: int | None
    open: bool
    """Whether it is meant for everybody."""


# Plan: primary key.
LIST_STATUSES = """
    SELECT s.id, s.account_id, greatest(s.revision, coalesce(s.held_revision, 0)), s.state::text, s.reblog_of_id,
           s.visibility IN ('public', 'unlisted')
    FROM statuses s WHERE s.id = ANY($1::bigint[])
"""


async def list_statuses(tx: Tx, ids: Sequence[int]) -> dict[int, StatusRow]:
    """Statuses by id, whatever their state."""
    return {row[0]: StatusRow(*row) for row in await tx.fetch(LIST_STATUSES, ids)}


class PersonRow(msgspec.Struct, frozen=True):
    """An account: its address and state."""

    id: int
    username: str
    domain: str | None
    state: str


LIST_ACCOUNTS = """
    SELECT id, lower(username), domain, state::text FROM accounts WHERE id = ANY($1::bigint[])
"""


async def list_accounts(tx: Tx, ids: Sequence[int]) -> dict[int, PersonRow]:
    """Accounts by id, whatever their state."""
    return {row[0]: PersonRow(*row) for row in await tx.fetch(LIST_ACCOUNTS, ids)}


# Plan: accounts_address.
LIST_NAMED = """
    SELECT a.id, lower(a.username), a.domain, a.state::text
    FROM unnest($1::text[], $2::text[]) AS named (username, domain)
    JOIN accounts a ON lower(a.username) = named.username AND coalesce(a.domain, '') = named.domain
"""


async def list_named(tx: Tx, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], PersonRow]:
    """Accounts by (username, domain), both lower case; the domain is empty for members."""
    rows = await tx.fetch(LIST_NAMED, [name for name, _ in names], [domain for _, domain in names])
    return {(row[1], row[2] or ""): PersonRow(*row) for row in rows}


class CarriedRow(msgspec.Struct, frozen=True):
    """An attachment: whose it is, and a status that carries or carried it (None: none is known)."""

    name: str
    media_id: int
    account_id: int
    status_id: int | None


# Plan: media_file, media_preview_file, then statuses_account for those whose status was deleted; likewise the remains.
LIST_CARRIED = """
    WITH known AS (
        SELECT f.name, m.id, m.account_id, m.status_id
        FROM unnest($1::text[]) AS f (name) JOIN media m ON m.file = f.name OR m.preview_file = f.name
        UNION ALL
        SELECT f.name, r.media_id, r.account_id, r.status_id
        FROM unnest($1::text[]) AS f (name)
        JOIN media_remains r ON r.remains ->> 'file' = f.name OR r.remains ->> 'preview_file' = f.name
        UNION ALL
        SELECT m.id::text, m.id, m.account_id, m.status_id FROM media m WHERE m.id = ANY($2::bigint[])
        UNION ALL
        SELECT r.media_id::text, r.media_id, r.account_id, r.status_id FROM media_remains r
        WHERE r.media_id = ANY($2::bigint[])
    )
    SELECT k.name, k.id, k.account_id, s.id
    FROM known k LEFT JOIN LATERAL (
        SELECT k.status_id AS id WHERE k.status_id IS NOT NULL
        UNION
        SELECT t.id FROM statuses t
        WHERE t.account_id = k.account_id AND k.status_id IS NULL AND k.id = ANY(t.media_ids)
        UNION
        SELECT v.status_id FROM statuses t JOIN status_revisions v ON v.status_id = t.id
        WHERE t.account_id = k.account_id AND k.status_id IS NULL AND k.id = ANY(v.media_ids)
    ) s ON true
    ORDER BY k.name, s.id
"""


async def list_carried(tx: Tx, files: Sequence[str], media_ids: Sequence[int]) -> list[CarriedRow]:
    """Attachments by the name of a file or of its preview, or by id (then the `name`): a row for each status."""
    return [CarriedRow(*row) for row in await tx.fetch(LIST_CARRIED, files, media_ids)]


LIST_OWNERS = """
    SELECT f.name, f.account_id FROM files f WHERE f.name = ANY($1::text[]) AND f.account_id IS NOT NULL
"""


async def list_owners(tx: Tx, files: Sequence[str]) -> dict[str, int]:
    """Whose a stored file is: of files that are no attachments, the account whose profile they belong to."""
    return {row[0]: row[1] for row in await tx.fetch(LIST_OWNERS, files)}


class KeptRow(msgspec.Struct, frozen=True):
    """What a file belonged to, as the evidence says."""

    name: str
    subject_type: str
    subject_id: int
    revision: int | None
    account_id: int


LIST_KEPT = """
    SELECT DISTINCT ON (e.file) e.file, s.subject_type, s.subject_id, s.revision, s.account_id
    FROM evidence_files e JOIN evidence_snapshots s ON s.id = e.snapshot_id
    WHERE e.file = ANY($1::text[]) AND s.account_id IS NOT NULL AND s.subject_type <> 'conversation'
    ORDER BY e.file, (s.subject_type = 'status') DESC, s.id
"""


async def list_kept(tx: Tx, files: Sequence[str]) -> dict[str, KeptRow]:
    """What files belonged to that are gone everywhere else."""
    return {row[0]: KeptRow(*row) for row in await tx.fetch(LIST_KEPT, files)}


LIST_KEPT_STATUSES = """
    SELECT DISTINCT ON (s.subject_id) '', s.subject_type, s.subject_id, s.revision, s.account_id
    FROM evidence_snapshots s
    WHERE s.subject_type = 'status' AND s.subject_id = ANY($1::bigint[]) AND s.account_id IS NOT NULL
    ORDER BY s.subject_id, s.id DESC
"""


async def list_kept_statuses(tx: Tx, ids: Sequence[int]) -> dict[int, KeptRow]:
    """Statuses whose rows are gone, as the evidence knows them."""
    return {row[2]: KeptRow(*row) for row in await tx.fetch(LIST_KEPT_STATUSES, ids)}
