"""Telling those whom a decision is about: the notice in the app, and the words of the mails. Nobody of the staff is
named, and nothing of the author is told to a reporter.

The notice is a row of the same transaction as the decision; mails are sent by jobs (`jobs.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.kit.settings import Settings
from parley.safety.decisions import store
from parley.safety.decisions.kinds import GENTLE, RESTRICTIONS
from parley.safety.decisions.store import ActionRow, DecisionRow
from parley.safety.decisions.templates import (
    day_text,
    describe_action,
    describe_clause,
    describe_subjects,
    texts_of,
)
from parley.safety.log.views import Subject
from parley.social.accounts.reads import get_account_views
from parley.social.notifications.actions import tell_of_moderation

_MASTODON = {
    "terminate": "suspend",
    "suspend": "suspend",
    "freeze": "disable",
    "restrict_posting": "disable",
    "limit_account": "silence",
    "remove": "delete_statuses",
    "quarantine": "delete_statuses",
    "remove_media": "delete_statuses",
    "hide": "delete_statuses",
    "require_change": "delete_statuses",
    "label": "mark_statuses_as_sensitive",
    "sensitive": "mark_statuses_as_sensitive",
}
"""The nearest word of https://docs.joinmastodon.org/entities/AccountWarning/#action, the gravest first."""


class Letter(msgspec.Struct, frozen=True):
    """A mail."""

    subject: str
    text: str


def warning_of(kinds: set[str]) -> str:
    """Mastodon's word for what a decision did."""
    if "sensitive" in kinds and not kinds - {"sensitive", "warn", "label"}:
        return "mark_statuses_as_sensitive"
    return next((word for kind, word in _MASTODON.items() if kind in kinds), "none")


def page_of(settings: Settings, decision_id: int) -> str:
    """Where its author reads a decision, and appeals."""
    return f"{settings.base_url}/moderation/decisions/{decision_id}"


async def tell_author(tx: Tx, settings: Settings, decision_id: int, *, ended: tuple[ActionRow, ...] = ()) -> bool:
    """Put the notice of a decision among its author's notifications; False when there is nothing to tell.

    `ended` are actions that came to their end by themselves. A decision that left everything as it was is told to
    nobody.
    """
    row = (await store.list_decisions(tx, [decision_id]))[0]
    actions = await store.list_actions(tx, [decision_id])
    account = (await get_account_views(tx, [row.account_id])).get(row.account_id)
    if account is None or not account.is_local or is_silent(row, actions, ended):
        return False
    about = list(ended) or actions or await store.list_actions(tx, [row.reverses_id or 0])
    await put_notice(tx, settings, row, actions, about=about, ended=ended)
    return True


async def put_notice(
    tx: Tx,
    settings: Settings,
    row: DecisionRow,
    actions: list[ActionRow],
    *,
    about: list[ActionRow] | None = None,
    ended: tuple[ActionRow, ...] = (),
) -> None:
    """The same for a decision that the caller has at hand. `about` are the actions of which the posts are named."""
    status_ids = [action.subject_id for action in about or actions if action.subject_type == "status"]
    original = row.reverses_id if row.kind in ("undo", "appeal", "expiry") and row.reverses_id else row.id
    detail = {
        "decision_id": row.id,
        "about_id": original,
        "action": warning_of({action.kind for action in actions}),
        "sentence": compose_statement(settings, row, actions, ended=ended),
        "clause": row.clause,
        "status_ids": [str(status_id) for status_id in dict.fromkeys(status_ids)],
    }
    await tell_of_moderation(tx, row.account_id, status_ids[0] if status_ids else None, detail)


def is_silent(row: DecisionRow, actions: list[ActionRow], ended: tuple[ActionRow, ...] = ()) -> bool:
    """Whether its author need not hear of it: nothing changed, or a mark on a post merely came to its end."""
    if row.kind == "expiry" and row.reverses_id is not None:
        return not any(action.kind in RESTRICTIONS or action.kind == "require_change" for action in ended)
    if row.reverses_id is not None:
        return False
    return all(action.kind == "no_action" for action in actions)


def compose_statement(
    settings: Settings, row: DecisionRow, actions: list[ActionRow], *, ended: tuple[ActionRow, ...] = ()
) -> str:
    """The statement of reasons (Regulation (EU) 2022/2065, Art. 17): facts, rule, measure, where and how long, whether
    automated, and how to appeal until when. Plain text, in the decision's language."""
    words = texts_of(row.language)
    if row.reverses_id is not None and row.kind in ("undo", "appeal"):
        said = [str(words["undone"][row.kind]), row.reasons]
        return _paragraphs([*said, str(words["page"]).format(page=page_of(settings, row.reverses_id))])
    if row.kind == "expiry" and row.reverses_id is not None:
        what = " ".join(dict.fromkeys(_did(row.language, action) for action in ended))
        return _paragraphs(
            [str(words["ended"]).format(what=what), str(words["page"]).format(page=page_of(settings, row.reverses_id))]
        )
    subjects = [Subject(action.subject_type, action.subject_id) for action in actions]  # type: ignore[arg-type]
    rule = describe_clause(row.language, row.clause, row.clause_title, row.clause_text) if row.clause else ""
    how = "automatic" if row.automated_decision else "detected" if row.automated_detection else "people"
    appeal = str(words["appeal"]).format(date=day_text(row.appeal_until), page=page_of(settings, row.id))
    gentle = all(action.kind in GENTLE for action in actions)
    return _paragraphs(
        [
            row.facts or describe_subjects(row.language, subjects),
            row.reasons or rule or str(words["reasons"]["none"]),
            str(words["rule"]).format(clause=row.clause, title=row.clause_title) if row.clause and row.reasons else "",
            " ".join([*dict.fromkeys(_did(row.language, action) for action in actions), *_where(words, actions)]),
            str(words["how"][how]),
            str(words["page"]).format(page=page_of(settings, row.id)) if gentle else appeal,
        ]
    )


def _did(language: str, action: ActionRow) -> str:
    return describe_action(language, action.kind, label=action.label, ends_at=action.ends_at)


def _where(words: dict[str, Any], actions: list[ActionRow]) -> list[str]:
    """The territorial scope: no measure here knows countries. Nothing to say when nothing was taken from anybody."""
    return [str(words["everywhere"])] if {action.kind for action in actions} - GENTLE - {"warn"} else []


def _paragraphs(parts: list[str]) -> str:
    return "\n\n".join(part for part in parts if part)


def author_letter(
    settings: Settings,
    username: str,
    row: DecisionRow,
    actions: list[ActionRow],
    ended: tuple[ActionRow, ...] = (),
    more: Sequence[tuple[DecisionRow, list[ActionRow]]] = (),
) -> Letter:
    """The same statement as a mail; `more` are decisions that were made together with it."""
    words = texts_of(row.language)
    name = "subject_made"
    if row.reverses_id is not None:
        name = "subject_ended" if row.kind == "expiry" else "subject_undone"
    hello = str(words["hello"]).format(name=username)
    statements = [compose_statement(settings, row, actions, ended=ended)]
    statements += [compose_statement(settings, other, did) for other, did in more]
    statement = "\n\n* * *\n\n".join(statements)
    foot = f"-- \n{settings.name}\n{settings.base_url}"
    return Letter(str(words[name]).format(site=settings.name), f"{hello}\n\n{statement}\n\n{foot}\n")


def reporter_letter(
    settings: Settings, username: str, language: str, target: str, outcome: str, row: DecisionRow
) -> Letter:
    """What came of a report, for who sent it: whether something was done, and how to ask for another look."""
    words = texts_of(language)
    hello = str(words["hello"]).format(name=username)
    said = str(words["report_acted" if outcome == "acted" else "report_not_acted"]).format(target=target)
    contest = str(words["contest"]).format(date=day_text(row.appeal_until), page=page_of(settings, row.id))
    foot = f"-- \n{settings.name}\n{settings.base_url}"
    subject = str(words["subject_report"]).format(site=settings.name)
    return Letter(subject, f"{hello}\n\n{said}\n\n{contest}\n\n{foot}\n")


def stale_letter(settings: Settings, username: str, why: str) -> Letter:
    """Tells who proposed something that nobody can agree to it any more."""
    return Letter(
        f"What you proposed is void on {settings.name}",
        f"Hello @{username},\n\nnobody can agree to what you proposed any more. {why}\n\n"
        f"{settings.base_url}/desk\n\n-- \n{settings.name}\n{settings.base_url}\n",
    )


def proposal_letter(settings: Settings, username: str, why: str, target: str, case_id: int | None) -> Letter:
    """Asks a member of the staff for the second pair of eyes."""
    what = {"termination": "End the account", "undo": "Undo what two people decided about"}.get(
        why, "Decide about many things at once, first of"
    )
    there = f"/desk/cases/{case_id}" if case_id is not None else "/desk"
    return Letter(
        f"A decision waits for a second person on {settings.name}",
        f"Hello @{username},\n\n{what} @{target}: somebody of the staff proposes it, and it takes two. Nothing happens "
        f"until somebody else agrees or refuses:\n\n{settings.base_url}{there}\n\n"
        f"-- \n{settings.name}\n{settings.base_url}\n",
    )
