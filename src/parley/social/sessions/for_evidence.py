"""What is known of a member besides the public account: for legal holds, for disclosures that a law demands, and for
nothing else.

Whoever calls this has checked that somebody let it go. It is shown on no page. What went while a hold named the
account (migration 0038) is part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.social.sessions import store_evidence

AT_ONCE = 500
MOST_PLANNED = 1000


class SignIn(msgspec.Struct, frozen=True):
    """A browser that signed in; `ended_at`: when it was signed out, if a hold kept the account then."""

    address: str | None
    user_agent: str
    method: str
    created_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None = None


class Former(msgspec.Struct, frozen=True):
    """Addresses that were written over `until`, while a hold kept the account."""

    email: str
    unconfirmed_email: str | None
    sign_up_address: str | None
    until: datetime


class Device(msgspec.Struct, frozen=True):
    """A passkey or an app that could act for the member."""

    kind: str
    name: str
    created_at: datetime
    last_used_at: datetime | None
    ended_at: datetime | None


class Planned(msgspec.Struct, frozen=True):
    """A post that was planned, and went (it was posted, or given up) while a hold kept the account."""

    row: dict[str, Any]
    until: datetime


class Subscriber(msgspec.Struct, frozen=True, kw_only=True):
    """The private half of a member: what was given at sign-up, and from where and with what the member signed in."""

    email: str
    unconfirmed_email: str | None
    email_confirmed_at: datetime | None
    sign_up_address: str | None
    created_at: datetime
    last_sign_in_at: datetime | None
    locale: str
    sign_up_reason: str
    sign_ins: Sequence[SignIn]
    former: Sequence[Former] = ()
    devices: Sequence[Device] = ()
    planned: Sequence[Planned] = ()


async def get_subscriber(tx: Tx, account_id: int) -> Subscriber | None:
    """What is known of a member, in five queries; None for an account that is no member's."""
    row = await store_evidence.get_subscriber(tx, account_id)
    if row is None:
        return None
    return Subscriber(
        email=row[0],
        unconfirmed_email=row[1],
        email_confirmed_at=row[2],
        sign_up_address=row[3],
        created_at=row[4],
        last_sign_in_at=row[5],
        locale=row[6],
        sign_up_reason=row[7],
        sign_ins=[SignIn(*one) for one in await store_evidence.list_sign_ins(tx, account_id)],
        former=[Former(*one) for one in await store_evidence.list_former(tx, account_id)],
        devices=[Device(*one) for one in await store_evidence.list_devices(tx, account_id)],
        planned=[Planned(*one) for one in await store_evidence.list_unposted(tx, account_id, MOST_PLANNED)],
    )


async def forget_held(tx: Tx) -> bool:
    """Forget some of what was kept for holds that have ended; whether there may be more."""
    return await store_evidence.delete_held_remains(tx, AT_ONCE) == AT_ONCE
