"""Comparing everything that two hosts have, folder by folder: what is missing is copied, what is too much goes.

For a host that begins to follow, one that was away for too long, and once a day for all. Names say what a file is and
are never used for other bytes, so a file with the right name and size is not read again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from parley.hosting.standby.copying import Wanted
from parley.hosting.standby.keeping import forget_lost, lost_folder
from parley.hosting.standby.source import StoreTrouble
from parley.kit.files import AREAS, is_kept_name

if TYPE_CHECKING:
    from parley.hosting.standby.following import Follower

log = logging.getLogger(__name__)


async def compare(follower: Follower, *, keep_extras: bool) -> None:
    """Make this host's files those of the other one. May run while changes are followed.

    What the other host has not got is deleted here, or with `keep_extras` set aside in a folder for a month: nobody
    knows then why it is here. Raises HostError.
    """
    began, copied, removed = time.monotonic(), follower.copier.files, 0
    for area in AREAS:
        store = follower.copier.areas[area]
        there, here = await follower.source.folders(area), await store.list_folders()
        for folder in sorted({*there, *here}):
            removed += await _compare_folder(follower, area, folder, there=folder in there, keep_extras=keep_extras)
    await asyncio.to_thread(forget_lost, follower.settings)
    await follower.keep(msgspec.structs.replace(follower.kept, compared_at=time.time()))
    log.info(
        "compared everything with %s in %.1f s: copied %d files, removed %d",
        follower.source.name,
        time.monotonic() - began,
        follower.copier.files - copied,
        removed,
    )


async def _compare_folder(follower: Follower, area: str, folder: str, *, there: bool, keep_extras: bool) -> int:
    figures = follower.figures
    position = figures.mark.position
    theirs = await follower.source.sizes(area, folder) if there else {}
    ours = await follower.copier.areas[area].list_sizes(folder)
    missing = [Wanted(area, name, size) for name, size in theirs.items() if ours.get(name) != size]
    if figures.comparing is not None:
        figures.comparing = len(missing), sum(one.size for one in missing)

    async def get(wanted: Wanted) -> None:
        await follower.get(wanted, position)
        if figures.comparing is not None:
            figures.comparing = figures.comparing[0] - 1, figures.comparing[1] - wanted.size

    tasks = [follower.in_turn([one.key], get(one)) for one in missing]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    removed = 0
    for name in ours.keys() - theirs.keys():
        # Asked once more, one by one: it may have been stored there a moment ago.
        if is_kept_name(area, name) and await follower.source.size_of(area, name) is None:
            if keep_extras:
                await set_aside(follower, area, name)
            await follower.in_turn([(area, name)], follower.remove(area, name))
            removed += 1
    return removed


async def set_aside(follower: Follower, area: str, name: str) -> None:
    """Keep a file's bytes for those who run the instance, where nothing reads them. Raises StoreTrouble."""
    target = lost_folder(follower.settings) / area / Path(name)
    try:
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        await follower.copier.areas[area].save_to(name, target)
    except OSError as error:
        raise StoreTrouble(f"{name} cannot be set aside: {error}") from error
