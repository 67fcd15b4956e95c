"""From URLs to what they are about: a fixed number of queries, however many there are.

A media file leads to the statuses that carry it, a boost to what it boosts. What its author deleted is still found.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx
from parley.kit.settings import Settings
from parley.safety.log.views import Subject, SubjectType
from parley.safety.notices import store_places
from parley.safety.notices.store_places import CarriedRow, KeptRow, PersonRow, StatusRow
from parley.safety.notices.urls import Place, own_hosts, read_url
from parley.safety.notices.views import Found

MOST_CARRIERS = 20
"""Statuses of one file that a notice leads to; the others are found as copies."""


SHOWN_STATUSES = frozenset({"published", "limited"})
SHOWN_ACCOUNTS = frozenset({"active", "limited"})


class Named(msgspec.Struct, frozen=True):
    """A subject, and whose it is. `gone`: its author deleted it; `seen`: everybody can see it now."""

    subject: Subject
    account_id: int
    gone: bool = False
    seen: bool = False


class Resolved(msgspec.Struct, frozen=True):
    """What a URL turned out to be."""

    url: str
    found: Found
    named: tuple[Named, ...] = ()


class _Known(msgspec.Struct):
    """Everything that the database knows of these places."""

    statuses: dict[int, StatusRow]
    kept_statuses: dict[int, KeptRow]
    carried: dict[str, list[CarriedRow]]
    owners: dict[str, int]
    kept_files: dict[str, KeptRow]
    people: dict[int, PersonRow]
    named: dict[tuple[str, str], PersonRow]


async def resolve_urls(tx: Tx, settings: Settings, urls: Sequence[str]) -> list[Resolved]:
    """What each URL is about, in the same order. For the staff and for the program alone: states are not looked at."""
    hosts = own_hosts(settings)
    places = [read_url(url, hosts) for url in urls]
    known = await _look_up(tx, settings, places)
    return [_resolve(url, place, known, settings) for url, place in zip(urls, places, strict=True)]


async def _look_up(tx: Tx, settings: Settings, places: Sequence[Place]) -> _Known:
    files = [place.name for place in places if place.kind == "file"]
    media = [place.number for place in places if place.kind == "media"]
    names = [(place.name, _domain(place, settings)) for place in places if place.kind == "name"]
    carried: dict[str, list[CarriedRow]] = {}
    if files or media:
        for row in await store_places.list_carried(tx, files, media):
            carried.setdefault(row.name, []).append(row)
    lost = [name for name in files if name not in carried]
    owners = await store_places.list_owners(tx, lost) if lost else {}
    kept_files = await store_places.list_kept(tx, lost) if lost else {}
    wanted = {place.number for place in places if place.kind == "status"}
    wanted |= {row.status_id for rows in carried.values() for row in rows if row.status_id is not None}
    statuses = await store_places.list_statuses(tx, list(wanted)) if wanted else {}
    boosted = {row.reblog_of_id for row in statuses.values() if row.reblog_of_id is not None} - statuses.keys()
    if boosted:
        statuses |= await store_places.list_statuses(tx, list(boosted))
    missing = [number for number in wanted if number not in statuses]
    kept_statuses = await store_places.list_kept_statuses(tx, missing) if missing else {}
    people_ids = [place.number for place in places if place.kind == "account"]
    return _Known(
        statuses=statuses,
        kept_statuses=kept_statuses,
        carried=carried,
        owners=owners,
        kept_files=kept_files,
        people=await store_places.list_accounts(tx, people_ids) if people_ids else {},
        named=await store_places.list_named(tx, names) if names else {},
    )


def _domain(place: Place, settings: Settings) -> str:
    return "" if place.domain in (None, settings.local_domain) else str(place.domain)


def _resolve(url: str, place: Place, known: _Known, settings: Settings) -> Resolved:
    if place.kind == "outside":
        return Resolved(url, "not_ours")
    if place.kind == "status":
        return _of_status(url, "status", [place.number], known)
    if place.kind in ("file", "media"):
        return _of_file(url, place.name or str(place.number), known)
    person = (
        known.people.get(place.number)
        if place.kind == "account"
        else known.named.get((place.name, _domain(place, settings)))
        if place.kind == "name"
        else None
    )
    if person is None:
        return Resolved(url, "unknown")
    gone = person.state == "deleted"
    named = Named(Subject("profile", person.id), person.id, gone, person.state in SHOWN_ACCOUNTS)
    return Resolved(url, "gone" if gone else "profile", (named,))


def _of_status(url: str, found: Found, ids: Sequence[int], known: _Known) -> Resolved:
    named: dict[int, Named] = {}
    for number in ids:
        row = known.statuses.get(number)
        if row is not None and row.reblog_of_id is not None:
            row = known.statuses.get(row.reblog_of_id)
        if row is not None:
            gone, seen = row.state == "author_deleted", row.open and row.state in SHOWN_STATUSES
            named[row.id] = Named(Subject("status", row.id, row.revision), row.account_id, gone, seen)
        elif kept := known.kept_statuses.get(number):
            named[number] = Named(Subject("status", number, kept.revision), kept.account_id, True)
    if not named:
        return Resolved(url, "unknown")
    return Resolved(url, "gone" if all(one.gone for one in named.values()) else found, tuple(named.values()))


def _of_file(url: str, name: str, known: _Known) -> Resolved:
    rows = known.carried.get(name, [])
    carriers = [row.status_id for row in rows if row.status_id is not None][:MOST_CARRIERS]
    if carriers:
        resolved = _of_status(url, "media", carriers, known)
        if resolved.found != "unknown":
            return resolved
    if rows:
        media = Named(Subject("media", rows[0].media_id), rows[0].account_id)
        return Resolved(url, "media", (media,))
    if kept := known.kept_files.get(name):
        type: SubjectType = msgspec.convert(kept.subject_type, SubjectType)
        gone = type in ("status", "media")
        named = Named(Subject(type, kept.subject_id, kept.revision), kept.account_id, gone)
        return Resolved(url, "gone" if gone else "profile", (named,))
    if name in known.owners:
        owner = known.owners[name]  # whoever knows the name of a file has seen it
        return Resolved(url, "profile", (Named(Subject("profile", owner), owner, seen=True),))
    return Resolved(url, "unknown")


def mask_unseen(resolved: Sequence[Resolved]) -> list[Resolved]:
    """What a stranger may learn: what not everybody can see is not there, as on every page."""
    masked = []
    for one in resolved:
        seen = tuple(named for named in one.named if named.seen)
        if seen or not one.named:
            masked.append(msgspec.structs.replace(one, named=seen))
        else:
            masked.append(Resolved(one.url, "unknown"))
    return masked
