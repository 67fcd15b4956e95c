"""What is said about a move: what a standby lacks, and the figures of one that is over."""

from __future__ import annotations

from typing import Any

from parley.hosting.hosts.views import HostStatus
from parley.hosting.journals import list_journals, read_entries
from parley.hosting.moves.states import STEPS, UNDO, Standing, standing_of
from parley.kit.settings import Settings

CLOSE_BYTES = 16 * 1024 * 1024
"""A standby that is no further behind is caught up with in a fraction of a second."""

CLOSE_FILES = 20


def missing_of(standby: HostStatus) -> str:
    """What a standby lacks to be moved to, in words; empty when it is near enough."""
    if not standby.streaming:
        return f"{standby.name} does not stream"
    if (standby.behind_bytes or 0) > CLOSE_BYTES:
        return f"{(standby.behind_bytes or 0) / 1024 / 1024:,.0f} MiB of the database are missing"
    if standby.media and standby.media.failed:
        return f"{standby.media.failed:,} files could not be copied"
    if standby.media and standby.media.backlog_files > CLOSE_FILES:
        return f"{standby.media.backlog_files:,} files are missing"
    return ""


def route_of(standing: Standing) -> dict[str, Any]:
    """Who moves where."""
    return {"source": standing.order.source, "target": standing.order.target, "epoch": standing.order.epoch}


def pause_of(standing: Standing) -> float | None:
    """Seconds for which writes waited, as far as the journal tells."""
    for step in ("forward", "release", "promote"):
        found = standing.details.get(step, {}).get("pause")
        if found is not None:
            return float(found)
    return None


def result_of(name: str, standing: Standing) -> dict[str, Any]:
    """The figures of a move: the pause, and the seconds of each step."""
    details = standing.details
    steps = {step.name: details[step.name].get("seconds") for step in (*STEPS, *UNDO) if step.name in details}
    return {
        "move": name,
        **route_of(standing),
        "pause": pause_of(standing),
        "seconds": round(sum(one or 0.0 for one in steps.values()), 3),
        "steps": steps,
    }


def last_pause(settings: Settings) -> float | None:
    """How long writes waited in the last move that this host has a journal of and that came to its end."""
    for name in reversed(list_journals(settings)):
        standing = standing_of(read_entries(settings, name))
        if standing.outcome == "moved":
            return pause_of(standing)
    return None


def as_json(name: str, standing: Standing) -> dict[str, Any]:
    """Everything about a move, for scripts."""
    return {
        **result_of(name, standing),
        "state": str(standing.state),
        "outcome": standing.outcome,
        "doing": standing.begun or None,
        "reason": standing.reason or None,
        "began_at": standing.began_at.isoformat() if standing.began_at else None,
        "ended_at": standing.ended_at.isoformat() if standing.ended_at else None,
    }
