"""`parley failover` and `parley fence`: taking over from a host that is lost, and closing one for good."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

import msgspec
import typer

from parley.commands.hosts import my_name, run
from parley.commands.running import AsJson, fail, settings_or_exit, show
from parley.hosting.failover.errors import FailoverError, Overtaken
from parley.hosting.failover.fencing import fence_here
from parley.hosting.failover.keeping import Keeper, Watcher, given_up_after
from parley.hosting.failover.lease import Claim, Lease
from parley.hosting.failover.lost_writes import SUMMARY, list_reports
from parley.hosting.failover.minding import REQUEST_FILE
from parley.hosting.failover.states import Asked, Permission, may_take_over
from parley.hosting.failover.taking_over import TookOver, claim_lease, finish_takeover, need_standby, next_epoch
from parley.hosting.failover.witness import Witness
from parley.hosting.hosts.client import HostClient, open_host
from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.records import Hosts, read_hosts
from parley.hosting.hosts.views import Fence, HostStatus
from parley.kit.gate import GATE_FILE, Gate
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.processes import AlreadyRunning, lock_data_folder
from parley.kit.settings import Settings

ASK_SECONDS = 3.0
LOOK_SECONDS = 0.25

WITNESS_SECONDS = 10.0
"""So long a person waits for the third place to answer. Who renews a lease has no time for that."""

FENCE_SECONDS = 15.0
DEGRADE_SECONDS = 40.0

app = typer.Typer(invoke_without_command=True)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is known before anything is done."""

    status: HostStatus
    lease: Lease | None
    mark: str | None
    expired: bool


@app.callback()
def failover(
    context: typer.Context,
    accept_loss: Annotated[
        bool,
        typer.Option("--accept-loss", help="Take over although writes that were acknowledged may be missing here."),
    ] = False,
    other_host_is_off: Annotated[
        bool,
        typer.Option("--other-host-is-off", help="Without a witness: you have seen that the other host is off."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let this host take over from a primary that is lost. Run it on the standby.

    It waits until the primary's lease has run out, so that the two never write side by side. When the primary still
    runs, use `parley move run`: that loses nothing and nobody notices. The commands below are about what else happens
    when a host is lost.
    """
    if context.invoked_subcommand is not None:
        return
    settings = settings_or_exit()
    hosts = _hosts(settings)
    asked = Asked(mode="operator", accept_loss=accept_loss, other_host_is_off=other_host_is_off)
    result = run(_fail_over(settings, hosts, asked, ask_again=not yes and not as_json, as_json=as_json))
    show(result, as_json, f"{result['host']} is the primary now, with epoch {result['epoch']}. {result['dns']}")


async def _fail_over(
    settings: Settings, hosts: Hosts, asked: Asked, *, ask_again: bool, as_json: bool
) -> dict[str, Any]:
    async with open_host(settings, hosts.me) as me:
        status = await me.status()
        need_standby(status.role, hosts.me)
        await _refuse_while_primary_answers(settings, hosts)
        witness = Witness(settings, seconds=WITNESS_SECONDS) if settings.witness else None
        seen = await _see(settings, witness, status, as_json=as_json)
        found = may_take_over(hosts.me, seen.lease, has_witness=witness is not None, expired=seen.expired, asked=asked)
        loss = _loss(seen)
        if found.claim is None:
            raise FailoverError(f"{found.reason}{'' if asked.accept_loss else f' {loss}'}")
        if found.claim != "lossless" and ask_again:
            typer.echo(loss)
            if not typer.confirm("Take over?"):
                raise FailoverError("Nothing was done.")
        return await _take_over(settings, hosts, me, witness, seen, found)


async def _refuse_while_primary_answers(settings: Settings, hosts: Hosts) -> None:
    for other in hosts.others:
        try:
            async with open_host(settings, other.name) as client:
                status = await client.status(seconds=ASK_SECONDS)
        except HostUnreachable:
            continue
        if status.role == "primary" and status.database_up:
            raise FailoverError(
                f"{other.name} is the primary, and answers. `parley move run` changes over without losing anything; "
                f"`parley fence {other.name}` stops it first."
            )


async def _see(settings: Settings, witness: Witness | None, status: HostStatus, *, as_json: bool) -> Seen:
    """Look at the lease for as long as it takes to know whether its holder has stopped."""
    if witness is None:
        return Seen(status=status, lease=None, mark=None, expired=False)
    watcher = Watcher(witness)
    changes = 0
    while True:
        changed, unchanged = await watcher.look()
        changes += changed
        lease = watcher.lease
        if lease is None or lease.holder == status.name or watcher.is_expired(unchanged) or changes > 1:
            expired = watcher.is_expired(unchanged)
            return Seen(status=status, lease=lease, mark=watcher.mark, expired=expired)
        left = max(0.0, (given_up_after(lease) - unchanged) / 1e9)
        if changed and not as_json:
            typer.echo(f"Waiting for {left:.1f} s, until the lease of {lease.holder} has surely run out ...", err=True)
        await asyncio.sleep(min(LOOK_SECONDS, left + 0.01))


def _loss(seen: Seen) -> str:
    """How much may be lost, as far as anybody knows."""
    lease, status = seen.lease, seen.status
    if lease is not None and lease.in_sync and lease.standby == status.name:
        return "Nothing is lost: everything that was acknowledged is here."
    if lease is not None and lease.behind_bytes is not None:
        seconds = f" and {lease.behind_seconds:.1f} seconds" if lease.behind_seconds is not None else ""
        far = f"was {lease.behind_bytes:,} bytes{seconds} behind when the primary last wrote its lease"
    else:
        far = "has not been seen by the primary for an unknown time"
    here = f"The newest write here is {status.behind_seconds:.0f} seconds old." if status.behind_seconds else ""
    return f"{status.name} {far}: what was acknowledged after that may be lost. {here}".strip()


async def _take_over(
    settings: Settings, hosts: Hosts, me: HostClient, witness: Witness | None, seen: Seen, found: Permission
) -> dict[str, Any]:
    began = time.monotonic()
    claim: Claim = found.claim or "accepted"
    epoch = next_epoch(seen.lease, seen.status.epoch, seen.status.refused_epoch)
    if witness is not None:
        if seen.lease is not None and seen.lease.holder == hosts.me and seen.lease.epoch > seen.status.epoch:
            epoch = seen.lease.epoch  # won before, and not finished
        else:
            keeper = Keeper(settings, witness, Gate(settings.path(GATE_FILE)), hosts.me)
            keeper.saw(seen.lease, seen.mark)
            try:
                await claim_lease(keeper, hosts.me, epoch, claim)
            except Overtaken as error:
                raise FailoverError(f"{error} Nothing was done: run the command again.") from error
    await me.promote(None, epoch)
    old = seen.lease.holder if seen.lease else (hosts.others[0].name if len(hosts.others) == 1 else None)
    took = TookOver(
        host=hosts.me,
        taken_from=old if old != hosts.me else None,
        epoch=epoch,
        claim=claim,
        seconds=round(time.monotonic() - began, 3),
        behind_bytes=seen.lease.behind_bytes if seen.lease else None,
        behind_seconds=seen.lease.behind_seconds if seen.lease else None,
    )
    dsn = settings.database_url or EmbeddedPostgres(settings).dsn
    detail = await finish_takeover(settings, dsn, hosts, took)
    await me.note("failover", ok=True, seconds=took.seconds, detail=detail)
    return detail


@app.command()
def degrade(as_json: AsJson = False) -> None:
    """Let this primary go on without its standby now: writes are acknowledged although nobody else has them.

    It is waited for again as soon as it has caught up. Until then the standby may not take over by itself.
    """
    settings = settings_or_exit()
    me = _hosts(settings).me

    async def ask() -> HostStatus:
        async with open_host(settings, me) as host:
            status = await host.status()
            if status.role != "primary":
                raise FailoverError(f"{me} is {status.role}: run this on the primary.")
            if status.commits != "sync":
                raise FailoverError(f"{me} waits for nobody anyway: commits are {status.commits}.")
            if status.sync_state == "sync" and not status.degraded_since:
                raise FailoverError("The standby is there and has everything: there is nothing to go on without.")
            await asyncio.to_thread(settings.path(REQUEST_FILE).touch)
            deadline = time.monotonic() + DEGRADE_SECONDS
            while not status.degraded_since:
                if time.monotonic() > deadline:
                    settings.path(REQUEST_FILE).unlink(missing_ok=True)
                    raise FailoverError("The lease cannot be changed, so nothing was done: see the log.")
                await asyncio.sleep(LOOK_SECONDS)
                status = await host.status()
            return status

    found = run(ask())
    show({"host": me, "degraded_since": str(found.degraded_since)}, as_json, f"{me} goes on without its standby.")


@app.command("lost-writes")
def lost_writes(
    whole: Annotated[bool, typer.Option("--show", help="Print the newest report itself.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the reports of what only this host had when another one took over."""
    settings = settings_or_exit()
    reports = list_reports(settings.path())
    if whole and reports and not as_json:
        typer.echo((reports[-1][0] / SUMMARY).read_text())
        return
    rows = [{"folder": str(path), **msgspec.to_builtins(report)} for path, report in reports]
    lines = [
        f"{report.made_at}  epoch {report.epoch}, {report.new_host} took over: "
        f"{sum(count for kinds in report.rows.values() for count in kinds.values())} rows, {report.files} files\n"
        f"    {path}"
        for path, report in reports
    ]
    show({"reports": rows}, as_json, "\n".join(lines) or "This host was never overtaken.")


def fence(
    name: Annotated[str, typer.Argument(help="Which host. Default: this one.")] = "",
    to: Annotated[str, typer.Option(help="Which host is to write instead, where there are more than two.")] = "",
    as_json: AsJson = False,
) -> None:
    """Close a host for good: its gate is shut and its PostgreSQL stopped, until it follows another one.

    A host that runs says with its signature where its writing ended. On the very machine this works while Parley is
    stopped, too. Afterwards `parley failover` on the other host, or `parley move run`.
    """
    settings = settings_or_exit()
    hosts = _hosts(settings)
    target = name or hosts.me
    others = [one.name for one in hosts.hosts if one.name != target]
    if hosts.find(target) is None:
        raise fail(f"There is no host {target!r}: `parley host list` names them all.")
    if not to and len(others) != 1:
        raise fail(f"Say with --to which host is to write instead: {', '.join(others) or 'there is no other one'}.")
    token = run(_fence(settings, hosts, target, to or others[0]))
    text = f"{target} writes no more."
    if token is not None:
        text += f" Its last write is at {token.shutdown_lsn} on timeline {token.timeline}."
    show({"host": target, "fence": msgspec.to_builtins(token) if token else None}, as_json, text)


async def _fence(settings: Settings, hosts: Hosts, target: str, to: str) -> Fence | None:
    try:
        async with open_host(settings, target) as host:
            status = await host.status()
            if status.role == "standby":
                raise FailoverError(f"{target} is a standby: it writes nothing.")
            return await host.fence(max(status.epoch, status.refused_epoch) + 1, to, FENCE_SECONDS)
    except HostUnreachable as error:
        if target != hosts.me:
            raise HostError(
                f"{error} What cannot be reached cannot be closed: switch it off, or run `parley fence` there."
            ) from error
    try:
        lock = lock_data_folder(settings)
    except AlreadyRunning as error:
        raise HostError(f"{error} Its agent does not answer.") from error
    with lock:
        await asyncio.to_thread(fence_here, settings, to)
    return None


def _hosts(settings: Settings) -> Hosts:
    my_name(settings)
    hosts = read_hosts(settings)
    assert hosts is not None
    if not hosts.others:
        raise fail("This instance has one host only: `parley host add` lets another one join.")
    return hosts
