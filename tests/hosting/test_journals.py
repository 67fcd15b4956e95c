"""Journals can be carried on by one writer only, survive a torn line, and show who wrote them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from parley.hosting.journals import (
    CLOSED,
    Entry,
    JournalError,
    JournalMoved,
    append_entries,
    list_journals,
    make_entry,
    newest_journal,
    ordered_epoch,
    read_entries,
)
from parley.kit.settings import Settings

NAME = "000001-a-b"


def settings_in(folder: Path) -> Settings:
    return Settings(domain="social.example", data_dir=folder)


def chain(settings: Settings, *kinds: str, last: Entry | None = None, name: str = NAME) -> list[Entry]:
    made: list[Entry] = []
    for kind in kinds:
        last = make_entry(settings, name, last, kind, by="a", detail={"n": len(made)})
        made.append(last)
    return made


def test_entries_are_appended_once_and_read_again(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    entries = chain(settings, "opened", "begin", "done")
    append_entries(settings, NAME, entries[:2])
    assert append_entries(settings, NAME, entries) == tuple(entries)
    assert append_entries(settings, NAME, entries[1:]) == tuple(entries), "the same again changes nothing"
    assert read_entries(settings, NAME) == tuple(entries)
    assert newest_journal(settings) == (NAME, tuple(entries))
    assert (settings.path("moves", f"{NAME}.jsonl").stat().st_mode & 0o777) == 0o600


def test_two_writers_never_carry_on_side_by_side(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    first = chain(settings, "opened")
    append_entries(settings, NAME, first)
    mine, theirs = (chain(settings, kind, last=first[0]) for kind in ("begin", "undoing"))
    append_entries(settings, NAME, mine)
    with pytest.raises(JournalMoved, match="Another command"):
        append_entries(settings, NAME, theirs)
    with pytest.raises(JournalMoved, match="gap"):
        append_entries(settings, NAME, chain(settings, "done", "done", last=mine[0])[1:])
    assert read_entries(settings, NAME) == (*first, *mine)


def test_a_chain_that_is_right_replaces_one_that_is_not_and_keeps_it_beside(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    first = chain(settings, "opened")
    append_entries(settings, NAME, [*first, *chain(settings, "begin", last=first[0])])
    right = [*first, *chain(settings, "found", "done", last=first[0])]
    assert append_entries(settings, NAME, right, instead=True) == tuple(right)
    assert len(list(settings.path("moves").glob(f"{NAME}.replaced-*"))) == 1
    assert list_journals(settings) == [NAME]


def test_a_torn_line_is_as_if_it_had_never_been_written(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    entries = chain(settings, "opened", "begin", "done")
    append_entries(settings, NAME, entries[:2])
    path = settings.path("moves", f"{NAME}.jsonl")
    path.write_bytes(path.read_bytes() + entries[2].line[:40])
    assert read_entries(settings, NAME) == tuple(entries[:2])
    append_entries(settings, NAME, entries[2:])
    assert read_entries(settings, NAME) == tuple(entries)


def test_entries_of_somebody_else_and_changed_ones_are_refused(tmp_path: Path) -> None:
    settings, stranger = settings_in(tmp_path / "own"), settings_in(tmp_path / "strange")
    with pytest.raises(JournalError, match="not signed by this instance's key"):
        append_entries(settings, NAME, chain(stranger, "opened"))
    with pytest.raises(JournalError, match="not signed"):
        append_entries(settings, NAME, chain(settings, "opened", name="000002-b-a"))
    changed = msgspec.structs.replace(chain(settings, "opened")[0], detail={"to": "elsewhere"})
    with pytest.raises(JournalError, match="not signed"):
        append_entries(settings, NAME, [changed])
    for bad in ("../../etc/passwd", "000001-a/b", "x"):
        with pytest.raises(JournalError, match="name is a number"):
            append_entries(settings, bad, chain(settings, "opened"))


def test_a_second_move_is_not_opened_before_the_first_is_over(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    first = chain(settings, "opened", "begin")
    append_entries(settings, NAME, first)
    with pytest.raises(JournalError, match="000001-a-b is not over"):
        append_entries(settings, "000002-b-a", chain(settings, "opened", name="000002-b-a"))
    append_entries(settings, NAME, chain(settings, CLOSED, last=first[-1]))
    append_entries(settings, "000002-b-a", chain(settings, "opened", name="000002-b-a"))
    assert newest_journal(settings)[0] == "000002-b-a"


def test_the_epoch_of_a_move_is_known_to_whoever_takes_over_meanwhile(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    assert ordered_epoch(settings) == 0
    opened = make_entry(settings, NAME, None, "opened", by="a", detail={"source": "a", "target": "b", "epoch": 7})
    append_entries(settings, NAME, [opened])
    assert ordered_epoch(settings) == 7
