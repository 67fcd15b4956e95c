"""Mails to those whose instance it is, about what happened to its hosts. Nothing waits for them."""

from __future__ import annotations

import asyncio
import logging

from parley.hosting.failover import store
from parley.kit.db import LostConnection, connect
from parley.kit.mail import send_mail
from parley.kit.settings import Settings

log = logging.getLogger(__name__)

SECONDS = 45.0

_sending: set[asyncio.Task[None]] = set()


async def tell_owners(settings: Settings, dsn: str, subject: str, text: str) -> None:
    """Send a mail to every owner, by and by; a failure is logged."""
    task = asyncio.create_task(send_to_owners(settings, dsn, subject, text))
    _sending.add(task)
    task.add_done_callback(_sending.discard)


async def send_to_owners(settings: Settings, dsn: str, subject: str, text: str) -> None:
    """Send a mail to every owner now; a failure is logged."""
    try:
        async with asyncio.timeout(SECONDS):
            connection = await connect(dsn)
            try:
                addresses = await store.list_owners(connection)
            finally:
                await connection.close()
            for address in addresses:
                await send_mail(settings, address, subject, f"{text}\n\n{settings.base_url}/operator\n")
    except (*LostConnection, TimeoutError) as error:
        log.error("the owners could not be told (%s): %s", subject, error or type(error).__name__)
    except Exception:
        log.exception("the owners could not be told: %s", subject)
