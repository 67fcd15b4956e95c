"""Work on decisions that is done later: what has an end ends, strikes expire, mails go out. Each may run twice."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Conflict, NotFound
from parley.kit.instance import Instance
from parley.kit.mail import send_mail
from parley.safety.decisions import store, store_proposals, store_told
from parley.safety.decisions.linking import count_linked_to, find_evasion
from parley.safety.decisions.proposals import end_stale
from parley.safety.decisions.reversing import reverse_decision
from parley.safety.decisions.stating import state_screening
from parley.safety.decisions.store import ActionRow, DecisionRow
from parley.safety.decisions.strikes import count_again
from parley.safety.decisions.telling import (
    author_letter,
    is_silent,
    proposal_letter,
    reporter_letter,
    stale_letter,
)
from parley.safety.decisions.templates import normal_language
from parley.safety.log.views import system
from parley.social.accounts.reads import get_account_views
from parley.social.sessions.reads import get_addressee
from parley.social.sessions.staff import queue_letter
from parley.social.sessions.traces import forget_old_traces

log = logging.getLogger(__name__)

ME = system("decisions")
_AT_ONCE = 100
_MOST_DECISIONS = 5000
_LOOK_BACK = timedelta(hours=3)
"""How far back expired strikes are looked for: the job runs hourly, and may miss a run."""


async def end_due_actions(instance: Instance, payload: dict[str, Any]) -> None:
    """Each minute: end what has reached its end, each by a decision of its own. One that cannot be ended must not keep
    the others in force."""
    async with instance.db.read() as tx:
        due = await store.list_due(tx, now(), _MOST_DECISIONS)
    for decision_id, action_ids in due:
        try:
            async with instance.db.write() as tx:
                await reverse_decision(tx, instance.settings, ME, decision_id, kind="expiry", only=set(action_ids))
        except Conflict:
            continue  # somebody took it back meanwhile
        except Exception:
            log.exception("actions %s of decision %s could not be ended", action_ids, decision_id)


async def expire_strikes(instance: Instance, payload: dict[str, Any]) -> None:
    """Hourly: tell screening of accounts of which strikes have expired."""
    async with instance.db.read() as tx:
        accounts = await store.list_expired(tx, now() - _LOOK_BACK, now())
    for account_id in accounts:
        async with instance.db.write() as tx:
            await count_again(tx, account_id)


async def answer_required_change(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on RequiredChangeMade: what was hidden until its author changes it comes back, by a decision."""
    status_id = int(payload["status_id"])
    async with instance.db.write() as tx:
        asked = [one for one in await store.list_in_force(tx, "status", status_id) if one.kind == "require_change"]
        for action in asked:
            await reverse_decision(tx, instance.settings, ME, action.decision_id, kind="expiry", only={action.id})


TOGETHER = frozenset({"sweep"})
"""Kinds of decisions of which many are made at once: one letter tells of all."""
LETTERS_APART = timedelta(hours=1)
"""Of what screening restricts, an author has at most one letter in this time."""


async def state_reasons_of_screening(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on StatusRestricted: what screening limited or hid is a decision, with notice and appeal. May run twice."""
    status_id, revision, screening_id = (int(payload[name]) for name in ("status_id", "revision", "screening_id"))
    async with instance.db.write() as tx:
        await state_screening(tx, instance.settings, status_id, revision, screening_id)


async def mail_decision(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on DecisionMade: the statement of reasons to whom it is about. Payload: `decision_id`."""
    await _mail_author(instance, int(payload["decision_id"]))


async def mail_reversal(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on DecisionReversed: whom it was about learns that it was taken back. Payload: `by_decision_id`."""
    await _mail_author(instance, int(payload["by_decision_id"]))


async def _mail_author(instance: Instance, decision_id: int) -> None:
    async with instance.db.read() as tx:
        rows = await store.list_decisions(tx, [decision_id])
        if not rows:
            return
        row = rows[0]
        together = await store.list_together(tx, row) if row.kind in TOGETHER else [row.id]
        if together[0] != row.id:
            return  # the first one's letter speaks of all
        if row.kind == "screening" and await store.has_recent(tx, row, row.created_at - LETTERS_APART):
            return  # a flood of posts is no flood of letters: the reasons of each stand in the app
        more = await store.list_decisions(tx, together[1:])
        done = await store.list_actions(tx, together[1:])
        actions, ended = await _what_happened(tx, row)
        addressee = await get_addressee(tx, row.account_id)
    if addressee is None or is_silent(row, actions, ended):
        return
    others = [(one, [action for action in done if action.decision_id == one.id]) for one in reversed(more)]
    letter = author_letter(instance.settings, addressee.username, row, actions, ended, others)
    await send_mail(instance.settings, addressee.email, letter.subject, letter.text)


async def _what_happened(tx: Tx, row: DecisionRow) -> tuple[list[ActionRow], tuple[ActionRow, ...]]:
    """The actions of a decision, and those that it ended by their time."""
    actions = await store.list_actions(tx, [row.id])
    if row.kind != "expiry":
        return actions, ()
    return actions, tuple(await store.list_reversed_by(tx, row.id))


async def tell_reporters(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on DecisionMade: members whose reports came to an end hear what came of them. Payload: `case_id`."""
    case_id = payload.get("case_id")
    if case_id is None or payload.get("kind") in ("interim", "expiry"):
        return
    while True:
        async with instance.db.read() as tx:
            untold = await store_told.list_untold(tx, int(case_id), _AT_ONCE)
        refused = None
        for row in untold:
            try:
                await _tell_reporter(instance, row)
            except Exception as error:  # one mailbox that takes no mail must not keep the others from hearing
                log.warning("who sent report %s could not be told: %s", row.report_id, error)
                refused = error
        if len(untold) < _AT_ONCE or refused is not None:
            if refused is not None:
                raise refused
            return


async def _tell_reporter(instance: Instance, row: store_told.OutcomeRow) -> None:
    async with instance.db.read() as tx:
        addressee = await get_addressee(tx, row.reporter_id or 0)
        decisions = await store.list_decisions(tx, [row.decision_id])
        target = (await get_account_views(tx, [row.target_id])).get(row.target_id)
    if addressee is not None and decisions and target is not None:
        letter = reporter_letter(
            instance.settings,
            addressee.username,
            normal_language(addressee.locale),
            target.acct,
            row.outcome,
            decisions[0],
        )
        await send_mail(instance.settings, addressee.email, letter.subject, letter.text)
    async with instance.db.write() as tx:
        await store_told.insert_told(tx, row.report_id, row.decision_id)


async def mail_proposal(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: write to the rest of the staff that a decision waits for one of them. Payload: `proposal_id`."""
    async with instance.db.write() as tx:
        rows = await store_proposals.list_proposals(tx, [int(payload["proposal_id"])])
        if not rows or rows[0].state != "waiting":
            return
        row = rows[0]
        target = (await get_account_views(tx, [row.account_id])).get(row.account_id)
        others = [id_ for id_ in await store_proposals.list_staff(tx) if id_ not in (row.proposed_by, row.account_id)]
        addressees = [found for id_ in others if (found := await get_addressee(tx, id_)) is not None]
        name = target.acct if target else str(row.account_id)
        for one in addressees:
            letter = proposal_letter(instance.settings, one.username, row.why, name, row.case_id)
            await queue_letter(tx, one.email, (letter.subject, letter.text))


async def mail_stale_proposal(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: tell whoever made a proposal that nobody can agree to it any more. Payload: `proposal_id`."""
    async with instance.db.read() as tx:
        rows = await store_proposals.list_proposals(tx, [int(payload["proposal_id"])])
        addressee = await get_addressee(tx, rows[0].proposed_by) if rows else None
    if addressee is not None:
        letter = stale_letter(instance.settings, addressee.username, rows[0].answer)
        await send_mail(instance.settings, addressee.email, letter.subject, letter.text)


async def end_stale_proposals(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on DecisionMade and DecisionReversed (`case_id`, `decision_id`) and each quarter of an hour: proposals that
    nobody can agree to any more end."""
    case_id, decision_id = payload.get("case_id"), payload.get("decision_id")
    async with instance.db.read() as tx:
        ids = await store_proposals.list_waiting_for(tx, case_id, decision_id)
    for proposal_id in ids:
        async with instance.db.write() as tx:
            await end_stale(tx, proposal_id)


async def look_for_evasion(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on AccountCreated, and on SecurityChanged when somebody signed in: see whether an account that was shut out
    comes back under another name. Payload: `account_id`."""
    if payload.get("what", "signed_in") != "signed_in":
        return
    async with instance.db.write() as tx:
        try:
            await find_evasion(tx, instance.settings, int(payload["account_id"]))
        except NotFound:
            return


SHUTS_OUT = frozenset({"suspend", "terminate"})


async def count_links(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on DecisionMade and DecisionReversed: screening knows of accounts that are linked to one that is shut out,
    or let in again. Payload: `decision_id`, `target_id`."""
    async with instance.db.write() as tx:
        actions = await store.list_actions(tx, [int(payload["decision_id"])])
        if payload.get("kind") == "expiry" or any(action.kind in SHUTS_OUT for action in actions):
            await count_linked_to(tx, int(payload["target_id"]))


async def forget_traces(instance: Instance, payload: dict[str, Any]) -> None:
    """Daily: delete traces of sign-ins that are a year old."""
    async with instance.db.write() as tx:
        await forget_old_traces(tx)
