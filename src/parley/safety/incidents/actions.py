"""Declaring, keeping, concluding and debriefing an incident. One at a time.

One person of the staff may declare it: a crisis does not wait for a second one. It ends by itself, and lasts longer
than 72 hours only when a second person says so. What it changes about the judge is a version of the policy
(overlay.py), and concluding it puts the version of before back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.jobs import enqueue
from parley.safety.cases.war import close_war_queue, open_war_queue
from parley.safety.incidents import store
from parley.safety.incidents.figures import count_figures
from parley.safety.incidents.overlay import TEMPLATES, Change, apply_incident, clean_scope
from parley.safety.incidents.reads import get_incident
from parley.safety.incidents.states import next_state
from parley.safety.incidents.store import IncidentRow
from parley.safety.incidents.views import IncidentView, NewIncident
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, human, system
from parley.screening import Ruleset, live_ruleset
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import IncidentConcluded, IncidentDeclared
from parley.social.policies.overriding import get_base, override_policy, restore_policy
from parley.social.policies.views import Staff

ALONE = timedelta(hours=72)
"""How long one person's declaration lasts at most."""
LONGEST = timedelta(days=30)
MOST_TITLE, MOST_WHY = 200, 4000


async def declare_incident(tx: Tx, viewer: Viewer, new: NewIncident) -> IncidentView:
    """Declare an incident: from the commit of `tx` on, every process judges by the stricter policy.

    Raises NotFound for who is not of the staff, Conflict while another one runs, Invalid for what cannot be. Staff,
    hosts and app stores are told by mail; members of the staff see it on every page of the desk.
    """
    _need_staff(viewer)
    change = _check(new, now())
    running = await store.get_running(tx)
    if running is not None:
        raise Conflict(f"The incident {running.title!r} is running. Conclude it first; one at a time is in force.")
    moment, incident_id = now(), await get_new_id(tx)
    change = msgspec.structs.replace(change, incident_id=incident_id)
    base = await get_base(tx)
    files = apply_incident(base.files, change)
    await append_event(
        tx,
        human(viewer),
        "incident_declared",
        incident_id=str(incident_id),
        kind=new.kind,
        factor=change.factor,
        hold_new=change.hold_new,
        scope=len(change.scope),
        ends_at=change.ends_at,
        instead_of=base.sha256,
    )
    said = (new.kind, new.title.strip(), new.why.strip())
    numbers = (change.factor, change.hold_new, new.severity_at_most)
    times = (moment, change.ends_at)
    await store.insert_incident(tx, incident_id, said, viewer.account_id, list(change.scope), numbers, times)
    sha256 = await override_policy(tx, _staff(viewer), files, note=f"incident {incident_id}: {new.title.strip()}"[:200])
    await store.update_active(tx, incident_id, next_state("declared", "active"), (base.sha256, base.pinned), sha256)
    await open_war_queue(tx, human(viewer), incident_id, severity_at_most=new.severity_at_most, clauses=())
    await enqueue(tx, "mail_incident", {"incident_id": incident_id, "what": "declared"})
    await record(tx, IncidentDeclared(account_id=viewer.account_id, incident_id=incident_id))
    return await get_incident(tx, viewer, incident_id)


def _need_staff(viewer: Viewer) -> None:
    if not viewer.is_staff:
        raise NotFound


def _staff(viewer: Viewer) -> Staff:
    return Staff(viewer.account_id, viewer.username, viewer.role)


def _check(new: NewIncident, moment: datetime) -> Change:
    """What is to change; raises Invalid with what to do."""
    if new.kind not in TEMPLATES:
        raise Invalid(f"An incident is one of {', '.join(TEMPLATES)}.")
    if not new.title.strip() or not new.why.strip():
        raise Invalid("Give the incident a title, and say why it is declared: others will ask.")
    if len(new.title) > MOST_TITLE or len(new.why) > MOST_WHY:
        raise Invalid(f"The title may have {MOST_TITLE} characters, the reasons {MOST_WHY}.")
    if not 0 < new.hours <= ALONE.total_seconds() / 3600:
        raise Invalid("An incident lasts up to 72 hours; a second person of the staff can keep it longer.")
    factor = TEMPLATES[new.kind].factor if new.factor is None else new.factor
    if not 0.1 <= factor <= 1.0:
        raise Invalid("Thresholds can be multiplied by 0.1 to 1.0.")
    if not 0 <= new.severity_at_most <= 3:
        raise Invalid("A severity is 0 (threat to life) to 3 (nuisance).")
    return Change(
        incident_id=0,
        kind=new.kind,
        factor=factor,
        hold_new=new.hold_new,
        scope=clean_scope(new.scope),
        clause=gravest_clause(live_ruleset()),
        ends_at=moment + timedelta(hours=new.hours),
    )


def gravest_clause(ruleset: Ruleset) -> str:
    """The clause under which what names the incident is flagged: the first of the gravest."""
    return min(ruleset.clauses.values(), key=lambda clause: clause.severity).id


async def keep_incident(tx: Tx, viewer: Viewer, incident_id: int, *, hours: float) -> IncidentView:
    """Let an incident last for `hours` from now. Beyond 72 hours after its declaration, that takes another person than
    who declared it.

    Raises NotFound, Conflict when it is over, Forbidden for who declared it, Invalid for more than 30 days in all.
    """
    _need_staff(viewer)
    row = await _running(tx, incident_id)
    if hours <= 0:
        raise Invalid("Say for how many hours from now.")
    ends_at = now() + timedelta(hours=hours)
    beyond = ends_at > row.declared_at + ALONE
    if ends_at > row.declared_at + LONGEST:
        raise Invalid("An incident lasts 30 days at most. What stays true longer belongs into the policy.")
    if beyond and viewer.account_id == row.declared_by:
        raise Forbidden("You declared this incident. Beyond 72 hours somebody else of the staff has to keep it.")
    await append_event(tx, human(viewer), "incident_kept", incident_id=str(row.id), ends_at=ends_at)
    kept_by = viewer.account_id if beyond else row.kept_by
    sha256 = await _renew(tx, viewer, row, ends_at)
    await store.update_kept(tx, row.id, kept_by, ends_at, sha256)
    await enqueue(tx, "mail_incident", {"incident_id": row.id, "what": "kept"})
    return await get_incident(tx, viewer, row.id)


async def _renew(tx: Tx, viewer: Viewer, row: IncidentRow, ends_at: datetime) -> str | None:
    """The policy of the incident with its new end; what people activated meanwhile stays."""
    base = await get_base(tx)
    if base.sha256 != row.policy_sha256 or row.base_policy_sha256 is None:
        return row.policy_sha256
    restored = await restore_policy(
        tx, _staff(viewer), row.base_policy_sha256, pinned=row.base_pinned, instead_of=base.sha256, note="incident kept"
    )
    assert restored
    before = await get_base(tx)
    change = Change(
        incident_id=row.id,
        kind=row.kind,
        factor=round(row.factor, 4),
        hold_new=row.hold_new,
        scope=tuple(row.scope),
        clause=gravest_clause(live_ruleset()),
        ends_at=ends_at,
    )
    files = apply_incident(before.files, change)
    return await override_policy(tx, _staff(viewer), files, note=f"incident {row.id}: kept")


async def _running(tx: Tx, incident_id: int) -> IncidentRow:
    row = await store.lock_incident(tx, incident_id)
    if row is None:
        raise NotFound
    if row.state != "active":
        raise Conflict(f"This incident is {row.state}: it is over.")
    return row


async def conclude_incident(tx: Tx, viewer: Viewer | None, incident_id: int) -> None:
    """End an incident: the policy of before judges again, exactly; the war queue closes. `viewer` None: by time.

    What people activated meanwhile stays, and the log says so. What was held waits for people as before.
    """
    if viewer is not None:
        _need_staff(viewer)
    row = await _running(tx, incident_id)
    actor: Actor = human(viewer) if viewer else system("incidents")
    restored = False
    await append_event(tx, actor, "incident_concluded", incident_id=str(row.id))
    if row.base_policy_sha256 is not None and row.policy_sha256 is not None:
        restored = await restore_policy(
            tx,
            _staff(viewer) if viewer else None,
            row.base_policy_sha256,
            pinned=row.base_pinned,
            instead_of=row.policy_sha256,
            note=f"incident {row.id} is over",
        )
    by = viewer.account_id if viewer else None
    await store.update_concluded(tx, row.id, next_state(row.state, "concluded"), by, now(), restored)
    await close_war_queue(tx, actor, row.id)
    await enqueue(tx, "mail_incident", {"incident_id": row.id, "what": "concluded"})
    await record(tx, IncidentConcluded(account_id=by or 0, incident_id=row.id))


async def debrief_incident(tx: Tx, viewer: Viewer, incident_id: int, *, lessons: str) -> IncidentView:
    """Keep the figures of an incident that is over, and what was learned. Raises NotFound, Conflict, Invalid."""
    _need_staff(viewer)
    row = await store.lock_incident(tx, incident_id)
    if row is None:
        raise NotFound
    state = next_state(row.state, "debriefed")
    said = lessons.replace("\x00", "").strip()
    if not said:
        raise Invalid("Write down what was learned, in a sentence at least.")
    if len(said) > MOST_WHY:
        raise Invalid(f"This is longer than {MOST_WHY} characters.")
    assert row.concluded_at is not None
    figures = await count_figures(tx, row, row.concluded_at)
    await append_event(tx, human(viewer), "incident_debriefed", incident_id=str(row.id))
    plain = msgspec.to_builtins(figures)
    await store.update_debriefed(tx, row.id, state, plain, said, viewer.account_id, now())
    return await get_incident(tx, viewer, row.id)
