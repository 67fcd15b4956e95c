"""Polls: reading one, and voting once."""

from __future__ import annotations

from collections.abc import Sequence

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import PollVoted
from parley.social.statuses import store_polls
from parley.social.statuses.hydrate import get_status, get_visible_body
from parley.social.statuses.store_polls import PollRow
from parley.social.statuses.views import PollView


async def get_poll(tx: Tx, viewer: Viewer | None, poll_id: int) -> PollView:
    """A poll, as far as its status may be seen; raises NotFound."""
    row = (await store_polls.list_polls(tx, [poll_id], 0)).get(poll_id)
    if row is None or row.status_id is None:
        raise NotFound
    status = await get_status(tx, viewer, row.status_id)
    if status.poll is None or status.poll.id != poll_id:
        raise NotFound
    return status.poll


async def vote_in_poll(tx: Tx, viewer: Viewer, poll_id: int, choices: Sequence[int]) -> PollView:
    """Vote, once and for good, for options by their place (from 0). Raises NotFound, Invalid."""
    row = await store_polls.get_poll_locked(tx, poll_id, viewer.account_id)
    if row is None or row.status_id is None:
        raise NotFound
    body, _ = await get_visible_body(tx, viewer, row.status_id, original=False)
    if body.poll_id != poll_id:
        raise NotFound
    wanted = _check_choices(row, viewer, choices)
    await store_polls.insert_votes(tx, poll_id, viewer.account_id, wanted)
    fact = PollVoted(account_id=viewer.account_id, poll_id=poll_id, status_id=row.status_id)
    await record(tx, fact)
    return await get_poll(tx, viewer, poll_id)


def _check_choices(row: PollRow, viewer: Viewer, choices: Sequence[int]) -> list[int]:
    if row.expires_at <= now() or row.closed_at is not None:
        raise Invalid("Validation failed: The poll has already ended.")
    if row.account_id == viewer.account_id:
        raise Invalid("Validation failed: You cannot vote in your own polls.")
    if row.own_votes:
        raise Invalid("Validation failed: You have already voted on this poll.")
    wanted = sorted(set(choices))
    if not wanted:
        raise Invalid("Validation failed: Choose an option.")
    if len(wanted) > 1 and not row.multiple:
        raise Invalid("Validation failed: Choose one option only.")
    if wanted[0] < 0 or wanted[-1] >= len(row.options):
        raise Invalid("Validation failed: The chosen vote option does not exist.")
    return wanted
