"""How something comes into a case: the account's one open case is opened or joined, evidence kept, clocks started.

Never called while posting: what screening found comes in by jobs. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.jobs import enqueue
from parley.kit.settings import Settings
from parley.safety.cases import store, store_reports, store_subjects
from parley.safety.cases.clocks import start_subject_clocks
from parley.safety.cases.priority import priority_of
from parley.safety.cases.routing import graver_source, queue_of, rank_of_source
from parley.safety.cases.sla import list_promises, severity_of
from parley.safety.cases.store import StateRow, WarRow
from parley.safety.cases.store_subjects import SubjectRow
from parley.safety.cases.views import NewSubject, Source, State
from parley.safety.evidence.actions import capture_all
from parley.safety.log.actions import append_event, keep_cause
from parley.safety.log.views import Actor, Subject, SubjectType
from parley.screening import Ruleset, live_ruleset
from parley.social.events.actions import record
from parley.social.events.facts import CaseOpened

Gravity = tuple[Source, str | None, int]
"""Source, clause and severity."""


class Incoming(msgspec.Struct, frozen=True):
    """A subject with its gravity worked out."""

    type: SubjectType
    id: int
    revision: int | None
    gravity: Gravity
    screening_id: int | None
    calm: bool


async def open_case(
    tx: Tx,
    settings: Settings,
    actor: Actor,
    account_id: int,
    subjects: Sequence[NewSubject],
    *,
    source: Source,
    report_id: int | None = None,
    notice_id: int | None = None,
    incident_id: int | None = None,
    started_at: datetime | None = None,
    calm: bool = False,
) -> int:
    """Open the account's case, or join the one that is open, with these subjects (none: the account). Returns its id.

    Each new subject is kept as evidence first, and gets clocks from `started_at` (None: now) on. `calm`: they need not
    be hidden while they wait (see `list_promises`). `report_id` becomes part of the case; `notice_id` is for the log.
    """
    async with keep_cause(tx):
        await store.lock_account_cases(tx, account_id)
        policy = live_ruleset()
        war = await store.get_war(tx)
        incoming = _weigh(policy, account_id, subjects, source, calm=calm)
        moment, started = now(), started_at or now()
        about = Subject("account", account_id)
        named = [f"{one.type}:{one.id}" for one in incoming][:100]
        told = {"source": source, "subjects": named, "notice_id": str(notice_id) if notice_id else None}
        case = await store.get_open_case(tx, account_id)
        if case is None:
            case_id = await get_new_id(tx)
            gravity = _gravest([one.gravity for one in incoming])
            incident = incident_id or _incident_of(war, gravity)
            queue = queue_of(policy, *_routed(gravity), incident=incident is not None)
            await append_event(tx, actor, "case_opened", case_id=case_id, subject=about, queue=queue, **told)
            state: State = "queued" if queue == "jury" else "open"
            await store.insert_case(tx, case_id, account_id, state, queue, gravity, incident, moment)
            asked_by = actor.id if actor.type == "member" and actor.id is not None else 0
            await record(tx, CaseOpened(account_id=asked_by, case_id=case_id, target_id=account_id))
            opened_at = moment
        else:
            case_id, opened_at = case.id, case.opened_at
            await append_event(tx, actor, "case_joined", case_id=case_id, subject=about, **told)
            gravity = await _raise_gravity(tx, policy, case, incoming, war, incident_id)
        rows = await _add_subjects(tx, policy, case_id, incoming, started)
        due_at = await store.update_case_due(tx, case_id)
        await store.update_priority(tx, case_id, priority_of(gravity[2], due_at, opened_at), new=case is None)
        if report_id is not None:
            await store_reports.update_report_case(tx, report_id, case_id, rows)
        await enqueue(tx, "weigh_case", {"case_id": case_id}, dedupe_key=f"weigh_case:{case_id}")
        return case_id


def _weigh(
    policy: Ruleset, account_id: int, subjects: Sequence[NewSubject], source: Source, *, calm: bool
) -> list[Incoming]:
    weighed: dict[tuple[str, int], Incoming] = {}
    for one in subjects or [NewSubject(type="account", id=account_id)]:
        severity = one.severity if one.severity is not None else severity_of(policy, one.clause)
        made = Incoming(one.type, one.id, one.revision, (source, one.clause, severity), one.screening_id, calm)
        before = weighed.get((one.type, one.id))
        if before is None or severity < before.gravity[2]:
            weighed[one.type, one.id] = made
    return list(weighed.values())


def _gravest(gravities: Sequence[Gravity]) -> Gravity:
    """The gravest source, and the clause of the gravest severity; a clause before none."""
    source = max((one[0] for one in gravities), key=rank_of_source)
    worst = min(gravities, key=lambda one: (one[2], one[1] is None))
    return source, worst[1], worst[2]


def _routed(gravity: Gravity) -> tuple[Source, int, str | None]:
    return gravity[0], gravity[2], gravity[1]


def _incident_of(war: WarRow | None, gravity: Gravity) -> int | None:
    """The incident that a case of this gravity belongs to."""
    if war is None:
        return None
    _, clause, severity = gravity
    return war.incident_id if severity <= war.severity_at_most or clause in war.clauses else None


async def _raise_gravity(
    tx: Tx,
    policy: Ruleset,
    case: StateRow,
    incoming: Sequence[Incoming],
    war: WarRow | None,
    incident_id: int | None,
) -> Gravity:
    """A case becomes graver by what joins it, never milder. People put it into the jury's queue, and take it out."""
    own: Gravity = (case.source, case.clause, case.severity)
    gravity = _gravest([own, *(one.gravity for one in incoming)])
    incident = case.incident_id or incident_id or _incident_of(war, gravity)
    if gravity == own and incident == case.incident_id:
        return gravity
    queue = queue_of(policy, *_routed(gravity), incident=incident is not None)
    graver = gravity[2] < case.severity or incident != case.incident_id or gravity[0] != case.source
    await store.update_case_gravity(tx, case.id, queue if graver else case.queue, gravity, incident)
    if graver and case.state == "queued" and queue != "jury":
        await store.update_case_queue(tx, case.id, queue, "open")
    return gravity


async def _add_subjects(
    tx: Tx, policy: Ruleset, case_id: int, incoming: Sequence[Incoming], started: datetime
) -> list[int]:
    """Insert what is new, and raise what is known; returns the ids in the order of `incoming`."""
    known = {
        (row.subject_type, row.subject_id): row
        for row in await store_subjects.list_named_subjects(tx, case_id, [(one.type, one.id) for one in incoming])
    }
    fresh = [one for one in incoming if _is_news(one, known.get((one.type, one.id)))]
    captured = await capture_all(
        tx,
        [Subject(one.type, one.id, one.revision) for one in fresh],
        case_id=case_id,
        why="reported" if any(one.gravity[0] != "automated" for one in fresh) else "screening",
    )
    evidence = {(subject.type, subject.id): snapshot for subject, snapshot in captured.items()}
    ids, clocks = [], []
    for one in incoming:
        row = known.get((one.type, one.id))
        found = evidence.get((one.type, one.id))
        if row is None:
            subject = (one.type, one.id, one.revision)
            row_id = await store_subjects.insert_subject(
                tx, case_id, subject, one.gravity, (one.screening_id, found), now()
            )
            gravity = one.gravity
        else:
            row_id, gravity = row.id, await _raise_subject(tx, row, one, found)
        ids.append(row_id)
        if row is None or row.settled_at is not None or gravity != (row.source, row.clause, row.severity):
            source, clause, severity = gravity
            promises = list_promises(policy, source, severity, clause, calm=one.calm)
            clocks.append((row_id, source, severity, promises))
    await start_subject_clocks(tx, case_id, clocks, started)
    return ids


def _is_news(one: Incoming, row: SubjectRow | None) -> bool:
    """Whether it must be kept as evidence: it is new, or another revision than was kept."""
    return row is None or row.evidence_id is None or (one.revision is not None and one.revision != row.revision)


async def _raise_subject(tx: Tx, row: SubjectRow, one: Incoming, evidence_id: int | None) -> Gravity:
    """Somebody else names it too, or it was changed since: it waits (again), as grave as the gravest says."""
    own: Gravity = (row.source, row.clause, row.severity)
    _, clause, severity = _gravest([own, one.gravity])
    gravity: Gravity = (graver_source(row.source, one.gravity[0]), clause, severity)
    revision = one.revision if one.revision is not None else row.revision
    found = (one.screening_id or row.screening_id, evidence_id or row.evidence_id)
    same = gravity == own and revision == row.revision and found == (row.screening_id, row.evidence_id)
    if not same or row.settled_at is not None:
        await store_subjects.update_subject(tx, row.id, revision, gravity, found)
    return gravity
