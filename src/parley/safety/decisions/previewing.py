"""What a decision would do and say, before it is made: exactly the letter that its author would get. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.settings import Settings
from parley.safety.decisions.copying import compose_copies
from parley.safety.decisions.making import check_decision
from parley.safety.decisions.proposals import why_second
from parley.safety.decisions.ranks import check_rank
from parley.safety.decisions.store import ActionRow, DecisionRow
from parley.safety.decisions.telling import Letter, author_letter, is_silent, page_of
from parley.safety.decisions.templates import choose_language
from parley.safety.decisions.views import NewDecision
from parley.safety.log.views import Subject
from parley.screening import live_ruleset
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import Viewer

UNKNOWN_ID = 0


class DecisionPreview(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that was not made. `new` is what would be decided, cleaned."""

    new: NewDecision
    letter: Letter | None
    """For its author; None when nobody is told: nothing changes, or the author is not of this instance."""
    second: str | None
    """Why a second person must agree first: termination or many."""
    copies_wait: bool = False
    """Whether a second person must agree to what is done to the copies, though not to the rest."""


async def preview_decision(
    tx: Tx, settings: Settings, viewer: Viewer, new: NewDecision, *, copies: Sequence[Subject] = ()
) -> DecisionPreview:
    """What `decide` would do with the same. Raises NotFound, Forbidden and Invalid as that does."""
    if not viewer.is_staff:
        raise NotFound
    new = check_decision(new, needs_clause=True)
    await check_rank(tx, viewer, new.account_id)
    account = (await get_account_views(tx, [new.account_id])).get(new.account_id)
    if account is None:
        raise NotFound
    second = why_second([new]) if settings.four_eyes else None
    also = await compose_copies(tx, viewer, new, copies) if copies else []
    wait = second is None and settings.four_eyes and why_second(also) is not None
    row, actions = await _as_rows(tx, viewer, new)
    silent = not account.is_local or is_silent(row, actions)
    letter = None if silent else author_letter(settings, account.username, row, actions)
    if letter is not None:  # it has no address yet
        text = letter.text.replace(page_of(settings, UNKNOWN_ID), page_of(settings, UNKNOWN_ID)[:-1] + "…")
        letter = msgspec.structs.replace(letter, text=text)
    return DecisionPreview(new=new, letter=letter, second=second, copies_wait=wait)


async def _as_rows(tx: Tx, viewer: Viewer, new: NewDecision) -> tuple[DecisionRow, list[ActionRow]]:
    """The rows that the decision would leave, as far as its letter reads them."""
    policy, moment = live_ruleset(), now()
    clause = policy.clauses.get(new.clause or "")
    row = DecisionRow(
        id=UNKNOWN_ID,
        case_id=new.case_id,
        account_id=new.account_id,
        kind="decision",
        decided_by=viewer.account_id,
        approved_by=None,
        automated_detection=new.automated_detection,
        automated_decision=False,
        source=new.source,
        clause=new.clause,
        clause_title=clause.title if clause else "",
        clause_text=clause.text if clause else "",
        severity=clause.severity if clause else None,
        policy_sha256=policy.policy_sha256,
        ruleset=policy.sha256,
        facts=new.facts,
        reasons=new.reasons,
        language=await choose_language(tx, new.language, new.account_id),
        reverses_id=None,
        reversed_by_id=None,
        appeal_until=moment + timedelta(days=policy.head.clocks.appeal_open_days),
        request_key=None,
        created_at=moment,
    )
    actions = [
        ActionRow(
            id=UNKNOWN_ID,
            decision_id=UNKNOWN_ID,
            account_id=new.account_id,
            kind=action.kind,
            subject_type=action.subject.type,
            subject_id=action.subject.id,
            revision=action.subject.revision,
            label=(action.label or row.clause_title) if action.kind == "label" else "",
            ends_at=moment + timedelta(hours=action.hours) if action.hours is not None else None,
            before={},
            applied_at=moment,
            reversed_at=None,
            reversed_by_id=None,
            decision_kind="decision",
        )
        for action in new.actions
    ]
    return row, actions
