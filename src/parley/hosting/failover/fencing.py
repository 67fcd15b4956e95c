"""Closing a host whose Parley does not run: what it is stands on the disk, and that is what it starts as."""

from __future__ import annotations

from parley.hosting.failover.errors import FailoverError
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.records import HostState, read_state, write_state
from parley.kit.gate import GATE_FILE, Gate, State
from parley.kit.postgres import EmbeddedPostgres, PostgresError
from parley.kit.settings import Settings

STOP_SECONDS = 60


def fence_here(settings: Settings, to: str) -> None:
    """Let this machine's host write no more, in favour of `to`; its Parley must not run. Raises HostError.

    The state is on the disk first. A PostgreSQL that still runs, because everything else was killed, is stopped.
    """
    state = read_state(settings) or HostState()
    if state.role in ("standby", "away"):
        raise FailoverError(f"This host is {state.role}: it writes nothing.")
    if state.role == "primary":
        fenced = HostState(
            role="fenced",
            epoch=state.epoch,
            next_epoch=max(state.epoch, state.refused_epoch) + 1,
            refused_epoch=state.refused_epoch,
            to=to,
            commits=state.commits,
            degraded_since=state.degraded_since,
        )
        write_state(settings, fenced)
    Gate(settings.path(GATE_FILE)).turn(State.CLOSED, epoch=state.epoch)
    if settings.database_url:
        raise FailoverError("The gate is closed. The database is run by somebody else: stop it with what runs it.")
    try:
        EmbeddedPostgres(settings).stop_at_once(STOP_SECONDS)
    except PostgresError as error:
        raise HostError(str(error)) from error
