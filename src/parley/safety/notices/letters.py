"""The words of receipts and answers: plain functions from facts to text. No markup, no tracking, nobody's name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from parley.kit.settings import Settings
from parley.safety.notices.reads import receipt_address
from parley.safety.notices.views import OUTCOME_WORDS, Found, LedgerLine, NoticeView, QuestionView

MOST_LINES = 200

FOUND_WORDS: dict[Found, str] = {
    "status": "a post here",
    "media": "a file of a post here",
    "profile": "a profile here",
    "account": "an account here",
    "gone": "deleted by its author; what we kept of it is looked at",
    "unknown": "nothing is found at this address",
    "not_ours": "not an address of ours",
}


def receipt_text(settings: Settings, notice: NoticeView, lines: Sequence[LedgerLine]) -> str:
    """Tells that a notice arrived, what its URLs are, and what happens until when (DSA, Article 16(4))."""
    named = "\n".join(
        f"  {line.position}. {_address(notice, line)}\n     {FOUND_WORDS[line.found]}" for line in lines[:MOST_LINES]
    )
    more = f"\n  ... and {len(lines) - MOST_LINES} more" if len(lines) > MOST_LINES else ""
    urls = (
        f"What it names:\n\n{named}{more}"
        if lines
        else (
            "We found no address of ours in it. Somebody reads it; if it is about content here, please send us its\n"
            "exact addresses (URLs) by answering to this mail."
        )
    )
    return (
        f"Hello,\n\nwe have your notice of {_time(notice.received_at)}. Its number is {notice.id}.\n\n{urls}\n\n"
        f"You will have our decision, with its reasons for each address, by {_time(notice.due_at)}. A person decides;\n"
        "a program may hide content until then. Where your notice stands:\n\n"
        f"{receipt_address(settings, notice.id)}\n\n"
        "If you disagree with a decision you can ask for another look there, for six months.\n\n" + _foot(settings)
    )


def question_text(settings: Settings, notice: NoticeView, question: QuestionView) -> str:
    """Asks whoever sent a notice for what is missing."""
    meanwhile = (
        f"We wait for your answer until {_time(question.until_at)}, and decide with what we have then."
        if question.paused
        else "We do not wait for your answer before we act, but it helps us to decide rightly: please be quick."
    )
    return (
        f"Hello,\n\nto decide about your notice of {_time(notice.received_at)}, number {notice.id}, we need to know\n"
        f"more:\n\n{question.question}\n\nPlease answer to this mail, or there:\n\n"
        f"{receipt_address(settings, notice.id)}\n\n{meanwhile}\n\n" + _foot(settings)
    )


def answer_text(
    settings: Settings, notice: NoticeView, lines: Sequence[LedgerLine], words: str, fingerprint: str
) -> str:
    """Tells what became of each URL of a notice."""
    parts = [f"Hello,\n\nthis is our answer to your notice of {_time(notice.received_at)}, number {notice.id}."]
    if words:
        parts.append(words)
    parts += [_line_text(notice, line) for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        parts.append(f"... and {len(lines) - MOST_LINES} more, in the file `answer.json`.")
    parts.append(
        "The file `answer.json` says the same for programs. It is signed with Ed25519 (`answer.json.sig`); the\n"
        f"fingerprint of the key is {fingerprint}."
    )
    parts.append(
        f"It stays up to date here, and you can ask for another look there:\n\n{receipt_address(settings, notice.id)}"
    )
    return "\n\n".join(parts) + "\n\n" + _foot(settings)


def _address(notice: NoticeView, line: LedgerLine) -> str:
    """The address that was named. A stranger's that leads elsewhere is not repeated: anybody can give somebody else's
    mail address, and we carry no advertisements."""
    return line.url if notice.verified or line.found != "not_ours" else "(an address elsewhere)"


def _line_text(notice: NoticeView, line: LedgerLine) -> str:
    said = [f"{line.position}. {_address(notice, line)}", f"   {OUTCOME_WORDS[line.outcome]}."]
    if line.clause:
        said.append(f"   Rule: {line.clause} {line.clause_title}".rstrip() + ".")
    if line.first_action_at:
        said.append(f"   First action: {_time(line.first_action_at)}.")
    if line.resolved_at:
        said.append(f"   Decided: {_time(line.resolved_at)}.")
    if line.copies_found:
        said.append(f"   Posts that say the same: {line.copies_found}, of which {line.copies_acted} are taken down.")
    if line.reasons and line.outcome in ("kept", "restored"):
        said.append("   Why: " + " ".join(line.reasons.split()))
    return "\n".join(said)


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _foot(settings: Settings) -> str:
    return f"-- \n{settings.name}\n{settings.base_url}\n"
