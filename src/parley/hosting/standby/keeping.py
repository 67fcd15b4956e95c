"""What a host remembers of its own about following another one's files: what failed, and what it alone had.

Small files beside the log, each replaced as a whole. Lost files are files that were stored on a host which was not the
primary any more by the time another one had taken over: see docs/operators/two-hosts.md.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from parley.hosting.hosts.records import write_durably
from parley.kit.filelog_lines import Change, Mark
from parley.kit.settings import Settings

STATE_FILE = "files.state"
LOST_FOLDER = "lost-files"
"""Below it each loss has a folder of what was set aside, and a list."""

LOST_DAYS = 30
"""So long is kept what was set aside."""


class Failed(msgspec.Struct, frozen=True):
    """A file that could not be copied again and again. It is tried once a minute, and the log goes on without it."""

    area: str
    name: str
    size: int
    sha256: str
    why: str
    since: float
    """Seconds since 1970."""


class Following(msgspec.Struct, frozen=True):
    """What is kept between two runs of the agent."""

    failed: tuple[Failed, ...] = ()
    compared_at: float = 0.0
    """When everything was last compared; 0 for never."""
    seeded: bool = False
    """Whether another host has had everything at some time. Before that nobody can wait for it."""


class LostFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What this host alone had written into its log when it came back."""

    common: Mark
    """Up to here both hosts have the same history."""
    found_at: float
    changes: tuple[Change, ...]
    given_back: bool = False
    """Whether the files were offered to the primary already, which takes those that it has not got."""


def read_following(settings: Settings) -> Following:
    """What was kept; nothing where there is none or it cannot be read, for everything can be found out again."""
    try:
        return msgspec.json.decode(settings.path(STATE_FILE).read_bytes(), type=Following)
    except (FileNotFoundError, msgspec.DecodeError):
        return Following()


def write_following(settings: Settings, following: Following) -> None:
    """Keep it."""
    write_durably(settings.path(STATE_FILE), msgspec.json.encode(following))


def lost_folder(settings: Settings) -> Path:
    """Where what is lost is kept for those who run the instance."""
    folder = settings.path(LOST_FOLDER)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_lost(settings: Settings, lost: LostFiles) -> None:
    """Keep a list of what this host alone had."""
    write_durably(lost_folder(settings) / f"{lost.common.position:012d}.json", msgspec.json.encode(lost))


def list_lost_files(settings: Settings) -> list[LostFiles]:
    """Every list of files that this host alone had when it came back, oldest first."""
    if not settings.path(LOST_FOLDER).is_dir():
        return []
    paths = sorted(settings.path(LOST_FOLDER).glob("*.json"))
    return [msgspec.json.decode(path.read_bytes(), type=LostFiles) for path in paths]


def forget_lost(settings: Settings) -> None:
    """Delete what was set aside long ago: nobody asked for it, and members may have deleted it since."""
    if not settings.path(LOST_FOLDER).is_dir():
        return
    before = time.time() - LOST_DAYS * 86400
    for path in sorted(settings.path(LOST_FOLDER).rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.stat().st_mtime < before:
            path.unlink()
