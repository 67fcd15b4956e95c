"""Words of the desk's pages: severities, sources, actions, clocks, what an entry of the log says. Pure.

No rule stands here: what may be done, and what the policy suggests, the rooms below say.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from parley.kit import clock
from parley.safety.decisions.views import DecisionView
from parley.screening import live_ruleset

SEVERITIES = ("Threat to life", "Grave", "Serious", "Nuisance")

SOURCES = {
    "authority_order": "Authority",
    "provider_notice": "Host or app store",
    "trusted_flagger": "Trusted flagger",
    "public_notice": "Public notice",
    "user": "Members",
    "automated": "Screening",
}

QUEUES = {
    "war": "Incident",
    "legal": "Legal",
    "urgent": "Urgent",
    "flaggers": "Trusted flaggers",
    "main": "Main",
    "jury": "Jury",
}

STATES = {
    "open": "Nobody has it",
    "queued": "With the jury",
    "assigned": "Being worked on",
    "escalated": "Escalated",
    "closed": "Closed",
}


class Choice(msgspec.Struct, frozen=True):
    """One kind of action as moderators choose it: its key on the keyboard, and what it means."""

    kind: str
    key: str
    label: str
    about: str


POST_CHOICES = (
    Choice("no_action", "", "Leave as it is", "Nothing is broken."),
    Choice("publish", "p", "Publish", "What screening held goes out."),
    Choice("sensitive", "s", "Mark sensitive", "Behind a warning."),
    Choice("label", "", "Put a label on it", "Readers are told."),
    Choice("limit", "l", "Show to fewer", "Not in public timelines, search and suggestions."),
    Choice("hide", "", "Hide for now", "Nobody sees it until somebody decides otherwise."),
    Choice("remove", "r", "Remove", "Gone for everybody; its author may appeal."),
    Choice("remove_media", "m", "Remove media", "The words stay."),
    Choice("require_change", "", "Ask for a change", "Hidden until its author has changed it."),
    Choice("quarantine", "", "Quarantine", "Kept as evidence; not even its author sees it."),
)
ACCOUNT_CHOICES = (
    Choice("", "", "Nothing", "The account stays as it is."),
    Choice("warn", "", "Warn", "A message with the clause."),
    Choice("limit_account", "", "Limit", "Its posts reach its followers alone."),
    Choice("restrict_posting", "", "No posting", "It may read, not write."),
    Choice("freeze", "", "Freeze", "It may only read and appeal."),
    Choice("suspend", "u", "Suspend", "Hidden, with an end."),
    Choice("terminate", "", "Terminate", "For good; a second person must agree."),
)
WITH_HOURS = frozenset({"limit_account", "restrict_posting", "freeze", "suspend"})
"""Actions upon an account that end by themselves when a moderator says so."""

ACTION_WORDS = {
    "no_action": "leave as it is",
    "publish": "publish",
    "warn": "warn",
    "label": "label",
    "sensitive": "mark as sensitive",
    "limit": "show to fewer people",
    "hide": "hide",
    "remove": "remove",
    "remove_media": "remove the media of",
    "quarantine": "quarantine",
    "require_change": "ask for a change of",
    "restrict_posting": "stop posting by",
    "limit_account": "limit",
    "freeze": "freeze",
    "suspend": "suspend",
    "terminate": "terminate",
}

SUBJECTS = {
    "account": "Account",
    "status": "Post",
    "media": "File",
    "profile": "Profile",
    "conversation": "Conversation",
}

_EVENTS = {
    "case_opened": "opened the case",
    "case_joined": "added to the case",
    "case_claimed": "claimed the case",
    "case_released": "gave the case back",
    "case_handed_over": "handed the case over",
    "case_escalated": "escalated the case",
    "case_deescalated": "gave the case back to everybody",
    "case_moved": "put the case into another queue",
    "case_closed": "closed the case",
    "case_reopened": "opened the case again",
    "subject_settled": "settled something in the case",
    "subject_deleted_by_author": "deleted something in the case",
    "note_added": "wrote a note",
    "report_filed": "reported it",
    "report_withdrawn": "took a report back",
    "decision_made": "decided",
    "decision_reversed": "took a decision back",
    "decision_proposed": "proposed a decision to a second person",
    "proposal_approved": "agreed to a proposal",
    "proposal_refused": "refused a proposal",
    "proposal_stale": "a proposal became void",
    "undo_proposed": "proposed to undo a decision",
    "clock_breached": "saw the time run out",
    "question_asked": "asked whoever sent the notice",
    "question_answered": "answered the question",
    "question_expired": "waited no longer for an answer",
    "question_ended": "went on without an answer",
    "clock_paused": "stopped the clock",
    "clock_resumed": "let the clock go on",
    "interim_due": "saw that nobody had acted yet",
    "hidden_at_once": "hid something that could not wait",
    "sweep_planned": "planned a sweep over history",
    "sweep_grew": "found more for a sweep",
    "sweep_counted": "counted what a sweep would do",
    "sweep_approved": "approved a sweep",
    "sweep_started": "started a sweep",
    "sweep_acted": "acted, as a part of a sweep",
    "sweep_completed": "completed a sweep",
    "sweep_aborted": "aborted a sweep",
    "sweep_taken_back": "took back a part of a sweep",
    "sweep_undone": "undid a sweep",
    "policy_activated": "made a policy live",
    "ruleset_kept": "put another ruleset into force",
    "bank_changed": "changed a bank of words, links or names",
    "hash_bank_changed": "changed a bank of hashes",
    "hashes_changed": "changed hashes of a bank",
    "bank_list_confirmed": "stood behind a list for a bank",
    "bank_list_refused": "refused a list for a bank",
    "evidence_captured": "kept what was there",
    "evidence_viewed": "looked at what was kept",
    "evidence_packed": "packed the evidence",
    "appeal_filed": "appealed",
    "appeal_decided": "answered an appeal",
    "jury_convened": "called a jury",
}


def span(length: timedelta) -> str:
    """A length of time by its two largest parts: `45 s`, `12 min`, `3 h 20 min`, `2 d 5 h`. The script says so too."""
    seconds = int(max(0.0, length.total_seconds()))
    minutes = seconds // 60
    if minutes < 1:
        return f"{seconds} s"
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 24:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def time_left(due: datetime) -> str:
    """`48 min left` or `3 h 20 min overdue`."""
    left = due - clock.now()
    return f"{span(-left)} overdue" if left < timedelta(0) else f"{span(left)} left"


def clock_class(due: datetime, started: datetime | None = None) -> str:
    """`over`, `soon` (an hour, or a quarter of the time, is left) or nothing."""
    left = due - clock.now()
    if left < timedelta(0):
        return "over"
    quarter = (due - started) / 4 if started else timedelta(hours=1)
    return "soon" if left < max(min(quarter, timedelta(hours=6)), timedelta(minutes=15)) else ""


def event_words(type: str) -> str:
    """What an entry of the log says, after the name of who did it."""
    return _EVENTS.get(type, type.replace("_", " "))


def action_words(kind: str) -> str:
    """A kind of action as a verb."""
    return ACTION_WORDS.get(kind, kind.replace("_", " "))


def action_name(kind: str) -> str:
    """A kind of action as a name, for tables and lists of what is in force."""
    return next((one.label for one in (*ACCOUNT_CHOICES, *POST_CHOICES) if one.kind == kind), kind.replace("_", " "))


def sureness(share: float) -> str:
    """A confidence or reliability from 0 to 1 in words and per cent."""
    word = "high" if share >= 0.75 else "medium" if share >= 0.4 else "low"
    return f"{word}, {share:.0%}"


def severity_word(severity: int) -> str:
    """0 to 3 as a word."""
    return SEVERITIES[severity] if 0 <= severity < len(SEVERITIES) else str(severity)


def source_word(source: str) -> str:
    """Who says it."""
    return SOURCES.get(source, source.replace("_", " "))


def queue_word(queue: str) -> str:
    """A queue's name."""
    return QUEUES.get(queue, queue.replace("_", " ").capitalize())


def state_word(state: str) -> str:
    """Where a case stands."""
    return STATES.get(state, state)


def subject_word(type: str) -> str:
    """What kind of thing it is."""
    return SUBJECTS.get(type, type)


def clause_title(clause: str | None) -> str:
    """The title of a clause of the live policy; empty for one that it no longer has."""
    known = live_ruleset().clauses.get(clause or "")
    return known.title if known else ""


def age(moment: datetime) -> str:
    """How long ago, by its two largest parts."""
    return span(clock.now() - moment)


def payload_words(payload: Mapping[str, Any]) -> str:
    """The small values of an entry of the log, for whoever wants to know more."""
    shown = [f"{key.replace('_', ' ')}: {value}" for key, value in payload.items() if _is_small(value)]
    return " · ".join(shown)


def _is_small(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool) and value != "" and len(str(value)) < 80


def sum_up(decision: DecisionView) -> str:
    """`remove 3 posts, suspend @sam`: the actions of a decision in one line."""
    kinds: dict[str, int] = {}
    for action in decision.actions:
        kinds[action.kind] = kinds.get(action.kind, 0) + 1
    parts: list[str] = []
    for kind, many in kinds.items():
        account = any(a.kind == kind and a.subject.type in ("account", "profile") for a in decision.actions)
        what = f"@{decision.account.acct}" if account and many == 1 else f"{many} post{'' if many == 1 else 's'}"
        parts.append(f"{action_words(kind)} {what}")
    return ", ".join(parts)


DESK_FILTERS = {
    "sum_up": sum_up,
    "severity_word": severity_word,
    "source_word": source_word,
    "queue_word": queue_word,
    "state_word": state_word,
    "subject_word": subject_word,
    "clause_title": clause_title,
    "clock_class": clock_class,
    "time_left": time_left,
    "age": age,
    "sureness": sureness,
    "event_words": event_words,
    "action_name": action_name,
    "action_words": action_words,
    "payload_words": payload_words,
}
