"""What is known of a member besides the public account: for disclosures that a law demands, and for nothing else.

Whoever calls this has checked that somebody let it go. It is shown on no page.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx
from parley.social.sessions import store_evidence


class SignIn(msgspec.Struct, frozen=True):
    """A browser that signed in and is signed in still."""

    address: str | None
    user_agent: str
    method: str
    created_at: datetime
    last_seen_at: datetime


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """The private half of a member: what was given at sign-up, and from where the member signed in."""

    email: str
    email_confirmed_at: datetime | None
    sign_up_address: str | None
    created_at: datetime
    last_sign_in_at: datetime | None
    locale: str
    sign_ins: Sequence[SignIn]


async def get_subscriber(tx: Tx, account_id: int) -> Subscriber | None:
    """What is known of a member; None for an account that is no member's."""
    row = await store_evidence.get_subscriber(tx, account_id)
    if row is None:
        return None
    sign_ins = [SignIn(*one) for one in await store_evidence.list_sign_ins(tx, account_id)]
    return Subscriber(
        email=row[0],
        email_confirmed_at=row[1],
        sign_up_address=row[2],
        created_at=row[3],
        last_sign_in_at=row[4],
        locale=row[5],
        sign_ins=sign_ins,
    )
