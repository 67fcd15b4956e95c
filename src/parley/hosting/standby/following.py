"""Following another host's file log: every change is made here too, in order for each name, several at the same time.

The log of this host takes over a line once the files of all lines up to it are here; that is confirmed to the other
host. What goes wrong is tried again for ever, and counted. Only what cannot be right is set aside after a while, so
that one damaged file does not keep all others waiting; it is tried again once a minute and shown as failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Coroutine
from typing import Any

import msgspec

from parley.hosting.hosts.errors import HostError
from parley.hosting.standby.comparing import compare
from parley.hosting.standby.copying import Copier, Wanted
from parley.hosting.standby.keeping import Failed, Following, read_following, write_following
from parley.hosting.standby.source import PageHead, Source, StoreTrouble, WrongFile
from parley.kit.filelog import FileLog
from parley.kit.filelog_lines import Line, Mark, check_follows
from parley.kit.settings import Settings

log = logging.getLogger(__name__)

LONG_POLL = 5.0
"""Seconds that the other host may wait for something to say: a link that was cut without a word is noticed then."""

MOST_WINDOW = 1000
"""Changes that are begun and not yet taken over, at most."""

SET_ASIDE = 30.0
"""Seconds after which a file that cannot be right is set aside."""

RETRY_EVERY = 60.0
COMPARE_EVERY = 86400.0
DELAYS = (0.2, 0.5, 1.0, 2.0, 5.0)

Key = tuple[str, str]


class Figures:
    """How far this host is, as far as it knows."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        """Everything up to here is here."""
        self.head: PageHead | None = None
        """What the other host said last of its log."""
        self.contact = time.monotonic()
        self.since: float | None = None
        """When the oldest change was made that is not here yet, by the other host's clock."""
        self.comparing: tuple[int, int] | None = None
        """While everything is compared: files and bytes that are known to be missing."""
        self.began = time.monotonic()
        self.aligned = False
        """Whether it is known from where to follow; until then something may be missing that nobody has counted."""

    def note(self, head: PageHead) -> None:
        """Keep what the other host says of its log."""
        self.head, self.contact = head, time.monotonic()

    @property
    def behind_seconds(self) -> float:
        """Age of the oldest change that is not here; while nothing is heard, the time since then."""
        silent = time.monotonic() - self.contact
        if not self.aligned:
            return time.monotonic() - self.began
        if self.head is not None and self.since is not None:
            return max(0.0, self.head.now - self.since) + silent
        return silent if silent > LONG_POLL + 5 else 0.0

    @property
    def backlog(self) -> tuple[int, int]:
        """Changes and bytes that are missing."""
        missing, size = self.comparing or (0, 0)
        if self.head is not None:
            end = self.head.mark
            missing = max(missing, end.position - self.mark.position)
            size = max(size, end.total - self.mark.total)
        return (missing, size) if self.aligned else (max(1, missing), size)


class Follower:
    """Follows one host until it is cancelled or the host cannot be asked any more."""

    def __init__(self, settings: Settings, source: Source, copier: Copier, files: FileLog, figures: Figures) -> None:
        self.settings = settings
        self.source = source
        self.copier = copier
        self.log = files
        self.figures = figures
        self.troubles: dict[Key, str] = {}
        """What goes wrong just now, by file."""
        self.kept: Following = read_following(settings)
        self._window: deque[tuple[Line, asyncio.Task[None]]] = deque()
        self._latest: dict[Key, asyncio.Task[None]] = {}
        self._gone: dict[Key, int] = {}
        self._more = asyncio.Event()
        self._room = asyncio.Event()
        self._confirm = asyncio.Event()
        self._keeping = asyncio.Lock()

    @property
    def failed(self) -> int:
        """Files that could not be copied and are tried again."""
        return len({*self.troubles, *((one.area, one.name) for one in self.kept.failed)})

    async def follow(self) -> None:
        """Follow from where this host's log ends; never returns. Raises TooOld, HostError, FileLogError."""
        self.figures.mark = await asyncio.to_thread(self.log.mark)
        parts = [self._read_on(self.figures.mark), self._take_over(), self._keep_confirming(), self._heal()]
        tasks = [asyncio.ensure_future(one) for one in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _end([*tasks, *(task for _, task in self._window), *self._latest.values()])
            self._window.clear()
            self._latest.clear()

    # ---- Reading the log, and doing what it says ---------------------------------------------------------------------
    async def _read_on(self, mark: Mark) -> None:
        wait = 0.0
        while True:
            page = await self.source.changes(mark.position, mark.root, wait=wait)
            wait = LONG_POLL
            self.figures.note(page.head)
            for line in page.lines:
                check_follows(mark, line)
                mark = line.mark
                while len(self._window) >= MOST_WINDOW:
                    self._room.clear()
                    await self._room.wait()
                self._begin(line)

    def _begin(self, line: Line) -> None:
        change = line.change
        keys = [(change.area, change.name), *([(change.area, change.target)] if change.target else [])]
        if change.op == "delete":
            self._gone[keys[0]] = change.n
        if not self._window:
            self.figures.since = change.at
        self._window.append((line, self.in_turn(keys, self._apply(line))))
        self._more.set()

    def in_turn(self, keys: list[Key], work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something with files once all that was begun before with the same names is done."""
        before = [self._latest[key] for key in keys if key in self._latest]

        async def run() -> None:
            try:
                if before:
                    await asyncio.wait(before)
            except BaseException:
                work.close()
                raise
            await work

        task = asyncio.create_task(run())
        for key in keys:
            self._latest[key] = task
        task.add_done_callback(lambda done: self._forget(keys, done))
        return task

    def _forget(self, keys: list[Key], task: asyncio.Task[None]) -> None:
        for key in keys:
            if self._latest.get(key) is task:
                del self._latest[key]

    async def _apply(self, line: Line) -> None:
        change = line.change
        key = (change.area, change.name)
        if change.op == "put":
            await self.get(Wanted(change.area, change.name, change.size, change.sha256), change.n)
            return
        if change.op == "move":
            await self.get(Wanted(change.area, change.target, change.size, change.sha256), change.n)
        await self.remove(*key)
        if self._gone.get(key) == change.n:
            del self._gone[key]

    async def get(self, wanted: Wanted, position: int) -> None:
        """Have a file here; tried until it is right, gone there, deleted by a change after `position`, or set aside."""
        began: float | None = None
        tries = 0
        while self._gone.get(wanted.key, -1) <= position:
            try:
                if not await self.copier.copy(wanted):
                    log.info("%s/%s is gone on %s already", wanted.area, wanted.name, self.source.name)
                break
            except (WrongFile, StoreTrouble) as error:
                self._note_trouble(wanted, error, tries)
                if isinstance(error, WrongFile):
                    began = time.monotonic() if began is None else began
                    if time.monotonic() - began > SET_ASIDE:
                        await self._set_aside(wanted, str(error))
                        return
            await asyncio.sleep(DELAYS[min(tries, len(DELAYS) - 1)])
            tries += 1
        await self._settle(wanted.key)

    async def remove(self, area: str, name: str) -> None:
        """Delete a file here; tried until the store does it."""
        tries = 0
        while True:
            try:
                await self.copier.delete(area, name)
                break
            except StoreTrouble as error:
                self._note_trouble(Wanted(area, name), error, tries)
            await asyncio.sleep(DELAYS[min(tries, len(DELAYS) - 1)])
            tries += 1
        await self._settle((area, name))

    def _note_trouble(self, wanted: Wanted, error: Exception, tries: int) -> None:
        self.troubles[wanted.key] = str(error)
        if tries in (0, 10) or tries % 100 == 0:
            log.warning("%s/%s cannot be copied from %s: %s", wanted.area, wanted.name, self.source.name, error)

    # ---- Taking over, and confirming ---------------------------------------------------------------------------------
    async def _take_over(self) -> None:
        while True:
            if not self._window:
                self._more.clear()
                await self._more.wait()
            await asyncio.wait([self._window[0][1]])
            done: list[Line] = []
            while self._window and self._window[0][1].done():
                line, task = self._window.popleft()
                task.result()
                done.append(line)
            self.figures.mark = await asyncio.to_thread(self.log.follow, done)
            self.figures.since = self._window[0][0].change.at if self._window else None
            self._room.set()
            self._confirm.set()

    async def _keep_confirming(self) -> None:
        """Tell the other host how far this one is, at once and never twice at the same time."""
        while True:
            self._confirm.clear()
            await self.source.confirm(self.figures.mark)
            await self._confirm.wait()

    # ---- What failed -------------------------------------------------------------------------------------------------
    async def _heal(self) -> None:
        """Once a minute: try again what was set aside. Once a day: compare everything, for what neither host logged."""
        while True:
            if time.time() - self.kept.compared_at > COMPARE_EVERY:
                try:
                    await compare(self, keep_extras=False)
                except (HostError, StoreTrouble, WrongFile) as error:
                    log.warning(
                        "not everything could be compared with %s, it is done again: %s", self.source.name, error
                    )
            for one in self.kept.failed:
                wanted = Wanted(one.area, one.name, one.size, one.sha256)
                try:
                    await self.in_turn([wanted.key], self._try_again(wanted))
                except (WrongFile, StoreTrouble) as error:
                    log.warning("%s/%s still cannot be copied: %s", one.area, one.name, error)
            await asyncio.sleep(RETRY_EVERY)

    async def _try_again(self, wanted: Wanted) -> None:
        await self.copier.copy(wanted)
        await self._settle(wanted.key)

    async def _set_aside(self, wanted: Wanted, why: str) -> None:
        log.error("%s/%s is set aside: %s. It is tried again every minute.", wanted.area, wanted.name, why)
        failed = Failed(wanted.area, wanted.name, wanted.size, wanted.sha256, why, time.time())
        others = [one for one in self.kept.failed if (one.area, one.name) != wanted.key]
        self.troubles.pop(wanted.key, None)
        await self._keep((*others, failed))

    async def _settle(self, key: Key) -> None:
        """A file is as it should be: nothing is wrong with it any more."""
        self.troubles.pop(key, None)
        others = tuple(one for one in self.kept.failed if (one.area, one.name) != key)
        if len(others) < len(self.kept.failed):
            await self._keep(others)

    async def _keep(self, failed: tuple[Failed, ...]) -> None:
        await self.keep(msgspec.structs.replace(self.kept, failed=failed))

    async def keep(self, kept: Following) -> None:
        """Remember between two runs."""
        async with self._keeping:
            self.kept = kept
            await asyncio.to_thread(write_following, self.settings, kept)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
