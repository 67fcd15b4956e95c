"""Deciding in tests: the staff as viewers, one decision in a line, and the whole world as rows and answers."""

from __future__ import annotations

from typing import Any

from parley.safety.decisions.actions import decide, reverse_decision
from parley.safety.decisions.views import DecisionView, NewAction, NewDecision, Proposal
from parley.safety.log.views import Subject, human
from parley.social.accounts.views import Viewer
from tests.conftest import World

CLAUSE = "1.2"
HOUR = 1.0


async def viewer_of(world: World, name: str, role: str = "moderator") -> Viewer:
    """`name` as the desk sees a member of the staff."""
    return Viewer(account_id=await world.account(name, role=role), username=name, role=role)


async def mia(world: World) -> Viewer:
    """A moderator."""
    return await viewer_of(world, "mod_mia")


async def propose_or_decide(
    world: World, account_id: int, *actions: NewAction, who: Viewer | None = None, **fields: Any
) -> DecisionView | Proposal:
    """What `decide` gives for these actions, by mod_mia unless somebody else is named."""
    viewer = who or await mia(world)
    fields.setdefault("clause", CLAUSE)
    async with world.instance.db.write() as tx:
        new = NewDecision(account_id=account_id, actions=actions, **fields)
        return await decide(tx, world.settings, viewer, new)


async def decided(world: World, account_id: int, *actions: NewAction, **fields: Any) -> DecisionView:
    """A decision that needed nobody else."""
    made = await propose_or_decide(world, account_id, *actions, **fields)
    assert isinstance(made, DecisionView), made
    return made


async def reversed_by(
    world: World, decision_id: int, kind: Any = "undo", *, who: Viewer | None = None, **more: Any
) -> int:
    """Take a decision back."""
    viewer = who or await mia(world)
    async with world.instance.db.write() as tx:
        return await reverse_decision(tx, world.settings, human(viewer), decision_id, kind=kind, viewer=viewer, **more)


def status(id_: Any, revision: int | None = None) -> Subject:
    """A post."""
    return Subject("status", int(id_), revision)


def account(id_: Any) -> Subject:
    """An account."""
    return Subject("account", int(id_))


# What may differ although nothing has changed: stamps by which readers know that something did.
_STAMPS = {"version", "updated_at", "suspended_at"}
TABLES = {
    "accounts": "id",
    "account_stats": "account_id",
    "account_restrictions": "action_id",
    "statuses": "id",
    "status_revisions": "status_id, revision",
    "status_stats": "status_id",
    "status_tags": "tag_id, status_id",
    "status_mentions": "account_id, status_id",
    "required_changes": "status_id",
    "removed_texts": "status_id, revision",
    "media": "id",
    "files": "name",
    "hidden_contents": "content_hash",
    "profile_revisions": "account_id, revision",
    "home_timeline": "account_id, status_id",
    "favourites": "account_id, status_id",
}


async def rows_of(world: World, *, without: dict[str, set[str]] | None = None) -> dict[str, list[Any]]:
    """Everything that the network consists of, as rows, without stamps."""
    found = {}
    async with world.instance.db.read() as tx:
        known = {row[0] for row in await tx.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        for table, order in TABLES.items():
            if table not in known:
                continue
            rows = await tx.fetch(f"SELECT to_jsonb(t) FROM {table} t ORDER BY {order}")
            hidden = _STAMPS | (without or {}).get(table, set())
            found[table] = [{key: value for key, value in row[0].items() if key not in hidden} for row in rows]
    return found


async def answers_of(world: World, *names: str) -> dict[str, Any]:
    """What everybody's clients see: timelines, profiles, posts, searches, each as JSON with its status."""
    paths = [
        "/api/v1/timelines/public?local=true",
        "/api/v1/timelines/tag/cats",
        *(f"/api/v1/accounts/{id_}" for id_ in world.ids.values()),
        *(f"/api/v1/accounts/{id_}/statuses" for id_ in world.ids.values()),
    ]
    async with world.instance.db.read() as tx:
        ids = [row[0] for row in await tx.fetch("SELECT id FROM statuses ORDER BY id")]
    paths += [f"/api/v1/statuses/{id_}" for id_ in ids] + [f"/api/v1/statuses/{id_}/history" for id_ in ids]
    found = {}
    for path in paths:
        answer = await world.anonymous.get(path)
        found[f"nobody {path}"] = (answer.status_code, answer.json())
    own = ("/api/v1/timelines/home", "/api/v2/search?q=cats&type=statuses", "/api/v1/favourites")
    for name in names:
        client = await world.client(name)
        for path in (*paths, *own):
            answer = await client.get(path)
            found[f"{name} {path}"] = (answer.status_code, answer.json())
    return found
