"""Planning a move: find out everything that can be found out before, and say what forbids it. Changes nothing."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from parley.hosting.dns import Addresses, NamesError
from parley.hosting.dns_check import Finding, check_name
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.records import Hosts
from parley.hosting.hosts.views import HostStatus, Smoke
from parley.hosting.moves.checks import Check, Found, check_all
from parley.hosting.moves.names import AUTHORITY_SECONDS, Names
from parley.hosting.moves.opening import Route
from parley.hosting.moves.peers import Peer
from parley.hosting.moves.states import Order
from parley.kit.clock import now
from parley.kit.settings import Settings

STOP_SECONDS = 0.6
"""What stopping, promoting and finding each other again take, as measured by clients: bench/moves.py."""

TRIPS = 4
"""Questions to the other host while writes wait."""

FILES_PER_SECOND = 20
START_SECONDS = 15.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a move would be. `pause` and `converged` are estimates in seconds: how long writes wait, and until when
    nobody can remember the old address."""

    order: Order
    checks: tuple[Check, ...]
    pause: float
    converged: float | None
    points_to: tuple[str, ...] = ()
    trip: float = 0.0

    @property
    def forbidden(self) -> tuple[Check, ...]:
        """What forbids it."""
        return tuple(one for one in self.checks if one.verdict == "forbids")


async def make_plan(
    settings: Settings,
    hosts: Hosts,
    route: Route,
    names: Names | None,
    *,
    hold: float,
    announced: bool = False,
    last_pause: float | None = None,
    dns_from: tuple[str, ...] = (),
    thorough: bool = True,
) -> Plan:
    """Ask both hosts and the DNS. Raises HostError when one of the hosts does not answer at all. `thorough`: ask the
    world's registries, too, in whose hands the name is; that may take seconds and forbids nothing.
    """
    (here, here_trip, here_ahead), (there, there_trip, there_ahead) = await asyncio.gather(
        _timed(route.source), _timed(route.target)
    )
    trip, ahead = max(here_trip, there_trip), there_ahead - here_ahead
    smoke, smoke_error = await _smoke(route.target)
    source, target = hosts.find(here.name), hosts.find(there.name)
    current, names_error, findings = await _look_up(settings, names, thorough=thorough)
    pause = _estimate(there, trip)
    found = Found(
        moment=now(),
        source=here,
        target=there,
        offset=ahead,
        trip=trip,
        smoke=smoke,
        smoke_error=smoke_error,
        names=current,
        names_error=names_error,
        domain=settings.local_domain.split(":")[0],
        is_loopback=names is None,
        dns_is_set=bool(settings.dns),
        addresses=target.addresses if target else (),
        expected=dns_from or (source.addresses if source else ()),
        findings=findings,
        hold=hold,
        pause=pause,
        last_pause=last_pause,
    )
    order = Order(
        source=here.name,
        target=there.name,
        epoch=max(here.epoch, there.epoch, here.refused_epoch, there.refused_epoch) + 1,
        hold=hold,
        announced=announced,
        commits=here.commits,
        domain=found.domain,
        addresses=found.addresses if names is not None else (),
        expected=found.expected,
    )
    return Plan(
        order=order,
        checks=tuple(check_all(found)),
        pause=pause,
        converged=current.ttl + 1.0 if current is not None and found.addresses else None,
        points_to=current.all if current else (),
        trip=trip,
    )


async def _timed(peer: Peer) -> tuple[HostStatus, float, float]:
    """Status, seconds of the shortest of two questions, and how far its clock is ahead of this machine's."""
    best, ahead = float("inf"), 0.0
    await peer.status()  # the connection is made, so that the others measure the way alone
    for _ in range(2):
        began, asked = time.monotonic(), now()
        status = await peer.status()
        took = time.monotonic() - began
        if took < best:
            best, ahead = took, (status.now - asked).total_seconds() - took / 2
    return status, best, ahead


async def _smoke(peer: Peer) -> tuple[tuple[Smoke, ...], str]:
    """Pages of the standby; one whose web is just starting is given some seconds."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            found = await peer.smoke()
        except HostError as error:
            return (), str(error)
        if all(one.status for one in found) or time.monotonic() > until:
            return found, ""
        await asyncio.sleep(0.5)


async def _look_up(
    settings: Settings, names: Names | None, *, thorough: bool
) -> tuple[Addresses | None, str, tuple[Finding, ...]]:
    if names is None:
        return None, "", ()
    current, checked = await asyncio.gather(
        names.current(), _check(settings) if thorough else _nothing(), return_exceptions=True
    )
    findings = checked if isinstance(checked, tuple) else ()
    if isinstance(current, Addresses):
        return current, "", findings
    if isinstance(current, NamesError):
        return None, str(current), findings
    raise current


async def _nothing() -> tuple[Finding, ...]:
    return ()


async def _check(settings: Settings) -> tuple[Finding, ...]:
    """What can be found out about the three companies; where the world cannot be asked, nothing."""
    async with asyncio.timeout(AUTHORITY_SECONDS * 2):
        found: Any = await check_name(settings.local_domain.split(":")[0])
        return tuple(found.findings)


def _estimate(there: HostStatus, trip: float) -> float:
    """Seconds for which writes will wait."""
    files = there.media.backlog_files / FILES_PER_SECOND if there.media else 0.0
    return STOP_SECONDS + TRIPS * trip + min(files, 5.0) + min(there.behind_seconds or 0.0, 5.0)
