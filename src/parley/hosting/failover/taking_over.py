"""Taking over: the lease first, then PostgreSQL and the gate, then what can wait: the DNS, a record, a mail.

Who may take over is said in states.py, not here. Once the lease is won there is no way back but forward: a host that
is killed in between goes on when it starts again.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import msgspec

from parley.hosting.dns import NamesError, StaleName, point_name, read_addresses, read_door
from parley.hosting.failover.errors import FailoverError, Overtaken, WitnessError
from parley.hosting.failover.keeping import Keeper
from parley.hosting.failover.lease import Claim, Lease
from parley.hosting.failover.telling import send_to_owners
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.records import Hosts
from parley.kit.settings import Settings

log = logging.getLogger(__name__)

MEANING: dict[Claim, str] = {
    "first": "",
    "planned": "",
    "lossless": "Everything that was acknowledged is here.",
    "accepted": "Writes that the other host had acknowledged and not sent may be missing.",
    "confirmed": "Writes that the other host had acknowledged and not sent may be missing. An operator said that it is "
    "off: keep it off until it can reach this host.",
}


class TookOver(msgspec.Struct, frozen=True, kw_only=True):
    """What a takeover was."""

    host: str
    taken_from: str | None
    epoch: int
    claim: Claim
    seconds: float
    """From the claim to the open gate."""
    behind_bytes: int | None = None
    behind_seconds: float | None = None
    """How far this host was behind when the other was last heard of."""


def next_epoch(lease: Lease | None, *known: int) -> int:
    """An epoch that nobody has ever had."""
    return max(lease.epoch if lease else 0, *known, 0) + 1


async def claim_lease(keeper: Keeper, me: str, epoch: int, claim: Claim) -> None:
    """Write the lease as its new holder, over what `keeper` has seen; raises Overtaken when somebody came first.

    An answer that got lost is looked up: what lies there says who won. Raises WitnessError when that is not known.
    """
    try:
        await keeper.take(epoch, claim)
    except WitnessError:
        lease = await keeper.look()
        if lease is None or lease.holder != me or lease.epoch != epoch:
            raise Overtaken("The claim did not reach the third place in time.") from None


async def finish_takeover(settings: Settings, dsn: str, hosts: Hosts, took: TookOver) -> dict[str, Any]:
    """What can wait until the gate is open: let the name point here, and tell the owners. Returns what came of it.

    Nothing of it may undo the takeover: what does not work is logged and told.
    """
    old = hosts.find(took.taken_from) if took.taken_from else None
    named = await _point_here(settings, hosts, old.addresses if old else ())
    text = (
        f"The host {took.host} has taken over from {took.taken_from or 'the other one'} with epoch {took.epoch}. "
        f"{MEANING[took.claim]}\n\n{named}\n\nThe other host writes a report about what only it has when it comes "
        "back, and becomes the standby: see `parley host status` and `parley failover lost-writes`."
    )
    await send_to_owners(settings, dsn, f"{settings.name} runs on the host {took.host} now", text)
    return {**msgspec.to_builtins(took), "dns": named}


async def _point_here(settings: Settings, hosts: Hosts, before: tuple[str, ...]) -> str:
    """Let the domain point to this host; returns a sentence about it."""
    me = hosts.find(hosts.me)
    if not settings.dns:
        return "PARLEY_DNS is not set: let the name point to this host by hand."
    if me is None or not me.addresses:
        return "This host's addresses are not known: let the name point to it with `parley dns flip`."
    name = settings.local_domain.split(":")[0]
    here = read_addresses(me.addresses)
    began = time.monotonic()
    try:
        expected = read_addresses(before) if before else None
        await point_name(read_door(settings.dns), name, here, expected=expected)
    except StaleName as error:
        log.error("the name was left as it is: %s", error)
        return f"The name was left as it is: {error}"
    except NamesError as error:
        log.error("the name could not be changed: %s", error)
        return f"The name could not be changed: {error} Use `parley dns flip`."
    return f"{name} points to {', '.join(here.all)} since {time.monotonic() - began:.1f} s after the takeover."


def need_standby(role: str, me: str) -> None:
    """Raise FailoverError unless a host in this role can take over."""
    if role == "primary":
        raise FailoverError(f"{me} is the primary already.")
    if role != "standby":
        raise FailoverError(f"{me} is {role}, not a standby: it does not have what the other host wrote last.")


__all__ = ["HostError", "TookOver", "claim_lease", "finish_takeover", "need_standby", "next_epoch"]
