"""Capturing: what something is at this moment is kept, before anybody changes it, in the transaction that will.

Whoever removes, hides or decides captures first; what was captured does not depend on its author any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound, Unavailable
from parley.kit.jobs import enqueue
from parley.safety.evidence import store
from parley.safety.evidence.content import VERSION, describe_file, encode_evidence, find_files, hash_text
from parley.safety.evidence.gathering import Found, gather_subjects
from parley.safety.evidence.store import FileRow, KeptFileRow, NewSnapshot, SnapshotRow
from parley.safety.evidence.views import EvidenceFile, SnapshotView
from parley.safety.log.actions import append_event, keep_cause
from parley.safety.log.views import Subject, human, system
from parley.social.accounts.views import Viewer
from parley.social.media.for_evidence import FileFacts, list_file_facts
from parley.social.sessions.for_evidence import get_subscriber

ME = system("evidence")
_TRIES = 3


async def capture_evidence(tx: Tx, subject: Subject, *, case_id: int | None, why: str) -> int | None:
    """Keep what `subject` is now; returns the id of its snapshot, None when there is no such thing.

    The same content is the same snapshot. Works for what is held, hidden, removed or deleted by its author too.
    `subject.revision` None is the revision that is shown. Files are copied by a job, from bytes that outlive their
    right to be served by an hour.
    """
    return (await capture_all(tx, [subject], case_id=case_id, why=why)).get(subject)


async def capture_all(
    tx: Tx, subjects: Sequence[Subject], *, case_id: int | None, why: str, hold_id: int | None = None
) -> dict[Subject, int]:
    """The same for many subjects at once, in a fixed number of queries; missing ones are left out."""
    if not subjects:
        return {}
    found = await gather_subjects(tx, list(dict.fromkeys(subjects)))
    if not found:
        return {}
    files = await list_file_facts(tx, list({name for one in found.values() for name in find_files(one.content)}))
    new = {subject: _make_snapshot(subject, one, files) for subject, one in found.items()}
    async with keep_cause(tx):
        await append_event(tx, ME, "evidence_captured", case_id=case_id, why=why, subjects=len(new))
        ids = await _insert(tx, list(new.values()))
        numbers = {subject: ids[snapshot.sha256] for subject, snapshot in new.items()}
        facts = {numbers[subject]: one.facts for subject, one in found.items()}
        await store.insert_captures(tx, facts, case_id=case_id, hold_id=hold_id, why=why, moment=now())
        pairs = [(numbers[subject], name) for subject, one in found.items() for name in find_files(one.content)]
        waiting = await store.insert_snapshot_files(tx, list(dict.fromkeys(pairs))) if pairs else []
    if waiting:
        await enqueue(tx, "keep_evidence_files", {"snapshot_ids": waiting})
    return numbers


async def capture_subscriber(tx: Tx, account_id: int, *, hold_id: int) -> int | None:
    """Keep what is known of a member besides the public account (mail address, sign-ins, devices), for a hold; None for
    an account that is no member's. It is purged with the hold, and goes out only where a disclosure says so."""
    known = await get_subscriber(tx, account_id)
    if known is None:
        return None
    about = {"type": "subscriber", "id": str(account_id), "revision": None}
    content = encode_evidence({"version": VERSION, "subject": about, "subscriber": msgspec.to_builtins(known)})
    digest = hash_text(content)
    async with keep_cause(tx):
        await append_event(tx, ME, "subscriber_captured", hold=str(hold_id))
        new = NewSnapshot(digest, "subscriber", account_id, None, account_id, None, content)
        snapshot_id = (await _insert(tx, [new]))[digest]
        await store.insert_captures(
            tx, {snapshot_id: {}}, case_id=None, hold_id=hold_id, why="legal hold", moment=now()
        )
    return snapshot_id


def _make_snapshot(subject: Subject, one: Found, files: Mapping[str, FileFacts]) -> NewSnapshot:
    named = [describe_file(files[name]) for name in find_files(one.content) if name in files]
    about: dict[str, Any] = {"type": subject.type, "id": str(subject.id), "revision": one.revision}
    content = encode_evidence({"version": VERSION, "subject": about, **one.content, "files": named})
    return NewSnapshot(
        sha256=hash_text(content),
        subject_type=subject.type,
        subject_id=subject.id,
        revision=one.revision,
        account_id=one.account_id,
        conversation_id=one.conversation_id,
        content=content,
    )


async def _insert(tx: Tx, new: Sequence[NewSnapshot]) -> dict[bytes, int]:
    """Ids by hash. A row that is purged at this very moment is stored anew."""
    hashes = list({one.sha256 for one in new})
    for _ in range(_TRIES):
        await store.insert_snapshots(tx, new, now())
        ids = await store.lock_snapshots(tx, hashes)
        if len(ids) == len(hashes):
            return ids
    raise Unavailable(detail="evidence was purged again and again while it was captured")


async def note_evidence_viewed(tx: Tx, viewer: Viewer, case_id: int) -> None:
    """Write down that somebody of the staff looks at the evidence of a case: once for each look, not for each file.

    Raises NotFound for whoever is not staff, and for a case that is not there.
    """
    if not viewer.is_staff or not await store.has_case(tx, case_id):
        raise NotFound
    await append_event(tx, human(viewer), "evidence_viewed", case_id=case_id)


async def get_kept_file(tx: Tx, viewer: Viewer, case_id: int, file: str) -> KeptFileRow:
    """Where the copy of a file of a case is. Whoever calls this has checked that the viewer may see the case.

    Raises NotFound for whoever is not staff, and for what was never copied or is purged.
    """
    row = await store.get_case_file(tx, case_id, file) if viewer.is_staff else None
    if row is None:
        raise NotFound
    return row


async def view_evidence(
    tx: Tx, viewer: Viewer, case_id: int, *, after_id: int = 0, limit: int = 200
) -> list[SnapshotView]:
    """What was captured for a case, in order; that the viewer looked at it goes into the log. Raises NotFound."""
    await note_evidence_viewed(tx, viewer, case_id)
    rows = await store.list_case_snapshots(tx, case_id, after_id, limit)
    files = await store.list_snapshot_files(tx, [row.id for row in rows]) if rows else []
    return [_view_of(row, [file for file in files if file.snapshot_id == row.id]) for row in rows]


def _view_of(row: SnapshotRow, files: Sequence[FileRow]) -> SnapshotView:
    return SnapshotView(
        id=row.id,
        sha256=row.sha256.hex(),
        subject_type=row.subject_type,
        subject_id=row.subject_id,
        revision=row.revision,
        account_id=row.account_id,
        created_at=row.created_at,
        purged_at=row.purged_at,
        content=msgspec.json.decode(row.content) if row.content is not None else None,
        why=row.why,
        captured_at=row.captured_at,
        facts=row.facts,
        files=tuple(
            EvidenceFile(
                id=file.id,
                file=file.file,
                kept=file.kept_as is not None and file.purged_at is None,
                sha256=file.sha256.hex() if file.sha256 else None,
                size_bytes=file.size_bytes,
                error=file.error,
                purged_at=file.purged_at,
            )
            for file in files
        ),
    )
