"""Which members the banks of sign-up would stop or flag today: an entry that came after them found nobody.

Mail domains, network addresses and names are asked about here; who is meant comes before the moderators by a sweep over
members (`safety/sweeps/members.py`). Nobody who has begun is acted upon here: newcomers wait, as they would have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from parley import screening
from parley.kit.clock import now
from parley.kit.db import Tx
from parley.screening.account_banks import AccountBank, Hit, SignUp, find_entries, judge_sign_up
from parley.screening.content import STAFF_ROLES
from parley.screening.extending import OWN
from parley.social.accounts.views import Viewer
from parley.social.sessions import store_notes, store_sign_ups

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


class MeantMember(msgspec.Struct, frozen=True):
    """A member whom entries mean that nobody knew of at the sign-up. `begun` says that the account is in use; else it
    still waits to be let in. The hits hold private addresses."""

    account_id: int
    begun: bool
    hits: tuple[Hit, ...]


class MembersPage(msgspec.Struct, frozen=True):
    """Members who were asked about, in the order in which they came, and whom of them the banks mean."""

    ids: tuple[int, ...]
    meant: tuple[MeantMember, ...]


async def list_meant_members(
    tx: Tx, bank: AccountBank, *, after_id: int, until_id: int, limit: int = PAGE
) -> MembersPage:
    """Ask the bank about a page of members, for jobs. Staff and who is shut out already are not meant."""
    rows = await store_sign_ups.list_signed_up(tx, after_id, limit, until_id=until_id)
    moment = now()
    meant = []
    for row in rows:
        if row.role in STAFF_ROLES or row.state == "suspended":
            continue
        asked = SignUp(username=row.username, email=row.email, address=row.address, now=moment)
        hits = tuple(hit for hit in find_entries(bank, asked) if hit.entry.id not in row.noted)
        if hits:
            meant.append(MeantMember(row.account_id, row.state != "pending", hits))
    return MembersPage(tuple(row.account_id for row in rows), tuple(meant))


async def count_members_here(tx: Tx) -> tuple[int, int]:
    """How many members there are, and the id of the newest (0: none)."""
    return await store_sign_ups.count_signed_up(tx)


async def note_newcomer(tx: Tx, account_id: int, hits: Sequence[Hit]) -> bool | None:
    """Somebody who signed up before an entry and is not let in yet is treated like who comes a moment later: the
    reasons are kept for whoever decides, and unless it only flags, a moderator has to.

    True when one has to now who had not to before; None, and nothing was done, when the account has begun by now.
    An invitation stands for approval, but not where the entry would have refused the sign-up.
    """
    if not await store_notes.lock_newcomer(tx, account_id):
        return None
    first = hits[0].entry
    held = first.tier != "flag"
    because, entries = [str(hit) for hit in hits], [hit.entry.id for hit in hits]
    await store_notes.upsert_note(tx, account_id, "hold" if held else "flag", first.clause, because, entries)
    return held and await store_notes.update_unapproved(tx, account_id, invited_too=first.tier == "reject")
