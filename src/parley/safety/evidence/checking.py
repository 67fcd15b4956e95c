"""Reading every kept file again: are its bytes still those that the log speaks of? Changes nothing."""

from __future__ import annotations

import hashlib

from parley.kit.errors import NotFound
from parley.kit.instance import Instance
from parley.safety.evidence import store
from parley.safety.log.verifying import Progress
from parley.safety.log.views import Problem

BATCH = 200


async def verify_files(instance: Instance, *, progress: Progress | None = None) -> tuple[list[Problem], int]:
    """What is wrong with kept files, and how many were read. A file that several rows speak of is read once."""
    problems: list[Problem] = []
    above, read = "", 0
    async with instance.db.read() as tx:
        total = await store.count_copies(tx)
    while True:
        async with instance.db.read() as tx:
            copies = await store.list_copies(tx, above, BATCH)
        for copy in copies:
            read += 1
            if (problem := await _check(instance, copy.kept_as, copy.sha256)) is not None:
                problems.append(problem)
            if progress:
                progress(read, total)
        if len(copies) < BATCH:
            return problems, read
        above = copies[-1].kept_as


async def _check(instance: Instance, name: str, expected: bytes) -> Problem | None:
    digest = hashlib.sha256()
    try:
        async for chunk in await instance.files.evidence.read(name):
            digest.update(chunk)
    except NotFound:
        return Problem("missing_file", f"file {name}", "it is not in the store of evidence any more")
    if digest.digest() != expected:
        return Problem("changed_file", f"file {name}", "its bytes are not those that were kept")
    return None
