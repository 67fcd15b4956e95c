"""Two hosts of one instance: joining, following, stopping, taking over, and being killed at every point of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
import threading
import time
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from parley.hosting.hosts.client import HostClient, open_host
from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.joining import ask_to_join, read_code
from parley.hosting.hosts.views import Fence
from parley.kit.settings import load_settings
from tests.hosting.pairs import DOMAIN, LinkedHost, join, two_hosts


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[LinkedHost, LinkedHost]]:
    """`a`, the primary, and `b`, its standby; each test leaves them so."""
    with two_hosts() as (a, b):
        join(a, b)
        yield a, b


@pytest.fixture(scope="module")
def token(hosts: tuple[LinkedHost, LinkedHost]) -> str:
    """Alice's token."""
    hosts[0].account("alice")
    return hosts[0].token("alice")


def steps(source: LinkedHost, target: LinkedHost, epoch: int) -> Fence:
    """A planned move as its conductor does it, each step twice; returns the old host's word."""

    async def all_of_it(a: HostClient) -> Fence:
        async with open_host(load_settings(source.environment), target.name) as b:
            for _ in range(2):
                await a.hold(10)
            fence = await a.fence(epoch, target.name, 10)
            assert await a.fence(epoch, target.name, 10) == fence
            for _ in range(2):
                await b.verify(fence, 5)
            for _ in range(2):
                await b.promote(fence, epoch)
            for _ in range(2):
                await a.forward(target.name)
            for _ in range(2):
                await a.rejoin(target.name)
            return fence

    return source.ask(all_of_it)


def next_epoch(*some: LinkedHost) -> int:
    """One that is newer than all that was, or was refused."""
    return max(max(one.epoch, one.refused_epoch) for one in (host.status() for host in some)) + 1


def test_what_is_posted_on_the_primary_is_on_the_standby(hosts: tuple[LinkedHost, LinkedHost], token: str) -> None:
    a, b = hosts
    posted = a.post(token, "here, and there")
    deadline = time.monotonic() + 10
    while not b.has(posted) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert b.has(posted)


def test_status_says_how_near_the_standby_is_and_ends_with_a_code(hosts: tuple[LinkedHost, LinkedHost]) -> None:
    a, b = hosts
    said = a.wait(lambda one: one.streaming, "followed")
    assert (said.role, said.gate, said.in_recovery) == ("primary", "open", False)
    assert [(one.name, one.streaming) for one in said.standbys] == [("b", True)]
    said = b.status()
    assert (said.role, said.to, said.gate, said.in_recovery) == ("standby", "a", "closed", True)
    assert said.system_id == a.status().system_id
    assert said.behind_bytes is not None
    shown = a.run("standby", "status", "--json")
    assert [one["name"] for one in json.loads(shown.stdout)["standbys"]] == ["b"]
    listed = a.parley("host", "list")["hosts"]
    assert [(one["name"], one["role"], one["addresses"]) for one in listed] == [
        ("a", "primary", []),
        ("b", "standby", ["203.0.113.9"]),
    ]


def test_secrets_are_the_same_on_both_hosts_and_their_owners_alone(hosts: tuple[LinkedHost, LinkedHost]) -> None:
    a, b = hosts
    for name in ("secret.key", "signing.key", "link-ca.key"):
        assert (a.folder / name).read_bytes() == (b.folder / name).read_bytes()
    for host in hosts:
        for name in ("secret.key", "signing.key", "link-ca.key", "link-host.key", "hosts.json", "host-state.json"):
            assert stat.S_IMODE((host.folder / name).stat().st_mode) == 0o600
    assert (a.folder / "link-host.key").read_bytes() != (b.folder / "link-host.key").read_bytes()


def test_a_move_and_back_changes_roles_without_a_rewind(hosts: tuple[LinkedHost, LinkedHost], token: str) -> None:
    a, b = hosts
    epoch = next_epoch(a, b)
    before = a.post(token, f"before epoch {epoch}")
    fence = steps(a, b, epoch)
    assert (fence.from_host, fence.to_host, fence.epoch) == ("a", "b", epoch)
    assert (b.status().role, b.status().epoch, b.status().gate) == ("primary", epoch, "open")
    assert (a.status().role, a.status().streaming) == ("standby", True)
    assert b.has(before)
    after = b.post(token, f"after epoch {epoch}")
    steps(b, a, epoch + 1)
    assert a.has(after)
    assert a.sql("SELECT epoch FROM parley_meta") == epoch + 1
    b.wait_streaming()
    for host in hosts:
        assert "rewind" not in host.log.read_text()


def test_the_agents_are_started_again_when_they_are_killed(hosts: tuple[LinkedHost, LinkedHost], token: str) -> None:
    a, b = hosts
    for host in hosts:
        old = host.agent().pid
        host.agent().kill()
        host.wait(lambda one: one.database_up, "answering again")
        assert host.agent().pid != old
    assert a.post(token, "after the agents were killed")
    b.wait_streaming()


def test_the_agent_ends_with_the_process_that_watches_it_and_the_host_starts_again(
    hosts: tuple[LinkedHost, LinkedHost],
) -> None:
    _, b = hosts
    agent = b.agent()
    assert b.process is not None
    b.process.kill()
    b.process.wait(10)
    agent.wait(10)
    b.launch()
    b.wait_streaming()


def test_commands_that_change_something_are_refused_on_a_standby(hosts: tuple[LinkedHost, LinkedHost]) -> None:
    _, b = hosts
    done = b.run("account", "create", "carol", "--email", "carol@example.org", "--password", "not so short")
    assert done.returncode == 1
    assert "run this on a" in done.stderr


def test_a_host_that_was_fenced_does_not_write_after_a_kill_of_everything_until_it_is_released(
    hosts: tuple[LinkedHost, LinkedHost], token: str
) -> None:
    a, b = hosts
    epoch = next_epoch(a, b)
    old = a.status().epoch
    fence = a.ask(lambda me: me.fence(epoch, "b", 10))
    a.kill()
    a.launch()
    said = a.status()
    assert (said.role, said.to, said.in_recovery, said.gate) == ("fenced", "b", True, "closed")
    assert a.ask(lambda me: me.fence(epoch, "b", 10)) == fence
    a.ask(lambda me: me.release())
    said = a.status()
    assert (said.role, said.epoch, said.gate, said.refused_epoch) == ("primary", old, "open", epoch)
    assert a.post(token, "released")
    # What was signed is worth nothing any more: the other host has promised so.
    with pytest.raises(HostError, match="promised"):
        b.ask(lambda me: me.promote(fence, epoch))
    b.wait_streaming()


def test_a_promotion_that_was_killed_anywhere_ends_in_one_primary(
    hosts: tuple[LinkedHost, LinkedHost], token: str
) -> None:
    a, b = hosts
    for delay in (0.0, 0.03, 0.08):
        epoch = next_epoch(a, b)
        fence = a.ask(lambda me, epoch=epoch: me.fence(epoch, "b", 10))  # type: ignore[misc]
        killer = threading.Timer(delay, lambda: b.agent().kill())
        killer.start()
        with contextlib.suppress(HostUnreachable):
            b.ask(lambda me, epoch=epoch, fence=fence: me.promote(fence, epoch))  # type: ignore[misc]
        killer.join()
        b.kill()
        b.launch()
        assert b.status().role in ("standby", "primary")
        b.ask(lambda me, epoch=epoch, fence=fence: me.promote(fence, epoch))  # type: ignore[misc]
        assert (b.status().role, b.status().epoch, b.status().gate) == ("primary", epoch, "open")
        with pytest.raises(HostError, match="taken over"):
            a.ask(lambda me: me.release())
        a.ask(lambda me: me.forward("b"))
        a.ask(lambda me: me.rejoin("b"))
        assert b.post(token, f"on b with epoch {epoch}")
        steps(b, a, epoch + 1)


def test_a_hold_that_nobody_ends_ends_by_itself(hosts: tuple[LinkedHost, LinkedHost], token: str) -> None:
    a, _ = hosts
    a.ask(lambda me: me.hold(1.0))
    assert a.status().gate == "hold"
    a.wait(lambda one: one.gate == "open", "open again", 5)
    assert a.post(token, "after a hold")


def test_a_smoke_test_reads_the_standbys_own_database(hosts: tuple[LinkedHost, LinkedHost]) -> None:
    _, b = hosts
    b.wait(lambda one: one.web_ok, "answering by its web")
    seen = b.ask(lambda me: me.smoke())
    assert {one.status for one in seen} == {200}
    stranger = httpx.get(f"http://127.0.0.1:{b.port}/about", headers={"Host": DOMAIN, "X-Parley-Smoke": "guess"})
    assert stranger.status_code in (200, 503)


def test_what_a_host_may_not_do_is_refused_with_a_sentence(hosts: tuple[LinkedHost, LinkedHost]) -> None:
    a, b = hosts
    epoch = a.status().epoch
    refused = [
        (a, lambda me: me.fence(epoch, "b", 5), "not newer"),
        (a, lambda me: me.fence(epoch + 1, "elsewhere", 5), "no other host"),
        (a, lambda me: me.forward("b"), "has not stopped"),
        (a, lambda me: me.rejoin("b"), "not the primary"),
        (b, lambda me: me.hold(5), "not the primary"),
        (b, lambda me: me.release(), "standby"),
        (b, lambda me: me.promote(None, epoch), "not newer"),
    ]
    for host, question, words in refused:
        with pytest.raises(HostError, match=words):
            host.ask(question)
    forged = Fence(
        epoch=epoch + 1,
        from_host="a",
        to_host="b",
        system_id=a.status().system_id,
        timeline=1,
        shutdown_lsn="0/1",
        media_root="",
        media_position=0,
        signature="00" * 64,
    )
    with pytest.raises(HostError, match="not signed"):
        b.ask(lambda me: me.promote(forged, epoch + 1))


def test_commits_wait_for_the_standby_where_that_is_wanted(hosts: tuple[LinkedHost, LinkedHost], token: str) -> None:
    a, b = hosts
    assert a.parley("standby", "commits", "sync") == {"commits": "sync"}
    a.wait(lambda one: one.sync_state == "sync", "followed synchronously")
    posted = a.post(token, "waited for")
    b.wait(lambda one: one.behind_bytes == 0, "up to date")
    assert b.has(posted)
    b.wait(lambda one: one.commits == "sync", "told so")
    b.parley("standby", "commits", "async")
    assert a.status().commits == "async"


def test_keys_are_changed_while_people_post_and_nobody_notices(
    hosts: tuple[LinkedHost, LinkedHost], token: str
) -> None:
    a, b = hosts
    before = {one["name"]: one["key"] for one in a.parley("host", "keys")["hosts"]}
    answers: list[int] = []
    over = threading.Event()

    def keep_posting() -> None:
        """To the standby, which hands it on over the link, each on a connection of its own."""
        number = 0
        while not over.wait(0.05):
            number += 1
            headers = {"Authorization": f"Bearer {token}", "Host": DOMAIN}
            body = {"status": f"while keys are changed {number}"}
            url = f"http://127.0.0.1:{b.port}/api/v1/statuses"
            answers.append(httpx.post(url, json=body, headers=headers, timeout=20).status_code)

    b.wait(lambda one: one.web_ok, "answering by its web")
    posting = threading.Thread(target=keep_posting)
    posting.start()
    try:
        for host in (b, a, b):
            done = host.parley("host", "rotate-keys")
            assert done["before"] != done["key"]
            time.sleep(1)
    finally:
        over.set()
        posting.join()
    assert set(answers) == {200}
    shown = [host.parley("host", "keys")["hosts"] for host in hosts]
    assert shown[0] == shown[1]
    for one in shown[0]:
        assert one["key"] != before[one["name"]]
        assert one["next_key"] is None
    kinds = [(one["host"], one["kind"]) for one in a.parley("host", "keys")["journal"]]
    assert kinds[0] == ("b", "joined")
    assert kinds[-2:] == [("b", "announced"), ("b", "confirmed")]
    assert ("a", "taken") in kinds
    b.wait_streaming()
    posted = a.post(token, "after the keys were changed")
    b.wait(lambda one: one.behind_bytes == 0, "up to date")
    assert b.has(posted)
    # And a move with them, there and back.
    epoch = next_epoch(a, b)
    steps(a, b, epoch)
    steps(b, a, epoch + 1)
    b.wait_streaming()


def test_a_code_is_good_for_one_machine_and_few_tries(
    hosts: tuple[LinkedHost, LinkedHost], tmp_path_factory: pytest.TempPathFactory
) -> None:
    a, _ = hosts
    added = a.parley("host", "add", "c", "--link", "127.0.0.1:1", "--addresses", "203.0.113.10")
    first, second = (LinkedHost(tmp_path_factory.mktemp(name), "c") for name in ("first", "second"))
    code = read_code(added["code"])

    async def ask(host: LinkedHost, given: object = code) -> str:
        return (await ask_to_join(load_settings(host.environment), given)).name  # type: ignore[arg-type]

    wrong = msgspec.structs.replace(code, secret=b"0" * 16)
    with pytest.raises(HostError, match="not good"):
        asyncio.run(ask(second, wrong))
    assert asyncio.run(ask(first)) == "c"
    assert asyncio.run(ask(first)) == "c"  # its answer was lost, say
    with pytest.raises(HostError, match="not good"):
        asyncio.run(ask(second))
    impostor = msgspec.structs.replace(code, key=bytes(32))
    with pytest.raises(HostUnreachable, match="cannot be joined"):
        asyncio.run(ask(first, impostor))
    a.parley("host", "remove", "c")
    with pytest.raises(HostError, match="not good"):
        asyncio.run(ask(first))
    assert a.sql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'parley_c'") == 0
