"""Runs jobs. Holds the table "fact -> jobs": who listens to what, on one screen."""

# Long because that table, and everything that runs by the clock, stands in one place.

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
import uuid
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import msgspec

from parley.abuse.mailbox import poll_abuse_mailbox
from parley.hosting.jobs import make_nightly_snapshot
from parley.hosting.standby.asking import look_elsewhere
from parley.kit.db import LEFT_HOST
from parley.kit.gate import LOOK_EVERY, Gate, GateClosed, StaleEpoch, State
from parley.kit.instance import Instance, open_instance
from parley.kit.jobs import Job, delete_job_log, enqueue, enqueue_each, queue_driver, queue_of, release_picked
from parley.kit.leaving import leave
from parley.kit.metrics import note_job
from parley.kit.processes import DSN, end_with_parent
from parley.kit.settings import Settings, load_settings
from parley.safety.appeals.jobs import (
    end_replaced_appeals,
    end_reversed_appeals,
    free_stuck_appeals,
    mail_stuck_appeal,
    return_lapsed_appeals,
    tell_of_appeal,
)
from parley.safety.candidates.jobs import judge_by_candidate
from parley.safety.cases.escalating import reach_escalated
from parley.safety.cases.jobs import (
    count_reporters,
    expire_leases,
    mail_case_notice,
    note_deleted_status,
    open_case_of_hold,
    open_case_of_profile,
    open_case_of_result,
    open_case_of_withdrawal,
    open_cases_of_findings,
    open_cases_of_reports,
    recount_reporters,
    reroute_cases,
    settle_edited,
    settle_found,
    settle_labelled,
    weigh_all_cases,
    weigh_case,
    weigh_old_reporters,
    weigh_reporters,
    weigh_young_cases,
)
from parley.safety.clocks.jobs import hide_in_time, hide_overdue, mail_breaches, watch_clocks
from parley.safety.decisions.jobs import (
    answer_required_change,
    count_links,
    end_due_actions,
    end_stale_proposals,
    expire_strikes,
    forget_traces,
    look_for_evasion,
    mail_decision,
    mail_proposal,
    mail_reversal,
    mail_stale_proposal,
    state_reasons_of_screening,
    tell_reporters,
)
from parley.safety.drafts import end_stale_drafts, mail_bank_draft
from parley.safety.evidence.jobs import (
    capture_all_held,
    capture_held,
    delete_evidence_copies,
    end_legal_holds,
    keep_evidence_files,
    mail_overdue_requests,
    note_overdue_requests,
    purge_evidence,
)
from parley.safety.golden.jobs import refresh_golden_cases
from parley.safety.incidents.jobs import end_incidents, mail_incident, mail_incident_to
from parley.safety.juries.jobs import mail_jury_call, run_juries
from parley.safety.log.checkpoints import sign_log_head
from parley.safety.notices.following_jobs import follow_notice_links
from parley.safety.notices.jobs import (
    answer_notice,
    answer_notices_of_decision,
    answer_notices_of_deletion,
    call_notice_webhook,
    clean_notice_tokens,
    end_questions,
    forget_notice_senders,
    hide_named,
    hide_overdue_notice,
    mail_notice_message,
)
from parley.safety.notices.keeping import sweep_raw_files, sweep_raw_messages
from parley.safety.outside.jobs import ask_outside_model
from parley.safety.quality.jobs import draw_quality_checks
from parley.safety.sweeps.jobs import (
    count_planned_sweep,
    gather_for_sweep,
    look_at_late_file,
    look_at_members,
    plan_sweep_of_change,
    plan_sweep_of_hashes,
    plan_sweep_over_members,
    run_approved_sweep,
)
from parley.safety.warnings import mail_warnings
from parley.social.accounts.activity import count_weekly_activity
from parley.social.accounts.rescreening import apply_profile_rescreening
from parley.social.archives.import_jobs import read_archive, run_import
from parley.social.archives.jobs import delete_old_archives, mail_archive, make_archive
from parley.social.discovery.jobs import index_status, unindex_status
from parley.social.events import facts
from parley.social.events.actions import DISPATCH, make_event_partitions
from parley.social.events.facts import Fact
from parley.social.graph.jobs import (
    answer_waiting_requests,
    choose_fan_out,
    expire_mutes,
    leave_blocked_domain,
)
from parley.social.media.exchanges import fetch_hash_exchanges, send_hash_opinions
from parley.social.media.jobs import delete_orphans, delete_stored_files, process_media
from parley.social.media.jobs_pictures import delete_old_pictures
from parley.social.media.matching_past import keep_hidden_file
from parley.social.media.rescreening import apply_media_rescreening
from parley.social.notifications.jobs import (
    notify_of_edit,
    notify_of_favourite,
    notify_of_follow,
    notify_of_follow_request,
    notify_of_hold,
    notify_of_poll,
    notify_of_reblog,
    notify_of_report,
    notify_of_sign_up,
    notify_of_status,
    notify_of_withdrawal,
    unnotify_of_favourite,
    unnotify_of_follow,
    unnotify_of_reblog,
)
from parley.social.policies.live import follow_policy
from parley.social.policies.watching import watch_rules
from parley.social.sessions.clusters import cluster_sign_ups
from parley.social.sessions.jobs import (
    delete_stale_credentials,
    delete_unconfirmed_accounts,
    mail_approval,
    mail_confirmation,
    mail_confirmation_again,
    mail_emergency,
    mail_password_reset,
    mail_rule_alarm,
    mail_security_notice,
)
from parley.social.sessions.staff import mail_letter
from parley.social.statuses.copies import forget_recent, remember_text, store_fingerprints
from parley.social.statuses.jobs import (
    clean_idempotency_keys,
    close_polls,
    delete_status_traces,
    publish_scheduled,
)
from parley.social.statuses.rescreening import apply_status_rescreening
from parley.social.timelines.jobs import (
    announce_edit,
    clean_homes_of_status,
    fan_in_follow,
    fan_out_status,
    remove_blocked,
    remove_unfollowed,
    trim_homes,
    withdraw_status,
)
from parley.social.verdicts.counting import count_screening
from parley.social.verdicts.jobs import rescreen_degraded, resolve_links
from parley.social.verdicts.links import forget_old_links

log = logging.getLogger(__name__)

LISTENERS: dict[type[Fact], tuple[Job, ...]] = {
    facts.AccountCreated: (notify_of_sign_up, look_for_evasion),
    facts.SecurityChanged: (look_for_evasion,),
    facts.MediaUploaded: (process_media,),
    facts.ProfileUpdated: (delete_old_pictures, ask_outside_model, open_case_of_profile),
    facts.Followed: (choose_fan_out, fan_in_follow, notify_of_follow),
    facts.AccountUnlocked: (answer_waiting_requests,),
    facts.FollowRequested: (notify_of_follow_request,),
    facts.FollowRequestDeleted: (unnotify_of_follow,),
    facts.Unfollowed: (remove_unfollowed, unnotify_of_follow),
    facts.Blocked: (remove_blocked,),
    facts.Muted: (remove_unfollowed,),
    facts.Unmuted: (fan_in_follow,),
    facts.StatusPosted: (fan_out_status, notify_of_status, index_status, ask_outside_model),
    facts.StatusImported: (index_status, ask_outside_model),
    facts.DecisionMade: (
        *(mail_decision, tell_reporters, answer_notices_of_decision),
        *(end_replaced_appeals, end_stale_proposals, count_links),
    ),
    facts.DecisionReversed: (
        *(mail_reversal, answer_notices_of_decision),
        *(end_reversed_appeals, end_stale_proposals, count_links),
    ),
    facts.RequiredChangeMade: (answer_required_change,),
    facts.StatusHeld: (notify_of_hold, open_case_of_hold),
    facts.StatusRestricted: (state_reasons_of_screening,),
    facts.StatusEdited: (announce_edit, notify_of_edit, index_status, ask_outside_model, settle_edited),
    facts.RuleAlarmRaised: (mail_rule_alarm,),
    facts.RevisionRescreened: (
        apply_status_rescreening,
        apply_profile_rescreening,
        apply_media_rescreening,
        settle_labelled,
    ),
    facts.RevisionWithdrawn: (notify_of_withdrawal, open_case_of_withdrawal),
    facts.RulesetChanged: (plan_sweep_of_change, plan_sweep_over_members),
    facts.HashesBanked: (plan_sweep_of_hashes,),
    facts.StatusDeleted: (
        withdraw_status,
        delete_status_traces,
        unindex_status,
        note_deleted_status,
        answer_notices_of_deletion,
    ),
    facts.StatusReblogged: (fan_out_status, notify_of_reblog),
    facts.StatusUnreblogged: (withdraw_status, unnotify_of_reblog),
    facts.StatusFavourited: (notify_of_favourite,),
    facts.StatusUnfavourited: (unnotify_of_favourite,),
    facts.PollClosed: (notify_of_poll,),
    facts.LabelRecorded: (settle_labelled,),
    facts.RevisionRestored: (settle_labelled,),
    facts.RevisionSwept: (settle_labelled,),
    facts.ReportFiled: (notify_of_report, count_reporters),
    facts.ClockBreached: (hide_overdue_notice,),
    facts.AppealDecided: (tell_of_appeal,),
}
"""What happens after a fact. Each job runs on its own and is retried on its own."""

AT_ONCE: frozenset[Job] = frozenset(
    {
        *(fan_out_status, index_status, withdraw_status, delete_status_traces, unindex_status),
        *(note_deleted_status, settle_edited, answer_notices_of_deletion),
        *(notify_of_status, notify_of_follow, notify_of_reblog, notify_of_favourite),
        *(unnotify_of_follow, unnotify_of_reblog, unnotify_of_favourite),
    }
)
"""Listeners of frequent facts that take milliseconds: they run while the fact is dispatched, not as jobs of their own,
which cost more than their work (docs/decisions/0010). One that fails becomes a job of its own, and is tried again."""

SCHEDULES: dict[Job, str] = {
    count_weekly_activity: "7 * * * *",
    delete_job_log: "23 3 * * *",
    poll_abuse_mailbox: "* * * * *",
    clean_notice_tokens: "49 * * * *",
    forget_notice_senders: "57 4 * * *",
    sweep_raw_messages: "27 * * * *",
    sweep_raw_files: "7 4 * * *",
    sign_log_head: "33 3 * * *",
    capture_all_held: "51 2 * * *",
    end_legal_holds: "9 * * * *",
    note_overdue_requests: "* * * * *",
    purge_evidence: "21 5 * * *",
    delete_orphans: "41 * * * *",
    delete_old_archives: "51 * * * *",
    fetch_hash_exchanges: "13 * * * *",
    publish_scheduled: "* * * * *",
    rescreen_degraded: "* * * * *",
    judge_by_candidate: "*/5 * * * *",
    count_screening: "* * * * *",
    watch_rules: "* * * * *",
    forget_old_links: "43 4 * * *",
    make_nightly_snapshot: "31 2 * * *",
    close_polls: "* * * * *",
    clean_idempotency_keys: "37 4 * * *",
    make_event_partitions: "17 3 * * *",
    expire_mutes: "* * * * *",
    forget_recent: "3-59/10 * * * *",
    store_fingerprints: "* * * * *",
    cluster_sign_ups: "*/10 * * * *",
    end_due_actions: "* * * * *",
    end_stale_proposals: "12-59/15 * * * *",
    expire_strikes: "33 * * * *",
    forget_traces: "19 4 * * *",
    recount_reporters: "47 * * * *",
    open_cases_of_findings: "* * * * *",
    watch_clocks: "* * * * *",
    end_questions: "* * * * *",
    expire_leases: "* * * * *",
    reach_escalated: "4-59/10 * * * *",
    mail_warnings: "14,44 * * * *",
    settle_found: "8,38 * * * *",
    open_cases_of_reports: "* * * * *",
    mail_breaches: "* * * * *",
    hide_overdue: "*/10 * * * *",
    weigh_young_cases: "*/5 * * * *",
    weigh_all_cases: "19 */6 * * *",
    weigh_old_reporters: "31 4 * * *",
    trim_homes: "11 4 * * *",
    delete_stale_credentials: "29 * * * *",
    delete_unconfirmed_accounts: "53 4 * * *",
    return_lapsed_appeals: "* * * * *",
    free_stuck_appeals: "*/15 * * * *",
    run_juries: "*/5 * * * *",
    end_incidents: "* * * * *",
    refresh_golden_cases: "17 5 * * *",
    draw_quality_checks: "27 5 * * *",
    end_stale_drafts: "38 * * * *",
}
"""Jobs that run by the clock (cron expressions, UTC)."""

JOBS: tuple[Job, ...] = (
    *(mail_bank_draft, mail_letter, mail_proposal, mail_stale_proposal),
    resolve_links,
    clean_homes_of_status,
    remember_text,
    *(count_planned_sweep, gather_for_sweep, look_at_late_file, look_at_members, run_approved_sweep),
    *(hide_in_time, mail_case_notice, open_case_of_result, reroute_cases, weigh_case, weigh_reporters),
    *(capture_held, delete_evidence_copies, mail_overdue_requests),
    *(delete_stored_files, keep_evidence_files, keep_hidden_file, leave_blocked_domain, send_hash_opinions),
    *(mail_approval, mail_confirmation, mail_confirmation_again, mail_password_reset, mail_security_notice),
    mail_emergency,
    *(answer_notice, call_notice_webhook, follow_notice_links, hide_named, mail_notice_message),
    *(mail_stuck_appeal, mail_jury_call, mail_incident, mail_incident_to),
    *(make_archive, mail_archive, read_archive, run_import),
)
"""Jobs that rooms enqueue by name."""

MAX_ATTEMPTS = 130
RETRY_DELAY = timedelta(seconds=2)
LATER = 1.2
"""Each delay is so many times the one before. With 2 the queue's arithmetic would overflow after 45 attempts."""

LONGEST_DELAY = timedelta(minutes=5)
"""A job that fails is tried again for about nine hours: an answer to a host survives a night without a mail server."""
NICENESS = 5
"""On the machine that also serves people, jobs wait a little rather than people."""

DEQUEUE_EVERY = timedelta(seconds=5)
"""How often the worker looks when nobody wakes it."""

GATE_EVERY = 0.05
"""Seconds between two looks at the gate while jobs run."""

LEAVE_SECONDS = 1.0
"""So long jobs may take to end once another host goes on with them: less than that one waits before it starts a worker,
so that no job runs on both at the same time (AFTER_OPENING in kit/processes.py)."""


def job_table() -> dict[str, Job]:
    """Every job by the name under which it is queued: its function's name."""
    jobs: dict[str, Job] = {}
    for job in (*JOBS, *SCHEDULES, *(job for listeners in LISTENERS.values() for job in listeners)):
        if jobs.setdefault(job.__name__, job) is not job:
            raise RuntimeError(f"two jobs are called {job.__name__}")
    jobs[DISPATCH] = dispatch_event
    return jobs


async def dispatch_event(instance: Instance, payload: dict[str, Any]) -> None:
    """Run the quick listeners of a fact, and queue a job for each of the others, all in one transaction."""
    kind = getattr(facts, payload["type"], None)
    listeners = LISTENERS.get(kind, ()) if kind else ()
    if not instance.settings.outside_model_url:
        listeners = tuple(job for job in listeners if job is not ask_outside_model)
    about = payload["payload"]
    later = [job for job in listeners if job not in AT_ONCE or not await _run_at_once(instance, job, about)]
    if later:
        async with instance.db.write() as tx:
            await enqueue_each(tx, [job.__name__ for job in later], about)


async def _run_at_once(instance: Instance, job: Job, payload: dict[str, Any]) -> bool:
    """Whether the job could be done."""
    began, done = time.perf_counter(), False
    try:
        await job(instance, payload)
        done = True
    except Exception as error:
        if _is_of_leaving(instance.gate, error):
            raise  # the fact is dispatched again, where the instance goes on
        log.exception("%s failed; it is queued, to be tried again", job.__name__)
    finally:
        note_job(job.__name__, time.perf_counter() - began, failed=not done)
    return done


async def run_worker(settings: Settings, dsn: str) -> None:
    """Run jobs until SIGTERM or SIGINT, or until this host may write no more; jobs in progress are finished first."""
    async with open_instance(settings, dsn, wait_for_disk=False) as instance:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stopping.set)
        loop.set_exception_handler(_quiet_handler(instance.gate))
        quiet, handlers = _WithoutTraceback(instance.gate), tuple(logging.getLogger().handlers)
        for handler in handlers:
            handler.addFilter(quiet)
        try:
            if not await _is_open(instance, stopping):
                return
            look_elsewhere(settings, instance.files)
            await make_event_partitions(instance, {})
            await follow_policy(instance)
            log.info("worker: ready")
            async with _abuse_mail(instance):
                while await _is_open(instance, stopping):
                    await _run_queue(instance, stopping)
        except LEFT_HOST as error:
            if not _is_of_leaving(instance.gate, error):
                raise
        finally:
            for handler in handlers:
                handler.removeFilter(quiet)
        if not stopping.is_set():
            log.info("worker: this host writes no more; jobs go on where the instance does")


def _is_of_leaving(gate: Gate, error: BaseException | None) -> bool:
    """Whether an error says no more than that this host may not write just now, which is known."""
    while error is not None:
        if isinstance(error, GateClosed | StaleEpoch):
            return True
        if isinstance(error, LEFT_HOST) and gate.state is not State.OPEN:
            return True
        error = error.__cause__ or error.__context__
    return False


def _quiet_handler(gate: Gate) -> Any:
    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not _is_of_leaving(gate, context.get("exception")):
            loop.default_exception_handler(context)

    return handle


class _WithoutTraceback(logging.Filter):
    """Lets what jobs themselves say of an error that is known be one line."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true."""
        if record.exc_info and _is_of_leaving(self._gate, record.exc_info[1]):
            record.exc_info = record.exc_text = None
        return True


class _QuietWhenLeft(logging.Filter):
    """Keeps the queue from telling of each job that it breaks off when this host is left."""

    def __init__(self, gate: Gate, driver: Any) -> None:
        super().__init__()
        self._gate = gate
        self._driver = driver

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is worth telling."""
        error = record.exc_info[1] if record.exc_info else None
        return not self._driver.left and not _is_of_leaving(self._gate, error)


async def _is_open(instance: Instance, stopping: asyncio.Event) -> bool:
    """Whether jobs may run now; while the gate is held, nobody knows yet."""
    while instance.gate.state is State.HOLD and not stopping.is_set():  # noqa: ASYNC110  another process turns it
        await asyncio.sleep(LOOK_EVERY)
    return instance.gate.state is State.OPEN and not stopping.is_set()


async def _run_queue(instance: Instance, stopping: asyncio.Event) -> None:
    """Take jobs from the queue until `stopping`, or until the gate is turned."""
    from pgqueuer import PgQueuer

    if not instance.settings.database_url:  # where Parley runs the database, it runs one worker
        async with instance.db.write() as tx:
            released = await release_picked(tx)
        if released:
            log.info("worker: %d jobs that another worker had begun are begun again", released)
    driver = queue_driver(instance.db)
    queuer = PgQueuer(driver)
    _register(queuer, instance)
    quiet = _QuietWhenLeft(instance.gate, driver)
    logging.getLogger("pgqueuer").addFilter(quiet)
    running = asyncio.create_task(
        queuer.run(
            dequeue_timeout=DEQUEUE_EVERY,
            batch_size=20,
            max_concurrent_tasks=40,
            log_aggregation_interval=timedelta(),
        )
    )
    stopped = asyncio.create_task(stopping.wait())
    look_every = GATE_EVERY if instance.gate.has_agent else None

    def may_go_on() -> bool:
        """While the gate is held all waits there, and goes on if it is opened again: then jobs were not interrupted."""
        return instance.gate.state in (State.OPEN, State.HOLD) and not instance.gate.is_fenced and not driver.left

    try:
        while not running.done() and not stopped.done() and may_go_on():
            await asyncio.wait({running, stopped}, timeout=look_every, return_when=asyncio.FIRST_COMPLETED)
        was_stopped = stopped.done()
        stopped.cancel()
        queuer.shutdown.set()
        while was_stopped and not running.done() and may_go_on():
            await asyncio.wait({running}, timeout=GATE_EVERY)  # jobs in progress
        if not running.done():
            # Another host goes on with them, from what they have committed: here they can write nothing any more.
            await asyncio.wait({running}, timeout=LEAVE_SECONDS)
            driver.left = True
            running.cancel()
        await running
    except asyncio.CancelledError:
        return
    except Exception as error:
        if instance.gate.state is State.OPEN and not driver.left:
            raise
        log.info("the queue was left: %r", error)
    finally:
        logging.getLogger("pgqueuer").removeFilter(quiet)


def _abuse_mail(instance: Instance) -> AbstractAsyncContextManager[Any]:
    """The listener for abuse mail, where one is wanted; its libraries take memory that others never use."""
    if not instance.settings.abuse_listen:
        return contextlib.nullcontext()
    from parley.abuse.listener import listening

    return listening(instance)


def _register(queuer: Any, instance: Instance) -> None:
    from pgqueuer.core.executors import DatabaseRetryEntrypointExecutor

    def retrying(parameters: Any) -> Any:
        return DatabaseRetryEntrypointExecutor(
            parameters,
            max_attempts=MAX_ATTEMPTS,
            initial_delay=RETRY_DELAY,
            backoff_multiplier=LATER,
            max_delay=LONGEST_DELAY,
        )

    def add(name: str, job: Job) -> None:
        async def run(queued: Any) -> None:
            began, failed = time.perf_counter(), True
            try:
                await job(instance, msgspec.json.decode(queued.payload or b"{}"))
                failed = False
            finally:
                note_job(name, time.perf_counter() - began, failed=failed)

        queuer.entrypoint(name, on_failure="hold", executor_factory=retrying, accepts_context=False)(run)

    for name, job in job_table().items():
        add(name, job)
    for job, cron in SCHEDULES.items():

        async def tick(_schedule: Any, job: Job = job) -> None:
            async with instance.db.write() as tx:
                name = job.__name__
                await enqueue(tx, name, {}, dedupe_key=name)

        queuer.schedule(f"every_{job.__name__}", cron, accepts_context=False)(tick)


async def run_due_jobs(instance: Instance) -> int:
    """Run everything that is due now, in order, in this process; returns how many jobs ran. An error propagates.

    For tests and for commands that want the consequences before they return.
    """
    from pgqueuer.ports.repository import EntrypointExecutionParameter

    table = job_table()
    limits = {name: EntrypointExecutionParameter(0) for name in table}
    me = uuid.uuid4()
    count = 0
    while True:
        async with instance.db.read() as tx:
            jobs = await queue_of(tx).dequeue(10, limits, me, None, timedelta(minutes=5))
        if not jobs:
            return count
        for job in jobs:
            await table[job.entrypoint](instance, msgspec.json.decode(job.payload or b"{}"))
            async with instance.db.read() as tx:
                await queue_of(tx).log_jobs([(job, "successful", None)])
            count += 1


def main() -> None:
    """Entry point of the worker process: `python -m parley.worker` (or `parley work`)."""
    settings = load_settings()
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    dsn = os.environ.get(DSN)
    if dsn:
        end_with_parent()  # the watcher started us
        os.nice(NICENESS)
    import uvloop

    uvloop.run(run_worker(settings, dsn or settings.database_url))
    leave(0)


if __name__ == "__main__":
    main()
