"""What makes a mail go out: limits on asking for one, and the note that goes with every change of a sign-in."""

from __future__ import annotations

from datetime import timedelta

from parley.kit.db import Tx
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.kit.limits import bucket_of, count_try
from parley.social.events.actions import record
from parley.social.events.facts import SecurityChanged


async def count_mails(instance: Instance, what: str, email: str, address: str) -> None:
    """Limit mails that anybody can have us send: 5 an hour to one address, 25 an hour from one network address."""
    db, settings = instance.db, instance.settings
    await count_try(db, settings, bucket_of(f"mail_{what}_from", address), 25, timedelta(hours=1))
    await count_try(db, settings, bucket_of(f"mail_{what}_to", email.strip()), 5, timedelta(hours=1))


async def note_security(tx: Tx, account_id: int, what: str, *, to: str | None = None) -> None:
    """Record that a member's sign-in changed, and write to the member (or to the old address `to`) about it."""
    await record(tx, SecurityChanged(account_id=account_id, what=what))
    await enqueue(tx, "mail_security_notice", {"account_id": account_id, "what": what, "to": to})
