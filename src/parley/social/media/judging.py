"""What the judge says of a file itself, and what follows: it is used, or it is taken out of sight and kept as evidence.

A file is judged after it was cleaned and before anybody can be shown it. Revisions that carry it wait for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from parley import screening
from parley.kit.db import Tx, get_new_id
from parley.kit.errors import Invalid
from parley.kit.ids import new_token
from parley.kit.instance import Instance
from parley.screening import Content, Outcome, Verdict
from parley.screening.content import MediaMatch
from parley.social.accounts.reads import get_screening_facts
from parley.social.media import store, store_matches
from parley.social.media.fingerprints import hash_bytes, size_of
from parley.social.media.results import FileHash
from parley.social.verdicts.actions import (
    Rejection,
    Screened,
    Subject,
    finish_waiting,
    judge_safely,
    keep_rejection,
    note_files,
    screen,
)

REFUSED = (Outcome.REJECT, Outcome.QUARANTINE)
"""A file with such a verdict is never stored where it could be served."""


def content_of_file(matches: Sequence[MediaMatch], mime_type: str | None) -> Content:
    """A file as the judge sees it by itself: without words, which are judged where they are shown."""
    return Content(
        kind="media",
        media_count=1,
        media_types=(mime_type,) if mime_type else (),
        media_matches=tuple(matches),
    )


async def judge_file(instance: Instance, account_id: int, content: Content) -> Verdict:
    """What the judge says of the file, before it is stored anywhere. Stores nothing."""
    async with instance.db.read() as tx:
        facts = await get_screening_facts(tx, account_id)
    return judge_safely(content, facts)


FILE_REVISION = 0
"""The file itself; the revisions of its description begin at 1."""


async def screen_file(tx: Tx, account_id: int, media_id: int, content: Content) -> Screened:
    """Judge a file that is being stored, and store the result. Raises Rejection for a file that is refused."""
    facts = await get_screening_facts(tx, account_id)
    return await screen(tx, Subject("media", media_id, FILE_REVISION, account_id), content, facts)


def refusal(clause_id: str | None) -> str:
    """What the owner of a file that is refused under a clause is told."""
    clause = screening.live_ruleset().clauses.get(clause_id or "")
    rule = f": it breaks rule {clause.id} ({clause.title})" if clause else ""
    return f"This file cannot be used here{rule}. If you think that this is a mistake, write to the moderators."


async def refuse_file(
    instance: Instance,
    account_id: int,
    content: Content,
    path: Path,
    *,
    origin: str,
    media_id: int | None = None,
) -> str:
    """Keep a refused file as evidence with its result, where no route reads it; returns the sentence for its owner."""
    copy = await put_among_evidence(instance, path, content.media_types[0] if content.media_types else None)
    try:
        async with instance.db.write() as tx:
            subject_id = media_id if media_id is not None else await get_new_id(tx)
            screened = await screen_file(tx, account_id, subject_id, content)
            result_id, verdict = screened.id, screened.verdict
    except Rejection as rejection:
        result_id, verdict = await keep_rejection(instance.db, rejection), rejection.verdict
    async with instance.db.write() as tx:
        await store_matches.insert_evidence(
            tx,
            (account_id, media_id, origin),
            (verdict.outcome.value, verdict.clause, content.media_matches, result_id),
            copy,
        )
    return refusal(verdict.clause)


async def put_among_evidence(instance: Instance, path: Path, mime_type: str | None) -> tuple[str, bytes, int, str]:
    """Copy a file to where no route reads it; gives its name there, SHA-256, bytes and MIME type."""
    sha256 = next(one.hash for one in await hash_bytes(path) if one.kind == "sha256")
    name = f"{sha256[:2]}/{sha256}-{new_token(64)}.bin"  # of its own: deleting one never takes another's bytes
    await instance.files.evidence.put(name, path)
    return name, bytes.fromhex(sha256), size_of(path), mime_type or "application/octet-stream"


async def check_picture(
    instance: Instance, account_id: int, matches: Sequence[MediaMatch], mime_type: str, path: Path, *, origin: str
) -> None:
    """Refuse a profile picture that is known and refused: raises Invalid. One to be held is held with its profile."""
    if not matches:
        return
    content = content_of_file(matches, mime_type)
    verdict = await judge_file(instance, account_id, content)
    if verdict.outcome in REFUSED:
        raise Invalid(await refuse_file(instance, account_id, content, path, origin=origin))


async def keep_hashes(
    tx: Tx, file: str, hashes: Sequence[FileHash], *, media_id: int | None, account_id: int | None
) -> None:
    """Keep a stored file's hashes, so that what enters a bank later finds it."""
    rows = [(one.kind, bytes.fromhex(one.hash), one.quality, one.second) for one in hashes]
    await store_matches.insert_media_hashes(tx, file, rows, media_id=media_id, account_id=account_id)


async def wait_for_files(tx: Tx, media_ids: Sequence[int], screened: Screened) -> None:
    """Let a revision that carries files wait until those are judged; at once when they just were."""
    if not screened.waiting_for_files:
        return
    await note_files(tx, screened.id, media_ids)
    if not await store_matches.update_waiting(tx, media_ids, screened.id):
        await finish_result(tx, screened.id)


async def finish_waiting_revisions(tx: Tx, media_id: int) -> None:
    """A file was judged, or cannot be used: judge the revisions that waited for it, unless others are still missing."""
    for result_id in await store_matches.update_waited(tx, media_id):
        await finish_result(tx, result_id)


async def finish_result(tx: Tx, result_id: int) -> None:
    """Judge a revision that waited for its files, now that they are judged."""

    async def complete(content: Content, media_ids: Sequence[int]) -> Content | None:
        rows = await store.list_media(tx, list(media_ids))
        if any(row.state == "processing" for row in rows.values()):
            return None
        return with_files(content, [(place, rows[one]) for place, one in enumerate(media_ids, 1) if one in rows])

    await finish_waiting(tx, result_id, complete)


def with_files(content: Content, rows: Sequence[tuple[int, Any]]) -> Content:
    """`content` with what was found in its attachments; `rows` have `matches`, `image_text` and `state`, by place."""
    texts = dict(content.texts)
    found: list[MediaMatch] = []
    for place, row in rows:
        found += place_matches(row.matches, f"media_{place}")
        if row.image_text:
            texts[f"image_text_{place}"] = row.image_text
    waiting = sum(row.state == "processing" for _, row in rows)
    return msgspec.structs.replace(content, texts=texts, media_matches=tuple(found), media_waiting=waiting)


def place_matches(matches: Sequence[Any], place: str) -> tuple[MediaMatch, ...]:
    """Stored matches as the judge wants them, with the place of the file in the revision."""
    return tuple(msgspec.structs.replace(msgspec.convert(one, MediaMatch), place=place) for one in matches)
