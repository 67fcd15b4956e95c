"""The decoding process: `python -m parley.social.media.decode TASK`. Reads one hostile file and nothing else.

It gives up network, privileges and most of its memory and time before it looks at the file; a bomb ends this
process and no other. TASK is `results.Task` as JSON; the answer, `results.Result` as JSON, goes to stdout.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from parley.kit.errors import Invalid
from parley.social.media.confine import confine
from parley.social.media.formats import FORMATS
from parley.social.media.results import Result, Task

BROKEN = "This file is broken or incomplete. Open and save it again with another program, then retry."
TOO_MUCH_MEMORY = "This file needs too much memory to be opened. Make it smaller and try again."


def clean(task: Task) -> Result:
    """Do the task; raises Invalid with a sentence for the member."""
    from parley.social.media import pictures

    path, folder, expected = Path(task.path), Path(task.folder), FORMATS[task.format]
    if task.purpose == "text":
        from parley.social.media.image_text import read_text

        return Result(text=read_text(path))
    if task.purpose == "bank" and expected.family == "image":
        from parley.social.media import hashing

        return Result(hashes=hashing.hash_parts(pictures.open_whole(path, expected)))
    if task.purpose in ("attachment", "bank"):
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
    confine(Path(task.folder), Path(task.path), memory=task.memory, seconds=task.seconds)
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
