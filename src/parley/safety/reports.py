"""Reports: a member tells the moderators about an account. Stored with evidence, in one transaction.

This module takes reports in; deciding on them is another's work.
"""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.kit.jobs import enqueue
from parley.kit.limits import bucket_of, check_rate
from parley.kit.settings import Settings
from parley.safety import store
from parley.safety.evidence.content import hash_evidence, list_evidence_files, take_evidence
from parley.safety.evidence.store import insert_report_files
from parley.safety.log.actions import append_event
from parley.safety.log.views import Subject, member
from parley.safety.views import CATEGORIES, NewReport, ReportView
from parley.screening import live_ruleset
from parley.social.accounts.reads import get_account
from parley.social.accounts.views import AccountView, Viewer
from parley.social.events.actions import record
from parley.social.events.facts import ReportFiled
from parley.social.statuses.reads import list_reportable

MOST_COMMENT_CHARACTERS = 1000
MOST_STATUSES = 100
MOST_REPORTS = 30
REPORTS_PER = timedelta(hours=1)


async def file_report(tx: Tx, settings: Settings, viewer: Viewer, new: NewReport) -> ReportView:
    """Store a report and a snapshot of what it is about, as the reporter sees it now.

    Raises NotFound for an invisible account, or a status that is not the account's or that the reporter could not see
    if neither blocked the other; Invalid for a wrong category, rule or comment; RateLimited beyond 30 reports an hour.
    """
    category = _check_form(new)
    if new.account_id == viewer.account_id:
        raise Forbidden("You cannot report yourself.")
    bucket = bucket_of("report", viewer.account_id)
    await check_rate(tx, settings, bucket, MOST_REPORTS, REPORTS_PER)
    target = await get_account(tx, viewer, new.account_id)
    status_ids = list(dict.fromkeys(new.status_ids))
    statuses = await list_reportable(tx, viewer, status_ids)
    if len(statuses) != len(status_ids) or any(status.account.id != target.id for status in statuses):
        raise NotFound
    evidence = take_evidence(target, statuses, now())
    about = Subject("account", target.id)
    await append_event(tx, member(viewer), "report_filed", subject=about, category=category, rules=list(new.rule_ids))
    row = await store.insert_report(
        tx,
        (viewer.account_id, target.id),
        status_ids,
        (new.comment.replace("\x00", ""), category, list(new.rule_ids), new.forward),
        evidence,
        hash_evidence(evidence),
    )
    files = list_evidence_files(evidence)
    if files:
        await insert_report_files(tx, row.id, files)
        await enqueue(tx, "keep_evidence_files", {"report_id": row.id})
    await record(tx, ReportFiled(account_id=viewer.account_id, report_id=row.id, target_id=target.id))
    return present_report(row, target)


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


def present_report(row: store.ReportRow, target: AccountView) -> ReportView:
    """A stored report without its evidence."""
    return ReportView(
        id=row.id,
        target=target,
        status_ids=tuple(row.status_ids),
        comment=row.comment,
        category=row.category,
        rule_ids=tuple(row.rule_ids),
        forward=row.forward,
        state=row.state,
        action_taken_at=row.action_taken_at,
        created_at=row.created_at,
    )
