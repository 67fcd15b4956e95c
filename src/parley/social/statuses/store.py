"""Reading statuses from their tables: bodies, marks, revisions, threads. No rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.social.accounts.views import AccountHead
from parley.social.graph.ties import Tie, tie_of
from parley.social.statuses.views import MentionView


class Body(msgspec.Struct, frozen=True):
    """What is the same of a status for every reader, as of one version."""

    id: int
    version: int
    account_id: int
    conversation_id: int
    in_reply_to_id: int | None
    in_reply_to_account_id: int | None
    reblog_of_id: int | None
    quote_of_id: int | None
    quote_state: str | None
    quote_policy: str
    visibility: str
    local_only: bool
    state: str
    text: str
    content_type: str
    html: str
    spoiler_text: str
    sensitive: bool
    language: str | None
    mentions: tuple[MentionView, ...]
    mentioned_ids: frozenset[int]
    tags: tuple[str, ...]
    emojis: tuple[str, ...]
    media_ids: tuple[int, ...]
    media_descriptions: tuple[str, ...]
    poll_id: int | None
    app_id: int | None
    revision: int
    held_revision: int | None
    screening_id: int | None
    uri: str | None
    url: str | None
    created_at: datetime
    edited_at: datetime | None
    marked_label: str = ""
    """What moderators tell readers about it; empty: nothing."""
    marked_sensitive: bool = False
    """Moderators marked it as sensitive."""
    imported_from: str | None = None
    """The host where it was first posted; None: here."""
    import_proof: str | None = None
    """How far that is proven: see `ImportedView`."""


def read_mentions(rows: list[dict[str, Any]]) -> tuple[MentionView, ...]:
    """The mentions column as views."""
    return tuple(MentionView(row["id"], row["username"], row.get("domain"), row.get("url")) for row in rows)


def _body(row: Any) -> Body:
    values = list(row)
    values[19] = read_mentions(values[19]) if values[19] else ()
    values[20] = frozenset(values[20])
    values[21:25] = [tuple(column) for column in values[21:25]]
    return Body(*values)


LIST_BODIES = """
    SELECT id, version, account_id, conversation_id, in_reply_to_id, in_reply_to_account_id, reblog_of_id,
        quote_of_id, quote_state, quote_policy, visibility, local_only, state, text, content_type, html,
        spoiler_text, sensitive, language, mentions, mentioned_ids, tags, emojis, media_ids, media_descriptions,
        poll_id, app_id, revision, held_revision, screening_id, uri, url, created_at, edited_at,
        marked_label, marked_sensitive, imported_from, import_proof
    FROM statuses WHERE id = ANY($1::bigint[])
"""


async def list_bodies(tx: Tx, ids: Sequence[int]) -> list[Body]:
    """The bodies of these statuses, in any order, whatever their state."""
    return [_body(row) for row in await tx.fetch(LIST_BODIES, ids)]


# One row: the status by its key, its author as one reader sees it by the graph's function.
GET_BODY_WITH_AUTHOR = """
    SELECT s.id, s.version, s.account_id, s.conversation_id, s.in_reply_to_id, s.in_reply_to_account_id,
        s.reblog_of_id, s.quote_of_id, s.quote_state, s.quote_policy, s.visibility, s.local_only, s.state, s.text,
        s.content_type, s.html, s.spoiler_text, s.sensitive, s.language, s.mentions, s.mentioned_ids, s.tags, s.emojis,
        s.media_ids, s.media_descriptions, s.poll_id, s.app_id, s.revision, s.held_revision, s.screening_id, s.uri,
        s.url, s.created_at, s.edited_at, s.marked_label, s.marked_sensitive, s.imported_from, s.import_proof,
        a.id, a.version, a.updated_at, a.statuses_count, a.followers_count, a.following_count, a.last_status_at,
        a.following, a.blocked, a.muting
    FROM statuses s CROSS JOIN LATERAL accounts_as_seen($2, ARRAY[s.account_id]) a
    WHERE s.id = $1
"""


async def get_body_with_author(tx: Tx, viewer_id: int | None, status_id: int) -> tuple[Body, AccountHead, Tie] | None:
    """The body of a status, whatever its state, its author's head, and what ties the viewer to the author."""
    row = await tx.fetchrow(GET_BODY_WITH_AUTHOR, status_id, viewer_id or 0)
    if row is None:
        return None
    columns = list(row)
    return _body(columns[:38]), AccountHead(*columns[38:45]), tie_of(*columns[45:])


LIST_BODIES_WITH_ORIGINALS = """
    WITH asked AS MATERIALIZED (
        SELECT id, reblog_of_id, quote_of_id FROM statuses WHERE id = ANY($1::bigint[])
    ), wanted AS (
        SELECT id FROM asked
        UNION SELECT reblog_of_id FROM asked WHERE reblog_of_id IS NOT NULL
        UNION SELECT quote_of_id FROM asked WHERE quote_of_id IS NOT NULL
        UNION SELECT o.quote_of_id FROM asked JOIN statuses o ON o.id = asked.reblog_of_id
            WHERE o.quote_of_id IS NOT NULL
    )
    SELECT id, version, account_id, conversation_id, in_reply_to_id, in_reply_to_account_id, reblog_of_id,
        quote_of_id, quote_state, quote_policy, visibility, local_only, state, text, content_type, html,
        spoiler_text, sensitive, language, mentions, mentioned_ids, tags, emojis, media_ids, media_descriptions,
        poll_id, app_id, revision, held_revision, screening_id, uri, url, created_at, edited_at,
        marked_label, marked_sensitive, imported_from, import_proof
    FROM statuses WHERE id IN (SELECT id FROM wanted)
"""


async def list_bodies_with_originals(tx: Tx, ids: Sequence[int]) -> list[Body]:
    """The bodies of these statuses, of what they boost, and of what these and those quote."""
    return [_body(row) for row in await tx.fetch(LIST_BODIES_WITH_ORIGINALS, ids)]


class Marks(msgspec.Struct, frozen=True):
    """What changes often, and what one reader did with a status."""

    id: int
    version: int
    replies_count: int
    reblogs_count: int
    favourites_count: int
    quotes_count: int
    favourited: bool
    reblogged: bool
    bookmarked: bool
    muted: bool
    pinned: bool


# Hot: every timeline reads it. Scalar subqueries, each one look-up in a unique index: of an EXISTS the planner may
# make a hash of everything that the viewer ever marked.
LIST_MARKS = """
    SELECT s.id, s.version, coalesce(c.replies_count, 0), coalesce(c.reblogs_count, 0),
        coalesce(c.favourites_count, 0), coalesce(c.quotes_count, 0),
        (SELECT f.status_id FROM favourites f WHERE f.account_id = $2 AND f.status_id = s.id) IS NOT NULL,
        (SELECT b.id FROM statuses b
            WHERE b.reblog_of_id = s.id AND b.account_id = $2 AND b.deleted_at IS NULL) IS NOT NULL,
        (SELECT k.status_id FROM bookmarks k WHERE k.account_id = $2 AND k.status_id = s.id) IS NOT NULL,
        (SELECT m.account_id FROM conversation_mutes m
            WHERE m.account_id = $2 AND m.conversation_id = s.conversation_id) IS NOT NULL,
        s.account_id = $2
            AND (SELECT p.status_id FROM status_pins p WHERE p.account_id = $2 AND p.status_id = s.id) IS NOT NULL
    FROM statuses s LEFT JOIN status_stats c ON c.status_id = s.id
    WHERE s.id = ANY($1::bigint[])
"""
LIST_COUNTS = """
    SELECT s.id, s.version, coalesce(c.replies_count, 0), coalesce(c.reblogs_count, 0),
        coalesce(c.favourites_count, 0), coalesce(c.quotes_count, 0), false, false, false, false, false
    FROM statuses s LEFT JOIN status_stats c ON c.status_id = s.id
    WHERE s.id = ANY($1::bigint[])
"""


async def list_marks(tx: Tx, ids: Sequence[int], viewer_id: int | None) -> dict[int, Marks]:
    """Counts, the current version, and the viewer's own marks, by id."""
    if viewer_id is None:
        return {row[0]: Marks(*row) for row in await tx.fetch(LIST_COUNTS, ids)}
    return {row[0]: Marks(*row) for row in await tx.fetch(LIST_MARKS, ids, viewer_id)}


# Hot: one round trip for a page whose bodies the process knows. The first half is LIST_MARKS, the second asks the graph
# about their authors; both go by primary keys and unique indexes alone.
LIST_MARKS_AND_AUTHORS = """
    SELECT true, s.id, s.version, coalesce(c.replies_count, 0), coalesce(c.reblogs_count, 0),
        coalesce(c.favourites_count, 0), coalesce(c.quotes_count, 0),
        (SELECT f.status_id FROM favourites f WHERE f.account_id = $2 AND f.status_id = s.id) IS NOT NULL,
        (SELECT b.id FROM statuses b
            WHERE b.reblog_of_id = s.id AND b.account_id = $2 AND b.deleted_at IS NULL) IS NOT NULL,
        (SELECT k.status_id FROM bookmarks k WHERE k.account_id = $2 AND k.status_id = s.id) IS NOT NULL,
        (SELECT m.account_id FROM conversation_mutes m
            WHERE m.account_id = $2 AND m.conversation_id = s.conversation_id) IS NOT NULL,
        s.account_id = $2
            AND (SELECT p.status_id FROM status_pins p WHERE p.account_id = $2 AND p.status_id = s.id) IS NOT NULL,
        NULL::timestamptz, NULL::timestamptz
    FROM statuses s LEFT JOIN status_stats c ON c.status_id = s.id
    WHERE s.id = ANY($1::bigint[])
    UNION ALL
    SELECT false, a.id, a.version, a.statuses_count, a.followers_count, a.following_count, 0,
        a.following, a.blocked, a.muting, false, false, a.updated_at, a.last_status_at
    FROM accounts_as_seen($2, $3::bigint[]) a
"""


async def list_marks_and_authors(
    tx: Tx, ids: Sequence[int], viewer_id: int, author_ids: Sequence[int]
) -> tuple[dict[int, Marks], dict[int, tuple[AccountHead, Tie]]]:
    """The marks of these statuses by id, and their authors' heads with what ties the viewer to each, by id."""
    marks: dict[int, Marks] = {}
    authors: dict[int, tuple[AccountHead, Tie]] = {}
    for row in await tx.fetch(LIST_MARKS_AND_AUTHORS, ids, viewer_id, author_ids):
        (is_status, row_id, version, one, two, three, four, first, second, third, fourth, fifth, updated, last) = row
        if is_status:
            marks[row_id] = Marks(row_id, version, one, two, three, four, first, second, third, fourth, fifth)
        else:
            head = AccountHead(row_id, version, updated, one, two, three, last)
            authors[row_id] = (head, tie_of(first, second, third))
    return marks, authors


class RevisionRow(msgspec.Struct, frozen=True):
    """One revision of a status."""

    status_id: int
    revision: int
    text: str
    content_type: str
    html: str
    spoiler_text: str
    sensitive: bool
    language: str | None
    mentions: list[dict[str, Any]]
    tags: list[str]
    emojis: list[str]
    media_ids: list[int]
    media_descriptions: list[str]
    poll_id: int | None
    poll_options: list[str] | None
    quote_policy: str
    screening_id: int
    state: str
    created_at: datetime


LIST_REVISIONS = """
    SELECT status_id, revision, text, content_type, html, spoiler_text, sensitive, language, mentions, tags,
        emojis, media_ids, media_descriptions, poll_id, poll_options, quote_policy, screening_id, state, created_at
    FROM status_revisions WHERE status_id = $1 ORDER BY revision
"""


async def list_revisions(tx: Tx, status_id: int) -> list[RevisionRow]:
    """Every revision of a status, oldest first, whatever its state."""
    return [RevisionRow(*row) for row in await tx.fetch(LIST_REVISIONS, status_id)]


LIST_NAMED_REVISIONS = """
    SELECT r.status_id, r.revision, r.text, r.content_type, r.html, r.spoiler_text, r.sensitive, r.language,
        r.mentions, r.tags, r.emojis, r.media_ids, r.media_descriptions, r.poll_id, r.poll_options,
        r.quote_policy, r.screening_id, r.state, r.created_at
    FROM unnest($1::bigint[], $2::integer[]) AS named (status_id, revision)
    JOIN status_revisions r ON r.status_id = named.status_id AND r.revision = named.revision
"""


async def list_named_revisions(tx: Tx, named: Sequence[tuple[int, int]]) -> dict[int, RevisionRow]:
    """One revision each of several statuses, by the status's id."""
    rows = await tx.fetch(LIST_NAMED_REVISIONS, [pair[0] for pair in named], [pair[1] for pair in named])
    return {row[0]: RevisionRow(*row) for row in rows}


async def list_revisions_at(tx: Tx, named: Sequence[tuple[int, int]]) -> dict[tuple[int, int], RevisionRow]:
    """Revisions of statuses, any number of each, by status and revision."""
    rows = await tx.fetch(LIST_NAMED_REVISIONS, [pair[0] for pair in named], [pair[1] for pair in named])
    return {(row[0], row[1]): RevisionRow(*row) for row in rows}


class ThreadRow(msgspec.Struct, frozen=True):
    """A status's place in its thread."""

    id: int
    in_reply_to_id: int | None
    account_id: int


LIST_THREAD = """
    SELECT id, in_reply_to_id, account_id FROM statuses
    WHERE conversation_id = $1 AND reblog_of_id IS NULL
    ORDER BY id LIMIT $2
"""


async def list_thread(tx: Tx, conversation_id: int, limit: int) -> list[ThreadRow]:
    """The oldest `limit` statuses of a conversation, deleted ones too: they hold the tree together."""
    return [ThreadRow(*row) for row in await tx.fetch(LIST_THREAD, conversation_id, limit)]
