"""Raw messages: kept byte for byte in the area of evidence, under their SHA-256, and served to nobody.

What may be kept has an end: so many bytes a day of all strangers together and of each provider, and so many in all. A
message is counted and written before the transaction that names it; what no notice names after a day is swept.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound, RateLimited
from parley.kit.files import FileStore
from parley.kit.instance import Instance
from parley.safety.log.actions import append_event
from parley.safety.log.views import human
from parley.safety.notices import store_raw
from parley.safety.notices.reads import get_notice
from parley.safety.notices.views import RawMessage
from parley.social.accounts.views import Viewer

log = logging.getLogger(__name__)

FOLDER = "notices"
STRANGERS = "strangers"
MIB = 2**20
SPARED = 0.75
"""The share of what may be kept in all that strangers can fill: what hosts and authorities write always fits."""
ORPHANED = timedelta(days=1)
SWEPT_AT_ONCE = 200
MOST_SHOWN = 1_000_000
"""Bytes of a message that a page shows."""


def raw_name(sha256: bytes) -> str:
    """Where a message lies in the area of evidence."""
    digest = sha256.hex()
    return f"{FOLDER}/{digest[:2]}/{digest}"


async def keep_raw(instance: Instance, body: bytes, *, provider_id: int | None) -> RawMessage:
    """Keep a message of a provider, or (None) of a stranger; the same bytes are kept once.

    Never called inside a transaction. Raises RateLimited, with when to come back, when too much came today or is kept.
    """
    digest = await asyncio.to_thread(lambda: hashlib.sha256(body).digest())
    sent_by = STRANGERS if provider_id is None else f"provider:{provider_id}"
    moment = now()
    async with instance.db.write() as tx:
        doomed = await store_raw.update_kept_again(tx, digest, moment)
        if doomed:
            raise RateLimited("The same message is being deleted just now. Send it again in a minute.", retry_after=60)
        if doomed is None:
            await _count(tx, instance, sent_by, len(body), moment)
            await store_raw.insert_raw(tx, digest, len(body), sent_by, moment)
    name = raw_name(digest)
    if doomed is None or not await instance.files.evidence.exists(name):
        await instance.files.evidence.put(name, body)
    return RawMessage(digest, len(body))


async def _count(tx: Tx, instance: Instance, sent_by: str, size: int, moment: datetime) -> None:
    """Count a new message. Raises RateLimited."""
    settings = instance.settings
    if await store_raw.upsert_day(tx, sent_by, moment.date(), size) > settings.abuse_daily_mib * MIB:
        wait = _until_tomorrow(moment)
        raise RateLimited(
            f"More than {settings.abuse_daily_mib} MiB came today. Send it again after midnight (UTC), or smaller.",
            retry_after=wait,
        )
    most = int(settings.abuse_kept_mib * MIB * SPARED)
    if sent_by == STRANGERS and await store_raw.count_kept_bytes(tx, STRANGERS) > most:
        raise RateLimited("There is no room for more messages now. Send it again in some hours.", retry_after=4 * 3600)


def _until_tomorrow(moment: datetime) -> int:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return int((midnight - moment).total_seconds()) + 1


async def sweep(instance: Instance, *, before: datetime, digests: Sequence[bytes] | None = None) -> int:
    """Delete messages that no notice names (of these, or of all) and that were kept before a moment; returns how many.

    A row is marked, then the file is deleted, then the row: one that comes again meanwhile is not lost, it has to wait.
    """
    swept = 0
    while True:
        async with instance.db.write() as tx:
            doomed = await store_raw.update_doomed(tx, before, digests, SWEPT_AT_ONCE)
        for digest in doomed:
            await instance.files.evidence.delete(raw_name(digest))
        async with instance.db.write() as tx:
            await store_raw.delete_doomed(tx, doomed, (now() - timedelta(days=2)).date())
        swept += len(doomed)
        if len(doomed) < SWEPT_AT_ONCE:
            return swept


async def sweep_raw_messages(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, hourly: delete raw messages that became no notice, or whose notices were forgotten."""
    if swept := await sweep(instance, before=now() - ORPHANED):
        log.info("%s raw messages that no notice names were deleted", swept)


async def sweep_raw_files(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, daily: delete files among the raw messages of which the database knows nothing."""
    async for names in instance.files.evidence.list_older(now() - ORPHANED, under=FOLDER):
        named = {digest: name for name in names if (digest := _digest_of(name)) is not None}
        async with instance.db.read() as tx:
            known = await store_raw.list_known(tx, list(named))
        for digest, name in named.items():
            if digest not in known:
                await instance.files.evidence.delete(name)


def _digest_of(name: str) -> bytes | None:
    try:
        return bytes.fromhex(name.rpartition("/")[2])
    except ValueError:
        return None


async def note_raw_access(tx: Tx, viewer: Viewer, notice_id: int) -> str:
    """Write down that somebody of the staff reads a raw message; returns its name. Raises NotFound."""
    notice = await get_notice(tx, viewer, notice_id)
    if not notice.raw_sha256:
        raise NotFound
    await append_event(tx, human(viewer), "notice_raw_read", notice_id=str(notice_id))
    return raw_name(bytes.fromhex(notice.raw_sha256))


async def read_raw(files: FileStore, name: str, *, most: int | None = None) -> bytes:
    """A kept message, or its first `most` bytes. Raises NotFound."""
    chunks = [chunk async for chunk in await files.evidence.read(name, end=most)]
    return b"".join(chunks)
