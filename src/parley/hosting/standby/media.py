"""The files of an instance on two hosts: what the agent does about them, whichever host is the primary.

It answers the other host's questions (serving.py), follows the other host where this one is a standby (following.py),
tells the gate whether a put must wait for the other host, and says how far this host is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from parley.hosting.hosts.client import open_host
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.views import MediaStatus, Role
from parley.hosting.standby.aligning import align
from parley.hosting.standby.copying import Copier, Wanted
from parley.hosting.standby.following import Figures, Follower
from parley.hosting.standby.keeping import forget_lost, read_following, write_following
from parley.hosting.standby.serving import FileRoutes
from parley.hosting.standby.source import LinkSource, Source, StoreTrouble, WrongFile
from parley.kit.errors import ParleyError
from parley.kit.filelog import FileLog
from parley.kit.filelog_lines import FileLogError, Mark
from parley.kit.files import AREAS, FileStore, open_file_store, scratch_folder
from parley.kit.gate import Field

log = logging.getLogger(__name__)

WAITS = (0.1, 0.3, 1.0, 3.0, 5.0)
"""Seconds between tries to follow a host that does not answer."""

LOOK_EVERY = 0.02


class Media:
    """What one agent knows and does about files. Make one for each host, and run it for as long as the agent lives."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.settings = host.settings
        self.log = FileLog(host.settings.path(), host.gate)
        self.areas = areas_of(open_file_store(host.settings, following=True))
        """For reading, and for keeping what another host has."""
        self.written = areas_of(open_file_store(host.settings))
        """For changes of this host's own, which others follow."""
        self.figures: Figures | None = None
        self.follower: Follower | None = None
        self._seeded = read_following(host.settings).seeded
        host.media_status = self.status
        host.wait_for_media = self.wait_for
        host.on_state_changed = self.tell_gate

    @property
    def role(self) -> tuple[Role, int]:
        """What this host is, and with which epoch."""
        return self.host.state.role, self.host.state.epoch

    def tell_gate(self) -> None:
        """Say whether a put must wait until the other host has it: as commits do, and not while that is degraded.

        Nor while a host that was just added is still copying what there is: it could confirm nothing for hours.
        """
        state, others = self.host.state, bool(self.host.hosts.others)
        # Whoever followed another host knows that this one has all that came from it.
        seeded = others and (self._seeded or state.role != "primary")
        if seeded != self._seeded:
            self._seeded = seeded
            write_following(self.settings, msgspec.structs.replace(read_following(self.settings), seeded=seeded))
        self.host.gate.put(Field.FILES_WAIT, int(state.role == "primary" and self.host.waits and seeded))

    # ---- What it says ------------------------------------------------------------------------------------------------
    def status(self) -> MediaStatus:
        """How far this host is; on the primary, how far the other one is behind it. Blocks: call it in a thread."""
        figures, follower = self.figures, self.follower
        if figures is None:
            return self._own_status(self.log.mark())
        files, size = figures.backlog
        return MediaStatus(
            position=figures.mark.position,
            root=figures.mark.root,
            backlog_files=files,
            backlog_bytes=size,
            behind_seconds=round(figures.behind_seconds, 3),
            failed=follower.failed if follower else 0,
        )

    def _own_status(self, mark: Mark) -> MediaStatus:
        safe = self.host.gate.get(Field.FILES_SAFE)
        status = MediaStatus(position=mark.position, root=mark.root)
        if self.host.state.role != "primary" or not self.host.hosts.others or safe >= mark.position:
            return status
        known = max(safe, self.log.oldest)  # further back nobody knows any more what there was
        first = self.log.read(known, most=1)
        before = self.log.mark_at(known)
        return MediaStatus(
            position=mark.position,
            root=mark.root,
            backlog_files=mark.position - safe,
            backlog_bytes=mark.total - (before.total if before else 0),
            behind_seconds=max(0.0, round(time.time() - first[0].change.at, 3)) if first else 0.0,
        )

    def confirmed(self, mark: Mark) -> None:
        """The other host has everything up to here."""
        gate = self.host.gate
        gate.put(Field.FILES_SAFE, max(mark.position, gate.get(Field.FILES_SAFE)))
        if not self._seeded and self.host.hosts.others:
            self._seeded = True
            write_following(self.settings, msgspec.structs.replace(read_following(self.settings), seeded=True))
            self.tell_gate()

    async def wait_for(self, position: int, root: str, within: float) -> None:
        """Return once everything up to a position with this chain hash is here; raises HostError after `within` s."""
        until = time.monotonic() + within
        while True:
            mark = await asyncio.to_thread(self.log.mark)
            # A host that has never compared may lack what was stored before any log was kept.
            knows = mark.position or (await asyncio.to_thread(read_following, self.settings)).compared_at
            if mark.position >= position and knows:
                break
            if time.monotonic() >= until:
                raise HostError(
                    f"{position - mark.position} changes of files are missing on {self.host.me}: wait for its backlog "
                    "to be copied."
                    if knows
                    else f"The files of {self.host.me} have not been compared yet: wait until all are copied."
                )
            await asyncio.sleep(LOOK_EVERY)
        known = await asyncio.to_thread(self.log.mark_at, position)
        if known is None or known.root != root:
            raise HostError(f"The files of {self.host.me} have another history: their chain hash is not the same.")
        if self.follower is not None and self.follower.failed:
            raise HostError(f"{self.follower.failed} files could not be copied to {self.host.me}; see its log.")

    # ---- What it does ------------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Follow whom this host is to follow, and nobody while it is the primary. Ends only when it is cancelled."""
        await asyncio.to_thread(self.log.recover)
        self.tell_gate()
        while True:
            whom = self._whom()
            task = asyncio.create_task(self._keep_following(whom)) if whom else None
            try:
                async with self.host.changed:
                    while self._whom() == whom:
                        await self.host.changed.wait()
            finally:
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
                self.figures = self.follower = None

    def _whom(self) -> str | None:
        state = self.host.state
        return state.to if state.role in ("standby", "away") else None

    async def _keep_following(self, name: str) -> None:
        tries = 0
        self.figures = Figures(await asyncio.to_thread(self.log.mark))
        while True:
            try:
                async with open_host(self.settings, name) as control, open_host(self.settings, name) as files:
                    await self.follow(LinkSource(control, files.http))
            except (HostError, FileLogError, StoreTrouble, WrongFile, ParleyError, OSError) as error:
                tries = 0 if self.figures.contact > time.monotonic() - 1 else tries + 1
                (log.info if tries > 1 else log.warning)("files cannot be followed from %s just now: %s", name, error)
            except Exception:
                log.exception("following the files of %s broke; it is begun again", name)
                tries = len(WAITS)
            await asyncio.sleep(WAITS[min(tries, len(WAITS) - 1)])

    async def follow(self, source: Source) -> None:
        """Follow a host until something goes wrong, which is raised."""
        if self.figures is None:
            self.figures = Figures(await asyncio.to_thread(self.log.mark))
        copier = Copier(source, self.areas, scratch_folder(self.settings))
        self.follower = Follower(self.settings, source, copier, self.log, self.figures)
        await align(self.follower)
        self.figures.aligned = True
        await self.follower.follow()

    async def fetch_from_others(self, area: str, name: str) -> bool:
        """Get a file that somebody asks for and that is not here yet from whichever host has it; True when it is."""
        for other in self.host.hosts.others:
            try:
                client = await self.host.peer(other.name)
                source = LinkSource(client)
                if await Copier(source, self._area_for_fetching(), scratch_folder(self.settings)).copy(
                    Wanted(area, name)
                ):
                    log.warning("%s/%s was missing here, and was fetched from %s", area, name, other.name)
                    return True
            except (HostError, StoreTrouble, WrongFile) as error:
                log.info("%s/%s cannot be fetched from %s: %s", area, name, other.name, error)
        return False

    def _area_for_fetching(self) -> dict[str, FileStore]:
        return self.written if self.host.state.role == "primary" else self.areas


_medias: WeakKeyDictionary[Host, Media] = WeakKeyDictionary()


def prepare_media(host: Host) -> None:
    """For the agent, before anything else: know this host's files, and mend their log after a crash."""
    media = _medias[host] = Media(host)
    media.log.recover()
    media.tell_gate()
    forget_lost(host.settings)


async def run_media_replication(host: Host) -> None:
    """The loop of every agent that keeps the files of two hosts alike. See Media."""
    await _medias[host].run()


async def serve_files(host: Host, scope: Any, receive: Any, send: Any) -> None:
    """What other hosts may ask below /files/. See FileRoutes."""
    await FileRoutes(_medias[host])(host, scope, receive, send)


def areas_of(files: FileStore) -> dict[str, FileStore]:
    """The kept areas of a store by their names."""
    return dict(zip(AREAS, (files, files.uploads, files.evidence), strict=True))
