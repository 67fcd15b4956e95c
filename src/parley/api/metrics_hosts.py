"""Metrics of the instance's hosts: who is what, how far the standby is behind, and what will run out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from parley.hosting.standby.overview import HostSeen, Overview

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily, Metric

GATES = ("open", "hold", "closed", "away")
ROLES = ("primary", "standby", "fenced", "away")


def host_metrics(overview: Overview) -> Iterator[Metric]:
    """Every figure of every host, each with the label `host`; what is not known has no sample."""
    yield from _of_hosts(overview)
    yield from _of_standbys(overview)
    name = _gauge("parley_host_dns", "1 for where the domain points to: right is the primary's addresses.", "state")
    state = {True: "right", False: "wrong", None: "unknown"}[overview.name.right]
    for one in ("right", "wrong", "unknown"):
        name.add_metric([one], float(one == state))
    yield name


def _of_hosts(overview: Overview) -> Iterator[Metric]:
    up = _gauge("parley_host_up", "Whether the host answers.")
    role = _gauge("parley_host_role", "1 for the host's role.", "host", "role")
    gate = _gauge("parley_host_gate", "1 for the state of the host's gate: only open lets writes in.", "host", "state")
    plain = {
        "epoch": _gauge("parley_host_epoch", "The highest epoch that the host has known."),
        "degraded": _gauge("parley_host_degraded", "1 while writes should wait for a standby, and do not."),
        "sync": _gauge("parley_host_commits_wait", "1 where writes wait until a standby has them."),
        "until": _gauge("parley_host_certificate_end_timestamp_seconds", "When the certificate of the link ends."),
        "free": _gauge("parley_host_free_bytes", "Free on the disk of the data folder."),
        "web": _gauge("parley_host_web_up", "Whether the host's web answers."),
        "problems": _gauge("parley_host_problems", "Sentences that `parley standby status` has for an operator."),
        "lease": _gauge("parley_host_lease_seconds", "Seconds that the lease lasts, where there is a witness."),
    }
    for seen in overview.hosts:
        name, status = seen.record.name, seen.status
        up.add_metric([name], float(status is not None))
        if status is None:
            continue
        for one in ROLES:
            role.add_metric([name, one], float(one == status.role))
        for one in GATES:
            gate.add_metric([name, one], float(one == status.gate))
        plain["epoch"].add_metric([name], status.epoch)
        plain["degraded"].add_metric([name], float(status.degraded_since is not None))
        plain["sync"].add_metric([name], float(status.commits == "sync"))
        plain["until"].add_metric([name], status.certificate_until.timestamp())
        plain["free"].add_metric([name], status.free_bytes)
        plain["web"].add_metric([name], float(status.web_ok))
        plain["problems"].add_metric([name], len(status.problems))
        if status.lease is not None:
            plain["lease"].add_metric([name], status.lease.seconds_left)
    yield from (up, role, gate, *plain.values())


def _of_standbys(overview: Overview) -> Iterator[Metric]:
    families = (
        _gauge("parley_standby_database_behind_bytes", "Bytes of the database that the standby has not got."),
        _gauge("parley_standby_database_behind_seconds", "How long ago they were written."),
        _gauge("parley_standby_media_behind_files", "Changes of files that the standby has not got."),
        _gauge("parley_standby_media_behind_bytes", "Bytes of those files."),
        _gauge("parley_standby_media_behind_seconds", "How long ago the oldest of them was written."),
        _gauge("parley_standby_media_failed", "Files that could not be copied and are tried again."),
    )
    for seen in overview.hosts:
        for family, value in zip(families, _figures(seen), strict=True):
            if value is not None:
                family.add_metric([seen.record.name], value)
    yield from families


def _figures(seen: HostSeen) -> tuple[float | None, ...]:
    database = seen.database or (None, None)
    media = seen.media
    if media is None:
        return *database, None, None, None, None
    return *database, media.backlog_files, media.backlog_bytes, media.behind_seconds, media.failed


def _gauge(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(name, about, labels=list(labels or ("host",)))
