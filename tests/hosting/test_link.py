"""The link as somebody on the network sees it: who is let in, what a stranger may do, and what nobody may."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography import x509

from parley.hosting.hosts import certificates, link
from parley.hosting.hosts.certificates import (
    CA_CERTIFICATE,
    CA_KEY,
    HOST_CERTIFICATE,
    HOST_KEY,
    client_context,
    ensure_authority,
    ensure_certificate,
    ensure_key,
    internal_name,
    join_context,
)
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.joining import make_code, read_code
from parley.hosting.hosts.link import CONTROL, JOIN, PEER, POSTGRES, HttpSide, Listener, dial, split_address
from parley.hosting.hosts.records import HostRecord, Hosts, check_name
from parley.hosting.hosts.sockets import POSTGRES_SOCKET
from parley.kit.settings import Settings, SettingsError, load_settings
from tests.live import free_port


class Machine:
    """One machine with its folder and certificate."""

    def __init__(self, folder: Path, name: str, *, of: Machine | None = None) -> None:
        folder.mkdir()
        self.name = name
        self.settings = Settings(data_dir=folder, link_listen=f"127.0.0.1:{free_port()}")
        if of is not None:
            for one in (CA_KEY, CA_CERTIFICATE):
                self.settings.path(one).write_bytes(of.settings.path(one).read_bytes())
        ensure_authority(self.settings)
        self.key = ensure_key(self.settings)
        ensure_certificate(self.settings, name)
        self.record = HostRecord(name=name, link=self.settings.link_listen, key=self.key)


class Served:
    """Host `a` with its link open; `hosts` says who belongs to it."""

    def __init__(self, a: Machine, b: Machine, folder: Path) -> None:
        self.a, self.b = a, b
        self.hosts = Hosts(me="a", hosts=(a.record, b.record))
        self.asked: list[tuple[str | None, str]] = []
        self.listener = Listener(a.settings, HttpSide(self._answer), lambda: self.hosts, folder)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append((scope[PEER], scope["path"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": (scope[PEER] or "nobody").encode()})

    async def ask(self, context: ssl.SSLContext, name: str = "a") -> httpx.Response:
        """Ask host `a` with somebody's context."""
        async with httpx.AsyncClient(verify=context, trust_env=False, timeout=5) as client:
            return await client.get(
                f"https://{self.a.settings.link_listen}/x", extensions={"sni_hostname": internal_name(name)}
            )


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    a = Machine(tmp_path / "a", "a")
    b = Machine(tmp_path / "b", "b", of=a)
    (tmp_path / "pg").mkdir()
    made = Served(a, b, tmp_path / "pg")
    await made.listener.start()
    yield made
    await made.listener.close()


async def test_a_host_of_the_instance_is_known_by_name(served: Served) -> None:
    answer = await served.ask(client_context(served.b.settings, (served.a.key,)))
    assert (answer.status_code, answer.text) == (200, "b")


async def test_who_shows_no_certificate_reaches_joining_alone(served: Served) -> None:
    answer = await served.ask(join_context(served.a.key, JOIN))
    assert (answer.text, served.asked) == ("nobody", [("", "/x")])
    served.asked.clear()
    for protocol in (CONTROL, POSTGRES, "parley-web"):
        with pytest.raises(httpx.TransportError):
            await served.ask(join_context(served.a.key, protocol))
    assert served.asked == []


@pytest.mark.parametrize("who", ["another authority", "another key", "an unknown name", "the host itself"])
async def test_whoever_else_shows_a_certificate_is_hung_up_on(served: Served, tmp_path: Path, who: str) -> None:
    stranger = {
        "another authority": lambda: Machine(tmp_path / "s", "b"),
        "another key": lambda: Machine(tmp_path / "s", "b", of=served.a),
        "an unknown name": lambda: Machine(tmp_path / "s", "c", of=served.a),
        "the host itself": lambda: served.a,
    }[who]()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(stranger.settings.path(HOST_CERTIFICATE), stranger.settings.path(HOST_KEY))
    with pytest.raises(httpx.TransportError):
        await served.ask(context)
    assert served.asked == []


async def test_a_host_that_was_removed_is_refused_at_once_on_open_connections_too(served: Served) -> None:
    context = client_context(served.b.settings, (served.a.key,))
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=5) as client:
        url = f"https://{served.a.settings.link_listen}/x"
        await client.get(url, extensions={"sni_hostname": internal_name("a")})
        served.hosts = Hosts(me="a", hosts=(served.a.record,))
        served.listener.drop_strangers()
        with pytest.raises(httpx.TransportError):
            await client.get(url, extensions={"sni_hostname": internal_name("a")})


async def test_a_host_speaks_to_nobody_but_the_one_whose_key_it_knows(served: Served, tmp_path: Path) -> None:
    removed = Machine(tmp_path / "removed", "a", of=served.a)  # it still has the authority's key
    with pytest.raises(httpx.ConnectError, match="key"):
        await served.ask(client_context(served.b.settings, (removed.key,)))
    with pytest.raises(httpx.ConnectError):
        await served.ask(client_context(served.b.settings, (served.a.key,)), name="c")
    assert served.asked == []


async def test_older_versions_of_tls_are_refused(served: Served) -> None:
    context = client_context(served.b.settings, (served.a.key,))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(httpx.ConnectError):
        await served.ask(context)


async def test_bytes_that_come_with_the_handshake_are_not_lost(served: Served, tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(echo, str(tmp_path / "pg" / POSTGRES_SOCKET))
    try:
        for size in (1, 70_000, 3_000_000):
            reader, writer = await dial(served.b.settings, served.a.record, POSTGRES)
            sent = bytes(range(256)) * (size // 256 + 1)
            writer.write(sent)
            assert await asyncio.wait_for(reader.readexactly(len(sent)), 20) == sent
            writer.close()
    finally:
        server.close()


async def test_somebody_who_only_knocks_does_not_keep_others_out(served: Served) -> None:
    address = split_address(served.a.settings.link_listen)
    silent = [socket.create_connection(address) for _ in range(60)]
    try:
        await asyncio.sleep(0.3)
        assert served.listener._knocking.total() <= link.MOST_KNOCKING_EACH
    finally:
        for one in silent:
            one.close()
    for _ in range(50):
        with contextlib.suppress(httpx.TransportError):
            assert (await served.ask(client_context(served.b.settings, (served.a.key,)))).text == "b"
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the link lets nobody in any more")


async def test_what_does_not_speak_tls_gets_nothing(served: Served) -> None:
    reader, writer = await asyncio.open_connection(*split_address(served.a.settings.link_listen))
    writer.write(b"GET /operations/status HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"HTTP" not in await asyncio.wait_for(reader.read(4096), 15)
    writer.close()
    assert served.asked == []


def test_keys_are_their_owners_alone_and_certificates_are_renewed_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path / "a", "a")
    for name in (CA_KEY, HOST_KEY):
        assert machine.settings.path(name).stat().st_mode & 0o777 == 0o600
    first = machine.settings.path(HOST_CERTIFICATE).read_bytes()
    until = ensure_certificate(machine.settings, "a")
    assert timedelta(days=89) < until - datetime.now(UTC) <= timedelta(days=90)
    assert machine.settings.path(HOST_CERTIFICATE).read_bytes() == first
    monkeypatch.setattr(certificates, "RENEW_DAYS", 91)
    ensure_certificate(machine.settings, "a")
    renewed = x509.load_pem_x509_certificate(machine.settings.path(HOST_CERTIFICATE).read_bytes())
    assert renewed.serial_number != x509.load_pem_x509_certificate(first).serial_number
    assert certificates.key_hash(renewed.public_key()) == machine.key


@pytest.mark.parametrize(
    "name", ["", "A", "a b", 'a", "b', "a_b", "-a", "a-", "1a", "a" * 31, "ä", "a\n", "../a", "a.b", "*"]
)
def test_a_host_cannot_be_called_what_would_break_a_configuration(name: str) -> None:
    with pytest.raises(HostError, match="cannot be a host's name"):
        check_name(name)
    if name:
        with pytest.raises(SettingsError, match="host_name"):
            load_settings({"PARLEY_HOST_NAME": name})


@pytest.mark.parametrize("text", ["", "parley-", "parley-AAAA", "x" * 5000, "parley-\u2603", "../../etc/passwd"])
def test_what_is_no_join_code_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(HostError, match="not a join code"):
        read_code(text)


def test_a_join_code_says_where_and_to_whom_but_nothing_that_is_kept() -> None:
    text, code_id, kept = make_code("a.example:7443", "b", "ab" * 32)
    code = read_code(f"  {text}\n")
    assert (code.link, code.name, code.key.hex(), code.id) == ("a.example:7443", "b", "ab" * 32, code_id)
    assert code.secret.hex() not in kept
    assert kept not in text
    assert msgspec.structs.asdict(code).keys() == {"link", "name", "key", "id", "secret"}


@pytest.mark.parametrize("address", ["", "a", "a:", "a:0", "a:65536", ":1", "a b:1", "http://a:1/", "a:1x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(HostError, match="not an address"):
        split_address(address)
