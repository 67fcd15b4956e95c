"""What may follow what when a host is lost: one pure table, and the rule about who may take over.

It knows no clock, no network and no file: what was seen comes in, what is now comes out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from parley.hosting.failover.lease import Claim, Lease

Mode = Literal["auto", "operator"]


class State(StrEnum):
    """Where a host is.

    A standby: HEALTHY (the primary renews its lease), SUSPECT (it is late), LEASE_EXPIRED (it cannot write any more),
    CLAIMED (the lease is ours). A primary: PROMOTED (it may write), READY (its standby has everything), BLOCKED (the
    standby is lost and writes wait for it), DEGRADED (it goes on alone), RESEED (the standby is getting what it lacks).
    FENCED: somebody else has the lease; what only this host has must be reported before anything else is done to it.
    """

    HEALTHY = "healthy"
    SUSPECT = "suspect"
    LEASE_EXPIRED = "lease_expired"
    CLAIMED = "claimed"
    PROMOTED = "promoted"
    READY = "ready"
    BLOCKED = "blocked"
    DEGRADED = "degraded"
    RESEED = "reseed"
    FENCED = "fenced"


class Seen(StrEnum):
    """What can happen."""

    RENEWED = "renewed"
    """The lease has been written anew by who holds it."""
    LATE = "late"
    """It should have been."""
    EXPIRED = "expired"
    """It has been good for nothing long enough."""
    WON = "won"
    """Our writing of it was taken."""
    BEATEN = "beaten"
    """Somebody else's was."""
    PROMOTED = "promoted"
    """This host's database takes writes."""
    STANDBY_SAFE = "standby_safe"
    """Everything that is acknowledged is on the standby, and the lease says so."""
    STANDBY_LOST = "standby_lost"
    STANDBY_BACK = "standby_back"
    """It streams again; it may lack something yet."""
    ALONE = "alone"
    """The lease says that the standby may not take over, and nobody waits for it any more."""
    OVERTAKEN = "overtaken"
    """The lease has a higher epoch than ours."""
    REJOINED = "rejoined"
    """This host follows the one that took over."""


ALLOWED: dict[tuple[State, Seen], State] = {
    (State.HEALTHY, Seen.RENEWED): State.HEALTHY,
    (State.HEALTHY, Seen.LATE): State.SUSPECT,
    (State.SUSPECT, Seen.RENEWED): State.HEALTHY,
    (State.SUSPECT, Seen.LATE): State.SUSPECT,
    (State.SUSPECT, Seen.EXPIRED): State.LEASE_EXPIRED,
    (State.LEASE_EXPIRED, Seen.RENEWED): State.HEALTHY,
    (State.LEASE_EXPIRED, Seen.LATE): State.LEASE_EXPIRED,
    (State.LEASE_EXPIRED, Seen.EXPIRED): State.LEASE_EXPIRED,
    (State.LEASE_EXPIRED, Seen.BEATEN): State.SUSPECT,
    (State.LEASE_EXPIRED, Seen.WON): State.CLAIMED,
    (State.CLAIMED, Seen.PROMOTED): State.PROMOTED,
    (State.CLAIMED, Seen.OVERTAKEN): State.FENCED,
    (State.PROMOTED, Seen.ALONE): State.DEGRADED,
    (State.PROMOTED, Seen.STANDBY_SAFE): State.READY,
    (State.PROMOTED, Seen.OVERTAKEN): State.FENCED,
    (State.READY, Seen.STANDBY_SAFE): State.READY,
    (State.READY, Seen.STANDBY_LOST): State.BLOCKED,
    (State.READY, Seen.ALONE): State.DEGRADED,
    (State.READY, Seen.OVERTAKEN): State.FENCED,
    (State.BLOCKED, Seen.STANDBY_SAFE): State.READY,
    (State.BLOCKED, Seen.STANDBY_LOST): State.BLOCKED,
    (State.BLOCKED, Seen.ALONE): State.DEGRADED,
    (State.BLOCKED, Seen.OVERTAKEN): State.FENCED,
    (State.DEGRADED, Seen.ALONE): State.DEGRADED,
    (State.DEGRADED, Seen.STANDBY_BACK): State.RESEED,
    (State.DEGRADED, Seen.OVERTAKEN): State.FENCED,
    (State.RESEED, Seen.STANDBY_BACK): State.RESEED,
    (State.RESEED, Seen.STANDBY_LOST): State.DEGRADED,
    (State.RESEED, Seen.STANDBY_SAFE): State.READY,
    (State.RESEED, Seen.OVERTAKEN): State.FENCED,
    (State.FENCED, Seen.OVERTAKEN): State.FENCED,
    (State.FENCED, Seen.REJOINED): State.HEALTHY,
}

WRITES = frozenset({State.PROMOTED, State.READY, State.BLOCKED, State.DEGRADED, State.RESEED})
"""Where a host's gate may be open, as long as its lease is good."""


class NotAllowed(Exception):
    """Something was seen that cannot have happened in this state: a bug, never a reason to go on."""


def next_state(state: State, seen: Seen) -> State:
    """The state after something was seen; raises NotAllowed for what the table does not have."""
    try:
        return ALLOWED[state, seen]
    except KeyError:
        raise NotAllowed(f"{seen} in {state}") from None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants a host to take over, and what they have said to it."""

    mode: Mode
    accept_loss: bool = False
    other_host_is_off: bool = False


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a host may take over now: as what kind of claim, or why it may not."""

    claim: Claim | None
    reason: str = ""


def may_take_over(me: str, lease: Lease | None, *, has_witness: bool, expired: bool, asked: Asked) -> Permission:
    """The one rule about taking over. `expired`: the lease has not been renewed for longer than it is good."""
    if not has_witness:
        return _without_witness(asked)
    if lease is None:
        if asked.mode == "operator" and asked.other_host_is_off and asked.accept_loss:
            return Permission(claim="confirmed")
        return _refused(
            "There is no lease in the third place, so it is not known who wrote last. Start the primary, or say with "
            "--other-host-is-off --accept-loss that it is off and will stay off."
        )
    if lease.holder == me:
        return Permission(claim=lease.claim)
    if not expired:
        return _refused(
            f"{lease.holder} holds the lease and may still be writing. `parley move run` changes over to this host "
            "while both run."
        )
    if lease.in_sync and lease.standby == me:
        return Permission(claim="lossless")
    if asked.mode == "operator" and asked.accept_loss:
        return Permission(claim="accepted")
    if lease.in_sync:
        return _refused(f"{lease.standby}, not this host, has everything that {lease.holder} acknowledged.")
    return _refused(
        f"{lease.holder} was not waiting for this host when it was last heard of: writes and files that it has "
        "acknowledged may be missing here. `parley failover --accept-loss` takes over all the same."
    )


def _without_witness(asked: Asked) -> Permission:
    if asked.mode == "auto":
        return _refused("Without a witness in a third place no host takes over by itself.")
    if not asked.other_host_is_off:
        return _refused(
            "There is no witness in a third place, so this host cannot know whether the other one is off or only "
            "cannot be reached: if both took writes, those of one would be lost. Switch the other host off, see that "
            "it is off, and say so with --other-host-is-off."
        )
    if not asked.accept_loss:
        return _refused(
            "Without a witness it is not recorded whether this host has everything that the other acknowledged. Say "
            "with --accept-loss that what is missing here may be lost."
        )
    return Permission(claim="confirmed")


def _refused(reason: str) -> Permission:
    return Permission(claim=None, reason=reason)
