"""Signed heads of the log: made daily and on demand, and given to everybody who asks, so that nobody can write the log
anew unnoticed.

A head is signed only when the log still contains the one that was signed before.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from parley.kit.clock import iso, now
from parley.kit.db import Database, Tx
from parley.kit.errors import Conflict
from parley.kit.instance import Instance
from parley.kit.merkle import Tree
from parley.kit.settings import Settings
from parley.kit.signing import fingerprint_of, public_key_of, sign
from parley.safety.log import store_chain
from parley.safety.log.store_chain import CheckpointRow
from parley.safety.log.verifying import NO_END
from parley.safety.log.views import CheckpointView

log = logging.getLogger(__name__)

KIND = "parley moderation log head"
MOST_LISTED = 100

_canonical = msgspec.json.Encoder(order="sorted")


async def sign_log_head(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, daily: sign the head of the log."""
    await make_checkpoint(instance.db, instance.settings)


async def make_checkpoint(db: Database, settings: Settings) -> CheckpointView | None:
    """Sign the head of the log, if there is anything new; returns the newest signed head, None for an empty log.

    Raises Conflict when the log does not contain what was signed before any more: nothing is signed then.
    """
    async with db.read() as tx, tx.transaction(isolation="repeatable_read", readonly=True):
        known = await store_chain.list_checkpoints(tx, NO_END, 1)
        head = await store_chain.get_head(tx)
        last = known[0] if known else None
        if last is not None and await store_chain.get_hash(tx, last.seq) != last.hash:
            log.error("the moderation log does not contain the head that was signed for entry %s", last.seq)
            raise Conflict(
                f"The moderation log no longer contains what was signed for entry {last.seq}: it was changed or cut. "
                "Nothing is signed. Run `parley audit verify`, and compare with a snapshot."
            )
        if head.seq == (last.seq if last else 0):
            return _view_of(last) if last else None
        tree = Tree(last.seq, last.peaks) if last else Tree()
        async for rows in store_chain.list_hashes(tx, tree.count, head.seq):
            for (entry,) in rows:
                tree.add(entry)
        if tree.count != head.seq:
            raise Conflict("The moderation log has gaps, so its head is not signed. Run `parley audit verify`.")
    signed = _canonical.encode(
        {
            "kind": KIND,
            "instance": settings.local_domain,
            "at": iso(now()),
            "seq": head.seq,
            "hash": head.hash.hex(),
            "root": tree.root.hex(),
        }
    ).decode()
    key, signature = public_key_of(settings), sign(settings, signed.encode())
    async with db.write() as tx:
        await store_chain.insert_checkpoint(tx, head, (tree.root, tree.peaks), signed, key, signature)
        return (await list_checkpoints(tx, limit=1))[0]


async def list_checkpoints(tx: Tx, *, before: int | None = None, limit: int = MOST_LISTED) -> list[CheckpointView]:
    """Signed heads, newest first. Everybody may have them: they are numbers and hashes alone."""
    rows = await store_chain.list_checkpoints(tx, before or NO_END, min(limit, MOST_LISTED))
    return [_view_of(row) for row in rows]


def _view_of(row: CheckpointRow) -> CheckpointView:
    return CheckpointView(
        seq=row.seq,
        hash=row.hash.hex(),
        root=row.root.hex(),
        signed=row.signed,
        signature=row.signature.hex(),
        public_key=row.public_key.hex(),
        key_fingerprint=fingerprint_of(row.public_key),
        created_at=row.created_at,
    )
