"""Finding out from where one host can follow another: where both have the same history, or nowhere.

A host that was the primary until another one took over may have written what that one never got. This is named, handed
to the primary, which takes the files that it has not got (whatever no row speaks of is swept away there later), and cut
off this host's log.
"""

from __future__ import annotations

import asyncio
import logging
import time

import msgspec

from parley.hosting.hosts.errors import HostError
from parley.hosting.standby.comparing import compare, set_aside
from parley.hosting.standby.copying import Wanted
from parley.hosting.standby.following import Follower
from parley.hosting.standby.keeping import LostFiles, list_lost_files, write_lost
from parley.hosting.standby.source import Source
from parley.kit.errors import NotFound
from parley.kit.filelog import FileLog
from parley.kit.filelog_lines import Change, Mark, TooOld

log = logging.getLogger(__name__)

MOST_READ = 500


async def find_common(files: FileLog, source: Source) -> Mark | None:
    """The last place up to which both logs say the same; None when it is not known any more. Raises HostError."""
    mine = await asyncio.to_thread(files.mark)
    low, high = max(await asyncio.to_thread(lambda: files.oldest), await source.oldest()), mine.position
    if low > high or not await _same(files, source, low):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        if await _same(files, source, middle):
            low = middle
        else:
            high = middle - 1
    return await asyncio.to_thread(files.mark_at, low)


async def _same(files: FileLog, source: Source, position: int) -> bool:
    ours = await asyncio.to_thread(files.mark_at, position)
    return ours is not None and ours == await source.mark_at(position)


async def find_lost_files(files: FileLog, source: Source) -> LostFiles | None:
    """What this host's log has and the other host's has not, without changing anything; None for nothing.

    Raises TooOld when the two logs have nothing in common any more, HostError.
    """
    common = await find_common(files, source)
    if common is None:
        raise TooOld(f"this host and {source.name} have no common history of files any more")
    changes: list[Change] = []
    at = common.position
    while lines := await asyncio.to_thread(files.read, at, most=MOST_READ):
        changes += [line.change for line in lines]
        at = lines[-1].change.n
    return LostFiles(common=common, found_at=time.time(), changes=tuple(changes)) if changes else None


async def align(follower: Follower) -> None:
    """Bring this host to where it can follow. Raises HostError, also while the other host is not the primary."""
    files, source = follower.log, follower.source
    await _give_back_all(follower)
    mine = await asyncio.to_thread(files.mark)
    try:
        page = await source.changes(mine.position, mine.root, wait=0)
        follower.figures.note(page.head)
        if follower.kept.compared_at or mine.position:
            return
    except TooOld:
        pass
    end = await source.mark_at()
    head = await source.changes((end or Mark()).position, (end or Mark()).root, wait=0)
    if head.head.role != "primary":
        raise HostError(f"{source.name} is not the primary, so its files are not taken over yet.")
    follower.figures.note(head.head)
    try:
        lost = await find_lost_files(files, source) if mine.position else None
        if lost is not None:
            await _part_with(follower, lost)
        if mine.position:
            await source.changes(*_place(await asyncio.to_thread(files.mark)), wait=0)
            return
    except TooOld:
        log.warning("no common history with %s: everything is compared", source.name)
    await compare_all(follower)


def _place(mark: Mark) -> tuple[int, str]:
    return mark.position, mark.root


async def compare_all(follower: Follower) -> None:
    """Compare everything, and begin to follow from where the other host's log was before that."""
    figures = follower.figures
    figures.comparing, figures.began, figures.aligned = (1, 0), time.monotonic(), False
    try:
        start = await follower.source.mark_at()
        if start is None:
            raise HostError(f"{follower.source.name} does not say where its file log ends.")
        await compare(follower, keep_extras=True)
        await asyncio.to_thread(follower.log.begin_at, start)
        figures.mark = start
    finally:
        figures.comparing = None


async def _part_with(follower: Follower, lost: LostFiles) -> None:
    """Write down what only this host has before anything is cut off, then hand it over."""
    log.warning(
        "this host had %d changes of files that %s never got; they are listed below %s",
        len(lost.changes),
        follower.source.name,
        follower.settings.path("lost-files"),
    )
    await asyncio.to_thread(write_lost, follower.settings, lost)
    await asyncio.to_thread(follower.log.cut_after, lost.common.position)
    await _give_back_all(follower)


async def _give_back_all(follower: Follower) -> None:
    for lost in await asyncio.to_thread(list_lost_files, follower.settings):
        if not lost.given_back:
            await _give_back(follower, lost)
            await asyncio.to_thread(write_lost, follower.settings, msgspec.structs.replace(lost, given_back=True))


async def _give_back(follower: Follower, lost: LostFiles) -> None:
    """Let the primary have what it has not got, and take from it what this host had deleted or moved away."""
    for key in dict.fromkeys(key for change in lost.changes for key in _keys_of(change)):
        area, name = key
        store = follower.copier.areas[area]
        there = await follower.source.size_of(area, name)
        try:
            here = (await store.head(name)).size
        except NotFound:
            if there is not None:
                await follower.get(Wanted(area, name, there), lost.common.position)
            continue
        if there is None:
            await set_aside(follower, area, name)
            await follower.source.give(area, name, here, await store.hash_of(name), await store.read(name))
            log.info("gave %s/%s to %s, which had not got it", area, name, follower.source.name)


def _keys_of(change: Change) -> list[tuple[str, str]]:
    return [(change.area, one) for one in (change.name, change.target) if one]
