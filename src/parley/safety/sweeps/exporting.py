"""From the database to files and back: exporting history, and letting verdicts given elsewhere take effect."""

from __future__ import annotations

import asyncio
from pathlib import Path

from parley.kit.clock import now
from parley.kit.db import Database
from parley.kit.errors import Conflict, Invalid
from parley.kit.ids import id_at
from parley.kit.settings import Settings
from parley.safety.history import Past, list_past_named, walk_past
from parley.safety.judging import Answer
from parley.safety.progress import Progress, quiet
from parley.safety.sweeps import parquet, store
from parley.safety.sweeps.actions import get_open_sweep
from parley.safety.sweeps.parquet import Manifest, Part
from parley.safety.sweeps.running import MOST_CHANGES, apply_part, start_sweep
from parley.safety.sweeps.store import SweepRow
from parley.screening import Ruleset
from parley.social.policies.sources import RulesetSource
from parley.social.verdicts.reads import count_history

ROWS_IN_PART = 20_000
PAGE = 1000


async def export_history(
    db: Database,
    folder: Path,
    ruleset: Ruleset,
    source: RulesetSource,
    *,
    rows_in_part: int = ROWS_IN_PART,
    progress: Progress = quiet,
) -> Manifest:
    """Write all of history, and what the live ruleset is made of, to an empty folder. Raises Invalid."""
    parquet.arrow()
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    if await asyncio.to_thread(lambda: any(folder.iterdir())):
        raise Invalid(f"{folder} is not empty: give a folder of its own for each export.")
    until = id_at(now())
    async with db.read() as tx:
        total, _, _ = await count_history(tx, until_id=until)
    parts: list[Part] = []
    waiting: list[Past] = []
    done = 0

    async def write() -> None:
        name = f"part-{len(parts):06}.parquet"
        parts.append(await asyncio.to_thread(parquet.write_questions, folder / name, waiting[:rows_in_part]))
        del waiting[:rows_in_part]

    async for pasts in walk_past(db, until_id=until, page=PAGE):
        waiting += pasts
        while len(waiting) >= rows_in_part:
            await write()
        done += len(pasts)
        progress(done, total)
    if waiting:
        await write()
    manifest = Manifest(
        kind="history",
        ruleset=ruleset.sha256,
        after_id=0,
        until_id=until,
        parts=tuple(parts),
        source_sha256=await asyncio.to_thread(parquet.write_source, folder, source),
    )
    await asyncio.to_thread(parquet.write_manifest, folder, manifest)
    return manifest


async def apply_verdicts(
    db: Database, settings: Settings, sweep_id: int, folder: Path, ruleset: Ruleset, *, progress: Progress = quiet
) -> SweepRow:
    """Let the verdicts in a folder take effect, as a part of an approved sweep; may be cut off and called again.

    What was written since the export is left to `run_sweep`, which goes on from there. Raises Invalid for a folder that
    is damaged or of another ruleset, Conflict when somebody else runs the sweep.
    """
    manifest = await asyncio.to_thread(parquet.read_manifest, folder, "verdicts")
    if manifest.ruleset != ruleset.sha256:
        raise Invalid(f"These verdicts were given by {manifest.ruleset[:12]}, but {ruleset.sha256[:12]} is live.")
    async with db.read() as tx:
        planned = await store.get_sweep(tx, sweep_id)
    if planned is not None and planned.scope == "files":
        raise Invalid("This sweep has a list of its own, of what carries certain files: `parley sweep run` judges it.")
    row = await start_sweep(db, sweep_id, ruleset)
    if row.cursor < manifest.after_id:
        raise Invalid("This sweep begins before what these verdicts cover: run it up to there first.")
    for number, part in enumerate(manifest.parts):
        if row.state == "running" and part.last_id > row.cursor:
            path = await asyncio.to_thread(parquet.check_part, folder, part)
            for answers, was in await asyncio.to_thread(list, parquet.read_answers(path)):
                fresh = [(one, before) for one, before in zip(answers, was, strict=True) if one.id > row.cursor]
                while fresh and row.state == "running":
                    row = await _apply(db, settings, row, fresh, ruleset)
                    fresh = [pair for pair in fresh if pair[0].id > row.cursor]
        progress(number + 1, len(manifest.parts))
    if row.state == "running" and row.cursor < manifest.until_id:
        async with db.write() as tx:
            await get_open_sweep(tx, sweep_id, ruleset)
            end = min(manifest.until_id, row.until_id)
            await store.update_cursor(tx, sweep_id, end, judged=0, acted=0, unclear=0)
    async with db.read() as tx:
        ended = await store.get_sweep(tx, sweep_id)
    assert ended is not None
    return ended


async def _apply(
    db: Database, settings: Settings, row: SweepRow, given: list[tuple[Answer, str]], ruleset: Ruleset
) -> SweepRow:
    """Act on the next few verdicts that differ from what is on record, in one transaction."""
    chosen: list[Answer] = []
    judged = unclear = 0
    cursor = row.cursor
    for answer, before in given:
        if len(chosen) >= MOST_CHANGES:
            break
        judged += 1
        unclear += answer.degraded
        cursor = answer.id
        if answer.verdict is not None and answer.outcome != before:
            chosen.append(answer)
    async with db.write() as tx:
        locked = await get_open_sweep(tx, row.id, ruleset)
        if locked.state != "running":
            return locked
        if locked.cursor != row.cursor:
            raise Conflict("Somebody else runs this sweep now: `parley sweep status` shows how far it is.")
        pasts = {past.id: past for past in await list_past_named(tx, [answer.id for answer in chosen])}
        pairs = [(pasts[answer.id], answer) for answer in chosen if answer.id in pasts]
        acted = await apply_part(tx, settings, locked, pairs)
        await store.update_cursor(tx, row.id, cursor, judged=judged, acted=acted, unclear=unclear)
        fresh = await store.get_sweep(tx, row.id)
        assert fresh is not None
        return fresh
