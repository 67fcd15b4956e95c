"""The words of mails about incidents: plain functions from facts to (subject, text)."""

from __future__ import annotations

from typing import TypeAlias

from parley.kit.settings import Settings
from parley.safety.incidents.overlay import TEMPLATES
from parley.safety.incidents.store import IncidentRow

Letter: TypeAlias = tuple[str, str]

_VERBS = {"declared": "was declared", "kept": "goes on", "concluded": "is over"}


def _measures(row: IncidentRow) -> str:
    lines = [f"* the judge's thresholds are multiplied by {row.factor:.2g}: more is held before anybody sees it"]
    if row.hold_new:
        lines.append("* everything that new accounts write waits for a moderator")
    if row.scope:
        lines.append("* what names the incident is put before moderators")
    lines.append("* grave cases are in a queue of their own, first of all")
    return "\n".join(lines)


def to_staff(settings: Settings, name: str, row: IncidentRow, what: str) -> Letter:
    """For everybody of the staff."""
    if what == "concluded":
        ended = f"by @{row.concluded_name}" if row.concluded_name else "because its time was over"
        policy = "The policy of before judges again."
        if not row.restored:
            policy = "Another policy was activated meanwhile, and stays."
        rest = f"It was concluded {ended}. {policy} What was held waits for you as before.\n\nPlease write down what "
        rest += "you learned:"
    else:
        until = f"It ends by itself on {row.ends_at:%d %B %Y, %H:%M} UTC."
        rest = f"@{row.declared_name} declared it: {row.why}\n\n{_measures(row)}\n\n{until} Beyond 72 hours, "
        rest += "somebody else than who declared it has to keep it."
    text = (
        f"Hello @{name},\n\nthe incident {row.title!r} ({TEMPLATES[row.kind].words.lower()}) {_VERBS[what]}."
        f"\n\n{rest}\n\n"
        f"{settings.base_url}/desk/incidents/{row.id}\n\n-- \n{settings.name}\n{settings.base_url}\n"
    )
    return f"Incident on {settings.name}: {row.title} {_VERBS[what]}", text


def to_provider(settings: Settings, name: str, row: IncidentRow, what: str) -> Letter:
    """For a host or an app store: what is happening and what is done about it, nothing about any person."""
    if what == "concluded":
        rest = (
            "The incident that we told you of is over, and our usual policy is in force again. Notices of yours are "
            "answered as ever."
        )
    else:
        rest = (
            f"we have declared an incident ({TEMPLATES[row.kind].words.lower()}) and are stricter until it is over:\n\n"
            f"{_measures(row)}\n\nSend what you find to us as ever; it comes first."
        )
    contact = f"\nContact: {settings.contact_email}" if settings.contact_email else ""
    text = f"To {name}:\n\n{rest}\n\n-- \n{settings.name}, {settings.local_domain}{contact}\n{settings.base_url}\n"
    verb = "is over" if what == "concluded" else "declared"
    return f"{settings.local_domain}: incident {verb} ({TEMPLATES[row.kind].words.lower()})", text
