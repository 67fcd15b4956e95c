"""A desk with a backlog to measure: open reports in their cases, and a moderation log of a million entries.

Rows go in by COPY with the database's triggers off, for a million of them would take most of an hour. What the triggers
would have written is then written for each row by the same functions of the database, and chained here as they chain
it, so that `parley audit verify` finds the log whole and equal to the tables. Never run it on a real instance.
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.world import Ids, _copy, seed_world
from parley.safety.cases.priority import priority_of

SEED = 20_260_202
CLAUSES = (("1.1", 0), ("2.1", 1), ("3.1", 2), ("6.1", 1), ("7.1", 2), ("4.1", 3), ("8.2", 3))
SOURCES = ("user", "user", "user", "user", "user", "user", "public_notice", "trusted_flagger", "provider_notice")
COMMENTS = ("This is a threat.", "Please look at this.", "He does that all the time.", "Spam, again and again.", "")
MEANINGS = ("case_opened", "report_filed", "case_claimed", "case_released", "report_filed", "note_added")
TABLES = ("evidence_snapshots", "cases", "case_subjects", "reports", "sla_clocks")
"""Tables of the desk that are filled here, in the order in which their rows come to be."""

Rows = list[tuple[Any, ...]]


class DeskIds(Ids):
    """Ids of which more than 65,536 may belong to one moment: later ones of it are a little later."""

    def at(self, moment: datetime) -> int:
        """A new id made at `moment`, give or take a second."""
        return super().at(moment + timedelta(milliseconds=self.count >> 16))


class Desk:
    """The rows of the desk, made in memory first."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.ids = DeskIds()
        self.dice = random.Random(SEED)
        self.rows: dict[str, Rows] = {name: [] for name in TABLES}
        self.cases: list[tuple[int, int, datetime]] = []
        """Case, account, and when it was opened."""


COLUMNS = {
    "evidence_snapshots": "id sha256 subject_type subject_id revision account_id conversation_id content size_bytes "
    "created_at",
    "cases": "id account_id state queue source clause severity opened_at due_at reports_count reporters_count reach "
    "reach_per_hour confidence priority",
    "case_subjects": "id case_id subject_type subject_id revision clause severity source evidence_id added_at",
    "reports": "id account_id target_account_id status_ids evidence evidence_sha256 comment category rule_ids source "
    "state created_at case_id clause subject_ids",
    "sla_clocks": "id case_id case_subject_id kind source severity started_at due_at",
}


async def seed_desk(connection: Any, *, cases: int, reports: int, events: int) -> dict[str, Any]:
    """Fill an empty database with `cases` members who are reported; returns what there is of everything."""
    await seed_world(connection, accounts=cases + 500, follows=2, posts=2 * cases, fan_out=False)
    posts: dict[int, list[tuple[int, str]]] = {}
    for status, author, text in await connection.fetch(LIST_POSTS):
        posts.setdefault(author, []).append((status, text))
    members = [row[0] for row in await connection.fetch("SELECT id FROM accounts ORDER BY id")]
    desk = Desk(datetime.now(UTC).replace(microsecond=0))
    many = _share_reports(desk.dice, cases, reports)
    for account, count in zip(members, many, strict=False):
        _add_case(desk, account, posts.get(account, [])[:3], members[-500:], count)
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        for name in TABLES:
            await _copy(connection, name, COLUMNS[name], desk.rows[name])
        logged = await _write_log(connection, desk, events)
    await connection.execute("VACUUM (ANALYZE)")
    largest = max(zip(many, desk.cases, strict=False), key=lambda pair: pair[0])[1][0]
    return {"cases": [case for case, _, _ in desk.cases], "largest": largest, "events": logged}


LIST_POSTS = """
    SELECT id, account_id, text FROM statuses WHERE reblog_of_id IS NULL ORDER BY id
"""


def _share_reports(dice: random.Random, cases: int, reports: int) -> list[int]:
    """How many reports each case has: one at least; a few have hundreds."""
    many = [1] * cases
    for _ in range(reports - cases):
        many[int(cases * dice.random() ** 6)] += 1
    return many


def _add_case(desk: Desk, account: int, posts: list[tuple[int, str]], reporters: list[int], count: int) -> None:
    """A case about an account with up to three posts (none: its profile), and `count` reports."""
    dice, ids = desk.dice, desk.ids
    clause, severity = dice.choice(CLAUSES)
    source = dice.choice(SOURCES)
    opened = desk.now - timedelta(minutes=dice.randint(5, 60 * 24 * 6))
    due = opened + timedelta(hours=(1, 12, 24, 72)[severity])
    case = ids.at(opened)
    desk.cases.append((case, account, opened))
    subjects = []
    for kind, subject, text in [("status", *post) for post in posts] or [("account", account, "")]:
        content = json.dumps(_evidence(kind, subject, account, text), sort_keys=True, separators=(",", ":"))
        snapshot, row = ids.at(opened), ids.at(opened)
        digest = hashlib.sha256(content.encode()).digest()
        size = len(content.encode())
        desk.rows["evidence_snapshots"].append(
            (snapshot, digest, kind, subject, 1 if kind == "status" else None, account, None, content, size, opened)
        )
        revision = 1 if kind == "status" else None
        desk.rows["case_subjects"].append(
            (row, case, kind, subject, revision, clause, severity, source, snapshot, opened)
        )
        desk.rows["sla_clocks"].append((ids.at(opened), case, row, "resolve", source, severity, opened, due))
        subjects.append((row, subject if kind == "status" else None))
    named = [status for _, status in subjects if status]
    digest = hashlib.sha256(b"bench").digest()
    who = [dice.choice(reporters) for _ in range(count)]
    for reporter in who:
        at = opened + (desk.now - opened) * dice.random()
        desk.rows["reports"].append(
            (ids.at(at), reporter, account, named, "{}", digest, dice.choice(COMMENTS), "violation", [clause],
             source, "open", at, case, clause, [row for row, _ in subjects])
        )  # fmt: skip
    reach, growth, sure = int(dice.paretovariate(0.6) * 10) % 500_000, dice.random() * 40, round(dice.random(), 4)
    order = priority_of(severity, due, opened, reach=reach, reach_per_hour=growth, confidence=sure)
    queue = "legal" if source == "provider_notice" else "urgent" if severity == 0 else "main"
    desk.rows["cases"].append(
        (case, account, "open", queue, source, clause, severity, opened, due, count, len(set(who)), reach, growth,
         sure, order)
    )  # fmt: skip


def _evidence(kind: str, subject: int, account: int, text: str) -> dict[str, Any]:
    about = {"id": str(account), "acct": "member", "display_name": "Member", "note": "I write.", "fields": []}
    content: dict[str, Any] = {"version": 2, "account": about, "subject": {"type": kind, "id": str(subject)}}
    if kind == "status":
        content["status"] = {"id": str(subject), "text": text, "visibility": "public", "language": "en", "media": []}
        content["context"] = []
    return content


# What the trigger would have written for each row: the same functions of the database say it.
LIST_CHANGES = """
    SELECT jsonb_build_object('type', 'row_changed', 'cause', $2::text, 'table', $1::text, 'id', rows.id,
        'op', 'insert', 'row', rows.contents)::text
    FROM list_moderation_rows($1) AS rows
"""


async def _write_log(connection: Any, desk: Desk, events: int) -> int:
    """An entry for each row, then what happened with the cases, until there are `events`; each chained to the last."""
    for name, value in (("timezone", "UTC"), ("datestyle", "ISO"), ("bytea_output", "hex")):
        await connection.execute(f"SET LOCAL {name} = '{value}'")
    log = Chain(desk)
    cause = log.add("bench_seeded", None, {"run": str(uuid.UUID(int=SEED))})
    for name in TABLES:
        async for (body,) in connection.cursor(LIST_CHANGES, name, str(cause), prefetch=5000):
            log.add_body("row_changed", None, body)
            if len(log.rows) >= 20_000:
                await log.flush(connection)
    while log.seq < events:
        case, account, _ = desk.dice.choice(desk.cases)
        log.add(desk.dice.choice(MEANINGS), case, {"n": str(log.seq)}, account)
        if len(log.rows) >= 20_000:
            await log.flush(connection)
    await log.flush(connection)
    await connection.execute(
        "INSERT INTO moderation_chain (seq, hash) VALUES ($1, $2) "
        "ON CONFLICT (only_row) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
        log.seq,
        log.hash,
    )
    return log.seq


class Chain:
    """Entries of the log, each with the hash of the one before: as `seal_moderation_event` does it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.seq = 0
        self.hash = b""
        self.rows: Rows = []

    def add(self, type: str, case: int | None, payload: dict[str, str], account: int | None = None) -> int:
        """An entry about a case; returns its id."""
        body = {
            "type": type,
            "at": self.desk.now.isoformat(),
            "actor": {"type": "system", "id": None, "name": "bench"},
            "case_id": str(case) if case else None,
            "subject": {"type": "account", "id": str(account), "revision": None} if account else None,
            "payload": payload,
        }
        return self.add_body(type, case, json.dumps(body, sort_keys=True, separators=(",", ":")), account)

    def add_body(self, type: str, case: int | None, body: str, account: int | None = None) -> int:
        """An entry whose body is written already; returns its id."""
        self.seq += 1
        entry = self.desk.ids.at(self.desk.now - timedelta(days=7))
        previous = self.hash
        self.hash = hashlib.sha256(previous + f"{self.seq}\n{entry}\n{body}".encode()).digest()
        about = ("account", account) if account else (None, None)
        self.rows.append((entry, self.seq, type, "system", None, case, *about, body, previous, self.hash))
        return entry

    async def flush(self, connection: Any) -> None:
        """Store what was added."""
        columns = "id seq type actor_type actor_id case_id subject_type subject_id body previous hash"
        await _copy(connection, "moderation_events", columns, self.rows)
        self.rows = []
