"""How a host knows that a request was handed on by another host of the instance, and from whom it came first.

Both hosts have the instance's secret key; nobody else can make the header. It is bound to the very request, so that
who sees one cannot use it for another address.
"""

from __future__ import annotations

import hmac
import time
from typing import Any

from parley.kit.secrets import keyed_hash
from parley.kit.settings import Settings

HEADER = b"x-parley-handed"
PURPOSE = "handed on"
SECONDS = 300
"""How far the clocks of two hosts may be apart, and how long a header is believed."""


def target_of(scope: Any) -> bytes:
    """Path and query as they were asked for."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string") or b""
    return raw + b"?" + query if query else raw


def make_proof(settings: Settings, scope: Any, client: str) -> bytes:
    """The header's value for a request of `client` (an IP address) that is handed on now."""
    at = str(int(time.time()))
    return f"{at} {client} {_seal(settings, at, client, scope)}".encode()


def take_proof(settings: Settings, scope: Any) -> tuple[Any, bool]:
    """The scope as it came to the first host, and whether another host has handed it on.

    The header is taken away in any case: what a stranger writes there reaches nobody.
    """
    found = [value for name, value in scope["headers"] if name == HEADER]
    if not found:
        return scope, False
    headers = [(name, value) for name, value in scope["headers"] if name != HEADER]
    client = _client_in(settings, scope, found[0])
    if client is None:
        return {**scope, "headers": headers}, False
    return {**scope, "headers": headers, "client": (client, 0)}, True


def _client_in(settings: Settings, scope: Any, value: bytes) -> str | None:
    try:
        at, client, seal = value.decode("ascii").split(" ")
        age = abs(time.time() - int(at))
    except ValueError:
        return None
    expected = _seal(settings, at, client, scope)
    return client if age <= SECONDS and hmac.compare_digest(seal, expected) else None


def _seal(settings: Settings, at: str, client: str, scope: Any) -> str:
    method = scope.get("method", "GET")
    return keyed_hash(settings, f"{at}\n{client}\n{method}\n{target_of(scope).decode('latin-1')}", purpose=PURPOSE)
