"""Kills a command that carries a move on, at one line of its journal: kill -9, by itself, from within.

Python runs this first of all where this folder is in PYTHONPATH. `MOVES_KILL` says where, such as `before begin fence`
(that a step begins is not written yet: the one before may have been done) or `after begin fence` (it is written, and
nothing of it was done). Nothing else is changed.
"""

import os
import signal

wanted = os.environ.get("MOVES_KILL", "").split(" ")
if len(wanted) == 3:
    from parley.hosting.moves.journal import Journal

    add = Journal.add

    async def killed(self, *facts, **options):
        here = any(fact[:2] == (wanted[1], wanted[2]) for fact in facts)
        if here and wanted[0] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        standing = await add(self, *facts, **options)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)
        return standing

    Journal.add = killed
