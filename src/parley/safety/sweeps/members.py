"""Sweeps over members: whom a new entry of the banks of sign-up means among those who are here already.

Each comes before the moderators, once for each entry, in the one open case of the account. Nothing is done to anybody:
there is nothing to approve, and nothing to undo. In small transactions, behind which a cursor moves: a process that is
killed leaves nothing half done. What is written down names entries, never an address.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.settings import Settings
from parley.safety.cases.opening import open_case
from parley.safety.cases.reports import insert_found_report
from parley.safety.cases.sla import gravest_clause, severity_of
from parley.safety.cases.views import NewSubject
from parley.safety.evidence.content import take_evidence
from parley.safety.log.actions import append_event
from parley.safety.log.views import system
from parley.safety.sweeps import store_members
from parley.safety.sweeps.store_members import EntryCountRow, Key, MemberSweepRow, Progress
from parley.screening import Ruleset
from parley.screening.account_banks import AccountEntry, Hit
from parley.social.accounts.reads import get_account_views
from parley.social.sessions.known_here import (
    MeantMember,
    MembersPage,
    count_members_here,
    list_meant_members,
    note_newcomer,
)
from parley.social.sessions.staff import write_to_staff

log = logging.getLogger(__name__)

ME = system("sweeps")
PAGE = 500
"""Members who are asked about in one transaction."""
MOST_AT_ONCE = 1
"""Cases that one transaction opens: while it runs, nobody else can open or decide one of the same account."""
MOST_OF_ENTRY = 100
"""Accounts that one entry brings before the moderators. If it means more, it is too wide, or an operator's matter."""
MOST_OF_SWEEP = 500
MOST_NAMED = 20
"""Entries that a letter names."""


# ---- Planning --------------------------------------------------------------------------------------------------------
async def plan_member_sweep(tx: Tx, ruleset: Ruleset) -> int | None:
    """Find out which entries of the live ruleset are new, or look for something else than before, and plan a sweep for
    these; None: there are none, or nobody is here whom they could mean. The caller holds `lock_planning`."""
    moment = now()
    live = {key_of(entry): digest_of(entry) for entry in ruleset.accounts.entries if entry.counts_at(moment)}
    known = await store_members.list_entries(tx)
    gone = [key for key in known if key not in live]
    if gone:
        await store_members.delete_entries(tx, gone)
    fresh = [(key, digest) for key, digest in live.items() if known.get(key) != digest]
    if not fresh:
        return None
    members, until_id = await count_members_here(tx)
    sweep_id = await _join_or_plan(tx, ruleset, len(fresh), members, until_id) if members else None
    await store_members.upsert_entries(tx, fresh, sweep_id)
    return sweep_id


async def _join_or_plan(tx: Tx, ruleset: Ruleset, entries: int, members: int, until_id: int) -> int:
    joined = await store_members.get_joinable(tx)
    sweep_id = joined or await get_new_id(tx)
    kind, ruleset_id = "sweep_grew" if joined else "sweep_planned", ruleset.sha256
    await append_event(
        tx, ME, kind, sweep=str(sweep_id), ruleset=ruleset_id, scope="members", total=members, entries=entries
    )
    await store_members.upsert_sweep(tx, sweep_id, ruleset.sha256, entries, members, until_id)
    return sweep_id


def key_of(entry: AccountEntry) -> Key:
    """What an entry is known by."""
    return entry.bank, entry.id


def digest_of(entry: AccountEntry) -> bytes:
    """A hash of whom an entry means and what follows; its words for moderators are left out."""
    plain = msgspec.structs.replace(entry, clause="", title="", background=False)
    return hashlib.sha256(msgspec.json.encode(plain)).digest()


# ---- Looking ---------------------------------------------------------------------------------------------------------
async def look_further(tx: Tx, settings: Settings, sweep_id: int, ruleset: Ruleset) -> bool:
    """Look at the next members under the live ruleset; True when there are more."""
    row = await store_members.get_locked_member_sweep(tx, sweep_id)
    if row is None or row.ended_at is not None:
        return False
    if row.started_at is None:
        # Not when it was planned: a process that had not heard of the entries yet may have let somebody in since.
        members, until_id = await count_members_here(tx)
        await store_members.update_begun(tx, sweep_id, members, until_id)
        row = msgspec.structs.replace(row, members=members, until_id=until_id)
    page = await list_meant_members(tx, ruleset.accounts, after_id=row.cursor, until_id=row.until_id, limit=PAGE)
    step = await _Step.begin(tx, settings, ruleset, row, page)
    cursor = page.ids[-1] if page.ids else row.until_id
    for member in page.meant:
        if step.opened >= MOST_AT_ONCE:
            cursor = member.account_id - 1
            break
        await step.look_at(tx, member)
    await store_members.update_counts(tx, sweep_id, step.counts())
    ended = cursor >= row.until_id or (len(page.ids) < PAGE and cursor == page.ids[-1])
    progress = Progress(
        cursor=cursor,
        looked=sum(account_id <= cursor for account_id in page.ids),
        meant=step.meant,
        opened=step.opened,
        held=step.held,
        left_out=step.left_out,
        ended=ended,
    )
    await store_members.update_sweep(tx, sweep_id, progress)
    if ended:
        await _end(tx, settings, sweep_id)
    return not ended


class _Tally:
    """What one step finds for one entry, besides what was found before."""

    def __init__(self, before: EntryCountRow) -> None:
        self.before = before
        self.meant = self.opened = self.left_out = 0


class _Step:
    """One step of a sweep: whom it puts before the moderators, and what it counts."""

    def __init__(self, settings: Settings, ruleset: Ruleset, row: MemberSweepRow) -> None:
        self._settings = settings
        self._ruleset = ruleset
        self._before = row.opened
        self._tallies: dict[Key, _Tally] = {}
        self._known: set[tuple[int, Key]] = set()
        self.meant = self.opened = self.held = self.left_out = 0

    @classmethod
    async def begin(cls, tx: Tx, settings: Settings, ruleset: Ruleset, row: MemberSweepRow, page: MembersPage) -> _Step:
        """A step that knows what was found before, of the entries that the sweep is about."""
        step = cls(settings, ruleset, row)
        keys = list({key_of(hit.entry) for member in page.meant for hit in member.hits})
        for found in await store_members.list_named_counts(tx, row.id, keys):
            step._tallies[found.bank, found.entry] = _Tally(found)
        step._known = await store_members.list_known(tx, [member.account_id for member in page.meant])
        return step

    async def look_at(self, tx: Tx, member: MeantMember) -> None:
        """Put a member before the moderators for the entries that are new, as far as there are not too many."""
        hits = [hit for hit in member.hits if key_of(hit.entry) in self._tallies]
        if not hits:
            return
        self.meant += 1
        for hit in hits:
            self._tallies[key_of(hit.entry)].meant += 1
        held = None if member.begun else await note_newcomer(tx, member.account_id, hits)
        if held is not None:
            self.held += held
            return
        fresh = [hit for hit in hits if self._needs_look(member, hit)]
        wanted = [hit for hit in fresh if self._has_room(key_of(hit.entry))]
        for hit in fresh:
            tally = self._tallies[key_of(hit.entry)]
            if hit in wanted:
                tally.opened += 1
            else:
                tally.left_out += 1
        if wanted:
            self.opened += 1
            case_id = await put_before_moderators(tx, self._settings, self._ruleset, member.account_id, wanted)
            await store_members.insert_cases(tx, [key_of(hit.entry) for hit in wanted], member.account_id, case_id)
        elif fresh:
            self.left_out += 1

    def _needs_look(self, member: MeantMember, hit: Hit) -> bool:
        """What only flags comes before the moderators as far as flagged posts do; nobody comes twice for an entry."""
        severity = severity_of(self._ruleset, hit.entry.clause)
        grave = hit.entry.tier != "flag" or severity <= self._ruleset.head.routing.flags_up_to_severity
        return grave and (member.account_id, key_of(hit.entry)) not in self._known

    def _has_room(self, key: Key) -> bool:
        tally = self._tallies[key]
        return tally.before.opened + tally.opened < MOST_OF_ENTRY and self._before + self.opened < MOST_OF_SWEEP

    def counts(self) -> list[EntryCountRow]:
        """What was found for each entry in this step."""
        return [
            EntryCountRow(*key, tally.meant, tally.opened, tally.left_out)
            for key, tally in self._tallies.items()
            if tally.meant
        ]


async def put_before_moderators(
    tx: Tx, settings: Settings, ruleset: Ruleset, account_id: int, hits: Sequence[Hit]
) -> int:
    """Report an account for the entries that mean it, and bring that into its case; returns the case.

    It is not hidden while it waits, however grave the clause: nobody but a list found fault with it.
    """
    account = (await get_account_views(tx, [account_id]))[account_id]
    clause = gravest_clause(ruleset, tuple(hit.entry.clause for hit in hits))
    said = " ".join(explain(hits))
    report_id = await insert_found_report(tx, ME, account_id, [], said, clause, take_evidence(account, [], now()))
    subject = NewSubject(type="account", id=account_id, clause=clause, severity=severity_of(ruleset, clause))
    return await open_case(tx, settings, ME, account_id, [subject], source="automated", report_id=report_id, calm=True)


def explain(hits: Iterable[Hit]) -> list[str]:
    """Why an account comes before the moderators, without its addresses."""
    sentences = [
        f"Its {hit.what} is what the entry {hit.entry.id} of the bank {hit.entry.bank} means ({hit.entry.tier}, rule "
        f"{hit.entry.clause}{f': {hit.entry.title}' if hit.entry.title else ''})."
        for hit in hits
    ]
    return [*sentences, "The account was here before the entry; nothing was done to it."]


# ---- The end ---------------------------------------------------------------------------------------------------------
async def _end(tx: Tx, settings: Settings, sweep_id: int) -> None:
    row = await store_members.get_member_sweep(tx, sweep_id)
    assert row is not None
    await append_event(
        tx, ME, "sweep_completed", sweep=str(sweep_id), scope="members", acted=row.opened, left_out=row.left_out
    )
    if not row.left_out:
        return
    most = [one for one in await store_members.list_most_meant(tx, sweep_id, MOST_NAMED) if one.left_out]
    log.warning("sweep %s over members: %d more are meant than come before the moderators", sweep_id, row.left_out)
    lines = "\n".join(
        f"  {one.entry} of the bank {one.bank}: {one.meant:,} members, {one.opened:,} of them before the moderators"
        for one in most
    )
    text = (
        f"new entries of the banks of sign-up mean {row.meant:,} of {row.members:,} members who are here already.\n"
        f"{row.opened:,} of these came before the moderators as cases. {row.left_out:,} did not: there it stopped, at\n"
        f"{MOST_OF_ENTRY} for one entry, or {MOST_OF_SWEEP} for all new ones. Nothing was done to anybody.\n\n"
        f"{lines}\n\n"
        "An entry that means so many may be too wide: `parley bank remove`. If it is right, look at all of them:\n\n"
        "  parley bank members NAME_OF_THE_ENTRY --limit 10000\n"
        f"  parley sweep status {sweep_id}\n"
    )
    letter = (f"A bank means many members of {settings.name}", text)
    await write_to_staff(tx, settings, letter, roles=("admin", "owner"))
