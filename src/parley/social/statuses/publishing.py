"""Making a revision public, and everything that follows from that: counts, tags, mentions, the fact.

Posting, editing and the moderators' desk meet here. Nothing here decides whether a revision may be shown: its
verdict, or a person's decision, came before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.ids import id_at
from parley.kit.jobs import enqueue
from parley.screening import Outcome
from parley.social.accounts.actions import change_statuses_count
from parley.social.events.actions import record
from parley.social.events.facts import StatusEdited, StatusImported, StatusPosted, StatusRestricted
from parley.social.media.actions import withhold_media
from parley.social.statuses import store_judged, store_polls, store_writes
from parley.social.statuses.copies import mark_removed
from parley.social.statuses.store_writes import LockedRow
from parley.social.statuses.text import Composed
from parley.social.statuses.visibility import BOOSTABLE
from parley.social.verdicts.labels import record_label
from parley.social.verdicts.reads import get_results

_MOST_KNOWN_TAGS = 20_000
_SETTLED = timedelta(minutes=1)
_known_tags: dict[str, int] = {}


async def make_tags(tx: Tx, composed: Composed) -> list[int]:
    """Ids of the hashtags of a text that is published; new ones are made."""
    return await get_tag_ids(tx, dict(zip(composed.tags, composed.tag_names, strict=True)))


async def get_tag_ids(tx: Tx, names: Mapping[str, str]) -> list[int]:
    """Ids of the tags with these normalised names (each with the name as typed); what is missing is made."""
    ids = {name: _known_tags[name] for name in names if name in _known_tags}
    unknown = [name for name in names if name not in ids]
    if unknown:
        found = await store_writes.list_tag_ids(tx, unknown)
        _remember(found)
        ids.update(found)
        missing = [name for name in unknown if name not in found]
        if missing:
            await store_writes.insert_tags(tx, [(name, names[name]) for name in missing])
            ids.update(await store_writes.list_tag_ids(tx, missing))
    return list(ids.values())


def _remember(found: Mapping[str, int]) -> None:
    """Keep ids of tags, but not of young ones: the transaction that made them might still be rolled back."""
    if len(_known_tags) > _MOST_KNOWN_TAGS:
        _known_tags.clear()
    settled = id_at(now() - _SETTLED)
    _known_tags.update((name, tag_id) for name, tag_id in found.items() if tag_id < settled)


async def announce(
    tx: Tx,
    account_id: int,
    status_id: int,
    in_reply_to_id: int | None,
    quote_of_id: int | None,
    moment: datetime,
    *,
    visibility: str,
    imported: bool = False,
) -> None:
    """Count a status that has just become public, and tell the instance; of an imported one, search alone."""
    await count_status(
        tx, account_id, in_reply_to_id, quote_of_id, 1, visibility=visibility, posted_at=moment, imported=imported
    )
    fact = StatusImported if imported else StatusPosted
    await record(tx, fact(account_id=account_id, status_id=status_id))


class Counts(NamedTuple):
    """Where a new status is counted: how often among its author's, and on which statuses that it answers or quotes."""

    author: int
    others: list[int]


def where_counted(
    state: str, visibility: str, in_reply_to_id: int | None, quote_of_id: int | None, *, imported: bool = False
) -> Counts:
    """What `count_status` says, for a status that is being inserted."""
    if state == "held" or visibility == "direct":
        return Counts(0, [])
    targets = {target for target in (in_reply_to_id, quote_of_id) if target is not None}
    return Counts(0 if imported else 1, sorted(targets) if visibility in BOOSTABLE else [])


async def count_status(
    tx: Tx,
    account_id: int,
    in_reply_to_id: int | None,
    quote_of_id: int | None,
    by: int,
    *,
    visibility: str,
    posted_at: datetime | None = None,
    imported: bool = False,
) -> None:
    """Count a status in (1) or out (-1) wherever it is counted.

    Everybody sees the counters, so messages are in none of them, and those who are answered or quoted in private
    are not seen to be. An author's number of statuses is of those that were posted here: the judge trusts it, and
    what somebody brought along says nothing of how they behave here.
    """
    if visibility != "direct" and not imported:
        await change_statuses_count(tx, account_id, by, posted_at=posted_at)
    if visibility in BOOSTABLE:
        await count_on_others(tx, in_reply_to_id, quote_of_id, by)


async def count_on_others(tx: Tx, in_reply_to_id: int | None, quote_of_id: int | None, by: int) -> None:
    """Add to the counters of what a status answers and quotes, in one order always: no deadlock."""
    targets = {target for target in (in_reply_to_id, quote_of_id) if target is not None}
    for target in sorted(targets):
        replies = by if target == in_reply_to_id else 0
        quotes = by if target == quote_of_id else 0
        await store_writes.update_counts(tx, target, replies=replies, quotes=quotes)


async def publish_held_status(tx: Tx, status_id: int, *, revision: int | None = None, by: int | None = None) -> None:
    """Publish what screening held, after somebody (`by`) who may decided so: the caller checks that.

    Works for a new status and for a held edit. `revision` guards against deciding about another one than was
    read. Raises NotFound when that revision does not wait (any more). The judge is measured by such decisions.
    """
    row = await store_writes.get_locked(tx, status_id)
    if row is None:
        raise NotFound
    waiting = row.revision if row.held_revision is None else row.held_revision
    if (row.state != "held" and row.held_revision is None) or revision not in (None, waiting):
        raise NotFound("This revision does not wait for a decision any more.")
    await show_revision(tx, row, waiting, now())
    await record_label(tx, ("status", status_id, waiting), Outcome.ALLOW, clause=None, source="decision", by=by)


async def drop_held_revision(tx: Tx, status_id: int, revision: int, *, by: int | None = None) -> None:
    """Refuse a held edit, so that what is public stays as it is; the revision is kept as evidence.

    `by` is who decided so. The judge is measured by such decisions.
    """
    row = await store_writes.get_locked(tx, status_id)
    if row is None or row.held_revision != revision:
        raise NotFound("This revision does not wait for a decision any more.")
    await store_writes.update_held_revision(tx, status_id, None)
    screening_id = await store_judged.get_screening_id(tx, status_id, revision)
    result = (await get_results(tx, [screening_id])).get(screening_id) if screening_id else None
    clause = result.clause if result else None
    await record_label(tx, ("status", status_id, revision), Outcome.HOLD, clause=clause, source="decision", by=by)
    await mark_removed(tx, status_id, revision, clause=clause)
    await enqueue(tx, "remember_text", {"status_id": status_id})


async def show_revision(tx: Tx, row: LockedRow, revision: int, moment: datetime, *, limited: bool = False) -> None:
    """Make `revision` the public one of the locked status `row`.

    A status that people hid or removed keeps that state: an edit does not bring it back.
    """
    first = row.state == "held"
    state = "published" if first else row.state
    if limited and state == "published":
        state = "limited"
    await store_writes.update_shown_revision(tx, row.id, revision, state, moment if revision > 1 else None)
    shown = await store_writes.get_locked(tx, row.id)
    assert shown is not None
    if row.media_ids or shown.media_ids:
        await settle_media(tx, row.id)
    if row.poll_id is not None and row.poll_id != shown.poll_id:
        await store_polls.delete_poll(tx, row.poll_id)
    if state not in ("published", "limited"):
        return
    tags = await get_tag_ids(tx, {name: name for name in shown.tags})
    await store_writes.replace_status_tags(tx, row.id, tags)
    await store_writes.insert_status_mentions(tx, row.id, row.account_id, shown.mentioned_ids)
    if first:
        await announce(
            tx,
            row.account_id,
            row.id,
            row.in_reply_to_id,
            row.quote_of_id,
            moment,
            visibility=row.visibility,
            imported=row.imported,
        )
    else:
        await record(tx, StatusEdited(account_id=row.account_id, status_id=row.id, revision=revision))
    if limited and row.state != "limited":
        await note_restriction(tx, row.account_id, row.id, revision, "limited")


async def note_restriction(tx: Tx, account_id: int, status_id: int, revision: int, state: str) -> None:
    """Note that screening restricted a status which its author believes published: they are owed the reasons."""
    screening_id = await store_judged.get_screening_id(tx, status_id, revision)
    if screening_id is not None:
        fact = StatusRestricted(
            account_id=account_id, status_id=status_id, revision=revision, screening_id=screening_id, state=state
        )
        await record(tx, fact)


async def set_status_state(tx: Tx, status_id: int, state: str) -> None:
    """Put a status into another state, with all that depends on it: the caller decided that it may be so."""
    await store_writes.update_state(tx, status_id, state)
    await settle_media(tx, status_id)


async def settle_media(tx: Tx, status_id: int) -> None:
    """Let exactly those files of a status be served to everybody that a revision which others may read carries."""
    await withhold_media(tx, status_id, shown=await store_writes.list_shown_media(tx, status_id))


async def refresh_status(tx: Tx, status_id: int) -> None:
    """Make readers see what changed about a status outside of its own row, such as a media description."""
    await store_writes.update_version(tx, status_id)
