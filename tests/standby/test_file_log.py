"""The file log: what is stored stands in it, in order, whoever wrote it and whatever died meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from parley.kit import filelog
from parley.kit.filelog import FileLog, Held, NotSafe
from parley.kit.filelog_lines import FileLogError, Line, Mark, NewChange, TooOld, check_follows
from parley.kit.files import AREAS, FileStore, Keeping, is_kept_name, new_content_key, new_file_name
from parley.kit.gate import Field, Gate, GateClosed, State


def gate_at(folder: Path, state: State = State.OPEN) -> Gate:
    folder.mkdir(parents=True, exist_ok=True)
    gate = Gate(folder / "gate")
    gate.turn(state, epoch=1)
    return gate


def log_at(folder: Path, **options: int) -> FileLog:
    return FileLog(folder, gate_at(folder), **options)


def put(name: str, size: int = 3) -> NewChange:
    return NewChange(op="put", area="media", name=name, size=size, sha256="00" * 32)


def check_chain(lines: list[Line], before: Mark | None = None) -> Mark:
    mark = before or Mark()
    for line in lines:
        check_follows(mark, line)
        mark = line.mark
    return mark


def test_changes_stand_in_order_and_each_line_proves_those_before_it(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    assert log.append([put("a"), put("b", 4)]) == 2
    assert log.append([NewChange(op="delete", area="media", name="a")]) == 3
    lines = log.read(0)
    assert [(one.change.op, one.change.name, one.change.total) for one in lines] == [
        ("put", "a", 3),
        ("put", "b", 7),
        ("delete", "a", 7),
    ]
    assert check_chain(lines) == log.mark() == FileLog(tmp_path, log.gate).recover()
    assert log.read(2) == lines[2:]
    assert log.read(1, root=lines[0].root) == lines[1:]
    with pytest.raises(TooOld):
        log.read(1, root=lines[1].root)
    with pytest.raises(TooOld):
        log.read(4)


def test_a_line_that_was_tampered_with_does_not_follow(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log.append([put("a"), put("b")])
    path = tmp_path / filelog.LOG_FILE
    path.write_bytes(path.read_bytes().replace(b'"name":"b"', b'"name":"c"'))
    with pytest.raises(FileLogError):
        check_chain(log.read(0))


def _append_many(folder: Path, who: int, count: int) -> None:
    log = FileLog(folder, Gate(folder / "gate"), segment=20_000)
    for number in range(count):
        log.append([put(f"{who}-{number}")])


def test_processes_that_append_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    log = log_at(tmp_path, segment=20_000)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(tmp_path, who, 60)) for who in range(4)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
        assert one.exitcode == 0
    lines = log.read(log.oldest, most=1000)
    assert log.mark().position == 240 == log.gate.get(Field.FILES_WRITTEN)
    assert len({one.change.name for one in lines}) == len(lines) == 240 - log.oldest
    assert check_chain(lines[1:], lines[0].mark) == log.mark()


def test_a_writer_that_is_killed_leaves_a_log_that_goes_on(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    context = multiprocessing.get_context("spawn")
    for _ in range(3):
        writer = context.Process(target=_append_many, args=(tmp_path, 0, 100_000))
        writer.start()
        known = log.mark().position
        while log.mark().position < known + 20:
            time.sleep(0.01)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
    end = log.recover()
    assert log.append([put("z")]) == end.position + 1
    start = log.oldest
    lines = log.read(start, most=100_000)
    assert [one.change.n for one in lines] == list(range(start + 1, end.position + 2))


@pytest.mark.parametrize("torn", [b"{", b'{"n":3,"at":1,"op":"put","area":"media","na', b"\0" * 700])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    log = log_at(tmp_path)
    log.append([put("a"), put("b")])
    mark = log.mark()
    with (tmp_path / filelog.LOG_FILE).open("ab") as file:
        file.write(torn)
    other = FileLog(tmp_path, log.gate)
    assert other.mark() == mark
    assert log.append([put("c")]) == 3
    assert check_chain(other.read(0)).position == 3
    with (tmp_path / filelog.LOG_FILE).open("ab") as file:
        file.write(torn + b"\n" + torn)
    assert FileLog(tmp_path, log.gate).recover().position == 3
    assert log.append([put("d")]) == 4


def test_the_log_does_not_grow_for_ever_and_positions_go_on(tmp_path: Path) -> None:
    log = log_at(tmp_path, segment=4_000)
    for number in range(400):
        log.append([put(f"file-{number}")])
    size = sum(path.stat().st_size for path in tmp_path.glob("files.log*"))
    assert size < 4_300 * (filelog.MOST_SEGMENTS + 1)
    assert log.mark().position == 400
    with pytest.raises(TooOld):
        log.read(0)
    assert [one.change.n for one in log.read(log.oldest)] == list(range(log.oldest + 1, 401))
    for position in range(log.oldest, 401, 7):
        lines = log.read(position, most=10)
        assert [one.change.n for one in lines] == list(range(position + 1, min(position + 11, 401)))
        at = log.mark_at(position)
        assert at is not None
        if lines:
            check_follows(at, lines[0])
    kept = log.oldest
    log.gate.put(Field.FILES_SAFE, 400)
    for number in range(60):
        log.append([put(f"more-{number}")])
    assert log.oldest > kept, "what the standby has is kept no longer"
    assert FileLog(tmp_path, log.gate).recover().position == 460


def test_what_the_other_host_never_got_is_cut_off_and_named(tmp_path: Path) -> None:
    log = log_at(tmp_path, segment=3_000)
    for number in range(100):
        log.append([put(f"file-{number}")])
    there = log_at(tmp_path / "there")
    start = log.mark_at(log.oldest)
    assert start is not None
    there.begin_at(start)
    there.follow([one for one in log.read(log.oldest, most=200) if one.change.n <= 70])
    assert there.mark_at(70) == log.mark_at(70)
    lost = log.cut_after(70)
    assert [one.change.name for one in lost] == [f"file-{number}" for number in range(70, 100)]
    assert log.mark().root == there.mark().root
    assert log.append([put("after")]) == 71
    again = FileLog(tmp_path, log.gate)
    assert again.recover().position == 71
    assert check_chain(again.read(again.oldest)[1:], again.read(again.oldest)[0].mark).position == 71


def test_a_log_that_was_not_kept_for_a_while_cannot_be_followed_over_the_gap(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log.append([put("a")])
    (tmp_path / filelog.GAP_FILE).touch()
    mark = log.recover()
    assert mark.position == 2
    with pytest.raises(TooOld):
        log.read(1)
    assert log.append([put("b")]) == 3
    assert [one.change.n for one in log.read(2, root=mark.root)] == [3]
    assert log.recover().position == 3


def test_positions_never_go_back_when_a_disk_loses_the_end_of_the_log(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log.append([put("a"), put("b"), put("c")])
    path = tmp_path / filelog.LOG_FILE
    path.write_bytes(b"\n".join(path.read_bytes().splitlines()[:2]) + b"\n")
    assert FileLog(tmp_path, log.gate).recover().position == 4


def test_nothing_is_appended_while_the_gate_is_held_or_closed(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log.gate.turn(State.HOLD, hold=30)
    with pytest.raises(Held):
        log.append([put("a")])
    for state in (State.CLOSED, State.AWAY):
        log.gate.turn(state)
        with pytest.raises(GateClosed):
            log.append([put("a")])
    assert log.mark() == Mark()


# ---- The store that writes into it -----------------------------------------------------------------------------------
def store_at(folder: Path) -> tuple[FileStore, FileLog]:
    from obstore.store import LocalStore

    log = log_at(folder)
    (folder / "media").mkdir()
    return FileStore(LocalStore(folder / "media"), keeping=Keeping("media", log, folder / "media")), log


async def test_the_store_hashes_what_it_writes_and_logs_it(tmp_path: Path) -> None:
    store, log = store_at(tmp_path)
    small, large = b"small", os.urandom(11 * 2**20)
    (tmp_path / "large").write_bytes(large)
    names = [new_content_key(hashlib.sha256(one).digest(), "jpg") for one in (small, large, small)]
    await store.put(names[0], small)
    await store.put(names[1], tmp_path / "large")
    await store.put(names[2], small)
    await store.move(names[2], names[0])
    await store.delete(names[1])
    said = [(one.change.op, one.change.name, one.change.size, one.change.sha256) for one in log.read(0)]
    of_small, of_large = hashlib.sha256(small).hexdigest(), hashlib.sha256(large).hexdigest()
    assert said == [
        ("put", names[0], 5, of_small),
        ("put", names[1], len(large), of_large),
        ("put", names[2], 5, of_small),
        ("move", names[2], 5, of_small),
        ("delete", names[1], 0, ""),
    ]
    assert [one.change.target for one in log.read(3, most=1)] == [names[0]]
    with pytest.raises(ValueError, match="no name"):
        await store.put("some/where", b"")


async def test_a_put_waits_for_the_other_host_only_where_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, log = store_at(tmp_path)
    await store.put(new_file_name("jpg"), b"one")
    log.gate.put(Field.FILES_WAIT, 1)

    async def confirm() -> None:
        await asyncio.sleep(0.1)
        log.gate.put(Field.FILES_SAFE, log.mark().position)

    began, task = time.monotonic(), asyncio.create_task(confirm())
    await store.put(new_file_name("jpg"), b"two")
    await task
    assert time.monotonic() - began >= 0.09

    async def degrade() -> None:
        await asyncio.sleep(0.1)
        log.gate.put(Field.FILES_WAIT, 0)

    task = asyncio.create_task(degrade())
    await store.put(new_file_name("jpg"), b"three")
    await task
    log.gate.put(Field.FILES_WAIT, 1)
    monkeypatch.setattr(FileLog.wait_safe, "__kwdefaults__", {"within": 0.2})
    with pytest.raises(NotSafe) as caught:
        await store.put(new_file_name("jpg"), b"four")
    assert caught.value.status == 503
    await store.delete(new_file_name("jpg"))


async def test_a_put_waits_while_the_gate_is_held_and_is_refused_where_nobody_may_write(tmp_path: Path) -> None:
    store, log = store_at(tmp_path)
    log.gate.turn(State.HOLD, hold=30)
    task = asyncio.create_task(store.put(new_file_name("jpg"), b"x"))
    await asyncio.sleep(0.1)
    assert not task.done()
    log.gate.turn(State.OPEN, epoch=1)
    await task
    log.gate.turn(State.AWAY)
    with pytest.raises(GateClosed):
        await store.put(new_file_name("jpg"), b"x")
    assert log.mark().position == 1


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "content/../../x", "aa/bb/" + "x" * 30, "aa/bb/" + "x" * 30 + ".jpg/..", "aa/bb/x.jpg", ""],
)
def test_names_that_lead_elsewhere_are_names_of_no_area(name: str) -> None:
    assert not any(is_kept_name(area, name) for area in AREAS)
    assert not is_kept_name("archives", new_file_name("zip"))


def test_what_a_writer_left_behind_when_it_died_is_told_all_the_same(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log.append([put("a")])
    log.append([put("b")])
    log.gate.put(Field.FILES_WRITTEN, 1)  # as if the second writer had been killed before it could say so
    assert [one.change.n for one in log.read(0)] == [1]
    assert log.mark().position == 2
    assert [one.change.n for one in log.read(0)] == [1, 2]


async def test_a_put_that_waits_is_refused_at_once_when_the_host_may_write_no_more(tmp_path: Path) -> None:
    store, log = store_at(tmp_path)
    log.gate.put(Field.FILES_WAIT, 1)
    task = asyncio.create_task(store.put(new_file_name("jpg"), b"x"))
    await asyncio.sleep(0.1)
    log.gate.turn(State.AWAY)
    with pytest.raises(GateClosed):
        await asyncio.wait_for(task, 20)


def test_files_of_another_history_that_a_crash_left_beside_the_log_are_dropped(tmp_path: Path) -> None:
    log = log_at(tmp_path, segment=2_000)
    for number in range(40):
        log.append([put(f"file-{number}")])
    older = sorted(tmp_path.glob("files.log.0*"))
    left = {path: path.read_bytes() for path in older}
    assert len(left) >= 2
    log.begin_at(Mark(25, "ab" * 32, 100))
    for path, data in left.items():
        path.write_bytes(data)  # as if it had died before it could delete them
    again = FileLog(tmp_path, log.gate)
    assert again.recover() == Mark(25, "ab" * 32, 100)
    assert again.oldest == 25
    assert not any(path.exists() for path in left)
    assert again.append([put("next")]) == 26
