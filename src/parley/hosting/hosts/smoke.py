"""How a host's own web is asked for a page that it must answer itself, from its own database, whoever serves now."""

from __future__ import annotations

import hmac
from typing import Any

from parley.kit.secrets import keyed_hash
from parley.kit.settings import Settings

HEADER = b"x-parley-smoke"


def smoke_key(settings: Settings) -> str:
    """What such a request carries; only the instance's hosts can make it."""
    return keyed_hash(settings, "smoke", purpose="host smoke test")


def is_smoke_test(settings: Settings, scope: Any) -> bool:
    """Whether an ASGI request is one."""
    if scope.get("method") not in ("GET", "HEAD"):
        return False
    shown = next((value for name, value in scope["headers"] if name == HEADER), b"")
    return bool(shown) and hmac.compare_digest(shown, smoke_key(settings).encode())
