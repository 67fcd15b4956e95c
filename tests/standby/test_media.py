"""Files go to the second host, whatever is in the way, and both hosts can say that they have the same."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import obstore
import pytest

from parley.hosting.hosts.errors import HostError
from parley.hosting.standby import following
from parley.hosting.standby.aligning import find_lost_files
from parley.hosting.standby.keeping import list_lost_files, read_following
from parley.kit.filelog import NotSafe
from parley.kit.gate import Field, GateClosed
from tests.hosting.stores import ENVIRONMENT, s3_server
from tests.standby.sides import Side, StoreThatFails, TestSource

LARGE = 6 * 2**20


@pytest.fixture(scope="module")
def buckets() -> Iterator[str]:
    with s3_server("one", "two") as url:
        yield url


Pair = tuple[Side, Side, TestSource]


async def made_pair(tmp_path: Path, store_a: str = "", store_b: str = "") -> AsyncIterator[Pair]:
    a, b = Side("a", tmp_path / "a", "primary", store_a), Side("b", tmp_path / "b", "standby", store_b)
    try:
        yield a, b, TestSource(a)
    finally:
        await b.stop()
        await a.stop()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async for one in made_pair(tmp_path):
        yield one


async def test_files_that_were_there_before_and_files_that_come_are_copied(pair: Pair) -> None:
    a, b, source = pair
    old = [await a.put(os.urandom(2000), area) for area in ("media", "uploads", "evidence") for _ in range(5)]
    large = await a.put(os.urandom(LARGE))
    b.follow(source)
    await b.caught_up(a)
    assert await b.everything() == await a.everything()
    new = await a.put(b"new")
    gone = await a.put(b"gone", "uploads")
    await a.media.written["uploads"].delete(gone)
    await a.media.written["media"].delete(large)
    await b.caught_up(a)
    assert await b.whole(new) == b"new"
    assert await b.whole(large) is None
    assert await b.everything() == await a.everything()
    assert len(await b.everything()) == len(old) + 1
    status = b.media.status()
    assert (status.backlog_files, status.backlog_bytes, status.behind_seconds, status.failed) == (0, 0, 0, 0)
    assert (status.position, status.root) == (a.media.status().position, a.media.status().root)


async def test_what_exists_already_is_not_sent_again_and_what_is_too_much_is_set_aside(pair: Pair) -> None:
    a, b, source = pair
    name = await a.put(b"both have it")
    await b.media.areas["media"].put(name, b"both have it")
    other = name.replace(name[-26:-4], "x" * 22)
    await b.media.areas["media"].put(other, b"only the second one has it")
    b.follow(source)
    await b.caught_up(a)
    assert source.reads == 0
    assert await b.everything() == await a.everything()
    assert b.settings.path("lost-files", "media", other).read_bytes() == b"only the second one has it"


async def test_a_standby_that_was_away_for_long_deletes_what_was_deleted(pair: Pair) -> None:
    a, b, source = pair
    kept, gone = await a.put(b"kept"), await a.put(b"gone")
    b.follow(source)
    await b.caught_up(a)
    await b.stop()
    await a.media.written["media"].delete(gone)
    keeping = a.media.written["media"]._keeping
    assert keeping is not None and keeping.log is not None
    keeping.log._segment = 500
    for _ in range(80):
        await a.put(b"x", "uploads")
    assert a.media.log.oldest > 2, "the log does not reach back to where the standby was"
    b.follow(source)
    await b.caught_up(a)
    assert await b.everything() == await a.everything()
    assert await b.whole(kept) == b"kept"


@pytest.mark.parametrize("fault", ["cut", "changed", "broken", "unreachable"])
async def test_an_error_on_the_way_is_tried_again_until_the_file_is_right(pair: Pair, fault: str) -> None:
    a, b, source = pair
    b.follow(source)
    await b.caught_up(a)
    source.faults = {fault: 5}
    names = [await a.put(os.urandom(3000)) for _ in range(6)] + [await a.put(os.urandom(LARGE))]
    await b.caught_up(a, 30)
    assert source.faults[fault] < 0
    assert len(names) == len(await b.everything())
    assert await b.everything() == await a.everything()
    assert b.media.status().failed == 0


async def test_a_store_that_fails_is_tried_again_and_nothing_is_confirmed_before(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, source = pair
    b.follow(source)
    await b.caught_up(a)
    await a.put(b"first")
    await b.caught_up(a)
    await b.stop()
    name = await a.put(b"second")
    failing = StoreThatFails(1_000_000, obstore.put_async)
    monkeypatch.setattr(obstore, "put_async", failing)
    b.follow(source)
    async with asyncio.timeout(20):
        while (status := b.media.status()).failed == 0 or status.behind_seconds <= 0.4:
            await asyncio.sleep(0.05)
    assert (status.failed, status.backlog_files, status.backlog_bytes) == (1, 1, 6)
    assert a.media.status().backlog_files == 1
    assert "No space left" in str(b.media.follower and b.media.follower.troubles)
    with pytest.raises(HostError, match="1 changes of files are missing on b"):
        await b.caught_up(a, 0.1)
    failing.left = 0
    await b.caught_up(a)
    assert await b.whole(name) == b"second"
    assert b.media.status().failed == 0


async def test_one_damaged_file_keeps_no_other_waiting_and_is_shown_until_it_is_right(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "SET_ASIDE", 0.3)
    monkeypatch.setattr(following, "RETRY_EVERY", 0.3)
    a, b, source = pair
    b.follow(source)
    await b.caught_up(a)
    bad = await a.put(b"what it should be")
    path = a.settings.path("media", bad)
    path.write_bytes(b"what it became   ")
    good = await a.put(b"good")
    mark = a.media.log.mark()
    while b.media.log.mark().position < mark.position:
        await asyncio.sleep(0.05)
        await a.put(b"more", "uploads")
    assert await b.whole(good) == b"good"
    assert b.media.status().failed == 1
    with pytest.raises(HostError, match="could not be copied"):
        await b.caught_up(a)
    await b.stop()
    assert "SHA-256" in read_following(b.settings).failed[0].why
    path.write_bytes(b"what it should be")
    b.follow(source)
    while b.media.figures is None or b.media.status().failed or read_following(b.settings).failed:
        await asyncio.sleep(0.05)
    assert await b.whole(bad) == b"what it should be"
    await b.caught_up(a)


async def test_a_primary_whose_own_store_is_away_puts_no_file_in_the_wrong(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "SET_ASIDE", 0.1)
    a, b, source = pair
    b.follow(source)
    await b.caught_up(a)
    await a.put(b"before")
    await b.caught_up(a)
    real = obstore.head_async

    async def broken(store: object, name: str) -> object:
        if str(a.settings.path()) in repr(store):
            raise obstore.exceptions.GenericError("the bucket is away")
        return await real(store, name)  # type: ignore[arg-type]

    monkeypatch.setattr(obstore, "head_async", broken)
    name = await a.put(b"stored, and cannot be read just now")
    async with asyncio.timeout(20):
        while b.media.status().failed == 0:
            await asyncio.sleep(0.05)
    await asyncio.sleep(1)  # long past the moment at which a file in the wrong would be set aside
    assert (b.media.status().failed, b.media.status().backlog_files) == (1, 1)
    assert read_following(b.settings).failed == ()
    monkeypatch.setattr(obstore, "head_async", real)
    await b.caught_up(a)
    assert await b.whole(name) == b"stored, and cannot be read just now"


async def test_a_standby_that_is_stopped_at_any_moment_goes_on_where_it_was(pair: Pair) -> None:
    a, b, source = pair
    source.delay = 0.01
    writing = asyncio.create_task(_write_for(a, 3.0))
    while not writing.done():
        b.follow(source)
        await asyncio.sleep(0.15)
        await b.stop()
    b.follow(source)
    await b.caught_up(a, 30)
    assert await b.everything() == await a.everything()
    assert len(await b.everything()) > 50


async def _write_for(side: Side, seconds: float) -> None:
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until or number < 45:  # a slow machine takes longer, and writes as much
        name = await side.put(os.urandom(500), "uploads")
        await side.put(os.urandom(2000))
        if number % 3:
            await side.media.written["uploads"].delete(name)
        number += 1
        await asyncio.sleep(0.01)


# ---- Waiting for the other host --------------------------------------------------------------------------------------
async def test_with_synchronous_commits_a_put_returns_when_the_other_host_has_it(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parley.kit.filelog import FileLog

    monkeypatch.setattr(FileLog.wait_safe, "__kwdefaults__", {"within": 3})
    a, b, source = pair
    await a.host.change_state(commits="sync")
    await a.put(b"the other host was just added and could confirm nothing for hours")
    b.follow(source)
    await b.caught_up(a)
    while not a.host.gate.get(Field.FILES_WAIT):
        await asyncio.sleep(0.01)
    for number in range(10):
        name = await a.put(f"file {number}".encode())
        assert await b.whole(name) == f"file {number}".encode()
    a.down = True
    await asyncio.sleep(0.05)
    with pytest.raises(NotSafe):
        await a.put(b"the wire is cut")
    from parley.kit.clock import now

    await a.host.change_state(degraded_since=now())
    name = await a.put(b"degraded")
    assert await b.whole(name) is None
    a.down = False
    await b.caught_up(a)
    assert await b.whole(name) == b"degraded"
    await a.host.change_state(degraded_since=None)
    name = await a.put(b"both again")
    assert await b.whole(name) == b"both again"
    await a.host.change_state(commits="async")
    assert a.host.gate.get(Field.FILES_WAIT) == 0


# ---- Roles change ----------------------------------------------------------------------------------------------------
async def test_after_a_planned_move_files_go_the_other_way(pair: Pair) -> None:
    a, b, source = pair
    b.follow(source)
    await a.put(b"before")
    await b.caught_up(a)
    await b.stop()
    await a.turn("away", 2)
    await b.turn("primary", 2)
    with pytest.raises(GateClosed):
        await a.put(b"no more here")
    await b.host.change_state(commits="sync")
    assert b.host.gate.get(Field.FILES_WAIT) == 1, "the host that was the primary has everything up to now"
    await b.host.change_state(commits="async")
    name = await b.put(b"after")
    a.follow(TestSource(b))
    await a.caught_up(b)
    assert await a.whole(name) == b"after"
    assert await a.everything() == await b.everything()
    assert list_lost_files(a.settings) == []


async def test_after_a_failover_the_old_host_names_what_it_alone_had_and_gives_it_back(pair: Pair) -> None:
    a, b, source = pair
    both = await a.put(b"both")
    deleted = await a.put(b"deleted on the old host alone")
    b.follow(source)
    await b.caught_up(a)
    await b.stop()
    only_a = await a.put(b"only the old host has it")
    await a.media.written["media"].delete(deleted)
    large = os.urandom(LARGE)
    large_name = await a.put(large)
    await b.turn("primary", 2)
    new = await b.put(b"new on the new host")
    more = [await b.put(os.urandom(100)) for _ in range(5)]
    back = TestSource(b)
    found = await find_lost_files(a.media.log, back)
    assert found is not None
    assert [(one.op, one.name) for one in found.changes] == [
        ("put", only_a),
        ("delete", deleted),
        ("put", large_name),
    ]
    await a.turn("standby", 2)
    a.follow(back)
    await a.caught_up(b)
    lost = list_lost_files(a.settings)
    assert [one.name for one in lost[0].changes] == [only_a, deleted, large_name]
    assert lost[0].given_back
    assert await b.whole(only_a) == b"only the old host has it"
    assert await b.whole(large_name) == large
    await a.caught_up(b)
    assert await a.everything() == await b.everything()
    assert {both, deleted, only_a, large_name, new, *more} == {name for _, name in await a.everything()}
    assert a.media.status().root == b.media.status().root


async def test_a_host_never_gives_its_files_up_to_one_that_is_not_the_primary(pair: Pair) -> None:
    a, b, source = pair
    b.follow(source)
    await a.put(b"both")
    await b.caught_up(a)
    await b.stop()
    name = await a.put(b"mine")
    await a.turn("standby", 1)
    a.follow(TestSource(b))
    await asyncio.sleep(0.3)
    assert await a.whole(name) == b"mine"
    assert list_lost_files(a.settings) == []


async def test_a_file_that_is_missing_is_fetched_from_the_other_host_when_it_is_asked_for(pair: Pair) -> None:
    a, b, source = pair
    name = await a.put(b"asked for")

    async def peer(name: str) -> object:
        from parley.hosting.hosts.client import HostClient

        return HostClient(name, source._http)

    b.host.peer = peer  # type: ignore[assignment]
    assert await b.media.fetch_from_others("media", name)
    assert await b.whole(name) == b"asked for"
    assert not await b.media.fetch_from_others("media", name.replace(name[-26:-4], "x" * 22))
    assert b.media.log.mark().position == 0


# ---- Routes ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/files/media/../signing.key"),
        ("GET", "/files/media/%2e%2e/signing.key"),
        ("GET", "/files/media//etc/passwd"),
        ("GET", "/files/archives/aa/bb/xxxxxxxxxxxxxxxxxxxxxxxx.zip"),
        ("GET", "/files/media/?folder=../.."),
        ("GET", "/files/media/?folder=/etc"),
        ("GET", "/files/other/"),
        ("GET", "/files/log?after=x&root=y"),
        ("GET", "/files/log"),
        ("POST", "/files/fetch?area=media&name=x"),
        ("PUT", "/files/media/../../x"),
        ("DELETE", "/files/media/aa/bb/xxxxxxxxxxxxxxxxxxxxxxxx.jpg"),
        ("GET", "/files/media/aa/bb/xxxxxxxxxxxxxxxxxxxxxxxx.jpg"),
    ],
)
async def test_nothing_else_can_be_asked_for(pair: Pair, method: str, path: str) -> None:
    a, _, source = pair
    a.settings.path("signing.key").write_bytes(b"secret")
    answer = await source._http.request(method, path)
    assert answer.status_code in (400, 404, 405)
    assert b"secret" not in answer.content


async def test_a_host_that_is_not_the_primary_takes_no_files(pair: Pair) -> None:
    _, b, _ = pair
    back = TestSource(b)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x"

    with pytest.raises(HostError):
        await back.give("media", "aa/bb/xxxxxxxxxxxxxxxxxxxxxxxx.jpg", 1, "00" * 32, chunks())
    assert await b.everything() == {}


# ---- Buckets ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("of_a", "of_b"), [("", "two"), ("one", ""), ("one", "two")])
async def test_each_host_may_keep_its_files_in_a_bucket(
    tmp_path: Path, buckets: str, monkeypatch: pytest.MonkeyPatch, of_a: str, of_b: str
) -> None:
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": buckets}.items():
        monkeypatch.setenv(name, value)
    stores = [f"s3://{one}/{tmp_path.name}" if one else "" for one in (of_a, of_b)]
    async for a, b, source in made_pair(tmp_path, *stores):
        names = [await a.put(os.urandom(1000)) for _ in range(4)] + [await a.put(os.urandom(LARGE))]
        b.follow(source)
        await b.caught_up(a, 40)
        await a.put(b"later")
        await a.media.written["media"].delete(names[0])
        await b.caught_up(a, 40)
        assert await b.everything() == await a.everything()
        assert len(await b.everything()) == 5
