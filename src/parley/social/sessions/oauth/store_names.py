"""Names of apps, as statuses show them. No rule lives here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx


class AppName(msgspec.Struct, frozen=True):
    """What a reader learns of the app that a status was posted with."""

    id: int
    name: str
    website: str | None


LIST_APP_NAMES = """SELECT id, name, website FROM apps WHERE id = ANY($1::bigint[])"""


async def list_app_names(tx: Tx, ids: Sequence[int]) -> list[AppName]:
    """Names of the apps that exist, in no order."""
    return [AppName(*row) for row in await tx.fetch(LIST_APP_NAMES, ids)]
