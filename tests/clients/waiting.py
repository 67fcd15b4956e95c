"""Waiting for what the worker does a moment later."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], *, patience: float = 15) -> T:
    """What `look` returns as soon as it is something; fails after `patience` seconds with what it was last."""
    ends = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < ends, f"still {found!r} after {patience} seconds"
        time.sleep(0.1)
