"""Asking for an archive."""

from __future__ import annotations

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Conflict, Invalid, RateLimited
from parley.kit.jobs import enqueue
from parley.social.accounts.views import Viewer
from parley.social.archives import store
from parley.social.archives.formats import is_address
from parley.social.archives.reads import ARCHIVE_EVERY, get_ready_archive, list_archives, next_archive_at
from parley.social.archives.views import ArchiveView


async def request_archive(tx: Tx, viewer: Viewer, *, alias: str = "") -> ArchiveView:
    """Have an archive of everything that is the viewer's made, by a job.

    `alias` (`alice@new.example`) is the account elsewhere that it is for: the archive names it under our signature, so
    that the other server knows whose it is. Members who may not enter may take their data away too. Raises Invalid for
    an alias that is no address, Conflict while one is being made, RateLimited before `ARCHIVE_EVERY` is over.
    """
    wanted = alias.strip().removeprefix("@").lower()
    if wanted and (not is_address(wanted) or "@" not in wanted):
        raise Invalid("Your other account must be written like alice@new.example.")
    await store.lock_archives(tx, viewer.account_id)
    archives = await list_archives(tx, viewer)
    if any(one.state in ("waiting", "writing") for one in archives):
        raise Conflict("An archive is being made already.")
    again = next_archive_at(archives)
    if again is not None:
        wait = int((again - now()).total_seconds()) + 1
        raise RateLimited(
            f"One archive can be made every {ARCHIVE_EVERY.days} days. The next one from {again:%d %B, %H:%M} UTC.",
            retry_after=wait,
        )
    archive_id = await store.insert_archive(tx, viewer.account_id, wanted or None, now())
    await enqueue(tx, "make_archive", {"archive_id": archive_id}, dedupe_key=f"make_archive {archive_id}")
    found = await store.get_archive(tx, archive_id)
    assert found is not None
    return found


async def note_lost_archive(tx: Tx, viewer: Viewer, archive_id: int) -> None:
    """The file of an own archive is not here any more (it does not move to another host): another may be asked for."""
    archive = await get_ready_archive(tx, viewer, archive_id)
    await store.update_lost(tx, archive.id)
