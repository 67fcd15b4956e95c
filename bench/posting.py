"""Posting: each request is screened, stored and queued for fan-out before it is answered. The worker runs meanwhile."""

from __future__ import annotations

from typing import Any

from bench.load import Load, run_wrk


def measure(server: Any, people: list[tuple[int, str]], *, seconds: int = 10) -> Load:
    """`people` are (account id, token) who post in turn."""
    targets = [("/api/v1/statuses", token) for _, token in people]
    run_wrk(server.base_url, targets, method="POST", seconds=3, connections=8)  # warm
    return run_wrk(server.base_url, targets, method="POST", seconds=seconds, connections=8)
