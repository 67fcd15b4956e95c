"""Runs the host agent. Holds what it does beside its own work: the one file that knows which floors take part.

`parley up` starts it on hosts that have others, and starts it again when it dies. LOOPS run as long as it does; ROUTES
are what other hosts may ask beside the operations, by the beginning of the path; PREPARE is called once before both.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from parley.hosting.failover import watching
from parley.hosting.hosts.agent import Loop, run_agent
from parley.hosting.hosts.control import Route
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.names import NamesApart
from parley.hosting.moves import minding
from parley.hosting.standby import media
from parley.kit.leaving import leave
from parley.kit.processes import end_with_parent
from parley.kit.settings import load_settings

LOOPS: tuple[Loop, ...] = (watching.watch, media.run_media_replication, minding.mind_moves)
ROUTES: dict[str, Route] = {"/files/": media.serve_files, "/failover/": watching.lend}
PREPARE: tuple[Callable[[Host], None], ...] = (media.prepare_media, watching.prepare)


def main() -> None:
    """Run until told to stop."""
    end_with_parent()
    settings = load_settings()
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        with asyncio.Runner(loop_factory=NamesApart) as runner:
            runner.run(run_agent(settings, loops=LOOPS, routes=ROUTES, prepare=PREPARE))
    except HostError as error:
        logging.getLogger("parley.agent").error("%s", error)
        leave(1)
    leave(0)


if __name__ == "__main__":
    main()
