"""Metrics for Prometheus: what each process counts by itself, and how all of it is written down together.

The processes of an instance write into files of one folder (prometheus-client's way for several processes), and
whichever is asked reads them all. What the database knows is not counted here: the door adds it when it is asked.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send
    from prometheus_client.core import Metric

    from parley.kit.db import Database

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The name by which prometheus-client finds the folder; it is read once, when the library is imported."""

REQUEST_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
JOB_SECONDS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def share_metrics(folder: Path) -> None:
    """Let this process's children count into `folder`, emptied. Call it before the first of them starts."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    os.environ[FOLDER] = str(folder)


class _Counted:
    """The metrics of this process. The library is imported here, so that the watching process stays light."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "parley_http_request_seconds",
            "Time until an answer began, by door and class of status.",
            ["door", "status"],
            buckets=REQUEST_SECONDS,
            registry=self.registry,
        )
        self.jobs = Histogram(
            "parley_job_seconds", "Time that jobs took.", ["job"], buckets=JOB_SECONDS, registry=self.registry
        )
        self.failures = Counter(
            "parley_job_failures", "Runs of jobs that ended with an error.", ["job"], registry=self.registry
        )
        self.signals = Counter(
            "parley_screening_signal_seconds",
            "Time that each signal of the judge took.",
            ["signal"],
            registry=self.registry,
        )
        self.refused_files = Counter(
            "parley_file_store_refusals",
            "Files that could not be put, read or deleted where they are kept.",
            ["area", "doing"],
            registry=self.registry,
        )
        self.connections = Gauge(
            "parley_database_connections",
            "Connections of the pools, by state.",
            ["state"],
            registry=self.registry,
            multiprocess_mode="livesum",
        )


@cache
def _counted() -> _Counted:
    return _Counted()


def door_of(path: str) -> str:
    """Under which door requests for a path are counted. Never the path itself: it can hold names and secrets."""
    for start, door in (("/api/", "api"), ("/oauth/", "oauth"), ("/media/", "media"), ("/static/", "static")):
        if path.startswith(start):
            return door
    return "machine" if path in ("/health", "/metrics") or path.startswith(("/.well-known/", "/nodeinfo")) else "web"


def count_requests(inner: ASGIApp) -> ASGIApp:
    """Time every request that `inner` answers, until the answer begins."""
    requests = _counted().requests

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) != "http":
            await inner(scope, receive, send)
            return
        began = time.perf_counter()

        async def send_timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = f"{message['status'] // 100}xx"
                requests.labels(door_of(scope["path"]), status).observe(time.perf_counter() - began)
            await send(message)

        await inner(scope, receive, send_timed)

    return outer


def note_job(name: str, seconds: float, *, failed: bool) -> None:
    """Count one run of a job."""
    _counted().jobs.labels(name).observe(seconds)
    if failed:
        _counted().failures.labels(name).inc()


@cache
def _counted_signal(name: str) -> Any:
    return _counted().signals.labels(name)


def note_signals(microseconds: Mapping[str, int]) -> None:
    """Count what each signal took for one revision."""
    for name, took in microseconds.items():
        _counted_signal(name).inc(took / 1_000_000)


def note_refused_file(area: str, doing: str) -> None:
    """Count one file that the store did not take, give or delete."""
    _counted().refused_files.labels(area, doing).inc()


def note_connections(db: Database) -> None:
    """Keep how many connections this process has now."""
    size, idle, most = db.connections
    for state, count in (("used", size - idle), ("idle", idle), ("most", most)):
        _counted().connections.labels(state).set(count)


def write_metrics(known: Iterable[Metric]) -> bytes:
    """Everything that the instance's processes counted, and what the caller knows besides, in Prometheus' format."""
    from prometheus_client import CollectorRegistry, generate_latest, multiprocess

    registry: Any = CollectorRegistry()
    folder = os.environ.get(FOLDER)
    if folder:
        _forget_the_dead(Path(folder))
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry = _counted().registry
    families = list(known)

    class Known:
        def collect(self) -> Iterable[Metric]:
            return families

    both = CollectorRegistry()
    both.register(Known())
    return generate_latest(registry) + generate_latest(both)


def _forget_the_dead(folder: Path) -> None:
    """What a process that has ended had open is not open any more; what it counted stays counted."""
    from prometheus_client import multiprocess

    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
