"""Reports: somebody tells the moderators about an account. Kept with evidence, and brought into the account's case.

What the same reporter says again about the same thing is one report. Who was muted is thanked like everybody, and not
listened to. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.kit.jobs import enqueue
from parley.kit.limits import bucket_of, check_rate
from parley.kit.settings import Settings
from parley.safety.cases import store, store_reporters, store_reports
from parley.safety.cases.opening import open_case
from parley.safety.cases.priority import UNRELIABLE
from parley.safety.cases.reads import present_report
from parley.safety.cases.sla import gravest_clause, severity_of
from parley.safety.cases.states import check_transition
from parley.safety.cases.store_reporters import ReporterRow
from parley.safety.cases.store_reports import ReportRow
from parley.safety.cases.views import CATEGORIES, NewReport, NewSubject, ReportView, Source
from parley.safety.evidence.content import hash_evidence, list_evidence_files, take_evidence
from parley.safety.evidence.store import insert_report_files
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, Subject, member
from parley.screening import live_ruleset
from parley.social.accounts.reads import get_account, get_account_views
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import ReportFiled
from parley.social.statuses.reads import list_for_evidence, list_reportable
from parley.social.statuses.views import StatusView

MOST_COMMENT_CHARACTERS = 1000
MOST_KEPT_CHARACTERS = 5000
"""Of what one reporter says about one thing, however often."""
MOST_STATUSES = 100
MOST_REPORTS = 30
MOST_OF_FLAGGERS = 600
REPORTS_PER = timedelta(hours=1)
NUISANCE = 3


async def file_report(tx: Tx, settings: Settings, viewer: Viewer, new: NewReport) -> ReportView:
    """Store a report and a snapshot of what it is about, as the reporter sees it now, and bring it into a case.

    Raises NotFound for an invisible account, or a status that is not the account's or that the reporter could not see
    if neither blocked the other; Invalid for a wrong category, rule or comment; RateLimited beyond 30 reports an hour
    (600 for a trusted flagger).
    """
    category = _check_form(new)
    if new.account_id == viewer.account_id:
        raise Forbidden("You cannot report yourself.")
    reporter = await store_reporters.get_reporter(tx, viewer.account_id)
    trusted = reporter is not None and reporter.flagger_since is not None
    bucket = bucket_of("report", viewer.account_id)
    await check_rate(tx, settings, bucket, MOST_OF_FLAGGERS if trusted else MOST_REPORTS, REPORTS_PER)
    target = await get_account(tx, viewer, new.account_id)
    status_ids = list(dict.fromkeys(new.status_ids))
    statuses = await list_reportable(tx, viewer, status_ids)
    if len(statuses) != len(status_ids) or any(status.account.id != target.id for status in statuses):
        raise NotFound
    await store.lock_account_cases(tx, target.id)
    muted = reporter is not None and reporter.muted_at is not None
    earlier = None if muted else await store_reports.get_report_again(tx, viewer.account_id, target.id, status_ids)
    if earlier is not None:
        return present_report(await _repeat(tx, settings, viewer, earlier, new, statuses, reporter), target)
    evidence = take_evidence(target, statuses, now())
    about = Subject("account", target.id)
    await append_event(tx, member(viewer), "report_filed", subject=about, category=category, rules=list(new.rule_ids))
    clause = gravest_clause(live_ruleset(), new.rule_ids)
    source: Source = "trusted_flagger" if trusted else "user"
    row = await store_reports.insert_report(
        tx,
        (viewer.account_id, target.id),
        status_ids,
        (new.comment.replace("\x00", ""), category, list(new.rule_ids), new.forward),
        (source, clause, None, muted),
        (evidence, hash_evidence(evidence)),
        now(),
    )
    await _keep_files(tx, row.id, evidence)
    if muted:
        check_transition("open", "closed")
        await store_reports.update_reports_closed(tx, [row.id], now(), None)
        return present_report(row, target)
    subjects = _subjects_of(target.id, statuses, clause, category, reporter)
    await open_case(tx, settings, member(viewer), target.id, subjects, source=source, report_id=row.id)
    await record(tx, ReportFiled(account_id=viewer.account_id, report_id=row.id, target_id=target.id))
    return present_report(row, target)


async def _repeat(
    tx: Tx,
    settings: Settings,
    viewer: Viewer,
    earlier: ReportRow,
    new: NewReport,
    statuses: Sequence[StatusView],
    reporter: ReporterRow | None,
) -> ReportRow:
    """The same reporter says it again: what is new of it is added to the report that waits."""
    rules = list(dict.fromkeys([*earlier.rule_ids, *new.rule_ids]))
    comment, said = earlier.comment, new.comment.replace("\x00", "").strip()
    if said and said not in comment:
        comment = f"{comment}\n{said}".strip()[:MOST_KEPT_CHARACTERS]
    category = "violation" if rules else _check_form(new) if earlier.category == "other" else earlier.category
    clause = gravest_clause(live_ruleset(), tuple(rules))
    await append_event(
        tx, member(viewer), "report_repeated", subject=Subject("account", new.account_id), report_id=str(earlier.id)
    )
    row = await store_reports.update_report_again(
        tx, earlier.id, (comment, category, rules, clause, earlier.forward or new.forward)
    )
    if rules != earlier.rule_ids or statuses:
        trusted = reporter is not None and reporter.flagger_since is not None
        subjects = _subjects_of(new.account_id, statuses, clause, category, reporter)
        source: Source = "trusted_flagger" if trusted else "user"
        await open_case(tx, settings, member(viewer), new.account_id, subjects, source=source)
    return row


def _subjects_of(
    account_id: int, statuses: Sequence[StatusView], clause: str | None, category: str, reporter: ReporterRow | None
) -> list[NewSubject]:
    """What a report is about. The word of somebody who is mostly wrong does not ring the alarm for a threat to life."""
    severity = severity_of(live_ruleset(), clause, unknown=NUISANCE if category == "spam" else 2)
    if severity == 0 and reporter is not None and reporter.reliability < UNRELIABLE:
        severity = 1
    if not statuses:
        return [NewSubject(type="account", id=account_id, clause=clause, severity=severity)]
    return [
        NewSubject(type="status", id=status.id, revision=status.revision, clause=clause, severity=severity)
        for status in statuses
    ]


async def file_outside_report(
    tx: Tx,
    settings: Settings,
    actor: Actor,
    account_id: int,
    subjects: Sequence[NewSubject],
    *,
    source: Source,
    notice_id: int,
    clause: str | None = None,
    comment: str = "",
    incident_id: int | None = None,
    started_at: Any = None,
) -> tuple[int, int]:
    """A report that came with a notice from outside, about subjects of one account; returns its id and its case's.

    What cannot be seen by anybody any more may be named too. Raises NotFound for an account that there is not.
    """
    target = (await get_account_views(tx, [account_id])).get(account_id)
    if target is None:
        raise NotFound
    await store.lock_account_cases(tx, account_id)
    status_ids = [subject.id for subject in subjects if subject.type == "status"]
    evidence = take_evidence(target, await list_for_evidence(tx, status_ids), now())
    about = Subject("account", account_id)
    await append_event(tx, actor, "report_filed", subject=about, notice_id=str(notice_id), source=source)
    row = await store_reports.insert_report(
        tx,
        (None, account_id),
        status_ids,
        (
            comment.replace("\x00", "")[:MOST_KEPT_CHARACTERS],
            "violation" if clause else "legal" if source == "authority_order" else "other",
            [clause] if clause else [],
            False,
        ),
        (source, clause, notice_id, False),
        (evidence, hash_evidence(evidence)),
        now(),
    )
    await _keep_files(tx, row.id, evidence)
    case_id = await open_case(
        tx,
        settings,
        actor,
        account_id,
        subjects,
        source=source,
        report_id=row.id,
        notice_id=notice_id,
        incident_id=incident_id,
        started_at=started_at,
    )
    return row.id, case_id


async def insert_found_report(
    tx: Tx, actor: Actor, account_id: int, status_ids: Sequence[int], comment: str, clause: str | None,
    evidence: dict[str, Any],
) -> int:  # fmt: skip
    """A report that the program makes of what it found; a job brings it into a case. Returns its id."""
    await append_event(tx, actor, "report_filed", subject=Subject("account", account_id), because=clause)
    row = await store_reports.insert_report(
        tx,
        (None, account_id),
        status_ids,
        (comment[:MOST_COMMENT_CHARACTERS], "violation", [clause] if clause else [], False),
        ("automated", clause, None, False),
        (evidence, hash_evidence(evidence)),
        now(),
    )
    await _keep_files(tx, row.id, evidence)
    return row.id


async def withdraw_found_report(tx: Tx, actor: Actor, report_id: int) -> None:
    """Take back what the program reported: its reason is gone. Its evidence stays, and its subjects settle by a job
    that hears of the reason."""
    await append_event(tx, actor, "report_withdrawn", report_id=str(report_id))
    await store_reports.update_report_withdrawn(tx, report_id, now())


async def _keep_files(tx: Tx, report_id: int, evidence: dict[str, Any]) -> None:
    files = list_evidence_files(evidence)
    if files:
        await insert_report_files(tx, report_id, files)
        await enqueue(tx, "keep_evidence_files", {"report_id": report_id})


def _check_form(new: NewReport) -> str:
    """Refuse what cannot be stored; returns the category."""
    if len(new.comment) > MOST_COMMENT_CHARACTERS:
        raise Invalid(f"Validation failed: the comment is longer than {MOST_COMMENT_CHARACTERS} characters.")
    if len(new.status_ids) > MOST_STATUSES:
        raise Invalid(f"Validation failed: report at most {MOST_STATUSES} statuses at once.")
    known = live_ruleset().clauses
    unknown = [rule_id for rule_id in new.rule_ids if rule_id not in known]
    if unknown or len(new.rule_ids) > len(known):
        raise Invalid("Validation failed: rule_ids must be ids of this instance's rules.")
    if new.rule_ids:
        return "violation"
    if new.category is not None and new.category not in CATEGORIES:
        raise Invalid("Validation failed: category must be spam, legal, violation or other.")
    return new.category or "other"
