"""Screening again: what could not be judged completely, and what holds links whose ends are now known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.social.verdicts import store
from parley.social.verdicts.actions import judge_followed, screen_again
from parley.social.verdicts.links import follow_links

_AT_ONCE = 50


LINKS_AT_ONCE = 5
LATER = timedelta(seconds=20)
_following = 0


async def resolve_links(instance: Instance, payload: dict[str, Any]) -> None:
    """Follow the shortened links of a revision, and judge it again with where they lead.

    Only a few at once: others' servers may be slow, on purpose too, and must not keep all other jobs waiting.
    """
    global _following
    if _following >= LINKS_AT_ONCE:
        async with instance.db.write() as tx:
            await enqueue(tx, "resolve_links", payload, after=LATER)
        return
    _following += 1
    try:
        await follow_links(instance, list(payload["urls"]))
    finally:
        _following -= 1
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
