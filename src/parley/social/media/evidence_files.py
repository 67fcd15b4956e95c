"""Files that were taken out of sight because a bank knows them: who may open one, and the record that it was opened.

No page shows such a file. Opening one takes a member of the staff and a reason, which is written down first, in a
transaction of its own: whoever looks, leaves a trace. This file must not serve anything.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.kit.instance import Instance
from parley.social.accounts.views import Viewer
from parley.social.media import store_matches
from parley.social.media.store_matches import EvidenceRow

SHORTEST_REASON = 10
MOST_LISTED = 200


class Opening(msgspec.Struct, frozen=True):
    """Who opened such a file (None: an operator's shell), why and when."""

    account_id: int | None
    reason: str
    opened_at: datetime


async def list_kept_files(tx: Tx, viewer: Viewer | None, *, limit: int = 50) -> list[EvidenceRow]:
    """The newest files that were taken out of sight: what is known of them, never the files. For staff alone."""
    _need_staff(viewer)
    return await store_matches.list_evidence(tx, None, min(limit, MOST_LISTED))


async def open_kept_file(
    instance: Instance, viewer: Viewer | None, evidence_id: int, target: Path, *, reason: str
) -> EvidenceRow:
    """Copy such a file to `target`, after the reason was written down. `viewer` None is an operator's shell.

    Raises Forbidden, NotFound, and Invalid without a reason.
    """
    _need_staff(viewer)
    text = " ".join(reason.split())
    if len(text) < SHORTEST_REASON:
        raise Invalid("Say in a few words why you must open this file: it is written down with your name.")
    async with instance.db.write() as tx:
        rows = await store_matches.list_evidence(tx, evidence_id, 1)
        if not rows:
            raise NotFound
        await store_matches.insert_opening(tx, evidence_id, viewer.account_id if viewer else None, text[:1000])
    await instance.files.evidence.save_to(rows[0].evidence_file, target)
    return rows[0]


async def list_openings(tx: Tx, viewer: Viewer | None, evidence_id: int) -> list[Opening]:
    """Who opened a file, why and when."""
    _need_staff(viewer)
    return [Opening(*row) for row in await store_matches.list_openings(tx, evidence_id)]


def _need_staff(viewer: Viewer | None) -> None:
    if viewer is not None and not viewer.is_staff:
        raise Forbidden
