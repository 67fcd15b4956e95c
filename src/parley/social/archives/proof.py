"""How far it is proven whose an archive is, and that nobody changed it.

Three things are told apart. `own`: this instance signed it, and it is of this very account. `signed`: another instance
signed it (with the key that stands at its address), and it names this account as the author's. `claimed`: the member
says so. An archive that says it comes from here, and is not ours or not this member's, is refused.
"""

from __future__ import annotations

import hashlib
import logging
import re

import msgspec

from parley.kit.errors import Invalid
from parley.kit.gate import GateClosed
from parley.kit.settings import Settings
from parley.kit.signing import is_signed_by, public_key_of
from parley.social.accounts.profiles import member_uri, member_url
from parley.social.accounts.views import Viewer
from parley.social.archives.container import PIECE, Container
from parley.social.archives.outbox import MOST_OUTBOX, Actor
from parley.social.archives.writing import KEY, SIGNATURE, SUMS, key_in

log = logging.getLogger(__name__)

MOST_SUMS = 24 * 2**20
_SUM = re.compile(rb"^([0-9a-f]{64})  ([^\r\n]{1,1000})$", re.MULTILINE)
MOST_ACTOR = 2**20


class Seal(msgspec.Struct, frozen=True):
    """The signed list of hashes in an archive, whose signature is right: by which key, and the hash of each file."""

    key: bytes
    sums: dict[str, str]


def read_seal(container: Container) -> Seal | None:
    """The archive's signed list; None when there is none, or its signature is not of the key beside it. Blocks."""
    if not all(name in container for name in (SUMS, SIGNATURE, KEY)):
        return None
    listed = container.read(SUMS, most=MOST_SUMS)
    key = key_in(container.read(KEY, most=4096))
    if key is None or not is_signed_by(key, container.read(SIGNATURE, most=4096), listed):
        return None
    return Seal(key, {one[2].decode("utf-8", "replace"): one[1].decode() for one in _SUM.finditer(listed)})


def is_whole(container: Container, seal: Seal, name: str, *, most: int) -> bool:
    """Whether a file is as the seal says. Blocks: reads all of it."""
    digest = hashlib.sha256()
    with container.open(name, most=most) as file:
        while chunk := file.read(PIECE):
            digest.update(chunk)
    return seal.sums.get(name) == digest.hexdigest()


def check_seal(container: Container) -> Seal | None:
    """The seal of what says whose the archive is and what its posts are, if both are unchanged. Blocks."""
    seal = read_seal(container)
    if seal is None:
        return None
    for name, most in (("actor.json", MOST_ACTOR), ("outbox.json", MOST_OUTBOX)):
        if not is_whole(container, seal, name, most=most):
            return None
    return seal


async def find_proof(settings: Settings, viewer: Viewer, actor: Actor, seal: Seal | None) -> tuple[str, str]:
    """The proof (own, signed or claimed) and a sentence about it; raises Invalid for what may not be imported.

    Asks the other instance for its key: must not run inside a transaction.
    """
    if actor.host == settings.local_domain:
        if seal is None or seal.key != public_key_of(settings):
            raise Invalid(
                "This archive says that it comes from this server, but this server did not sign it like that. It was "
                "changed, or somebody else made it."
            )
        if actor.uri != member_uri(settings, viewer.username):
            raise Invalid("This is the archive of another member of this server. Only they can bring it back.")
        return "own", "This server made this archive of your account, and it is unchanged."
    if seal is None:
        return "claimed", (
            f"Nothing in this archive proves that it comes from {actor.host}, or that @{actor.address} is you. Each "
            "post will say so."
        )
    try:
        published = await fetch_key(settings, actor.host)
    except (OSError, GateClosed) as error:
        log.info("the key of %s could not be asked for: %s", actor.host, error)
        return "claimed", (
            f"The archive is signed, but {actor.host} could not be asked whether the key is its own. Each post will "
            "say that its origin is not proven."
        )
    if published != seal.key:
        return "claimed", f"The archive is signed, but not with the key of {actor.host}. Each post will say so."
    if not _names(settings, viewer, actor):
        return "claimed", (
            f"{actor.host} signed this archive, but it does not say that @{actor.address} is you. Export it there once "
            f"more, and name @{viewer.username}@{settings.local_domain} as your other account. Until then each post "
            "will say that its origin is not proven."
        )
    return "signed", (
        f"{actor.host} signed this archive, and says in it that @{actor.address} is you. What the posts say and when "
        "they were posted is its word."
    )


def _names(settings: Settings, viewer: Viewer, actor: Actor) -> bool:
    """Whether the archive names this account as another one of its actor."""
    username = viewer.username
    ours = {
        f"acct:{username}@{settings.local_domain}".lower(),
        member_uri(settings, username).lower(),
        member_url(settings, username).lower(),
    }
    return any(alias.lower() in ours for alias in actor.aliases)


async def fetch_key(settings: Settings, host: str) -> bytes:
    """The key with which another Parley signs, from its own address. Raises OSError when there is none."""
    from parley.kit.outbound import OutboundRefused, get_outside  # here: its HTTP client takes memory of idle processes

    try:
        body = await get_outside(settings, f"https://{host}/.well-known/parley-key", most=64 * 1024)
    except OutboundRefused as error:
        raise OSError(str(error)) from error
    try:
        return bytes.fromhex(str(msgspec.json.decode(body, type=dict[str, str])["public_key"]))
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, ValueError) as error:
        raise OSError("the answer holds no key") from error
