"""What each action does, and the exact way back. Everything happens in the transaction of the decision.

Of several actions in force about one subject the gravest counts, and each remembers what was there before any of them
(`before`). So they can be taken back in any order, and when the last one is, everything is as it was found; but what
others did meanwhile (its author deleted it, or has another profile by now) stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import Conflict, NotFound
from parley.safety.decisions import store
from parley.safety.decisions.kinds import (
    GENTLE,
    MEDIA_KINDS,
    REMOVALS,
    RESTRICTIONS,
    STATUS_MEDIA_KINDS,
    STATUS_STATES,
    state_under,
)
from parley.safety.decisions.store import ActionRow
from parley.safety.decisions.views import Before, NewAction, ReversalKind
from parley.social.accounts.actions import decide_held_profile
from parley.social.accounts.judged import (
    Blanked,
    blank_profile,
    get_profile_place,
    hold_profile_again,
    restore_profile,
)
from parley.social.accounts.restrictions import impose_restriction, lift_restriction, set_sensitized
from parley.social.media.actions import hide_files, take_media_down
from parley.social.media.judged import hold_description_again, release_description
from parley.social.media.reads import AttachmentPlace, list_attachments
from parley.social.sessions.tokens import publish_account_changed
from parley.social.statuses.copies import unmark_removed
from parley.social.statuses.enforcing import (
    OPEN,
    Enforced,
    end_required_change,
    hold_edit_again,
    hold_published,
    lock_status,
    mark_status,
    move_status,
    require_change,
    restore_history,
)
from parley.social.statuses.for_evidence import has_part_in
from parley.social.statuses.publishing import drop_held_revision, publish_held_status, refresh_status

CHANGED = "Its author has changed this since you looked at it. Look at it again, and decide about the new revision."


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What every action of one decision shares. `by` is the person who decides, None for a machine or a jury."""

    decision_id: int
    account_id: int
    clause: str | None
    title: str
    by: int | None
    moment: datetime
    people: bool
    """Whether people decide: only then the judge is measured by it."""


class Applied(msgspec.Struct, frozen=True):
    """What was found. `kind` is what the action turned out to be; `revision` the one that it is about; `labelled`:
    the judge has been told already."""

    kind: str
    before: Before
    revision: int | None
    labelled: bool = False


async def apply_action(tx: Tx, ground: Ground, action_id: int, action: NewAction, ends_at: datetime | None) -> Applied:
    """Do it. Raises NotFound for what is not the account's, Conflict for what has changed meanwhile."""
    kind, subject = action.kind, action.subject
    if kind in RESTRICTIONS:
        return await _restrict(tx, ground, action_id, action, ends_at)
    if subject.type == "status":
        return await _apply_to_status(tx, ground, action)
    if subject.type == "profile":
        return await _apply_to_profile(tx, ground, action)
    if subject.type == "media":
        return await _apply_to_media(tx, ground, action)
    if subject.id != ground.account_id and subject.type == "account":
        raise NotFound
    if subject.type == "conversation" and not await has_part_in(tx, subject.id, ground.account_id):
        raise NotFound
    if kind == "sensitive":
        found = not await set_sensitized(tx, subject.id, True)
        held = [one for one in await store.list_in_force(tx, "account", subject.id) if one.kind == "sensitive"]
        return Applied(kind, {"sensitized": held[0].before["sensitized"] if held else found}, None)
    return Applied(kind, {}, None)


async def reverse_action(tx: Tx, action: ActionRow, *, kind: ReversalKind, by: int | None) -> None:
    """Put back what was there. `kind` appeal: what waited when it was refused is shown now, for that was wrong."""
    others = [
        one for one in await store.list_in_force(tx, action.subject_type, action.subject_id) if one.id != action.id
    ]
    if action.kind in RESTRICTIONS:
        if await lift_restriction(tx, action.account_id, action.id):
            await publish_account_changed(tx, action.account_id)
    elif action.subject_type == "status":
        await _reverse_on_status(tx, action, others, kind)
    elif action.subject_type == "profile":
        await _reverse_on_profile(tx, action, kind, by)
    elif action.subject_type == "media" and action.kind in MEDIA_KINDS:
        await _give_media_back(tx, action, others)
    elif "described" in action.before:
        await hold_description_again(tx, action.subject_id, action.before["described"])
        await _refresh_carriers(tx, await list_attachments(tx, [action.subject_id]))
    elif action.kind == "sensitive" and not any(one.kind == "sensitive" for one in others):
        await set_sensitized(tx, action.subject_id, action.before["sensitized"])


# ---- Accounts -----------------------------------------------------------------------------------------------------


async def _restrict(tx: Tx, ground: Ground, action_id: int, action: NewAction, ends_at: datetime | None) -> Applied:
    if action.subject.id != ground.account_id:
        raise NotFound
    await impose_restriction(
        tx,
        ground.account_id,
        action_id,
        kind=action.kind,
        decision_id=ground.decision_id,
        clause=ground.clause,
        title=ground.title,
        until=ends_at,
    )
    await publish_account_changed(tx, ground.account_id)
    return Applied(action.kind, {}, None)


# ---- Statuses -----------------------------------------------------------------------------------------------------


async def _apply_to_status(tx: Tx, ground: Ground, action: NewAction) -> Applied:
    kind, subject = action.kind, action.subject
    status = await lock_status(tx, subject.id)
    if status is None or status.account_id != ground.account_id:
        raise NotFound
    revision = subject.revision if subject.revision is not None else status.waiting or status.revision
    if kind in ("no_action", "publish"):
        return await _let_through(tx, ground, action, status, revision)
    held = await store.list_in_force(tx, "status", subject.id)
    if kind == "remove" and status.held_revision is not None and revision == status.held_revision:
        await drop_held_revision(tx, status.id, revision, by=ground.by)
        return Applied(kind, {"dropped": revision}, revision, labelled=True)
    if kind == "hide" and status.held_revision is not None and revision == status.held_revision:
        return Applied(kind, {}, revision)  # nobody sees it as it is; what is shown is another revision
    before: Before = {}
    if kind in STATUS_MEDIA_KINDS:
        before["media_ids"] = await _take_files(tx, held, status_id=status.id)
    if kind in STATUS_STATES:
        stated = [one for one in held if "state" in one.before and one.kind in STATUS_STATES]
        before["state"] = stated[0].before["state"] if stated else status.state
        await move_status(tx, status.id, state_under(before["state"], [*(one.kind for one in stated), kind]))
        if kind == "require_change":
            await require_change(tx, status.id, status.revision)
    if kind in ("label", "sensitive"):
        label = _label_of(action, ground) if kind == "label" else _newest_label(held)
        await mark_status(tx, status.id, label=label, sensitive=True)
    return Applied(kind, before, revision)


async def _let_through(tx: Tx, ground: Ground, action: NewAction, status: Enforced, revision: int) -> Applied:
    """Publish what waits; what does not wait is left as it is, also by `no_action`, which finds nothing wrong."""
    if status.waiting is not None:
        if revision != status.waiting:
            if action.kind == "publish" or action.subject.revision is None or status.state == "held":
                raise Conflict(CHANGED)
            return Applied(action.kind, {}, revision)  # about the revision that is shown; the newer one waits on
        found: Before = {
            "state": status.state,
            "shown": status.revision,
            "edited_at": status.edited_at,
            "published": revision,
        }
        await publish_held_status(tx, status.id, revision=revision, by=ground.by)
        return Applied("publish", msgspec.to_builtins(found), revision, labelled=True)
    if action.kind == "publish" and status.revision != revision:
        raise Conflict(CHANGED)
    if status.state == "hidden_interim" and not await _is_hidden_by_decision(tx, status.id):
        await move_status(tx, status.id, "published")  # another verdict of the judge had hidden it
        return Applied("publish", {"state": "hidden_interim"}, revision)
    return Applied(action.kind, {}, revision)


async def _is_hidden_by_decision(tx: Tx, status_id: int) -> bool:
    return any(one.kind in STATUS_STATES for one in await store.list_in_force(tx, "status", status_id))


async def _reverse_on_status(tx: Tx, action: ActionRow, others: list[ActionRow], kind: ReversalKind) -> None:
    status_id, before = action.subject_id, action.before
    status = await lock_status(tx, status_id)
    if status is None:
        return
    if "dropped" in before:
        await unmark_removed(tx, status_id, before["dropped"])
        await hold_edit_again(tx, status_id, before["dropped"], show=kind == "appeal")
    elif "published" in before:
        edited_at = before["edited_at"]
        await hold_published(
            tx,
            status_id,
            before["published"],
            state=before["state"],
            shown=before["shown"],
            edited_at=datetime.fromisoformat(edited_at) if edited_at else None,
        )
    elif action.kind == "publish" and "state" in before:
        if status.state in OPEN:
            await move_status(tx, status_id, before["state"])
    elif "state" in before:
        await _restore_state(tx, action, others, status, kind)
    if "media_ids" in before:
        await _give_media_back(tx, action, others)
    if action.kind in ("label", "sensitive"):
        marked = any(one.kind in ("label", "sensitive") for one in others)
        await mark_status(tx, status_id, label=_newest_label(others), sensitive=marked)


async def _restore_state(
    tx: Tx, action: ActionRow, others: list[ActionRow], status: Enforced, kind: ReversalKind
) -> None:
    found = action.before["state"]
    stated = [one.kind for one in others if one.kind in STATUS_STATES and "state" in one.before]
    if action.kind == "require_change" and "require_change" not in stated:
        made = kind == "expiry"
        hidden = await end_required_change(tx, status.id, made=made)
        if hidden:
            await store.update_action_before(tx, action.id, {**action.before, "history": hidden})
        if made and found == "held":
            found = "published"  # what was judged anew need not wait for a decision about what it was
    if kind == "appeal" and found in ("held", "hidden_interim") and not stated:
        found = "published"  # what a machine thought of it was wrong as well
    if action.kind in REMOVALS and not REMOVALS.intersection(stated):
        await unmark_removed(tx, status.id)
    if status.state == state_under(action.before["state"], [*stated, action.kind]):
        await move_status(tx, status.id, state_under(found, stated))


async def restore_ended(tx: Tx, action: ActionRow) -> None:
    """What an appeal can still put back of an action that has ended: revisions that left the history."""
    await restore_history(tx, action.subject_id, action.before.get("history", []))


async def restore_again(tx: Tx, action: ActionRow) -> None:
    """Let an action count again that a decision had ended, when that one is undone. Of a status and its files; anything
    else that a machine did stays ended."""
    if action.kind == "require_change":
        await require_change(tx, action.subject_id, action.revision or 1)
        await restore_history(tx, action.subject_id, action.before.get("history", []))
    if action.subject_type == "status" and action.kind in STATUS_STATES and "state" in action.before:
        held = await store.list_in_force(tx, "status", action.subject_id)
        kinds = [one.kind for one in held if one.kind in STATUS_STATES and "state" in one.before]
        await move_status(tx, action.subject_id, state_under(action.before["state"], kinds))
    if "media_ids" in action.before:
        await take_media_down(tx, [int(id_) for id_ in action.before["media_ids"]], down=True)
        if action.subject_type == "status":
            await refresh_status(tx, action.subject_id)


def _label_of(action: NewAction, ground: Ground) -> str:
    return action.label or ground.title


def _newest_label(held: list[ActionRow]) -> str:
    return next((one.label for one in reversed(held) if one.kind == "label"), "")


# ---- Media --------------------------------------------------------------------------------------------------------


async def _apply_to_media(tx: Tx, ground: Ground, action: NewAction) -> Applied:
    places = await list_attachments(tx, [action.subject.id])
    if not places or places[0].account_id != ground.account_id:
        raise NotFound
    if action.kind not in MEDIA_KINDS:
        released = await release_description(tx, action.subject.id) if action.kind in GENTLE else None
        await _refresh_carriers(tx, places)
        return Applied(action.kind, {"described": released} if released else {}, action.subject.revision)
    held = await store.list_in_force(tx, "media", action.subject.id)
    taken = await _take_files(tx, held, media_id=action.subject.id)
    return Applied(action.kind, {"media_ids": taken}, action.subject.revision)


async def _refresh_carriers(tx: Tx, places: Iterable[AttachmentPlace]) -> None:
    for carrier in {place.status_id for place in places if place.status_id is not None}:
        await refresh_status(tx, carrier)


async def _take_files(
    tx: Tx, held: list[ActionRow], *, status_id: int | None = None, media_id: int | None = None
) -> list[str]:
    """Take files down; returns those that this gives a reason for (ids as text, as all in the log)."""
    places = await list_attachments(tx, [media_id] if media_id else [], status_id=status_id)
    covered = {id_ for one in held for id_ in one.before.get("media_ids", [])}
    ours = [place for place in places if not place.hidden or str(place.id) in covered]
    await take_media_down(tx, [place.id for place in ours if not place.hidden], down=True)
    for carrier in {place.status_id for place in ours if place.status_id is not None}:
        await refresh_status(tx, carrier)
    return [str(place.id) for place in ours]


async def _give_media_back(tx: Tx, action: ActionRow, others: list[ActionRow]) -> None:
    mine = [int(id_) for id_ in action.before.get("media_ids", [])]
    places = await list_attachments(tx, mine)
    covered = {id_ for one in others for id_ in one.before.get("media_ids", [])}
    for place in places:  # a file may be covered by itself, and by its post
        own = await store.list_in_force(tx, "media", place.id)
        post = await store.list_in_force(tx, "status", place.status_id) if place.status_id else []
        for one in (*own, *post):
            if one.id != action.id:
                covered.update(one.before.get("media_ids", []))
    free = [place for place in places if str(place.id) not in covered]
    await take_media_down(tx, [place.id for place in free], down=False)
    for carrier in {place.status_id for place in free if place.status_id is not None}:
        await refresh_status(tx, carrier)


# ---- Profiles -----------------------------------------------------------------------------------------------------


async def _apply_to_profile(tx: Tx, ground: Ground, action: NewAction) -> Applied:
    kind, account_id = action.kind, action.subject.id
    place = await get_profile_place(tx, account_id)
    if place is None or account_id != ground.account_id:
        raise NotFound
    waiting = place.held_revision
    revision = action.subject.revision or (waiting if waiting is not None else place.revision)
    about_waiting = waiting is not None and revision == waiting
    if kind in ("no_action", "publish"):
        if about_waiting:
            await decide_held_profile(tx, account_id, revision, publish=True, by=ground.by, by_people=ground.people)
            return Applied("publish", {"published": revision, "shown": place.revision}, revision, labelled=True)
        if kind == "publish" and revision != place.revision:
            raise Conflict(CHANGED)
        return Applied(kind, {}, revision)
    if kind not in ("hide", "remove"):
        return Applied(kind, {}, revision)
    if about_waiting and kind == "hide":
        return Applied(kind, {}, revision)  # nobody sees it as it is
    if about_waiting:
        await decide_held_profile(tx, account_id, revision, publish=False, by=ground.by, by_people=ground.people)
        return Applied(kind, {"dropped": revision}, revision, labelled=True)
    blanked = await blank_profile(tx, account_id)
    if blanked is None:
        return Applied(kind, {}, revision)
    await hide_files(tx, list(blanked.files), hidden=True)
    return Applied(kind, {"blanked": msgspec.to_builtins(blanked)}, revision)


async def _reverse_on_profile(tx: Tx, action: ActionRow, kind: ReversalKind, by: int | None) -> None:
    before: dict[str, Any] = action.before
    account_id = action.subject_id
    if "blanked" in before:
        blanked = msgspec.convert(before["blanked"], Blanked)
        await hide_files(tx, list(blanked.files), hidden=False)
        await restore_profile(tx, account_id, blanked)
    elif "published" in before:
        await hold_profile_again(tx, account_id, before["published"], shown=before["shown"])
    elif "dropped" in before:
        again = await hold_profile_again(tx, account_id, before["dropped"])
        if again and kind == "appeal":
            await decide_held_profile(tx, account_id, before["dropped"], publish=True, by=by, by_people=False)
