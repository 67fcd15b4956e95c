"""Changing where a name points by the API of a DNS company, with dns-lexicon.

Companies' APIs know no prerequisites as RFC 2136 does: what is published is read and compared first, and read again
afterwards. Where a company's module cannot read, the zone's own servers are asked. Everything here blocks: it is run in
a thread. Nothing here decides whether a name may be changed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from parley.hosting.dns import Addresses, Door, NamesError, compare_addresses
from parley.hosting.dns_check import read_authority

log = logging.getLogger(__name__)

SEEN_SECONDS = 20.0
"""How long the zone's servers may take to show a change, where only they can be asked for it."""


class _Row(msgspec.Struct, frozen=True):
    """One record as the company lists it."""

    kind: str
    address: str
    ttl: int | None
    id: str | None


def read_at_company(door: Door, name: str) -> Addresses:
    """Where a name points as the company says, or the zone's servers if its module cannot list. Raises NamesError."""
    with _operations(door, 0) as operations:
        return _published(operations, name)[0]


def change_at_company(door: Door, name: str, to: Addresses, expected: Addresses | None, ttl: int) -> Addresses:
    """Let a name point to `to` and nothing else, to be remembered for `ttl` seconds; returns where it pointed before.

    New addresses come before the old ones go, so that nobody is told that there are none. Raises StaleName when it does
    not point to `expected`, and NamesError when the company does not take the change, or takes it and shows another.
    """
    with _operations(door, ttl) as operations:
        before, rows = _published(operations, name)
        compare_addresses(name, before, expected)
        for kind, old, new in (("A", before.v4, to.v4), ("AAAA", before.v6, to.v6)):
            for address in new:
                if address not in old:
                    operations.create_record(kind, name, address)
            for address in old:
                if address not in new:
                    operations.delete_record(rtype=kind, name=name, content=address)
        if rows is None:
            after = _change_unlisted(operations, name, to, ttl)
        else:
            after = _change_listed(operations, name, before, ttl)
    _verify(door, name, before, after, to, ttl)
    return before


def _change_listed(operations: Any, name: str, before: Addresses, ttl: int) -> Addresses:
    """Give every record the wanted memory. Many companies let a new record take over that of the ones beside it."""
    for row in _list_records(operations, name):
        if row.ttl != ttl and not (row.ttl is None and row.address not in before.all):
            operations.update_record(row.id, row.kind, name, row.address)
    return _addresses_of(_list_records(operations, name))


def _change_unlisted(operations: Any, name: str, to: Addresses, ttl: int) -> Addresses:
    """Where records have no known id, they take another memory only by being made anew: for a moment there are none."""
    after = _wait_for_servers(name, to)
    if after.all != to.all or after.ttl <= ttl:
        return after
    for kind, addresses in (("A", to.v4), ("AAAA", to.v6)):
        for address in addresses:
            operations.delete_record(rtype=kind, name=name, content=address)
        for address in addresses:
            operations.create_record(kind, name, address)
    return _wait_for_servers(name, to, ttl)


def _wait_for_servers(name: str, to: Addresses, ttl: int | None = None) -> Addresses:
    """What the zone's servers say, as soon as it is `to`, or after SEEN_SECONDS."""
    until = time.monotonic() + SEEN_SECONDS
    while True:
        found = asyncio.run(read_authority(name))
        if (found.all == to.all and (ttl is None or found.ttl <= ttl)) or time.monotonic() > until:
            return found
        time.sleep(0.2)


def _verify(door: Door, name: str, before: Addresses, after: Addresses, to: Addresses, ttl: int) -> None:
    if after.all != to.all:
        raise NamesError(
            f"{door.provider} now says {', '.join(after.all) or 'nothing'} for {name}: look at it by hand."
        )
    if after.ttl > ttl:
        said = f"{door.provider} keeps the TTL of {name} at {after.ttl}, not {ttl}: set it in its panel."
        if before.all == to.all:  # that was all that was to be done
            raise NamesError(said)
        log.warning("%s", said)


@contextmanager
def _operations(door: Door, ttl: int) -> Iterator[Any]:
    """What lexicon can do with one zone. Its errors become NamesError."""
    os.environ.setdefault("TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS", "")  # the zone is known: nothing to be fetched for it
    from lexicon.client import Client
    from lexicon.config import ConfigResolver, DictConfigSource

    zone = {"domain": door.zone, door.provider: {"domain": door.zone}}  # modules ask for one or the other
    asked = {"provider_name": door.provider, **zone, **({"ttl": ttl} if ttl else {})}
    try:
        config = ConfigResolver().with_dict(asked).with_env()  # type: ignore[no-untyped-call]
        client = Client(config)
        # It guesses the zone from a list of well-known suffixes; ours may be a part of such a one, or of none.
        config.add_config_source(DictConfigSource(zone), 0)
        with client as operations:
            yield operations
    except NamesError:
        raise
    except Exception as error:  # each company's module raises its own
        raise NamesError(f"{door.provider} did not answer as it should: {_without_secrets(error)}.") from None


def _without_secrets(error: Exception) -> str:
    """What went wrong, in one line. Some modules put keys in addresses, which stand in their errors."""
    said = " ".join(str(error).split()) or type(error).__name__
    for name, value in os.environ.items():
        if name.startswith("LEXICON_") and len(value) >= 8:
            for secret in (value, *value.split(":")):
                said = said.replace(secret, "…") if len(secret) >= 8 else said
    return said


def _published(operations: Any, name: str) -> tuple[Addresses, list[_Row] | None]:
    """Where a name points, and its records; None for the records where the company's module cannot list them."""
    try:
        rows = _list_records(operations, name)
    except (NotImplementedError, TypeError) as error:  # the module is not made for it, or broken
        log.info("the records cannot be listed (%s); the zone's servers are asked", error)
        return asyncio.run(read_authority(name)), None
    return _addresses_of(rows), rows


def _list_records(operations: Any, name: str) -> list[_Row]:
    found = []
    for kind in ("A", "AAAA"):
        for row in operations.list_records(kind, name):
            ttl, identifier = row.get("ttl"), row.get("id")
            found.append(_Row(kind, str(row["content"]), int(ttl) if ttl else None, identifier))
    return found


def _addresses_of(rows: list[_Row]) -> Addresses:
    return Addresses(
        v4=tuple(sorted(row.address for row in rows if row.kind == "A")),
        v6=tuple(sorted(row.address for row in rows if row.kind == "AAAA")),
        ttl=max((row.ttl for row in rows if row.ttl is not None), default=0),
    )
