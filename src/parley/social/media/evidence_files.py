"""Files that were taken out of sight because a bank knows them: what is known of them, and their record.

No page shows such a file. Whoever opens one goes through `safety/evidence/known_files.py`, which writes that into the
moderation log; the database takes the record of an opening with such an entry alone. This file must not serve anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.kit.instance import Instance
from parley.social.accounts.views import Viewer
from parley.social.media import store_matches
from parley.social.media.store_matches import EvidenceRow

KeptFile = EvidenceRow

SHORTEST_REASON = 10
MOST_REASON = 1000
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


def read_reason(viewer: Viewer | None, reason: str) -> str:
    """Why somebody of the staff (None: an operator's shell) must open a file. Raises Forbidden, and Invalid for too
    little."""
    _need_staff(viewer)
    text = " ".join(reason.replace("\x00", "").split())
    if len(text) < SHORTEST_REASON:
        raise Invalid("Say in a few words why you must open this file: it is written down with your name.")
    return text[:MOST_REASON]


async def note_opening(tx: Tx, viewer: Viewer | None, evidence_id: int, reason: str) -> EvidenceRow:
    """Note that a file is opened, and why; the caller has appended an entry to the log. Raises NotFound, also for what
    was deleted when its time was over."""
    _need_staff(viewer)
    rows = await store_matches.list_evidence(tx, evidence_id, 1)
    if not rows or rows[0].purged_at is not None:
        raise NotFound
    await store_matches.insert_opening(tx, evidence_id, viewer.account_id if viewer else None, reason)
    return rows[0]


async def save_kept_file(instance: Instance, kept: EvidenceRow, target: Path) -> None:
    """Copy a file to `target`, whose opening was noted. Raises NotFound when its bytes are gone."""
    await instance.files.evidence.save_to(kept.evidence_file, target)


async def note_purged(tx: Tx, ids: Sequence[int], moment: datetime) -> list[str]:
    """The time of these files is over: their hashes stay, the bytes go. Returns their names among the evidence."""
    return await store_matches.update_evidence_purged(tx, ids, moment)


async def is_file_kept(tx: Tx, name: str) -> bool:
    """Whether a file among the evidence is still wanted."""
    return await store_matches.has_evidence_file(tx, name)


async def list_openings(tx: Tx, viewer: Viewer | None, evidence_id: int) -> list[Opening]:
    """Who opened a file, why and when."""
    _need_staff(viewer)
    return [Opening(*row) for row in await store_matches.list_openings(tx, evidence_id)]


def _need_staff(viewer: Viewer | None) -> None:
    if viewer is not None and not viewer.is_staff:
        raise Forbidden
