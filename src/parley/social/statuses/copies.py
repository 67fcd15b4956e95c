"""Copies of a text: where else the same was said, and whether it was taken down before.

Posting looks copies up, and notes what it says, in the statements that it runs anyway (ground.py, store_writes.py); a
job puts fingerprints where they are found for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from parley.kit.cleaning import plain_text
from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.ids import id_at
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.screening.near_duplicates import Fingerprint, difference, make_fingerprint
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import AccountView, Viewer
from parley.social.statuses import store_copies
from parley.social.statuses.store_copies import TextRow

SAME = 0.5
"""Texts that differ no further than this are copies (see `near_duplicates.difference`)."""
MOST_COPIES = 1000
_KEEP_STRANGERS = timedelta(days=1)
_RECENT = timedelta(hours=1)
_AT_ONCE = 1000
_OPEN = frozenset({"public", "unlisted"})


def fingerprint_of(
    text: str, content_type: str, html: str, spoiler_text: str, options: Iterable[str] = ()
) -> Fingerprint | None:
    """The fingerprint of everything that a status says; None when it says nothing."""
    shown = plain_text(html) if content_type == "text/markdown" else text
    return make_fingerprint([spoiler_text, shown, *options])


def _fingerprint_of_row(row: TextRow) -> Fingerprint | None:
    return fingerprint_of(row.text, row.content_type, row.html, row.spoiler_text, row.poll_options or ())


class CopyView(msgspec.Struct, frozen=True, kw_only=True):
    """Another status that says the same. `difference` is 0.0 for the very same letters, 1.0 for nothing in common.

    `text` is None for what was not said in public: those who asked for copies need not read letters.
    """

    id: int
    account: AccountView
    created_at: datetime
    visibility: str
    state: str
    difference: float
    text: str | None


async def list_copies(
    tx: Tx, viewer: Viewer, status_id: int, *, distance: float = SAME, limit: int = MOST_COPIES
) -> list[CopyView]:
    """Other statuses that say what this one says, the likest first, then the newest, whatever their state.

    For moderators: raises NotFound for anybody else, and for a status that there is not. A text that differs further
    than `distance` (0.0 to 1.0) is left out. At most 1,000 of the newest are looked at. Four queries.
    """
    if not viewer.is_staff:
        raise NotFound
    asked = await store_copies.list_newest_texts(tx, [status_id])
    if not asked:
        raise NotFound
    fingerprint = _fingerprint_of_row(asked[0])
    if fingerprint is None:
        return []
    like = await store_copies.list_like(tx, status_id, fingerprint.bands, min(limit, MOST_COPIES))
    rows = await store_copies.list_newest_texts(tx, [found for found, _ in like])
    accounts = await get_account_views(tx, {row.account_id for row in rows})
    views = [_view(row, fingerprint, accounts) for row in rows if row.account_id in accounts]
    close = [view for view in views if view.difference <= distance]
    return sorted(close, key=lambda view: (view.difference, -view.id))


async def list_samples(tx: Tx, viewer: Viewer, ids: Iterable[int]) -> list[CopyView]:
    """Statuses as copies are shown, the newest first; for moderators, else NotFound. `difference` says nothing."""
    if not viewer.is_staff:
        raise NotFound
    rows = await store_copies.list_newest_texts(tx, list(ids))
    accounts = await get_account_views(tx, {row.account_id for row in rows})
    found = [_view(row, None, accounts) for row in rows if row.account_id in accounts]
    return sorted(found, key=lambda view: -view.id)


def _view(row: TextRow, fingerprint: Fingerprint | None, accounts: dict[int, AccountView]) -> CopyView:
    own = _fingerprint_of_row(row) if fingerprint else None
    apart = 0.0 if fingerprint is None else difference(own.letters, fingerprint.letters) if own else 1.0
    return CopyView(
        id=row.status_id,
        account=accounts[row.account_id],
        created_at=row.created_at,
        visibility=row.visibility,
        state=row.state,
        difference=round(apart, 3),
        text=row.text if row.visibility in _OPEN else None,
    )


async def mark_removed(tx: Tx, status_id: int, revision: int, *, clause: str | None) -> bool:
    """Remember that people took this revision down under `clause`, so that copies of it are known when they are posted.

    False for a text that says too little to be known by. Raises NotFound. Whoever takes something down calls this.
    """
    row = await store_copies.get_revision_text(tx, status_id, revision)
    if row is None:
        raise NotFound
    fingerprint = _fingerprint_of_row(row)
    if fingerprint is None or not fingerprint.telling:
        return False
    await store_copies.upsert_removed(tx, status_id, revision, clause, fingerprint.letters, fingerprint.bands)
    return True


async def unmark_removed(tx: Tx, status_id: int, revision: int | None = None) -> None:
    """Forget that it was taken down: the decision was reversed. Without `revision`, all revisions of the status."""
    await store_copies.delete_removed(tx, status_id, revision)


async def note_revision(
    tx: Tx, viewer: Viewer, status_id: int, revision: int, fingerprint: Fingerprint | None, strangers: Sequence[int]
) -> None:
    """Remember what an edit of the viewer's status says, and whom it addresses that has no tie to the viewer.

    For a new status, the statement that inserts it does the same.
    """
    bands = fingerprint.bands if fingerprint else None
    if bands is None:
        await enqueue(tx, "remember_text", {"status_id": status_id})  # which forgets what it said before
    await store_copies.insert_revision_notes(tx, status_id, revision, viewer.account_id, bands, strangers)


async def remember_text(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: make the fingerprint of a status anew from its newest text. Payload: `status_id`."""
    status_id = int(payload["status_id"])
    async with instance.db.write() as tx:
        for row in await store_copies.list_newest_texts(tx, [status_id]):
            fingerprint = _fingerprint_of_row(row)
            await store_copies.delete_fingerprint(tx, status_id)
            if fingerprint is not None:
                await store_copies.upsert_fingerprint(tx, status_id, row.account_id, fingerprint.bands)


async def store_fingerprints(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, each minute: put the fingerprints that wait where copies are looked for."""
    while True:
        async with instance.db.write() as tx:
            moved = await store_copies.insert_queued(tx, _AT_ONCE)
        if moved < _AT_ONCE:
            return


async def forget_recent(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, every ten minutes: forget who addressed strangers more than a day ago, and what was said hours ago."""
    async with instance.db.write() as tx:
        await store_copies.delete_old_stranger_mentions(tx, id_at(now() - _KEEP_STRANGERS))
        await store_copies.delete_old_numbers(tx, id_at(now() - _RECENT))
