"""Names are changed on a real DNS server, by one at a time, and only from what they were believed to be."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

from parley.hosting.dns import (
    Addresses,
    Door,
    NamesError,
    StaleName,
    ask_server,
    point_name,
    read_addresses,
    read_door,
    wait_until_seen,
)
from parley.hosting.dns_check import check_name
from tests.hosting.names import KEY, ZONE, knot_server

OLD = read_addresses(["192.0.2.1", "2001:db8::1"])
NEW = read_addresses(["198.51.100.7"])


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with knot_server(tmp_path / "knot") as text:
        yield read_door(text)


async def seen(door: Door, name: str = ZONE) -> tuple[str, ...]:
    return (await ask_server(name, door.server, door.port)).all


async def test_a_name_moves_with_both_kinds_of_addresses(door: Door) -> None:
    before = await point_name(door, ZONE, NEW, expected=OLD)
    assert before.all == ("192.0.2.1", "2001:db8::1")
    took = await wait_until_seen(ZONE, NEW, [(door.server, door.port)], seconds=10)
    assert took < 10
    assert await seen(door) == ("198.51.100.7",), "the IPv6 address of the old host is gone too"
    await point_name(door, ZONE, OLD, expected=NEW)
    assert await seen(door) == OLD.all


async def test_a_name_that_somebody_else_changed_is_left_alone(door: Door) -> None:
    with pytest.raises(StaleName, match=r"points to 192\.0\.2\.1, 2001:db8::1, not to 203\.0\.113\.5"):
        await point_name(door, ZONE, NEW, expected=read_addresses(["203.0.113.5"]))
    assert await seen(door) == OLD.all


async def test_of_many_who_change_a_name_at_once_one_wins(door: Door) -> None:
    wanted = [read_addresses([f"198.51.100.{n}"]) for n in range(1, 13)]
    answers = await asyncio.gather(
        *(point_name(door, ZONE, one, expected=OLD) for one in wanted), return_exceptions=True
    )
    won = [one for one, answer in zip(wanted, answers, strict=True) if isinstance(answer, Addresses)]
    assert len(won) == 1
    assert all(isinstance(answer, StaleName | Addresses) for answer in answers), answers
    assert await seen(door) == won[0].all


async def test_the_server_itself_refuses_what_is_stale(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison before the change may be late; the prerequisites in the change are not."""
    from parley.hosting import dns as module

    async def believed(*_: Any) -> Addresses:
        return msgspec.structs.replace(OLD, v4=("203.0.113.5",))

    monkeypatch.setattr(module, "ask_server", believed)
    with pytest.raises(StaleName, match="at this very moment"):
        await point_name(door, ZONE, NEW)
    monkeypatch.undo()
    assert await seen(door) == OLD.all


async def test_a_wrong_key_another_zone_and_a_silent_server_are_said(door: Door) -> None:
    with pytest.raises(NamesError, match=r"did not take|refused"):
        await point_name(msgspec.structs.replace(door, key="d3Jvbmcga2V5IG9mIHNvbWVib2R5IGVsc2UgYXQgYWxs"), ZONE, NEW)
    with pytest.raises(NamesError, match="not in the zone"):
        await point_name(msgspec.structs.replace(door, zone="elsewhere.test"), f"other.{ZONE}", NEW)
    with pytest.raises(NamesError, match="does not answer"):
        await ask_server(ZONE, "127.0.0.1", 9)
    with pytest.raises(NamesError, match="do not show the change"):
        await wait_until_seen(ZONE, NEW, [(door.server, door.port)], seconds=0.3)
    assert await seen(door) == OLD.all


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "PARLEY_DNS is not set"),
        ("https://example.org/zone", "must be rfc2136"),
        ("rfc2136://127.0.0.1/zone", "lacks the name and the secret"),
        ("rfc2136://k:s@127.0.0.1:x/zone", "is not a URL"),
        ("lexicon://gandi", "must be rfc2136"),
    ],
)
def test_a_wrong_setting_is_named(text: str, said: str) -> None:
    with pytest.raises(NamesError, match=said):
        read_door(text)


def test_a_company_s_api_is_chosen_by_its_name() -> None:
    assert read_door("lexicon://gandi/Example.org") == Door(kind="lexicon", zone="example.org", provider="gandi")


async def test_what_a_company_does_not_take_is_said() -> None:
    with pytest.raises(NamesError, match=r"nosuchcompany did not answer as it should: This provider .*not supported"):
        await point_name(read_door("lexicon://nosuchcompany/example.org"), "example.org", NEW)


class _Registry(BaseHTTPRequestHandler):
    """Answers as the registries' RDAP servers do."""

    def do_GET(self) -> None:
        owners = {"/ip/192.0.2.1": "Hoster One", "/ip/127.0.0.1": "Names Company", "/domain/example.test": "Registrar"}
        role = "registrar" if self.path.startswith("/domain") else "registrant"
        vcard = ["vcard", [["fn", {}, "text", owners.get(self.path, "Nobody")]]]
        body = json.dumps({"entities": [{"roles": [role], "vcardArray": vcard}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


async def test_a_check_names_what_is_wrong(door: Door, registry: str) -> None:
    import dns.asyncresolver

    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [door.server], door.port
    found = await check_name(ZONE, resolver=resolver, rdap=registry)
    assert found.addresses.all == OLD.all
    assert [(one.what, one.ok) for one in found.findings] == [
        ("servers", True),
        ("ttl", True),
        ("three companies", True),
    ]
    assert "Hoster One" in found.findings[2].said
    await point_name(door, ZONE, OLD, ttl=86400)
    await point_name(door, ZONE, NEW, ttl=86400)
    slow = await check_name(ZONE, resolver=resolver, rdap=registry)
    assert slow.findings[1].ok is False
    unknown = await check_name(ZONE, resolver=resolver, rdap="http://127.0.0.1:9")
    assert unknown.findings[2].ok is None
    assert unknown.findings[2].said.count("not found out") == 3


def test_the_command_plans_and_flips(tmp_path: Path) -> None:
    with knot_server(tmp_path / "knot") as text:
        environment = {
            "PATH": "/usr/bin:/bin",
            "PARLEY_DOMAIN": ZONE,
            "PARLEY_DATA_DIR": str(tmp_path),
            "PARLEY_DNS": text,
        }

        def parley(*words: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "parley.cli", "dns", *words]
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

        planned = parley("flip", "--to", "198.51.100.7", "--from", "192.0.2.1,2001:db8::1", "--dry-run", "--json")
        assert json.loads(planned.stdout) == {
            "name": ZONE,
            "zone": ZONE,
            "from": ["192.0.2.1", "2001:db8::1"],
            "to": ["198.51.100.7"],
            "ttl_before": 60,
            "ttl": 60,
            "would_be_refused": False,
        }
        done = parley("flip", "--to", "198.51.100.7", "--from", "192.0.2.1,2001:db8::1", "--json")
        assert json.loads(done.stdout)["to"] == ["198.51.100.7"], done.stderr
        again = parley("flip", "--to", "198.51.100.7", "--from", "192.0.2.1,2001:db8::1")
        assert again.returncode == 1
        assert "somebody has changed it" in again.stderr
        assert KEY not in again.stderr
