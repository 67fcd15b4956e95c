"""Who was taken for a host of the instance, by which key, and since when: a signed journal of each host.

`<data_dir>/host-keys.jsonl`; an entry is on the disk before what it tells of is done.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.journals import Entry, JournalError, append_note, check_entries, read_notes
from parley.kit.settings import Settings

LOG_FILE = "host-keys.jsonl"

MEANING = {
    "joined": "came with a join code",
    "removed": "belongs to the instance no more",
    "announced": "will have another key; both are taken for it",
    "taken": "shows its new key; the old one was deleted",
    "confirmed": "has the new key alone",
}
"""What each kind of entry says of a host."""


async def note_key(host: Host, kind: str, name: str, key: str) -> None:
    """Write down what becomes of the host `name`, by the hash of its key. Raises HostError."""
    path, detail = _path_of(host.settings), {"host": name, "key": key}
    try:
        await asyncio.to_thread(append_note, host.settings, path, kind, by=host.me, detail=detail)
    except JournalError as error:
        raise HostError(str(error)) from error


def read_keylog(settings: Settings) -> tuple[Entry, ...]:
    """The journal of this host; raises JournalError unless the chain is whole and signed by this instance."""
    path = _path_of(settings)
    entries = read_notes(path)
    check_entries(settings, path.stem, entries)
    return entries


def _path_of(settings: Settings) -> Path:
    return settings.path(LOG_FILE)
