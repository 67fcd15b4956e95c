"""Checking the log: the chain, the rows that follow from it, and every head that was signed. Changes nothing.

Everything is read in one snapshot of the database, as a stream: a million entries take as much memory as ten thousand.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from parley.kit.db import Database, Tx
from parley.kit.merkle import Tree
from parley.kit.signing import fingerprint_of, is_signed_by
from parley.safety.log import store_chain
from parley.safety.log.store_chain import CheckpointRow, Head
from parley.safety.log.store_fold import BadChange, Fold, steady
from parley.safety.log.views import AuditReport, Problem, SignedHead

MOST_PROBLEMS = 20
NO_END = 2**62

Progress = Callable[[int, int], None]
"""Told how many entries were checked, of how many."""


class _Body(msgspec.Struct):
    """What every entry says of itself."""

    type: str
    actor: dict[str, Any] | None = None
    case_id: str | None = None
    subject: dict[str, Any] | None = None
    table: str | None = None
    id: str | None = None
    op: str | None = None
    row: dict[str, Any] | None = None


_read_body = msgspec.json.Decoder(_Body).decode


def link_hash(previous: bytes, seq: int, entry_id: int, body: str) -> bytes:
    """The hash of an entry: SHA-256 of the one before, its number, its id and its body."""
    return hashlib.sha256(previous + f"{seq}\n{entry_id}\n{body}".encode()).digest()


class Audit:
    """One run of the check. What is wrong is gathered in `problems`, the first first."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.found = 0
        self.fold = Fold()
        self.tree = Tree()
        self.last = Head(0, b"")
        self.entries = 0
        self.heads: dict[int, list[SignedHead]] = {}
        self.rows: dict[str, int] = {}

    def say(self, kind: str, where: str, text: str) -> None:
        """Note something that is wrong."""
        self.found += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(kind, where, text))

    def check_entry(self, row: Sequence[Any]) -> None:
        """Check one entry against the one before, and let it take effect."""
        seq, entry_id, previous, stored, body = row[:5]
        if seq is None:
            self.say("unchained", f"entry id {entry_id}", "it has no place in the chain: it was put there past it")
            return
        where = f"entry {seq}"
        self.entries += 1
        if seq != self.last.seq + 1:
            self.say("missing_entry", where, f"it follows entry {self.last.seq}: what was between them is gone")
        elif previous != self.last.hash:
            self.say("broken_link", where, f"it does not follow entry {self.last.seq} as that is now")
        if link_hash(bytes(previous or b""), seq, entry_id, body) != stored:
            self.say("changed_entry", where, "its hash is not that of what it says: it was changed")
        self.last = Head(seq, bytes(stored or b""))
        self.tree.add(self.last.hash)
        for head in self.heads.pop(seq, ()):
            if head.hash != self.last.hash or (head.root and head.root != self.tree.root):
                self.say("rewritten", where, "it is not what was signed for this place: the log was written anew")
        try:
            said = _read_body(body)
        except (msgspec.DecodeError, msgspec.ValidationError):
            self.say("changed_entry", where, "it cannot be read")
            return
        if said.type == "row_changed" and said.table is not None:
            self._fold(where, said, row)
        elif not _is_told_truly(said, row):
            self.say("changed_entry", where, "the columns beside it do not say what it says")

    def _fold(self, where: str, said: _Body, row: Sequence[Any]) -> None:
        if (row[5], row[8], row[10]) != ("row_changed", None, None):
            self.say("changed_entry", where, "the columns beside it do not say what it says")
        try:
            self.fold.apply(said.table or "", int(said.id or 0), said.op or "", said.row or {})
        except BadChange as error:
            self.say("row", where, f"{error}")

    def check_row(self, table: str, row_id: int, contents: dict[str, Any]) -> None:
        """Check one row against what the log makes of it."""
        made = self.fold.get(table, row_id)
        if made is None:
            self.say("unknown_row", f"{table} {row_id}", "the log knows no such row")
        elif (there := steady(contents, contents)) != (meant := steady(made, contents)):
            names = sorted(name for name in there.keys() | meant.keys() if there.get(name) != meant.get(name))
            self.say("changed_row", f"{table} {row_id}", f"it is not what the log makes it: {', '.join(names)}")

    def check_missing(self, table: str, ids: set[int]) -> None:
        """Find what the log made and the table lacks; `ids` are those that the table has."""
        for row_id, _ in self.fold.rows(table):
            if row_id not in ids:
                self.say("missing_row", f"{table} {row_id}", "the log made this row, and it is gone")


def _is_told_truly(said: _Body, row: Sequence[Any]) -> bool:
    kind, actor_type, actor_id, case_id, subject_type, subject_id = row[5:11]
    actor, subject = said.actor or {}, said.subject or {}
    return (
        said.type == kind
        and actor.get("type") == actor_type
        and actor.get("id") == actor_id
        and (said.case_id or None) == (str(case_id) if case_id is not None else None)
        and subject.get("type") == subject_type
        and subject.get("id") == (str(subject_id) if subject_id is not None else None)
    )


async def verify_log(
    db: Database,
    *,
    known_keys: Sequence[str] = (),
    against: Sequence[SignedHead] = (),
    progress: Progress | None = None,
) -> AuditReport:
    """Check everything, in one snapshot of the database.

    `known_keys` are fingerprints of keys that may have signed heads (none: any key may have); `against` are heads that
    were got earlier, from the instance's page or a copy of it, and kept elsewhere.
    """
    async with db.read() as tx, tx.transaction(isolation="repeatable_read", readonly=True):
        return await verify_within(tx, known_keys=known_keys, against=against, progress=progress)


async def verify_within(
    tx: Tx,
    *,
    known_keys: Sequence[str] = (),
    against: Sequence[SignedHead] = (),
    progress: Progress | None = None,
) -> AuditReport:
    """The same inside of a transaction."""
    audit, began = Audit(), time.perf_counter()
    try:
        total = await store_chain.count_entries(tx) if progress else 0
        checkpoints = await store_chain.list_checkpoints(tx, NO_END, NO_END)
        for head in reversed(checkpoints):
            _check_signature(audit, head, known_keys)
        for one in [*map(_head_of, reversed(checkpoints)), *against]:
            audit.heads.setdefault(one.seq, []).append(one)
        async for rows in store_chain.list_chain(tx):
            for row in rows:
                audit.check_entry(row)
            if progress:
                progress(audit.entries, total)
        for seq in sorted(audit.heads):
            audit.say("truncated", f"entry {seq}", "it was signed as the head once, and is not there any more")
        head_now = await store_chain.get_head(tx)
        if head_now != audit.last:
            audit.say("truncated", f"entry {head_now.seq}", f"the chain ends with {audit.last.seq}; its head says else")
        await _check_rows(tx, audit)
        seconds = time.perf_counter() - began
        return AuditReport(
            entries=audit.entries,
            head_seq=audit.last.seq,
            head_hash=audit.last.hash.hex(),
            root=audit.tree.root.hex(),
            tables=audit.rows,
            rows=sum(audit.rows.values()),
            checkpoints=len(checkpoints),
            keys=tuple(dict.fromkeys(fingerprint_of(one.public_key) for one in checkpoints)),
            found=audit.found,
            problems=tuple(audit.problems),
            seconds=seconds,
            entries_per_second=audit.entries / seconds if seconds else 0.0,
        )
    finally:
        audit.fold.close()


def _head_of(row: CheckpointRow) -> SignedHead:
    return SignedHead(row.seq, row.hash, row.root)


def _check_signature(audit: Audit, head: CheckpointRow, known_keys: Sequence[str]) -> None:
    where = f"checkpoint {head.seq}"
    if not is_signed_by(head.public_key, head.signature, head.signed.encode()):
        audit.say("signature", where, "its signature is not of what it says")
        return
    if known_keys and fingerprint_of(head.public_key) not in known_keys:
        audit.say("signature", where, f"it was signed with a key that is not ours: {fingerprint_of(head.public_key)}")
    try:
        signed = msgspec.json.decode(head.signed)
    except msgspec.DecodeError:
        signed = {}
    if (signed.get("seq"), signed.get("hash"), signed.get("root")) != (head.seq, head.hash.hex(), head.root.hex()):
        audit.say("signature", where, "the row beside the signature does not say what was signed")


async def _check_rows(tx: Tx, audit: Audit) -> None:
    made = set(audit.fold.tables())
    for table, switched_off in await store_chain.list_logged_tables(tx):
        if switched_off:
            audit.say("trigger", table, "its changes are not logged any more: somebody switched its trigger off")
        count = 0
        async for rows in store_chain.list_rows(tx, table):
            for row_id, contents in rows:
                audit.check_row(table, row_id, contents)
            count += len(rows)
        audit.rows[table] = count
        if count != audit.fold.count(table):
            ids = {row[0] async for rows in store_chain.list_rows(tx, table) for row in rows}
            audit.check_missing(table, ids)
        made.discard(table)
    for table in made:
        if table not in audit.rows:
            audit.say("trigger", table, "the log speaks of this table, which is logged no more")
