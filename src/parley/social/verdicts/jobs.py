"""Screening again what could not be judged completely."""

from __future__ import annotations

from typing import Any

from parley.kit.instance import Instance
from parley.social.verdicts import store
from parley.social.verdicts.actions import screen_again

_AT_ONCE = 50


async def rescreen_degraded(instance: Instance, payload: dict[str, Any]) -> None:
    """Each minute: judge again what was not judged completely, oldest first. While the judge still fails, stop."""
    while True:
        async with instance.db.write() as tx:
            results = await store.list_degraded(tx, _AT_ONCE)
            done = [await screen_again(tx, result) for result in results]
        if not results or not all(done):
            return
