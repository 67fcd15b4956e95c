"""Names are changed by the API of a DNS company: with dns-lexicon, on a real DNS server and on a company's API."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import dns.asyncresolver
import pytest
from typer.testing import CliRunner, Result

from parley.cli import app
from parley.hosting.dns import Door, NamesError, StaleName, ask_server, point_name, read_addresses, read_door
from tests.hosting.companies import TOKEN, ZONE, Company, company
from tests.hosting.names import KEY, knot_server
from tests.shape.source import ROOT

OLD = read_addresses(["192.0.2.1", "2001:db8::1"])
NEW = read_addresses(["198.51.100.7"])
FROM = "192.0.2.1,2001:db8::1"
GUIDE = ROOT / "docs" / "operators" / "your-host-gives-you-24-hours.md"
RECORDS = """\
@     3600 SOA ns1 admin 1 3600 600 86400 60
@     3600 NS  ns1
ns1   3600 A   {address}
@     3600 A   192.0.2.1
@     3600 AAAA 2001:db8::1
"""


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """A company whose API lists what is published; the world's servers know nothing of its zone."""
    nobody = dns.asyncresolver.Resolver(configure=False)
    nobody.nameservers, nobody.port, nobody.lifetime = ["127.0.0.1"], 9, 0.2
    monkeypatch.setattr("dns.asyncresolver.default_resolver", nobody)
    with company() as made:
        monkeypatch.setenv("LEXICON_POWERDNS_PDNS_SERVER", made.url)
        monkeypatch.setenv("LEXICON_POWERDNS_AUTH_TOKEN", TOKEN)
        yield made


@pytest.fixture
def door() -> Door:
    return read_door(f"lexicon://powerdns/{ZONE}")


@pytest.fixture
def knot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real server of the zone, which lexicon changes by its `ddns` module, and which the world asks. Its address."""
    address = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(250)}.{secrets.randbelow(250) + 2}"
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tried:
            tried.bind((address, 53))
    except OSError as error:
        pytest.skip(f"lexicon's ddns module asks port 53 alone, and that cannot be had here: {error}")
    monkeypatch.setenv("LEXICON_DDNS_AUTH_TOKEN", f"hmac-sha256:mover:{KEY}")
    monkeypatch.setenv("LEXICON_DDNS_DDNS_SERVER", address)
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [address]
    monkeypatch.setattr("dns.asyncresolver.default_resolver", resolver)
    content = RECORDS.format(address=address)
    with knot_server(tmp_path / "knot", zone=ZONE, content=content, address=address, port=53):
        yield address


async def test_a_company_s_records_move_with_both_kinds_of_addresses_and_get_the_short_memory(
    listed: Company, door: Door
) -> None:
    before = await point_name(door, ZONE, NEW, expected=OLD)
    assert (before.all, before.ttl) == (OLD.all, 3600)
    assert listed.of("A") == (60, ["198.51.100.7"])
    assert listed.of("AAAA") is None, "the IPv6 address of the old host is gone too"
    assert listed.calls[0] == "A 198.51.100.7,192.0.2.1", "nobody was ever told that there is no address"
    assert listed.records["A", f"other.{ZONE}."] == (3600, ["192.0.2.9"])


async def test_the_memory_alone_is_changed_where_the_name_points_there_already(listed: Company, door: Door) -> None:
    before = await point_name(door, ZONE, OLD, expected=OLD, ttl=60)
    assert before.ttl == 3600
    assert listed.of("A") == (60, ["192.0.2.1"])
    assert listed.of("AAAA") == (60, ["2001:db8::1"])
    listed.calls.clear()
    await point_name(door, ZONE, OLD, expected=OLD, ttl=60)
    assert listed.calls == [], "nothing was left to be done"


async def test_a_company_that_keeps_a_longer_memory_is_named_when_that_was_all_there_was_to_do(
    listed: Company, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    listed.least = 600
    with pytest.raises(NamesError, match=r"keeps the TTL of social\.example\.test at 600, not 60: set it in its panel"):
        await point_name(door, ZONE, OLD, expected=OLD, ttl=60)
    await point_name(door, ZONE, NEW, expected=OLD, ttl=60)  # that it points to the new host matters more
    assert listed.of("A") == (600, ["198.51.100.7"])
    assert "keeps the TTL" in caplog.text


async def test_what_somebody_else_changed_at_the_company_is_left_alone(listed: Company, door: Door) -> None:
    with pytest.raises(StaleName, match="Nothing was done"):
        await point_name(door, ZONE, NEW, expected=read_addresses(["203.0.113.5"]))
    assert listed.calls == []


async def test_what_a_company_refuses_is_said_without_its_key(
    listed: Company, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "another-secret-that-is-wrong"
    monkeypatch.setenv("LEXICON_POWERDNS_AUTH_TOKEN", wrong)
    monkeypatch.setenv("LEXICON_POWERDNS_PDNS_SERVER", f"{listed.url}/{wrong}")
    with pytest.raises(NamesError, match="powerdns did not answer as it should: 40") as refused:
        await point_name(door, ZONE, NEW, expected=OLD)
    assert wrong not in str(refused.value)
    assert listed.calls == []


async def test_a_real_server_takes_a_change_by_lexicon(knot: str) -> None:
    door = read_door(f"lexicon://ddns/{ZONE}")
    before = await point_name(door, ZONE, NEW, expected=OLD)
    assert (before.all, before.ttl) == (OLD.all, 3600)
    now = await ask_server(ZONE, knot)
    assert (now.all, now.ttl) == (("198.51.100.7",), 60)
    with pytest.raises(StaleName, match="somebody has changed it"):
        await point_name(door, ZONE, NEW, expected=OLD)


async def test_a_real_server_takes_another_memory_by_lexicon(knot: str) -> None:
    door = read_door(f"lexicon://ddns/{ZONE}")
    await point_name(door, ZONE, OLD, expected=OLD, ttl=60)
    now = await ask_server(ZONE, knot)
    assert (now.all, now.ttl) == (OLD.all, 60)


async def test_a_change_that_a_server_silently_refuses_is_found_out(knot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEXICON_DDNS_AUTH_TOKEN", "hmac-sha256:mover:d3Jvbmcga2V5IG9mIHNvbWVib2R5IGVsc2UgYXQgYWxs")
    monkeypatch.setattr("parley.hosting.dns_company.SEEN_SECONDS", 0.3)
    door = read_door(f"lexicon://ddns/{ZONE}")
    with pytest.raises(NamesError):
        await point_name(door, ZONE, NEW, expected=OLD)
    with pytest.raises(NamesError):
        await point_name(door, ZONE, OLD, expected=OLD, ttl=60)
    now = await ask_server(ZONE, knot)
    assert (now.all, now.ttl) == (OLD.all, 3600)


def parley(folder: Path, provider: str, *words: str, **environment: str) -> Result:
    """A command of an instance whose name is the zone's, in this process."""
    given = {"PARLEY_DOMAIN": ZONE, "PARLEY_DATA_DIR": str(folder), "PARLEY_DNS": f"lexicon://{provider}/{ZONE}"}
    return CliRunner().invoke(app, list(words), env={**given, **environment})


def test_a_plan_reads_what_the_company_publishes_and_says_what_it_would_refuse(listed: Company, tmp_path: Path) -> None:
    planned = parley(tmp_path, "powerdns", *f"dns flip --to 198.51.100.7 --from {FROM} --dry-run --json".split())
    assert planned.exit_code == 0, planned.output
    plan = json.loads(planned.stdout)
    assert (plan["from"], plan["ttl_before"], plan["would_be_refused"]) == (list(OLD.all), 3600, False)
    wrong = "dns flip --to 198.51.100.7 --from 192.0.2.77 --dry-run"
    refused = parley(tmp_path, "powerdns", *wrong.split(), "--json")
    assert json.loads(refused.stdout)["would_be_refused"] is True
    said = parley(tmp_path, "powerdns", *wrong.split()).output
    assert "It would be refused: it points to 192.0.2.1, 2001:db8::1, and --from says 192.0.2.77." in said
    assert listed.calls == []


def test_a_plan_by_a_module_that_cannot_list_asks_the_zone_s_own_servers(knot: str, tmp_path: Path) -> None:
    planned = parley(tmp_path, "ddns", *f"dns flip --to 198.51.100.7 --from {FROM} --dry-run --json".split())
    assert planned.exit_code == 0, planned.output
    assert json.loads(planned.stdout)["from"] == list(OLD.all)
    refused = parley(
        tmp_path, "ddns", *["dns", "flip", "--to", "198.51.100.7", "--from", "192.0.2.77", "--dry-run", "--json"]
    )
    assert json.loads(refused.stdout)["would_be_refused"] is True


def test_a_change_at_a_company_whose_servers_nobody_finds_says_so(listed: Company, tmp_path: Path) -> None:
    done = parley(tmp_path, "powerdns", *f"dns flip --to 198.51.100.7 --from {FROM}".split())
    assert done.exit_code == 0, done.output
    assert "social.example.test now points to 198.51.100.7" in done.output
    assert "and may be remembered for 60 s (before: 3600 s)" in done.output
    assert "whether the world does could not be seen" in done.output


def hour_0() -> list[str]:
    """The commands about names in hour 0 of the guide, as an operator would type them."""
    part = re.split(r"^### ", GUIDE.read_text(), flags=re.MULTILINE)
    (hour,) = [one for one in part if one.startswith("Hour 0")]
    return [line.strip() for line in hour.splitlines() if line.strip().startswith("parley dns ")]


def test_hour_0_of_the_guide_works_word_for_word_with_a_company(knot: str, tmp_path: Path) -> None:
    assert hour_0() == ["parley dns check", "parley dns flip --from OLD --to OLD --ttl 60"]
    check, flip = (line.replace("OLD", FROM).split()[1:] for line in hour_0())
    long = parley(tmp_path, "ddns", *check)
    assert long.exit_code == 2, long.output
    assert "may be remembered for 3600 seconds: set its TTL to 300 or less" in long.output
    done = parley(tmp_path, "ddns", *flip)
    assert done.exit_code == 0, done.output
    assert "may be remembered for 60 s (before: 3600 s). Its servers showed it after" in done.output
    assert asyncio.run(ask_server(ZONE, knot)).ttl == 60
    assert "may be remembered for 60 seconds." in parley(tmp_path, "ddns", *check).output
    again = parley(tmp_path, "ddns", *flip)
    assert again.exit_code == 0, again.output
