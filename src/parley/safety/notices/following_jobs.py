"""Job: follow the shortened addresses of a notice, and link what they lead to here.

Each answer on the way is checked (kit/outbound.py): nothing that is not on the public internet is asked, and no page is
read. What leads elsewhere stays as it was: an address of others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from parley.kit.db import Tx
from parley.kit.errors import RateLimited
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.kit.limits import bucket_of, count_try
from parley.kit.settings import Settings
from parley.safety.log.actions import append_event
from parley.safety.log.views import system
from parley.safety.notices import store_notices
from parley.safety.notices.actions import hide_if_urgent, link_subjects, what_is_told
from parley.safety.notices.following import MOST_FOLLOWED, followed_as
from parley.safety.notices.resolving import resolve_urls
from parley.safety.notices.urls import NOTHING, OUTSIDE, own_hosts, read_url

log = logging.getLogger(__name__)

ME = system("notices")
MOST_AN_HOUR = 500
"""Of a provider, and of all strangers together."""
AT_ONCE = 5


async def follow_notice_links(instance: Instance, payload: dict[str, Any]) -> None:
    """Find out where shortened addresses lead, and answer the notice if nothing of it waits. Payload: `notice_id`,
    `urls` as they were written."""
    notice_id, urls = int(payload["notice_id"]), [str(one) for one in payload["urls"]][:MOST_FOLLOWED]
    async with instance.db.read() as tx:
        row = (await store_notices.list_notices(tx, [notice_id])).get(notice_id)
    if row is None:
        return
    bucket = bucket_of("follow-links", row.provider_id if row.provider_id is not None else "strangers")
    led: dict[str, str] = {}
    try:
        await count_try(
            instance.db, instance.settings, bucket, MOST_AN_HOUR, timedelta(hours=1), weight=max(len(urls), 1)
        )
        led = await _follow(instance, urls)
    except RateLimited:
        log.error("notice %s: too many shortened addresses came in an hour; these are not followed", notice_id)
    async with instance.db.write() as tx:
        if led:
            await _link(tx, instance.settings, notice_id, led)
        await enqueue(tx, "answer_notice", {"notice_id": notice_id})


async def _follow(instance: Instance, urls: Sequence[str]) -> dict[str, str]:
    """The addresses of ours to which some of these lead. No transaction is open while others' servers are asked."""
    from parley.kit.outbound import follow_link  # here: its HTTP client takes 9 MB that most processes never need

    instance.gate.check()
    hosts = own_hosts(instance.settings)
    asked = [(url, followed_as(url)) for url in urls]  # again: the policy may have changed since
    asked = [(url, plain) for url, plain in asked if plain]
    led: dict[str, str] = {}
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        found = await asyncio.gather(*(follow_link(plain) for _, plain in some))
        for (url, _), followed in zip(some, found, strict=True):
            ours = next((hop for hop in followed.hops if read_url(hop, hosts) not in (OUTSIDE, NOTHING)), None)
            if ours is not None:
                led[url] = ours
    return led


async def _link(tx: Tx, settings: Settings, notice_id: int, led: Mapping[str, str]) -> None:
    """Put what they lead to into the ledger: in the line of the address, or, where it stood in words, in a new one."""
    row = await store_notices.lock_notice(tx, notice_id)
    if row is None:
        return
    lines = await store_notices.list_urls(tx, [notice_id])
    known = {line.url: line for line in lines}
    done = {line.url for line in lines if line.found != "not_ours"}
    wanted = [(url, to) for url, to in led.items() if url not in done]  # the job may run twice
    resolved = await resolve_urls(tx, settings, [to for _, to in wanted])
    resolved = [replace(one, url=url) for one, (url, _) in zip(resolved, wanted, strict=True)]
    if not resolved:
        return
    await append_event(tx, ME, "notice_links_followed", notice_id=str(notice_id), urls=len(resolved))
    new_ids = await store_notices.list_new_ids(tx, len(resolved))
    ids: list[int] = []
    rows: list[tuple[int, int, str, str]] = []
    for one, new_id in zip(what_is_told(row, resolved), new_ids, strict=True):
        if line := known.get(one.url):
            await store_notices.update_found(tx, line.id, one.found)
            ids.append(line.id)
        else:
            rows.append((new_id, len(lines) + len(rows) + 1, one.url, one.found))
            ids.append(new_id)
    if rows:
        await store_notices.insert_urls(tx, notice_id, rows)
    await link_subjects(tx, settings, ME, row, ids, resolved)
    await hide_if_urgent(tx, row)
