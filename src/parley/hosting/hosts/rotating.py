"""Changing a host's key while it serves, so that no host stops trusting another in between.

The host makes a key; the primary says to all that both are to be taken for it; only when every host knows, the new one
is shown; and then the primary says that the old one is good for nothing any more. Killed anywhere, it is asked for
again and goes on; what was shown already is ended by the agent itself.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

import msgspec

from parley.hosting.hosts.certificates import ensure_key, ensure_next_key, take_next_key
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.keylog import note_key
from parley.hosting.hosts.membership import change_hosts, own_record, refresh_hosts, tell_others
from parley.hosting.hosts.records import HostRecord, Hosts
from parley.hosting.hosts.views import Asker

HASH = re.compile(r"[0-9a-f]{64}")
ASK_SECONDS = 30


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: hashes of public keys, in hexadecimal."""

    name: str
    before: str
    key: str


async def rotate_key(host: Host) -> Rotated:
    """Give this host another key. Raises HostError when another host cannot be told: then the old one stays good."""
    if host.rotating.locked():
        raise HostError(f"{host.me} is changing its key already.")
    async with host.rotating:
        before, key = own_record(host).key, await asyncio.to_thread(ensure_key, host.settings)
        if key == before:
            key = await asyncio.to_thread(ensure_next_key, host.settings)
            await _ask_primary(host, "announce_key", key)
            await _need_known(host, key)
            await note_key(host, "taken", host.me, key)
            await asyncio.to_thread(take_next_key, host.settings, host.me)
            host.forget_clients()
            host.on_key_changed()
        await _ask_primary(host, "confirm_key", key)
    return Rotated(name=host.me, before=before, key=key)


async def finish_rotation(host: Host) -> None:
    """Where this host shows its new key already, but was killed before it could say so: say so."""
    record = host.hosts.find(host.me)
    if record is None or not record.next_key or host.rotating.locked() or host.state.role not in ("primary", "standby"):
        return
    async with host.rotating:
        if await asyncio.to_thread(ensure_key, host.settings) == record.next_key:
            await _ask_primary(host, "confirm_key", record.next_key)


async def announce_key(host: Host, key: str, asker: Asker) -> None:
    """On the primary: whoever asks will have this key; from now on both are taken for it, by all hosts."""
    async with host.turning:
        record = _record_of(host, asker)
        if not HASH.fullmatch(key):
            raise HostError("That is not the hash of a key.")
        if any(key in one.keys for one in host.hosts.hosts if one.name != record.name):
            raise HostError("Another host has that key.")
        if key not in record.keys:
            await note_key(host, "announced", record.name, key)
            await _change_record(host, msgspec.structs.replace(record, next_key=key))
    await tell_others(host)


async def confirm_key(host: Host, key: str, asker: Asker) -> None:
    """On the primary: whoever asks has this key now, and has shown it by asking; the old one is nobody's any more."""
    async with host.turning:
        record = _record_of(host, asker)
        shown = asker.key if asker.name else await asyncio.to_thread(ensure_key, host.settings)
        if key not in record.keys or shown != key:
            raise HostError(f"{record.name} has not shown that key: run `parley host rotate-keys` there again.")
        if record.next_key:
            await note_key(host, "confirmed", record.name, key)
            await _change_record(host, msgspec.structs.replace(record, key=key, next_key=""))
    await tell_others(host)


async def _ask_primary(host: Host, operation: str, key: str) -> None:
    state = host.state
    if state.role == "primary":
        await (announce_key if operation == "announce_key" else confirm_key)(host, key, Asker())
        return
    if state.role != "standby" or state.to is None:
        raise HostError(f"{host.me} is {state.role}: let it follow the primary first.")
    await (await host.peer(state.to)).call(operation, type(None), seconds=ASK_SECONDS, key=key)
    await refresh_hosts(host)


async def _need_known(host: Host, key: str) -> None:
    """Every host must take this key for ours before it is shown to any of them."""
    for other in host.hosts.others:
        known: Hosts | None = None
        with suppress(HostError):
            known = await (await host.peer(other.name)).hosts()
        mine = known.find(host.me) if known is not None else None
        if mine is None or key not in mine.keys:
            why = "does not answer" if known is None else "was not told yet"
            raise HostError(
                f"{other.name} {why}, and must know the new key before it is used. Until then the old one is good: "
                f"run this again when {other.name} is there, or take it out with `parley host remove {other.name}`."
            )


def _record_of(host: Host, asker: Asker) -> HostRecord:
    if host.state.role != "primary":
        raise HostError(f"{host.me} is not the primary: ask {host.state.to}.")
    record = host.hosts.find(asker.name) if asker.name else own_record(host)
    if record is None:
        raise HostError(f"{asker.name} is no host of this instance.")
    return record


async def _change_record(host: Host, record: HostRecord) -> None:
    hosts = tuple(record if one.name == record.name else one for one in host.hosts.hosts)
    await change_hosts(host, hosts=hosts)
