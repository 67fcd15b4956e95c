"""What becomes of a fact: quick listeners run while it is dispatched, others are queued, and none is lost."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from parley import worker
from tests.conftest import World


async def queued(world: World) -> list[str]:
    async with world.instance.db.read() as tx:
        return [row[0] for row in await tx.fetch("SELECT entrypoint FROM pgqueuer ORDER BY id")]


async def test_a_post_makes_one_job_and_reaches_its_readers(world: World) -> None:
    await world.follow("bob", "alice")
    await world.run_jobs()
    post = await world.post("alice", "Hello from one job")
    assert await queued(world) == ["dispatch_event"]
    assert await world.run_jobs() == 1
    assert await queued(world) == []
    bob = await world.client("bob")
    assert [status["id"] for status in (await bob.get("/api/v1/timelines/home")).json()] == [post["id"]]


async def test_a_quick_listener_that_fails_becomes_a_job_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    async def breaks_once(instance: Any, payload: dict[str, Any]) -> None:
        ran.append("breaks_once")
        if len(ran) == 1:
            raise RuntimeError("not today")

    async def goes_well(instance: Any, payload: dict[str, Any]) -> None:
        ran.append("goes_well")

    await world.account("alice")
    await world.run_jobs()
    monkeypatch.setattr(worker, "LISTENERS", {worker.facts.StatusPosted: (breaks_once, goes_well)})
    monkeypatch.setattr(worker, "AT_ONCE", frozenset({breaks_once, goes_well}))
    await world.post("alice", "Hello")
    assert await world.run_jobs() == 2
    assert ran == ["breaks_once", "goes_well", "breaks_once"]
    assert await queued(world) == []


def test_processes_start_without_libraries_that_only_some_jobs_need() -> None:
    heavy = ("PIL", "aiosmtplib", "av", "httpx", "numpy", "onnxruntime", "ray", "tokenizers", "webauthn")
    program = "import sys, parley.main, parley.worker; print(*sys.modules.keys())"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert set(heavy) & set(loaded) == set()
