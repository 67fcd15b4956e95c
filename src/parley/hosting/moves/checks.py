"""What must be right before a move, and what had better be: pure functions from what was found out to sentences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from parley.hosting.dns import MOST_TTL, Addresses
from parley.hosting.dns_check import Finding
from parley.hosting.hosts.views import HostStatus, Smoke
from parley.hosting.moves.results import missing_of

Verdict = Literal["ok", "look", "forbids"]
"""look: the move can be made, but read the sentence. forbids: it cannot."""

FRESH = timedelta(days=1)
CERTIFICATE_LEFT = timedelta(days=14)
CLOCK_OK = 1.0
CLOCK_MOST = 60.0
DISK_LOW = 5 * 1024**3
DISK_LEAST = 512 * 1024**2
LAG_SECONDS = 10.0
SMOKE_SLOW_MS = 2000.0


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at, what is the matter with it, and what to do."""

    what: str
    verdict: Verdict
    said: str
    do: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found out. `offset` is how far the target's clock is ahead of the source's, in seconds."""

    moment: datetime
    source: HostStatus
    target: HostStatus
    offset: float
    trip: float
    """Seconds of one question and answer between the hosts."""
    smoke: tuple[Smoke, ...]
    smoke_error: str = ""
    names: Addresses | None = None
    names_error: str = ""
    domain: str = ""
    is_loopback: bool = False
    dns_is_set: bool = True
    addresses: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    hold: float = 10.0
    pause: float = 0.0
    last_pause: float | None = None


def check_all(found: Found) -> list[Check]:
    """Every check, in the order in which people should read them."""
    return [
        *_hosts(found),
        *_copy(found),
        *_files(found),
        _clocks(found),
        *_disks(found),
        *_certificates(found),
        _smoke(found),
        *_dns(found),
        *_rehearsals(found),
        *_lease(found),
        _pause(found),
    ]


def _ok(what: str, said: str) -> Check:
    return Check(what=what, verdict="ok", said=said)


def _look(what: str, said: str, do: str) -> Check:
    return Check(what=what, verdict="look", said=said, do=do)


def _no(what: str, said: str, do: str) -> Check:
    return Check(what=what, verdict="forbids", said=said, do=do)


def _hosts(found: Found) -> Iterator[Check]:
    here, there = found.source, found.target
    yield _ok("hosts", f"{here.name} and {there.name} answer; a question takes {found.trip * 1000:.0f} ms.")
    if here.role != "primary" or here.gate != "open":
        yield _no("roles", f"{here.name} is {here.role}, its gate is {here.gate}.", "See `parley host status`.")
    elif there.role != "standby" or not there.in_recovery:
        yield _no("roles", f"{there.name} is {there.role}.", f"Run `parley standby init` on {there.name}.")
    else:
        yield _ok("roles", f"{here.name} is the primary (epoch {here.epoch}), {there.name} its standby.")
    if here.program != there.program:
        said = f"{here.name} runs Parley {here.program}, {there.name} runs {there.program}."
        yield _no("program", said, "Install the same version on both, and start it.")
    else:
        yield _ok("program", f"Both run Parley {here.program}.")
    if here.schema_version != there.schema_version:
        said = f"The schemas are {here.schema_version} and {there.schema_version}."
        yield _no("schema", said, f"Wait until {there.name} has caught up, or see `parley standby status`.")
    else:
        yield _ok("schema", f"Both have schema {here.schema_version}.")
    for status in (here, there):
        for problem in status.problems:
            yield _look(status.name, problem, "See `parley host status`.")


def _copy(found: Found) -> Iterator[Check]:
    here, there = found.source, found.target
    if here.system_id != there.system_id:
        yield _no("origin", "The two databases are not of one origin.", f"Run `parley standby init` on {there.name}.")
        return
    if not there.streaming:
        said = f"{there.name} does not follow {here.name}."
        yield _no("copy", said, "See `parley standby status`; the link may be down.")
    elif (there.behind_seconds or 0) > LAG_SECONDS or missing_of(there).endswith("database are missing"):
        behind = (there.behind_bytes or 0) / 1024 / 1024
        said = f"{there.name} is {behind:,.1f} MiB and {there.behind_seconds or 0:.0f} s behind."
        yield _look("copy", said, "It is waited for before anything is held; a quieter hour is better.")
    else:
        yield _ok("copy", f"{there.name} follows, {(there.behind_bytes or 0) / 1024:,.0f} KiB behind.")
    if here.commits == "sync" and here.degraded_since:
        said = f"Nobody waits for the standby since {here.degraded_since:%Y-%m-%d %H:%M} UTC."
        yield _look("commits", said, "The move itself loses nothing; find out why all the same.")
    else:
        how = "wait for the standby" if here.commits == "sync" else "do not wait for the standby"
        yield _ok("commits", f"Writes {how}.")


def _files(found: Found) -> Iterator[Check]:
    media = found.target.media
    if media is None:
        yield _ok("files", "Files are not kept by the hosts, but in a place of their own.")
    elif media.failed:
        said = f"{media.failed:,} files could not be copied to {found.target.name}."
        yield _no("files", said, "See `parley standby status`: it says which, and why.")
    elif media.backlog_files:
        said = f"{media.backlog_files:,} files ({media.backlog_bytes / 1024 / 1024:,.1f} MiB) are still to be copied."
        yield _look("files", said, "They are waited for before anything is held.")
    else:
        yield _ok("files", f"{found.target.name} has every file.")


def _clocks(found: Found) -> Check:
    ahead = abs(found.offset)
    said = f"The clocks differ by {ahead:.2f} s."
    if ahead > CLOCK_MOST:
        return _no("clocks", said, "Let both hosts take their time from NTP (chrony, systemd-timesyncd).")
    if ahead > CLOCK_OK + found.trip:
        return _look("clocks", said, "Let both hosts take their time from NTP (chrony, systemd-timesyncd).")
    return _ok("clocks", said)


def _disks(found: Found) -> Iterator[Check]:
    for status in (found.source, found.target):
        said = f"{status.name} has {status.free_bytes / 1024**3:,.1f} GiB free."
        if status.free_bytes < DISK_LEAST and status is found.target:
            yield _no("disk", said, "Make room: a database that cannot write stops.")
        elif status.free_bytes < DISK_LOW:
            yield _look("disk", said, "Make room soon.")
        else:
            yield _ok("disk", said)


def _certificates(found: Found) -> Iterator[Check]:
    for status in (found.source, found.target):
        left = status.certificate_until - found.moment
        said = f"{status.name}'s certificate for the link ends on {status.certificate_until:%Y-%m-%d}."
        if left <= timedelta():
            do = f"Look at {status.name}'s clock and restart Parley there: that renews it. See `parley host status`."
            yield _no("certificate", said, do)
        elif left < CERTIFICATE_LEFT:
            yield _look("certificate", said, "It is renewed by itself while the link works; see `parley host status`.")
        else:
            yield _ok("certificate", said)


def _smoke(found: Found) -> Check:
    name = found.target.name
    if found.smoke_error or not found.smoke:
        said = found.smoke_error or f"{name} was asked for no page."
        return _no("pages", said, f"Is Parley running on {name}? Look at its log.")
    bad = [one for one in found.smoke if one.status not in range(200, 400)]
    if bad:
        said = ", ".join(f"{one.path} answers {one.status or 'nothing'}" for one in bad)
        return _no("pages", f"On {name}, {said}.", f"Look at the log of {name}.")
    slowest = max(found.smoke, key=lambda one: one.ms)
    said = f"{name} serves {len(found.smoke)} pages from its copy, the slowest in {slowest.ms:.0f} ms."
    if slowest.ms > SMOKE_SLOW_MS:
        return _look("pages", said, f"{name} is slow: has it the same power?")
    return _ok("pages", said)


def _dns(found: Found) -> Iterator[Check]:
    if found.is_loopback:
        yield _ok("dns", f"{found.domain} is this machine itself: nothing is changed in the DNS.")
        return
    if not found.addresses:
        do = "Run `parley host add` for it again with --addresses, or change the DNS by hand after the move."
        yield _look("dns", f"No address of {found.target.name} is known.", do)
        return
    if found.names is None:
        yield _look("dns", found.names_error, "The move works; the name then has to be changed by hand.")
        return
    now_at, after = ", ".join(found.names.all) or "nothing", ", ".join(found.addresses)
    if set(found.names.all) == set(found.addresses):
        yield _look("dns", f"{found.domain} points to {now_at} already.", "Nothing will be changed.")
    elif found.expected and set(found.names.all) != set(found.expected):
        said = f"{found.domain} points to {now_at}, not to {found.source.name} ({', '.join(found.expected)})."
        yield _look("dns", said, "The name will not be changed unless you say --dns-from with what it points to.")
    elif not found.dns_is_set:
        said = f"{found.domain} points to {now_at}, and PARLEY_DNS is not set."
        yield _look("dns", said, f"You will have to let it point to {after} by hand; the move waits for that.")
    else:
        yield _ok("dns", f"{found.domain} points to {now_at}, and will be changed to {after}.")
    if found.names.ttl > MOST_TTL:
        said = f"The old address may be remembered for {found.names.ttl} s."
        yield _look("ttl", said, f"Set the TTL to 60 now, and move in {found.names.ttl} s: then it is a minute.")
    else:
        yield _ok("ttl", f"The old address may be remembered for {found.names.ttl} s.")
    for finding in found.findings:
        if finding.what != "ttl":
            do = "See `parley dns check`." if finding.ok is not True else ""
            yield Check(what=finding.what, verdict="ok" if finding.ok else "look", said=finding.said, do=do)


def _rehearsals(found: Found) -> Iterator[Check]:
    drill, snapshot = found.source.last_drill, found.source.last_snapshot
    if drill is None:
        said = "A snapshot of this instance was never restored to see whether that works."
        yield _no("drill", said, "Run `parley snapshot create` and `parley snapshot drill`: that takes minutes.")
    elif found.moment - drill > FRESH:
        said = f"The last drill was {_ago(found.moment - drill)}."
        yield _look("drill", said, "Hold another: `parley snapshot drill`.")
    else:
        yield _ok("drill", f"The last drill was {_ago(found.moment - drill)}.")
    if snapshot is None or found.moment - snapshot > FRESH:
        said = (
            f"The last snapshot was {_ago(found.moment - snapshot)}." if snapshot else "No nightly snapshot was made."
        )
        yield _look("snapshot", said, "Make one: `parley snapshot create`; each night, when PARLEY_SNAPSHOT_TO is set.")
    else:
        yield _ok("snapshot", f"The last snapshot was {_ago(found.moment - snapshot)}.")


def _lease(found: Found) -> Iterator[Check]:
    lease = found.source.lease
    if lease is None:
        return
    if not lease.reachable:
        do = "The move works as long as the lease is held; find out why it cannot be reached."
        yield _look("lease", "The place of the lease does not answer.", do)
    elif lease.holder != found.source.name:
        said = f"The lease is held by {lease.holder or 'nobody'}, not by {found.source.name}."
        yield _no("lease", said, "See `parley host status`: another host may have taken over.")
    else:
        yield _ok("lease", f"{lease.holder} holds the lease.")


def _pause(found: Found) -> Check:
    before = f" (the last one took {found.last_pause:.2f} s)" if found.last_pause is not None else ""
    said = f"Writes will wait for about {found.pause:.1f} s{before}, and {found.hold:g} s at most."
    if found.pause > found.hold:
        return _no("pause", said, "Give it more time with --hold, or wait until the standby is nearer.")
    return _ok("pause", said)


def _ago(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    if hours < 1:
        return "less than an hour ago"
    return f"{hours:.0f} hours ago" if hours < 48 else f"{hours / 24:.0f} days ago"
