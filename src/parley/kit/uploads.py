"""Receiving a form with files: each file goes to a temporary file as it arrives, never whole into memory.

The caller gives the limit of each file and may look at its first bytes to refuse it before the rest is kept.
What came in is deleted when the `async with` block ends. This module must not know what a file means.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from parley.kit.errors import BadRequest, Invalid, ParleyError, TooLarge
from parley.kit.files import SCRATCH, refused, scratch_folder

if TYPE_CHECKING:
    from litestar import Request

HEAD = 4096
"""How many bytes of a file its inspector sees."""
MAX_PARTS = 40
MAX_TEXT = 64 * 1024
"""All text fields of one form together, in bytes."""

Inspector = Callable[[str, bytes], int]
"""Called with the field's name and the first bytes of its file; returns the most bytes that file may have, or
raises the error that refuses it."""


class Upload(msgspec.Struct, frozen=True):
    """One received file: where it lies (until the block ends), its size in bytes and its first bytes."""

    path: Path
    size: int
    head: bytes


class UploadForm(msgspec.Struct, frozen=True):
    """A received form: text fields by name and files by name; of several with one name the last counts."""

    fields: dict[str, str]
    files: dict[str, Upload]
    pairs: list[tuple[str, str]] = []
    """Every text field in order, repeated names included."""


class _Part:
    """The part of the form that is arriving."""

    def __init__(self, name: str, file: IO[bytes] | None) -> None:
        self.name = name
        self.file = file
        self.head = bytearray()
        self.size = 0
        self.limit = -1


class _Receiver:
    """Takes the events of the parser.

    After a refusal it reads on without keeping anything, so that the client gets the answer instead of a
    broken connection.
    """

    def __init__(self, folder: Path, inspect: Inspector) -> None:
        self.folder = folder
        self.inspect = inspect
        self.form = UploadForm({}, {})
        self.refusal: ParleyError | None = None
        self.part: _Part | None = None
        self.text_size = 0

    async def take(self, event: Any) -> None:
        if self.refusal is not None:
            return
        try:
            if isinstance(event, MultipartSegment):
                self.part = await self._begin(event)
            elif event:
                await self._write(bytes(event))
            else:
                await self._end()
        except ParleyError as error:
            self.refusal = error
            self.close()
        except OSError as error:  # the disk is full, say
            self.refusal = refused(SCRATCH, "put", error)
            self.close()

    async def _begin(self, segment: MultipartSegment) -> _Part:
        name = segment.name or ""
        if segment.filename is None:
            return _Part(name, None)
        path = self.folder / f"part-{len(list(self.folder.iterdir()))}"
        return _Part(name, await asyncio.to_thread(path.open, "wb"))

    async def _write(self, data: bytes) -> None:
        part = self._current()
        part.size += len(data)
        if part.file is None:
            self.text_size += len(data)
            if self.text_size > MAX_TEXT:
                raise TooLarge("The text fields of this form are too long.")
            part.head += data
            return
        if part.limit < 0:
            part.head += data[: HEAD - len(part.head)]
            if len(part.head) >= HEAD:
                part.limit = self.inspect(part.name, bytes(part.head))
        self._check(part)
        await asyncio.to_thread(part.file.write, data)

    async def _end(self) -> None:
        part = self._current()
        if part.file is None:
            try:
                self.form.fields[part.name] = part.head.decode()
                self.form.pairs.append((part.name, self.form.fields[part.name]))
            except UnicodeDecodeError as error:
                raise BadRequest(f"The field {part.name[:80]!r} is not UTF-8 text.") from error
        else:
            await asyncio.to_thread(part.file.close)
            if part.size:
                if part.limit < 0:
                    part.limit = self.inspect(part.name, bytes(part.head))
                self._check(part)
            self.form.files[part.name] = Upload(Path(part.file.name), part.size, bytes(part.head))
        self.part = None

    def _current(self) -> _Part:
        if self.part is None:
            raise BadRequest("The form in the request's body is malformed.")
        return self.part

    @staticmethod
    def _check(part: _Part) -> None:
        if 0 <= part.limit < part.size:
            raise TooLarge(f"This file is too large: at most {part.limit // 2**20} MiB of its kind are accepted.")

    def close(self) -> None:
        """Close a file that did not arrive whole."""
        if self.part is not None and self.part.file is not None:
            with contextlib.suppress(OSError):  # what is not written yet may not fit on the disk
                self.part.file.close()


@asynccontextmanager
async def receive_form(request: Request[Any, Any, Any], inspect: Inspector, *, most: int) -> AsyncIterator[UploadForm]:
    """Receive a multipart form of at most `most` bytes; its files live as long as the block.

    The route needs `request_max_body_size=None`, because the limit is `most`. Raises BadRequest for a malformed
    form, TooLarge (413), StoreRefused when this machine's disk is full, or what `inspect` raises.
    """
    from parley.kit.http import instance_of  # here: the worker knows uploads too, and needs no web framework

    kind, options = request.content_type
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not boundary or len(boundary) > 200:
        raise Invalid("Validation failed: send the file as multipart/form-data, in the field 'file'.")
    if (request.content_length or 0) > most:
        raise TooLarge(f"This request is too large: at most {most // 2**20} MiB are accepted.")
    scratch = scratch_folder(instance_of(request).settings)
    with tempfile.TemporaryDirectory(prefix="upload-", dir=scratch) as name:
        receiver = _Receiver(Path(name), inspect)
        try:
            await _receive(request, boundary, receiver, most)
        finally:
            receiver.close()
        if receiver.refusal is not None:
            raise receiver.refusal
        yield receiver.form


async def _receive(request: Request[Any, Any, Any], boundary: str, receiver: _Receiver, most: int) -> None:
    from litestar.exceptions import HTTPException

    received = 0
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_PARTS) as parser:
            async for chunk in request.stream():
                received += len(chunk)
                if received > most:
                    raise TooLarge(f"This request is too large: at most {most // 2**20} MiB are accepted.")
                if not chunk or parser.closed:
                    continue
                for event in parser.parse(chunk):
                    await receiver.take(event)
    except (MultipartError, HTTPException) as error:
        raise BadRequest("The form in the request's body is malformed.", detail=str(error)) from error
