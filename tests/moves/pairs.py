"""A primary and its standby at two providers: set up by the real commands, brought back to READY between scenarios."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from parley.hosting.hosts.client import open_host
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.views import HostStatus
from parley.kit.settings import load_settings
from tests.moves.checker import Report, check, text_of
from tests.moves.load import Load, damaged_files, read_final, stored_files
from tests.moves.providers import MEDIA, Host, World, two_providers

UNTIL_WORKED_OFF = 120
"""Seconds of patience with a worker: jobs that a lost one had begun are taken up again when its time is over."""

LEASE_SECONDS = 3
"""Shorter than the default, so that the suite takes less time; bench/moves.py keeps the default."""


@contextmanager
def pair(
    *,
    commits: str = "sync",
    failover: str = "manual",
    sabotage_of_a: str = "",
    bucket_of_b: bool = False,
    relays: bool = False,
    on_disk: bool = False,
    **settings: str,
) -> Iterator[World]:
    """A is the primary, B follows it; both are READY. `bucket_of_b`: it keeps files in a bucket, A in folders."""
    chosen = {
        "standby_commits": commits,
        "failover": failover,
        "lease_seconds": str(LEASE_SECONDS),
        "degrade_after": "30",
        **settings,
    }
    of_b = {"media_store": f"s3://{MEDIA}/b"} if bucket_of_b else {}
    with two_providers(settings=chosen, of_b=of_b, relays=relays, on_disk=on_disk) as world:
        world.a.start(sabotage=sabotage_of_a)
        world.a.sql("INSERT INTO hosting_records (kind, ok, seconds, detail) VALUES ('drill', true, 1, '{}')")
        join(world, world.a, world.b)
        wait_ready(world)
        yield world


def join(world: World, primary: Host, standby: Host) -> None:
    """Make one host the standby of the other, by the commands that an operator uses, and start it."""
    there, here = standby.place.address, primary.place.address
    links = ("--link", standby.link, "--my-link", primary.link)
    added = primary.parley("host", "add", standby.name, *links, "--addresses", there, "--my-addresses", here)
    standby.parley("standby", "init", added["code"])
    standby.start(healthy=False)


def status_of(host: Host) -> HostStatus | None:
    """What a host says of itself, asked at its own socket; None when it does not answer."""

    async def ask() -> HostStatus:
        settings = load_settings({key: value for key, value in host.environment.items() if key.startswith("PARLEY_")})
        async with open_host(settings, host.name) as client:
            return await client.status(seconds=5)

    with suppress(HostError, OSError):
        return asyncio.run(ask())
    return None


def primary_of(world: World) -> Host:
    """The host that may write: of several that say so, the one with the highest epoch."""
    known = [(status.epoch, host) for host in world.hosts if (status := status_of(host)) and status.role == "primary"]
    assert known, f"no host is the primary: {[(host.name, status_of(host)) for host in world.hosts]}"
    return max(known, key=lambda one: one[0])[1]


def is_ready(world: World) -> str:
    """Why a planned move could not begin at once; empty when it could."""
    states = [status_of(host) for host in world.hosts]
    roles = sorted(one.role if one else "silent" for one in states)
    if roles not in (["primary", "standby"], ["away", "primary"]):
        return f"roles are {roles}"
    primary, other = sorted((one for one in states if one), key=lambda one: one.role != "primary")
    if not other.streaming or not primary.streaming:
        return f"{other.name} does not stream"
    if primary.commits == "sync" and (primary.sync_state != "sync" or primary.degraded_since):
        return f"{primary.name} does not wait for {other.name}"
    if primary.commits == "sync" and primary.lease and not primary.lease.in_sync:
        return f"{primary.name} has not said yet that {other.name} has everything"
    if not (primary.web_ok and other.web_ok):  # which takes long to start on a busy machine
        return f"the web of {other.name if primary.web_ok else primary.name} does not answer"
    if other.media and other.media.backlog_files:
        return f"{other.media.backlog_files} files are missing on {other.name}"
    return "" if primary.gate == "open" else f"the gate of {primary.name} is {primary.gate}"


def wait_ready(world: World, patience: float = 120) -> Host:
    """Start what does not run, and wait until there is a primary with a standby that has everything; returns it."""
    world.network.heal()
    for host in world.hosts:
        if host.process is None or host.process.poll() is not None:
            host.kill()
            host.start(healthy=False)
    deadline = time.monotonic() + patience
    while why := is_ready(world):
        assert time.monotonic() < deadline, f"not ready after {patience} s: {why}"
        time.sleep(0.2)
    return primary_of(world)


def judge(world: World, load: Load, host: Host, *, say: str = "") -> Report:
    """Stop the load, look at everything on the host that is the primary now, and check it. Prints one line."""
    events = load.stop()
    wait_delivered(world, epoch_of(host))
    report = check(events, read_final(load, host), world.deliveries())
    print(f"{say or 'result'}: {text_of(report)}", file=sys.stderr)
    wrong = Counter(
        f"{one.status or one.error} {one.error[:90] if one.status else ''}" for one in events if one.type == "try"
    )
    for what, count in wrong.most_common(6):
        print(f"  {count} times {what}", file=sys.stderr)
    for what, count in Counter(one for host in world.hosts for one in host.tracebacks()).most_common(6):
        print(f"  {count} times in a log: {what}", file=sys.stderr)
    return report


def wait_files_equal(world: World, patience: float = 30) -> None:
    """Every kept file is on both hosts, with the same bytes, which are what their names promise."""
    deadline = time.monotonic() + patience
    while (ours := stored_files(world.a)) != (theirs := stored_files(world.b)):
        differ = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
        assert time.monotonic() < deadline, f"files differ on the two hosts: {differ[:5]} of {len(differ)}"
        time.sleep(0.2)
    assert damaged_files(ours) == []


def epoch_of(host: Host) -> int:
    """The epoch of a host that answers."""
    found: list[int] = []

    def answers() -> bool:
        found.extend(status.epoch for status in [status_of(host)] if status)
        return bool(found)

    wait_until(answers, f"{host.name} says how it is")
    return found[0]


def wait_delivered(world: World, *epochs: int) -> None:
    """Something has left the instance with each of these epochs: that no old one was seen proves nothing otherwise."""

    def seen() -> bool:
        return {*epochs} <= {one.epoch for one in world.deliveries()}

    wait_until(seen, f"deliveries with epochs {epochs}", UNTIL_WORKED_OFF)


def prove_log(host: Host) -> Any:
    """The moderation log can still be proved, entry by entry; raises CommandFailed when it cannot."""
    return host.parley("audit", "verify")


def wait_until(condition: Any, what: str, patience: float = 30, *, every: float = 0.05) -> float:
    """Wait for something; returns the seconds that it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < patience, f"not after {patience} s: {what}"
        time.sleep(every)
    return time.monotonic() - begun


def tails(hosts: Sequence[Host]) -> str:
    """The ends of the logs of some hosts."""
    return "\n".join(f"--- {host.name}\n{host.tail(2500)}" for host in hosts)
