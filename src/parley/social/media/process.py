"""Starts the decoding process and judges how it ended. The server itself never decodes a file.

At most two run at once in one process of the server, and one of them for a recording, which may take minutes: a
picture never waits for two of those.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import shutil
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from weakref import WeakKeyDictionary

import msgspec

from parley.kit.files import SCRATCH, new_content_key, new_file_name, refused
from parley.kit.instance import Instance
from parley.social.media.decode import BROKEN, TOO_MUCH_MEMORY
from parley.social.media.formats import Format
from parley.social.media.results import MIME_TYPES, FileMade, Purpose, Result, Task, is_credible
from parley.social.media.store_files import FileRow

log = logging.getLogger(__name__)

AT_ONCE = 2
MOST_IN_LINE = 8
"""How many files may wait and be decoded here before a job should come back later."""
PICTURE_MEMORY = 2 * 2**30
PICTURE_SECONDS = 40
RECORDING_MEMORY = 3 * 2**30
RECORDING_SECONDS = 900
MAX_ANSWER = 256 * 1024
ROOM = 8 * 2**20
"""Bytes that must be free for a failure to be the file's own."""

TOO_SLOW = "This file takes too long to be opened. Make it smaller or shorter and try again."


class _Line:
    """Who waits for a decoding process of this event loop, or has one."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(AT_ONCE)
        self.recordings = asyncio.Semaphore(AT_ONCE - 1)
        self.length = 0


_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line] = WeakKeyDictionary()


def _line() -> _Line:
    loop = asyncio.get_running_loop()
    if loop not in _lines:
        _lines[loop] = _Line()
    return _lines[loop]


def is_crowded() -> bool:
    """Whether so many files wait already that one more would only hold a place that other work needs."""
    return _line().length >= MOST_IN_LINE


async def decode(path: Path, expected: Format, purpose: Purpose, folder: Path) -> Result:
    """Clean one file into `folder`, in a process of its own that may take only so much time and memory.

    A file that cannot be used gives a Result with `error`; only a fault of this machine raises: StoreRefused when its
    disk is full, which looks like a broken file to those who decode.
    """
    is_picture = expected.family == "image"
    task = Task(
        purpose=purpose,
        path=str(path),
        format=expected.name,
        folder=str(folder),
        memory=PICTURE_MEMORY if is_picture else RECORDING_MEMORY,
        seconds=PICTURE_SECONDS if is_picture else RECORDING_SECONDS,
    )
    line = _line()
    line.length += 1
    try:
        async with nullcontext() if is_picture else line.recordings, line.turns:
            result = await _run(task)
            if result.error is not None and (free := shutil.disk_usage(folder).free) < ROOM:
                raise refused(SCRATCH, "put", OSError(f"only {free} bytes are free where files are decoded"))
            return result
    finally:
        line.length -= 1


async def _run(task: Task) -> Result:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "parley.social.media.decode",
        msgspec.json.encode(task).decode(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
        cwd=task.folder,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(task.seconds * 1.5 + 10):
            answer = await _read(process)
            code = await process.wait()
    except TimeoutError:
        return Result(error=TOO_SLOW)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _judge(task, answer, code)


async def _read(process: asyncio.subprocess.Process) -> bytes:
    """What the process answers; one that talks too much is ended."""
    assert process.stdout is not None
    answer = bytearray()
    while chunk := await process.stdout.read(65536):
        answer += chunk
        if len(answer) > MAX_ANSWER:
            process.kill()
            return b""
    return bytes(answer)


def _judge(task: Task, answer: bytes, code: int) -> Result:
    if code == 0:
        try:
            result = msgspec.json.decode(answer, type=Result)
        except msgspec.DecodeError:
            log.warning("decoding a %s file gave no answer", task.format)
            return Result(error=BROKEN)
        if not is_credible(result):
            log.warning("decoding a %s file gave an impossible answer", task.format)
            return Result(error=BROKEN)
        if result.error is not None:
            log.info("a %s file was refused: %s (%r)", task.format, result.error, result.detail)
        return result
    log.warning("decoding a %s file ended with %s", task.format, code)
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return Result(error=TOO_SLOW)
    return Result(error=TOO_MUCH_MEMORY if code == -signal.SIGABRT else BROKEN)


def _environment() -> dict[str, str]:
    """The child's whole environment: no settings, no secrets."""
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", **kept}


async def store_made(instance: Instance, made: FileMade, folder: Path) -> FileRow:
    """Store one file that the decoding process made, and give it an unguessable name; it is not served yet."""
    path = made.path_in(folder)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    key = new_content_key(digest.digest(), made.extension)
    await instance.files.put(key, path)
    name = new_file_name(made.extension)
    return FileRow(name, MIME_TYPES[made.extension], path.stat().st_size, digest.digest(), key)
