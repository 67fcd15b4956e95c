"""Statements of reasons as the EU's DSA Transparency Database takes them (Articles 17 and 24(5) DSA).

Source of every name: https://transparency.dsa.ec.europa.eu/page/api-documentation, version 2 of the schema. What goes
out is checked against `statement.schema.json`, written from it. A statement holds nothing that anybody wrote and no
name: the database is public, and must hold no personal data. Orders of authorities need no statement (Article 17(5)).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from parley.kit.db import Tx
from parley.kit.errors import Invalid
from parley.kit.ids import time_of_id
from parley.kit.settings import Settings
from parley.safety.transparency import store_statements
from parley.safety.transparency.categories import Category, category_of, load_categories
from parley.safety.transparency.report import Period
from parley.safety.transparency.store_statements import StatementRow
from parley.screening import Clause, live_ruleset

AT_ONCE = 100
"""How many statements the database takes in one request."""

EEA = (
    *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE"),
    *("IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"),
)
"""Countries of the European Economic Area: our decisions hold everywhere."""

VISIBILITY = {
    "remove": "DECISION_VISIBILITY_CONTENT_REMOVED",
    "remove_media": "DECISION_VISIBILITY_CONTENT_REMOVED",
    "hide": "DECISION_VISIBILITY_CONTENT_DISABLED",
    "quarantine": "DECISION_VISIBILITY_CONTENT_DISABLED",
    "limit": "DECISION_VISIBILITY_CONTENT_DEMOTED",
    "limit_account": "DECISION_VISIBILITY_CONTENT_DEMOTED",
    "label": "DECISION_VISIBILITY_CONTENT_LABELLED",
    "sensitive": "DECISION_VISIBILITY_OTHER",
    "require_change": "DECISION_VISIBILITY_OTHER",
}
VISIBILITY_OTHER = {
    "sensitive": "Covered by a warning until a reader asks to see it.",
    "require_change": "Hidden until its author has changed it.",
}
PROVISION = {
    "restrict_posting": "DECISION_PROVISION_PARTIAL_SUSPENSION",
    "freeze": "DECISION_PROVISION_PARTIAL_SUSPENSION",
}
ACCOUNT = {"suspend": "DECISION_ACCOUNT_SUSPENDED", "terminate": "DECISION_ACCOUNT_TERMINATED"}
SOURCES = {
    "user": "SOURCE_TYPE_OTHER_NOTIFICATION",
    "provider_notice": "SOURCE_TYPE_OTHER_NOTIFICATION",
    "public_notice": "SOURCE_ARTICLE_16",
    "trusted_flagger": "SOURCE_TRUSTED_FLAGGER",
    "automated": "SOURCE_VOLUNTARY",
}
FOUND = {
    "user": "A member of the service reported it.",
    "provider_notice": "A hosting provider or an app store sent a notice about it.",
    "public_notice": "A notice was sent to us about it.",
    "trusted_flagger": "A trusted flagger sent a notice about it.",
    "automated": "We found it of our own accord.",
}
MEDIA = {
    "image": "CONTENT_TYPE_IMAGE",
    "gifv": "CONTENT_TYPE_VIDEO",
    "video": "CONTENT_TYPE_VIDEO",
    "audio": "CONTENT_TYPE_AUDIO",
}


async def list_statements(
    tx: Tx, settings: Settings, from_day: date, until_day: date
) -> AsyncIterator[list[dict[str, Any]]]:
    """Statements about what the decisions of the period restrict, at most AT_ONCE in each list, checked against the
    schema. Sweeps and screening decide too; what is no decision stands in docs/operators/transparency.md.

    Raises Invalid for a wrong period, or where a statement would not be accepted (a mapping that names unknown words).
    """
    period = Period(from_day, until_day)
    categories, clauses = load_categories(settings), live_ruleset().clauses
    after = 0
    while True:
        rows = await store_statements.list_statements(tx, period.from_id, period.until_id, after, AT_ONCE)
        if not rows:
            return
        made = [make_statement(settings, row, categories, clauses) for row in rows]
        for one in made:
            check_statement(one)
        yield made
        after = rows[-1].action_id


WORLDWIDE = "What was decided applies everywhere, in the European Economic Area and beyond it."
"""No measure of this server knows countries; `territorial_scope` can only name those of the EEA, and names them all."""


def make_statement(
    settings: Settings, row: StatementRow, categories: Mapping[str, Category], clauses: Mapping[str, Clause]
) -> dict[str, Any]:
    """One statement. Pure; keys are those of the API, absent where there is nothing to say."""
    category = category_of(categories, row.clause)
    made: dict[str, Any] = {
        **_measures(row),
        "decision_facts": _facts(row),
        **_ground(settings, row, clauses),
        **_content(row),
        "category": category.category,
        "territorial_scope": list(EEA),
        "application_date": row.applied_at.date().isoformat(),
        "source_type": SOURCES.get(row.source, "SOURCE_VOLUNTARY"),
        "automated_detection": "Yes" if row.automated_detection else "No",
        "automated_decision": _automated(row),
        "puid": str(row.action_id),
    }
    if category.keywords:
        made["category_specification"] = list(category.keywords)
        if category.other and "KEYWORD_OTHER" in category.keywords:
            made["category_specification_other"] = category.other
    return made


def _measures(row: StatementRow) -> dict[str, Any]:
    made: dict[str, Any] = {}
    seen = sorted({VISIBILITY[kind] for kind in row.kinds if kind in VISIBILITY})
    until = row.ends_at.date().isoformat() if row.ends_at else None
    if seen:
        made["decision_visibility"] = seen
        other = [VISIBILITY_OTHER[kind] for kind in row.kinds if kind in VISIBILITY_OTHER]
        made |= {"decision_visibility_other": " ".join(other)} if other else {}
        made |= {"end_date_visibility_restriction": until} if until else {}
    for name, words, end in (
        ("decision_provision", PROVISION, "end_date_service_restriction"),
        ("decision_account", ACCOUNT, "end_date_account_restriction"),
    ):
        chosen = [words[kind] for kind in row.kinds if kind in words]
        if chosen:
            made[name] = max(chosen)  # a termination says more than a suspension
            made |= {end: until} if until else {}
    return made


def _facts(row: StatementRow) -> str:
    what = {"status": "A post", "media": "A file", "conversation": "A conversation"}.get(row.subject_type, "An account")
    found = "Automated means found it." if row.automated_detection else FOUND.get(row.source, FOUND["automated"])
    who = "It was decided without a person." if row.automated_decision else "A person decided."
    if row.kind == "interim":
        who = "It was hidden for the time being, until a person has decided."
    elif row.kind == "sweep":
        who = "People approved that what was posted before is examined again; a program decided about this."
    return f"{what} was examined. {found} {who} {WORLDWIDE}"


def _ground(settings: Settings, row: StatementRow, clauses: Mapping[str, Clause]) -> dict[str, Any]:
    clause = clauses.get(row.clause or "")
    if clause is not None:
        ground, why = f"{clause.id} {clause.title}", clause.text
    else:
        ground = f"Clause {row.clause}" if row.clause else "Rules of the service"
        why = "Whether it breaks the rules of the service is being examined; the restriction holds until then."
    return {
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "decision_ground_reference_url": f"{settings.base_url}/about{f'#rule-{clause.id}' if clause else '#rules'}",
        "incompatible_content_ground": ground[:500],
        "incompatible_content_explanation": why[:2000],
    }


def _content(row: StatementRow) -> dict[str, Any]:
    made: dict[str, Any] = {"content_date": max(time_of_id(row.subject_id).date(), date(2000, 1, 1)).isoformat()}
    types = {MEDIA[kind] for kind in row.media_types if kind in MEDIA}
    if row.subject_type in ("status", "conversation"):
        types.add("CONTENT_TYPE_TEXT")
    if not types:
        types = {"CONTENT_TYPE_OTHER"}
        made["content_type_other"] = {"account": "Account", "profile": "Profile"}.get(row.subject_type, "File")
    made["content_type"] = sorted(types)
    if row.language and len(row.language) == 2 and row.language.isascii() and row.language.isalpha():
        made["content_language"] = row.language.upper()
    return made


def _automated(row: StatementRow) -> str:
    if not row.automated_decision:
        return "AUTOMATED_DECISION_NOT_AUTOMATED"
    # People planned and approved what a sweep does; machines chose to what.
    return f"AUTOMATED_DECISION_{'PARTIALLY' if row.kind == 'sweep' else 'FULLY'}"


@cache
def statement_schema() -> dict[str, Any]:
    """The JSON schema of one statement."""
    found: dict[str, Any] = json.loads(files(__package__).joinpath("statement.schema.json").read_text("utf-8"))
    return found


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    return Draft202012Validator(statement_schema())


def check_statement(statement: Mapping[str, Any]) -> None:
    """Raise Invalid, naming the field, when the database would not take the statement."""
    problem = next(iter(_validator().iter_errors(statement)), None)
    if problem is not None:
        where = ".".join(str(part) for part in problem.absolute_path) or "the statement"
        said = problem.message[:300]
        raise Invalid(f"Statement {statement.get('puid')}: {where}: {said}. Look at dsa.yaml of the policy.")
