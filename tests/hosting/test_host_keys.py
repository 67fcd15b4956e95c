"""Keys of hosts: one that is changed while everything runs, and one whose host was removed and is good for nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from parley.hosting.hosts import membership, rotating
from parley.hosting.hosts.certificates import (
    CA_CERTIFICATE,
    CA_KEY,
    HOST_KEY,
    NEXT_KEY,
    client_context,
    ensure_certificate,
    ensure_key,
    ensure_next_key,
    internal_name,
    take_next_key,
)
from parley.hosting.hosts.client import open_host
from parley.hosting.hosts.control import control_app
from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.keylog import LOG_FILE, read_keylog
from parley.hosting.hosts.link import POSTGRES, WEB, HttpSide, Listener, dial
from parley.hosting.hosts.records import HostRecord, Hosts, HostState, read_hosts, write_hosts
from parley.hosting.hosts.views import Asker
from parley.hosting.journals import JournalError
from parley.kit.gate import GATE_FILE, Gate
from parley.kit.settings import Settings
from parley.kit.signing import public_key_of
from tests.hosting.test_link import Machine


class Running(Machine):
    """A host whose agent's link is open; it has no database."""

    def __init__(self, folder: Path, name: str, *, of: Running | None = None) -> None:
        super().__init__(folder, name, of=of)
        if of is not None:
            self.settings.path("signing.key").write_bytes(of.settings.path("signing.key").read_bytes())
        public_key_of(self.settings)

    async def open(self, hosts: tuple[HostRecord, ...], state: HostState) -> None:
        known = Hosts(me=self.name, version=1, hosts=hosts)
        write_hosts(self.settings, known)
        self.host = Host(self.settings, Gate(self.settings.path(GATE_FILE)), None, known, state)
        http = HttpSide(control_app(self.host, {}))
        self.listener = Listener(self.settings, http, lambda: self.host.hosts, self.settings.path())
        self.host.on_hosts_changed = self.listener.drop_strangers
        self.host.on_key_changed = self.listener.renew
        await self.listener.start()

    async def close(self) -> None:
        await self.listener.close()
        await self.host.close()

    async def reaches(self, other: Running) -> bool:
        """Whether the other one answers this one, on a connection that is made anew."""
        async with open_host(self.settings, other.name) as client:
            try:
                return other.name in {one.name for one in (await client.hosts()).hosts}
            except HostUnreachable:
                return False

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """What its journal says: of whom, and what."""
        return [(one.detail["host"], one.kind) for one in read_keylog(self.settings)]


class Three:
    """`a`, the primary, and two that follow it."""

    def __init__(self, folder: Path) -> None:
        self.a = Running(folder / "a", "a")
        self.b = Running(folder / "b", "b", of=self.a)
        self.c = Running(folder / "c", "c", of=self.a)
        self.all = (self.a, self.b, self.c)

    async def open(self) -> None:
        records = tuple(one.record for one in self.all)
        for one in self.all:
            is_primary = one is self.a
            await one.open(
                records, HostState(role="primary" if is_primary else "standby", to=None if is_primary else "a")
            )

    async def agree(self) -> bool:
        """Whether all know the same hosts with the same keys, and each reaches each."""
        known = [one.host.hosts.hosts for one in self.all]
        assert [read_hosts(one.settings) for one in self.all] == [one.host.hosts for one in self.all]
        same = all(
            [(one.name, one.keys) for one in each] == [(one.name, one.keys) for one in known[0]] for each in known
        )
        pairs = [(one, other) for one in self.all for other in self.all if one is not other]
        return same and all(await asyncio.gather(*(one.reaches(other) for one, other in pairs)))


@pytest.fixture
async def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Three]:
    async def nothing(_host: Host) -> None: ...

    for name in ("configure", "ensure_slots"):  # there is no PostgreSQL here
        monkeypatch.setattr(membership.roles, name, nothing)
    made = Three(tmp_path)
    await made.open()
    try:
        yield made
    finally:
        for one in made.all:
            await one.close()


async def ask_with(settings: Settings, other: Running, path: str, **arguments: Any) -> httpx.Response:
    """Ask a host with the certificate that these settings have."""
    context = client_context(settings, other.host.hosts.find(other.name).keys)  # type: ignore[union-attr]
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=5) as client:
        return await client.post(
            f"https://{other.settings.link_listen}{path}",
            json=arguments,
            extensions={"sni_hostname": internal_name(other.name)},
        )


def stolen(host: Running, folder: Path) -> Settings:
    """A machine with everything that a host has now, as a thief or its former owner would have it."""
    folder.mkdir()
    for path in host.settings.path().iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    return Settings(data_dir=folder)


@pytest.mark.parametrize("name", ["a", "b"])
async def test_a_key_is_changed_and_every_host_reaches_every_other_all_the_while(
    three: Three, tmp_path: Path, name: str
) -> None:
    one = next(each for each in three.all if each.name == name)
    others = [each for each in three.all if each is not one]
    before, thief = one.key, stolen(one, tmp_path / "thief")
    assert (await ask_with(thief, others[0], "/operations/hosts")).status_code == 200
    done = await rotating.rotate_key(one.host)
    assert (done.name, done.before) == (name, before)
    assert done.key == ensure_key(one.settings) != before
    assert not one.settings.path(NEXT_KEY).exists()
    for each in three.all:
        record = each.host.hosts.find(name)
        assert record is not None
        assert record.keys == (done.key,)
        assert record.link == one.settings.link_listen
    assert await three.agree()
    for other in others:
        with pytest.raises(httpx.TransportError):
            await ask_with(thief, other, "/operations/hosts")
    assert (name, "confirmed") in three.a.kinds
    assert (name, "taken") in one.kinds
    again = await rotating.rotate_key(one.host)  # and once more
    assert again.before == done.key != again.key
    assert await three.agree()


async def test_connections_with_an_old_key_end_but_for_requests_of_members(three: Three) -> None:
    opened = {}
    record = three.b.host.hosts.find("a")
    assert record is not None
    for protocol in (POSTGRES, WEB):
        # What is behind them is not there, so the listener would close them: hold them open as if it were.
        opened[protocol] = await asyncio.start_server(lambda *_: asyncio.sleep(30), "127.0.0.1", 0)
    web, postgres = (one.sockets[0].getsockname()[1] for one in (opened[WEB], opened[POSTGRES]))
    three.a.listener._to_web = lambda: asyncio.open_connection("127.0.0.1", web)  # type: ignore[method-assign]
    three.a.listener._to_postgres = lambda: asyncio.open_connection("127.0.0.1", postgres)  # type: ignore[method-assign]
    replication, request = [await dial(three.b.settings, record, one) for one in (POSTGRES, WEB)]
    await asyncio.sleep(0.2)
    await rotating.rotate_key(three.b.host)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        async with asyncio.timeout(3):
            await replication[0].readexactly(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await request[0].readexactly(1)
    for _, writer in (replication, request):
        writer.close()
    for server in opened.values():
        server.close()


async def test_nothing_is_changed_before_every_host_knows(three: Three) -> None:
    await three.c.listener.close()
    with pytest.raises(HostError, match=r"c does not answer, and must know the new key"):
        await rotating.rotate_key(three.b.host)
    assert ensure_key(three.b.settings) == three.b.key
    assert await three.b.reaches(three.a)
    waiting = ensure_next_key(three.b.settings)
    assert three.a.host.hosts.find("b").keys == (three.b.key, waiting)  # type: ignore[union-attr]
    three.c.listener = Listener(
        three.c.settings, HttpSide(control_app(three.c.host, {})), lambda: three.c.host.hosts, None
    )
    await three.c.listener.start()
    assert (await rotating.rotate_key(three.b.host)).key == waiting
    assert await three.agree()


async def test_what_was_killed_after_the_new_key_was_taken_is_ended_by_the_agent(three: Three) -> None:
    fresh = ensure_next_key(three.b.settings)
    await (await three.b.host.peer("a")).call("announce_key", type(None), key=fresh)
    take_next_key(three.b.settings, "b")
    # Started again: both keys are taken for it, and it says by itself that it has the new one.
    three.b.listener.renew()
    three.b.host.forget_clients()
    assert await three.agree()
    await rotating.finish_rotation(three.b.host)
    assert three.c.host.hosts.find("b").keys == (fresh,)  # type: ignore[union-attr]
    assert await three.agree()
    await rotating.finish_rotation(three.b.host)


async def test_a_host_speaks_for_its_own_key_alone_and_must_show_it(three: Three) -> None:
    b = await three.b.host.peer("a")
    with pytest.raises(HostError, match="Another host has that key"):
        await b.call("announce_key", type(None), key=three.c.key)
    with pytest.raises(HostError, match="not the hash of a key"):
        await b.call("announce_key", type(None), key="x")
    with pytest.raises(HostError, match="unknown field"):
        await b.call("announce_key", type(None), key="1" * 64, asker={"name": "c", "key": ""})
    with pytest.raises(HostError, match="not the primary"):
        await (await three.a.host.peer("b")).call("announce_key", type(None), key="1" * 64)
    with pytest.raises(HostError, match="no such operation"):
        await b.call("rotate_key", rotating.Rotated)
    fresh = ensure_next_key(three.b.settings)
    await b.call("announce_key", type(None), key=fresh)
    assert three.a.host.hosts.find("c").keys == (three.c.key,)  # type: ignore[union-attr]
    with pytest.raises(HostError, match="has not shown that key"):
        await b.call("confirm_key", type(None), key=fresh)
    with pytest.raises(HostError, match="has not shown that key"):
        await rotating.confirm_key(three.a.host, fresh, Asker("b", three.c.key))


async def test_a_removed_host_is_refused_by_every_other_one_and_what_it_keeps_makes_it_nobody_else(
    three: Three, tmp_path: Path
) -> None:
    assert await membership.remove_host(three.a.host, "c") == []
    assert three.a.kinds == [("c", "removed")]
    for one in (three.a, three.b):
        assert one.host.hosts.find("c") is None
        assert not await three.c.reaches(one)
    # It has the authority's key and so can make certificates in any name, but nobody's key.
    for name in ("a", "b"):
        folder = tmp_path / f"forged-{name}"
        thief = stolen(three.c, folder)
        (folder / HOST_KEY).unlink()
        for file in (CA_KEY, CA_CERTIFICATE):
            assert (folder / file).read_bytes() == three.a.settings.path(file).read_bytes()
        ensure_certificate(thief, name)
        other = three.b if name == "a" else three.a
        with pytest.raises(httpx.TransportError):
            await ask_with(thief, other, "/operations/hosts")


async def test_hosts_that_are_away_when_one_is_removed_are_named_and_learn_of_it(three: Three) -> None:
    await three.b.listener.close()
    assert await membership.remove_host(three.a.host, "c") == ["b"]
    assert three.b.host.hosts.find("c") is not None
    await membership.refresh_hosts(three.b.host)  # as its agent does every few seconds
    assert three.b.host.hosts.find("c") is None


async def test_the_journal_of_keys_shows_that_it_was_changed(three: Three) -> None:
    await rotating.rotate_key(three.b.host)
    await membership.remove_host(three.a.host, "c")
    assert three.a.kinds == [("b", "announced"), ("b", "confirmed"), ("c", "removed")]
    path = three.a.settings.path(LOG_FILE)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:1] + lines[2:]))
    with pytest.raises(JournalError):
        read_keylog(three.a.settings)
    changed = json.loads(lines[1])
    changed["detail"]["key"] = "0" * 64
    path.write_bytes(lines[0] + json.dumps(changed).encode() + b"\n" + lines[2])
    with pytest.raises(JournalError):
        read_keylog(three.a.settings)
