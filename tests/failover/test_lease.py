"""The lease in the third place: one winner, a gate that closes by itself, and nobody who claims too early."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from parley.hosting.failover.errors import FailoverError, Overtaken, WitnessError
from parley.hosting.failover.keeping import Facts, Keeper, Watcher, given_up_after, good_for
from parley.hosting.failover.lease import Lease, decode_lease, encode_lease
from parley.hosting.failover.witness import Witness
from parley.kit.gate import Field, Gate, State
from parley.kit.settings import Settings
from parley.kit.signing import public_key_of
from tests.failover.third_place import ThirdPlace, third_place


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000_000_000

    def __call__(self) -> int:
        return self.now

    def go(self, seconds: float) -> None:
        self.now += int(seconds * 1e9)


@pytest.fixture(scope="module")
def place() -> Iterator[ThirdPlace]:
    with third_place() as one:
        yield one


@pytest.fixture(autouse=True)
def well(place: ThirdPlace) -> Iterator[None]:
    yield
    place.trouble()


@pytest.fixture
def a(place: ThirdPlace, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    name = f"{abs(hash(request.node.name))}/lease.json"
    one = Settings(domain="localhost:3000", data_dir=tmp_path / "a", witness=place.witness(name), lease_seconds=3)
    public_key_of(one)
    return one


@pytest.fixture
def b(a: Settings, tmp_path: Path) -> Settings:
    (tmp_path / "b").mkdir()
    shutil.copy(a.path("signing.key"), tmp_path / "b" / "signing.key")
    return msgspec.structs.replace(a, data_dir=tmp_path / "b")


def open_gate(settings: Settings) -> Gate:
    gate = Gate(settings.path("gate"))
    gate.put(Field.LEASE_UNTIL, 1)
    gate.turn(State.OPEN, epoch=1)
    return gate


async def test_of_twelve_hosts_that_take_over_at_the_same_moment_one_wins(a: Settings) -> None:
    gate = open_gate(a)
    for epoch in range(2, 12):
        keepers = [Keeper(a, Witness(a), Gate(a.path("gate")), f"h{number}") for number in range(12)]
        await asyncio.gather(*(one.look() for one in keepers))

        async def take(one: Keeper, epoch: int = epoch) -> bool:
            try:
                await one.take(epoch, "accepted")
            except Overtaken:
                return False
            return True

        won = await asyncio.gather(*(take(one) for one in keepers))
        assert won.count(True) == 1
        lease = await keepers[0].look()
        assert lease is not None
        assert (lease.holder, lease.epoch) == (f"h{won.index(True)}", epoch)
    assert gate.state is State.OPEN


async def test_a_store_that_takes_late_writes_is_found_out(a: Settings, place: ThirdPlace) -> None:
    await Witness(a).prove()
    place.trouble(ignore=True)
    with pytest.raises(FailoverError, match="two hosts could both win"):
        await Witness(a).prove()


async def test_the_gate_is_open_from_the_moment_before_a_renewal_was_sent(a: Settings, place: ThirdPlace) -> None:
    gate, clock = open_gate(a), Clock()
    assert gate.state is State.CLOSED
    keeper = Keeper(a, Witness(a), gate, "a", clock=clock)
    sent = clock()
    real = keeper._witness.write

    async def slow(lease: Lease, *, over: str | None) -> str:
        mark = await real(lease, over=over)
        clock.go(1.0)  # the answer takes a second
        return mark

    keeper._witness.write = slow  # type: ignore[method-assign]
    await keeper.renew(1, Facts(in_sync=True, standby="b"))
    assert gate.get(Field.LEASE_UNTIL) == sent + int(3 * 0.95 * 1e9)
    assert keeper.seconds_left == pytest.approx(1.85)
    clock.go(1.86)
    assert keeper.seconds_left == 0


async def test_a_holder_that_cannot_renew_has_closed_before_the_other_may_claim(a: Settings, b: Settings) -> None:
    clock_a, clock_b = Clock(), Clock()
    gate = open_gate(a)
    keeper = Keeper(a, Witness(a), gate, "a", clock=clock_a)
    watcher = Watcher(Witness(b), clock=clock_b)
    for _ in range(3):
        await keeper.renew(1, Facts())
        changed, unchanged = await watcher.look()
        assert changed
        assert unchanged == 0
        clock_a.go(1)
        clock_b.go(1)
    clock_a.go(-1)
    clock_b.go(-1)
    # No renewal any more. B's clock runs faster than A's by as much as clocks may differ.
    closed_at = claimed_at = None
    for step in range(400):
        clock_a.go(0.01)
        clock_b.go(0.01 * 1.05)
        if closed_at is None and keeper.seconds_left == 0:
            closed_at = step
        if step % 10 == 0 and claimed_at is None:
            _, unchanged = await watcher.look()
            if watcher.is_expired(unchanged):
                claimed_at = step
    assert closed_at is not None
    assert claimed_at is not None
    assert closed_at < claimed_at


async def test_time_for_which_nobody_looked_proves_only_what_two_answers_show(a: Settings, b: Settings) -> None:
    clock_a, clock_b = Clock(), Clock()
    keeper, watcher = Keeper(a, Witness(a), open_gate(a), "a", clock=clock_a), Watcher(Witness(b), clock=clock_b)
    await keeper.renew(1, Facts())
    await watcher.look()
    clock_b.go(3600)  # B was paused for an hour; A went on renewing
    await keeper.renew(1, Facts())
    changed, unchanged = await watcher.look()
    assert changed
    assert not watcher.is_expired(unchanged)
    # And a claim over what B saw before its pause would have been refused.
    keeper_b = Keeper(b, Witness(b), Gate(b.path("gate")), "b", clock=clock_b)
    assert watcher.lease is not None
    keeper_b.saw(watcher.lease, watcher.mark)
    await keeper.renew(1, Facts())
    with pytest.raises(Overtaken):
        await keeper_b.take(2, "lossless")


async def test_a_renewal_whose_answer_was_lost_is_recognised_as_ones_own(a: Settings, place: ThirdPlace) -> None:
    keeper = Keeper(a, Witness(a, seconds=0.5), open_gate(a), "a")
    await keeper.renew(1, Facts())
    until = keeper.seconds_left
    place.trouble(late=1.5, methods=["PUT"])
    with pytest.raises(WitnessError, match="cannot be written"):
        await keeper.renew(1, Facts())
    assert keeper.seconds_left < until
    place.trouble()
    await asyncio.sleep(1.5)
    await keeper.renew(1, Facts())
    assert keeper.lease is not None
    assert keeper.lease.holder == "a"
    assert keeper.lease.serial == 3
    assert keeper.seconds_left > 2


@pytest.mark.parametrize("status", [500, 503, 403, 429])
async def test_a_third_place_that_fails_leaves_the_gate_to_close_by_itself(
    a: Settings, place: ThirdPlace, status: int
) -> None:
    a = msgspec.structs.replace(a, lease_seconds=1)
    gate = open_gate(a)
    keeper = Keeper(a, Witness(a), gate, "a")
    await keeper.renew(1, Facts())
    assert gate.state is State.OPEN
    place.trouble(status=status)
    with pytest.raises(WitnessError):
        await keeper.renew(1, Facts())
    await asyncio.sleep(1)
    assert gate.state is State.CLOSED
    place.trouble()
    await keeper.renew(1, Facts())
    assert gate.state is State.OPEN


async def test_an_answer_of_412_fences_only_when_the_lease_is_really_anothers(
    a: Settings, b: Settings, place: ThirdPlace
) -> None:
    keeper = Keeper(a, Witness(a), open_gate(a), "a")
    await keeper.renew(1, Facts())
    place.trouble(status=412, methods=["PUT"])
    with pytest.raises(Overtaken):
        await keeper.renew(1, Facts())
    assert keeper.lease is not None
    assert keeper.lease.holder == "a"  # whoever is told decides by this
    place.trouble()
    await keeper.renew(1, Facts())
    other = Keeper(b, Witness(b), Gate(b.path("gate")), "b")
    await other.look()
    await other.take(2, "lossless")
    with pytest.raises(Overtaken, match="b holds the lease, with epoch 2"):
        await keeper.renew(1, Facts())
    assert keeper.lease.holder == "b"


async def test_a_slow_third_place_never_makes_a_lease_longer(a: Settings, place: ThirdPlace) -> None:
    gate = open_gate(a)
    keeper = Keeper(a, Witness(a, seconds=2), gate, "a")
    await keeper.renew(1, Facts())
    place.trouble(delay=0.8)
    began = time.monotonic()
    await keeper.renew(1, Facts())
    took = time.monotonic() - began
    assert took >= 0.8
    assert keeper.seconds_left <= 3 * 0.95 - took + 0.05


async def test_a_lease_that_the_instance_has_not_signed_is_not_believed(a: Settings, tmp_path: Path) -> None:
    stranger = msgspec.structs.replace(a, data_dir=tmp_path / "stranger")
    keeper = Keeper(stranger, Witness(stranger), Gate(stranger.path("gate")), "b")
    await keeper.take(99, "accepted")
    with pytest.raises(FailoverError, match="not signed by this instance"):
        await Witness(a).read()
    forged = msgspec.json.decode(encode_lease(a, Lease(epoch=1, holder="a", serial=1, seconds=3)), type=Lease)
    with pytest.raises(FailoverError, match="not signed"):
        decode_lease(a, msgspec.json.encode(msgspec.structs.replace(forged, epoch=7)))
    with pytest.raises(FailoverError, match="is not a lease"):
        decode_lease(a, b"{}")
    other = msgspec.structs.replace(a, domain="localhost:4000")
    with pytest.raises(FailoverError, match="not of localhost:4000"):
        decode_lease(other, encode_lease(a, Lease(epoch=1, holder="a", serial=1, seconds=3)))


async def test_a_lease_that_somebody_deleted_is_made_again_and_the_higher_epoch_stays(a: Settings, b: Settings) -> None:
    old, new = Keeper(a, Witness(a), open_gate(a), "a"), Keeper(b, Witness(b), open_gate(b), "b")
    await old.renew(1, Facts())
    await new.look()
    await new.take(2, "lossless")
    await Witness(a)._delete(new._witness._name)
    old.saw(None, None)
    await old.renew(1, Facts())  # woken up late, and finding nothing
    await new.renew(2, Facts())
    assert new.lease is not None
    assert (new.lease.holder, new.lease.epoch) == ("b", 2)
    with pytest.raises(Overtaken):
        await old.renew(1, Facts())


HOLDER = """
import asyncio, sys
from pathlib import Path
from parley.hosting.failover.keeping import Facts, Keeper
from parley.hosting.failover.witness import Witness
from parley.kit.gate import Field, Gate, State
from parley.kit.settings import Settings

async def main():
    settings = Settings(domain="localhost:3000", data_dir=Path(sys.argv[1]), witness=sys.argv[2], lease_seconds=2)
    gate = Gate(settings.path("gate"))
    gate.put(Field.LEASE_UNTIL, 1)
    gate.turn(State.OPEN, epoch=1)
    keeper = Keeper(settings, Witness(settings), gate, "a")
    while True:
        await keeper.renew(1, Facts(in_sync=True, standby="b"))
        await asyncio.sleep(0.6)

asyncio.run(main())
"""


async def test_a_holder_that_is_stopped_closes_loses_the_lease_and_finds_it_out(a: Settings, b: Settings) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(a.data_dir), a.witness], stderr=subprocess.PIPE, env={**os.environ}
    )
    try:
        gate = Gate(a.path("gate"))
        deadline = time.monotonic() + 20
        while gate.state is not State.OPEN and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert gate.state is State.OPEN
        watcher = Watcher(Witness(b))
        while not watcher.lease or watcher.lease.serial < 3:
            await watcher.look()
            await asyncio.sleep(0.1)
        process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        while True:
            _, unchanged = await watcher.look()
            if watcher.is_expired(unchanged):
                break
            await asyncio.sleep(0.05)
        assert gate.state is State.CLOSED  # seen by every other process of A, though its agent sleeps
        keeper = Keeper(b, Witness(b), Gate(b.path("gate")), "b")
        keeper.saw(watcher.lease, watcher.mark)
        await keeper.take(2, "lossless")
        assert time.monotonic() - stopped < 3.5
        process.send_signal(signal.SIGCONT)
        assert process.wait(10) != 0
        assert process.stderr is not None
        assert b"b holds the lease, with epoch 2" in process.stderr.read()
        assert gate.state is State.CLOSED
    finally:
        process.kill()
        process.wait(10)


def test_what_the_holder_believes_is_always_shorter_than_what_others_wait() -> None:
    for seconds in (1.0, 5.0, 300.0):
        lease = Lease(epoch=1, holder="a", serial=1, seconds=seconds)
        assert good_for(lease) * 1.05 < given_up_after(lease)


async def test_after_an_outage_of_the_third_place_its_holder_gets_a_chance_to_renew(a: Settings, b: Settings) -> None:
    clock = Clock()
    keeper, watcher = Keeper(a, Witness(a), open_gate(a), "a"), Watcher(Witness(b), clock=clock)
    await keeper.renew(1, Facts())
    await watcher.look()
    clock.go(60)  # nobody could reach the third place
    _, unchanged = await watcher.look()
    assert not watcher.is_expired(unchanged)
    for _ in range(3):
        clock.go(1.1)
        _, unchanged = await watcher.look()
    assert watcher.is_expired(unchanged)
