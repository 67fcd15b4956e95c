"""Holding the lease: renewing it, and saying until when this host may write.

The gate's LEASE_UNTIL is set here alone, from the moment BEFORE a renewal was sent, so that it never lasts longer than
what others see. Nothing needs to happen for the gate to close: it does so when nobody renews.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from parley.hosting.failover.errors import Overtaken, WitnessError
from parley.hosting.failover.lease import Claim, Lease
from parley.hosting.failover.witness import Witness
from parley.kit.gate import Field, Gate, clock_ns
from parley.kit.settings import Settings

CLOCKS_DIFFER = 0.05
"""By how much one host's clock may run faster than the other's. Real ones differ by a ten-thousandth of that."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the primary says with a renewal about its standby."""

    in_sync: bool = False
    standby: str | None = None
    behind_bytes: int | None = None
    behind_seconds: float | None = None


class Keeper:
    """One host's hold on the lease."""

    def __init__(
        self, settings: Settings, witness: Witness, gate: Gate, name: str, *, clock: Callable[[], int] = clock_ns
    ) -> None:
        self._settings = settings
        self._witness = witness
        self._gate = gate
        self._name = name
        self._clock = clock
        self.lease: Lease | None = None
        """As it was last seen or written here."""
        self._mark: str | None = None

    @property
    def seconds_left(self) -> float:
        """For how long this host may write yet; 0 when it may not."""
        return max(0.0, (self._gate.get(Field.LEASE_UNTIL) - self._clock()) / 1e9)

    @property
    def says_not_in_sync(self) -> bool:
        """Whether it is sure that the lease says that no standby has everything."""
        return self._mark is not None and self.lease is not None and not self.lease.in_sync

    async def look(self) -> Lease | None:
        """Read the lease; raises WitnessError."""
        found = await self._witness.read()
        self.lease, self._mark = found if found is not None else (None, None)
        return self.lease

    def saw(self, lease: Lease | None, mark: str | None) -> None:
        """Take over what somebody else has read."""
        self.lease, self._mark = lease, mark

    async def renew(self, epoch: int, facts: Facts) -> None:
        """Write the lease as its holder with this epoch; from then on the gate may be open for `lease_seconds`.

        Raises Overtaken when it is another's, WitnessError when it is not known. Then the gate stays as it was.
        """
        if self._mark is None:
            await self.look()
        try:
            await self._write(epoch, facts, self._claim_now(epoch))
        except Overtaken:
            # Perhaps by our own renewal before, whose answer was lost. What lies there says whose it is.
            await self.look()
            await self._write(epoch, facts, self._claim_now(epoch))

    async def take(self, epoch: int, claim: Claim) -> None:
        """Write the lease as its new holder; only over the very writing that was last seen here.

        Raises Overtaken when there is a newer one, WitnessError when it is not known: then `look` tells.
        """
        await self._write(epoch, Facts(), claim)

    def borrowed(self, asked_at: int, seconds: float) -> None:
        """Every other host has said, when it was asked at that time, that it does not take over for `seconds`."""
        until = asked_at + int(seconds * (1 - CLOCKS_DIFFER) * 1e9)
        self._gate.put(Field.LEASE_UNTIL, max(until, self._gate.get(Field.LEASE_UNTIL)))

    def give_up(self) -> None:
        """Close the gate at once: this host does not hold the lease any more."""
        self._gate.put(Field.LEASE_UNTIL, self._clock())

    def _claim_now(self, epoch: int) -> Claim:
        """How the lease is written as a renewal; raises Overtaken when it is not ours to renew."""
        lease = self.lease
        if lease is None:
            return "first"
        if lease.epoch > epoch or (lease.epoch == epoch and lease.holder != self._name):
            raise Overtaken(f"{lease.holder} holds the lease, with epoch {lease.epoch}.")
        return lease.claim if lease.epoch == epoch else "planned"

    async def _write(self, epoch: int, facts: Facts, claim: Claim) -> None:
        before = self.lease
        lease = Lease(
            epoch=epoch,
            holder=self._name,
            serial=before.serial + 1 if before else 1,
            seconds=self._settings.lease_seconds,
            in_sync=facts.in_sync,
            standby=facts.standby,
            behind_bytes=facts.behind_bytes,
            behind_seconds=facts.behind_seconds,
            claim=claim,
            taken_from=before.epoch if before and before.epoch != epoch else before.taken_from if before else 0,
        )
        sent = self._clock()
        try:
            self._mark = await self._witness.write(lease, over=self._mark)
        except WitnessError:
            self._mark = None  # it may have arrived: look before the next one
            raise
        self.lease = lease
        self._gate.put(Field.LEASE_UNTIL, sent + good_for(lease))


def good_for(lease: Lease) -> int:
    """For how many nanoseconds its holder may write, from when it sent it."""
    return int(lease.seconds * (1 - CLOCKS_DIFFER) * 1e9)


def given_up_after(lease: Lease) -> int:
    """For how many nanoseconds others leave it alone, from when they first saw it."""
    return int(lease.seconds * (1 + CLOCKS_DIFFER) * 1e9)


class Watcher:
    """What a host that does not hold the lease sees of it."""

    def __init__(self, witness: Witness, *, clock: Callable[[], int] = clock_ns) -> None:
        self._witness = witness
        self._clock = clock
        self.lease: Lease | None = None
        self.mark: str | None = None
        self._since = self._answered = clock()
        self._reached = False

    @property
    def reachable(self) -> bool:
        """Whether the third place answered at the last look."""
        return self._reached

    async def look(self) -> tuple[bool, int]:
        """Read the lease: whether it has changed since the last look, and for how many nanoseconds it has surely not.

        Counted from when an answer with this writing first came, to before the last question went out: the holder sent
        it before the first, and it was still the newest after the second. Counting begins anew after the third place
        could not be reached for as long as the lease is good: perhaps its holder could not either, and is about to
        renew it. Raises WitnessError.
        """
        asked = self._clock()
        try:
            found = await self._witness.read()
        except WitnessError:
            self._reached = False
            raise
        self._reached = True
        lease, mark = found if found is not None else (None, None)
        now, before = self._clock(), self._answered
        self._answered = now
        if mark != self.mark:
            self.lease, self.mark, self._since = lease, mark, now
            return True, 0
        if lease is not None and now - before > given_up_after(lease):
            self._since = now
            return False, 0
        return False, max(0, asked - self._since)

    def is_expired(self, unchanged: int) -> bool:
        """Whether its holder has surely stopped writing, after so many nanoseconds without a change."""
        return self.lease is not None and unchanged >= given_up_after(self.lease)
