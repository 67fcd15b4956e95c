"""Screening again what could not be judged completely."""

from __future__ import annotations

from typing import Any

from parley.kit.instance import Instance
from parley.social.verdicts import store
from parley.social.verdicts.actions import judge_followed, screen_again
from parley.social.verdicts.links import follow_links

_AT_ONCE = 50


async def resolve_links(instance: Instance, payload: dict[str, Any]) -> None:
    """Follow the shortened links of a revision, and judge it again with where they lead."""
    await follow_links(instance, list(payload["urls"]))
    async with instance.db.write() as tx:
        await judge_followed(tx, int(payload["result_id"]))


async def rescreen_degraded(instance: Instance, payload: dict[str, Any]) -> None:
    """Each minute: judge again what was not judged completely, oldest first. While the judge still fails, stop."""
    while True:
        async with instance.db.write() as tx:
            results = await store.list_degraded(tx, _AT_ONCE)
            done = [await screen_again(tx, result) for result in results]
        if not results or not all(done):
            return
