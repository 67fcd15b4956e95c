"""Jobs of safety: count who is reported. Each may run twice without harm."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from parley.kit.clock import now
from parley.kit.ids import id_at
from parley.kit.instance import Instance
from parley.safety import store
from parley.social.accounts.standing import list_reported, set_reporters

_WEEK = timedelta(days=7)
_AT_ONCE = 200


async def count_reporters(instance: Instance, payload: dict[str, Any]) -> None:
    """After ReportFiled: tell screening how many accounts reported the target (`target_id`) in the last week."""
    target_id = int(payload["target_id"])
    async with instance.db.write() as tx:
        await set_reporters(tx, target_id, await store.count_reporters(tx, target_id, id_at(now() - _WEEK)))


async def recount_reporters(instance: Instance, payload: dict[str, Any]) -> None:
    """Hourly: count again who was reported, for reports older than a week count no more."""
    above = 0
    while True:
        async with instance.db.write() as tx:
            ids = await list_reported(tx, above, _AT_ONCE)
            for target_id in ids:
                await set_reporters(tx, target_id, await store.count_reporters(tx, target_id, id_at(now() - _WEEK)))
        if len(ids) < _AT_ONCE:
            return
        above = ids[-1]
