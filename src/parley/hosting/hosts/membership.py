"""Who belongs to the instance: adding a host, taking it in when it comes with its code, and removing it."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Sequence
from datetime import timedelta

import msgspec

import parley
from parley.hosting.hosts import roles
from parley.hosting.hosts.certificates import ensure_key
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.joining import Joining, Welcome, hash_secret, instance_settings, make_code, read_keys
from parley.hosting.hosts.keylog import note_key
from parley.hosting.hosts.link import split_address
from parley.hosting.hosts.records import HostRecord, Hosts, PendingHost, check_name
from parley.kit.clock import now
from parley.kit.secrets import seal
from parley.kit.signing import public_key_of

log = logging.getLogger(__name__)

CODE_HOURS = 24
MOST_TRIES = 5
MOST_HOSTS = 9


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """A host that may join now."""

    name: str
    code: str
    expires_at: str


async def hosts(host: Host) -> Hosts:
    """Who belongs to the instance, without the hashes of codes."""
    pending = tuple(msgspec.structs.replace(one, code_hash="", code_id="") for one in host.hosts.pending)
    return msgspec.structs.replace(host.hosts, pending=pending)


async def add_host(
    host: Host, name: str, link: str, addresses: list[str], my_link: str = "", my_addresses: Sequence[str] = ()
) -> Added:
    """Let a machine join as `name`; returns the code. Adding it again makes a new code, and the old one is void.

    `my_link`: where this host's own link is reached from there. `my_addresses`: to what the domain points while this
    host serves; empty leaves what is known.
    """
    async with host.turning:
        if host.state.role != "primary":
            raise HostError(f"{host.me} is not the primary: add the host on {host.state.to}.")
        check_name(name)
        split_address(link)
        await asyncio.to_thread(lambda: host.postgres.major)  # a database that others run is followed by their means
        if host.hosts.find(name):
            raise HostError(f"{name} belongs to the instance already: `parley host remove {name}` first.")
        if len(host.hosts.hosts) >= MOST_HOSTS:
            raise HostError(f"An instance has {MOST_HOSTS} hosts at most.")
        mine = my_link or own_record(host).link
        code, code_id, code_hash = make_code(mine, name, await asyncio.to_thread(ensure_key, host.settings))
        expires = now() + timedelta(hours=CODE_HOURS)
        fresh = PendingHost(
            name=name,
            link=link,
            addresses=tuple(addresses),
            code_id=code_id,
            code_hash=code_hash,
            expires_at=expires,
        )
        others = tuple(one for one in host.hosts.pending if one.name != name)
        here = own_record(host)
        me = msgspec.structs.replace(here, link=mine, addresses=tuple(my_addresses) or here.addresses)
        known = tuple(me if one.name == host.me else one for one in host.hosts.hosts)
        await change_hosts(host, hosts=known, pending=(*others, fresh))
        return Added(name=name, code=code, expires_at=expires.isoformat())


async def remove_host(host: Host, name: str) -> list[str]:
    """Let a host belong to the instance no more: refused from this moment on, and nothing is kept for it.

    Returns the other hosts that could not be told yet: they refuse it as soon as they reach this one again.
    """
    async with host.turning:
        if name == host.me:
            raise HostError("This is the host itself: remove it on the primary.")
        if host.state.role != "primary":
            raise HostError(f"{host.me} is not the primary: remove the host on {host.state.to}.")
        record = host.hosts.find(name)
        if record is None and all(one.name != name for one in host.hosts.pending):
            raise HostError(f"There is no host {name!r}: `parley host list` names them all.")
        if record is not None:
            await note_key(host, "removed", name, record.key)
        await change_hosts(
            host,
            hosts=tuple(one for one in host.hosts.hosts if one.name != name),
            pending=tuple(one for one in host.hosts.pending if one.name != name),
        )
        await roles.configure(host)
        await roles.ensure_slots(host)
    return await tell_others(host)


async def refresh_hosts(host: Host) -> None:
    """On a host that follows: ask the one that it follows who belongs to the instance; nobody else is believed.

    Where another host is reached stays as it is known here: from here the way may be another.
    """
    to = host.state.to
    if to is None or host.state.role != "standby":
        return
    given = await (await host.peer(to)).hosts()
    async with host.turning:
        if host.state.to != to or given.version <= host.hosts.version or not given.find(host.me):
            return
        known = {one.name: one for one in host.hosts.hosts}
        taken = []
        for one in given.hosts:
            there = known.get(one.name)
            is_same = there is not None and set(there.keys) & set(one.keys)
            taken.append(msgspec.structs.replace(one, link=there.link) if there and is_same else one)
        await host.change_hosts(Hosts(me=host.me, version=given.version, hosts=tuple(taken)))


async def tell_others(host: Host) -> list[str]:
    """Tell the other hosts who belongs to the instance; returns those that were not reached. They ask when they are
    back."""
    missed = []
    for other in host.hosts.others:
        try:
            await (await host.peer(other.name)).call("refresh_hosts", type(None))
        except HostError as error:
            log.info("%s was not told of the hosts yet: %s", other.name, error)
            missed.append(other.name)
    return missed


async def welcome_host(host: Host, asked: Joining) -> Welcome:
    """Take in a machine that comes with a code. Raises HostError, which says no more than that the code is not good."""
    async with host.turning:
        pending = await _checked(host, asked)
        if not host.hosts.find(pending.name):
            record = HostRecord(name=pending.name, link=pending.link, key=asked.key, addresses=pending.addresses)
            used = msgspec.structs.replace(pending, used_by=asked.key)
            left = tuple(used if one.code_id == used.code_id else one for one in host.hosts.pending)
            await note_key(host, "joined", record.name, record.key)
            await change_hosts(host, hosts=(*host.hosts.hosts, record), pending=left)
            await roles.configure(host)
        await roles.ensure_slots(host)
        return await asyncio.to_thread(_welcome, host, pending.name)


def _welcome(host: Host, name: str) -> Welcome:
    seal(host.settings, b"")  # makes the key that is missing
    public_key_of(host.settings)
    keys = read_keys(host.settings)
    if host.settings.secret_key:
        keys["secret.key"] = host.settings.secret_key.strip().encode() + b"\n"
    return Welcome(
        name=name,
        host=host.me,
        hosts=host.hosts.hosts,
        version=host.hosts.version,
        keys=keys,
        settings=instance_settings(host.settings),
        major=host.postgres.major,
        program=parley.__version__,
        epoch=host.state.epoch,
        commits=host.state.commits,
    )


async def _checked(host: Host, asked: Joining) -> PendingHost:
    """The host that may join with this code; raises HostError. A code that is tried too often is void."""
    if host.state.role != "primary":
        raise HostError("This host is not the primary any more: add the new host on the one that is.")
    bad = HostError("The join code is not good: it is wrong, too old, or was used. `parley host add` makes another.")
    found = next((one for one in host.hosts.pending if one.code_id == asked.code_id), None)
    if found is None or len(asked.key) != 64:
        raise bad
    if found.tries >= MOST_TRIES or now() > found.expires_at:
        raise bad
    right = hmac.compare_digest(found.code_hash, hash_secret(asked.secret))
    if not right or found.used_by not in ("", asked.key):
        tried = msgspec.structs.replace(found, tries=found.tries + 1)
        left = tuple(tried if one.code_id == tried.code_id else one for one in host.hosts.pending)
        await change_hosts(host, pending=left)
        log.warning("somebody tried to join as %s with a code that is not good", found.name)
        raise bad
    return found


async def change_hosts(host: Host, **changes: object) -> None:
    """Keep who the hosts are, as a newer version than the one before. For the primary alone."""
    changed = msgspec.structs.replace(host.hosts, version=host.hosts.version + 1, **changes)
    await host.change_hosts(changed)


def own_record(host: Host) -> HostRecord:
    """What stands in `hosts.json` of this host itself; raises HostError."""
    record = host.hosts.find(host.me)
    if record is None:
        raise HostError(f"{host.me} does not stand in its own hosts.json: restart Parley.")
    return record
