"""Sweeps, policies and banks stand in the moderation log, and the log makes their rows again."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from parley.safety.sweeps.actions import abort_sweep, plan_sweep
from parley.safety.sweeps.running import undo_sweep
from parley.safety.sweeps.views import NewSweep
from tests.conftest import World
from tests.media.known import make_bank
from tests.safety.auditing import assert_audit_holds
from tests.safety.sweeping import HIDDEN, cheese_history, staff, sweep, use_stricter

TYPES = "SELECT type FROM moderation_events WHERE type <> 'row_changed' ORDER BY seq"


async def types_of(world: World) -> list[str]:
    async with world.instance.db.read() as tx:
        return [row[0] for row in await tx.fetch(TYPES)]


async def test_every_step_of_a_sweep_is_in_the_log_and_the_log_makes_its_rows(world: World, tmp_path: Path) -> None:
    await cheese_history(world)
    ruleset = use_stricter(tmp_path)
    row = await sweep(world, ruleset)
    await undo_sweep(world.instance.db, world.settings, await staff(world, "ada", "admin"), row.id)
    async with world.instance.db.write() as tx:
        second = await plan_sweep(tx, None, ruleset, NewSweep(reason="again"))
        await abort_sweep(tx, await staff(world), second, note="no need")
    told = await types_of(world)
    steps = ("planned", "counted", "approved", "started", "acted", "completed", "taken_back", "undone", "aborted")
    assert [f"sweep_{step}" for step in steps if f"sweep_{step}" not in told] == []
    report = await assert_audit_holds(world)
    assert report.tables["sweeps"] == 2
    assert report.tables["sweep_approvals"] == 1
    assert report.tables["sweep_changes"] == row.acted
    async with world.instance.db.read() as tx:
        bodies = await tx.fetch("SELECT body FROM moderation_events WHERE body LIKE $1", f"%{HIDDEN}%")
    assert bodies == [], "samples and what was before hold what people wrote: only commitments are in the log"


async def test_nobody_changes_a_sweep_behind_the_logs_back(world: World, tmp_path: Path) -> None:
    await cheese_history(world)
    row = await sweep(world, use_stricter(tmp_path))
    for statement in (
        "UPDATE sweeps SET state = 'approved' WHERE id = $1",
        "UPDATE sweep_changes SET undone_at = now() WHERE sweep_id = $1",
        "DELETE FROM sweep_approvals WHERE sweep_id = $1",
    ):
        with pytest.raises(asyncpg.RaiseError, match="needs an event"):
            async with world.instance.db.write() as tx:
                await tx.execute(statement, row.id)


async def test_a_policy_that_goes_live_and_every_change_of_a_bank_are_in_the_log(world: World) -> None:
    async with world.instance.db.write() as tx:
        await tx.execute(
            "INSERT INTO policy_versions (sha256, name, version, source) VALUES ($1, 'x', '9.0.0', 'proposed')",
            "a" * 64,
        )
        await tx.execute(
            """INSERT INTO policy_activations (sha256, ruleset, pinned, activated_by, activated_name, note)
            VALUES ($1, $2, true, 7, 'ada', 'a note that somebody wrote')""",
            "a" * 64,
            "b" * 64,
        )
        await tx.execute("INSERT INTO bank_changes (what, added) VALUES ('a word that must not be told', 3)")
        with pytest.raises(asyncpg.RaiseError, match="needs an event"):
            async with tx.transaction():
                await tx.execute("UPDATE policy_activations SET pinned = false")
    name = await make_bank(world, "hold")
    insert = """INSERT INTO bank_hashes (bank_id, entry, kind, hash)
        SELECT $1, g, 'sha256', sha256(g::text::bytea) FROM generate_series(1, 1000) g"""
    async with world.instance.db.write() as tx:
        bank_id = await tx.fetchval("SELECT id FROM hash_banks WHERE name = $1", name)
        await tx.execute(insert, bank_id)
        await tx.execute("UPDATE bank_hashes SET state = 'DISPUTED' WHERE bank_id = $1 AND entry = 5", bank_id)
        await tx.execute("UPDATE bank_hashes SET note = 'x' WHERE bank_id = $1", bank_id)
        await tx.execute("DELETE FROM bank_hashes WHERE bank_id = $1 AND entry = 7", bank_id)
        await tx.execute("UPDATE hash_banks SET tier = 'reject' WHERE id = $1", bank_id)
    told = await types_of(world)
    assert told.count("policy_activated") == told.count("bank_changed") == 1
    assert told.count("hash_bank_changed") == 2
    assert told.count("hashes_changed") == 3, "one entry for each statement that changes what is looked for"
    report = await assert_audit_holds(world)
    assert (report.tables["policy_activations"], report.tables["bank_changes"]) == (1, 1)
    async with world.instance.db.read() as tx:
        bodies = await tx.fetch("SELECT body FROM moderation_events WHERE body ~ 'somebody wrote|must not be'")
    assert bodies == []
