"""Jobs of this room: findings become cases and settle, cases and reporters are weighed, leases end, mails go out.

Each may run twice without harm, and several of them at once.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from parley.kit.clock import now
from parley.kit.ids import id_at
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.safety.cases import (
    store,
    store_lists,
    store_reporters,
    store_reports,
    store_subjects,
    store_weighing,
)
from parley.safety.cases.actions import let_go
from parley.safety.cases.findings import (
    adopt_report,
    kind_of,
    note_deletion,
    open_case_of_finding,
    settle_by_themselves,
)
from parley.safety.cases.letters import case_notice
from parley.safety.cases.reporters import weigh_accounts
from parley.safety.cases.sla import severity_of
from parley.safety.cases.views import NewSubject
from parley.safety.cases.war import reroute
from parley.safety.cases.weighing import weigh_cases_of
from parley.safety.log.actions import append_event
from parley.safety.log.views import Subject, SubjectType, system
from parley.screening import live_ruleset
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.standing import list_reported, set_reporters
from parley.social.sessions.staff import mail_staff
from parley.social.verdicts.findings import FindingRow, list_findings, list_newest_of

log = logging.getLogger(__name__)

_WEEK = timedelta(days=7)
_AT_ONCE = 200
_SETTLED = timedelta(seconds=20)
"""Results that are younger may still be in a transaction that has not ended."""
_OVERLAP = timedelta(minutes=10)
"""What was looked through already is looked through again that far, for transactions that took long."""
_OLD_WEIGHTS = timedelta(days=14)


# ---- What screening found --------------------------------------------------------------------------------------------
async def open_case_of_hold(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusHeld: put `status_id` in `revision` before the moderators, if it still waits."""
    await _open_newest(instance, "status", int(payload["status_id"]), int(payload["revision"]))


async def open_case_of_profile(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after ProfileUpdated: a held profile comes before the moderators; one that waits no more settles."""
    account_id = int(payload["account_id"])
    if payload.get("held"):
        await _open_newest(instance, "profile", account_id, int(payload["revision"]))
    await _settle(instance, "profile", account_id)


async def open_case_of_withdrawal(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after RevisionWithdrawn: what was taken back from a profile or a description by a later verdict."""
    await open_cases_of_findings(instance, {})


async def open_cases_of_findings(instance: Instance, payload: dict[str, Any]) -> None:
    """Each minute: look through what screening flagged, held or quarantined since the last time.

    Holds of statuses come in by their facts at once; this finds everything else, and what was missed.
    """
    async with instance.db.read() as tx:
        looked_to = await store_weighing.get_looked_to(tx)
    until = id_at(now() - _SETTLED)
    position = max(looked_to - (int(_OVERLAP.total_seconds() * 1000) << 16), 0)
    while True:
        async with instance.db.read() as tx:
            found = await list_findings(tx, position, until, _AT_ONCE)
            known = await store_subjects.list_known_screenings(tx, [one.id for one in found])
        for finding in found:
            if finding.id not in known:
                await _open_or_later(instance, finding)
        position = found[-1].id if len(found) == _AT_ONCE else until
        async with instance.db.write() as tx:
            await store_weighing.update_looked_to(tx, position)
        if position == until:
            return


async def _open_or_later(instance: Instance, finding: FindingRow) -> None:
    """Open its case; one that cannot be opened becomes a job of its own, so that it cannot keep others waiting."""
    try:
        async with instance.db.write() as tx:
            await open_case_of_finding(tx, instance.settings, finding)
    except Exception:
        log.exception("the case of result %s could not be opened; it is tried again", finding.id)
        about = {"kind": kind_of(finding), "subject_id": finding.subject_id, "revision": finding.revision}
        async with instance.db.write() as tx:
            await enqueue(tx, "open_case_of_result", about)


async def open_case_of_result(instance: Instance, payload: dict[str, Any]) -> None:
    """Try again to open the case of what screening found: `kind`, `subject_id`, `revision`."""
    key = (int(payload["subject_id"]), int(payload["revision"]))
    async with instance.db.write() as tx:
        finding = (await list_newest_of(tx, payload["kind"], [key])).get(key)
        if finding is not None and not await store_subjects.list_known_screenings(tx, [finding.id]):
            await open_case_of_finding(tx, instance.settings, finding)


async def _open_newest(instance: Instance, kind: str, subject_id: int, revision: int) -> None:
    async with instance.db.write() as tx:
        finding = (await list_newest_of(tx, kind, [(subject_id, revision)])).get((subject_id, revision))
        if finding is None or finding.outcome not in ("hold", "quarantine"):
            return
        if not await store_subjects.list_known_screenings(tx, [finding.id]):
            await open_case_of_finding(tx, instance.settings, finding)


async def open_cases_of_reports(instance: Instance, payload: dict[str, Any]) -> None:
    """Each minute: bring the reports that sweeps made into cases, one transaction each."""
    while True:
        async with instance.db.write() as tx:
            orphans = await store_reports.list_orphans(tx, 1)
            if not orphans:
                return
            one = orphans[0]
            clause = next(iter(one.rule_ids), None)
            severity = severity_of(live_ruleset(), clause)
            judged = one.evidence.get("judged") or {}
            kinds: dict[str, SubjectType] = {"profile": "profile", "media": "media"}
            kind: SubjectType = kinds.get(judged.get("subject_type", ""), "status" if one.status_ids else "account")
            ids = one.status_ids or [int(judged.get("subject_id") or one.target_account_id)]
            revision = judged.get("revision") if kind == "status" else None
            newest = await list_newest_of(tx, kind, [(ids[0], int(judged.get("revision") or 1))])
            screening_id = next((finding.id for finding in newest.values()), None)
            subjects = [
                NewSubject(
                    type=kind, id=number, revision=revision, clause=clause, severity=severity, screening_id=screening_id
                )
                for number in ids
            ]
            await adopt_report(tx, instance.settings, one.id, one.target_account_id, subjects)


# ---- What settles by itself ------------------------------------------------------------------------------------------
async def settle_labelled(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after LabelRecorded, RevisionRescreened, RevisionRestored, RevisionSwept: it may wait no more."""
    kind = payload["subject_type"]
    await _settle(instance, kind if kind in ("profile", "media") else "status", int(payload["subject_id"]))


async def settle_edited(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusEdited: an edit that waited may have been let through, or replaced."""
    await _settle(instance, "status", int(payload["status_id"]))


async def note_deleted_status(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusDeleted: a case that it is part of keeps the evidence and says so."""
    async with instance.db.write() as tx:
        await note_deletion(tx, int(payload["status_id"]))


async def settle_found(instance: Instance, payload: dict[str, Any]) -> None:
    """Twice an hour: look through everything that waits because the program found it, and settle what is over."""
    above = 0
    while True:
        async with instance.db.write() as tx:
            rows = await store_subjects.list_found_subjects(tx, above, _AT_ONCE)
            await settle_by_themselves(tx, rows)
        if len(rows) < _AT_ONCE:
            return
        above = rows[-1].id


async def _settle(instance: Instance, kind: str, subject_id: int) -> None:
    async with instance.db.read() as tx:
        rows = await store_subjects.list_waiting_subjects(tx, kind, subject_id)
    rows = [row for row in rows if row.source == "automated"]
    if rows:
        async with instance.db.write() as tx:
            await settle_by_themselves(tx, rows)


# ---- The order of the queue ------------------------------------------------------------------------------------------
async def weigh_case(instance: Instance, payload: dict[str, Any]) -> None:
    """Weigh one case (`case_id`) anew, soon after something joined it."""
    async with instance.db.write() as tx:
        await weigh_cases_of(tx, await store_weighing.list_named_to_weigh(tx, [int(payload["case_id"])]))


async def weigh_young_cases(instance: Instance, payload: dict[str, Any]) -> None:
    """Every five minutes: weigh the cases of the last three days, whose reach grows."""
    await _weigh_from(instance, id_at(now() - timedelta(days=3)))


async def weigh_all_cases(instance: Instance, payload: dict[str, Any]) -> None:
    """Every six hours: weigh everything that waits."""
    await _weigh_from(instance, 0)


async def _weigh_from(instance: Instance, above: int) -> None:
    while True:
        async with instance.db.write() as tx:
            rows = await store_weighing.list_to_weigh(tx, above, _AT_ONCE)
            await weigh_cases_of(tx, rows)
        if len(rows) < _AT_ONCE:
            return
        above = rows[-1].id


async def expire_leases(instance: Instance, payload: dict[str, Any]) -> None:
    """Each minute: cases on which nobody has worked until the end of the lease are anybody's again."""
    while True:
        async with instance.db.write() as tx:
            cases = await store.list_expired_leases(tx, now(), _AT_ONCE)
            for case in cases:
                about = Subject("account", case.account_id)
                worked = str(case.assigned_to) if case.assigned_to else None
                await append_event(
                    tx, system("cases"), "lease_expired", case_id=case.id, subject=about, assigned_to=worked
                )
                await let_go(tx, case)
        if len(cases) < _AT_ONCE:
            return


# ---- Reporters -------------------------------------------------------------------------------------------------------
async def weigh_reporters(instance: Instance, payload: dict[str, Any]) -> None:
    """After reports (`report_ids`) were closed by decisions: how reliable those are who sent them."""
    async with instance.db.write() as tx:
        ids = await store_reporters.list_reporters_of(tx, [int(one) for one in payload["report_ids"]])
        await weigh_accounts(tx, ids)


async def weigh_old_reporters(instance: Instance, payload: dict[str, Any]) -> None:
    """Daily: let outcomes grow old, for those who were not weighed for two weeks."""
    before = now() - _OLD_WEIGHTS
    while True:
        async with instance.db.write() as tx:
            ids = await store_reporters.list_long_weighed(tx, before, _AT_ONCE)
            await weigh_accounts(tx, ids)
        if len(ids) < _AT_ONCE:
            return


async def count_reporters(instance: Instance, payload: dict[str, Any]) -> None:
    """After ReportFiled: tell screening how many accounts reported the target (`target_id`) in the last week."""
    target_id = int(payload["target_id"])
    async with instance.db.write() as tx:
        await set_reporters(tx, target_id, await store_reports.count_reporters(tx, target_id, id_at(now() - _WEEK)))


async def recount_reporters(instance: Instance, payload: dict[str, Any]) -> None:
    """Hourly: count again who was reported, for reports older than a week count no more."""
    above = 0
    while True:
        async with instance.db.write() as tx:
            ids = await list_reported(tx, above, _AT_ONCE)
            for target_id in ids:
                since = id_at(now() - _WEEK)
                await set_reporters(tx, target_id, await store_reports.count_reporters(tx, target_id, since))
        if len(ids) < _AT_ONCE:
            return
        above = ids[-1]


# ---- Mails -----------------------------------------------------------------------------------------------------------
async def mail_case_notice(instance: Instance, payload: dict[str, Any]) -> None:
    """Write to whom a case was handed over (`account_ids`) or escalated (`to`: a role, or nobody by role)."""
    case_id = int(payload["case_id"])
    async with instance.db.read() as tx:
        row = await store_lists.get_listed_case(tx, case_id)
        account = (await get_account_views(tx, [row.account_id])).get(row.account_id) if row else None
    if row is None or account is None:
        return
    letter = case_notice(instance.settings, payload["what"], case_id, account.acct, row.severity, row.due_at)
    roles = {"staff": ("moderator", "admin", "owner"), "admin": ("admin", "owner"), "owner": ("owner",)}.get(
        payload.get("to", ""), ()
    )
    told = [int(one) for one in payload["account_ids"]]
    sent = await mail_staff(instance, letter, roles=roles, account_ids=told, but=row.account_id)
    if not sent:
        log.error("nobody could be told by mail about case %s: nobody of the staff has a proven address", case_id)


async def reroute_cases(instance: Instance, payload: dict[str, Any]) -> None:
    """After a crisis began or ended: put open cases where they belong now."""
    above = 0
    while True:
        async with instance.db.write() as tx:
            cases = await store.list_waiting_cases(tx, above, _AT_ONCE)
            for case in cases:
                await reroute(tx, case)
        if len(cases) < _AT_ONCE:
            return
        above = cases[-1].id
