"""Joining: what an empty machine and a host of the instance say to each other, once, with a code.

The code pins the key of the host that made it, so that nobody between them can read or change what is said; and it is
good for one machine only. What comes back is everything that makes a machine a host of this instance.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from pathlib import Path
from typing import Any

import httpx
import msgspec

from parley.hosting.hosts.certificates import CA_CERTIFICATE, CA_KEY, ensure_key, join_context
from parley.hosting.hosts.client import Refusal
from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.link import JOIN, split_address
from parley.hosting.hosts.records import HOSTS_FILE, STATE_FILE, HostRecord, check_name, write_durably
from parley.hosting.hosts.views import Commits
from parley.hosting.sealing import PUBLIC_FILE
from parley.kit.settings import Settings

PREFIX = "parley-"
JOIN_SECONDS = 20

SHARED_KEYS = ("secret.key", "signing.key", CA_KEY, CA_CERTIFICATE, PUBLIC_FILE)
"""Files of the data folder that all hosts of an instance have alike: what snapshots seal, and the authority."""

MACHINE_OWN = frozenset(
    {
        *("data_dir", "host", "port", "database_url", "media_store", "web_processes", "database_connections"),
        *("log_level", "link_listen", "host_name", "postgres_binaries", "standby_commits", "trusted_proxies"),
        *("metrics_token", "secret_key", "abuse_listen", "abuse_certificate", "policy_dir", "rate_limits"),
    }
)
"""Settings that belong to one machine. All others must be the same on every host."""


class Code(msgspec.Struct, frozen=True):
    """What a join code holds."""

    link: str
    name: str
    key: bytes
    """SHA-256 of the public key of the host that made it."""
    id: str
    secret: bytes


class Joining(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine says."""

    code_id: str
    secret: bytes
    key: str
    """SHA-256 of its public key: by it, it will be known."""


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """What it is answered."""

    name: str
    host: str
    """Who answers; it is the primary."""
    hosts: tuple[HostRecord, ...]
    version: int
    keys: dict[str, bytes]
    settings: dict[str, Any]
    """Those that must be the same everywhere and are not the default, plain."""
    major: int
    """Major version of PostgreSQL."""
    program: str
    epoch: int
    commits: Commits


def make_code(link: str, name: str, key: str) -> tuple[str, str, str]:
    """A new code, its id, and the hash of its secret."""
    split_address(link)
    code = Code(link=link, name=name, key=bytes.fromhex(key), id=secrets.token_hex(8), secret=secrets.token_bytes(16))
    text = base64.urlsafe_b64encode(msgspec.msgpack.encode(code)).decode().rstrip("=")
    return PREFIX + text, code.id, hash_secret(code.secret)


def hash_secret(secret: bytes) -> str:
    """What is kept of a code's secret."""
    return hashlib.sha256(b"parley join\n" + secret).hexdigest()


def read_code(text: str) -> Code:
    """What stands in a code; raises HostError."""
    body = text.strip().removeprefix(PREFIX)
    try:
        code = msgspec.msgpack.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=Code)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise HostError("That is not a join code: `parley host add` prints one. Copy it whole.") from error
    check_name(code.name)
    split_address(code.link)
    if len(code.key) != 32 or len(code.secret) != 16:
        raise HostError("That is not a join code: `parley host add` prints one. Copy it whole.")
    return code


async def ask_to_join(settings: Settings, code: Code, *, link: str = "") -> Welcome:
    """Join the instance with a code; asking again with the same machine's key is answered the same.

    `link`: where the host is reached, if not where the code says.
    """
    asked = Joining(code_id=code.id, secret=code.secret, key=ensure_key(settings))
    address, port = split_address(link or code.link)
    place = f"[{address}]" if ":" in address else address
    transport = httpx.AsyncHTTPTransport(verify=join_context(code.key.hex(), JOIN))
    try:
        async with httpx.AsyncClient(transport=transport, timeout=JOIN_SECONDS) as client:
            answer = await client.post(f"https://{place}:{port}/join", content=msgspec.json.encode(asked))
    except (httpx.TransportError, OSError) as error:
        raise HostUnreachable(
            f"The host at {link or code.link} cannot be joined ({error or type(error).__name__}). Is Parley running "
            "there with link_listen, and is that port open? A code is good for the host that made it alone."
        ) from error
    if answer.status_code != 200:
        try:
            raise HostError(msgspec.json.decode(answer.content, type=Refusal).error)
        except msgspec.DecodeError as error:
            raise HostError(f"The host answered with status {answer.status_code}.") from error
    return msgspec.json.decode(answer.content, type=Welcome)


def instance_settings(settings: Settings) -> dict[str, Any]:
    """Settings that every host must have alike and that are not the default here."""
    told = {"domain": settings.local_domain}
    for field in msgspec.structs.fields(Settings):
        value = getattr(settings, field.name)
        if field.name not in MACHINE_OWN and value != field.default:
            told[field.name] = msgspec.to_builtins(value)
    return told


def differing_settings(settings: Settings, wanted: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What is still to be set here as elsewhere, and the names of what is set otherwise."""
    missing: dict[str, Any] = {}
    otherwise = []
    for field in msgspec.structs.fields(Settings):
        if field.name in MACHINE_OWN:
            continue
        here = msgspec.to_builtins(getattr(settings, field.name))
        if field.name == "domain" and here:
            here = settings.local_domain
        there = wanted.get(field.name, msgspec.to_builtins(field.default))
        if here == there or list(here if isinstance(here, tuple) else ()) == there:
            continue
        if here == msgspec.to_builtins(field.default):
            missing[field.name] = there
        else:
            otherwise.append(field.name)
    return missing, otherwise


def check_empty(settings: Settings, *, data_exists: bool) -> None:
    """Raise HostError when something lives on this machine already that joining would destroy or mix up."""
    found = [name for name in (*SHARED_KEYS, HOSTS_FILE, STATE_FILE) if settings.path(name).exists()]
    if data_exists:
        found.append("postgres")
    if found:
        raise HostError(
            f"{settings.path()} is not empty ({', '.join(found)}): a new host needs a data folder of its own "
            "(PARLEY_DATA_DIR)."
        )


def write_keys(settings: Settings, keys: dict[str, bytes]) -> None:
    """Keep the instance's own keys; raises HostError when this machine has another instance's."""
    for name in SHARED_KEYS:
        if name not in keys:
            continue
        path: Path = settings.path(name)
        if path.exists():
            if path.read_bytes() != keys[name]:
                raise HostError(f"{path} is another instance's: a new host needs a data folder of its own.")
            continue
        write_durably(path, keys[name])


def read_keys(settings: Settings) -> dict[str, bytes]:
    """The instance's own keys, for a host that joins."""
    return {name: settings.path(name).read_bytes() for name in SHARED_KEYS if settings.path(name).exists()}
