"""The guard of outgoing requests, and shortened links that are followed behind it. The servers are real, and local."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.kit import outbound
from parley.kit.outbound import follow_link, is_public, may_connect
from tests.conftest import World

PRIVATE = [
    "127.0.0.1", "127.8.9.10", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "100.100.100.200", "255.255.255.255", "224.0.0.1", "240.0.0.1", "198.18.0.1", "192.0.2.1", "192.0.0.8", "::", "::1",
    "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1", "2001:db8::1",
    "2001:0:7f00:1:0:0:f5ff:fffe",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_on_the_public_internet_is_never_asked(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101"])
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)
    assert may_connect(address, 443)
    assert not may_connect(address, 25)


@given(st.ip_addresses(v=4))
def test_an_address_is_no_more_public_inside_another(address: ipaddress.IPv4Address) -> None:
    if not is_public(str(address)):
        assert not is_public(f"::ffff:{address}")
        assert not is_public(str(ipaddress.IPv6Address((0x64FF9B << 96) | int(address))))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost/", "http://2130706433/", "http://0x7f.1/", "http://[::1]/",
        "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/latest/meta-data/", "http://0/", "ftp://example.org/",
        "http://127.0.0.1:22/", "gopher://x/", "http:///x", "http://[", "", "x" * 9000, "http://a\0b/",
    ],
)  # fmt: skip
async def test_links_into_our_own_network_are_refused(url: str) -> None:
    led = await follow_link(url)
    assert led.problem
    assert led.final is None


Answer = Callable[[str, str], bytes]


@asynccontextmanager
async def server(answer: Answer, host: str = "127.0.0.1") -> AsyncIterator[tuple[int, list[str]]]:
    """A real HTTP server; `answer(method, path)` gives the whole response. Yields its port and what was asked."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split("\r\n")[0].split(" ")
        asked.append(head)
        writer.write(answer(method, path))
        await writer.drain()
        writer.close()

    made = await asyncio.start_server(serve, host, 0)
    try:
        yield made.sockets[0].getsockname()[1], asked
    finally:
        made.close()


def redirect(to: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} X\r\nLocation: {to}\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n".encode()


PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture
def only_first_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 stands for the public internet; every other address stays what it is."""
    monkeypatch.setattr(outbound, "may_connect", lambda address, port: address == "127.0.0.1")


pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.mark.usefixtures("only_first_loopback")
async def test_a_link_is_followed_over_several_answers_without_cookies() -> None:
    def answer(method: str, path: str) -> bytes:
        return {"/a": redirect("/b", 301), "/b": redirect(f"//127.0.0.1:{port}/c", 307)}.get(path, PAGE)

    async with server(answer) as (port, asked):
        led = await follow_link(f"http://127.0.0.1:{port}/a")
        assert led.hops == (f"http://127.0.0.1:{port}/b", f"http://127.0.0.1:{port}/c")
        assert led.problem == ""
        assert [head.split(" ")[0] for head in asked] == ["HEAD", "HEAD", "HEAD"]
        assert not any("cookie" in head.lower() for head in asked)


@pytest.mark.usefixtures("only_first_loopback")
async def test_every_answer_is_checked_anew() -> None:
    async with server(lambda method, path: redirect("http://127.0.0.2/secret")) as (port, _):
        led = await follow_link(f"http://127.0.0.1:{port}/")
        assert led.hops == ("http://127.0.0.2/secret",)
        assert "not on the public internet" in led.problem


async def test_a_name_server_that_answers_twice_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def resolve(self: Any, host: str, port: int, **more: Any) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 or host[0].isdigit() else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(outbound, "may_connect", lambda address, port: address == "127.0.0.1")
    async with server(lambda method, path: PAGE) as (port, heads):
        monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", resolve)
        led = await follow_link(f"http://rebinding.example:{port}/")
        assert (led.problem, led.hops) == ("", ())
        assert [name for name in asked if name == "rebinding.example"] == ["rebinding.example"]
        assert f"rebinding.example:{port}" in heads[0]


async def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(self: Any, host: str, port: int, **more: Any) -> list[Any]:
        return [(socket.AF_INET, 1, 6, "", ("1.1.1.1", port)), (socket.AF_INET6, 1, 6, "", ("::1", port, 0, 0))]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", resolve)
    assert "not on the public internet" in (await follow_link("http://both.example/")).problem


@pytest.mark.usefixtures("only_first_loopback")
@pytest.mark.parametrize(
    ("to", "problem", "last"),
    [
        ("javascript:alert(1)", "leads to no page", "javascript:alert(1)"),
        ("/again", "in a circle", None),
        ("http://[broken", "has no address|could not be asked", "http://[broken"),
        ("/" + "x" * 5000, "too long", None),
    ],
)
async def test_odd_answers_end_the_chase(to: str, problem: str, last: str | None) -> None:
    import re

    async with server(lambda method, path: redirect(to)) as (port, _):
        led = await follow_link(f"http://127.0.0.1:{port}/")
        assert re.search(problem, led.problem), led
        assert last is None or led.final == last


@pytest.mark.usefixtures("only_first_loopback")
async def test_nobody_is_followed_for_ever() -> None:
    async with server(lambda method, path: redirect(f"{path}x")) as (port, asked):
        led = await follow_link(f"http://127.0.0.1:{port}/")
        assert "more than 5 times" in led.problem
        assert len(asked) == 6


@pytest.mark.usefixtures("only_first_loopback")
async def test_a_server_that_refuses_head_is_asked_with_get_and_its_body_is_not_read() -> None:
    def answer(method: str, path: str) -> bytes:
        if method == "HEAD":
            return b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"
        return redirect("https://example.org/") if path == "/" else PAGE

    async with server(answer) as (port, asked):
        led = await follow_link(f"http://127.0.0.1:{port}/")
        assert led.hops == ("https://example.org/",)
        assert [head.split(" ")[0] for head in asked] == ["HEAD", "GET"]


@pytest.mark.usefixtures("only_first_loopback")
async def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 0.1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    made = await asyncio.start_server(serve, "127.0.0.1", 0)
    led = await follow_link(f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}/")
    made.close()
    assert led.problem


@pytest.mark.usefixtures("only_first_loopback")
@pytest.mark.parametrize("answer", [b"", b"\xff\xfe\r\n\r\n", b"HTTP/1.1 302 X\r\nLocation: " + b"a" * 200_000])
async def test_garbage_for_an_answer_is_a_problem_and_nothing_else(answer: bytes) -> None:
    async with server(lambda method, path: answer) as (port, _):
        assert (await follow_link(f"http://127.0.0.1:{port}/")).problem


@pytest.mark.usefixtures("only_first_loopback")
async def test_a_post_whose_short_link_leads_to_a_trap_is_hidden_and_the_next_is_refused_at_once(
    ruled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(self: Any, host: str, port: int, **more: Any) -> list[Any]:
        address = "127.0.0.1" if host == "short.example" else host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async with server(lambda method, path: redirect("https://www.trap.example/x") if path == "/t" else PAGE) as (
        port,
        asked,
    ):
        monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", resolve)
        posted = await ruled.post("bob", f"look http://short.example:{port}/t")
        harmless = await ruled.post("bob", f"look http://short.example:{port}/fine")
        assert "moderation" not in posted
        assert asked == [], "nothing is asked while somebody posts"
        await ruled.run_jobs()
        assert len(asked) == 2
        alice = await ruled.client("alice")
        assert (await alice.get(f"/api/v1/statuses/{posted['id']}")).status_code == 404
        assert (await alice.get(f"/api/v1/statuses/{harmless['id']}")).status_code == 200
        client = await ruled.client("bob")
        again = await client.post("/api/v1/statuses", json={"status": f"once more http://short.example:{port}/t"})
        assert again.status_code == 422
        assert "rule 7.3 (Spam)" in again.json()["error"]
        await ruled.run_jobs()
        assert len(asked) == 2, "what is known is not asked again"
    async with ruled.instance.db.read() as tx:
        details = await tx.fetch("SELECT detail FROM screening_results WHERE detail ? 'links_wait'")
        assert details == [], "what waited is kept no longer than needed"


async def test_posting_without_short_links_costs_no_query_more(ruled: World) -> None:
    await ruled.post("bob", "one https://example.org/1")
    with ruled.queries() as plain:
        await ruled.post("bob", "two https://example.org/2")
    assert not [query for query in plain if "resolved_links" in query or "bank_" in query or "rule_" in query]


@pytest.mark.usefixtures("only_first_loopback")
async def test_slow_sites_do_not_take_all_workers(ruled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from parley.social.verdicts import jobs

    monkeypatch.setattr(jobs, "LINKS_AT_ONCE", 0)
    await ruled.post("bob", "http://short.example/later")
    await ruled.run_jobs()
    async with ruled.instance.db.read() as tx:
        waiting = await tx.fetch(
            "SELECT execute_after > now() AS later FROM pgqueuer WHERE entrypoint = 'resolve_links'"
        )
        assert [row["later"] for row in waiting] == [True]
