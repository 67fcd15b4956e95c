"""Writing statuses: insert, revise, publish, delete. No rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.social.accounts.views import AccountHead
from parley.social.statuses.store import Body, RevisionRow, read_mentions


class StatusRow(msgspec.Struct, frozen=True, kw_only=True):
    """A status that is about to be inserted, with its first revision."""

    id: int
    account_id: int
    conversation_id: int
    in_reply_to_id: int | None
    in_reply_to_account_id: int | None
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
    mentions: list[dict[str, Any]]
    mentioned_ids: list[int]
    tags: list[str]
    emojis: list[str]
    media_ids: list[int]
    media_descriptions: list[str]
    poll_id: int | None
    app_id: int | None
    screening_id: int
    created_at: datetime
    poll_options: list[str] | None
    tag_ids: list[int]
    """Empty for a status that is held: it is under no tag until it is published."""
    counted: int
    """1 when it counts among its author's statuses, otherwise 0."""
    counted_on: list[int]
    """What it answers and quotes, where everybody may see that it does."""
    key: str | None
    """The author's idempotency key that this status is the result of."""
    strangers: list[int]
    """Whom it addresses that have no tie to its author."""
    reply_depth: int
    bands: Sequence[int] | None
    """The fingerprint of what it says."""
    imported_from: str | None = None
    import_proof: str | None = None


# One round trip for everything that belongs to a new status. The foreign keys between these rows are checked when
# the statement ends. Rows that others count on too are locked in one order always, so that writers cannot deadlock:
# the author's (the last SELECT runs before the parts that it does not read), then what is answered and quoted.
INSERT_STATUS = """
    WITH status AS (
        INSERT INTO statuses (id, account_id, conversation_id, in_reply_to_id, in_reply_to_account_id,
            quote_of_id, quote_state, quote_policy, visibility, local_only, state, text, content_type, html,
            spoiler_text, sensitive, language, mentions, mentioned_ids, tags, emojis, media_ids,
            media_descriptions, poll_id, app_id, screening_id, created_at, reply_depth, imported_from, import_proof)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
            $22, $23, $24, $25, $26, $27, $34, $36, $37)
    ), revision AS (
        INSERT INTO status_revisions (status_id, revision, text, content_type, html, spoiler_text, sensitive,
            language, mentions, tags, emojis, media_ids, media_descriptions, poll_id, poll_options, quote_policy,
            screening_id, state, created_at)
        VALUES ($1, 1, $12, $13, $14, $15, $16, $17, $18, $20, $21, $22, $23, $24, $28, $8, $26,
            CASE WHEN $11 = 'held'::status_state THEN 'held' ELSE 'published' END::status_state, $27)
    ), tagged AS (
        INSERT INTO status_tags (tag_id, status_id) SELECT unnest($29::bigint[]), $1
    ), addressed AS (
        INSERT INTO status_mentions (account_id, author_id, status_id)
        SELECT m, $2, $1 FROM unnest($19::bigint[]) AS m WHERE $11 <> 'held'::status_state
    ), strange AS (
        INSERT INTO stranger_mentions (account_id, author_id, status_id) SELECT unnest($33::bigint[]), $2, $1
    ), fingerprint AS (
        INSERT INTO fingerprint_queue (status_id, revision, account_id, bands)
        SELECT $1, 1, $2, $35::integer[] WHERE $35 IS NOT NULL
    ), numbers AS (
        INSERT INTO recent_numbers (band, status_id, account_id) SELECT unnest($35::integer[]), $1, $2
        ON CONFLICT DO NOTHING
    ), stats AS (
        INSERT INTO status_stats (status_id) VALUES ($1)
    ), targets AS (
        SELECT status_id FROM status_stats WHERE status_id = ANY($31::bigint[])
        ORDER BY status_id FOR NO KEY UPDATE
    ), counted_on AS (
        UPDATE status_stats c SET replies_count = c.replies_count + (c.status_id IS NOT DISTINCT FROM $4)::integer,
            quotes_count = c.quotes_count + (c.status_id IS NOT DISTINCT FROM $6)::integer
        FROM targets WHERE c.status_id = targets.status_id
    ), keyed AS (
        UPDATE idempotency_keys SET status_id = $1 WHERE account_id = $2 AND key = $32
    )
    SELECT id, version, updated_at, statuses_count, followers_count, following_count, last_status_at
    FROM count_author_statuses($2, $30, $27)
"""


async def insert_status(tx: Tx, row: StatusRow) -> AccountHead:
    """A status, its first revision, its counters, its tags and whom it addresses, counted wherever it counts.

    Returns the author's head as it is then.
    """
    head = await tx.fetchrow(INSERT_STATUS, *msgspec.structs.astuple(row))
    assert head is not None
    return AccountHead(*head)


def body_of(row: StatusRow) -> Body:
    """What reading `row` back would give, right after it was inserted."""
    return Body(
        id=row.id,
        version=1,
        account_id=row.account_id,
        conversation_id=row.conversation_id,
        in_reply_to_id=row.in_reply_to_id,
        in_reply_to_account_id=row.in_reply_to_account_id,
        reblog_of_id=None,
        quote_of_id=row.quote_of_id,
        quote_state=row.quote_state,
        quote_policy=row.quote_policy,
        visibility=row.visibility,
        local_only=row.local_only,
        state=row.state,
        text=row.text,
        content_type=row.content_type,
        html=row.html,
        spoiler_text=row.spoiler_text,
        sensitive=row.sensitive,
        language=row.language,
        mentions=read_mentions(row.mentions),
        mentioned_ids=frozenset(row.mentioned_ids),
        tags=tuple(row.tags),
        emojis=tuple(row.emojis),
        media_ids=tuple(row.media_ids),
        media_descriptions=tuple(row.media_descriptions),
        poll_id=row.poll_id,
        app_id=row.app_id,
        revision=1,
        held_revision=None,
        screening_id=row.screening_id,
        uri=None,
        url=None,
        created_at=row.created_at,
        edited_at=None,
        imported_from=row.imported_from,
        import_proof=row.import_proof,
    )


LIST_TAG_IDS = """SELECT name, id FROM tags WHERE name = ANY($1::text[])"""
INSERT_TAGS = """
    INSERT INTO tags (name, display_name) SELECT * FROM unnest($1::text[], $2::text[])
    ON CONFLICT (name) DO NOTHING
"""


async def list_tag_ids(tx: Tx, names: Sequence[str]) -> dict[str, int]:
    """Ids of the tags that exist, by normalised name."""
    return {row[0]: row[1] for row in await tx.fetch(LIST_TAG_IDS, names)}


async def insert_tags(tx: Tx, names: Sequence[tuple[str, str]]) -> None:
    """Make tags, given as (normalised, typed); those that exist are left. In one order: writers cannot deadlock."""
    ordered = sorted(names)
    await tx.execute(INSERT_TAGS, [pair[0] for pair in ordered], [pair[1] for pair in ordered])


UPDATE_COUNTS = """
    UPDATE status_stats SET
        replies_count = greatest(0, replies_count + $2),
        reblogs_count = greatest(0, reblogs_count + $3),
        quotes_count = greatest(0, quotes_count + $4)
    WHERE status_id = $1
"""


async def update_counts(tx: Tx, status_id: int, *, replies: int = 0, reblogs: int = 0, quotes: int = 0) -> None:
    """Add to the counters of a status."""
    await tx.execute(UPDATE_COUNTS, status_id, replies, reblogs, quotes)


class LockedRow(msgspec.Struct, frozen=True):
    """A status locked for a change, whatever its state."""

    id: int
    account_id: int
    state: str
    revision: int
    held_revision: int | None
    poll_id: int | None
    in_reply_to_id: int | None
    quote_of_id: int | None
    quote_state: str | None
    reblog_of_id: int | None
    visibility: str
    media_ids: list[int]
    tags: list[str]
    mentioned_ids: list[int]
    imported: bool


GET_LOCKED = """
    SELECT id, account_id, state, revision, held_revision, poll_id, in_reply_to_id, quote_of_id, quote_state,
        reblog_of_id, visibility, media_ids, tags, mentioned_ids, imported_from IS NOT NULL
    FROM statuses WHERE id = $1 FOR NO KEY UPDATE
"""


async def get_locked(tx: Tx, status_id: int) -> LockedRow | None:
    """A status, locked until the transaction ends."""
    row = await tx.fetchrow(GET_LOCKED, status_id)
    return LockedRow(*row) if row else None


INSERT_REVISION = """
    INSERT INTO status_revisions (status_id, revision, text, content_type, html, spoiler_text, sensitive,
        language, mentions, tags, emojis, media_ids, media_descriptions, poll_id, poll_options, quote_policy,
        screening_id, state, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
"""


async def insert_revision(tx: Tx, row: RevisionRow) -> None:
    """One more revision of a status."""
    await tx.execute(INSERT_REVISION, *msgspec.structs.astuple(row))


UPDATE_HELD_REVISION = """UPDATE statuses SET held_revision = $2 WHERE id = $1"""


async def update_held_revision(tx: Tx, status_id: int, revision: int | None) -> None:
    """Remember which revision waits for a decision, or that none does."""
    await tx.execute(UPDATE_HELD_REVISION, status_id, revision)


# Shows one of the revisions: its columns are copied into the status.
UPDATE_SHOWN_REVISION = """
    WITH shown AS (
        UPDATE status_revisions SET state = 'published' WHERE status_id = $1 AND revision = $2 RETURNING *
    )
    UPDATE statuses s SET
        text = r.text, content_type = r.content_type, html = r.html, spoiler_text = r.spoiler_text,
        sensitive = r.sensitive, language = r.language, mentions = r.mentions,
        mentioned_ids = ARRAY(SELECT (m ->> 'id')::bigint FROM jsonb_array_elements(r.mentions) AS m),
        tags = r.tags, emojis = r.emojis, media_ids = r.media_ids,
        media_descriptions = r.media_descriptions, poll_id = r.poll_id, quote_policy = r.quote_policy,
        screening_id = r.screening_id, revision = r.revision, held_revision = NULL, state = $3,
        edited_at = CASE WHEN r.revision > 1 THEN $4 ELSE s.edited_at END,
        -- What an author writes now was not posted elsewhere first.
        import_proof = CASE WHEN r.revision > 1 AND s.import_proof IS NOT NULL THEN 'claimed' ELSE s.import_proof END
    FROM shown r WHERE s.id = r.status_id
"""


async def update_shown_revision(tx: Tx, status_id: int, revision: int, state: str, edited_at: datetime | None) -> None:
    """Make `revision` what readers see, with the status in `state`."""
    await tx.execute(UPDATE_SHOWN_REVISION, status_id, revision, state, edited_at)


DELETE_STATUS_TAGS = """DELETE FROM status_tags WHERE status_id = $1"""
INSERT_STATUS_TAGS = """
    INSERT INTO status_tags (tag_id, status_id) SELECT unnest($2::bigint[]), $1 ON CONFLICT DO NOTHING
"""


async def replace_status_tags(tx: Tx, status_id: int, tag_ids: Sequence[int]) -> None:
    """Under which tags a status is found."""
    await tx.execute(DELETE_STATUS_TAGS, status_id)
    if tag_ids:
        await tx.execute(INSERT_STATUS_TAGS, status_id, tag_ids)


INSERT_STATUS_MENTIONS = """
    INSERT INTO status_mentions (account_id, author_id, status_id) SELECT unnest($3::bigint[]), $2, $1
    ON CONFLICT DO NOTHING
"""


async def insert_status_mentions(tx: Tx, status_id: int, author_id: int, mentioned_ids: Sequence[int]) -> None:
    """Remember whom a status addresses."""
    await tx.execute(INSERT_STATUS_MENTIONS, status_id, author_id, mentioned_ids)


UPDATE_DELETED = """
    UPDATE statuses SET state = 'author_deleted', deleted_at = $2, held_revision = NULL WHERE id = $1
"""


async def update_deleted(tx: Tx, status_id: int, moment: datetime) -> None:
    """Mark a status as deleted by its author; its rows stay as evidence."""
    await tx.execute(UPDATE_DELETED, status_id, moment)


UPDATE_STATE = """UPDATE statuses SET state = $2 WHERE id = $1"""


async def update_state(tx: Tx, status_id: int, state: str) -> None:
    """Put a status into another state."""
    await tx.execute(UPDATE_STATE, status_id, state)


UPDATE_SCREENING = """
    WITH revised AS (
        UPDATE status_revisions SET screening_id = $3 WHERE status_id = $1 AND revision = $2
    )
    UPDATE statuses SET screening_id = $3 WHERE id = $1 AND revision = $2
"""


async def update_screening(tx: Tx, status_id: int, revision: int, screening_id: int) -> None:
    """A newer result of screening for one revision."""
    await tx.execute(UPDATE_SCREENING, status_id, revision, screening_id)


UPDATE_REVISION_HIDDEN = """
    UPDATE status_revisions SET state = 'held' WHERE status_id = $1 AND revision = $2 AND state = 'published'
"""


async def update_revision_hidden(tx: Tx, status_id: int, revision: int) -> bool:
    """Take one revision out of what others may read of the history; False when it was not there."""
    return str(await tx.execute(UPDATE_REVISION_HIDDEN, status_id, revision)) == "UPDATE 1"


UPDATE_QUOTE_STATE = """UPDATE statuses SET quote_state = $2 WHERE id = $1"""


async def update_quote_state(tx: Tx, status_id: int, state: str) -> None:
    """Whether the quoting status may show what it quotes."""
    await tx.execute(UPDATE_QUOTE_STATE, status_id, state)


UPDATE_QUOTE_POLICY = """UPDATE statuses SET quote_policy = $2 WHERE id = $1"""


async def update_quote_policy(tx: Tx, status_id: int, policy: str) -> None:
    """Who may quote a status from now on."""
    await tx.execute(UPDATE_QUOTE_POLICY, status_id, policy)


UPDATE_VERSION = """UPDATE statuses SET id = id WHERE id = $1"""


async def update_version(tx: Tx, status_id: int) -> None:
    """Let readers fetch a status anew, because something outside of its row changed (a trigger raises the version)."""
    await tx.execute(UPDATE_VERSION, status_id)


# What others may read of a status: every published revision, while the status itself is public.
LIST_SHOWN_MEDIA = """
    SELECT DISTINCT unnest(r.media_ids) FROM statuses s JOIN status_revisions r ON r.status_id = s.id
    WHERE s.id = $1 AND s.state IN ('published', 'limited') AND r.state = 'published'
"""


async def list_shown_media(tx: Tx, status_id: int) -> list[int]:
    """Ids of the attachments that others may see, in the newest revision or in the history."""
    return [row[0] for row in await tx.fetch(LIST_SHOWN_MEDIA, status_id)]


DELETE_TRACES = """
    WITH tagged AS (DELETE FROM status_tags WHERE status_id = $1),
        addressed AS (DELETE FROM status_mentions WHERE status_id = $1),
        liked AS (DELETE FROM favourites WHERE status_id = $1),
        kept AS (DELETE FROM bookmarks WHERE status_id = $1)
    DELETE FROM status_pins WHERE status_id = $1
"""


async def delete_traces(tx: Tx, status_id: int) -> None:
    """What others did with a status, and where it was listed."""
    await tx.execute(DELETE_TRACES, status_id)
