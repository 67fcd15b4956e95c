"""Changing the banks of this instance: entries are added, removed and replaced, all of a change or nothing of it.

Every change makes a new ruleset, which all processes take up at once, and is recorded. This file must not know the
formats of other programs' lists (`formats.py` does).
"""

from __future__ import annotations

from collections.abc import Sequence

from parley import screening
from parley.kit.db import Tx
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.settings import Settings
from parley.screening.banks import parent_domains
from parley.screening.extending import BANKS, BankItem, normalise_item
from parley.social.events.actions import record
from parley.social.events.facts import BankChanged
from parley.social.policies import store, store_banks
from parley.social.policies.drafts import IN_PART, MOST_SAMPLES, keep_draft, most_alone, record_alone
from parley.social.policies.live import announce_ruleset, load_version
from parley.social.policies.views import EntryView, ImportCounts, NewEntry, Staff

MOST_ENTRIES = 500_000
MOST_PHRASES = 5_000
"""Each phrase is compiled in every process whenever the banks change."""


async def add_entry(tx: Tx, staff: Staff, new: NewEntry, settings: Settings) -> int:
    """Add one entry; it judges as soon as `tx` commits. Returns the banks' revision.

    Raises Forbidden, Invalid with a sentence, and Conflict when the name is taken.
    """
    item = _normalised(new.item, settings)
    if await _find(tx, item.bank, item.name):
        raise Conflict(f"{item.bank} has an entry named {item.name!r}. Remove it first, or give another name.")
    return await _change(tx, staff, f"added {item.bank} {item.name}", [_with(new, item)], {})


async def remove_entry(tx: Tx, staff: Staff, bank: str, name: str) -> int:
    """Take one entry out of its bank. It is kept for the record. Raises NotFound."""
    if not await _find(tx, bank, name):
        raise NotFound(f"{bank} has no entry named {name!r}. `parley bank list` shows them.")
    return await _change(tx, staff, f"removed {bank} {name}", [], {bank: [name]})


async def import_entries(
    tx: Tx,
    staff: Staff,
    bank: str,
    entries: Sequence[NewEntry],
    settings: Settings,
    *,
    source: str,
    replace: bool = False,
    dry: bool = False,
    confirmed: bool = False,
) -> ImportCounts:
    """Bring a list of entries into a bank: what is new is added, what differs is replaced.

    `replace` also removes entries of the same source that the list no longer has. `dry` only counts. Either all of it
    happens or nothing; a list that is too large for one person waits until a second one has `confirmed` it. Raises
    Invalid with the first entries that are wrong.
    """
    wanted: dict[str, NewEntry] = {}
    problems: list[str] = []
    for new in entries:
        try:
            item = _normalised(new.item, settings)
        except Invalid as error:
            problems.append(error.text)
            continue
        wanted[item.name] = _with(new, item)
    if problems:
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise Invalid("Nothing was imported:\n" + "\n".join(f"  {text}" for text in problems[:20]) + more)
    await store.get_lock(tx)
    known = {row.item.name: row for row in await store_banks.list_entries(tx, bank=bank)}
    added = [new for name, new in wanted.items() if name not in known]
    changed = [new for name, new in wanted.items() if name in known and not _same(new, known[name])]
    gone = [name for name, row in known.items() if replace and row.source == source and name not in wanted]
    revision = draft = None
    size = len(added) + len(changed) + len(gone)
    needs_second = size > most_alone()
    if not dry and needs_second and settings.four_eyes and not confirmed:
        lines = [f"taken out: {name}" for name in gone[: MOST_SAMPLES // 2]] + _say([*added, *changed])
        draft = await _keep(tx, staff, bank, list(wanted.values()), lines, source, size, replace=replace)
    elif not dry and size:
        if needs_second and not confirmed:
            await record_alone(tx, staff, bank, size)
        names = [new.item.name for new in changed] + gone
        revision = await _change(tx, staff, f"imported {source}", [*added, *changed], {bank: names})
    return ImportCounts(
        rows=len(entries),
        added=len(added),
        changed=len(changed),
        unchanged=len(wanted) - len(added) - len(changed),
        removed=len(gone),
        revision=revision,
        needs_second=needs_second,
        draft=draft,
    )


async def _keep(
    tx: Tx,
    staff: Staff,
    bank: str,
    entries: Sequence[NewEntry],
    samples: Sequence[str],
    source: str,
    size: int,
    *,
    replace: bool,
) -> int:
    """Keep a list until a second person has looked at it: all of it, for with `replace` what it lacks counts too."""
    if not staff.is_staff:
        raise Forbidden("Only moderators, admins and owners change banks.")
    kept = await keep_draft(tx, staff, "entries", bank, source=source, replace=replace)
    for start in range(0, max(len(entries), 1), IN_PART):
        await kept.add(tx, entries[start : start + IN_PART], samples if start == 0 else ())
    await kept.wait(tx, staff, size)
    return kept.id


def _say(entries: Sequence[NewEntry]) -> list[str]:
    return [
        f"{one.item.name}: {one.item.tier}, rule {one.item.clause}{f' - {one.item.title}' if one.item.title else ''}"
        for one in entries[:MOST_SAMPLES]
    ]


def _normalised(item: BankItem, settings: Settings) -> BankItem:
    if not item.name.strip() or len(item.name) > 300 or not item.name.isprintable():
        raise Invalid("An entry needs a name of at most 300 printable characters.")
    try:
        normal = normalise_item(item, screening.live_ruleset())
    except ValueError as error:
        raise Invalid(f"{item.name}: {error}") from None
    if item.bank in ("links", "emails") and not set(parent_domains(_host(settings))).isdisjoint(normal.items):
        raise Invalid(f"{item.name}: that is this instance's own domain.")
    return normal


def _host(settings: Settings) -> str:
    return settings.local_domain.rsplit(":", 1)[0]


def _with(new: NewEntry, item: BankItem) -> NewEntry:
    return NewEntry(item=item, note=new.note[:2000], source=new.source[:200], extra=new.extra)


def _same(new: NewEntry, row: EntryView) -> bool:
    return (new.item, new.note, new.source, new.extra) == (row.item, row.note, row.source, row.extra)


async def _find(tx: Tx, bank: str, name: str) -> bool:
    if bank not in BANKS:
        raise Invalid(f"{bank!r} is no bank. Banks: {', '.join(BANKS)}.")
    return await store_banks.has_entry(tx, bank, name)


async def _change(tx: Tx, staff: Staff, what: str, added: Sequence[NewEntry], removed: dict[str, list[str]]) -> int:
    if not staff.is_staff:
        raise Forbidden("Only moderators, admins and owners change banks.")
    await store.get_lock(tx)
    by = (staff.account_id, staff.username)
    count = sum(map(len, removed.values()))
    change_id = await store_banks.insert_change(tx, by, what, added=len(added), removed=count)
    for bank, names in removed.items():
        await store_banks.update_removed(tx, bank, names, change_id)
    await store_banks.insert_entries(tx, added, staff.account_id, change_id)
    await _check_size(tx)
    live = await store.get_live(tx)
    if live.policy_sha256 is None:
        raise Conflict("This instance has not started yet: run `parley up` once, then change banks.")
    old = await load_version(tx, live.policy_sha256, revision=change_id - 1)
    new = await load_version(tx, live.policy_sha256, revision=change_id)
    await record(tx, BankChanged(account_id=staff.account_id, change_id=change_id, added=len(added), removed=count))
    if new.sha256 != old.sha256:
        names = [f"{entry.item.bank}:own:{entry.item.name}" for entry in added[:100]]
        await announce_ruleset(
            tx, staff.account_id, new, change_id, what="bank", previous=old.sha256, changed=tuple(names)
        )
    return change_id


async def _check_size(tx: Tx) -> None:
    counts = await store_banks.count_entries(tx)
    if sum(count for *_, count in counts) > MOST_ENTRIES:
        raise Invalid(f"The banks would hold more than {MOST_ENTRIES:,} entries. Remove some first.")
    if await store_banks.count_phrases(tx) > MOST_PHRASES:
        raise Invalid(f"The word bank would hold more than {MOST_PHRASES:,} phrases. Remove some first.")
