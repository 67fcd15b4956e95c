"""Jobs of evidence and law. Each may run twice without harm.

They copy files to where no route reads them, capture what is held, end holds, purge what is due, and tell when an
authority waits too long.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any, cast

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.files import scratch_folder
from parley.kit.ids import new_token
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.safety.evidence import store, store_law
from parley.safety.evidence.actions import capture_all, capture_subscriber
from parley.safety.evidence.known_files import purge_known_files
from parley.safety.evidence.retention import purge_due
from parley.safety.evidence.store import WaitingFile
from parley.safety.log.actions import append_event
from parley.safety.log.views import Subject, SubjectType, system
from parley.social.media.evidence_files import is_file_kept
from parley.social.media.reads import save_file
from parley.social.sessions.staff import mail_staff
from parley.social.statuses.for_evidence import list_written_ids

ME = system("evidence")
AT_ONCE = 50
MOST_HOLDS = 10_000
LOST = "The file was gone before it was copied."


async def keep_evidence_files(instance: Instance, payload: dict[str, Any]) -> None:
    """Copy the files of a report or of snapshots into the area that no route serves, named by their content.

    A file that is gone already is noted as such. Payload: `report_id` or `snapshot_ids`.
    """
    report_id = int(payload["report_id"]) if "report_id" in payload else None
    async with instance.db.read() as tx:
        waiting = await store.list_waiting_files(
            tx, report_id=report_id, snapshot_ids=[int(number) for number in payload.get("snapshot_ids", ())]
        )
    for file in await _share_known(instance, waiting):
        await _keep_file(instance, file)


async def _share_known(instance: Instance, waiting: list[WaitingFile]) -> list[WaitingFile]:
    """Use copies that were made of the same files for something else, all at once; returns the files without one."""
    if not waiting:
        return []
    async with instance.db.read() as tx:
        known = await store.list_copies_of_files(tx, [file.file for file in waiting])
    if not known:
        return waiting
    shared: set[int] = set()
    async with instance.db.write() as tx:
        for digest in sorted({copy.sha256 for copy in known.values()}):
            await store.lock_content(tx, digest)
        await append_event(tx, ME, "evidence_files_kept", files=sum(file.file in known for file in waiting))
        for file in waiting:
            copy = known.get(file.file)
            name = await store.get_kept_as(tx, copy.sha256) if copy else None
            if copy is not None and name is not None:
                await store.update_kept_file(tx, file.id, name, copy.sha256, copy.size_bytes)
                shared.add(file.id)
    return [file for file in waiting if file.id not in shared]


async def _settle(tx: Tx, file: WaitingFile, digest: bytes, size: int, own: str) -> None:
    """Note the copy with this content that is kept already, or else `own`."""
    await store.lock_content(tx, digest)
    name = await store.get_kept_as(tx, digest) or own
    await append_event(tx, ME, "evidence_files_kept", files=1)
    await store.update_kept_file(tx, file.id, name, digest, size)
    if name != own:
        await enqueue(tx, "delete_evidence_copies", {"names": [own]})


async def _keep_file(instance: Instance, file: WaitingFile) -> None:
    with tempfile.TemporaryDirectory(prefix="evidence-", dir=scratch_folder(instance.settings)) as folder:
        path = Path(folder) / "copy"
        try:
            await save_file(instance, file.file, path)
        except NotFound:
            async with instance.db.write() as tx:
                await append_event(tx, ME, "evidence_file_lost", file=str(file.id))
                await store.update_lost_file(tx, file.id, LOST)
            return
        digest = await asyncio.to_thread(_sha256_of, path)
        # Each writing has a name of its own, so that deleting one never takes another's bytes.
        name = f"{digest.hex()[:2]}/{digest.hex()}-{new_token(64)}{PurePosixPath(file.file).suffix}"
        await instance.files.evidence.put(name, path)
        async with instance.db.write() as tx:
            await _settle(tx, file, digest, path.stat().st_size, name)


async def delete_evidence_copies(instance: Instance, payload: dict[str, Any]) -> None:
    """Delete copies (`names`) that no row speaks of any more."""
    for name in payload["names"]:
        async with instance.db.read() as tx:
            wanted = await store.has_copy(tx, name) or await is_file_kept(tx, name)
        if not wanted:
            await instance.files.evidence.delete(name)


# ---- Holds and what is due -------------------------------------------------------------------------------------------
async def capture_held(instance: Instance, payload: dict[str, Any]) -> None:
    """Capture all that a hold (`hold_id`) covers, or what came since it was last captured. A few at a time."""
    hold_id = int(payload["hold_id"])
    async with instance.db.read() as tx:
        if not await store_law.list_holds(tx, hold_id=hold_id, ended=False):
            return
        held = [one for _, one in await store_law.list_held(tx, [hold_id])]
    subjects: list[Subject] = []
    for one in held:
        if one.type == "case":
            async with instance.db.read() as tx:
                rows = await store_law.list_case_subjects(tx, one.id)
            subjects += [Subject(cast(SubjectType, row[0]), row[1], row[2]) for row in rows]
        else:
            subjects.append(Subject(one.type, one.id))
    for start in range(0, len(subjects), AT_ONCE):
        await _capture(instance, hold_id, subjects[start : start + AT_ONCE])
    async with instance.db.read() as tx:
        people = await store_law.list_held_people(tx, hold_id)
    for account_id in people:
        async with instance.db.write() as tx:
            await capture_subscriber(tx, account_id, hold_id=hold_id)
    for one in held:
        if one.type == "account":
            await _capture_account(instance, hold_id, one.id)


async def _capture(instance: Instance, hold_id: int, subjects: list[Subject]) -> None:
    async with instance.db.write() as tx:
        await capture_all(tx, subjects, case_id=None, why="legal hold", hold_id=hold_id)


async def _capture_account(instance: Instance, hold_id: int, account_id: int) -> None:
    async with instance.db.read() as tx:
        above = await store_law.get_held_up_to(tx, hold_id, account_id)
    while True:
        async with instance.db.read() as tx:
            ids = await list_written_ids(tx, account_id, after_id=above, limit=AT_ONCE)
        if ids:
            await _capture(instance, hold_id, [Subject("status", status_id) for status_id in ids])
        if len(ids) < AT_ONCE:
            return
        above = ids[-1]


async def capture_all_held(instance: Instance, payload: dict[str, Any]) -> None:
    """Daily: capture what came in the meantime of everything that is under a hold."""
    async with instance.db.write() as tx:
        for hold in await store_law.list_holds(tx, ended=False, limit=MOST_HOLDS):
            await enqueue(tx, "capture_held", {"hold_id": hold.id})


async def end_legal_holds(instance: Instance, payload: dict[str, Any]) -> None:
    """Hourly: holds whose time is over end, and what was due meanwhile is purged."""
    moment = now()
    async with instance.db.write() as tx:
        ids = await store_law.list_ending_holds(tx, moment)
        for hold_id in ids:
            await append_event(tx, ME, "legal_hold_expired", hold=str(hold_id))
            await store_law.update_hold_ended(tx, hold_id, "expired", None, moment)
        if ids:
            await enqueue(tx, "purge_evidence", {})


async def purge_evidence(instance: Instance, payload: dict[str, Any]) -> None:
    """Daily, and when a hold ends: forget what nobody needs any more."""
    await purge_due(instance.db)
    await purge_known_files(instance.db)


async def note_overdue_requests(instance: Instance, payload: dict[str, Any]) -> None:
    """Every minute: note and tell those who run the instance that an authority has waited too long."""
    moment = now()
    async with instance.db.write() as tx:
        late = await store_law.list_overdue_requests(tx, moment)
        for request_id, kind, _ in late:
            await append_event(tx, ME, "legal_request_overdue", request=str(request_id), kind=kind)
            await store_law.update_overdue(tx, request_id, moment)
        if late:
            await enqueue(tx, "mail_overdue_requests", {"ids": [request_id for request_id, _, _ in late]})


async def mail_overdue_requests(instance: Instance, payload: dict[str, Any]) -> None:
    """Mail those who run the instance about requests (`ids`) that are overdue and still open."""
    settings, waiting = instance.settings, []
    async with instance.db.read() as tx:
        for request_id in payload["ids"]:
            waiting += await store_law.list_requests(tx, request_id=int(request_id), ended=False)
    if not waiting:
        return
    lines = "\n".join(
        f"  {one.kind.replace('_', ' ')} of {one.authority}, due {one.due_at:%Y-%m-%d %H:%M} UTC" for one in waiting
    )
    text = f"What authorities asked for is overdue:\n\n{lines}\n\n  {settings.base_url}/desk/legal\n"
    await mail_staff(instance, (f"An authority waits for {settings.name}", text), roles=("admin", "owner"))


def _sha256_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
