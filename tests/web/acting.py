"""Invariant 4 as a helper: what changed for posts, files, profiles and accounts, and which decisions say so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from parley.safety.decisions.kinds import STATUS_STATES
from tests.conftest import World

Thing = tuple[str, int]
Key = tuple[str, Any]

STATES = {
    "status": """
        SELECT id, state::text, marked_label, marked_sensitive FROM statuses WHERE state <> 'author_deleted'
    """,
    "account": """
        SELECT a.id, a.state::text, (SELECT array_agg(r.kind ORDER BY r.kind) FROM account_restrictions r
                                     WHERE r.account_id = a.id)
        FROM accounts a
    """,
    "profile": """
        SELECT id, display_name, note, avatar_file, avatar_static_file, header_file, header_static_file FROM accounts
    """,
    "media": "SELECT id, hidden FROM media",
    "file": "SELECT name, hidden FROM files",
}
CARRIERS = """
    SELECT 'media' AS type, m.id, m.id AS media_id, m.status_id, m.account_id, m.file AS name FROM media m
    UNION ALL SELECT 'media', m.id, m.id, m.status_id, m.account_id, m.preview_file FROM media m
"""
ACTIONS = """
    SELECT a.kind, a.subject_type, a.subject_id, a.reversed_at IS NULL AS in_force, d.id AS decision_id
    FROM decision_actions a JOIN decisions d ON d.id = a.decision_id
    WHERE a.applied_at >= $1 OR a.reversed_at >= $1
"""
UNGROUNDED = """
    SELECT d.id FROM decisions d
    WHERE NOT EXISTS (SELECT FROM policy_versions v WHERE v.sha256 = d.policy_sha256)
       OR NOT EXISTS (SELECT FROM rulesets r WHERE r.sha256 = d.ruleset)
"""
UNSAID = """
    SELECT d.id FROM decisions d WHERE NOT EXISTS (
        SELECT FROM moderation_events e WHERE e.type <> 'row_changed' AND e.body LIKE '%"' || d.id || '"%')
"""


@dataclass
class Before:
    """How everything stood, and when that was."""

    at: datetime
    states: dict[Key, tuple[Any, ...]]


async def look(world: World) -> Before:
    """How every post, file, profile and account stands."""
    states: dict[Key, tuple[Any, ...]] = {}
    async with world.instance.db.read() as tx:
        at = await tx.fetchval("SELECT clock_timestamp()")
        for kind, query in STATES.items():
            for row in await tx.fetch(query):
                states[kind, row[0]] = tuple(row)[1:]
    return Before(at, states)


async def changes_since(world: World, before: Before) -> dict[Key, set[Thing]]:
    """What stands otherwise than before, each with the things of which an action would account for it."""
    after = await look(world)
    async with world.instance.db.read() as tx:
        carriers = await tx.fetch(CARRIERS)
    found: dict[Key, set[Thing]] = {}
    for key, state in before.states.items():
        if key not in after.states or after.states[key] == state:
            continue  # what is gone is its author's business: the desk deletes nothing
        kind, name = key
        if kind in ("account", "profile"):
            found[key] = {("account", name), ("profile", name)}
        elif kind == "status":
            found[key] = {("status", name)}
        else:
            of = [row for row in carriers if name in (row["media_id"], row["name"])]
            found[key] = {("media", row["media_id"]) for row in of}
            found[key] |= {("status", row["status_id"]) for row in of if row["status_id"] is not None}
            worn = [other for other, parts in before.states.items() if other[0] == "profile" and name in parts]
            found[key] |= {("profile", id_) for _, id_ in worn}
    return found


async def assert_decided(world: World, before: Before, *, changed: bool = True) -> None:
    """Every change since then is an action of a decision, and every action in force is to be seen.

    Each decision names a version of the policy that is kept here, and has its line in the log. Fails with what does not
    fit; with `changed`, also when nothing has changed at all.
    """
    changes = await changes_since(world, before)
    assert changes or not changed, "nothing has changed"
    async with world.instance.db.read() as tx:
        actions = await tx.fetch(ACTIONS, before.at)
        ungrounded, unsaid = await tx.fetch(UNGROUNDED), await tx.fetch(UNSAID)
        states = {row[0]: row[1] for row in await tx.fetch("SELECT id, state::text FROM statuses")}
    acted = {(row["subject_type"], row["subject_id"]) for row in actions}
    assert [key for key, things in changes.items() if not things & acted] == [], "nobody has decided that"
    seen = [
        (row["kind"], row["subject_id"])
        for row in actions
        if row["in_force"] and row["subject_type"] == "status" and row["kind"] in STATUS_STATES
        if states[row["subject_id"]] == "published"
    ]
    assert seen == [], "an action in force does nothing"
    assert [row[0] for row in ungrounded] == [], "under a policy that nobody knows"
    assert [row[0] for row in unsaid] == [], "without a line in the log"
