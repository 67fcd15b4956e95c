"""The words about appeals: plain functions from facts to (subject, text). No markup, no reviewer's name."""

from __future__ import annotations

from typing import TypeAlias

from parley.kit.settings import Settings
from parley.safety.appeals.store import AppealRow

Letter: TypeAlias = tuple[str, str]

SHORT = {
    ("author", "upheld"): "We looked at your appeal again, and the decision stands.",
    ("author", "overturned"): "You were right: we took the decision back, and what it did.",
    ("author", "modified"): "We looked at your appeal again, and replaced the decision by another.",
    ("reporter", "upheld"): "We looked at your report again, and the decision stands.",
    ("reporter", "overturned"): "You were right: we decided anew about what you reported.",
    ("reporter", "modified"): "We looked at your report again, and decided anew.",
}


def short_answer(row: AppealRow) -> str:
    """One sentence for whoever appealed."""
    return SHORT[row.role, row.state]


def appeal_answer(settings: Settings, username: str, row: AppealRow) -> Letter:
    """Tells what came of an appeal, and why."""
    where = (
        f"\n\nThe decision and your appeal are here:\n\n{settings.base_url}/moderation/decisions/{row.decision_id}"
        if row.role == "author"
        else ""
    )
    text = (
        f"Hello @{username},\n\n{short_answer(row)}\n\nThe answer:\n\n{_quoted(row.answer)}{where}\n\n"
        "People decided about this appeal, and nobody who had made the decision was among them.\n\n"
        f"-- \n{settings.name}\n{settings.base_url}\n"
    )
    return f"Your appeal on {settings.name}", text


def stuck_appeal(settings: Settings, username: str, row: AppealRow) -> Letter:
    """Tells those who run the instance that an appeal waits for a person who is not there."""
    text = (
        f"Hello @{username},\n\nan appeal cannot be reviewed: everybody of the staff made the decision, approved "
        "it, or is a party of the case. The appeal waits, its clock runs, and its author has been told so.\n\n"
        "What you can do: give somebody else the role of a moderator (`parley account role NAME moderator`), or let "
        "members sit on juries (the setting `jury`). A jury does not decide about threats to life.\n\n"
        f"{settings.base_url}/desk/appeals/{row.id}\n\n-- \n{settings.name}\n{settings.base_url}\n"
    )
    return f"An appeal on {settings.name} waits for a second person", text


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())
