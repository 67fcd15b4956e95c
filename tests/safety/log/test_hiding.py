"""What people wrote cannot be guessed from the log; one value can be proved to an outsider; what is erased stays so."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from parley.kit.errors import NotFound
from parley.safety.log.actions import append_event
from parley.safety.log.exporting import export_log
from parley.safety.log.opening import open_value
from parley.safety.log.views import system
from tests.conftest import World
from tests.safety.auditing import assert_audit_holds
from tests.safety.log.scenes import make_log
from tools import parley_verify

SHORT = "spam"
NOTE = "INSERT INTO case_notes (account_id, written_by, text) VALUES ($1, $1, $2) RETURNING id"
ROW_ENTRIES = """
    SELECT body::jsonb -> 'row' FROM moderation_events
    WHERE type = 'row_changed' AND body::jsonb ->> 'table' = $1 AND body::jsonb ->> 'id' = $2::text ORDER BY seq
"""


async def _change(world: World, statement: str, *values: Any) -> Any:
    async with world.instance.db.write() as tx:
        await append_event(tx, system("test"), "account_noted")
        return await tx.fetchval(statement, *values)


async def _rows(world: World, table: str, row_id: int) -> list[dict[str, Any]]:
    async with world.instance.db.read() as tx:
        return [row[0] for row in await tx.fetch(ROW_ENTRIES, table, str(row_id))]


async def _open(world: World, table: str, row_id: int, column: str) -> dict[str, str]:
    async with world.instance.db.write() as tx:
        opened = await open_value(tx, system("test"), table, row_id, column)
    return {name: getattr(opened, name) for name in ("table", "id", "column", "value", "opening")}


def _guesses(value: str) -> set[str]:
    """What somebody tries who has the log and guesses right."""
    texts = (value, f"text\n{value}", f"comment\n{value}")
    return {hashlib.sha256(text.encode()).hexdigest() for text in texts}


async def test_a_short_text_cannot_be_found_in_the_log_by_guessing(world: World, tmp_path: Path) -> None:
    sam = await world.account("spam_sam")
    one, other = await _change(world, NOTE, sam, SHORT), await _change(world, NOTE, sam, SHORT)
    (first,), (second,) = await _rows(world, "case_notes", one), await _rows(world, "case_notes", other)
    assert first["text"].startswith("salted:")
    assert first["text"] != second["text"], "equal words look different"
    assert "log_salt" not in first
    path = tmp_path / "log.jsonl"
    await export_log(world.instance.db, world.settings, path)
    exported = path.read_text()
    assert not [guess for guess in _guesses(SHORT) if guess in exported]
    async with world.instance.db.read() as tx:
        salts = [str(row[0]) for row in await tx.fetch("SELECT log_salt FROM case_notes")]
    assert not [salt for salt in salts if salt in exported]
    await assert_audit_holds(world)


async def test_hashes_of_hidden_things_are_not_in_the_log_either(world: World) -> None:
    status = await make_log(world)
    async with world.instance.db.read() as tx:
        log = "\n".join(row[0] for row in await tx.fetch("SELECT body FROM moderation_events"))
        hashes = await tx.fetch(
            "SELECT encode(sha256, 'hex') FROM evidence_snapshots WHERE subject_id = $1 "
            "UNION SELECT encode(evidence_sha256, 'hex') FROM reports",
            status,
        )
    assert len(hashes) >= 2
    assert not [row[0] for row in hashes if row[0] in log]


async def test_one_value_is_proved_to_an_outsider_and_no_other_is(world: World, tmp_path: Path) -> None:
    sam = await world.account("spam_sam")
    note = await _change(world, NOTE, sam, SHORT)
    opened = await _open(world, "case_notes", note, "text")
    assert opened["value"] == SHORT
    path = tmp_path / "log.jsonl"
    await export_log(world.instance.db, world.settings, path)
    checks = parley_verify.verify(str(path), values=[opened])
    assert not checks.problems
    assert [said for said in checks.notes if f"the value of text in row {note} of case_notes stands in entry" in said]
    for wrong in ({"value": "ham"}, {"opening": "00" * 32}, {"id": "1"}, {"column": "written_by"}):
        assert parley_verify.verify(str(path), values=[{**opened, **wrong}]).problems, wrong
    events = await _types(world)
    assert events[-1] == "value_opened", "opening is not forgotten"


async def _types(world: World) -> list[str]:
    async with world.instance.db.read() as tx:
        listed = await tx.fetch("SELECT type FROM moderation_events WHERE type <> 'row_changed' ORDER BY seq")
    return [row[0] for row in listed]


async def test_the_opening_of_one_value_opens_no_other_column_of_the_row(world: World) -> None:
    appeal = {"text": SHORT, "answer": SHORT}
    async with world.instance.db.read() as tx:
        hidden = await tx.fetchval(
            "SELECT moderation_row($1::jsonb, '{text,answer}', '{}')", {**appeal, "log_salt": "a"}
        )
        opening = await tx.fetchval(
            "SELECT moderation_opening('00000000-0000-0000-0000-000000000001', 'text', $1)", SHORT
        )
        known = await tx.fetchval(
            "SELECT moderation_row($1::jsonb, '{text,answer}', '{}')",
            {**appeal, "log_salt": "00000000-0000-0000-0000-000000000001"},
        )
    assert hidden["text"] != hidden["answer"]
    assert known["text"] == parley_verify.commitment("text", SHORT, opening.hex())
    assert known["answer"] != parley_verify.commitment("answer", SHORT, opening.hex())


async def test_what_was_erased_cannot_be_guessed_with_the_whole_database(world: World) -> None:
    sam = await world.account("spam_sam")
    note = await _change(world, NOTE, sam, SHORT)
    (before,) = await _rows(world, "case_notes", note)
    await _change(world, "UPDATE case_notes SET text = '' WHERE id = $1", note)
    async with world.instance.db.read() as tx:
        salt = await tx.fetchval("SELECT log_salt FROM case_notes WHERE id = $1", note)
        opening = await tx.fetchval("SELECT moderation_opening($1, 'text', $2)", salt, SHORT)
    assert parley_verify.commitment("text", SHORT, opening.hex()) != before["text"]
    await assert_audit_holds(world)
    await _change(world, "UPDATE case_notes SET created_at = now() + interval '1 hour' WHERE id = $1", note)
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT log_salt FROM case_notes WHERE id = $1", note) == salt, "nothing was hidden"
    await _change(world, "DELETE FROM case_notes WHERE id = $1", note)
    with pytest.raises(NotFound, match="erased"):
        await _open(world, "case_notes", note, "text")
    await assert_audit_holds(world)


async def test_only_what_the_log_hides_is_opened(world: World) -> None:
    await make_log(world)
    async with world.instance.db.read() as tx:
        user = await tx.fetchval("SELECT account_id FROM users LIMIT 1")
        report = await tx.fetchval("SELECT min(id) FROM reports")
    for table, row, column in (("users", user, "email"), ("reports", report, "log_salt"), ("nothing", 1, "text")):
        with pytest.raises(NotFound):
            await _open(world, table, row, column)
    assert (await _open(world, "reports", report, "comment"))["value"] == ""


async def test_a_table_that_hides_without_a_salt_is_refused(world: World) -> None:
    async with world.instance.db.write() as tx:
        await append_event(tx, system("test"), "account_noted")
        await tx.execute("ALTER TABLE case_notes DROP COLUMN log_salt CASCADE")
        with pytest.raises(Exception, match="needs a column log_salt"):
            await tx.execute(NOTE, world.ids.get("spam_sam") or await world.account("spam_sam"), SHORT)


async def test_every_table_that_hides_has_a_salt(world: World) -> None:
    async with world.instance.db.read() as tx:
        tables = await tx.fetch(
            "SELECT tgrelid::regclass::text AS name, "
            "(string_to_array(encode(tgargs, 'escape'), '\\000'))[1] AS hidden, "
            "EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = tgrelid AND a.attname = 'log_salt') AS salted "
            "FROM pg_trigger WHERE tgname = 'logged'"
        )
    hiding = {row["name"] for row in tables if row["hidden"] != "{}"}
    assert len(hiding) >= 20
    assert hiding == {row["name"] for row in tables if row["salted"]}


async def test_the_command_line_opens_and_the_file_is_checked(world: World, tmp_path: Path) -> None:
    sam = await world.account("spam_sam")
    note = await _change(world, NOTE, sam, SHORT)
    opened = await _open(world, "case_notes", note, "text")
    path, file = tmp_path / "log.jsonl", tmp_path / "opened.json"
    await export_log(world.instance.db, world.settings, path)
    file.write_text(json.dumps(opened))
    assert parley_verify.read_value(str(file)) == opened
    file.write_text(json.dumps({"value": SHORT}))
    with pytest.raises(ValueError, match="no disclosed value"):
        parley_verify.read_value(str(file))
