"""Posting: each request is screened, stored and queued for fan-out before it is answered. The worker runs meanwhile.

More people who post at once give more posts a second and longer waits: each number of them is a row of its own.
"""

from __future__ import annotations

from typing import Any

from bench.load import Load, run_wrk

AT_ONCE = (4, 6, 8)
"""Connections that each send the next post when the last was answered."""


def measure(server: Any, people: list[tuple[int, str]], *, seconds: int = 10) -> dict[int, Load]:
    """By connections at once. `people` are (account id, token) who post in turn."""
    targets = [("/api/v1/statuses", token) for _, token in people]
    run_wrk(server.base_url, targets, method="POST", seconds=5, connections=AT_ONCE[-1])  # warm
    return {
        connections: run_wrk(server.base_url, targets, method="POST", seconds=seconds, connections=connections)
        for connections in AT_ONCE
    }
