"""The instance itself: https://docs.joinmastodon.org/methods/instance/"""

from __future__ import annotations

import time
from typing import Any
from weakref import WeakKeyDictionary

from litestar import Request, get

from parley.api.entities.instance import instance_entity, instance_v1_entity, rule_entity
from parley.kit.clock import iso, now
from parley.kit.db import Database
from parley.kit.documents import Document, load_document
from parley.kit.errors import NotFound
from parley.kit.http import instance_of
from parley.kit.instance import Instance
from parley.screening import live_ruleset, rules_page
from parley.social.accounts.activity import list_activity
from parley.social.accounts.reads import InstanceCounts, count_instance, get_contact, list_peers
from parley.social.accounts.views import AccountView

Asked = Request[Any, Any, Any]

COUNTS_SECONDS = 300
"""Counting reads every account, so the answer is kept this long in each process."""

_kept: WeakKeyDictionary[Database, tuple[float, InstanceCounts]] = WeakKeyDictionary()


async def counts_of(instance: Instance) -> InstanceCounts:
    """The instance's counts, at most five minutes old."""
    kept = _kept.get(instance.db)
    if kept is None or kept[0] < time.monotonic():
        async with instance.db.read() as tx:
            counts = await count_instance(tx)
        kept = (time.monotonic() + COUNTS_SECONDS, counts)
        _kept[instance.db] = kept
    return kept[1]


async def _contact_of(instance: Instance) -> AccountView | None:
    async with instance.db.read() as tx:
        return await get_contact(tx)


@get("/api/v2/instance", scope=None)
async def show_instance(request: Asked) -> dict[str, Any]:
    """What this instance is, allows and limits."""
    instance = instance_of(request)
    counts, contact = await counts_of(instance), await _contact_of(instance)
    return instance_entity(instance.settings, counts, contact, rules_page(live_ruleset()))


@get("/api/v1/instance", scope=None)
async def show_instance_v1(request: Asked) -> dict[str, Any]:
    """The same in its older shape."""
    instance = instance_of(request)
    counts, contact = await counts_of(instance), await _contact_of(instance)
    return instance_v1_entity(instance.settings, counts, contact, rules_page(live_ruleset()))


@get("/api/v1/instance/rules", scope=None)
async def list_rules(request: Asked) -> list[dict[str, Any]]:
    """The clauses of the policy, in plain words."""
    return [rule_entity(clause) for clause in rules_page(live_ruleset())]


@get("/api/v1/instance/peers", scope=None)
async def show_peers(request: Asked) -> list[str]:
    """Other domains that are known here."""
    async with instance_of(request).db.read() as tx:
        return await list_peers(tx)


@get("/api/v1/instance/activity", scope=None)
async def show_activity(request: Asked) -> list[dict[str, str]]:
    """Twelve weeks of posts, sign-ins and new members, the newest first; counted every hour."""
    async with instance_of(request).db.read() as tx:
        weeks = await list_activity(tx)
    return [
        {
            "week": str(int(week.begins_at.timestamp())),
            "statuses": str(week.statuses),
            "logins": str(week.logins),
            "registrations": str(week.registrations),
        }
        for week in weeks
    ]


@get("/api/v1/instance/domain_blocks", scope=None)
async def list_domain_blocks(request: Asked) -> list[dict[str, Any]]:
    """Instances that this one refuses: none, as long as it does not federate."""
    return []


@get("/api/v1/instance/extended_description", scope=None)
async def show_extended_description(request: Asked) -> dict[str, str]:
    """The operator's longer text; empty when there is none."""
    found = load_document(instance_of(request).settings, "about")
    return _document(found or Document("", now()))


@get("/api/v1/instance/privacy_policy", scope=None)
async def show_privacy_policy(request: Asked) -> dict[str, str]:
    """What is kept about members, and why."""
    found = load_document(instance_of(request).settings, "privacy_policy")
    if found is None:
        raise NotFound
    return _document(found)


def _document(found: Document) -> dict[str, str]:
    return {"updated_at": iso(found.updated_at), "content": found.html}


@get(
    ["/api/v1/instance/terms_of_service", "/api/v1/instance/terms_of_service/{date:str}"],
    scope=None,
)
async def show_terms_of_service(request: Asked) -> dict[str, str]:
    """There are no terms beyond the rules and the privacy policy."""
    raise NotFound


@get("/api/v1/instance/translation_languages", scope=None)
async def show_translation_languages(request: Asked) -> dict[str, list[str]]:
    """Languages that posts can be translated between: none, nothing translates here."""
    return {}


routes = [
    show_instance,
    show_instance_v1,
    list_rules,
    show_peers,
    show_activity,
    list_domain_blocks,
    show_extended_description,
    show_privacy_policy,
    show_terms_of_service,
    show_translation_languages,
]
