"""The whole instance: seconds from a cold start to the first page, and memory when idle."""

from __future__ import annotations

import time
from typing import Any

import httpx
import msgspec
import psutil


class Idle(msgspec.Struct, frozen=True):
    """Memory of an idle instance in MiB: proportional set size, which counts shared pages once, and resident size."""

    processes: int
    pss: float
    rss: float
    by_kind: dict[str, float]


def processes_of(server: Any) -> list[psutil.Process]:
    """Every process of the instance, the embedded database's included."""
    watcher = psutil.Process(server.process.pid)
    found = [watcher, *watcher.children(recursive=True)]
    pid_file = server.folder / "postgres" / "data" / "postmaster.pid"
    if pid_file.exists():
        database = psutil.Process(int(pid_file.read_text().splitlines()[0]))
        found += [database, *database.children(recursive=True)]
    return found


def cold_start(server: Any) -> float:
    """Seconds from the command to the first page, the database and schema being there already."""
    begun = time.monotonic()
    server.start()
    page = httpx.get(server.base_url + "/", follow_redirects=True)
    page.raise_for_status()
    return time.monotonic() - begun


def idle_memory(server: Any) -> Idle:
    """Memory after the first page has been shown and ten quiet seconds."""
    time.sleep(10)
    kinds: dict[str, float] = {}
    pss = rss = 0.0
    found = processes_of(server)
    for process in found:
        memory = process.memory_full_info()
        pss += memory.pss / 2**20
        rss += memory.rss / 2**20
        command = " ".join(process.cmdline())
        kind = "database" if process.name() == "postgres" else "worker" if "parley.worker" in command else "web"
        kinds[kind] = kinds.get(kind, 0) + memory.pss / 2**20
    return Idle(processes=len(found), pss=pss, rss=rss, by_kind={kind: round(size, 1) for kind, size in kinds.items()})
