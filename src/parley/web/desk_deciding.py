"""The form in which a moderator decides: read, kept when something goes wrong, and made into a decision. Pure.

What may be decided, and by whom, `safety/decisions` says; here is only what was ticked and typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, get_args

import msgspec

from parley.kit.errors import Invalid
from parley.safety.cases.views import CaseView, SubjectView
from parley.safety.decisions.kinds import SUBJECTS
from parley.safety.decisions.views import ActionKind, NewAction, NewDecision, Suggestion
from parley.safety.log.views import Subject, SubjectType
from parley.web.desk_words import ACCOUNT_CHOICES, POST_CHOICES, WITH_HOURS, action_words, clause_title, subject_word

MOST_CHARACTERS = 2000
LENGTHS = (
    ("", "until somebody takes it back"),
    ("24", "1 day"),
    ("72", "3 days"),
    ("168", "7 days"),
    ("336", "14 days"),
    ("720", "30 days"),
    ("2160", "90 days"),
)
_TYPES = get_args(SubjectType)


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the form. `subjects` None: all that are open."""

    subjects: tuple[str, ...] | None = None
    clause: str = ""
    action: str = "no_action"
    account_action: str = ""
    hours: str = ""
    facts: str = ""
    reasons: str = ""
    language: str = "en"
    copies: str = ""
    key: str = ""


def read_chosen(form: Any) -> Chosen:
    """The form as it was sent. Unknown choices become the mildest ones; the review shows what will be done."""
    action, account = str(form.get("action", "")), str(form.get("account_action", ""))
    hours = str(form.get("hours", ""))
    return Chosen(
        subjects=tuple(dict.fromkeys(str(one) for one in form.getall("subject", []))),
        clause=str(form.get("clause", ""))[:20],
        action=action if action in {one.kind for one in POST_CHOICES} else "no_action",
        account_action=account if account in {one.kind for one in ACCOUNT_CHOICES} else "",
        hours=hours if hours in dict(LENGTHS) else "",
        facts=str(form.get("facts", "")).strip()[:MOST_CHARACTERS],
        reasons=str(form.get("reasons", "")).strip()[:MOST_CHARACTERS],
        language=str(form.get("language", "en"))[:8],
        copies=str(form.get("copies", ""))[:20],
        key=str(form.get("key", ""))[:64],
    )


def fields_of(chosen: Chosen) -> list[tuple[str, str]]:
    """The form once more, as the hidden fields of its review."""
    names = [name for name in chosen.__struct_fields__ if name != "subjects"]
    return [*(("subject", one) for one in chosen.subjects or ()), *((name, getattr(chosen, name)) for name in names)]


def split_suggestion(suggestion: Suggestion) -> tuple[str, str, str]:
    """What is suggested for the posts, for the account, and for how many hours, as the form's choices say it."""
    action, account, hours = "", "", ""
    for one in suggestion.actions:
        if one.subject.type == "account" and one.kind in {choice.kind for choice in ACCOUNT_CHOICES}:
            account = one.kind
            hours = f"{one.hours:g}" if one.hours else ""
        elif not action:
            action = one.kind
    return action or "no_action", account, hours if hours in dict(LENGTHS) else ""


def list_chosen(view: CaseView, chosen: Chosen) -> list[SubjectView]:
    """The open subjects that were ticked. Raises Invalid for one that is not in the case, or was decided meanwhile."""
    known = {value_of(subject): subject for subject in view.subjects}
    asked = chosen.subjects if chosen.subjects is not None else tuple(known)
    found = [known[value] for value in asked if value in known]
    if len(found) < len(asked):
        raise Invalid("The case has changed while you looked at it. Look at what is there now, and decide again.")
    waiting = [subject for subject in found if subject.settled_at is None]
    if chosen.subjects is not None and len(waiting) < len(found):
        raise Invalid("Some of it was decided meanwhile. Look at what is left, and decide about that.")
    return waiting


def value_of(subject: SubjectView) -> str:
    """How the form names a subject: with the revision that the moderator has seen."""
    return f"{subject.type}:{subject.id}:{'' if subject.revision is None else subject.revision}"


def compose(view: CaseView, chosen: Chosen) -> NewDecision:
    """The decision that the form asks for. Raises Invalid when nothing was ticked."""
    subjects = list_chosen(view, chosen)
    if not subjects:
        raise Invalid("Choose at least one of the things that this case is about.")
    actions = [NewAction(_kind_for(chosen, one), subject_of(one)) for one in subjects]
    if chosen.account_action:
        hours = float(chosen.hours) if chosen.hours and chosen.account_action in WITH_HOURS else None
        about = Subject("account", view.case.account.id)
        # An account that is itself a subject is decided by what happens to it.
        actions = [one for one in actions if not (one.subject.type == "account" and one.kind == "no_action")]
        actions.append(NewAction(cast(ActionKind, chosen.account_action), about, hours))
    return NewDecision(
        account_id=view.case.account.id,
        actions=tuple(actions),
        case_id=view.case.id,
        clause=chosen.clause or None,
        facts=chosen.facts,
        reasons=chosen.reasons,
        language=chosen.language or None,
        source=view.case.source,
        automated_detection=view.case.source == "automated",
        key=chosen.key or None,
    )


def _kind_for(chosen: Chosen, subject: SubjectView) -> ActionKind:
    """What is done to one subject. Raises Invalid for what cannot be done to its kind."""
    if subject.type in ("account", "conversation"):
        return "no_action"  # what happens to the account is chosen beside it
    held = subject.state_now == "held"
    kind = "publish" if chosen.action == "no_action" and held else chosen.action
    if kind == "publish" and not held:
        return "no_action"
    if subject.type not in SUBJECTS[kind]:
        what = subject_word(subject.type).lower()
        raise Invalid(f"“{_label_of(kind)}” is not for a {what}: choose something else, or decide about it by itself.")
    return cast(ActionKind, kind)


def _label_of(kind: str) -> str:
    return next((one.label for one in POST_CHOICES if one.kind == kind), kind)


def subject_of(subject: SubjectView) -> Subject:
    """The subject as decisions name it: the revision that the moderator has seen."""
    return Subject(subject.type, subject.id, subject.revision)


def say_actions(new: NewDecision, acct: str) -> list[str]:
    """What will be done, one line for each kind of action, for the review."""
    lines: list[str] = []
    for kind in dict.fromkeys(action.kind for action in new.actions):
        same = [action for action in new.actions if action.kind == kind]
        what = _count_subjects(same, acct)
        hours = next((f" for {dict(LENGTHS)[key]}" for key in [_hours_key(same)] if key), "")
        lines.append(f"{action_words(kind).capitalize()} {what}{hours}.")
    if new.clause:
        lines.append(f"Under clause {new.clause} {clause_title(new.clause)}.")
    else:
        lines.append("No clause was broken.")
    return lines


def count_copies(many: int) -> str:
    """So many copies, in words."""
    return f"{many} {'copy' if many == 1 else 'copies'}"


def _hours_key(actions: Sequence[NewAction]) -> str:
    hours = actions[0].hours
    key = f"{hours:g}" if hours else ""
    return key if key in dict(LENGTHS) else ""


def _count_subjects(actions: Sequence[NewAction], acct: str) -> str:
    if any(action.subject.type == "account" for action in actions):
        return f"the account @{acct}"
    types = {action.subject.type for action in actions}
    many = len(actions)
    if types == {"profile"}:
        return f"the profile of @{acct}"
    word = {"status": "post", "media": "file"}.get(next(iter(types)), "thing") if len(types) == 1 else "thing"
    return f"{many} {word}{'' if many == 1 else 's'} of @{acct}"
