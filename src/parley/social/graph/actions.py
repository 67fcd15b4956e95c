"""Changes of the graph between two accounts: follow, request, block, mute, note, endorse.

Every change of a pair takes the pair's lock first, so that a follow and a block at the same moment cannot
both win, and moves the counters in the same transaction by what the database says really changed. Changes of
lists are in list_actions.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.kit.jobs import enqueue
from parley.social.accounts.actions import change_follow_counts
from parley.social.accounts.reads import get_account, get_account_views
from parley.social.accounts.views import AccountView, Viewer
from parley.social.events.actions import record
from parley.social.events.facts import (
    Blocked,
    Fact,
    Followed,
    FollowRequestDeleted,
    FollowRequested,
    Muted,
    Unblocked,
    Unfollowed,
    Unmuted,
)
from parley.social.graph import store, store_blocks, store_lists, store_people
from parley.social.graph.list_actions import add_to_list as add_to_list
from parley.social.graph.list_actions import create_list as create_list
from parley.social.graph.list_actions import delete_list as delete_list
from parley.social.graph.list_actions import remove_from_list as remove_from_list
from parley.social.graph.list_actions import update_list as update_list
from parley.social.graph.reads import SHOWN_STATES, get_relationship
from parley.social.graph.views import RelationshipView

MOST_FOLLOWS = 7500
FOLLOWS_PER_FOLLOWER = 1.1
MOST_NOTE_CHARACTERS = 2000
LONGEST_TYPED_DOMAIN = 300
LONGEST_MUTE = timedelta(days=3650)
_LANGUAGE = re.compile(r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
_DOMAIN = re.compile(r"^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}(:\d{1,5})?$")


async def _lock_target(tx: Tx, viewer: Viewer, target_id: int, verb: str) -> None:
    """Refuse to act on oneself, then take the pair's lock."""
    if target_id == viewer.account_id:
        raise Forbidden(f"You cannot {verb} yourself.")
    await store.lock_pair(tx, viewer.account_id, target_id)


async def _known_account(tx: Tx, account_id: int) -> AccountView:
    """The account in whatever state, so that what binds one to a suspended account can be undone."""
    found = await get_account_views(tx, [account_id])
    if account_id not in found:
        raise NotFound
    return found[account_id]


# ---- follow --------------------------------------------------------------------------------------


async def follow_account(
    tx: Tx,
    viewer: Viewer,
    target_id: int,
    *,
    reblogs: bool | None = None,
    notify: bool | None = None,
    languages: Sequence[str] | None = None,
) -> RelationshipView:
    """Follow, or ask to where the target approves its followers; again: change the options.

    An option that is None keeps its value (first: boosts shown, no notifications, every language); an empty
    `languages` means every language. Raises NotFound for an invisible target, Forbidden where one blocks the
    other, Invalid beyond the limit on followed accounts.
    """
    wanted = _check_languages(languages)
    await _lock_target(tx, viewer, target_id, "follow")
    target = await get_account(tx, viewer, target_id)
    if target.state not in SHOWN_STATES:  # staff may see it, but nobody may follow it
        raise NotFound
    if await store.has_follow(tx, viewer.account_id, target_id):
        await store.upsert_follow(tx, viewer.account_id, target_id, reblogs, notify, wanted)
        return await get_relationship(tx, viewer, target_id)
    if await store_blocks.has_block_either(tx, viewer.account_id, target_id):
        raise Forbidden
    if target.domain is not None and await store_blocks.has_domain_block(tx, viewer.account_id, target.domain):
        raise Forbidden
    source = await _known_account(tx, viewer.account_id)
    _check_follow_limit(source)
    if target.locked or target.domain is not None or source.state == "limited":
        if await store.upsert_follow_request(tx, viewer.account_id, target_id, reblogs, notify, wanted):
            await record(tx, FollowRequested(account_id=viewer.account_id, target_id=target_id))
        return await get_relationship(tx, viewer, target_id)
    asked = await store.delete_follow_request(tx, viewer.account_id, target_id)
    if asked is not None:
        reblogs = asked.show_reblogs if reblogs is None else reblogs
        notify = asked.notify if notify is None else notify
        wanted = asked.languages if wanted is None else wanted
    await _begin_follow(tx, viewer.account_id, target_id, reblogs, notify, wanted)
    return await get_relationship(tx, viewer, target_id)


def _check_languages(languages: Sequence[str] | None) -> list[str] | None:
    if languages is None:
        return None
    chosen = list(dict.fromkeys(language for language in languages if language))
    wrong = [language for language in chosen if not _LANGUAGE.match(language)]
    if wrong or len(chosen) > 100:
        raise Invalid("Validation failed: languages must be ISO 639 codes such as en or pt-BR.")
    return chosen


def _check_follow_limit(source: AccountView) -> None:
    most = max(MOST_FOLLOWS, int(source.followers_count * FOLLOWS_PER_FOLLOWER))
    if source.domain is None and source.following_count >= most:
        raise Invalid(f"Validation failed: you cannot follow more than {most} people.")


async def _begin_follow(
    tx: Tx,
    account_id: int,
    target_id: int,
    reblogs: bool | None,
    notify: bool | None,
    languages: list[str] | None,
) -> None:
    if await store.upsert_follow(tx, account_id, target_id, reblogs, notify, languages):
        await change_follow_counts(tx, account_id, target_id, 1)
        await record(tx, Followed(account_id=account_id, target_id=target_id))


async def _end_follow(tx: Tx, account_id: int, target_id: int) -> None:
    """End a follow if there is one, with all that hangs on it: counters, places in lists, the fact."""
    await store_lists.delete_from_lists_of(tx, account_id, target_id)
    if await store.delete_follow(tx, account_id, target_id):
        await change_follow_counts(tx, account_id, target_id, -1)
        await record(tx, Unfollowed(account_id=account_id, target_id=target_id))


async def _end_request(tx: Tx, account_id: int, target_id: int) -> bool:
    if await store.delete_follow_request(tx, account_id, target_id) is None:
        return False
    await record(tx, FollowRequestDeleted(account_id=account_id, target_id=target_id))
    return True


async def unfollow_account(tx: Tx, viewer: Viewer, target_id: int) -> RelationshipView:
    """End the viewer's follow, or take back the request; the target leaves the viewer's lists."""
    await _lock_target(tx, viewer, target_id, "unfollow")
    await _known_account(tx, target_id)
    await _end_follow(tx, viewer.account_id, target_id)
    await _end_request(tx, viewer.account_id, target_id)
    return await get_relationship(tx, viewer, target_id)


async def remove_follower(tx: Tx, viewer: Viewer, follower_id: int) -> RelationshipView:
    """End the follow of somebody who follows the viewer, without a block."""
    await _lock_target(tx, viewer, follower_id, "remove")
    await _known_account(tx, follower_id)
    await _end_follow(tx, follower_id, viewer.account_id)
    return await get_relationship(tx, viewer, follower_id)


async def authorize_follow(tx: Tx, viewer: Viewer, account_id: int) -> RelationshipView:
    """Let `account_id`, who asked, follow the viewer; NotFound when it did not ask."""
    await _lock_target(tx, viewer, account_id, "answer")
    asked = await store.delete_follow_request(tx, account_id, viewer.account_id)
    if asked is None:
        raise NotFound
    await _begin_follow(tx, account_id, viewer.account_id, asked.show_reblogs, asked.notify, asked.languages)
    return await get_relationship(tx, viewer, account_id)


async def reject_follow(tx: Tx, viewer: Viewer, account_id: int) -> RelationshipView:
    """Turn down the request of `account_id`, who is not told; NotFound when it did not ask."""
    await _lock_target(tx, viewer, account_id, "answer")
    if not await _end_request(tx, account_id, viewer.account_id):
        raise NotFound
    return await get_relationship(tx, viewer, account_id)


# ---- block and mute ------------------------------------------------------------------------------


async def block_account(tx: Tx, viewer: Viewer, target_id: int) -> RelationshipView:
    """Block: follows, requests, places in lists and endorsements between the two end, both ways."""
    await _lock_target(tx, viewer, target_id, "block")
    await _known_account(tx, target_id)
    if await store_blocks.insert_block(tx, viewer.account_id, target_id):
        await end_follows_between(tx, viewer.account_id, target_id)
        await record(tx, Blocked(account_id=viewer.account_id, target_id=target_id))
    return await get_relationship(tx, viewer, target_id)


async def unblock_account(tx: Tx, viewer: Viewer, target_id: int) -> RelationshipView:
    """Lift the block; what it ended does not come back."""
    await _lock_target(tx, viewer, target_id, "unblock")
    await _known_account(tx, target_id)
    if await store_blocks.delete_block(tx, viewer.account_id, target_id):
        await record(tx, Unblocked(account_id=viewer.account_id, target_id=target_id))
    return await get_relationship(tx, viewer, target_id)


async def mute_account(
    tx: Tx,
    viewer: Viewer,
    target_id: int,
    *,
    notifications: bool = True,
    duration: timedelta | None = None,
) -> RelationshipView:
    """Mute for `duration` (None or zero: no end), notifications too unless told otherwise; follows stay."""
    if duration is not None and not timedelta(0) <= duration <= LONGEST_MUTE:
        raise Invalid("Validation failed: duration must be 0 (no end) or up to ten years, in seconds.")
    await _lock_target(tx, viewer, target_id, "mute")
    await _known_account(tx, target_id)
    ends = now() + duration if duration else None
    if await store_blocks.upsert_mute(tx, viewer.account_id, target_id, notifications, ends):
        await record(tx, Muted(account_id=viewer.account_id, target_id=target_id))
    return await get_relationship(tx, viewer, target_id)


async def unmute_account(tx: Tx, viewer: Viewer, target_id: int) -> RelationshipView:
    """Lift the mute."""
    await _lock_target(tx, viewer, target_id, "unmute")
    await _known_account(tx, target_id)
    if await store_blocks.delete_mute(tx, viewer.account_id, target_id):
        await record(tx, Unmuted(account_id=viewer.account_id, target_id=target_id))
    return await get_relationship(tx, viewer, target_id)


async def expire_due_mutes(tx: Tx, *, limit: int = 500) -> int:
    """Lift mutes whose time is over, as if their owners had; returns how many. Called by a job."""
    ended = await store_blocks.delete_expired_mutes(tx, now(), limit)
    facts: list[Fact] = [Unmuted(account_id=account_id, target_id=target_id) for account_id, target_id in ended]
    for fact in facts:
        await record(tx, fact)
    return len(ended)


async def block_domain(tx: Tx, viewer: Viewer, domain: str) -> None:
    """Have nothing to do with another instance: its accounts cannot be followed, a job ends what is there.

    Raises Invalid unless `domain` is the name of a host.
    """
    name = _check_domain(domain)
    if await store_blocks.insert_domain_block(tx, viewer.account_id, name):
        await enqueue(tx, "leave_blocked_domain", {"account_id": viewer.account_id, "domain": name})


async def unblock_domain(tx: Tx, viewer: Viewer, domain: str) -> None:
    """Lift the block of a domain; what it ended does not come back."""
    await store_blocks.delete_domain_block(tx, viewer.account_id, _check_domain(domain))


def _check_domain(domain: str) -> str:
    """The domain in lower case, in its ASCII form (RFC 5890)."""
    try:
        # Encoding takes seconds for a text without end, and no host has a name as long as this.
        name = (
            domain[:LONGEST_TYPED_DOMAIN].strip().removeprefix("https://").strip("/.").encode("idna").decode().lower()
        )
    except UnicodeError:
        name = ""
    if not _DOMAIN.match(name):
        raise Invalid("Validation failed: domain must be the name of a host, such as other.example.")
    return name


async def end_follows_between(tx: Tx, one_id: int, other_id: int) -> None:
    """End follows, requests and endorsements between two accounts, both ways. Called by a job."""
    await store.lock_pair(tx, one_id, other_id)
    for source, target in ((one_id, other_id), (other_id, one_id)):
        await _end_follow(tx, source, target)
        await _end_request(tx, source, target)
        await store_people.delete_endorsement(tx, source, target)


# ---- notes, endorsements, suggestions ------------------------------------------------------------


async def set_account_note(tx: Tx, viewer: Viewer, target_id: int, comment: str) -> RelationshipView:
    """Keep a private note about somebody; an empty one is forgotten. Nobody else ever reads it."""
    await _known_account(tx, target_id)
    text = comment.replace("\x00", "")
    if len(text) > MOST_NOTE_CHARACTERS:
        raise Invalid(f"Validation failed: the note is longer than {MOST_NOTE_CHARACTERS} characters.")
    if text.strip():
        await store_people.upsert_note(tx, viewer.account_id, target_id, text)
    else:
        await store_people.delete_note(tx, viewer.account_id, target_id)
    return await get_relationship(tx, viewer, target_id)


async def endorse(tx: Tx, viewer: Viewer, target_id: int) -> RelationshipView:
    """Feature a followed account on the viewer's profile; Invalid unless it is followed."""
    await _lock_target(tx, viewer, target_id, "feature")
    await get_account(tx, viewer, target_id)
    if not await store.has_follow(tx, viewer.account_id, target_id):
        raise Invalid("Validation failed: you must be following the account that you want to feature.")
    await store_people.insert_endorsement(tx, viewer.account_id, target_id)
    return await get_relationship(tx, viewer, target_id)


async def unendorse(tx: Tx, viewer: Viewer, target_id: int) -> RelationshipView:
    """Feature the account no longer."""
    await _known_account(tx, target_id)
    await store_people.delete_endorsement(tx, viewer.account_id, target_id)
    return await get_relationship(tx, viewer, target_id)


async def dismiss_suggestion(tx: Tx, viewer: Viewer, target_id: int) -> None:
    """Never suggest `target_id` to the viewer again; unknown accounts are ignored."""
    if target_id in await get_account_views(tx, [target_id]):
        await store_people.insert_dismissal(tx, viewer.account_id, target_id)
