"""What goes into a member's archive, and each file of it by itself. For the member alone: everything takes the viewer.

Nothing here decides who may ask for it. Nothing of other people's private things is read.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

import msgspec

from parley import __version__
from parley.kit.clock import iso, now
from parley.kit.errors import NotFound
from parley.kit.files import scratch_folder
from parley.kit.instance import Instance
from parley.kit.paging import Page
from parley.kit.signing import fingerprint_of, public_key_of
from parley.social.accounts.reads import get_own_account
from parley.social.accounts.views import AccountView, Viewer
from parley.social.archives import activities, formats
from parley.social.archives.writing import ArchiveWriter, Progress
from parley.social.filters.reads import list_filters
from parley.social.graph import archiving as graph
from parley.social.media.reads import get_file_for_owner
from parley.social.media.views import MediaView
from parley.social.sessions.preferences import get_preferences
from parley.social.sessions.reads import get_addressee
from parley.social.statuses.archiving import (
    OwnStatus,
    count_own,
    get_status_uris,
    walk_bookmarked,
    walk_favourited,
    walk_own_statuses,
)
from parley.social.statuses.scheduling import list_scheduled
from parley.social.timelines.reads import list_featured_tags, list_followed_tags

README = Path(__file__).with_name("readme.txt")
FOLDER = "media_attachments/files"
_encode = msgspec.json.Encoder().encode


# ---- single files ----------------------------------------------------------------------------------


async def export_file(instance: Instance, viewer: Viewer, kind: str) -> AsyncIterator[bytes]:
    """The viewer's file of one of `formats.FILES`, as Mastodon writes it, piece by piece."""
    if kind == "custom_filters":
        yield await _filters(instance, viewer)
        return
    heading = formats.heading_of(kind)
    if heading:
        yield heading
    lines: list[list[str]] = []
    async for row in _rows(instance, viewer, kind):
        lines.append(row)
        if len(lines) >= 1000:
            yield formats.write_rows(lines)
            lines = []
    if lines:
        yield formats.write_rows(lines)


async def _rows(instance: Instance, viewer: Viewer, kind: str) -> AsyncIterator[list[str]]:
    db, domain = instance.db, instance.settings.local_domain
    if kind == "following":
        async for followed in graph.walk_following(db, viewer):
            yield formats.following_row(followed, domain)
    elif kind == "muting":
        async for muted in graph.walk_muted(db, viewer):
            yield formats.muting_row(muted, domain)
    elif kind == "blocking":
        async for person in graph.walk_blocked(db, viewer):
            yield formats.person_row(person, domain)
    elif kind == "followers":
        async for person in graph.walk_followers(db, viewer):
            yield formats.person_row(person, domain)
    elif kind == "lists":
        async for person in graph.walk_listed(db, viewer):
            yield formats.list_row(person, domain)
    elif kind == "domain_blocking":
        async for name in graph.walk_domains(db, viewer):
            yield [name]
    elif kind == "bookmarks":
        async for uri in walk_bookmarked(db, instance.settings, viewer):
            yield [uri]
    else:
        raise NotFound


async def _filters(instance: Instance, viewer: Viewer) -> bytes:
    async with instance.db.read() as tx:
        filters = await list_filters(tx, viewer)
        ids = [entry.status_id for one in filters for entry in one.statuses]
        uris = await get_status_uris(tx, instance.settings, ids)
    rows = [
        {
            "title": one.title,
            "expire_at": iso(one.expires_at) if one.expires_at else None,
            "context": list(one.contexts),
            "action": one.action,
            "keywords_attributes": [{"keyword": word.keyword, "whole_word": word.whole_word} for word in one.keywords],
            "statuses": [uris[entry.status_id] for entry in one.statuses if entry.status_id in uris],
        }
        for one in filters
    ]
    return _encode({"custom_filters": rows})


# ---- the whole archive -----------------------------------------------------------------------------


async def write_archive(
    instance: Instance, viewer: Viewer, path: Path, *, alias: str | None = None, progress: Progress | None = None
) -> None:
    """Write everything that is the viewer's to `path`, which only its owner may read afterwards.

    `alias` is the viewer's account elsewhere (`alice@new.example`): the signed archive names it. Reads a batch at a
    time, so that memory does not grow with posts and files. A file that is gone is left out.
    """
    scratch = scratch_folder(instance.settings)
    await asyncio.to_thread(path.touch, 0o600)
    writer = ArchiveWriter(path, scratch)
    try:
        with tempfile.TemporaryFile(dir=scratch) as attached:
            await _write_all(instance, viewer, writer, attached, alias, progress or (lambda done, total: None))
        await writer.finish(instance.settings)
    finally:
        writer.close()


async def _write_all(
    instance: Instance,
    viewer: Viewer,
    writer: ArchiveWriter,
    attached: IO[bytes],
    alias: str | None,
    progress: Progress,
) -> None:
    settings = instance.settings
    async with instance.db.read() as tx:
        account = await get_own_account(tx, viewer)
        counts = await count_own(tx, viewer)
    total = counts.statuses + counts.with_media + 1
    progress(0, total)
    await writer.add("README.txt", _readme(instance, account))
    avatar = await _add_picture(instance, viewer, writer, account.avatar_file, "avatar")
    header = await _add_picture(instance, viewer, writer, account.header_file, "header")
    actor = activities.actor_of(account, settings, avatar=avatar, header=header, alias=alias)
    await writer.add("actor.json", _encode(actor))
    await writer.stream("outbox.json", _outbox(instance, viewer, attached, progress, total))
    await writer.stream("likes.json", _collection("likes.json", walk_favourited(instance.db, settings, viewer)))
    await writer.stream("bookmarks.json", _collection("bookmarks.json", walk_bookmarked(instance.db, settings, viewer)))
    for kind, name in {**formats.FILES, "followers": "followers.csv"}.items():
        chunks = _followers(instance, viewer) if kind == "followers" else export_file(instance, viewer, kind)
        await writer.stream(f"csv/{name}", chunks)
    await writer.add("account.json", await _account(instance, viewer, account))
    await _add_media(instance, viewer, writer, attached, progress, counts.statuses, total)
    progress(total, total)


def _readme(instance: Instance, account: AccountView) -> bytes:
    settings = instance.settings
    text = README.read_text("utf-8").format(
        address=f"@{account.username}@{settings.local_domain}",
        moment=f"{now():%Y-%m-%d %H:%M}",
        name=settings.name,
        base_url=settings.base_url,
        version=__version__,
        fingerprint=fingerprint_of(public_key_of(settings)),
    )
    return text.encode()


async def _add_picture(
    instance: Instance, viewer: Viewer, writer: ArchiveWriter, name: str | None, called: str
) -> str | None:
    if name is None:
        return None
    target = f"{called}.{name.rpartition('.')[2]}"
    return target if await _copy(instance, viewer, writer, name, target) else None


async def _copy(instance: Instance, viewer: Viewer, writer: ArchiveWriter, name: str, target: str) -> bool:
    """Put a stored file of the viewer's into the archive; False when it is gone, or hidden by moderators."""
    try:
        async with instance.db.read() as tx:
            file = await get_file_for_owner(tx, viewer, name)
        chunks = await instance.files.read(file.key)
    except NotFound:
        return False
    await writer.stream(target, chunks, packed=False)
    return True


async def _outbox(
    instance: Instance, viewer: Viewer, attached: IO[bytes], progress: Progress, total: int
) -> AsyncIterator[bytes]:
    """outbox.json; which files it names is noted in `attached`, one JSON line each."""
    yield b'{"@context":' + _encode(activities.CONTEXT) + b',"id":"outbox.json","type":"OrderedCollection",'
    yield b'"orderedItems":['
    count = 0
    async for one in walk_own_statuses(instance.db, instance.settings, viewer):
        files = _files_of(one)
        for media, target in files:
            attached.write(_encode([media.file, target]) + b"\n")
        yield (b"," if count else b"") + _encode(activities.activity_of(one, instance.settings, files))
        count += 1
        if count % 500 == 0:
            progress(min(count, total), total)
    yield b'],"totalItems":%d}' % count


def _files_of(one: OwnStatus) -> list[tuple[MediaView, str]]:
    if one.view.reblog is not None:
        return []
    return [
        (media, f"{FOLDER}/{media.id}/original/{media.file.rpartition('/')[2]}")
        for media in one.view.media
        if media.file is not None and media.account_id == one.view.account.id
    ]


async def _add_media(
    instance: Instance,
    viewer: Viewer,
    writer: ArchiveWriter,
    attached: IO[bytes],
    progress: Progress,
    done: int,
    total: int,
) -> None:
    attached.seek(0)
    for line in attached:
        name, target = msgspec.json.decode(line)
        await _copy(instance, viewer, writer, name, target)
        done += 1
        progress(min(done, total), total)


async def _collection(name: str, uris: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """An ordered collection of identifiers."""
    yield b'{"@context":"https://www.w3.org/ns/activitystreams","id":' + _encode(name)
    yield b',"type":"OrderedCollection","orderedItems":['
    count = 0
    async for uri in uris:
        yield (b"," if count else b"") + _encode(uri)
        count += 1
    yield b'],"totalItems":%d}' % count


async def _followers(instance: Instance, viewer: Viewer) -> AsyncIterator[bytes]:
    async for row in _rows(instance, viewer, "followers"):
        yield formats.write_rows([row])


async def _account(instance: Instance, viewer: Viewer, account: AccountView) -> bytes:
    """What else is kept about the member."""
    domain = instance.settings.local_domain
    async with instance.db.read() as tx:
        addressee = await get_addressee(tx, viewer.account_id)
        preferences = await get_preferences(tx, viewer)
        followed = await list_followed_tags(tx, viewer, Page(1000))
        featured = await list_featured_tags(tx, viewer.account_id)
        scheduled = await list_scheduled(tx, viewer, Page(500))
    notes = [
        {"address": formats.address_of(one.username, one.domain, domain), "note": one.note}
        async for one in graph.walk_notes(instance.db, viewer)
    ]
    endorsed = [
        formats.address_of(one.username, one.domain, domain) async for one in graph.walk_endorsed(instance.db, viewer)
    ]
    found: dict[str, Any] = {
        "format": activities.FORMAT,
        "made_at": iso(now()),
        "address": f"{account.username}@{domain}",
        "email": addressee.email if addressee else None,
        "created_at": iso(account.created_at),
        "preferences": msgspec.to_builtins(preferences),
        "followed_tags": [one.tag.name for one in followed],
        "featured_tags": [one.name for one in featured],
        "notes": notes,
        "featured_people": endorsed,
        "scheduled_posts": [
            {"at": iso(one.scheduled_at), "text": one.new.text, "visibility": one.new.visibility} for one in scheduled
        ],
    }
    return _encode(found)
