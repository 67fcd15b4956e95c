"""SQL of live updates: which of the readers who are connected right now a status concerns. All lists are short."""

from __future__ import annotations

from parley.kit.db import Tx
from parley.social.timelines.store import Delivery

# Who of the few readers that are connected here has the status in the home. Plan: their homes' primary keys.
LIST_HOME_READERS = """
    SELECT account_id FROM home_timeline WHERE status_id = $1 AND account_id = ANY ($2::bigint[])
"""


async def list_home_readers(tx: Tx, status_id: int, reader_ids: list[int]) -> set[int]:
    """Which of `reader_ids` have the status in their home."""
    return {row["account_id"] for row in await tx.fetch(LIST_HOME_READERS, status_id, reader_ids)}


LIST_HIDING_READERS = """
    SELECT reader FROM unnest($1::bigint[]) reader
    WHERE EXISTS (
        SELECT FROM hidden_accounts(reader) hidden WHERE hidden.id = ANY ($2::bigint[]) AND hidden.id <> reader)
       OR EXISTS (
           SELECT FROM account_domain_blocks d JOIN accounts a ON a.domain = d.domain
           WHERE d.account_id = reader AND a.id = ANY ($3::bigint[]))
"""


async def list_hiding_readers(tx: Tx, delivery: Delivery, reader_ids: list[int]) -> set[int]:
    """Which of `reader_ids` do not want to see the status: its author, the boosted author or somebody mentioned is
    blocked or muted."""
    authors = [delivery.author_id, delivery.original_author_id]
    rows = await tx.fetch(LIST_HIDING_READERS, reader_ids, [*authors, *delivery.mentioned_ids], authors)
    return {row["reader"] for row in rows}


# $1 some lists, $2 author, $3 is a boost, $4 answered account; the same rules as LIST_LIST.
LIST_LISTS_WITH_STATUS = """
    SELECT l.id FROM lists l
    JOIN list_accounts la ON la.list_id = l.id AND la.account_id = $2
    LEFT JOIN follows f ON f.account_id = l.account_id AND f.target_id = $2
    WHERE l.id = ANY ($1::bigint[])
      AND (f.account_id IS NOT NULL OR l.account_id = $2)
      AND (NOT $3 OR coalesce(f.show_reblogs, true))
      AND ($4::bigint IS NULL OR (l.replies_policy <> 'none' AND (
          $4 = l.account_id
          OR (l.replies_policy = 'list' AND EXISTS (
              SELECT FROM list_accounts x WHERE x.list_id = l.id AND x.account_id = $4))
          OR (l.replies_policy = 'followed' AND EXISTS (
              SELECT FROM follows g WHERE g.account_id = l.account_id AND g.target_id = $4)))))
"""


async def list_lists_with_status(tx: Tx, delivery: Delivery, list_ids: list[int]) -> set[int]:
    """Which of these lists show the status."""
    is_boost = delivery.original_id != delivery.id
    rows = await tx.fetch(LIST_LISTS_WITH_STATUS, list_ids, delivery.author_id, is_boost, delivery.reply_to_id)
    return {row["id"] for row in rows}
