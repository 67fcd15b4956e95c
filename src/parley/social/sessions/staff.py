"""Writing to the staff: a letter to everybody of some roles, and to some by name.

Letters are queued in the caller's transaction, one job for each: one mailbox that takes no mail is tried again alone,
and nobody gets a letter twice because of somebody else's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parley.kit.db import Tx
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.kit.mail import send_mail
from parley.kit.settings import Settings
from parley.social.sessions import store_staff
from parley.social.sessions.letters import Letter

EVERYBODY = ("moderator", "admin", "owner")


async def queue_letter(tx: Tx, address: str, letter: Letter) -> None:
    """Send a letter (subject, whole text) once `tx` has committed."""
    subject, text = letter
    await enqueue(tx, "mail_letter", {"to": address, "subject": subject, "text": text})


async def mail_letter(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: send one letter. Payload: `to`, `subject`, `text`."""
    await send_mail(instance.settings, payload["to"], payload["subject"], payload["text"])


async def write_to_staff(
    tx: Tx,
    settings: Settings,
    letter: Letter,
    *,
    roles: Sequence[str] = (),
    account_ids: Sequence[int] = (),
    but: int = 0,
) -> int:
    """Queue a letter (subject, text below the greeting) to active staff; returns to how many.

    `but` is an account that must not get it: whom it is about.
    Where nobody has one of the roles, or is among the accounts, everybody of the staff gets it: nothing that is sent
    by this may reach nobody while somebody could be reached.
    """
    to = [one for one in await store_staff.list_staff_mail(tx, roles, account_ids) if one.account_id != but]
    if not to:
        to = [one for one in await store_staff.list_staff_mail(tx, EVERYBODY, ()) if one.account_id != but]
    subject, text = letter
    for one in to:
        body = f"Hello @{one.username},\n\n{text}\n-- \n{settings.name}\n{settings.base_url}\n"
        await queue_letter(tx, one.email, (subject, body))
    return len(to)


async def mail_staff(
    instance: Instance, letter: Letter, *, roles: Sequence[str] = (), account_ids: Sequence[int] = (), but: int = 0
) -> int:
    """The same in a transaction of its own."""
    async with instance.db.write() as tx:
        return await write_to_staff(tx, instance.settings, letter, roles=roles, account_ids=account_ids, but=but)
