"""Writing to the staff: a letter to everybody of some roles, and to some by name. For jobs alone."""

from __future__ import annotations

from collections.abc import Sequence

from parley.kit.instance import Instance
from parley.kit.mail import send_mail
from parley.social.sessions import store_staff
from parley.social.sessions.letters import Letter

EVERYBODY = ("moderator", "admin", "owner")


async def mail_staff(
    instance: Instance, letter: Letter, *, roles: Sequence[str] = (), account_ids: Sequence[int] = (), but: int = 0
) -> int:
    """Send a letter (subject, text below the greeting) to active staff; returns to how many.

    `but` is an account that must not get it: whom it is about.
    Where nobody has one of the roles, or is among the accounts, everybody of the staff gets it: nothing that is sent
    by this may reach nobody while somebody could be reached. Raises the mail library's error: the job tries again.
    """
    async with instance.db.read() as tx:
        to = [one for one in await store_staff.list_staff_mail(tx, roles, account_ids) if one.account_id != but]
        if not to:
            to = [one for one in await store_staff.list_staff_mail(tx, EVERYBODY, ()) if one.account_id != but]
    subject, text = letter
    settings = instance.settings
    for one in to:
        body = f"Hello @{one.username},\n\n{text}\n-- \n{settings.name}\n{settings.base_url}\n"
        await send_mail(settings, one.email, subject, body)
    return len(to)
