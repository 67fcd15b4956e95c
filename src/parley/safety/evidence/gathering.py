"""Fetching what subjects are at this moment: any number of them in a fixed number of queries. Stores nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.safety.evidence import content
from parley.safety.log.views import Subject
from parley.social.accounts.for_evidence import AuthorFacts, list_author_facts, list_profile_evidence
from parley.social.media.for_evidence import list_media_evidence
from parley.social.statuses.for_evidence import (
    StatusEvidence,
    list_conversation_ids,
    list_recent_ids,
    list_status_evidence,
)

StatusKey = tuple[int, int | None]


class Found(msgspec.Struct, frozen=True):
    """One subject as it is: `content` is what is hashed, `facts` change from day to day."""

    content: dict[str, Any]
    account_id: int | None
    conversation_id: int | None
    revision: int | None
    facts: dict[str, Any]


async def gather_subjects(tx: Tx, subjects: Sequence[Subject]) -> dict[Subject, Found]:
    """What these subjects are now; those that do not exist are left out. About twenty queries, however many."""
    of = {
        kind: [one for one in subjects if one.type == kind]
        for kind in ("account", "status", "media", "profile", "conversation")
    }
    recent = await list_recent_ids(tx, [one.id for one in of["account"]])
    said = await list_conversation_ids(tx, [one.id for one in of["conversation"]])
    media = await list_media_evidence(tx, [one.id for one in of["media"]])
    keys: list[StatusKey] = [(one.id, one.revision) for one in of["status"]]
    keys += [(status_id, None) for ids in (*recent.values(), *said.values()) for status_id in ids]
    keys += [(one.status_id, None) for one in media.values() if one.status_id]
    statuses = await list_status_evidence(tx, list(dict.fromkeys(keys)))
    named: list[StatusKey] = [(one.id, one.revision) for one in (*of["profile"], *of["account"])]
    named += [(one.media.account_id, None) for one in media.values()]
    profiles = await list_profile_evidence(tx, list(dict.fromkeys(named)))
    authors = await list_author_facts(
        tx,
        list({one.status.account.id for one in statuses.values()} | {one.account.id for one in profiles.values()}),
    )
    found: dict[Subject, Found] = {}
    for one in of["status"]:
        if (status := statuses.get((one.id, one.revision))) is not None:
            found[one] = _found_status(status, authors)
    for one in (*of["profile"], *of["account"]):
        profile = profiles.get((one.id, one.revision))
        if profile is None:
            continue
        wrote = [statuses[status_id, None] for status_id in recent.get(one.id, ()) if (status_id, None) in statuses]
        described = (
            content.describe_account(profile, wrote) if one.type == "account" else content.describe_profile(profile)
        )
        found[one] = Found(_plain(described), one.id, None, profile.revision, _facts(one.id, authors))
    for one in of["media"]:
        if (kept := media.get(one.id)) is not None:
            owner = kept.media.account_id
            carrier = statuses.get((kept.status_id, None)) if kept.status_id else None
            described = content.describe_media(kept, profiles.get((owner, None)), carrier)
            conversation = carrier.status.conversation_id if carrier else None
            found[one] = Found(_plain(described), owner, conversation, one.revision, _facts(owner, authors))
    for one in of["conversation"]:
        messages = [statuses[status_id, None] for status_id in said.get(one.id, ()) if (status_id, None) in statuses]
        if messages:
            found[one] = Found(
                _plain(content.describe_conversation(messages)), None, one.id, None, _facts(None, authors)
            )
    return found


def _found_status(one: StatusEvidence, authors: dict[int, AuthorFacts]) -> Found:
    status = one.status
    facts = {**_facts(status.account.id, authors), "counts": content.find_counts(status)}
    described = _plain(content.describe_status(one))
    return Found(described, status.account.id, status.conversation_id, status.revision, facts)


def _facts(account_id: int | None, authors: dict[int, AuthorFacts]) -> dict[str, Any]:
    author = authors.get(account_id) if account_id is not None else None
    facts: dict[str, Any] = {"taken_at": now()}
    if author is not None:
        told: dict[str, Any] = msgspec.to_builtins(author)
        facts["author"] = {**told, "id": str(author.id)}
    return facts


def _plain(described: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(described)
    return plain
