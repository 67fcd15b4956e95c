"""Incidents as the staff see them. Nothing is changed here."""

from __future__ import annotations

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.safety.incidents import store
from parley.safety.incidents.figures import count_figures
from parley.safety.incidents.store import IncidentRow
from parley.safety.incidents.views import Figures, IncidentView
from parley.social.accounts.views import Viewer

MOST_SHOWN = 100


def present_incident(row: IncidentRow, figures: Figures | None) -> IncidentView:
    """The view of a row."""
    plain = msgspec.structs.asdict(row)
    for name in ("base_pinned", "live_policy", "figures"):
        plain.pop(name)
    plain["scope"] = tuple(row.scope)
    running = row.state in ("declared", "active")
    in_force = running and row.policy_sha256 is not None and row.policy_sha256 == row.live_policy
    return IncidentView(**plain, in_force=in_force, figures=figures)


async def get_incident(tx: Tx, viewer: Viewer, incident_id: int) -> IncidentView:
    """One incident with its figures: of its debriefing, else as of now. NotFound for who is not of the staff."""
    row = await store.get_incident(tx, incident_id) if viewer.is_staff else None
    if row is None:
        raise NotFound
    if row.figures is not None:
        return present_incident(row, msgspec.convert(row.figures, Figures))
    return present_incident(row, await count_figures(tx, row, row.concluded_at or now()))


async def list_incidents(tx: Tx, viewer: Viewer) -> list[IncidentView]:
    """Incidents, the newest first, without figures but those of debriefings. NotFound for who is not of the staff."""
    if not viewer.is_staff:
        raise NotFound
    return [
        present_incident(row, msgspec.convert(row.figures, Figures) if row.figures else None)
        for row in await store.list_incidents(tx, MOST_SHOWN)
    ]


async def get_running(tx: Tx, viewer: Viewer) -> IncidentView | None:
    """The incident that runs now, for the staff; None: there is none."""
    row = await store.get_running(tx) if viewer.is_staff else None
    return present_incident(row, None) if row else None
