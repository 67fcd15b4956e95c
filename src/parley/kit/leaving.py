"""Ending a process that used obstore.

Its background threads may still hand a result to Python while the interpreter is being taken down, which aborts the
process (https://github.com/PyO3/pyo3-async-runtimes/issues/40): a command that did all it should would end with status
134 in one of four runs. So everything that must happen at the end is done here, and the interpreter is not taken down.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from typing import NoReturn


def leave(status: int) -> NoReturn:
    """End this process with `status`: exit functions first, then what waits to be written."""
    if "obstore" not in sys.modules:
        sys.exit(status)
    atexit._run_exitfuncs()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 1  # nobody reads it any more
    os._exit(status)
