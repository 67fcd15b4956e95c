"""Lists for banks that wait for a second person: confirming and refusing one, and telling the staff that one waits.

Drafts are kept by `social/policies/drafts.py`; here it is known who owns which bank.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import Conflict
from parley.kit.instance import Instance
from parley.kit.settings import Settings
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor
from parley.social.accounts.reads import get_account_views
from parley.social.media.hash_banks import import_draft
from parley.social.policies import drafts
from parley.social.policies.bank_actions import import_entries
from parley.social.policies.drafts import DraftRow
from parley.social.policies.reads import list_bank_drafts, list_stale_drafts
from parley.social.policies.views import NewEntry, Staff
from parley.social.sessions.staff import EVERYBODY, write_to_staff

WAITS = timedelta(days=14)
"""How long a list waits for a second person."""


class Confirmed(msgspec.Struct, frozen=True):
    """What confirming a list did: whether two people stand behind it now, and how much it changed if so."""

    draft: DraftRow
    enough: bool
    changed: int = 0


async def confirm_draft(tx: Tx, settings: Settings, staff: Staff, draft_id: int) -> Confirmed:
    """Stand behind a list; with the second person it is put into its bank, all of it, and looked for at once.

    Raises Forbidden for who brought it in, NotFound, Conflict when it waits no more or who brought it in has gone, and
    Invalid when it does not fit its bank any more.
    """
    draft, enough = await drafts.approve_draft(tx, staff, settings, draft_id)
    await append_event(tx, _actor(staff), "bank_list_confirmed", draft=str(draft_id), bank=draft.bank, enough=enough)
    if not enough:
        return Confirmed(draft, False)
    proposer = await _proposer(tx, draft)
    if draft.kind == "hashes":
        changed = await import_draft(tx, draft)
    else:
        entries = [entry async for part in drafts.read_draft(tx, draft_id, NewEntry) for entry in part]
        counts = await import_entries(
            tx,
            proposer or staff,
            draft.bank,
            entries,
            settings,
            source=draft.source,
            replace=draft.replace,
            confirmed=True,
        )
        changed = counts.added + counts.changed + counts.removed
    await drafts.end_draft(tx, staff, draft, "confirmed")
    return Confirmed(draft, True, changed)


async def _proposer(tx: Tx, draft: DraftRow) -> Staff | None:
    """Who brought a list in, who must still be of the staff; None for an operator's shell."""
    if draft.proposed_by is None:
        return None
    account = (await get_account_views(tx, [draft.proposed_by])).get(draft.proposed_by)
    staff = Staff(account.id, account.username, account.role) if account is not None else None
    if staff is None or account is None or account.state != "active" or not staff.is_staff:
        raise Conflict("Whoever brought this list in is not of the staff any more. Refuse it, and import it anew.")
    return staff


async def refuse_draft(tx: Tx, staff: Staff, draft_id: int, *, answer: str = "") -> DraftRow:
    """Do not take a list in; whoever brought it in withdraws it so. Raises Forbidden, NotFound, Conflict."""
    draft = await drafts.refuse_draft(tx, staff, draft_id, answer=answer)
    await append_event(tx, _actor(staff), "bank_list_refused", draft=str(draft_id), bank=draft.bank)
    return draft


def _actor(staff: Staff) -> Actor:
    return Actor("human", staff.account_id, staff.username)


async def end_stale_drafts(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, hourly: lists that nobody confirmed or refused within two weeks end."""
    async with instance.db.write() as tx:
        for draft_id in await list_stale_drafts(tx, WAITS):
            await drafts.end_stale(tx, draft_id, f"Nobody confirmed it within {WAITS.days} days.")


async def mail_bank_draft(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: write to the rest of the staff that a list waits for one of them. Payload: `draft_id`."""
    settings = instance.settings
    async with instance.db.write() as tx:
        draft_id = int(payload["draft_id"])
        draft = next((one for one in await list_bank_drafts(tx, limit=1000) if one.id == draft_id), None)
        if draft is None:
            return
        by = f"@{draft.proposed_name}" if draft.proposed_name else "Somebody at the machine itself"
        text = (
            f"{by} wants to bring the list {draft.source} into the bank {draft.bank}: {draft.entries:,} entries that "
            f"are new, changed or taken out. So many need a second person. Nothing of it is looked for until then.\n\n"
            f"  {settings.base_url}/desk/proposals\n  parley bank drafts confirm {draft.id} --as NAME\n"
        )
        letter = (f"A list waits for a second person at {settings.name}", text)
        await write_to_staff(tx, settings, letter, roles=EVERYBODY, but=draft.proposed_by or 0)
