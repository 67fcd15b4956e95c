"""Links behind shorteners: where they lead is found out by a job, remembered, and judged.

A post is judged at once with what is known already; where a link is new, the job follows it and the revision is judged
again. Nothing in this file is asked inside a transaction but the database.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec

from parley import screening
from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.instance import Instance
from parley.screening import Content
from parley.screening.banks import read_link
from parley.social.verdicts import store_links
from parley.social.verdicts.store_links import ResolvedRow

KNOWN_FOR = timedelta(days=7)
FAILED_FOR = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(days=90)
MOST_LINKS = 10
"""Of one revision; more shortened links than this are for the rules that count them."""


def shortened_links(content: Content) -> list[str]:
    """The links of a revision that hide where they lead, as a browser reads them."""
    if not content.links:
        return []
    bank = screening.live_ruleset().links
    links = (read_link(written[:4000]) for written in content.links[:200])
    found = (link.href for link in links if link.scheme in ("http", "https") and bank.is_shortener(link))
    return list(dict.fromkeys(found))[:MOST_LINKS]


async def with_known_links(tx: Tx, content: Content) -> tuple[Content, list[str]]:
    """The content with what is known of its shortened links, and the links that nobody has followed yet."""
    urls = shortened_links(content)
    if not urls:
        return content, []
    moment = now()
    known = await store_links.list_resolved(tx, urls, moment - KNOWN_FOR, moment - FAILED_FOR)
    hops = tuple(dict.fromkeys(hop for row in known for hop in row.hops))
    missing = [url for url in urls if url not in {row.url for row in known}]
    return (msgspec.structs.replace(content, resolved_links=hops) if hops else content), missing


async def follow_links(instance: Instance, urls: list[str]) -> None:
    """Find out where links lead, and keep it. No transaction is open while others' servers are asked."""
    from parley.kit.outbound import follow_link  # here: its HTTP client takes 9 MB that most processes never need

    instance.gate.check()
    led_to = await asyncio.gather(*(follow_link(url) for url in urls[:MOST_LINKS]))
    for url, led in zip(urls, led_to, strict=False):
        row = ResolvedRow(url, [hop[:4000] for hop in led.hops], led.final, led.problem)
        async with instance.db.write() as tx:
            await store_links.upsert_resolved(tx, _storable(row), now())


def _storable(row: ResolvedRow) -> ResolvedRow:
    """PostgreSQL holds no null characters and no lone surrogates, a Location header may."""
    hops = [hop.replace("\0", "").encode("utf-8", "replace").decode() for hop in row.hops]
    return ResolvedRow(row.url, hops, hops[-1] if hops else None, row.problem)


async def forget_old_links(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, daily: forget links that were followed long ago."""
    async with instance.db.write() as tx:
        await store_links.delete_old_resolved(tx, now() - FORGOTTEN_AFTER)
