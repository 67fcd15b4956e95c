"""The lease: who may write, for how long, and whether the other host could take over without losing anything.

Plain data, signed with the instance's key, so that nobody who can write to the third place can make a host believe
what no host has said. It knows neither clock nor network. No time of day stands in it: each host measures with its own.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from parley.hosting.failover.errors import FailoverError
from parley.kit.settings import Settings
from parley.kit.signing import is_signed_by, public_key_of, sign

MOST_BYTES = 16 * 1024

Claim = Literal["first", "planned", "lossless", "accepted", "confirmed"]
"""How its holder came to it. first: there was none. planned: a move. lossless: after the other's had run out, with
everything that was acknowledged. accepted: likewise, and the operator accepted that something may be lost. confirmed:
the operator said that the other host is off."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """One writing of the lease. Each has a higher `serial` than the one before."""

    epoch: int
    holder: str
    serial: int
    seconds: float
    """For how long it is good, from when its holder sent it."""
    in_sync: bool = False
    """Whether everything that was acknowledged is on the disk of `standby`, and will be as long as nothing else is
    written here. The primary takes it back before it acknowledges anything that is not."""
    standby: str | None = None
    behind_bytes: int | None = None
    """How far the standby was behind at the last contact; None when there was none."""
    behind_seconds: float | None = None
    claim: Claim = "first"
    taken_from: int = 0
    """The epoch of the host that was taken over from; 0 for none."""
    domain: str = ""
    signature: str = ""
    """By the instance's key over the canonical JSON of all the others, in hexadecimal."""


def encode_lease(settings: Settings, lease: Lease) -> bytes:
    """The lease as it is written down: JSON, signed."""
    bare = msgspec.structs.replace(lease, domain=settings.local_domain, signature="")
    signed = msgspec.structs.replace(bare, signature=sign(settings, _canonical(bare)).hex())
    return msgspec.json.encode(signed)


def decode_lease(settings: Settings, data: bytes) -> Lease:
    """The lease in `data`; raises FailoverError unless this instance has signed it."""
    try:
        lease = msgspec.json.decode(data, type=Lease)
        signature = bytes.fromhex(lease.signature)
    except (msgspec.MsgspecError, ValueError) as error:
        raise FailoverError(f"What lies at {place_of(settings)} is not a lease: {error}.") from error
    bare = msgspec.structs.replace(lease, signature="")
    if not is_signed_by(public_key_of(settings), signature, _canonical(bare)):
        raise FailoverError(
            f"The lease at {place_of(settings)} is not signed by this instance: either it is another instance's, and "
            "PARLEY_WITNESS must name another object, or this host has not the instance's signing.key."
        )
    if lease.domain != settings.local_domain:
        raise FailoverError(f"The lease at {place_of(settings)} is of {lease.domain}, not of {settings.local_domain}.")
    return lease


def place_of(settings: Settings) -> str:
    """Where the lease lies, without the credentials."""
    _, _, rest = settings.witness.rpartition("@")
    return f"s3://{rest.removeprefix('s3://').partition('?')[0]}"


def _canonical(lease: Lease) -> bytes:
    """What is signed. Through JSON once, so that a whole number of seconds is written as its reader would write it."""
    again = msgspec.json.decode(msgspec.json.encode(lease), type=Lease)
    return msgspec.json.encode(again, order="sorted")
