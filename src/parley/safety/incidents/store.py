"""The table of incidents, and what is counted for a debriefing. SQL only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.safety.incidents.overlay import Kind
from parley.safety.incidents.states import State


class IncidentRow(msgspec.Struct, frozen=True):
    """One incident."""

    id: int
    kind: Kind
    title: str
    why: str
    state: State
    declared_by: int
    declared_name: str
    scope: list[str]
    factor: float
    hold_new: bool
    severity_at_most: int
    base_policy_sha256: str | None
    base_pinned: bool
    policy_sha256: str | None
    restored: bool | None
    declared_at: datetime
    ends_at: datetime
    kept_by: int | None
    kept_name: str | None
    concluded_name: str | None
    concluded_at: datetime | None
    figures: dict[str, Any] | None
    lessons: str
    debriefed_at: datetime | None
    live_policy: str | None


_INCIDENT = """
    SELECT i.id, i.kind, i.title, i.why, i.state, i.declared_by, d.username, i.scope, i.factor, i.hold_new,
           i.severity_at_most, i.base_policy_sha256, i.base_pinned, i.policy_sha256, i.restored, i.declared_at,
           i.ends_at, i.kept_by, k.username, c.username, i.concluded_at, i.figures, i.lessons, i.debriefed_at,
           (SELECT sha256 FROM policy_activations ORDER BY id DESC LIMIT 1)
    FROM incidents i
    JOIN accounts d ON d.id = i.declared_by
    LEFT JOIN accounts k ON k.id = i.kept_by
    LEFT JOIN accounts c ON c.id = i.concluded_by
"""
GET_INCIDENT = _INCIDENT + " WHERE i.id = $1"
LOCK_INCIDENT = _INCIDENT + " WHERE i.id = $1 FOR UPDATE OF i"
LIST_INCIDENTS = _INCIDENT + " ORDER BY i.id DESC LIMIT $1"
GET_RUNNING = _INCIDENT + " WHERE i.state IN ('declared', 'active') LIMIT 1"


async def get_incident(tx: Tx, incident_id: int) -> IncidentRow | None:
    """One incident."""
    row = await tx.fetchrow(GET_INCIDENT, incident_id)
    return IncidentRow(*row) if row else None


async def lock_incident(tx: Tx, incident_id: int) -> IncidentRow | None:
    """One incident, that nobody else changes until `tx` ends."""
    row = await tx.fetchrow(LOCK_INCIDENT, incident_id)
    return IncidentRow(*row) if row else None


async def get_running(tx: Tx) -> IncidentRow | None:
    """The incident that runs now."""
    row = await tx.fetchrow(GET_RUNNING)
    return IncidentRow(*row) if row else None


async def list_incidents(tx: Tx, limit: int) -> list[IncidentRow]:
    """Incidents, the newest first."""
    return [IncidentRow(*row) for row in await tx.fetch(LIST_INCIDENTS, limit)]


INSERT_INCIDENT = """
    INSERT INTO incidents (id, kind, title, why, declared_by, scope, factor, hold_new, severity_at_most, declared_at,
                           ends_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""


async def insert_incident(
    tx: Tx,
    incident_id: int,
    said: tuple[str, str, str],
    by: int,
    scope: list[str],
    numbers: tuple[float, bool, int],
    times: tuple[datetime, datetime],
) -> None:
    """Store an incident: `said` is kind, title and why; `numbers` factor, hold_new and severity; `times` from, to."""
    await tx.execute(INSERT_INCIDENT, incident_id, *said, by, scope, *numbers, *times)


UPDATE_ACTIVE = """
    UPDATE incidents SET state = $2, base_policy_sha256 = $3, base_pinned = $4, policy_sha256 = $5 WHERE id = $1
"""


async def update_active(tx: Tx, incident_id: int, state: State, base: tuple[str, bool], policy_sha256: str) -> None:
    """Note which policy it made live, and which was before."""
    await tx.execute(UPDATE_ACTIVE, incident_id, state, *base, policy_sha256)


UPDATE_KEPT = """UPDATE incidents SET kept_by = $2, ends_at = $3, policy_sha256 = $4 WHERE id = $1"""


async def update_kept(tx: Tx, incident_id: int, by: int | None, ends_at: datetime, policy_sha256: str | None) -> None:
    """Let it last longer."""
    await tx.execute(UPDATE_KEPT, incident_id, by, ends_at, policy_sha256)


UPDATE_CONCLUDED = """
    UPDATE incidents SET state = $2, concluded_by = $3, concluded_at = $4, restored = $5 WHERE id = $1
"""


async def update_concluded(
    tx: Tx, incident_id: int, state: State, by: int | None, moment: datetime, restored: bool
) -> None:
    """Note that it is over."""
    await tx.execute(UPDATE_CONCLUDED, incident_id, state, by, moment, restored)


UPDATE_DEBRIEFED = """
    UPDATE incidents SET state = $2, figures = $3, lessons = $4, debriefed_by = $5, debriefed_at = $6 WHERE id = $1
"""


async def update_debriefed(
    tx: Tx, incident_id: int, state: State, figures: dict[str, Any], lessons: str, by: int, moment: datetime
) -> None:
    """Keep what was learned of it."""
    await tx.execute(UPDATE_DEBRIEFED, incident_id, state, figures, lessons, by, moment)


class CountRow(msgspec.Struct, frozen=True):
    """What screening said in a span of time."""

    judged: int
    held: int
    refused: int
    flagged: int


# By ids, which grow with time; the primary key alone is read.
COUNT_RESULTS = """
    SELECT count(*), count(*) FILTER (WHERE outcome = 'hold'), count(*) FILTER (WHERE outcome = 'reject'),
           count(*) FILTER (WHERE outcome = 'allow_flag')
    FROM screening_results WHERE id >= $1 AND id < $2
"""


async def count_results(tx: Tx, from_id: int, to_id: int) -> CountRow:
    """What screening said between two ids."""
    return CountRow(*await tx.fetchrow(COUNT_RESULTS, from_id, to_id))


# What people decided about what was held: the first action of a person upon the status.
LIST_FATES = """
    SELECT decided.kind, extract(epoch FROM decided.applied_at - s.created_at)
    FROM screening_results s
    LEFT JOIN LATERAL (
        SELECT x.kind, x.applied_at FROM decision_actions x JOIN decisions d ON d.id = x.decision_id
        WHERE x.subject_type = 'status' AND x.subject_id = s.subject_id AND x.applied_at >= s.created_at
          AND d.kind IN ('decision', 'jury', 'appeal')
        ORDER BY x.id LIMIT 1
    ) decided ON true
    WHERE s.id >= $1 AND s.id < $2 AND s.outcome = 'hold' AND s.subject_type IN ('status', 'poll')
    LIMIT 200000
"""


async def list_fates(tx: Tx, from_id: int, to_id: int) -> list[tuple[str | None, float | None]]:
    """Of each held status, what a person did with it (None: nothing yet), and after how many seconds."""
    return [
        (row[0], float(row[1]) if row[1] is not None else None) for row in await tx.fetch(LIST_FATES, from_id, to_id)
    ]


COUNT_CASES = """
    SELECT count(*), count(*) FILTER (WHERE c.state = 'closed'),
           (SELECT count(*) FROM decisions d JOIN cases k ON k.id = d.case_id
            WHERE k.incident_id = $1 AND d.kind IN ('decision', 'jury')),
           (SELECT count(*) FROM appeals a JOIN cases k ON k.id = a.case_id WHERE k.incident_id = $1),
           (SELECT count(*) FROM appeals a JOIN cases k ON k.id = a.case_id
            WHERE k.incident_id = $1 AND a.state = 'overturned')
    FROM cases c WHERE c.incident_id = $1
"""


async def count_cases(tx: Tx, incident_id: int) -> tuple[int, int, int, int, int]:
    """Of the incident's cases: all, closed; decisions, appeals, overturned."""
    row = await tx.fetchrow(COUNT_CASES, incident_id)
    return int(row[0]), int(row[1]), int(row[2]), int(row[3]), int(row[4])


LIST_STAFF = """
    SELECT a.username, u.email FROM accounts a JOIN users u ON u.account_id = a.id
    WHERE a.role <> 'member' AND a.domain IS NULL AND u.disabled_at IS NULL ORDER BY a.id
"""


async def list_staff(tx: Tx) -> list[tuple[str, str]]:
    """Name and address of everybody of the staff."""
    return [(row[0], row[1]) for row in await tx.fetch(LIST_STAFF)]


LIST_CONTACTS = """
    SELECT name, contact_mail FROM providers
    WHERE revoked_at IS NULL AND contact_mail <> '' AND kind IN ('host', 'app_store') ORDER BY id
"""


async def list_contacts(tx: Tx) -> list[tuple[str, str]]:
    """Name and address of every host and app store that is known here."""
    return [(row[0], row[1]) for row in await tx.fetch(LIST_CONTACTS)]
