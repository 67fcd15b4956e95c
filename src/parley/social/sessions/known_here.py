"""Which members the banks of sign-up would stop or flag today: an entry that came after them found nobody.

A sweep judges what people wrote; mail domains, network addresses and names are asked about here. Nothing is decided.
"""

from __future__ import annotations

import asyncio

import msgspec

from parley import screening
from parley.kit.clock import now
from parley.kit.db import Tx
from parley.screening.account_banks import SignUp, judge_sign_up
from parley.screening.content import STAFF_ROLES
from parley.screening.extending import OWN
from parley.social.accounts.views import Viewer
from parley.social.sessions import store_sign_ups

PAGE = 2000


class KnownMember(msgspec.Struct, frozen=True):
    """A member whom an entry means. `because` names the private mail or network address: for operators' eyes."""

    account_id: int
    username: str
    tier: str
    clause: str
    entries: tuple[str, ...]
    because: tuple[str, ...]


class KnownHere(msgspec.Struct, frozen=True):
    """How many members were asked about, how many are meant, and the first of those."""

    members: int
    found: int
    shown: tuple[KnownMember, ...]


async def list_known_members(tx: Tx, viewer: Viewer | None, *, entry: str = "", limit: int = 100) -> KnownHere:
    """Ask the live banks about every member who is here (None: the operator asks); `entry` names one of the entries.

    Nobody of the staff is listed. Network addresses are known for a year. Raises NotFound.
    """
    if viewer is not None:
        viewer.need_operator()
    bank, moment = screening.live_ruleset().accounts, now()
    members = found = after = 0
    shown: list[KnownMember] = []
    while rows := await store_sign_ups.list_signed_up(tx, after, PAGE):
        after = rows[-1].account_id
        for row in rows:
            if row.role in STAFF_ROLES:
                continue
            members += 1
            asked = SignUp(username=row.username, email=row.email, address=row.address, now=moment)
            verdict = judge_sign_up(bank, asked)
            named = not entry or any(name in (entry, OWN + entry) for name in verdict.entries)
            if verdict.tier is None or not named:
                continue
            found += 1
            if len(shown) < limit:
                who = (row.account_id, row.username, verdict.tier, verdict.clause or "")
                shown.append(KnownMember(*who, verdict.entries, verdict.because))
        await asyncio.sleep(0)
    return KnownHere(members, found, tuple(shown))
