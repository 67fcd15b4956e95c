"""The decoding process: `python -m parley.social.media.decode TASK`. Reads one hostile file and nothing else.

It gives up network, privileges and most of its memory and time before it looks at the file; a bomb ends this
process and no other. TASK is `results.Task` as JSON; the answer, `results.Result` as JSON, goes to stdout.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from parley.kit.errors import Invalid
from parley.social.media.formats import FORMATS
from parley.social.media.results import Result, Task

MAX_OUTPUT = 2**30
"""Bytes of the largest file that may be written."""
BROKEN = "This file is broken or incomplete. Open and save it again with another program, then retry."
TOO_MUCH_MEMORY = "This file needs too much memory to be opened. Make it smaller and try again."

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38


def confine(task: Task) -> None:
    """Give up what a decoder does not need. What the system does not offer is left as it is."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (task.memory, task.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (task.seconds, task.seconds + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_OUTPUT, MAX_OUTPUT))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    with suppress(OSError):
        os.nice(10)
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) != 0:
            libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def clean(task: Task) -> Result:
    """Do the task; raises Invalid with a sentence for the member."""
    from parley.social.media import pictures

    path, folder, expected = Path(task.path), Path(task.folder), FORMATS[task.format]
    if task.purpose == "attachment":
        if expected.family == "image":
            return pictures.clean_attachment(path, expected, folder)
        from parley.social.media import recordings

        return recordings.clean_attachment(path, expected, folder)
    if expected.family != "image":
        raise Invalid("This must be a picture.")
    if task.purpose == "thumbnail":
        return pictures.clean_thumbnail(path, expected, folder)
    if task.purpose == "emoji":
        return pictures.clean_emoji(path, expected, folder, 256)
    size = (400, 400) if task.purpose == "avatar" else (1500, 500)
    return pictures.clean_profile_picture(path, expected, folder, size)


def main() -> int:
    """Run one task. Libraries may print: their output goes to stderr, the answer alone to stdout."""
    answer = os.dup(1)
    os.dup2(2, 1)
    task = msgspec.json.decode(sys.argv[1], type=Task)
    confine(task)
    try:
        result = clean(task)
    except Invalid as error:
        cause = error.__cause__
        result = Result(error=error.text, detail=f"{type(cause).__name__}: {cause}"[:300] if cause else "")
    except MemoryError:
        result = Result(error=TOO_MUCH_MEMORY)
    except Exception as error:  # A library's own fault on a strange file is that file's fault.
        result = Result(error=BROKEN, detail=f"{type(error).__name__}: {error}"[:300])
    os.write(answer, msgspec.json.encode(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
