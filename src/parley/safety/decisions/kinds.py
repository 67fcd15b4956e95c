"""What kinds of actions there are: what each may be done to, which need an end, what they make of a status. Pure.

`parley.social` enforces them; here stand the tables that actions and their reversals are worked out from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from parley.kit.errors import Invalid
from parley.safety.decisions.views import ActionKind, NewAction
from parley.screening import Outcome

KINDS: tuple[ActionKind, ...] = get_args(ActionKind)

_ALL = frozenset({"account", "status", "media", "profile", "conversation"})
_ACCOUNT = frozenset({"account"})
_STATUS = frozenset({"status"})
SUBJECTS: dict[str, frozenset[str]] = {
    "no_action": _ALL,
    "publish": frozenset({"status", "profile"}),
    "warn": _ALL,
    "label": _STATUS,
    "sensitive": frozenset({"status", "account"}),
    "limit": _STATUS,
    "hide": frozenset({"status", "profile", "media"}),
    "remove": frozenset({"status", "profile", "media"}),
    "remove_media": frozenset({"status", "media"}),
    "quarantine": frozenset({"status", "media"}),
    "require_change": _STATUS,
    "restrict_posting": _ACCOUNT,
    "limit_account": _ACCOUNT,
    "freeze": _ACCOUNT,
    "suspend": _ACCOUNT,
    "terminate": _ACCOUNT,
}
"""What each kind of action may be about."""

NEEDS_END = frozenset({"restrict_posting", "suspend"})
NEVER_ENDS = frozenset({"no_action", "publish", "warn", "remove", "quarantine", "terminate", "require_change"})
MOST_HOURS = 24 * 366 * 3.0

RESTRICTIONS = frozenset({"restrict_posting", "limit_account", "freeze", "suspend", "terminate"})
"""Actions that stand as a restriction of the account."""
STATUS_STATES = {
    "limit": "limited",
    "hide": "hidden_interim",
    "require_change": "hidden_interim",
    "remove": "removed",
    "quarantine": "removed",
}
"""The state that an action asks for a status; of several in force, the gravest counts."""
REMOVALS = frozenset({"remove", "quarantine"})
"""Actions after which copies of a status are known as such when they are posted."""
MEDIA_KINDS = frozenset({"hide", "remove", "remove_media", "quarantine"})
"""Actions that take a file away; of a status they take all its files, but for `hide` and `remove`."""
STATUS_MEDIA_KINDS = frozenset({"remove_media", "quarantine"})
DONE_ONCE = frozenset({"hide", "remove", "remove_media", "quarantine", "require_change", "terminate"})
"""Actions that change nothing when they are in force already, without an end."""
AUTOMATIC = frozenset({"no_action", "publish", "warn", "label", "sensitive", "limit", "hide", "quarantine"})
"""What a machine may do: nothing that is not taken back by one person's word."""
GENTLE = frozenset({"no_action", "publish"})
"""Actions that find nothing wrong."""
WITHOUT_STRIKE = frozenset({"no_action", "publish", "label", "sensitive", "require_change"})
"""Actions that alone give no strike: nothing was wrong, or its author may put it right."""

_ORDER = ("published", "limited", "hidden_interim", "held", "removed", "author_deleted")
_OUTCOMES = {
    "no_action": Outcome.ALLOW,
    "publish": Outcome.ALLOW,
    "label": Outcome.ALLOW_FLAG,
    "sensitive": Outcome.ALLOW_FLAG,
    "limit": Outcome.LIMIT,
    "quarantine": Outcome.QUARANTINE,
}


def state_under(found: str, kinds: Iterable[str]) -> str:
    """The state of a status that was `found` in a state, under actions of these kinds.

    What waits for a decision stays unseen whatever milder is done to it; what its author deleted stays deleted.
    """
    asked = [STATUS_STATES[kind] for kind in kinds if kind in STATUS_STATES]
    return max([found, *asked], key=_ORDER.index)


def outcome_of(kinds: Iterable[str]) -> Outcome:
    """What people say that the judge should have said, by what they did about it; the gravest counts."""
    return max((_OUTCOMES.get(kind, Outcome.HOLD) for kind in kinds), key=lambda outcome: outcome.rank)


def check_action(action: NewAction) -> None:
    """Raise Invalid for an action that makes no sense: a wrong subject, an end where there is none, or none."""
    kind = action.kind
    if kind not in SUBJECTS:
        raise Invalid(f"There is no action {kind!r}. Actions are {', '.join(KINDS)}.")
    if action.subject.type not in SUBJECTS[kind]:
        allowed = ", ".join(sorted(SUBJECTS[kind]))
        raise Invalid(f"{kind} cannot be done to a {action.subject.type}, only to: {allowed}.")
    if action.hours is not None and not 0 < action.hours <= MOST_HOURS:
        raise Invalid("hours must be more than 0 and at most three years.")
    if kind in NEEDS_END and action.hours is None:
        raise Invalid(f"{kind} needs an end: say for how many hours. Use terminate to end an account for good.")
    if kind in NEVER_ENDS and action.hours is not None:
        raise Invalid(f"{kind} has no end that it could reach: leave hours out.")
    if len(action.label) > 100:
        raise Invalid("A label has at most 100 characters.")
