"""What the replay found: counted from the instance's own tables and from what the replay knows besides."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.origin_stream import TRUTHS, Script
from bench.origin_world import World
from parley.kit.signing import fingerprint_of, public_key_of
from parley.safety.log.verifying import verify_log

STOPPED = ("refused", "held", "stopped author")
SEVERITIES = ("0 threat to life", "1 grave", "2 serious", "3 nuisance")
TRUSTED = (
    "(the host was introduced with --trusted: threats to life that it names are hidden at once, before anybody looks)"
)
OUTGROWN = 1.0
"""Working days of the moderator that may wait at the end."""

SAMPLE = """
    SELECT count(*), count(*) FILTER (WHERE due_at < $1), (SELECT count(*) FROM reports WHERE state <> 'closed')
    FROM cases WHERE state <> 'closed'
"""
FIRST_ACTIONS = """
    SELECT s.severity, count(*), count(*) FILTER (WHERE f.first IS NULL),
           percentile_cont(0.5) WITHIN GROUP (
               ORDER BY extract(epoch FROM greatest(f.first - n.since, interval '0'))::float8 / 3600)
               FILTER (WHERE f.first IS NOT NULL),
           percentile_cont(0.95) WITHIN GROUP (
               ORDER BY extract(epoch FROM greatest(f.first - n.since, interval '0'))::float8 / 3600)
               FILTER (WHERE f.first IS NOT NULL)
    FROM case_subjects s
    CROSS JOIN LATERAL (
        SELECT min(d.created_at) AS first FROM decisions d WHERE d.id IN (s.decision_id, s.interim_decision_id)
    ) f
    CROSS JOIN LATERAL (
        SELECT coalesce(min(c.started_at), s.added_at) AS since FROM sla_clocks c
        WHERE c.case_subject_id = s.id AND c.severity = s.severity
    ) n
    WHERE s.source <> 'automated'
    GROUP BY s.severity ORDER BY s.severity
"""
BREACHES = """
    SELECT source, kind, count(*) FILTER (WHERE state = 'breached'), count(*)
    FROM sla_clocks GROUP BY source, kind ORDER BY source, kind
"""
COUNTS = """
    SELECT (SELECT count(*) FROM cases), (SELECT count(*) FROM cases WHERE state <> 'closed'),
           (SELECT count(*) FROM case_subjects), (SELECT count(*) FROM reports WHERE source = 'user'),
           (SELECT count(*) FROM decisions WHERE decided_by IS NOT NULL),
           (SELECT count(*) FROM decisions WHERE kind = 'interim'), (SELECT count(*) FROM moderation_events)
"""


async def sample(world: World, at: datetime) -> tuple[datetime, int, int, int]:
    """The backlog at a moment."""
    row = await world.sql.fetchrow(SAMPLE, at)
    return at, int(row[0]), int(row[1]), int(row[2])


@dataclass
class Figures:
    """Everything that is printed. Hours are simulated, `seconds` are real."""

    accounts: int
    days: int
    texts: str
    posts: int
    stopped: dict[str, dict[str, float]]
    reports: int
    copies: int
    """Posts that repeat what stayed up."""
    cases: int
    subjects: int
    decisions: int
    interim: int
    events: int
    first_action: list[dict[str, Any]]
    notices: int
    notices_scripted: int
    """What the host was to send: a replay with fewer proves nothing."""
    reports_scripted: int
    reports_needed: int
    """With fewer the replay proves nothing: all of them at full scale, and half of them in a smaller one, in which a
    few loud posts more or less decide how many there are to be reported."""
    notices_answered_in_time: int
    urls: int
    urls_in_time: int
    urls_median_hours: float | None
    urls_p95_hours: float | None
    breaches: dict[str, str]
    backlog: list[tuple[str, int, int, int]] = field(repr=False)
    backlog_most: int = 0
    backlog_end: int = 0
    hours_of_work: float = 0.0
    hours_a_day: float = 0.0
    appealed: int = 0
    reviewed: int = 0
    overturned: int = 0
    seconds: float = 0.0
    days_waiting: float = 0.0
    log_problems: list[str] = field(default_factory=list)
    """What is wrong with the moderation log after all of it: nothing, or the replay has failed."""
    missed: list[str] = field(default_factory=list)
    passed: bool = False


async def count(world: World, script: Script, people: Any, run: Any, *, given: bool, seconds: float) -> Figures:
    """Count everything at the end."""
    moderator, crowd, appellants, host, known = (
        *(people.moderator, people.crowd, people.appellants, people.host),
        people.known,
    )
    cases, still, subjects, _, decisions, interim, events = await world.sql.fetchrow(COUNTS)
    urls = await host.count_urls()
    scale = run.options.scale
    worked = run.worked.total_seconds() / 3600
    # Scaled up: what one person of the whole network would have had to do.
    a_day = worked / script.days / scale
    a_case = worked / moderator.cases if moderator.cases else 15 / 3600
    waiting = still * a_case / 8 / scale
    rows = [(at.isoformat(), count, late, reports) for at, count, late, reports in run.samples]
    found = Figures(
        accounts=script.accounts,
        days=script.days,
        texts="public test sets" if given else "made here",
        posts=run.posted,
        stopped={truth: _stopped(known.outcomes[truth]) for truth in TRUTHS},
        reports=crowd.filed,
        copies=crowd.copies,
        cases=cases,
        subjects=subjects,
        decisions=decisions,
        interim=interim,
        events=events,
        first_action=[
            {"severity": SEVERITIES[row[0]], "subjects": row[1], "waiting": row[2], "median": row[3], "p95": row[4]}
            for row in await world.sql.fetch(FIRST_ACTIONS)
        ],
        notices=host.sent,
        notices_scripted=len(script.notices),
        reports_scripted=script.reports,
        reports_needed=script.reports if scale >= 1 else script.reports // 2,
        notices_answered_in_time=urls.notices_in_time,
        urls=urls.urls,
        urls_in_time=urls.in_time,
        urls_median_hours=urls.median,
        urls_p95_hours=urls.p95,
        breaches={f"{row[0]}, {row[1]}": f"{row[2]} of {row[3]}" for row in await world.sql.fetch(BREACHES)},
        backlog=rows,
        backlog_most=max((row[1] for row in rows), default=0),
        backlog_end=still,
        hours_of_work=round(worked / scale, 1),
        hours_a_day=round(a_day, 2),
        appealed=appellants.filed,
        reviewed=appellants.reviewed,
        overturned=appellants.overturned,
        seconds=round(seconds, 1),
        days_waiting=round(waiting, 2),
    )
    keys = [fingerprint_of(public_key_of(world.settings))]
    found.log_problems = [str(one) for one in (await verify_log(world.db, known_keys=keys)).problems]
    found.missed = missed_by(found)
    found.passed = not found.missed
    return found


def missed_by(found: Figures) -> list[str]:
    """In a sentence each, what keeps the replay from being passed."""
    checks = {
        f"{found.notices} of {found.notices_scripted} notices were sent": found.notices < found.notices_scripted,
        f"{found.reports:,} of {found.reports_scripted:,} reports were sent": found.reports < found.reports_needed,
        "a URL of the host was late": found.urls_in_time != found.urls or not found.urls,
        "an answer to the host was late": found.notices_answered_in_time < found.notices_scripted,
        "the backlog outgrew the moderator": found.days_waiting > OUTGROWN,
        "the log is broken": bool(found.log_problems),
    }
    return [sentence for sentence, wrong in checks.items() if wrong]


def _stopped(outcomes: dict[str, int]) -> dict[str, float]:
    total = sum(outcomes.values())
    stopped = sum(outcomes.get(key, 0) for key in STOPPED)
    return {"posts": total, **outcomes, "share_stopped": round(stopped / total, 4) if total else 0.0}


def as_json(found: Figures) -> dict[str, Any]:
    """For scripts."""
    return asdict(found)


def as_rows(found: Figures) -> list[tuple[str, str, str, str]]:
    """What, on what, measured, target: for `make bench`."""
    world = f"{found.accounts:,} accounts, {found.posts:,} posts, {found.reports:,} reports, {found.days} days"
    stopped = ", ".join(f"{truth} {row['share_stopped']:.0%}" for truth, row in found.stopped.items())
    rows = [("stopped before anyone saw it", world, stopped, "")]
    for one in found.first_action:
        measured = f"median {_hours(one['median'])}, p95 {_hours(one['p95'])}; {one['waiting']} wait"
        rows.append(
            ("first action on what was reported", f"severity {one['severity']}, {one['subjects']:,}", measured, "")
        )
    measured = f"{found.urls_in_time} of {found.urls}; median {_hours(found.urls_median_hours)}"
    rows.append(("the host's URLs acted upon in time", f"{found.notices} notices of a trusted host", measured, "all"))
    answered = f"{found.notices_answered_in_time} of {found.notices_scripted}"
    rows.append(("notices answered in time", "XARF over HTTP, and mail", answered, "all"))
    measured = f"most {found.backlog_most:,}, at the end {found.backlog_end:,} ({found.days_waiting:.2f} working days)"
    rows.append(("backlog", f"{found.cases:,} cases", measured, "under a working day"))
    rows.append(("one moderator's work", world, f"{found.hours_a_day:.1f} hours a day", "under 8"))
    measured = f"{found.appealed} appealed, {found.reviewed} reviewed, {found.overturned} overturned"
    rows.append(("appeals", f"{found.decisions:,} decisions by people", measured, ""))
    return rows


def as_text(found: Figures) -> str:
    """For people."""
    lines = [
        f"{found.accounts:,} members, {found.posts:,} posts (texts: {found.texts}), "
        f"{found.reports:,} of {found.reports_scripted:,} reports, {found.notices} of {found.notices_scripted} notices "
        f"in {found.days} days; {found.seconds:.0f} s of real time",
        "",
        f"{'stopped before anyone saw it':<34}{'posts':>9}{'refused':>9}{'held':>9}{'share':>9}",
    ]
    for truth, row in found.stopped.items():
        figures = (row["posts"], row.get("refused", 0), row.get("held", 0))
        lines.append(f"  {truth:<32}" + "".join(f"{one:>9,.0f}" for one in figures) + f"{row['share_stopped']:>9.1%}")
    lines += ["", f"{'first action on what was reported':<34}{'subjects':>9}{'waiting':>9}{'median':>9}{'p95':>9}"]
    for one in found.first_action:
        lines.append(
            f"  {one['severity']:<32}{one['subjects']:>9,}{one['waiting']:>9,}"
            f"{_hours(one['median']):>9}{_hours(one['p95']):>9}"
        )
    lines += [
        "",
        f"the host's URLs acted upon in 4 h: {found.urls_in_time} of {found.urls} "
        f"(median {_hours(found.urls_median_hours)}, p95 {_hours(found.urls_p95_hours)})",
        f"notices answered in time:           {found.notices_answered_in_time} of {found.notices_scripted}",
        TRUSTED,
        f"copies that others made of what stayed up: {found.copies:,}",
        f"cases {found.cases:,}, subjects {found.subjects:,}, decisions by people {found.decisions:,}, "
        f"interim measures {found.interim:,}, entries of the log {found.events:,}",
        f"one moderator's work: {found.hours_a_day:.1f} hours a day; backlog at most {found.backlog_most:,}, "
        f"at the end {found.backlog_end:,}, which is {found.days_waiting:.2f} working days",
        "moderation log: " + (found.log_problems or ["every entry in its place, and the tables as it says"])[0],
        f"appeals: {found.appealed} filed, {found.reviewed} reviewed, {found.overturned} overturned",
        "",
        "promises broken: " + ("; ".join(f"{key} {value}" for key, value in found.breaches.items()) or "none made"),
        "",
        "backlog by the day (open cases, overdue ones among them, open reports, at midnight UTC):",
        *(f"  {at[:10]} {cases:>7,} {late:>7,} {reports:>7,}" for at, cases, late, reports in found.backlog[23::24]),
        "",
        "PASSED" if found.passed else f"FAILED: {'; '.join(found.missed)}",
    ]
    return "\n".join(lines)


def _hours(hours: float | None) -> str:
    if hours is None:
        return "-"
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h"


def write_plot(path: Path, found: Figures) -> None:
    """The backlog by the hour as SVG, and as CSV beside it."""
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["at", "open_cases", "overdue", "open_reports"])
        writer.writerows(found.backlog)
    wide, high, left, foot = 720, 240, 48, 24
    top = max(found.backlog_most, 1)
    step = wide / max(len(found.backlog) - 1, 1)

    def line(place: int) -> str:
        return " ".join(
            f"{left + i * step:.1f},{8 + high - int(row[place]) * high / top:.1f}"
            for i, row in enumerate(found.backlog)
        )

    days = "".join(
        f'<text x="{left + i * step:.0f}" y="{high + foot}">{row[0][5:10]}</text>'
        for i, row in enumerate(found.backlog)
        if i % 24 == 0
    )
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide + left + 8} {high + foot + 8}" '
        'font-family="sans-serif" font-size="11"><title>Open cases by the hour, and those that are overdue</title>'
        f'<rect width="100%" height="100%" fill="#fff"/><path d="M{left} 8V{8 + high}H{left + wide}" fill="none" '
        f'stroke="#888"/><text x="4" y="16">{top:,}</text><text x="4" y="{8 + high}">0</text>{days}'
        f'<text x="{wide + left}" y="18" text-anchor="end"><tspan fill="#2f6f63">open cases</tspan>, '
        '<tspan fill="#a92017">overdue ones</tspan></text>'
        f'<polyline points="{line(1)}" fill="none" stroke="#3d8c7d" stroke-width="2"/>'
        f'<polyline points="{line(2)}" fill="none" stroke="#a92017" stroke-width="2"/></svg>\n',
        encoding="utf-8",
    )
