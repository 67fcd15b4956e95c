"""Invariant 5: the log makes exactly the rows that are there, and every kind of tampering shows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parley.kit.db import connect
from parley.kit.errors import Conflict
from parley.kit.signing import fingerprint_of, public_key_of
from parley.safety.log.checkpoints import list_checkpoints, make_checkpoint
from parley.safety.log.verifying import link_hash, verify_log
from parley.safety.log.views import AuditReport, SignedHead
from tests.conftest import World
from tests.safety.auditing import assert_audit_holds, audit_of
from tests.safety.log.scenes import go_on, make_log

OFF = "SET LOCAL session_replication_role = replica"


async def _tamper(world: World, *statements: str) -> AuditReport:
    """Change the database as somebody would who owns it, and check it."""
    async with world.instance.db.write() as tx:
        await tx.execute(OFF)
        for statement in statements:
            await tx.execute(statement)
    return await audit_of(world)


def _kinds(report: AuditReport) -> set[str]:
    return {problem.kind for problem in report.problems}


async def test_an_untouched_log_holds_and_says_what_was_checked(world: World) -> None:
    await assert_audit_holds(world)
    await make_log(world)
    report = await assert_audit_holds(world)
    assert report.entries == report.head_seq >= 9
    assert report.tables["reports"] == 2
    assert report.tables["evidence_snapshots"] >= 1
    assert report.rows == sum(report.tables.values())


CHANGES = {
    "a changed entry": (
        "UPDATE moderation_events SET body = replace(body, 'noted', 'praised') WHERE type = 'account_noted'",
        {"changed_entry"},
    ),
    "a changed column beside an entry": (
        "UPDATE moderation_events SET actor_id = 4711 WHERE type = 'account_noted'",
        {"changed_entry"},
    ),
    "a removed entry": ("DELETE FROM moderation_events WHERE seq = 3", {"missing_entry"}),
    "swapped entries": (
        "UPDATE moderation_events SET seq = -seq WHERE seq IN (4, 5);"
        "UPDATE moderation_events SET seq = 9 + seq WHERE seq < 0",
        {"broken_link", "changed_entry"},
    ),
    "an entry that was put in past the chain": (
        "INSERT INTO moderation_events (type, actor_type, body) VALUES ('x', 'system', '{}')",
        {"unchained"},
    ),
    "an entry that was put in at the end": (
        "INSERT INTO moderation_events (seq, type, actor_type, body, previous, hash) "
        "SELECT seq + 1, 'x', 'system', '{\"type\":\"x\"}', hash, sha256('x') FROM moderation_chain",
        {"changed_entry", "truncated"},
    ),
    "a tail that was cut off": (
        "DELETE FROM moderation_events WHERE seq > (SELECT seq - 2 FROM moderation_chain)",
        {"truncated"},
    ),
    "a changed row": ("UPDATE reports SET category = 'legal'", {"changed_row"}),
    "a removed row": ("DELETE FROM case_notes", {"missing_row"}),
    "a row that the log does not know": (
        "INSERT INTO case_notes (account_id, written_by, text) SELECT id, id, 'never logged' FROM accounts LIMIT 1",
        {"unknown_row"},
    ),
    "changed evidence": (
        "UPDATE evidence_snapshots SET content = replace(content, 'pills', 'books')",
        {"changed_row"},
    ),
    "changed words that the log has as a hash": ("UPDATE case_notes SET text = 'another note'", {"changed_row"}),
    "a switched-off trigger": ("ALTER TABLE case_notes DISABLE TRIGGER logged", {"trigger"}),
}


@pytest.mark.usefixtures("tampered")
@pytest.mark.parametrize("name", CHANGES)
async def test_tampering_shows(world: World, name: str) -> None:
    await make_log(world)
    statements, expected = CHANGES[name]
    report = await _tamper(world, *statements.split(";"))
    if "trigger" in expected:
        async with world.instance.db.write() as tx:
            await tx.execute("ALTER TABLE case_notes ENABLE TRIGGER logged")
    assert not report.holds
    assert expected <= _kinds(report), [str(problem) for problem in report.problems]
    assert report.problems[0].where
    assert report.problems[0].text


@pytest.mark.usefixtures("tampered")
async def test_the_first_wrong_row_is_named(world: World) -> None:
    await make_log(world)
    report = await _tamper(world, "UPDATE reports SET category = 'legal', forward = true")
    async with world.instance.db.read() as tx:
        first = await tx.fetchval("SELECT min(id) FROM reports")
    assert str(report.problems[0]) == f"reports {first}: it is not what the log makes it: category, forward"


async def _rewrite(world: World) -> None:
    """Change an entry, and chain everything after it anew, with a matching head: what an owner could do."""
    async with world.instance.db.write() as tx:
        await tx.execute(OFF)
        await tx.execute("UPDATE moderation_events SET body = replace(body, 'account_noted', 'nothing_done')")
        await tx.execute("UPDATE moderation_events SET type = 'nothing_done' WHERE type = 'account_noted'")
        last = b""
        for row in await tx.fetch("SELECT id, seq, body FROM moderation_events ORDER BY seq"):
            sealed = link_hash(last, row["seq"], row["id"], row["body"])
            values = (row["id"], last, sealed)
            await tx.execute("UPDATE moderation_events SET previous = $2, hash = $3 WHERE id = $1", *values)
            last = sealed
        await tx.execute("UPDATE moderation_chain SET hash = $1", last)


@pytest.mark.usefixtures("tampered")
async def test_a_log_that_was_written_anew_shows_against_a_checkpoint(world: World) -> None:
    await make_log(world)
    checkpoint = await make_checkpoint(world.instance.db, world.settings)
    assert checkpoint is not None
    await world.post("bob", "life goes on")
    await go_on(world)
    await assert_audit_holds(world)
    await _rewrite(world)
    report = await audit_of(world)
    assert _kinds(report) == {"rewritten"}
    with pytest.raises(Conflict, match="no longer contains"):
        await make_checkpoint(world.instance.db, world.settings)


@pytest.mark.usefixtures("tampered")
async def test_a_copy_of_a_checkpoint_that_was_kept_elsewhere_is_enough(world: World) -> None:
    await make_log(world)
    kept = await make_checkpoint(world.instance.db, world.settings)
    assert kept is not None
    await _rewrite(world)
    await _tamper(world, "DELETE FROM moderation_checkpoints")
    assert (await audit_of(world)).holds, "with the checkpoints gone the new chain is whole"
    head = SignedHead(kept.seq, bytes.fromhex(kept.hash), bytes.fromhex(kept.root))
    assert _kinds(await verify_log(world.instance.db, against=[head])) == {"rewritten"}


async def test_checkpoints_are_signed_chained_and_never_made_twice(world: World) -> None:
    assert await make_checkpoint(world.instance.db, world.settings) is None
    await make_log(world)
    one = await make_checkpoint(world.instance.db, world.settings)
    again = await make_checkpoint(world.instance.db, world.settings)
    assert one == again
    await go_on(world)
    two = await make_checkpoint(world.instance.db, world.settings)
    async with world.instance.db.read() as tx:
        listed = await list_checkpoints(tx)
        with pytest.raises(Exception, match="never changed"):
            await tx.execute("UPDATE moderation_checkpoints SET seq = 1")
    assert listed == [two, one]
    report = await verify_log(world.instance.db, known_keys=[fingerprint_of(public_key_of(world.settings))])
    assert report.holds
    assert (report.checkpoints, report.root) == (2, two.root if two else "")
    assert not (await verify_log(world.instance.db, known_keys=["0" * 64])).holds


FORGERIES: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "another signature": lambda tx: tx.execute("UPDATE moderation_checkpoints SET signature = sha512('x')"),
    "another text": lambda tx: tx.execute("UPDATE moderation_checkpoints SET signed = replace(signed, 'seq', 'sec')"),
    "another row": lambda tx: tx.execute("UPDATE moderation_checkpoints SET seq = seq - 1"),
}


@pytest.mark.usefixtures("tampered")
@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_checkpoint_shows(world: World, name: str) -> None:
    await make_log(world)
    await make_checkpoint(world.instance.db, world.settings)
    async with world.instance.db.write() as tx:
        await tx.execute(OFF)
        await FORGERIES[name](tx)
    assert "signature" in _kinds(await audit_of(world))


async def test_the_helper_takes_an_address_a_database_and_a_transaction(world: World, dsn: str) -> None:
    await make_log(world)
    await assert_audit_holds(dsn)
    await assert_audit_holds(world.instance.db)
    connection = await connect(dsn)
    async with connection.transaction():
        report = await assert_audit_holds(connection)
    await connection.close()
    assert report.seconds < 2


async def test_rows_from_before_a_table_was_logged_are_adopted(world: World) -> None:
    await make_log(world)
    async with world.instance.db.write() as tx:
        await tx.execute("ALTER TABLE case_notes ADD COLUMN language text NOT NULL DEFAULT 'en'")
    assert _kinds(await audit_of(world)) == {"changed_row"}
    async with world.instance.db.write() as tx:
        await tx.execute("SELECT adopt_moderation_rows('case_notes', 'a migration')")
    await assert_audit_holds(world)
    async with world.instance.db.write() as tx:
        await tx.execute("ALTER TABLE case_notes DROP COLUMN language")
    await assert_audit_holds(world)
