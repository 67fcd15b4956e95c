"""The words of mails to the staff about cases and clocks: plain functions from facts to (subject, text)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from parley.kit.settings import Settings
from parley.screening.ruleset import severity_name
from parley.social.sessions.letters import Letter

KINDS = {
    "acknowledge": "the answer that a notice has arrived",
    "first_action": "the first action on a notice",
    "resolve": "the decision",
    "interim": "hiding it until somebody decides",
    "appeal": "the answer to an appeal",
    "preserve": "keeping what an authority asked for",
}


def case_notice(
    settings: Settings, what: str, case_id: int, acct: str, severity: int, due_at: datetime | None
) -> Letter:
    """Tells somebody of the staff that a case is theirs now."""
    due = f", due {due_at:%Y-%m-%d %H:%M} UTC" if due_at else ""
    said = {
        "handed_over": "a case was handed over to you. It is kept for you for four hours; then anybody may take it.",
        "escalated": "a case was escalated to you: somebody asks for your decision.",
    }[what]
    text = f"{said}\n\n  {settings.base_url}/desk/cases/{case_id}\n  about @{acct}: {severity_name(severity)}{due}\n"
    subject = {"handed_over": "A case was handed over to you", "escalated": "A case was escalated to you"}[what]
    return f"{subject} on {settings.name}", text


def breaches(settings: Settings, lines: Sequence[str], more: int) -> Letter:
    """Tells the staff which promises were not kept."""
    more = max(more, 0)
    count = len(lines) + more
    told = "\n".join(f"  {line}" for line in lines)
    rest = f"\n  ... and {more} more" if more else ""
    text = (
        f"nobody has acted in time:\n\n{told}{rest}\n\n"
        "Threats to life, and what hosts and authorities named, are hidden by themselves until somebody decides.\n"
        f"Everything that waits: {settings.base_url}/desk\n"
    )
    return f"{count} overdue on {settings.name}" if count > 1 else f"Overdue on {settings.name}", text
