"""Jobs of this room: incidents end by themselves, and those whom it concerns are told by mail."""

from __future__ import annotations

import logging
from typing import Any

from parley.kit.clock import now
from parley.kit.instance import Instance
from parley.kit.mail import send_mail
from parley.safety.incidents import letters, store
from parley.safety.incidents.actions import conclude_incident

log = logging.getLogger(__name__)


async def end_incidents(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, every minute: conclude an incident whose time is over."""
    async with instance.db.read() as tx:
        row = await store.get_running(tx)
    if row is None or row.ends_at > now():
        return
    async with instance.db.write() as tx:
        fresh = await store.lock_incident(tx, row.id)
        if fresh is not None and fresh.state == "active" and fresh.ends_at <= now():
            await conclude_incident(tx, None, row.id)


async def mail_incident(instance: Instance, payload: dict[str, Any]) -> None:
    """Write to everybody of the staff, and to hosts and app stores, that an incident was declared, kept or concluded.

    Every address has a job of its own, so that one that fails does not keep the others from being told twice.
    """
    from parley.kit.jobs import enqueue

    async with instance.db.write() as tx:
        row = await store.get_incident(tx, payload["incident_id"])
        if row is None:
            return
        for name, address in await store.list_staff(tx):
            await enqueue(tx, "mail_incident_to", {**payload, "staff": True, "name": name, "to": address})
        if payload["what"] != "kept":
            for name, address in await store.list_contacts(tx):
                await enqueue(tx, "mail_incident_to", {**payload, "staff": False, "name": name, "to": address})


async def mail_incident_to(instance: Instance, payload: dict[str, Any]) -> None:
    """Send one of these mails."""
    async with instance.db.read() as tx:
        row = await store.get_incident(tx, payload["incident_id"])
    if row is None:
        return
    write = letters.to_staff if payload["staff"] else letters.to_provider
    await send_mail(instance.settings, payload["to"], *write(instance.settings, payload["name"], row, payload["what"]))
