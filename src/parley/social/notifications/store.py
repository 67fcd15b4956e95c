"""The table of notifications: told once, screened when written and again whenever they are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class NewNotification(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is to be told. Whether each recipient wants it, the database decides as it inserts."""

    type: str
    from_account_id: int
    status_id: int | None = None
    conversation_id: int = 0
    """a recipient who muted this thread is not told"""
    group_key: str | None = None
    """None: it stands alone"""
    detail: dict[str, Any] | None = None
    private: bool = False
    """a mention in a direct message"""
    answers: int = 0
    """the account that the status answers: an answer is never unasked for"""
    about_self: bool = False
    """told to its own author, as the end of an own poll"""


class Told(msgspec.Struct, frozen=True):
    """A notification that was written; a filtered one is set aside silently."""

    id: int
    account_id: int
    filtered: bool


# Who is told: members alone, never about themselves (unless asked for), nobody who blocked or is blocked, who muted the
# sender with notifications, muted the thread or blocked the sender's whole instance. Then the recipient's policy: the
# strictest rule that fits wins; staff, people let through by hand, and answers to the recipient pass.
INSERT_NOTIFICATIONS = """
    WITH sender AS (
        SELECT a.id, a.domain, a.state, a.created_at, a.role FROM accounts a WHERE a.id = $3
    ), recipient AS (
        SELECT u.account_id, p.*,
               EXISTS (SELECT FROM follows f WHERE f.account_id = u.account_id AND f.target_id = $3) AS follows_sender,
               EXISTS (SELECT FROM follows f WHERE f.target_id = u.account_id AND f.account_id = $3) AS followed
        FROM unnest($1::bigint[]) wanted (id)
        JOIN users u ON u.account_id = wanted.id
        CROSS JOIN sender
        LEFT JOIN LATERAL (
            SELECT for_not_following, for_not_followers, for_new_accounts, for_private_mentions, for_limited_accounts
            FROM notification_policies WHERE account_id = u.account_id
        ) p ON true
        WHERE (u.account_id <> $3 OR $9)
          AND ($2 = 'admin.report' OR NOT EXISTS (
              SELECT FROM blocks b WHERE b.account_id = u.account_id AND b.target_id = $3
              UNION ALL SELECT FROM blocks b WHERE b.account_id = $3 AND b.target_id = u.account_id
              UNION ALL SELECT FROM mutes m
              WHERE m.account_id = u.account_id AND m.target_id = $3 AND m.notifications
                AND (m.expires_at IS NULL OR m.expires_at > now())))
          AND NOT EXISTS (
              SELECT FROM conversation_mutes m WHERE m.account_id = u.account_id AND m.conversation_id = $7)
          AND NOT EXISTS (
              SELECT FROM account_domain_blocks d WHERE d.account_id = u.account_id AND d.domain = sender.domain)
    ), judged AS (
        SELECT r.account_id, CASE
            WHEN r.follows_sender OR $9 OR sender.role <> 'member' OR $10 = r.account_id
                 OR $2 IN ('poll', 'update', 'quoted_update', 'moderation_warning', 'admin.sign_up', 'admin.report')
                 OR EXISTS (
                     SELECT FROM notification_permissions p
                     WHERE p.account_id = r.account_id AND p.from_account_id = $3) THEN '{}'
            ELSE ARRAY[
                coalesce(r.for_not_following, 'accept'),
                CASE WHEN NOT r.followed THEN coalesce(r.for_not_followers, 'accept') END,
                CASE WHEN sender.created_at > now() - interval '30 days'
                    THEN coalesce(r.for_new_accounts, 'accept') END,
                CASE WHEN $8 THEN coalesce(r.for_private_mentions, 'accept') END,
                CASE WHEN sender.state = 'limited' THEN coalesce(r.for_limited_accounts, 'filter') END]
            END::text[] AS rules
        FROM recipient r CROSS JOIN sender
    ), named AS (
        SELECT parley_id() AS id, account_id, 'filter' = ANY (rules) AS filtered
        FROM judged WHERE ('drop' = ANY (rules)) IS NOT TRUE
    )
    INSERT INTO notifications (id, account_id, type, from_account_id, status_id, group_key, filtered, detail)
    SELECT id, account_id, $2, $3, $4, coalesce($5, 'ungrouped-' || id), coalesce(filtered, false), $6 FROM named
    ON CONFLICT DO NOTHING
    RETURNING id, account_id, filtered
"""


async def insert_notifications(tx: Tx, recipient_ids: Sequence[int], new: NewNotification) -> list[Told]:
    """Tell everybody of `recipient_ids` who wants to know and was not told yet; returns what was written."""
    rows = await tx.fetch(
        INSERT_NOTIFICATIONS,
        list(recipient_ids),
        new.type,
        new.from_account_id,
        new.status_id,
        new.group_key,
        new.detail,
        new.conversation_id,
        new.private,
        new.about_self,
        new.answers,
    )
    return [Told(*row) for row in rows]


DELETE_TOLD = """
    DELETE FROM notifications
    WHERE type = ANY ($2::text[]) AND from_account_id = $1
      AND ($3::bigint IS NULL OR account_id = $3) AND ($4::bigint IS NULL OR status_id = $4)
    RETURNING id
"""


async def delete_told(
    tx: Tx, from_account_id: int, types: Sequence[str], *, account_id: int | None = None, status_id: int | None = None
) -> int:
    """Take back what `from_account_id` caused (an undone favourite, boost or follow); returns how many."""
    if account_id is None and status_id is None:
        raise ValueError("say to whom or about what")
    return len(await tx.fetch(DELETE_TOLD, from_account_id, list(types), account_id, status_id))


class NotificationRow(msgspec.Struct, frozen=True):
    """A notification before its account and status are read."""

    id: int
    type: str
    from_account_id: int
    status_id: int | None
    group_key: str
    detail: dict[str, Any] | None
    filtered: bool
    created_at: datetime


# $1 the member. The same screen as at writing, because the world has gone on since: blocks and mutes made later,
# accounts suspended, statuses removed, held or deleted, members who are no longer staff. Moderators hear of reports
# also by those whom they or who blocked them.
_SHOWN = """
    n.account_id = $1
    AND a.state IN ('active', 'limited')
    AND (n.status_id IS NULL OR n.type = 'moderation_warning'
         OR (s.state IN ('published', 'limited') AND s.deleted_at IS NULL))
    AND (n.type NOT LIKE 'admin.%' OR EXISTS (SELECT FROM accounts me WHERE me.id = $1 AND me.role <> 'member'))
    AND (n.from_account_id = $1 OR n.type = 'admin.report' OR n.from_account_id NOT IN (
        SELECT target_id FROM blocks WHERE account_id = $1
        UNION ALL SELECT account_id FROM blocks WHERE target_id = $1
        UNION ALL SELECT target_id FROM mutes
        WHERE account_id = $1 AND notifications AND (expires_at IS NULL OR expires_at > now())))
"""

# Plan: the primary key backwards until the page is full; account and status of each row by primary key.
LIST_NOTIFICATIONS = """
    SELECT n.id, n.type, n.from_account_id, n.status_id, n.group_key, n.detail, n.filtered, n.created_at
    FROM notifications n
    JOIN accounts a ON a.id = n.from_account_id
    LEFT JOIN statuses s ON s.id = n.status_id
    WHERE /*shown*/
      AND n.id < $2 AND n.id > $3
      AND ($5::text[] = '{}' OR n.type = ANY ($5)) AND NOT n.type = ANY ($6::text[])
      AND ($7::bigint IS NULL OR n.from_account_id = $7)
      AND (NOT n.filtered OR $8)
    ORDER BY n.id DESC
    LIMIT $4
""".replace("/*shown*/", _SHOWN)
LIST_NOTIFICATIONS_ASCENDING = LIST_NOTIFICATIONS.replace("n.id DESC", "n.id ASC")


async def list_notifications(
    tx: Tx,
    account_id: int,
    *,
    below: int,
    above: int,
    ascending: bool,
    limit: int,
    types: Sequence[str] = (),
    exclude_types: Sequence[str] = (),
    from_account_id: int | None = None,
    include_filtered: bool = False,
) -> list[NotificationRow]:
    """A member's notifications by id; `types` empty means all."""
    query = LIST_NOTIFICATIONS_ASCENDING if ascending else LIST_NOTIFICATIONS
    rows = await tx.fetch(
        query,
        account_id,
        below,
        above,
        limit,
        list(types),
        list(exclude_types),
        from_account_id,
        include_filtered,
    )
    return [NotificationRow(*row) for row in rows]


# Plan: the primary key above the reading position, at most $5 rows; cheap joins as above.
COUNT_UNREAD = """
    SELECT count(*) FROM (
        SELECT n.id
        FROM notifications n
        JOIN accounts a ON a.id = n.from_account_id
        LEFT JOIN statuses s ON s.id = n.status_id
        WHERE /*shown*/
          AND n.id > coalesce(
              (SELECT last_read_id FROM markers WHERE account_id = $1 AND timeline = 'notifications'), 0)
          AND ($2::text[] = '{}' OR n.type = ANY ($2)) AND NOT n.type = ANY ($3::text[])
          AND ($4::bigint IS NULL OR n.from_account_id = $4)
          AND NOT n.filtered
        LIMIT $5
    ) unread
""".replace("/*shown*/", _SHOWN)


async def count_unread(
    tx: Tx,
    account_id: int,
    *,
    types: Sequence[str],
    exclude_types: Sequence[str],
    from_account_id: int | None,
    limit: int,
) -> int:
    """How many notifications lie above the reading position, counted up to `limit`."""
    return int(await tx.fetchval(COUNT_UNREAD, account_id, list(types), list(exclude_types), from_account_id, limit))


DELETE_NOTIFICATION = """
    DELETE FROM notifications WHERE account_id = $1 AND id = $2 RETURNING id
"""
DELETE_NOTIFICATIONS = """
    DELETE FROM notifications WHERE account_id = $1
"""
DELETE_GROUP = """
    DELETE FROM notifications WHERE account_id = $1 AND group_key = $2
"""


async def delete_notification(tx: Tx, account_id: int, notification_id: int) -> bool:
    """Forget one; False when there is none."""
    return await tx.fetchval(DELETE_NOTIFICATION, account_id, notification_id) is not None


async def delete_notifications(tx: Tx, account_id: int) -> None:
    """Forget all."""
    await tx.execute(DELETE_NOTIFICATIONS, account_id)


async def delete_group(tx: Tx, account_id: int, group_key: str) -> None:
    """Forget a group."""
    await tx.execute(DELETE_GROUP, account_id, group_key)


class Subject(msgspec.Struct, frozen=True):
    """What must be known of a status to tell people about it."""

    id: int
    author_id: int
    conversation_id: int
    open: bool
    visibility: str
    is_reply: bool
    """to somebody else"""
    reply_to_id: int
    mentioned_ids: list[int]
    quoted_author_id: int | None
    original_author_id: int | None
    original_id: int | None
    original_conversation_id: int | None
    has_subscribers: bool
    """Followers asked to be told of every post of its author."""

    @property
    def concerns_somebody(self) -> bool:
        """Whether there is anybody who may have to be told that it was posted."""
        return self.has_subscribers or bool(self.mentioned_ids) or self.quoted_author_id is not None


GET_SUBJECT = """
    SELECT s.id, s.account_id, s.conversation_id,
           s.state IN ('published', 'limited') AND s.deleted_at IS NULL AND a.state IN ('active', 'limited'),
           s.visibility::text, coalesce(s.in_reply_to_account_id <> s.account_id, false),
           coalesce(s.in_reply_to_account_id, 0), s.mentioned_ids,
           CASE WHEN s.quote_state = 'accepted' THEN q.account_id END, o.account_id, o.id, o.conversation_id,
           EXISTS (SELECT FROM follows f WHERE f.target_id = s.account_id AND f.notify)
    FROM statuses s
    JOIN accounts a ON a.id = s.account_id
    LEFT JOIN statuses q ON q.id = s.quote_of_id
    LEFT JOIN statuses o ON o.id = s.reblog_of_id
    WHERE s.id = $1
"""


async def get_subject(tx: Tx, status_id: int) -> Subject | None:
    """The status as notifications need it, or None when it is gone."""
    row = await tx.fetchrow(GET_SUBJECT, status_id)
    return None if row is None else Subject(*row)


# Plan: follows_notify.
LIST_NOTIFIED_FOLLOWERS = """
    SELECT account_id FROM follows WHERE target_id = $1 AND notify AND account_id > $2 ORDER BY account_id LIMIT $3
"""
LIST_VOTERS = """
    SELECT DISTINCT v.account_id FROM poll_votes v JOIN users u ON u.account_id = v.account_id
    WHERE v.poll_id = $1 AND v.account_id > $2 ORDER BY v.account_id LIMIT $3
"""
LIST_BOOSTERS = """
    SELECT s.account_id FROM statuses s JOIN users u ON u.account_id = s.account_id
    WHERE s.reblog_of_id = $1 AND s.deleted_at IS NULL AND s.account_id > $2 ORDER BY s.account_id LIMIT $3
"""
LIST_QUOTERS = """
    SELECT DISTINCT s.account_id FROM statuses s JOIN users u ON u.account_id = s.account_id
    WHERE s.quote_of_id = $1 AND s.quote_state = 'accepted' AND s.deleted_at IS NULL AND s.account_id > $2
    ORDER BY s.account_id LIMIT $3
"""
_AUDIENCES = {
    "notified_followers": LIST_NOTIFIED_FOLLOWERS,
    "voters": LIST_VOTERS,
    "boosters": LIST_BOOSTERS,
    "quoters": LIST_QUOTERS,
}


async def list_audience(tx: Tx, audience: str, thing_id: int, *, after: int, limit: int) -> list[int]:
    """The next members of an audience, by account id: notified_followers of an account, voters of a poll, boosters
    or quoters of a status."""
    return [row["account_id"] for row in await tx.fetch(_AUDIENCES[audience], thing_id, after, limit)]


LIST_STAFF = """
    SELECT account_id FROM users WHERE role <> 'member' AND disabled_at IS NULL
"""


async def list_staff(tx: Tx) -> list[int]:
    """Accounts of moderators and operators."""
    return [row["account_id"] for row in await tx.fetch(LIST_STAFF)]


GET_HELD = """
    SELECT r.sentence, r.clause, r.outcome::text AS outcome
    FROM screening_results r
    WHERE r.subject_type IN ('status', 'message') AND r.subject_id = $1 AND r.revision = $2
    ORDER BY r.id DESC LIMIT 1
"""


class HeldRow(msgspec.Struct, frozen=True):
    """Why a revision waits for a decision."""

    sentence: str
    clause: str | None
    outcome: str


async def get_held(tx: Tx, status_id: int, revision: int) -> HeldRow | None:
    """The result that holds this revision."""
    row = await tx.fetchrow(GET_HELD, status_id, revision)
    return None if row is None else HeldRow(*row)
