"""What a host says of itself: read from PostgreSQL, the gate, the disk and its own web, at the moment it is asked."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import time
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec

import parley
from parley.hosting.hosts import store
from parley.hosting.hosts.certificates import certificate_until
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.smoke import HEADER, smoke_key
from parley.hosting.hosts.views import HostStatus, PeerStatus, Smoke
from parley.kit.clock import now
from parley.kit.postgres import PostgresError
from parley.kit.replication import control_data, lsn_to_int, slot_of
from parley.kit.settings import Settings

WEB_PATH = "/api/v2/instance"
SMOKE_PATHS = ("/", "/about", "/api/v2/instance", "/api/v1/timelines/public", "/public")
DATABASE_SECONDS = 2.5
"""Within which PostgreSQL says everything, or else is said not to answer."""

WEB_SECONDS = 2.0
WEB_KEPT = 3.0
"""Seconds that an answer of the web about itself is believed."""

LOW_DISK = 1024**3
CERTIFICATE_DAYS = 14
FAR_BEHIND_SECONDS = 60.0


async def read_status(host: Host) -> HostStatus:
    """Everything, asked at the same time, and soon: whoever asks must know most when something does not answer.

    A host whose PostgreSQL does not run, or hangs, says so, and the rest.
    """
    state = host.state
    database, web_ok, media, (certificate, free) = await asyncio.gather(
        _of_database(host),
        _web_answers(host),
        asyncio.to_thread(host.media_status),
        asyncio.to_thread(_of_disk, host.settings),
    )
    told: dict[str, Any] = {
        "name": host.me,
        "role": state.role,
        "to": state.to,
        "epoch": state.epoch,
        "refused_epoch": state.refused_epoch,
        "gate": host.gate.state.name.lower(),
        "now": now(),
        "media": media,
        "commits": state.commits,
        "degraded_since": state.degraded_since,
        "program": parley.__version__,
        "web_ok": web_ok,
        "lease": host.lease_status(),
        "certificate_until": certificate,
        "free_bytes": free,
        **database,
    }
    status = HostStatus(**told)
    return msgspec.structs.replace(status, problems=tuple(_problems(host, status)))


def _of_disk(settings: Settings) -> tuple[datetime, int]:
    return certificate_until(settings), shutil.disk_usage(settings.path()).free


async def _of_database(host: Host) -> dict[str, Any]:
    try:
        async with asyncio.timeout(DATABASE_SECONDS), host.looking() as connection:
            me = await store.get_self(connection)
            meta = await store.get_meta(connection)
            told: dict[str, Any] = {
                "in_recovery": me.in_recovery,
                "system_id": me.system_id,
                "timeline": me.timeline,
                "lsn": me.lsn or "",
                "lsn_bytes": lsn_to_int(me.lsn) if me.lsn else 0,
            }
            if meta:
                told |= {
                    "schema_version": meta.schema_version,
                    "last_drill": meta.last_drill,
                    "last_snapshot": meta.last_snapshot,
                }
            told |= await (_of_standby(connection, me) if me.in_recovery else _of_primary(host, connection))
            return told
    except (HostError, TimeoutError):
        return await _of_stopped(host)


async def _of_primary(host: Host, connection: Any) -> dict[str, Any]:
    names = [one.name for one in host.hosts.others]
    there = {one.name: one for one in await store.list_standbys(connection, names)}
    slots = await store.list_slots(connection)
    standbys = tuple(
        PeerStatus(
            name=name,
            streaming=there[name].streaming,
            sync_state="sync" if there[name].sync_state in ("sync", "quorum") else "async",
            behind_bytes=there[name].behind_bytes,
            behind_seconds=there[name].behind_seconds,
        )
        if name in there
        else PeerStatus(name=name, streaming=False, slot_lost=slots.get(slot_of(name), False))
        for name in names
    )
    streaming = [one for one in standbys if one.streaming]
    sync_state = ("sync" if any(one.sync_state == "sync" for one in streaming) else "async") if streaming else ""
    return {"standbys": standbys, "streaming": bool(streaming), "sync_state": sync_state}


async def _of_standby(connection: Any, me: store.SelfRow) -> dict[str, Any]:
    receiver = await store.get_receiver(connection)
    replayed = lsn_to_int(me.lsn) if me.lsn else 0
    told: dict[str, Any] = {"streaming": False}
    if receiver is not None:
        ends = [lsn_to_int(one) for one in (receiver.latest_lsn, me.received_lsn) if one]
        behind = max(0, max(ends, default=replayed) - replayed)
        told = {
            "streaming": receiver.status == "streaming",
            "timeline": receiver.timeline or 0,
            "behind_bytes": behind,
            "behind_seconds": (me.replay_age or 0.0) if behind else 0.0,
        }
    elif me.replay_age is not None:
        told["behind_seconds"] = me.replay_age
    return told


async def _of_stopped(host: Host) -> dict[str, Any]:
    told: dict[str, Any] = {"database_up": False}
    if host.runs_postgres and host.postgres.exists:
        try:
            found = await asyncio.to_thread(control_data, host.postgres)
        except PostgresError:
            return told
        told |= {
            "system_id": found.system_id,
            "timeline": found.timeline,
            "lsn": found.checkpoint_lsn,
            "lsn_bytes": lsn_to_int(found.checkpoint_lsn),
            "in_recovery": host.postgres.follows,
        }
    return told


async def _web_answers(host: Host) -> bool:
    at, answered = host.web_answered
    if time.monotonic() - at < WEB_KEPT:
        return answered
    found = await ask_web(host.settings, WEB_PATH)
    answered = 0 < found.status < 500
    host.web_answered = (time.monotonic(), answered)
    return answered


async def smoke_test(host: Host) -> tuple[Smoke, ...]:
    """Some pages of this host's own web, read from its own database."""
    return tuple([await ask_web(host.settings, path, seconds=10) for path in SMOKE_PATHS])


async def ask_web(settings: Settings, path: str, *, seconds: float = WEB_SECONDS) -> Smoke:
    """One page of this host's own web."""
    address = "127.0.0.1" if settings.host in ("0.0.0.0", "") else "::1" if settings.host == "::" else settings.host  # noqa: S104
    place = f"[{address}]" if ":" in address else address
    # Only plain HTTP to this machine: no authority is trusted, and none needs to be loaded each time.
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    headers = {"Host": settings.local_domain, HEADER.decode(): smoke_key(settings), "X-Forwarded-Proto": "https"}
    began = time.monotonic()
    try:
        async with (
            asyncio.timeout(seconds),
            httpx.AsyncClient(trust_env=False, timeout=seconds, verify=nobody) as client,
        ):
            answer = await client.get(f"http://{place}:{settings.port}{path}", headers=headers)
            status = answer.status_code
    except (httpx.HTTPError, OSError, TimeoutError):
        status = 0
    return Smoke(path=path, status=status, ms=round((time.monotonic() - began) * 1000, 1))


def _problems(host: Host, status: HostStatus) -> list[str]:
    """What an operator must look at."""
    said = []
    if not status.database_up and host.runs_postgres and status.role != "fenced":
        said.append("PostgreSQL does not answer.")
    if status.role == "standby" and status.database_up and not status.streaming:
        said.append(f"Nothing comes from {status.to}: its data here is growing old.")
    if status.role == "primary":
        for one in status.standbys:
            if one.slot_lost:
                said.append(f"{one.name} was away for too long: run `parley standby init` there again.")
            elif not one.streaming:
                said.append(f"{one.name} does not follow.")
    if host.state.overtaken:
        said.append(f"{status.to} has taken over from this host, which does not follow it yet: see its log.")
    if status.lease and not status.lease.reachable:
        said.append("The third place, where the lease lies, does not answer.")
    if status.role == "away":
        said.append(f"This host does not follow {status.to} yet.")
    if status.degraded_since:
        said.append(f"Nobody waits for the standby since {status.degraded_since:%Y-%m-%d %H:%M} UTC (degraded).")
        if status.streaming and status.media and status.media.backlog_files:
            said.append(f"{status.media.backlog_files} changes of files are not on the standby yet.")
    if (status.behind_seconds or 0) > FAR_BEHIND_SECONDS and status.behind_bytes:
        said.append(f"It is {status.behind_seconds:.0f} seconds behind.")
    if status.media and status.media.failed:
        said.append(f"{status.media.failed} files could not be copied and are tried again.")
    if status.certificate_until - status.now < timedelta(days=CERTIFICATE_DAYS):
        said.append(f"The certificate ends on {status.certificate_until:%Y-%m-%d}, and was not renewed.")
    if status.free_bytes < LOW_DISK:
        said.append(f"Only {status.free_bytes // 1024**2} MiB are free on the disk.")
    return said
