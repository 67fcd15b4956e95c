"""Changing accounts. Every revision of a profile is screened in the transaction that stores it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, UniqueViolation, get_new_id
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.kit.limits import bucket_of, check_rate
from parley.kit.live import Message, publish
from parley.kit.settings import Settings
from parley.screening import Facts, Outcome
from parley.social.accounts import profiles, store
from parley.social.accounts.names import check_username
from parley.social.accounts.profiles import Profile, ProfileChange
from parley.social.accounts.reads import find_addresses, get_own_account, get_screening_facts
from parley.social.accounts.restrictions import check_may_post
from parley.social.accounts.views import AccountView, Viewer
from parley.social.events.actions import record
from parley.social.events.facts import AccountUnlocked, ProfileUpdated
from parley.social.verdicts.actions import Screened, Subject, screen
from parley.social.verdicts.labels import record_label
from parley.social.verdicts.reads import get_results

MOST_REVISIONS = 60
"""New profiles in an hour."""

State = Literal["pending", "active", "limited", "suspended", "deleted"]


class NewAccount(msgspec.Struct, frozen=True, kw_only=True):
    """A member to be. `by_operator` allows a reserved name; `role` is the badge."""

    username: str
    display_name: str = ""
    note: str = ""
    state: Literal["pending", "active"] = "active"
    role: Literal["member", "moderator", "admin", "owner"] = "member"
    bot: bool = False
    locked: bool = False
    discoverable: bool = True
    indexable: bool = True
    by_operator: bool = False


async def create_account(tx: Tx, settings: Settings, new: NewAccount) -> int:
    """Add a member with a first, screened profile; returns the account's id.

    When screening holds that profile, the account begins as `pending`, as if it had to be approved, with an
    empty profile beside the held one. Raises Invalid for a name that cannot be taken, Rejection when policy
    refuses it.
    """
    username = check_username(new.username, may_be_reserved=new.by_operator)
    if await store.list_by_address(tx, [(username, None)]):
        raise _taken()
    account_id = await get_new_id(tx)
    typed = profiles.with_changes(Profile(), ProfileChange(display_name=new.display_name, note=new.note))
    profile = await _render(tx, settings, typed)
    facts = Facts(now=now(), role=new.role)
    subject = Subject("profile", account_id, 1, account_id)
    screened = await screen(tx, subject, profiles.describe(username, profile), facts)
    shown = Profile() if screened.held else profile
    try:
        await store.insert_account(
            tx,
            account_id,
            username,
            "pending" if screened.held else new.state,
            shown.display_name,
            shown.note,
            shown.note_html,
            shown.fields,
            shown.emojis,
            new.role,
            new.bot,
            new.locked,
            new.discoverable,
            new.indexable,
            profiles.member_uri(settings, username),
            profiles.member_url(settings, username),
            screened.id,
        )
    except UniqueViolation as error:
        raise _taken() from error
    sentence = screened.verdict.sentence if screened.held else ""
    await store.insert_profile_revision(tx, account_id, 1, shown, screened.id, held=False, sentence="")
    if screened.held:
        await store.insert_profile_revision(tx, account_id, 2, profile, screened.id, held=True, sentence=sentence)
        await store.update_held_revision(tx, account_id, 2)
    return account_id


def _taken() -> Invalid:
    return Invalid(fields={"username": [("ERR_TAKEN", "has already been taken; please choose another")]})


async def _render(tx: Tx, settings: Settings, profile: Profile) -> Profile:
    rows = await find_addresses(tx, settings, profiles.addressed(profile))
    return profiles.rendered(settings, profile, profiles.known_people(settings, rows))


async def update_profile(tx: Tx, settings: Settings, viewer: Viewer, change: ProfileChange) -> AccountView:
    """Change the viewer's own profile; returns it as its owner sees it.

    Switches apply at once. Words and pictures make a new revision that is screened: when it is held, others
    keep seeing the old one and the returned view says so; when it is rejected, Rejection is raised and
    nothing changes.
    """
    row = await store.get_profile_for_update(tx, viewer.account_id)
    if row is None or row.domain is not None:
        raise NotFound
    if row.state in ("suspended", "deleted"):
        raise Forbidden("Your account is suspended, so its profile cannot be changed.")
    before = msgspec.convert(row.held or row.profile, Profile)
    typed = profiles.with_changes(before, change)
    await _apply_switches(tx, viewer.account_id, change)
    if change.locked is False:
        await record(tx, AccountUnlocked(account_id=viewer.account_id))
    if _words(typed) != _words(before):
        check_may_post(viewer)
        bucket = bucket_of("profile", viewer.account_id)
        await check_rate(tx, settings, bucket, MOST_REVISIONS, timedelta(hours=1))
        profile = await _render(tx, settings, typed)
        revision = row.newest_revision + 1
        facts = msgspec.structs.replace(await get_screening_facts(tx, viewer.account_id), is_edit=True)
        screened = await screen(
            tx,
            Subject("profile", viewer.account_id, revision, viewer.account_id),
            profiles.describe(row.username, profile),
            facts,
        )
        await _store_revision(tx, viewer.account_id, revision, profile, screened)
        await record(tx, ProfileUpdated(account_id=viewer.account_id, revision=revision, held=screened.held))
    return await get_own_account(tx, viewer)


def _words(profile: Profile) -> Profile:
    """What the owner decides of a profile: what is rendered from it left out."""
    rows = tuple(msgspec.structs.replace(row, value_html="", verified_at=None) for row in profile.fields)
    return msgspec.structs.replace(profile, note_html="", emojis=(), fields=rows)


async def _apply_switches(tx: Tx, account_id: int, change: ProfileChange) -> None:
    flags = (
        change.bot,
        change.locked,
        change.discoverable,
        change.indexable,
        change.hide_collections,
        change.show_media,
        change.show_media_replies,
        change.show_featured,
    )
    sites = None
    if change.attribution_domains is not None:
        sites = profiles.read_domains(change.attribution_domains)
    if sites is not None or any(flag is not None for flag in flags):
        await store.update_flags(tx, account_id, flags, sites)


async def _store_revision(tx: Tx, account_id: int, revision: int, profile: Profile, screened: Screened) -> None:
    sentence = screened.verdict.sentence if screened.held else ""
    await store.insert_profile_revision(
        tx, account_id, revision, profile, screened.id, held=screened.held, sentence=sentence
    )
    if screened.held:
        await store.update_held_revision(tx, account_id, revision)
    else:
        await show_profile(tx, account_id, revision, profile, screened.id)


async def show_profile(tx: Tx, account_id: int, revision: int, profile: Profile, screening_id: int) -> None:
    """Show one revision to everybody; nothing waits any more. Whether it may be shown was decided before."""
    avatar, header = profile.avatar, profile.header
    await store.update_profile(
        tx,
        account_id,
        profile.display_name,
        profile.note,
        profile.note_html,
        profile.fields,
        profile.emojis,
        avatar.file if avatar else None,
        avatar.static_file if avatar else None,
        header.file if header else None,
        header.static_file if header else None,
        profile.avatar_description,
        profile.header_description,
        revision,
        screening_id,
    )


async def decide_held_profile(
    tx: Tx, account_id: int, revision: int, *, publish: bool, by_people: bool = True, by: int | None = None
) -> None:
    """Let a held revision through, or drop it so that the profile stays as it is shown.

    For moderators' decisions (`by`), by which the judge is measured, and without `by_people` for another verdict:
    callers check who may decide. Raises NotFound when that revision does not wait (any more).
    """
    row = await store.get_profile_for_update(tx, account_id)
    held = await store.get_profile_revision(tx, account_id, revision)
    if row is None or held is None or row.held_revision != revision:
        raise NotFound
    await store.update_revision_decided(tx, account_id, revision)
    if publish:
        await show_profile(tx, account_id, revision, msgspec.convert(held.profile, Profile), held.screening_id)
    else:
        await store.update_held_revision(tx, account_id, None)
    if by_people:
        await _label(tx, account_id, revision, held.screening_id, publish=publish, by=by)
    await record(tx, ProfileUpdated(account_id=account_id, revision=revision, held=not publish))


async def _label(tx: Tx, account_id: int, revision: int, screening_id: int, *, publish: bool, by: int | None) -> None:
    result = (await get_results(tx, [screening_id])).get(screening_id)
    clause = result.clause if result and not publish else None
    outcome = Outcome.ALLOW if publish else Outcome.HOLD
    # A profile that was held at sign-up was judged under the number of the empty one beside it.
    judged = result.revision if result else revision
    await record_label(tx, ("profile", account_id, judged), outcome, clause=clause, source="decision", by=by)


async def set_account_state(tx: Tx, actor: Viewer | None, account_id: int, state: State) -> bool:
    """Set the state of an account; False when it was that already.

    `actor` None is an operator's command. A member may only delete the own account; everything else takes
    staff, who cannot turn on themselves.
    """
    if actor is not None:
        own = actor.account_id == account_id
        if not (own and state == "deleted") and (own or not actor.is_staff):
            raise Forbidden
    if not await store.update_state(tx, account_id, state):
        return False
    if state == "active":
        await _show_first_profile(tx, account_id)
    await publish(tx, Message("account_changed", account_ids=(account_id,)))
    return True


async def remove_pending_account(tx: Tx, account_id: int) -> bool:
    """Delete a member who was turned away or never confirmed the address; False when the account had begun, or is
    under a legal hold."""
    return await store.delete_pending(tx, account_id)


async def _show_first_profile(tx: Tx, account_id: int) -> None:
    """Who lets an account in that was held at sign-up lets through what it was held for."""
    first = await store.get_profile_revision(tx, account_id, 1)
    held = await store.get_profile_revision(tx, account_id, 2)
    # Both were stored at sign-up, so they share the one result of screening.
    if first is not None and held is not None and held.held and held.screening_id == first.screening_id:
        await decide_held_profile(tx, account_id, 2, publish=True)


async def set_account_role(tx: Tx, account_id: int, role: str) -> None:
    """Set the badge. The rule of who may do so is with the sessions room, which calls this."""
    await store.update_role(tx, account_id, role)


async def set_merge_on_read(tx: Tx, account_id: int, merge: bool = True) -> None:
    """Set whether this author's posts are merged into home timelines when those are read."""
    await store.update_merge_on_read(tx, account_id, merge)


async def change_follow_counts(tx: Tx, account_id: int, target_id: int, by: int) -> None:
    """`account_id` follows `by` (1 or -1) more accounts, `target_id` is followed by as many more."""
    changes = {account_id: (0, by), target_id: (by, 0)}
    for id_ in sorted(changes):  # in one order always, so that two such writes cannot wait for each other
        followers, following = changes[id_]
        await store.update_counters(tx, id_, followers=followers, following=following)


async def change_statuses_count(tx: Tx, account_id: int, by: int, *, posted_at: datetime | None = None) -> None:
    """`account_id` has `by` more statuses of its own; `posted_at` is given when it has just posted."""
    await store.update_counters(tx, account_id, statuses=by, posted_at=posted_at)


async def change_boosts_count(tx: Tx, account_id: int, by: int, *, posted_at: datetime | None = None) -> None:
    """`account_id` has boosted `by` more statuses; they are shown among its statuses, but earn it no trust."""
    await store.update_counters(tx, account_id, statuses=by, boosts=by, posted_at=posted_at)
