"""Names of apps for readers of statuses, remembered by the process: an app never changes its name."""

from __future__ import annotations

from collections.abc import Collection

from parley.kit.db import Tx
from parley.social.sessions.oauth import store_names
from parley.social.sessions.oauth.store_names import AppName

__all__ = ["AppName", "get_app_names"]

_MOST = 4096
_names: dict[int, AppName] = {}


async def get_app_names(tx: Tx, ids: Collection[int]) -> dict[int, AppName]:
    """By id; unknown apps are left out. At most one query, and none once the names are known."""
    missing = [app_id for app_id in ids if app_id not in _names]
    found = {app_id: _names[app_id] for app_id in ids if app_id in _names}
    if missing:
        if len(_names) > _MOST:
            _names.clear()
        for name in await store_names.list_app_names(tx, missing):
            found[name.id] = name
            _names[name.id] = name
    return found
