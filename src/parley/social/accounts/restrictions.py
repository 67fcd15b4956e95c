"""What moderators decided that an account may not do, and the one rule that refuses it.

Whoever imposes or ends a restriction has decided that it may be so, and tells open connections and kept tokens of the
account (`publish_account_changed` of the sessions room): that is the desk's. `limit_account`, `suspend` and
`terminate` change the account's state, which every read looks at; `suspend`, `terminate`, `freeze` and
`restrict_posting` are refused by the rules below, which doors and actions call.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Forbidden
from parley.kit.settings import Settings
from parley.social.accounts import store, store_restrictions
from parley.social.accounts.store_restrictions import RestrictionRow
from parley.social.accounts.views import Restriction, Viewer

SHUT = frozenset({"suspend", "terminate"})
"""Restrictions under which a member may only read what was decided, appeal, and take the own data away."""
READ_ONLY = frozenset({"suspend", "terminate", "freeze"})
"""Restrictions under which nothing may be written, but for what protects or concerns the member alone."""
_STATES = {"limit_account": "limited", "suspend": "suspended", "terminate": "suspended"}
_WORDS = {
    "restrict_posting": "Your account may not post",
    "freeze": "Your account is frozen: you can read, but not write",
    "suspend": "Your account is suspended",
    "terminate": "Your account has been ended",
}


class Restricted(Forbidden):
    """403: moderators decided that this account may not do this now."""

    code = "restricted"


def describe_restriction(restriction: Restriction) -> str:
    """What may not be done, under which clause, until when, and where to appeal: sentences for the member."""
    text = _WORDS[restriction.kind]
    if restriction.until is not None:
        text += f" until {restriction.until:%d %B %Y, %H:%M} UTC"
    if restriction.clause:
        text += f" (rule {restriction.clause}: {restriction.title})"
    return f"{text}. What was decided, and how to appeal: {restriction.page}"


def is_in_force(restriction: Restriction | None, moment: datetime) -> bool:
    """Whether there is one, and it has not ended."""
    return restriction is not None and (restriction.until is None or restriction.until > moment)


def check_may_post(viewer: Viewer) -> None:
    """Raise Restricted when the viewer may not publish anything now. Every action that makes something public asks."""
    restriction = viewer.restriction
    if restriction is not None and is_in_force(restriction, now()):
        raise Restricted(describe_restriction(restriction))


def check_may_write(viewer: Viewer) -> None:
    """Raise Restricted when the viewer may only read now. Doors ask before every write, but for a few."""
    restriction = viewer.restriction
    if restriction is not None and restriction.kind in READ_ONLY and is_in_force(restriction, now()):
        raise Restricted(describe_restriction(restriction))


def check_may_enter(viewer: Viewer) -> None:
    """Raise Restricted when the viewer is shut out now. Doors ask before everything, but for a few pages."""
    restriction = viewer.restriction
    if restriction is not None and restriction.kind in SHUT and is_in_force(restriction, now()):
        raise Restricted(describe_restriction(restriction))


def read_restriction(found: dict[str, Any] | None, base_url: str) -> Restriction | None:
    """What the database says of the gravest restriction (`gravest_restriction`), None for none."""
    if found is None:
        return None
    read = msgspec.convert(found, Restriction)
    return msgspec.structs.replace(read, page=f"{base_url}/moderation/decisions/{read.decision_id}")


async def get_restriction(tx: Tx, settings: Settings, account_id: int) -> Restriction | None:
    """The gravest restriction of an account now; one query."""
    return read_restriction(await store_restrictions.get_gravest(tx, account_id), settings.base_url)


async def list_restrictions(tx: Tx, account_id: int) -> list[RestrictionRow]:
    """All that are in force, for the desk."""
    return await store_restrictions.list_restrictions(tx, account_id)


async def impose_restriction(
    tx: Tx,
    account_id: int,
    action_id: int,
    *,
    kind: str,
    decision_id: int,
    clause: str | None,
    title: str,
    until: datetime | None,
) -> None:
    """Put a restriction into force; `action_id` is what it is known by."""
    await store_restrictions.lock_account(tx, account_id)
    state = await store_restrictions.get_state(tx, account_id)
    if state is None:
        return
    rows = await store_restrictions.list_restrictions(tx, account_id)
    found = next((row.found_state for row in rows if row.kind in _STATES), state)
    await store_restrictions.insert_restriction(
        tx, action_id, account_id, decision_id, kind, clause, title, until, found
    )
    if kind in _STATES and state != "deleted":
        kinds = {row.kind for row in rows} | {kind}
        await store.update_state(tx, account_id, _state_of(found, kinds))


async def set_sensitized(tx: Tx, account_id: int, sensitized: bool) -> bool:
    """Mark all media of an account as sensitive for every reader, or no longer; False when it was so already."""
    return await store_restrictions.update_sensitized(tx, account_id, sensitized)


async def lift_restriction(tx: Tx, account_id: int, action_id: int) -> bool:
    """End a restriction; False when there is none of that name (any more).

    The account is then what its other restrictions make of it, and without any what it was before. A state that
    somebody else has given it meanwhile stays.
    """
    await store_restrictions.lock_account(tx, account_id)
    rows = await store_restrictions.list_restrictions(tx, account_id)
    ended = next((row for row in rows if row.action_id == action_id), None)
    if ended is None:
        return False
    await store_restrictions.delete_restriction(tx, action_id)
    if ended.kind in _STATES:
        state = await store_restrictions.get_state(tx, account_id)
        kinds = {row.kind for row in rows}
        left = {row.kind for row in rows if row.action_id != action_id}
        if state == _state_of(ended.found_state, kinds):
            await store.update_state(tx, account_id, _state_of(ended.found_state, left))
    return True


def _state_of(found: str, kinds: set[str]) -> str:
    """What an account is that was `found` before, under restrictions of these kinds."""
    order = ("limited", "suspended", "deleted")
    states = [_STATES[kind] for kind in kinds if kind in _STATES]
    graver = [state for state in states if found not in order or order.index(state) > order.index(found)]
    return max(graver, key=order.index, default=found)
