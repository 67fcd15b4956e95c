"""The tables of sweeps over members: how far each is, the entries that it is about, who came before the moderators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx

Key = tuple[str, str]
"""A bank and the id of an entry of it."""

LOCK_PLANNING = """SELECT pg_advisory_xact_lock(hashtextextended('sweeps over members', 0))"""


async def lock_planning(tx: Tx) -> None:
    """Let one transaction at a time find out which entries are new."""
    await tx.execute(LOCK_PLANNING)


class MemberSweepRow(msgspec.Struct, frozen=True):
    """One sweep over members."""

    id: int
    ruleset: str
    entries: int
    members: int
    until_id: int
    cursor: int
    looked: int
    meant: int
    opened: int
    held: int
    left_out: int
    planned_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


GET_SWEEP = """
    SELECT id, ruleset, entries, members, until_id, cursor, looked, meant, opened, held, left_out, planned_at,
        started_at, ended_at
    FROM member_sweeps WHERE id = $1
"""
LOCK_SWEEP = """SELECT id FROM member_sweeps WHERE id = $1 FOR UPDATE"""
LIST_SWEEPS = """
    SELECT id, ruleset, entries, members, until_id, cursor, looked, meant, opened, held, left_out, planned_at,
        started_at, ended_at
    FROM member_sweeps WHERE $2 = false OR ended_at IS NULL ORDER BY id DESC LIMIT $1
"""


async def get_member_sweep(tx: Tx, sweep_id: int) -> MemberSweepRow | None:
    """One sweep over members."""
    row = await tx.fetchrow(GET_SWEEP, sweep_id)
    return MemberSweepRow(*row) if row else None


async def get_locked_member_sweep(tx: Tx, sweep_id: int) -> MemberSweepRow | None:
    """The same, locked until the transaction ends."""
    await tx.execute(LOCK_SWEEP, sweep_id)
    return await get_member_sweep(tx, sweep_id)


async def list_member_sweeps(tx: Tx, limit: int, *, only_open: bool = False) -> list[MemberSweepRow]:
    """Sweeps over members, the newest first."""
    return [MemberSweepRow(*row) for row in await tx.fetch(LIST_SWEEPS, limit, only_open)]


GET_JOINABLE = """
    SELECT id FROM member_sweeps WHERE started_at IS NULL AND ended_at IS NULL ORDER BY id LIMIT 1 FOR UPDATE
"""


async def get_joinable(tx: Tx) -> int | None:
    """A sweep that has not begun yet, locked."""
    found: int | None = await tx.fetchval(GET_JOINABLE)
    return found


UPSERT_SWEEP = """
    INSERT INTO member_sweeps (id, ruleset, entries, members, until_id) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id) DO UPDATE SET ruleset = excluded.ruleset, members = excluded.members,
        until_id = excluded.until_id, entries = member_sweeps.entries + excluded.entries
"""


async def upsert_sweep(tx: Tx, sweep_id: int, ruleset: str, entries: int, members: int, until_id: int) -> None:
    """Plan a sweep about so many entries, or let one that has not begun be about so many more."""
    await tx.execute(UPSERT_SWEEP, sweep_id, ruleset, entries, members, until_id)


LIST_ENTRIES = """SELECT bank, entry, digest FROM member_sweep_entries"""


async def list_entries(tx: Tx) -> dict[Key, bytes]:
    """The entries whose like was looked for, or is: what each looks for."""
    return {(row[0], row[1]): row[2] for row in await tx.fetch(LIST_ENTRIES)}


UPSERT_ENTRIES = """
    INSERT INTO member_sweep_entries (bank, entry, digest, sweep_id)
    SELECT named.bank, named.entry, named.digest, $4
    FROM unnest($1::text[], $2::text[], $3::bytea[]) AS named (bank, entry, digest)
    ON CONFLICT (bank, entry) DO UPDATE
        SET digest = excluded.digest, sweep_id = excluded.sweep_id, meant = 0, opened = 0, left_out = 0
"""


async def upsert_entries(tx: Tx, entries: Sequence[tuple[Key, bytes]], sweep_id: int | None) -> None:
    """These are what the sweep is about from now on; None: nobody was here whom they could mean."""
    banks, names = [key[0] for key, _ in entries], [key[1] for key, _ in entries]
    await tx.execute(UPSERT_ENTRIES, banks, names, [digest for _, digest in entries], sweep_id)


DELETE_ENTRIES = """
    DELETE FROM member_sweep_entries e USING unnest($1::text[], $2::text[]) AS named (bank, entry)
    WHERE (e.bank, e.entry) = (named.bank, named.entry)
"""


async def delete_entries(tx: Tx, keys: Sequence[Key]) -> None:
    """These are not live any more: nothing of them is looked for, and if they come back, they are new."""
    await tx.execute(DELETE_ENTRIES, [key[0] for key in keys], [key[1] for key in keys])


class EntryCountRow(msgspec.Struct, frozen=True):
    """What a sweep found for one of its entries: members whom it means, and of these, who came before the moderators
    and who did not because there were too many."""

    bank: str
    entry: str
    meant: int
    opened: int
    left_out: int


LIST_NAMED_COUNTS = """
    SELECT e.bank, e.entry, e.meant, e.opened, e.left_out
    FROM member_sweep_entries e
    JOIN unnest($2::text[], $3::text[]) AS named (bank, entry) ON (e.bank, e.entry) = (named.bank, named.entry)
    WHERE e.sweep_id = $1
"""
LIST_MOST_MEANT = """
    SELECT bank, entry, meant, opened, left_out FROM member_sweep_entries
    WHERE sweep_id = $1 AND meant > 0 ORDER BY left_out DESC, meant DESC, bank, entry LIMIT $2
"""


async def list_named_counts(tx: Tx, sweep_id: int, keys: Sequence[Key]) -> list[EntryCountRow]:
    """Those of these entries that the sweep is about, with what it has found so far."""
    values = ([key[0] for key in keys], [key[1] for key in keys])
    return [EntryCountRow(*row) for row in await tx.fetch(LIST_NAMED_COUNTS, sweep_id, *values)]


async def list_most_meant(tx: Tx, sweep_id: int, limit: int) -> list[EntryCountRow]:
    """The entries of a sweep that mean somebody: first those that mean too many, then those that mean most."""
    return [EntryCountRow(*row) for row in await tx.fetch(LIST_MOST_MEANT, sweep_id, limit)]


UPDATE_COUNTS = """
    UPDATE member_sweep_entries e
    SET meant = e.meant + named.meant, opened = e.opened + named.opened, left_out = e.left_out + named.left_out
    FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
        AS named (bank, entry, meant, opened, left_out)
    WHERE (e.bank, e.entry) = (named.bank, named.entry) AND e.sweep_id = $1
"""


async def update_counts(tx: Tx, sweep_id: int, more: Sequence[EntryCountRow]) -> None:
    """So many more were found for each of these entries."""
    columns = [[getattr(one, name) for one in more] for name in EntryCountRow.__struct_fields__]
    await tx.execute(UPDATE_COUNTS, sweep_id, *columns)


INSERT_CASES = """
    INSERT INTO member_sweep_cases (bank, entry, account_id, case_id)
    SELECT named.bank, named.entry, $3, $4 FROM unnest($1::text[], $2::text[]) AS named (bank, entry)
"""
LIST_KNOWN = """
    SELECT c.account_id, c.bank, c.entry FROM member_sweep_cases c WHERE c.account_id = ANY($1::bigint[])
"""


async def insert_cases(tx: Tx, keys: Sequence[Key], account_id: int, case_id: int) -> None:
    """An account came before the moderators for these entries."""
    await tx.execute(INSERT_CASES, [key[0] for key in keys], [key[1] for key in keys], account_id, case_id)


async def list_known(tx: Tx, account_ids: Sequence[int]) -> set[tuple[int, Key]]:
    """For which entries these accounts came before the moderators already, by whatever sweep."""
    return {(row[0], (row[1], row[2])) for row in await tx.fetch(LIST_KNOWN, list(account_ids))}


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What a step of a sweep did: everybody up to `cursor` has been looked at, and so many more were found."""

    cursor: int
    looked: int
    meant: int
    opened: int
    held: int
    left_out: int
    ended: bool


UPDATE_BEGUN = """
    UPDATE member_sweeps SET members = $2, until_id = $3, started_at = now() WHERE id = $1
"""


async def update_begun(tx: Tx, sweep_id: int, members: int, until_id: int) -> None:
    """A sweep begins, with those who are here now."""
    await tx.execute(UPDATE_BEGUN, sweep_id, members, until_id)


UPDATE_SWEEP = """
    UPDATE member_sweeps SET cursor = $2, looked = looked + $3, meant = meant + $4, opened = opened + $5,
        held = held + $6, left_out = left_out + $7, ended_at = CASE WHEN $8 THEN now() END
    WHERE id = $1
"""


async def update_sweep(tx: Tx, sweep_id: int, step: Progress) -> None:
    """A step was done."""
    await tx.execute(UPDATE_SWEEP, sweep_id, *msgspec.structs.astuple(step))
