"""Decisions about what a sweep has just done to posts. What it does, stands in applying.py."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx
from parley.kit.settings import Settings
from parley.safety.decisions.stating import Done, state_reasons
from parley.safety.decisions.views import ActionKind
from parley.safety.log.views import Subject
from parley.safety.sweeps.actions import ME
from parley.safety.sweeps.store import NewChange

_ACTIONS: dict[str, ActionKind] = {"hidden": "hide", "limited": "limit"}
"""What restricts a post as others see it now. Of an older revision, a description or a profile see ADR 0023."""


async def decide_changes(
    tx: Tx, settings: Settings, changes: Sequence[NewChange], *, interim: bool = False
) -> list[NewChange]:
    """Make a decision about each change that restricts a post; returns all changes, those with their decision.

    `interim`: nobody has approved the sweep, but it could not wait.
    """
    chosen = [change for change in changes if change.kind in _ACTIONS and _was_seen(change)]
    done = [
        Done(
            account_id=change.account_id,
            kind=_ACTIONS[change.kind],
            subject=Subject("status", change.subject_id, change.revision),
            clause=change.clause,
            before={"state": change.before["state"]},
            sentence=change.sentence,
        )
        for change in chosen
    ]
    ids = await state_reasons(tx, settings, ME, done, kind="interim" if interim else "sweep")
    decided = {id(change): decision_id for change, decision_id in zip(chosen, ids, strict=True)}
    return [msgspec.structs.replace(change, decision_id=decided.get(id(change))) for change in changes]


def _was_seen(change: NewChange) -> bool:
    """Whether others could read it. What waits for its first decision gets one when a person has looked at it."""
    return change.before["state"] in ("published", "limited") and change.before["held_revision"] != change.revision
