"""Lists for banks that are too large for one person: kept as drafts until a second one has confirmed them.

Nothing of a draft is looked for. This file keeps, approves and ends drafts of every kind; what is in one is put into
its bank by whoever owns that (`bank_actions.py`, and the media room for hashes).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

import msgspec

from parley import screening
from parley.kit.db import Tx
from parley.kit.errors import Conflict, Forbidden, NotFound
from parley.kit.jobs import enqueue
from parley.kit.settings import Settings
from parley.social.events.actions import record
from parley.social.events.facts import BankDraftApproved, BankDraftEnded, BankDraftKept
from parley.social.policies import store_drafts
from parley.social.policies.store_drafts import DraftRow as DraftRow
from parley.social.policies.views import Staff

T = TypeVar("T")
MOST_SAMPLES = 20
MAX_ANSWER = 1000
IN_PART = 5000
"""Entries that are kept, and put into their bank, at once."""


def most_alone() -> int:
    """How many entries one person may bring in, change or take out with one list."""
    return screening.live_ruleset().head.activation.four_eyes_over_entries


class KeptDraft:
    """A list that is being kept, part by part, in the transaction of whoever reads it."""

    def __init__(self, draft_id: int, bank: str) -> None:
        self.id = draft_id
        self._bank = bank
        self._parts = 0
        self._hash = hashlib.sha256()
        self._samples: list[str] = []

    async def add(self, tx: Tx, items: Sequence[Any], samples: Sequence[str]) -> None:
        """Keep the next part; `samples` say in words what it begins with."""
        contents = zlib.compress(msgspec.msgpack.encode(items), 1)
        self._hash.update(contents)
        self._samples += samples[: MOST_SAMPLES - len(self._samples)]
        await store_drafts.insert_part(tx, self.id, self._parts, contents)
        self._parts += 1

    async def wait(self, tx: Tx, staff: Staff | None, entries: int) -> None:
        """All is kept, and `entries` of it are new, changed or taken out: it waits for a second person from now on."""
        await store_drafts.update_counted(tx, self.id, entries, self._samples, self._hash.digest())
        by = staff.account_id if staff else 0
        await record(tx, BankDraftKept(account_id=by, draft_id=self.id, bank=self._bank, entries=entries))
        await enqueue(tx, "mail_bank_draft", {"draft_id": self.id})

    async def drop(self, tx: Tx) -> None:
        """It needs nobody else: forget it."""
        await store_drafts.delete_draft(tx, self.id)


async def keep_draft(
    tx: Tx, staff: Staff | None, kind: str, bank: str, *, source: str, replace: bool = False
) -> KeptDraft:
    """Begin to keep a list (`kind` entries or hashes). None as `staff` is an operator's shell."""
    by = (staff.account_id, staff.username) if staff else (None, "")
    draft_id = await store_drafts.insert_draft(tx, kind, bank, source[:200], by, replace=replace)
    return KeptDraft(draft_id, bank)


async def record_alone(tx: Tx, staff: Staff | None, bank: str, entries: int) -> None:
    """Note for ever that a list which needs two people was taken in by one: this instance does without four eyes."""
    by = staff.account_id if staff else 0
    await record(tx, BankDraftApproved(account_id=by, draft_id=0, bank=bank, entries=entries, enough=True, alone=True))


async def read_draft(tx: Tx, draft_id: int, type: type[T]) -> AsyncIterator[list[T]]:
    """What a list holds, part by part."""
    decoder = msgspec.msgpack.Decoder(list[type])  # type: ignore[valid-type]
    part = 0
    while (contents := await store_drafts.get_part(tx, draft_id, part)) is not None:
        yield decoder.decode(zlib.decompress(contents))
        part += 1


async def approve_draft(tx: Tx, staff: Staff, settings: Settings, draft_id: int) -> tuple[DraftRow, bool]:
    """Stand behind a list; the draft, locked, and whether two people do now.

    The caller then puts it into its bank and calls `end_draft`. Whoever brought it in cannot: an operator's shell is
    nobody by name, so such a list takes two. Raises Forbidden, NotFound, Conflict.
    """
    row = await _waiting(tx, staff, draft_id)
    if row.proposed_by == staff.account_id and settings.four_eyes:
        raise Forbidden("You brought this list in yourself: somebody else has to confirm it.")
    await store_drafts.insert_approval(tx, draft_id, staff.account_id, staff.username)
    people = await store_drafts.list_approvers(tx, draft_id) | ({row.proposed_by} - {None})
    enough = len(people) >= 2 or not settings.four_eyes
    fact = BankDraftApproved(
        account_id=staff.account_id,
        draft_id=draft_id,
        bank=row.bank,
        entries=row.entries,
        enough=enough,
        alone=len(people) < 2,
    )
    await record(tx, fact)
    return row, enough


async def refuse_draft(tx: Tx, staff: Staff, draft_id: int, *, answer: str = "") -> DraftRow:
    """Do not take a list in; whoever brought it in withdraws it so. Raises Forbidden, NotFound, Conflict."""
    row = await _waiting(tx, staff, draft_id)
    await end_draft(tx, staff, row, "refused", answer=answer)
    return row


async def end_draft(tx: Tx, staff: Staff | None, row: DraftRow, state: str, *, answer: str = "") -> None:
    """A list was confirmed, refused, or waited too long (stale): what it held is not kept any more."""
    said = answer.replace("\x00", "").strip()[:MAX_ANSWER]
    await store_drafts.update_ended(tx, row.id, state, staff.username if staff else "", said)
    await store_drafts.delete_parts(tx, row.id)
    by = staff.account_id if staff else 0
    await record(tx, BankDraftEnded(account_id=by, draft_id=row.id, bank=row.bank, state=state))


async def end_stale(tx: Tx, draft_id: int, why: str) -> None:
    """End a list that waited too long; one that waits no more is left alone."""
    if await store_drafts.lock_draft(tx, draft_id):
        row = (await store_drafts.list_drafts(tx, draft_id, only_waiting=False, limit=1))[0]
        if row.state == "waiting":
            await end_draft(tx, None, row, "stale", answer=why)


async def _waiting(tx: Tx, staff: Staff, draft_id: int) -> DraftRow:
    if not staff.is_staff:
        raise Forbidden("Only moderators, admins and owners change banks.")
    if not await store_drafts.lock_draft(tx, draft_id):
        raise NotFound("There is no such list. `parley bank drafts list` shows them.")
    row = (await store_drafts.list_drafts(tx, draft_id, only_waiting=False, limit=1))[0]
    if row.state != "waiting":
        raise Conflict(f"This list was {row.state} already.")
    return row
