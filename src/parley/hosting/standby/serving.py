"""What a host tells another one of its files: routes of the agent's control API, which only hosts can reach.

A plain ASGI application below /files/. Areas and names are checked by the areas' own rules before a store is asked.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from parley.hosting.hosts.host import Host
from parley.hosting.hosts.link import PEER
from parley.hosting.standby.source import DIGEST_BYTES, PageHead
from parley.kit.errors import ParleyError
from parley.kit.filelog_lines import FileLogError, TooOld
from parley.kit.files import AREAS, FileStore, is_kept_name, scratch_folder
from parley.kit.gate import Field

if TYPE_CHECKING:
    from parley.hosting.standby.media import Media

log = logging.getLogger(__name__)

MOST_LINES = 500
MOST_WAIT = 25.0
MOST_SIZE = 16 * 2**30
LOOK_EVERY = 0.005
"""Seconds between two looks for something new in the log, while another host waits for it."""

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class _Refused(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class FileRoutes:
    """The application. One for each agent."""

    def __init__(self, media: Media) -> None:
        self._media = media

    async def __call__(self, host: Host, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of another host, or of this machine's own processes."""
        method, path = scope["method"], str(scope["path"])
        if path == "/files/fetch" and scope[PEER] is not None:
            await _answer(send, 404)
            return
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        started = False

        async def note_start(message: dict[str, Any]) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._route(method, path, query, receive, note_start)
        except (_Refused, ParleyError, FileLogError, ValueError, KeyError) as error:
            status = 410 if isinstance(error, TooOld) else getattr(error, "status", 400)
            if started:
                raise  # the connection ends before its time, which the other side notices
            await _answer(send, status, msgspec.json.encode({"error": str(error)}))
        except Exception:
            if started:
                raise
            log.exception("%s of %s failed", method, path.split("/")[2])
            await _answer(send, 503, b'{"error": "The store of this host cannot be used right now."}')

    async def _route(self, method: str, path: str, query: dict[str, str], receive: Receive, send: Send) -> None:
        rest = path.removeprefix("/files/")
        if method == "GET" and rest == "log":
            await _answer(send, 200, await self._log(query))
        elif method == "GET" and rest == "mark":
            await _answer(send, 200, await self._mark(query))
        elif method == "POST" and rest == "safe":
            await asyncio.to_thread(self._confirm, int(query["position"]), query["root"])
            await _answer(send, 204)
        elif method == "POST" and rest == "fetch":
            area, name, _ = self._named(query.get("area", ""), query.get("name", ""))
            await _answer(send, 204 if await self._media.fetch_from_others(area, name) else 404)
        elif rest.endswith("/") and method == "GET":
            store = self._area(rest[:-1])
            folder = query.get("folder")
            found = await store.list_folders() if folder is None else await store.list_sizes(_folder(folder))
            await _answer(send, 200, msgspec.json.encode(found))
        else:
            area, name, store = self._named(*rest.partition("/")[::2])
            if method in ("GET", "HEAD"):
                await self._file(store, name, send, whole=method == "GET")
            elif method == "PUT":
                await self._take(area, name, query.get("sha256", ""), receive)
                await _answer(send, 204)
            else:
                raise _Refused(405, "This method is not allowed here.")

    def _area(self, area: str) -> FileStore:
        if area not in AREAS:
            raise _Refused(404, "There is no such area.")
        return self._media.areas[area]

    def _named(self, area: str, name: str) -> tuple[str, str, FileStore]:
        store = self._area(area)
        if not is_kept_name(area, name):
            raise _Refused(404, "No file has such a name.")
        return area, name, store

    # ---- The log -----------------------------------------------------------------------------------------------------
    async def _log(self, query: dict[str, str]) -> bytes:
        after, root = int(query["after"]), query["root"]
        until = time.monotonic() + min(float(query.get("wait", "0")), MOST_WAIT)
        files, gate = self._media.log, self._media.log.gate
        while True:
            lines = await asyncio.to_thread(files.read, after, root=root, most=MOST_LINES)
            if lines or time.monotonic() >= until:
                break
            while gate.get(Field.FILES_WRITTEN) <= after and time.monotonic() < until:  # noqa: ASYNC110  others write
                await asyncio.sleep(LOOK_EVERY)
        role, epoch = self._media.role
        mark = await asyncio.to_thread(files.mark)
        head = PageHead(role=role, epoch=epoch, mark=mark, now=time.time())
        return b"\n".join([msgspec.json.encode(head), *(line.raw for line in lines)])

    async def _mark(self, query: dict[str, str]) -> bytes:
        files = self._media.log
        if "oldest" in query:
            return msgspec.json.encode(await asyncio.to_thread(lambda: files.oldest))
        if "position" not in query:
            return msgspec.json.encode(await asyncio.to_thread(files.mark))
        found = await asyncio.to_thread(files.mark_at, int(query["position"]))
        if found is None:
            raise _Refused(404, "This position is not known here.")
        return msgspec.json.encode(found)

    def _confirm(self, position: int, root: str) -> None:
        """The other host has everything up to here; only believed about what both have seen alike."""
        found = self._media.log.mark_at(position)
        if found is None or found.root != root:
            raise TooOld(f"position {position} is of another history")
        self._media.confirmed(found)

    # ---- Files -------------------------------------------------------------------------------------------------------
    async def _file(self, store: FileStore, name: str, send: Send, *, whole: bool) -> None:
        size = (await store.head(name)).size
        headers = [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", str(size + DIGEST_BYTES).encode()),
        ]
        if not whole:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        chunks, digest = await store.read(name), hashlib.sha256()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for chunk in chunks:
            digest.update(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": digest.digest()})

    async def _take(self, area: str, name: str, sha256: str, receive: Receive) -> None:
        """Keep a file that another host alone had."""
        if self._media.role[0] != "primary":
            raise _Refused(409, "This host is not the primary, so it takes no files.")
        with tempfile.TemporaryDirectory(prefix="given-", dir=scratch_folder(self._media.settings)) as folder:
            path = Path(folder) / "file"
            if await _receive_to(path, receive) != sha256:
                raise _Refused(422, "These are not the bytes that were announced.")
            await self._media.written[area].put(name, path)
        log.info("took %s/%s from another host, which alone had it", area, name)


async def _receive_to(path: Path, receive: Receive) -> str:
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _Refused(400, "The file did not arrive whole.")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > MOST_SIZE:
                raise _Refused(413, "This file is too large.")
            digest.update(chunk)
            await asyncio.to_thread(file.write, chunk)
            if not message.get("more_body"):
                return digest.hexdigest()


def _folder(folder: str) -> str:
    if not folder or len(folder) > 40 or not all(part.isalnum() for part in folder.split("/")):
        raise _Refused(404, "There is no such folder.")
    return folder


async def _answer(send: Send, status: int, body: bytes = b"") -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
