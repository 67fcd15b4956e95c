"""Words for those whom a decision is about, in their language: the files in `texts/`, and nothing that decides.

Each file holds the same keys (tests see to it), with placeholders for the rule, moments and addresses. Rules
themselves are quoted as the policy has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from parley.kit.db import Tx
from parley.safety.decisions.views import Template
from parley.safety.log.views import Subject
from parley.screening.ruleset import Clause
from parley.social.sessions.reads import get_addressee

FOLDER = Path(__file__).with_name("texts")
DEFAULT = "en"


@cache
def languages() -> tuple[str, ...]:
    """The languages that there are words in, as two letters."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def texts_of(language: str) -> dict[str, Any]:
    """All words of one language; those of English for one that is not known."""
    import yaml

    name = normal_language(language)
    read: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return read


def normal_language(language: str | None) -> str:
    """`de` for `de-AT`; English for what there are no words in."""
    short = (language or "").replace("_", "-").partition("-")[0].lower()
    return short if short in languages() else DEFAULT


async def choose_language(tx: Tx, wanted: str | None, account_id: int) -> str:
    """The language to write to an account in: the one that is wanted, else the member's own."""
    if wanted:
        return normal_language(wanted)
    addressee = await get_addressee(tx, account_id)
    return normal_language(addressee.locale if addressee else None)


def templates(language: str, clause: Clause | None, kind: str, subjects: Sequence[Subject] = ()) -> Template:
    """Facts and reasons for a decision of this kind under `clause`, ready to be sent or changed."""
    words = texts_of(language)
    gentle = kind in ("no_action", "publish")
    about = None if gentle else clause
    return Template(
        language=normal_language(language),
        clause=about.id if about else None,
        kind=kind,
        facts=describe_subjects(language, subjects),
        reasons=describe_clause(language, about.id, about.title, about.text) if about else words["reasons"]["none"],
    )


def describe_subjects(language: str, subjects: Sequence[Subject]) -> str:
    """What was looked at: `We looked at 3 posts of yours, your profile.` The account itself is only named alone: what
    follows for it follows from the rest."""
    facts = texts_of(language)["facts"]
    counted: dict[str, int] = {}
    for subject in dict.fromkeys(subjects):
        counted[subject.type] = counted.get(subject.type, 0) + 1
    if len(counted) > 1:
        counted.pop("account", None)
    parts = [facts[kind]["one" if many == 1 else "many"].format(n=many) for kind, many in counted.items()]
    return str(facts["some"]).format(what=", ".join(parts)) if parts else str(facts["none"])


def describe_clause(language: str, clause: str, title: str, text: str) -> str:
    """The rule that was broken, in its own words."""
    return str(texts_of(language)["reasons"]["clause"]).format(clause=clause, title=title, text=text)


def describe_action(language: str, kind: str, *, label: str, ends_at: datetime | None) -> str:
    """What was done, in a sentence or two."""
    words = texts_of(language)
    sentence = str(words["actions"][kind])
    until = moment_text(ends_at) if ends_at else ""
    said = sentence.format(label=label, until=until)
    return f"{said} {words['until'].format(until=until)}" if ends_at and "{until}" not in sentence else said


def moment_text(moment: datetime) -> str:
    """A moment as everybody reads it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def day_text(moment: datetime) -> str:
    """A day as everybody reads it."""
    return f"{moment:%Y-%m-%d}"
