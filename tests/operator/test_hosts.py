"""The hosts on the operator's page and in the metrics, in every state that an operator must be able to tell apart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from parley.api.metrics_hosts import host_metrics
from parley.hosting.hosts.records import HostRecord
from parley.hosting.hosts.views import HostStatus, LeaseStatus, MediaStatus, PeerStatus
from parley.hosting.standby.overview import HostSeen, NameSeen, Overview, find_name
from parley.kit.clock import now
from parley.kit.settings import Settings
from parley.web.operator_hosts import hosts_panel, size
from tests.conftest import World
from tests.operator.test_page import as_operator

pytestmark = pytest.mark.usefixtures("_built_assets")

GIB = 2**30
RECORDS = {
    name: HostRecord(name=name, link=f"{name}.example:7443", key="00" * 32, addresses=(address,))
    for name, address in (("amsterdam", "192.0.2.1"), ("bergen", "198.51.100.7"))
}


def status(name: str, role: str, **more: Any) -> HostStatus:
    told: dict[str, Any] = {
        "name": name,
        "role": role,
        "epoch": 3,
        "gate": "open" if role == "primary" else "closed",
        "now": now(),
        "web_ok": True,
        "commits": "sync",
        "certificate_until": now() + timedelta(days=140),
        "free_bytes": 212 * GIB,
        "media": MediaStatus(position=4711, root="ab" * 32),
        **more,
    }
    return HostStatus(**told)


def healthy() -> Overview:
    standby = PeerStatus(name="bergen", streaming=True, sync_state="sync", behind_bytes=0, behind_seconds=0.0)
    lease = LeaseStatus(holder="amsterdam", epoch=3, seconds_left=4.2)
    primary = status("amsterdam", "primary", standbys=(standby,), lease=lease)
    follower = status("bergen", "standby", to="amsterdam")
    return Overview(
        me="amsterdam",
        hosts=(
            HostSeen(record=RECORDS["amsterdam"], status=primary),
            HostSeen(record=RECORDS["bergen"], status=follower, database=(0, 0.0), media=follower.media),
        ),
        name=NameSeen(addresses=("192.0.2.1",), right=True, said="social.example points to amsterdam."),
    )


def changed(overview: Overview, at: int, **changes: Any) -> Overview:
    """The same with another word of one host."""
    hosts = list(overview.hosts)
    for name in ("database", "media", "error"):
        if name in changes:
            hosts[at] = msgspec.structs.replace(hosts[at], **{name: changes.pop(name)})
    if changes:
        told = None if changes == {"status": None} else msgspec.structs.replace(hosts[at].status, **changes)
        hosts[at] = msgspec.structs.replace(hosts[at], status=told)
    return msgspec.structs.replace(overview, hosts=tuple(hosts))


def behind() -> Overview:
    media = MediaStatus(position=4000, root="ab" * 32, backlog_files=711, backlog_bytes=90 * 2**20, behind_seconds=340)
    problems = ("It is 340 seconds behind.",)
    return changed(healthy(), 1, database=(300 * 2**20, 340.0), media=media, problems=problems)


def silent() -> Overview:
    media = MediaStatus(position=4711, root="ab" * 32, backlog_files=12, backlog_bytes=70_000, behind_seconds=95)
    error = "The host bergen does not answer (All connection attempts failed)."
    alone = changed(healthy(), 1, status=None, error=error, media=media, database=None)
    problems = ("bergen does not follow.", "Nobody waits for the standby since 2026-11-21 18:41 UTC (degraded).")
    return changed(alone, 0, degraded_since=now(), problems=problems)


def elsewhere() -> Overview:
    name = NameSeen(
        addresses=("203.0.113.9",), right=False, said="social.example points to 203.0.113.9, and not to amsterdam."
    )
    return msgspec.structs.replace(healthy(), name=name)


@pytest.mark.parametrize(
    ("made", "words", "well"),
    [
        (healthy, ("amsterdam serves, and bergen has everything that was ever acknowledged.", "up to date"), True),
        (behind, ("Look at bergen", "300 MiB behind", "711 missing", "90.0 MiB, 6 min", "340 seconds behind"), False),
        (silent, ("does not answer", "12 missing", "Nobody waits for the standby", "no other host could"), False),
        (elsewhere, ("points elsewhere", "203.0.113.9"), False),
    ],
)
async def test_the_page_says_at_once_whether_anybody_needs_to_look(
    world: World, monkeypatch: pytest.MonkeyPatch, made: Callable[[], Overview], words: tuple[str, ...], well: bool
) -> None:
    async def look(_: Settings) -> Overview:
        return made()

    monkeypatch.setattr("parley.web.operator.look_at_hosts", look)
    page = await (await as_operator(world)).get("/operator")
    assert page.status_code == 200
    for one in words:
        assert one in page.text, one
    assert hosts_panel(made()).well is well


async def test_an_instance_with_one_host_is_shown_no_hosts(world: World) -> None:
    page = await (await as_operator(world)).get("/operator")
    assert 'id="op-hosts"' not in page.text


def samples(overview: Overview) -> dict[str, float]:
    return {
        f"{one.name}{sorted(one.labels.items())}": one.value
        for family in host_metrics(overview)
        for one in family.samples
    }


def test_the_metrics_tell_the_same() -> None:
    found = samples(healthy())
    assert found["parley_host_up[('host', 'bergen')]"] == 1
    assert found["parley_host_role[('host', 'amsterdam'), ('role', 'primary')]"] == 1
    assert found["parley_host_role[('host', 'bergen'), ('role', 'primary')]"] == 0
    assert found["parley_host_dns[('state', 'right')]"] == 1
    assert found["parley_host_lease_seconds[('host', 'amsterdam')]"] == 4.2
    found = samples(behind())
    assert found["parley_standby_database_behind_bytes[('host', 'bergen')]"] == 300 * 2**20
    assert found["parley_standby_media_behind_files[('host', 'bergen')]"] == 711
    assert found["parley_standby_media_behind_seconds[('host', 'bergen')]"] == 340
    found = samples(silent())
    assert found["parley_host_up[('host', 'bergen')]"] == 0
    assert found["parley_host_degraded[('host', 'amsterdam')]"] == 1
    assert found["parley_standby_media_behind_files[('host', 'bergen')]"] == 12
    assert samples(elsewhere())["parley_host_dns[('state', 'wrong')]"] == 1


async def test_a_name_is_right_only_when_it_points_to_the_primary_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, list[str]] = {"A": ["192.0.2.1"], "AAAA": []}

    async def resolve(name: str, kind: str, **_: Any) -> list[str]:
        import dns.resolver

        if not answers[kind]:
            raise dns.resolver.NoAnswer
        return answers[kind]

    monkeypatch.setattr("dns.asyncresolver.resolve", resolve)
    settings = Settings(domain="social.example")
    assert (await find_name(settings, RECORDS["amsterdam"])).right is True
    answers["A"] = ["198.51.100.7"]
    seen = await find_name(settings, RECORDS["amsterdam"])
    assert seen.right is False
    assert "198.51.100.7, and not to amsterdam (192.0.2.1)" in seen.said
    answers["A"] = ["192.0.2.1", "198.51.100.7"]
    assert (await find_name(settings, RECORDS["amsterdam"])).right is False
    assert (await find_name(settings, None)).right is None
    assert (await find_name(Settings(domain="localhost:3000"), RECORDS["amsterdam"])).right is None


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (1023, "1,023 B"), (1536, "1.5 KiB"), (300 * 2**20, "300 MiB"), (2**40 * 1200, "1,200 TiB")],
)
def test_sizes_are_written_for_people(count: int, said: str) -> None:
    assert size(count) == said
