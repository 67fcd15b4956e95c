"""Statements of reasons: what the DSA Transparency Database would take, and nothing private."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from parley.kit.clock import now
from parley.kit.errors import Invalid
from parley.safety.transparency.categories import category_of, load_categories
from parley.safety.transparency.statements import EEA, check_statement, list_statements, statement_schema
from parley.screening import live_ruleset, shipped_policy
from tests.conftest import World
from tests.safety.transparency.desk import insert_decision, posted, today


async def statements(world: World) -> list[dict[str, Any]]:
    async with world.instance.db.read() as tx:
        return [one async for some in list_statements(tx, world.settings, today(), today()) for one in some]


async def test_a_removal_by_a_person_after_a_report_becomes_a_statement(world: World) -> None:
    mia = await world.account("mod_mia", role="moderator")
    author, status = await posted(world, "bob", "my secret words", language="en")
    async with world.instance.db.write() as tx:
        await insert_decision(tx, author, [("remove", "status", status), ("warn", "account", author)], decided_by=mia)
    (made,) = await statements(world)
    puid = made.pop("puid")
    assert made == {
        "decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"],
        "decision_facts": "A post was examined. A member of the service reported it. A person decided. "
        "What was decided applies everywhere, in the European Economic Area and beyond it.",
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "decision_ground_reference_url": "http://localhost:3000/about#rule-1.1",
        "incompatible_content_ground": "1.1 Threats and incitement",
        "incompatible_content_explanation": live_ruleset().clauses["1.1"].text,
        "content_type": ["CONTENT_TYPE_TEXT"],
        "content_language": "EN",
        "content_date": today().isoformat(),
        "category": "STATEMENT_CATEGORY_VIOLENCE",
        "category_specification": ["KEYWORD_INCITEMENT_VIOLENCE_HATRED"],
        "territorial_scope": list(EEA),
        "application_date": today().isoformat(),
        "source_type": "SOURCE_TYPE_OTHER_NOTIFICATION",
        "automated_detection": "No",
        "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
    }
    assert puid.isdigit()
    assert "secret" not in json.dumps(made)
    assert "bob" not in json.dumps(made)


async def test_every_kind_of_restriction_fits_the_schema_and_what_is_none_makes_no_statement(world: World) -> None:
    author, status = await posted(world, "bob", "some words")
    end = now() + timedelta(days=7)
    kinds = ("label", "sensitive", "limit", "hide", "remove", "remove_media", "quarantine", "require_change")
    stops = ("restrict_posting", "limit_account", "freeze", "suspend", "terminate")
    async with world.instance.db.write() as tx:
        for kind in kinds:
            await insert_decision(tx, author, [(kind, "status", status)], source="automated", alone=True, detected=True)
        for kind in stops:
            await insert_decision(tx, author, [(kind, "account", author)], ends_at=None if kind == "terminate" else end)
        for kind in ("no_action", "publish", "warn"):
            await insert_decision(tx, author, [(kind, "status", status)])
        await insert_decision(tx, author, [("remove", "status", status)], source="authority_order")
        await insert_decision(tx, author, [("remove", "status", status)], kind="undo")
    made = await statements(world)
    assert len(made) == len(kinds) + len(stops)
    by_account = {one.get("decision_account") or one.get("decision_provision"): one for one in made[len(kinds) :]}
    suspended = by_account["DECISION_ACCOUNT_SUSPENDED"]
    assert suspended["end_date_account_restriction"] == end.date().isoformat()
    assert suspended["content_type"] == ["CONTENT_TYPE_OTHER"]
    assert suspended["content_type_other"] == "Account"
    assert "end_date_account_restriction" not in by_account["DECISION_ACCOUNT_TERMINATED"]
    assert made[0]["automated_decision"] == "AUTOMATED_DECISION_FULLY"
    assert made[0]["source_type"] == "SOURCE_VOLUNTARY"


async def test_one_decision_about_two_posts_makes_two_statements_that_are_told_apart(world: World) -> None:
    author, first = await posted(world, "bob", "one")
    _, second = await posted(world, "bob", "two")
    async with world.instance.db.write() as tx:
        await insert_decision(tx, author, [("remove", "status", first), ("remove", "status", second)])
    assert len({one["puid"] for one in await statements(world)}) == 2


def test_the_schema_is_a_schema_and_the_shipped_mapping_uses_its_words_alone(world: World) -> None:
    schema = statement_schema()
    Draft202012Validator.check_schema(schema)
    assert "transparency.dsa.ec.europa.eu" in schema["description"]
    categories = load_categories(world.settings)
    assert set(live_ruleset().clauses) <= set(categories)
    allowed = schema["properties"]
    for one in categories.values():
        assert one.category in allowed["category"]["enum"]
        assert set(one.keywords) <= set(allowed["category_specification"]["items"]["enum"])
        assert bool(one.other) == ("KEYWORD_OTHER" in one.keywords)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"category": "STATEMENT_CATEGORY_PIRACY"}, "category"),
        ({"puid": "with space"}, "puid"),
        ({"decision_visibility": ["DECISION_VISIBILITY_OTHER"]}, "decision_visibility_other"),
        ({"territorial_scope": ["US"]}, "territorial_scope"),
        ({"author": "bob"}, "author"),
    ],
)
def test_what_the_database_would_refuse_is_refused_here(change: dict[str, Any], said: str) -> None:
    right = {
        "decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"],
        "decision_facts": "x",
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": "x",
        "incompatible_content_explanation": "x",
        "content_type": ["CONTENT_TYPE_TEXT"],
        "category": "STATEMENT_CATEGORY_VIOLENCE",
        "territorial_scope": ["DE"],
        "content_date": "2026-01-01",
        "application_date": "2026-01-01",
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "No",
        "automated_decision": "AUTOMATED_DECISION_FULLY",
        "puid": "1",
    }
    check_statement(right)
    with pytest.raises(Invalid, match=said):
        check_statement(right | change)


def test_a_policy_of_ones_own_may_map_its_own_clauses(world: World, tmp_path) -> None:
    shipped = yaml.safe_load((shipped_policy() / "dsa.yaml").read_text())
    assert shipped["clauses"]["1.1"]
    (tmp_path / "dsa.yaml").write_text(
        'clauses:\n  "77.1": {category: STATEMENT_CATEGORY_ANIMAL_WELFARE, keywords: [KEYWORD_ANIMAL_HARM]}\n'
    )
    categories = load_categories(msgspec.structs.replace(world.settings, policy_dir=str(tmp_path)))
    assert category_of(categories, "77.1").category == "STATEMENT_CATEGORY_ANIMAL_WELFARE"
    assert category_of(categories, "nobody.mapped").category == "STATEMENT_CATEGORY_OTHER_VIOLATION_TC"
    assert category_of(categories, "1.1").category == "STATEMENT_CATEGORY_VIOLENCE"
