"""Evidence packages: a zip that a host, a court or NCMEC can check by itself, and whose making is on record.

What is packed is captured first as it is now, and the head of the log is signed, so that a package is never behind. The
file's own hash goes into the log (and on the disclosure that it answers). Handing out to others takes an approved
disclosure; those who run the instance may pack without one, for their own lawyers.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast

import msgspec

from parley.kit.clock import iso, now
from parley.kit.db import Tx
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.kit.files import scratch_folder
from parley.kit.instance import Instance
from parley.kit.merkle import Prover
from parley.kit.signing import fingerprint_of, public_key_of, sign
from parley.safety.evidence import store, store_law, store_pack
from parley.safety.evidence.actions import capture_all
from parley.safety.evidence.cybertip import draft_report
from parley.safety.evidence.holding import need_operator, need_staff
from parley.safety.evidence.jobs import keep_evidence_files
from parley.safety.evidence.law_views import DisclosureView, Held, NewPackage, Packable, Packed
from parley.safety.evidence.report import README, render_report, texts_of
from parley.safety.evidence.requests import get_disclosure, note_disclosure_sent
from parley.safety.evidence.store import FileRow
from parley.safety.evidence.store_pack import Entry, PackedSnapshot
from parley.safety.evidence.zipping import Package
from parley.safety.log import store_chain
from parley.safety.log.actions import append_event
from parley.safety.log.checkpoints import make_checkpoint
from parley.safety.log.exporting import VERIFIER, verifier_file
from parley.safety.log.views import CheckpointView, Subject, SubjectType, human
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import AccountView, Viewer
from parley.social.sessions.for_evidence import Subscriber, get_subscriber
from parley.social.statuses.for_evidence import list_written_ids

FORMAT = 2
AT_ONCE = 50
PAGE = 200
HOST_ACTORS = ("system", "rule", "provider")
COURT_ACTORS = (*HOST_ACTORS, "human")
"""Whose entries about a case are handed out. What reporters did is in no package: they are named to nobody."""

_pretty = msgspec.json.Encoder(order="sorted")


class _Found(msgspec.Struct):
    """What a package is made of."""

    new: NewPackage
    disclosure: DisclosureView | None
    case_id: int | None
    account: AccountView
    subscriber: Subscriber | None = None
    snapshots: list[dict[str, Any]] = []
    urls: list[str] = []
    snapshot_ids: list[int] = []
    file_ids: list[int] = []
    listed: list[Packable] = []
    kept: int = 0
    missing: int = 0
    entries: int = 0


async def pack_evidence(instance: Instance, viewer: Viewer, new: NewPackage, target: Path) -> Packed:
    """Write a package to `target`. Raises NotFound, Forbidden, Invalid."""
    found = await _check(instance, viewer, new)
    await _capture_now(instance, found)
    head = await make_checkpoint(instance.db, instance.settings)
    if head is None:
        raise Invalid("There is nothing in the log yet, so there is nothing to pack.")
    draft = target.with_name(f".{target.name}.part")
    try:
        package = Package(draft)
        try:
            await _write(instance, found, head, package)
        finally:
            package.close()
        digest, size = await asyncio.to_thread(_hash_of, draft), draft.stat().st_size
        await _note(instance, viewer, found, digest, size)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return Packed(
        sha256=digest.hex(),
        size_bytes=size,
        snapshots=len(found.snapshots),
        files=found.kept,
        missing=found.missing,
        entries=found.entries,
        key_fingerprint=fingerprint_of(public_key_of(instance.settings)),
    )


async def _check(instance: Instance, viewer: Viewer, new: NewPackage) -> _Found:
    """Who may have what. Raises NotFound, Forbidden, Invalid."""
    need_staff(viewer)
    if sum(one is not None for one in (new.case_id, new.account_id, new.disclosure_id)) != 1:
        raise Invalid("Say what is to be packed: one case, one account, or one disclosure.")
    async with instance.db.read() as tx:
        disclosure, case_id, account_id = None, new.case_id, new.account_id
        if new.disclosure_id is not None:
            disclosure = await get_disclosure(tx, viewer, new.disclosure_id)
            if disclosure.state != "approved":
                raise Forbidden("This disclosure is not approved (any more): somebody else has to let it go first.")
            if viewer.account_id != disclosure.proposed_by:
                need_operator(viewer, "fetch a disclosure that somebody else proposed")
            if new.audience != "host" and disclosure.request_id is None:
                need_operator(viewer, "pack for a court or NCMEC what no request on record asks for")
            case_id, account_id = disclosure.case_id, disclosure.account_id
        else:
            need_operator(viewer, "pack evidence without a disclosure")
        if case_id is not None and account_id is None:
            account_id = await store_pack.get_case_account(tx, case_id)
            if account_id is None:
                raise NotFound(f"There is no case {case_id}.")
        if account_id is None or await store_law.list_unknown_held(tx, [Held("account", account_id)]):
            raise NotFound(f"There is no account {account_id}.")
        account = (await get_account_views(tx, [account_id]))[account_id]
        subscriber = await get_subscriber(tx, account_id) if disclosure and disclosure.subscriber else None
    return _Found(new, disclosure, case_id, account, subscriber)


async def _capture_now(instance: Instance, found: _Found) -> None:
    """Capture what it is about as it is now, and copy files that were not copied yet."""
    subjects = [Subject("account", found.account.id), Subject("profile", found.account.id)]
    if found.case_id is not None:
        async with instance.db.read() as tx:
            rows = await store_law.list_case_subjects(tx, found.case_id)
        subjects = [Subject(cast(SubjectType, row[0]), row[1], row[2]) for row in rows]
    await _capture(instance, found, subjects)
    above = 0
    while found.case_id is None:
        async with instance.db.read() as tx:
            ids = await list_written_ids(tx, found.account.id, after_id=above, limit=AT_ONCE)
        await _capture(instance, found, [Subject("status", status_id) for status_id in ids])
        if len(ids) < AT_ONCE:
            break
        above = ids[-1]
    async for page in _pages(instance, found):
        await keep_evidence_files(instance, {"snapshot_ids": [one.id for one in page]})


async def _capture(instance: Instance, found: _Found, subjects: Sequence[Subject]) -> None:
    for start in range(0, len(subjects), AT_ONCE):
        async with instance.db.write() as tx:
            await capture_all(tx, subjects[start : start + AT_ONCE], case_id=found.case_id, why="a package was made")


async def _pages(instance: Instance, found: _Found) -> AsyncIterator[list[PackedSnapshot]]:
    above, account_id = 0, found.account.id if found.case_id is None else None
    while True:
        async with instance.db.read() as tx:
            page = await store_pack.list_packed_snapshots(
                tx, found.case_id, account_id, above, PAGE, subscriber=found.subscriber is not None
            )
        if page:
            yield page
        if len(page) < PAGE:
            return
        above = page[-1].id


async def _write(instance: Instance, found: _Found, head: CheckpointView, package: Package) -> None:
    with tempfile.TemporaryDirectory(prefix="package-", dir=scratch_folder(instance.settings)) as folder:
        async for page in _pages(instance, found):
            await _add_snapshots(instance, found, page, package, Path(folder))
    async with instance.db.read() as tx, tx.transaction(isolation="repeatable_read", readonly=True):
        package.add("log/entries.jsonl", await _excerpt(tx, found, head))
        decisions = await _decisions(tx, found)
    signed = {"signed": head.signed, "signature": head.signature, "public_key": head.public_key}
    package.add("log/head.json", _pretty.encode(signed))
    told = {
        "account": {"id": str(found.account.id), "acct": found.account.acct, "state": found.account.state},
        "case_id": str(found.case_id) if found.case_id is not None else None,
        "decisions": decisions,
        "snapshots": [{key: one[key] for key in one if key != "texts"} for one in found.snapshots],
        "subscriber": found.subscriber,
    }
    package.add("evidence.json", _pretty.encode(told))
    manifest = _manifest(instance, found)
    fingerprint = fingerprint_of(public_key_of(instance.settings))
    names = {"instance": instance.settings.local_domain, "created_at": manifest["created_at"]}
    package.add("README.txt", README.format(**names, fingerprint=fingerprint).encode())
    package.add(VERIFIER, verifier_file().read_bytes())
    if found.new.audience == "ncmec":
        package.add("cybertipline-draft.xml", _draft(instance, found))
    package.add(
        "report.html",
        render_report(
            title=f"case {found.case_id}" if found.case_id is not None else f"@{found.account.acct}",
            manifest=manifest,
            account=found.account,
            subscriber=found.subscriber,
            snapshots=found.snapshots,
            decisions=decisions,
            kept=found.kept,
            missing=found.missing,
            fingerprint=fingerprint,
        ),
    )
    sealed = _pretty.encode({**manifest, "files": sorted(package.listed, key=lambda one: one.path)})
    package.add("manifest.json", sealed, listed=False)
    key, signature = public_key_of(instance.settings).hex(), sign(instance.settings, sealed).hex()
    package.add("manifest.sig.json", _pretty.encode({"public_key": key, "signature": signature}), listed=False)


def _manifest(instance: Instance, found: _Found) -> dict[str, Any]:
    disclosure = found.disclosure
    return {
        "kind": "parley evidence package",
        "format": FORMAT,
        "instance": instance.settings.local_domain,
        "created_at": iso(now()),
        "audience": found.new.audience,
        "about": {
            "case_id": str(found.case_id) if found.case_id is not None else None,
            "account_id": str(found.account.id),
            "disclosure_id": str(disclosure.id) if disclosure else None,
        },
        "recipient": disclosure.recipient if disclosure else "",
        "basis": disclosure.basis if disclosure else "",
    }


async def _add_snapshots(
    instance: Instance, found: _Found, page: Sequence[PackedSnapshot], package: Package, folder: Path
) -> None:
    ids = [one.id for one in page]
    async with instance.db.read() as tx:
        captures = await store_pack.list_packed_captures(tx, ids, found.case_id)
        files = await store.list_snapshot_files(tx, ids)
    for one in page:
        content = one.content.encode()
        read = msgspec.json.decode(content)
        if found.new.audience == "host" and found.case_id is None and _is_private(one, read):
            continue  # a host hosts an account; what its owner wrote to somebody alone is nothing of its business
        told = package.add(f"snapshots/{one.id}.json", content)
        url = (read.get("status") or {}).get("url") or (read.get("account") or {}).get("url")
        if url and url not in found.urls:
            found.urls.append(url)
        found.snapshot_ids.append(one.id)
        found.snapshots.append(
            {
                "id": str(one.id),
                "path": told.path,
                "sha256": one.sha256.hex(),
                "opening": one.opening.hex(),
                "subject_type": one.subject_type,
                "subject_id": str(one.subject_id),
                "revision": one.revision,
                "captures": [
                    {"why": each.why, "created_at": each.created_at, "facts": each.facts}
                    for each in captures
                    if each.snapshot_id == one.id
                ],
                "files": [
                    await _add_file(instance, found, row, package, folder) for row in files if row.snapshot_id == one.id
                ],
                "texts": texts_of(read),
            }
        )


def _is_private(one: PackedSnapshot, content: dict[str, Any]) -> bool:
    """Whether it was said to some people alone."""
    return one.subject_type == "conversation" or (content.get("status") or {}).get("visibility") == "direct"


async def _add_file(
    instance: Instance, found: _Found, row: FileRow, package: Package, folder: Path
) -> dict[str, str | None]:
    """Put a copy in, once for each content; one that is not what it was is an error, never packed."""
    told: dict[str, str | None] = {"file": row.file, "path": None, "sha256": None, "opening": None, "error": row.error}
    if row.kept_as is None or row.sha256 is None or row.purged_at is not None:
        found.missing += 1
        return told
    digest = row.sha256.hex()
    name = f"files/{digest}{PurePosixPath(row.kept_as).suffix}"
    found.file_ids.append(row.id)
    if name not in package.names:
        copy = folder / digest
        await instance.files.evidence.save_to(row.kept_as, copy)
        if (await asyncio.to_thread(_hash_of, copy)).hex() != digest:
            raise Invalid(f"The copy {row.kept_as} was changed since it was kept: run `parley audit verify --files`.")
        found.listed.append(await asyncio.to_thread(package.add_file, name, copy, digest))
        copy.unlink()
        found.kept += 1
    opening = row.opening.hex() if row.opening else None
    return {**told, "id": str(row.id), "path": name, "sha256": digest, "opening": opening}


async def _excerpt(tx: Tx, found: _Found, head: CheckpointView) -> bytes:
    """The log's entries about all this, each with the proof that it is part of the signed log."""
    rows: dict[str, Sequence[int]] = {
        "evidence_snapshots": found.snapshot_ids,
        "evidence_captures": await store_pack.list_snapshot_capture_ids(tx, found.snapshot_ids),
        "evidence_files": found.file_ids,
    }
    decisions = await store_pack.list_packed_decisions(tx, *_about(found))
    actions = await store_pack.list_packed_actions(tx, [one.id for one in decisions])
    rows["decision_actions"] = [one.id for one in actions]
    if found.new.audience != "host":
        rows["decisions"] = [one.id for one in decisions]
    entries: dict[int, Entry] = {}
    for table, ids in rows.items():
        entries |= {one.seq: one for one in await store_pack.list_row_entries(tx, head.seq, table, ids)}
    if found.case_id is not None:
        actors = HOST_ACTORS if found.new.audience == "host" else COURT_ACTORS
        listed = await store_pack.list_case_entries(tx, head.seq, found.case_id, actors)
        entries |= {one.seq: one for one in listed}
    prover = Prover(seq - 1 for seq in entries)
    async for batch in store_chain.list_hashes(tx, 0, head.seq):
        for (entry,) in batch:
            prover.add(entry)
    paths = prover.finish()
    found.entries = len(entries)
    lines = [
        {
            "seq": one.seq,
            "id": str(one.id),
            "previous": one.previous.hex(),
            "hash": one.hash.hex(),
            "body": one.body,
            "path": [step.hex() for step in paths[one.seq - 1]],
        }
        for _, one in sorted(entries.items())
    ]
    return b"".join(_pretty.encode(line) + b"\n" for line in lines)


def _about(found: _Found) -> tuple[int | None, int | None]:
    return (found.case_id, None) if found.case_id is not None else (None, found.account.id)


async def _decisions(tx: Tx, found: _Found) -> list[dict[str, Any]]:
    decisions = await store_pack.list_packed_decisions(tx, *_about(found))
    actions = await store_pack.list_packed_actions(tx, [one.id for one in decisions])
    told: list[dict[str, Any]] = []
    for one in decisions:
        plain: dict[str, Any] = msgspec.structs.asdict(one)
        own = [msgspec.structs.asdict(each) for each in actions if each.decision_id == one.id]
        for each in own:
            each |= {"id": str(each["id"]), "subject_id": str(each["subject_id"])}
            del each["decision_id"]
        told.append({**plain, "id": str(one.id), "actions": own})
    return told


def _draft(instance: Instance, found: _Found) -> bytes:
    moments = [each["created_at"] for one in found.snapshots for each in one["captures"]]
    return draft_report(
        instance.settings,
        found.account,
        found.subscriber,
        incident_at=min(moments, default=now()),
        urls=found.urls,
        files=found.listed,
    )


async def _note(instance: Instance, viewer: Viewer, found: _Found, digest: bytes, size: int) -> None:
    async with instance.db.write() as tx:
        if found.disclosure is not None:
            await note_disclosure_sent(tx, viewer, found.disclosure.id, package_sha256=digest, package_bytes=size)
            return
        await append_event(
            tx,
            human(viewer),
            "evidence_packed",
            case_id=found.case_id,
            subject=Subject("account", found.account.id),
            package_sha256=digest.hex(),
            audience=found.new.audience,
        )


def _hash_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
