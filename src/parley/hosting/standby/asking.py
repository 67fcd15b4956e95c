"""A file that somebody asks for and that is not here yet: the agent is asked to fetch it from the other host.

For web processes and the worker of a host that took over without it. Files are asked for by names from the database, so
nobody outside can make this happen for names of their own.
"""

from __future__ import annotations

import asyncio
import logging
import time

from parley.hosting.hosts.sockets import control_socket
from parley.kit.files import FileStore
from parley.kit.gate import gate_of
from parley.kit.settings import Settings

log = logging.getLogger(__name__)

WITHIN = 30.0
AT_ONCE = 4
REMEMBERED = 60.0
"""Seconds for which a file that no host has is not asked for again."""

MOST_REMEMBERED = 1000


class Asking:
    """One process's way to the agent."""

    def __init__(self, settings: Settings) -> None:
        self._socket = str(control_socket(settings))
        self._free = asyncio.Semaphore(AT_ONCE)
        self._missing: dict[tuple[str, str], float] = {}

    async def fetch(self, area: str, name: str) -> bool:
        """Have the agent fetch a file; True once it is here."""
        key = (area, name)
        if time.monotonic() < self._missing.get(key, 0):
            return False
        async with self._free:
            found = await self._ask(area, name)
        if not found:
            if len(self._missing) >= MOST_REMEMBERED:
                self._missing.clear()
            self._missing[key] = time.monotonic() + REMEMBERED
        return found

    async def _ask(self, area: str, name: str) -> bool:
        import httpx

        transport = httpx.AsyncHTTPTransport(uds=self._socket)
        try:
            async with httpx.AsyncClient(transport=transport, timeout=WITHIN, trust_env=False) as client:
                answer = await client.post("http://agent/files/fetch", params={"area": area, "name": name})
                return answer.status_code == 204
        except (httpx.HTTPError, OSError) as error:
            log.info("the agent cannot be asked for a file: %s", error)
            return False


def look_elsewhere(settings: Settings, files: FileStore) -> None:
    """Let a store ask for files that are missing, where there is an agent to ask."""
    if not gate_of(settings).has_agent:
        return
    asking = Asking(settings)
    for store in (files, files.uploads, files.evidence):
        store.elsewhere = asking.fetch
