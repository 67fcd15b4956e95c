"""Files that only an overtaken host has: copied beside its report, named by area, before anything is given up."""

from __future__ import annotations

import logging
from pathlib import Path

from parley.hosting.failover.errors import FailoverError
from parley.hosting.hosts.host import Host
from parley.hosting.standby.aligning import find_lost_files
from parley.hosting.standby.media import areas_of
from parley.hosting.standby.source import LinkSource
from parley.kit.errors import NotFound
from parley.kit.filelog import FileLog
from parley.kit.filelog_lines import TooOld
from parley.kit.files import FileStore, open_file_store

log = logging.getLogger(__name__)

FILES = "files"


async def keep_files(host: Host, to: str, folder: Path) -> tuple[int, tuple[str, ...]]:
    """Copy what this host put and `to` never got into the report's folder; returns how many, and names of what was
    written and is nowhere any more. Raises HostError."""
    files = FileLog(host.settings.path(), host.gate)
    source = LinkSource(await host.peer(to))
    try:
        lost = await find_lost_files(files, source)
    except TooOld as error:
        # Then the files of both are compared one by one when this host follows again, and none of them is deleted.
        log.warning("files that only this host has are not in the report: %s", error)
        return 0, ()
    areas = areas_of(open_file_store(host.settings, following=True))
    kept, missing = 0, []
    deleted = {(one.area, one.name) for one in lost.changes if one.op == "delete"} if lost else set()
    for change in lost.changes if lost else ():
        name = change.target if change.op == "move" else change.name
        if change.op == "delete" or (change.area, name) in deleted:
            continue
        if await source.size_of(change.area, name) is not None:
            continue
        try:
            await _copy(areas[change.area], name, folder / FILES / change.area / name)
            kept += 1
        except NotFound:
            missing.append(f"{change.area}/{name}")
    return kept, tuple(missing)


async def _copy(store: FileStore, name: str, path: Path) -> None:
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise FailoverError(f"{name} cannot be the name of a file.")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    await store.save_to(name, path)
