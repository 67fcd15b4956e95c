"""What a member may see of the own archives and imports: to anybody else they do not exist."""

from __future__ import annotations

from datetime import datetime, timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.settings import Settings
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.restrictions import get_restriction
from parley.social.accounts.views import Viewer
from parley.social.archives import store, store_imports
from parley.social.archives.views import ArchiveView, ImportView, RowView

ARCHIVE_KEPT = timedelta(days=7)
ARCHIVE_EVERY = timedelta(days=3)
MOST_LISTED = 10
MOST_FAILURES = 20_000


async def list_archives(tx: Tx, viewer: Viewer) -> list[ArchiveView]:
    """The viewer's archives, newest first."""
    return await store.list_archives(tx, viewer.account_id, MOST_LISTED)


def next_archive_at(archives: list[ArchiveView]) -> datetime | None:
    """When the next one may be asked for, if that is not now; `archives` is what `list_archives` gave."""
    made = [one for one in archives if one.state != "failed"]
    moment = made[0].created_at + ARCHIVE_EVERY if made else None
    return moment if moment is not None and moment > now() else None


async def get_ready_archive(tx: Tx, viewer: Viewer, archive_id: int) -> ArchiveView:
    """One of the viewer's own that can be fetched now; raises NotFound."""
    found = await store.get_archive(tx, archive_id)
    if found is None or found.account_id != viewer.account_id or found.state != "ready" or found.file is None:
        raise NotFound
    if found.expires_at is not None and found.expires_at < now():
        raise NotFound
    return found


async def list_imports(tx: Tx, viewer: Viewer) -> list[ImportView]:
    """The viewer's imports, newest first."""
    return await store_imports.list_imports(tx, viewer.account_id, MOST_LISTED)


async def get_import(tx: Tx, viewer: Viewer, import_id: int) -> ImportView:
    """One of the viewer's own; raises NotFound."""
    found = await store_imports.get_import(tx, import_id)
    if found is None or found.account_id != viewer.account_id:
        raise NotFound
    return found


async def list_failures(tx: Tx, viewer: Viewer, import_id: int, *, limit: int = MOST_FAILURES) -> list[RowView]:
    """Rows of an own import that could not be taken, in their order; raises NotFound."""
    await get_import(tx, viewer, import_id)
    return await store_imports.list_failures(tx, import_id, limit)


async def get_owner(tx: Tx, settings: Settings, account_id: int) -> Viewer | None:
    """A member as the viewer of the own things, for jobs and commands; None for whoever is gone."""
    account = (await get_account_views(tx, [account_id])).get(account_id)
    if account is None or not account.is_local or account.state == "deleted":
        return None
    restriction = await get_restriction(tx, settings, account_id)
    return Viewer(account_id=account_id, username=account.username, role=account.role, restriction=restriction)
