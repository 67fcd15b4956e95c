"""A host is lost, on two whole instances: degraded, frozen, overtaken, and what the operator is asked and told."""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import obstore
import psutil
import pytest
from obstore.store import S3Store

from parley.kit.gate import Gate, State
from tests.moves.pairs import pair, status_of, wait_ready, wait_until
from tests.moves.providers import BUCKET, PASSWORD, CommandFailed, Host, Person, World

LEASE_SECONDS = 3

pytestmark = pytest.mark.timeout(600)  # two whole instances, and times that must really pass


@pytest.fixture(scope="module")
def waiting() -> Iterator[World]:
    """Commits wait for the standby, which takes over by itself."""
    with pair(failover="auto", lease_seconds=str(LEASE_SECONDS), degrade_after="4") as world:
        yield world


@pytest.fixture(scope="module")
def quick() -> Iterator[World]:
    """Nobody waits, and nothing happens by itself."""
    with pair(commits="async", failover="manual", lease_seconds=str(LEASE_SECONDS)) as world:
        yield world


def post(host: Host, who: Person, text: str, *, timeout: float = 20, **more: str) -> httpx.Response | None:
    """One post at this very host, tried once; None when there was no answer."""
    headers = {"Host": host.environment["PARLEY_DOMAIN"], "Authorization": f"Bearer {who.token}"}
    with contextlib.suppress(httpx.TransportError):
        return httpx.post(
            f"http://{host.address}/api/v1/statuses",
            data={"status": text, **more},
            headers={**headers, "Idempotency-Key": secrets.token_hex(8)},
            timeout=timeout,
        )
    return None


def posted(host: Host, who: Person, text: str, **more: Any) -> bool:
    answer = post(host, who, text, **more)
    if answer is not None and answer.status_code != 200:
        print(f"{text}: {answer.status_code} {answer.text[:300]}")
    return answer is not None and answer.status_code == 200


def texts_on(host: Host) -> set[str]:
    return {row["text"] for row in host.sql("SELECT text FROM statuses")}


def lease_of(world: World) -> dict[str, Any]:
    """What lies in the third place, as anybody there sees it."""
    keys = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}
    store = S3Store(BUCKET, endpoint=world.s3, client_options={"allow_http": True}, **keys)
    return json.loads(bytes(obstore.get(store, "lease.json").bytes()))


def mails(world: World) -> str:
    """Everything that members and owners were sent."""
    return (world.folder / "deliveries.jsonl").read_text()


def signal_all(host: Host, number: int) -> list[psutil.Process]:
    family = host.family()
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.send_signal(number)
    return family


def is_primary(host: Host) -> bool:
    status = status_of(host)
    return status is not None and status.role == "primary" and status.gate == "open"


def is_degraded(host: Host) -> bool | None:
    """Whether a primary goes on without its standby; None when it does not say."""
    status = status_of(host)
    return status.degraded_since is not None if status else None


def role_of(host: Host) -> str:
    status = status_of(host)
    return status.role if status else "silent"


class Watched:
    """How a primary behaves for as long as the block lasts: whether its gate was ever closed, and its silences."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._over = threading.Event()
        self._threads = [threading.Thread(target=one) for one in (self._look_at_gate, self._ask)]
        self.closed = 0.0
        self.silent: list[float] = []
        self.longest = 0.0

    def __enter__(self) -> Watched:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for one in self._threads:
            one.join()

    def _look_at_gate(self) -> None:
        gate = Gate(self._host.folder / "gate")
        while not self._over.wait(0.02):
            if gate.state is not State.OPEN:
                self.closed += 0.02

    def _ask(self) -> None:
        while not self._over.wait(0.1):
            began = time.monotonic()
            found = status_of(self._host)
            took = time.monotonic() - began
            self.longest = max(self.longest, took)
            if found is None:
                self.silent.append(took)


def test_a_link_that_is_cut_again_and_again_keeps_the_primary_neither_silent_nor_closed(waiting: World) -> None:
    primary = wait_ready(waiting)
    wait_until(lambda: lease_of(waiting)["in_sync"], "the lease says that the standby has everything")
    with Watched(primary) as watched:
        for settled in (0.0, 0.7, 3.0):  # before the standby is known to have everything, while, and after that
            waiting.network.cut("a", "b")
            wait_until(lambda: getattr(status_of(primary), "degraded_since", None), "it goes on alone", 40)
            waiting.network.heal()
            wait_until(
                lambda: not getattr(status_of(primary), "degraded_since", True), "it waits again", 40, every=0.01
            )
            time.sleep(settled)
    print(f"closed for {watched.closed:.2f} s, slowest answer {watched.longest:.2f} s")
    assert watched.silent == []
    assert watched.closed == 0
    assert wait_ready(waiting) is primary


def test_a_primary_without_its_standby_blocks_then_goes_on_alone_and_is_whole_again(waiting: World) -> None:
    primary = wait_ready(waiting)
    standby = waiting.other(primary)
    (alice,) = waiting.people("alice", host=primary)
    assert posted(primary, alice, "both have this")
    wait_until(lambda: lease_of(waiting)["in_sync"], "the lease says that the standby has everything")
    assert lease_of(waiting)["standby"] == standby.name

    owner = ("olga", "--email", "olga@example.org", "--password", PASSWORD, "--role", "owner")
    primary.parley("account", "create", *owner)

    waiting.network.cut("a", "b")
    blocked = post(primary, alice, "nobody waits yet", timeout=30)
    assert primary.get("/about") == 200  # reading goes on
    took = wait_until(lambda: (status_of(primary) or fail()).degraded_since, "it goes on alone", 30)
    assert took < 20
    assert lease_of(waiting)["in_sync"] is False  # and the third place knew before
    assert blocked is None or blocked.status_code in (200, 503)
    assert posted(primary, alice, "alone")
    time.sleep(LEASE_SECONDS)  # besides the seconds until it was degraded
    status = status_of(standby)
    assert status is not None
    assert status.role == "standby"
    records = primary.sql("SELECT ok, detail FROM hosting_records WHERE kind = 'degraded' ORDER BY id")
    assert json.loads(records[-1]["detail"])["state"] == "degraded"
    wait_until(lambda: "runs without its standby" in mails(waiting), "the owner is told")

    waiting.network.heal()
    wait_until(lambda: lease_of(waiting)["in_sync"], "the standby is waited for again", 40)
    assert (status_of(primary) or fail()).degraded_since is None
    assert posted(primary, alice, "both again")
    wait_until(lambda: {"alone", "both again"} <= texts_on(standby), "the standby has everything")
    records = primary.sql("SELECT ok, detail FROM hosting_records WHERE kind = 'degraded' ORDER BY id")
    assert json.loads(records[-1]["detail"])["state"] == "ready"
    wait_until(lambda: "has its standby again" in mails(waiting), "the owner is told again")


def test_an_operator_lets_a_primary_go_on_alone_at_once(waiting: World) -> None:
    primary = wait_ready(waiting)
    standby = waiting.other(primary)
    with pytest.raises(CommandFailed, match="nothing to go on without"):
        primary.parley("failover", "degrade")
    with pytest.raises(CommandFailed, match="run this on the primary"):
        standby.parley("failover", "degrade")
    standby.kill()
    wait_until(lambda: (status_of(primary) or fail()).sync_state == "", "the standby is gone", 20)
    assert primary.parley("failover", "degrade")["degraded_since"]
    assert lease_of(waiting)["in_sync"] is False
    assert wait_ready(waiting) is primary


def test_an_outage_of_the_third_place_alone_stops_nothing(waiting: World) -> None:
    primary = wait_ready(waiting)
    standby = waiting.other(primary)
    (alice,) = waiting.people("alice", host=primary)
    waiting.network.cut("a", "witness")
    waiting.network.cut("b", "witness")
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < LEASE_SECONDS * 3:
        assert posted(primary, alice, f"during the outage {number}")
        number += 1
        time.sleep(0.3)
    # And when the two lose each other as well, nobody may write.
    waiting.network.cut("a", "b")
    wait_until(lambda: (status_of(primary) or fail()).gate == "closed", "the gate closes", LEASE_SECONDS * 2 + 2)
    assert not is_primary(standby)
    waiting.network.heal()
    wait_until(lambda: is_primary(primary), "it goes on", 30)


def test_a_database_that_dies_alone_is_started_again_before_anybody_takes_over(waiting: World) -> None:
    primary = wait_ready(waiting)
    (alice,) = waiting.people("alice", host=primary)
    epoch = (status_of(primary) or fail()).epoch
    postmaster = int((primary.folder / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
    psutil.Process(postmaster).kill()
    wait_until(lambda: posted(primary, alice, "after the crash"), "it writes again", 15)
    assert wait_ready(waiting) is primary
    assert (status_of(primary) or fail()).epoch == epoch


def test_a_frozen_primary_is_replaced_and_acknowledges_nothing_when_it_thaws(waiting: World) -> None:
    primary = wait_ready(waiting)
    standby = waiting.other(primary)
    (alice,) = waiting.people("alice", host=primary)
    assert posted(primary, alice, "before the frost")
    frozen = signal_all(primary, signal.SIGSTOP)
    try:
        took = wait_until(lambda: is_primary(standby), "the standby takes over", 20)
        assert took < LEASE_SECONDS + 5
        assert posted(standby, alice, "during the frost")
    finally:
        for one in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGCONT)
    answer = post(primary, alice, "after the thaw", timeout=15)
    if answer is not None and answer.status_code == 200:  # then it was handed on to the one that writes
        assert "after the thaw" in texts_on(standby)
    wait_until(lambda: role_of(primary) == "standby", "it gives way and follows", 60)
    assert wait_ready(waiting) is standby
    assert {"before the frost", "during the frost"} <= texts_on(standby)


def test_a_degraded_primary_that_dies_is_taken_over_only_when_the_loss_is_accepted(waiting: World) -> None:
    primary = wait_ready(waiting)
    standby = waiting.other(primary)
    (alice,) = waiting.people("alice", host=primary)
    waiting.network.cut("a", "b")
    wait_until(lambda: getattr(status_of(primary), "degraded_since", None), "it goes on alone", 30)
    wait_until(lambda: posted(primary, alice, "only the lost one has this"), "it takes writes", 15)
    primary.kill()
    waiting.network.heal()
    time.sleep(LEASE_SECONDS * 2)
    assert not is_primary(standby)
    with pytest.raises(CommandFailed, match="may be missing here"):
        standby.parley("failover")
    done = standby.parley("failover", "--accept-loss")
    assert done["claim"] == "accepted"
    assert done["taken_from"] == primary.name
    if waiting.dns:  # without a name server there is no name to follow; the rest must hold all the same
        wait_until(lambda: waiting.points_to() == standby.place.address, "the name points here")
    assert posted(standby, alice, "the new one goes on")

    primary.start(healthy=False)
    assert wait_ready(waiting) is standby
    reports = primary.parley("failover", "lost-writes")["reports"]
    assert reports[-1]["waited"] is False
    folder = Path(reports[-1]["folder"])
    assert "by @alice (public): only the lost one has this" in (folder / "summary.txt").read_text()
    assert "only the lost one has this" not in texts_on(standby)
    assert "the new one goes on" in texts_on(primary)


def test_what_was_not_sent_yet_is_in_the_report_of_the_host_that_comes_back(quick: World) -> None:
    primary = wait_ready(quick)
    standby = quick.other(primary)
    alice, bob = quick.people("alice", "bob", host=primary)
    assert posted(primary, alice, "both have this")
    quick.network.cut("a", "b")
    time.sleep(0.5)
    assert posted(primary, alice, "never sent")
    assert posted(primary, bob, "@alice a secret never sent", visibility="direct")
    primary.kill()
    quick.network.heal()
    began = time.monotonic()
    with pytest.raises(CommandFailed, match="--accept-loss"):
        standby.parley("failover")
    assert time.monotonic() - began > LEASE_SECONDS  # it waited until it was sure
    standby.parley("failover", "--accept-loss")
    assert posted(standby, alice, "afterwards")
    owners = [row["email"] for row in standby.sql("SELECT email FROM members WHERE role = 'owner'")]
    assert owners == []  # nobody owns this one, so nobody was told

    primary.start(healthy=False)
    assert wait_ready(quick) is standby
    (report,) = primary.parley("failover", "lost-writes")["reports"]
    summary = (Path(report["folder"]) / "summary.txt").read_text()
    assert "by @alice (public): never sent" in summary
    assert "by @bob to @alice: @alice a secret never sent" in summary
    assert "people may have been told" in summary
    assert report["transactions"] >= 2
    records = standby.sql("SELECT detail FROM hosting_records WHERE kind = 'failover'")
    assert json.loads(records[-1]["detail"])["claim"] == "accepted"


def test_a_running_primary_is_not_taken_over_and_a_fenced_one_is(quick: World) -> None:
    primary = wait_ready(quick)
    standby = quick.other(primary)
    (alice,) = quick.people("alice", host=primary)
    with pytest.raises(CommandFailed, match="is the primary, and answers"):
        standby.parley("failover", "--accept-loss")
    token = standby.parley("fence", primary.name)["fence"]
    assert token["from_host"] == primary.name
    assert not posted(primary, alice, "into the fenced one", timeout=3)
    with pytest.raises(CommandFailed, match="may be missing here"):
        standby.parley("failover")
    standby.parley("failover", "--accept-loss")
    assert posted(standby, alice, "after the fence")
    wait_until(lambda: role_of(primary) == "standby", "the fenced one follows", 90)
    assert "after the fence" in texts_on(primary)


def test_a_host_that_was_fenced_while_it_was_stopped_starts_as_one_that_writes_nothing(quick: World) -> None:
    primary = wait_ready(quick)
    standby = quick.other(primary)
    (alice,) = quick.people("alice", host=primary)
    primary.stop()
    assert primary.parley("fence")["host"] == primary.name
    primary.start(healthy=False)
    wait_until(lambda: status_of(primary) is not None, "its agent answers")
    status = status_of(primary) or fail()
    assert (status.role, status.to) == ("fenced", standby.name)
    assert not posted(primary, alice, "into the fenced one", timeout=3)
    standby.parley("failover", "--accept-loss")
    wait_until(lambda: role_of(primary) == "standby", "the fenced one follows", 90)
    assert wait_ready(quick) is standby
    assert primary.parley("failover", "lost-writes")["reports"][-1]["rows"] == {}


def test_two_hosts_without_a_third_place_ask_whether_the_other_one_is_off() -> None:
    with pair(commits="async", failover="manual", witness="") as world:
        primary = wait_ready(world)
        standby = world.other(primary)
        (alice,) = world.people("alice", host=primary)
        assert posted(primary, alice, "before")
        primary.kill()
        time.sleep(LEASE_SECONDS)
        assert not is_primary(standby)
        with pytest.raises(CommandFailed, match="--other-host-is-off"):
            standby.parley("failover", "--accept-loss")
        with pytest.raises(CommandFailed, match="--accept-loss"):
            standby.parley("failover", "--other-host-is-off")
        assert not is_primary(standby)
        done = standby.parley("failover", "--other-host-is-off", "--accept-loss")
        assert done["claim"] == "confirmed"
        assert posted(standby, alice, "after")
        primary.start(healthy=False)  # it asks the other one before it starts anything
        assert wait_ready(world) is standby
        assert "after" in texts_on(primary)


def fail() -> Any:
    raise AssertionError("the host does not answer")
