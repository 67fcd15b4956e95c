"""The judge's verdicts: outcomes, clauses, sentences, order of strength."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley import screening
from parley.screening import Content, Facts, Outcome, Ruleset, Verdict, judge
from parley.screening.content import MediaMatch
from parley.screening.signals import SIGNALS
from parley.screening.verdict import strongest
from tests.screening.conftest import MEMBER, MODERATOR, NOW, STRANGER, TRUSTED, status

GOLDEN = Path(__file__).parent / "golden"

CASES: dict[str, tuple[Content, Facts]] = {
    "nothing_to_say": (status("Good morning from the harbour"), MEMBER),
    "rejected_threat": (status("I'm gonna k1ll you"), MEMBER),
    "rejected_profile": (Content(kind="profile", texts={"note": "hang them all from the lampposts"}), MEMBER),
    "rejected_link": (status("look", "https://grabify.link/ABC"), TRUSTED),
    "held_encouragement": (status("k i l l yourself"), MEMBER),
    "held_message": (Content(kind="message", texts={"text": "I know where you live"}), MEMBER),
    "held_description": (Content(kind="media", texts={"description": "the shooter is a hero"}), TRUSTED),
    "held_poll": (Content(kind="poll", texts={"poll_option_2": "mass report him"}), MEMBER),
    "held_first_link": (status("my shop: https://shop.example/"), STRANGER),
    "held_mass_mention": (status("hello", mentions_count=9), STRANGER),
    "flagged_slogan": (status("Guillotines for all of them"), TRUSTED),
    "flagged_cry_for_help": (status("I want to kill myself"), MEMBER),
    "staff_quotes": (status("kys is held by our filter"), MODERATOR),
    "several_reasons": (status("kys. I will kill you. https://grabify[.]link/x"), STRANGER),
    "too_large_by_member": (status("lorem ipsum " * 5000), MEMBER),
    "too_large_by_trusted": (status("lorem ipsum " * 5000), TRUSTED),
    "limited_marks": (status("a" + "\u0301" * 60), MEMBER),
    "held_brigade": (
        status("what a coward", mentions_count=1),
        msgspec.structs.replace(MEMBER, strangers=1, first_contact=True, strangers_at_target_hour=9, cluster_size=4),
    ),
    "held_removed_before": (
        status("everybody come to my shop and buy it now"),
        msgspec.structs.replace(TRUSTED, copies_removed=3, copies_removed_clause="8.2"),
    ),
    "held_same_to_many": (
        status("have a look at my new shop", mentions_count=1),
        msgspec.structs.replace(MEMBER, strangers=1, first_contact=True, copies_hour_own=4),
    ),
    "held_known_file": (
        status(
            "look",
            media_count=1,
            media_matches=(
                MediaMatch(
                    bank="terror",
                    entry=7,
                    tier="hold",
                    clause="1.2",
                    kind="pdq",
                    distance=12,
                    form="mirrored",
                    place="media_1",
                ),
            ),
        ),
        MEMBER,
    ),
    "capped": (
        status("look", "https://grabify.link/ABC"),
        msgspec.structs.replace(MEMBER, capped_rules=("links-reject",)),
    ),
}


def as_json(verdict: Verdict) -> dict[str, object]:
    """What a moderator and the author are told: all but the values that change with every policy."""
    plain = msgspec.json.decode(msgspec.json.encode(verdict))
    for volatile in ("latency_us", "costs_us", "ruleset", "signals"):
        del plain[volatile]
    return plain


@pytest.mark.parametrize("name", CASES)
def test_explanations_are_those_of_the_golden_files(name: str, shipped: Ruleset) -> None:
    content, facts = CASES[name]
    found = as_json(judge(content, facts, ruleset=shipped, given={}))  # No model: its scores change with its version.
    path = GOLDEN / f"{name}.json"
    if os.environ.get("PARLEY_UPDATE_GOLDEN") == "1":
        path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert found == json.loads(path.read_text())


def test_a_reason_holds_the_figures_that_its_rule_asked_for_and_none_at_rest(shipped: Ruleset) -> None:
    crowd = msgspec.structs.replace(MEMBER, strangers=1, strangers_at_target_hour=9, cluster_size=4, published_month=40)
    because = judge(status("you again", mentions_count=1), crowd, ruleset=shipped, given={}).because
    assert because == (
        "Many who do not know the addressed person write to them within the hour, saying the same or made alike "
        "(strangers who wrote to one of them in the last hour: 9, people addressed who do not know the author: 1, "
        "accounts made alike: 4).",
    )


def test_every_field_that_the_shipped_rules_count_has_words(shipped: Ruleset) -> None:
    said = {name for signal in SIGNALS for name in signal.says}
    counted = {name for signal in SIGNALS for name, kind in signal.fields.items() if kind == "int"}
    asked = {name for rule in shipped.rules for name in counted if name in rule.when}
    banks = {name for name in counted if name.startswith(("words.", "links.", "media.")) and name.endswith(".count")}
    assert asked - said - banks == set(), "what a bank found is quoted instead"
    assert said <= {name for signal in SIGNALS for name in signal.fields}


def test_each_signal_says_what_it_costs_and_a_verdict_what_it_took(shipped: Ruleset) -> None:
    assert all(signal.cost_us > 0 for signal in SIGNALS)
    verdict = judge(status("Good morning from the harbour"), MEMBER, ruleset=shipped)
    assert verdict.costs_us.keys() == {signal.name for signal in shipped.signals}
    assert sum(verdict.costs_us.values()) <= verdict.latency_us


def test_a_rejected_post_says_which_rule_and_what_to_change(shipped: Ruleset) -> None:
    verdict = judge(status("I will kill you"), MEMBER, ruleset=shipped)
    assert verdict.outcome is Outcome.REJECT
    assert verdict.sentence == (
        "This post was not published: it breaks rule 1.1 (Threats and incitement). Remove the threat and post again."
    )


def test_a_held_post_says_who_sees_it_and_for_how_long(shipped: Ruleset) -> None:
    verdict = judge(status("hello", "https://shop.example/"), STRANGER, ruleset=shipped)
    assert (verdict.outcome, verdict.clause) == (Outcome.HOLD, "8.1")
    assert verdict.sentence == (
        "This post is visible only to you until a moderator has looked at it: "
        "rule 8.1 (First posts with links), usually within 24 hours."
    )


def test_nothing_is_said_about_an_ordinary_post(shipped: Ruleset) -> None:
    verdict = judge(status("Good morning"), MEMBER, ruleset=shipped)
    assert (verdict.outcome, verdict.sentence, verdict.because, verdict.clause) == (Outcome.ALLOW, "", (), None)
    assert verdict.ruleset == shipped.sha256


@pytest.mark.parametrize("kind", ["status", "poll", "media", "profile", "message"])
@pytest.mark.parametrize(
    "field", ["text", "spoiler_text", "poll_option_3", "description", "display_name", "field_1_value"]
)
def test_every_field_of_every_kind_is_judged(kind: str, field: str, shipped: Ruleset) -> None:
    content = Content(kind=kind, texts={"other": "hello", field: "I will kill you"})  # type: ignore[arg-type]
    verdict = judge(content, TRUSTED, ruleset=shipped)
    assert verdict.outcome is Outcome.REJECT
    assert verdict.matches[0].field == field


def test_the_strongest_outcome_wins_and_its_clause_is_named(shipped: Ruleset) -> None:
    verdict = judge(status("kys, I will kill you", "https://shop.example/"), STRANGER, ruleset=shipped, given={})
    assert (verdict.outcome, verdict.clause) == (Outcome.REJECT, "1.1")
    assert [rule.rule for rule in verdict.rules[:3]] == ["words-reject", "words-hold", "first-posts-with-links"]


def test_outcomes_have_one_order() -> None:
    assert [outcome.value for outcome in sorted(Outcome, key=lambda o: o.rank)] == [
        "allow",
        "allow_flag",
        "limit",
        "hold",
        "reject",
        "quarantine",
    ]
    assert strongest([Outcome.LIMIT, Outcome.HOLD, Outcome.ALLOW]) is Outcome.HOLD
    assert strongest([]) is Outcome.ALLOW
    assert [outcome for outcome in Outcome if outcome.published] == [Outcome.ALLOW, Outcome.ALLOW_FLAG, Outcome.LIMIT]


def test_a_background_rule_is_logged_and_decides_nothing(shipped: Ruleset) -> None:
    verdict = judge(status("HELLO EVERYBODY " * 8), STRANGER, ruleset=shipped, given={})
    assert verdict.outcome is Outcome.ALLOW
    assert [(rule.rule, rule.decides) for rule in verdict.rules] == [("shouting-by-new-account", False)]
    assert verdict.because == ()


def test_a_cry_for_help_is_offered_help_and_never_a_strike(shipped: Ruleset) -> None:
    verdict = judge(status("I want to kill myself"), MEMBER, ruleset=shipped, given={})
    assert verdict.outcome is Outcome.ALLOW_FLAG
    assert {"support", "never-strike"} <= set(verdict.labels)


def test_links_in_texts_count_as_much_as_links_that_the_caller_found(shipped: Ruleset) -> None:
    for content in (
        status("https://shop.example/"),
        status("", "https://shop.example/"),
        status("see www.shop.example"),
    ):
        verdict = judge(content, STRANGER, ruleset=shipped)
        assert (verdict.outcome, verdict.signals["links.count"]) == (Outcome.HOLD, 1)


def test_a_link_given_and_written_is_one_link(shipped: Ruleset) -> None:
    verdict = judge(status("see https://shop.example/", "https://shop.example/"), MEMBER, ruleset=shipped)
    assert verdict.signals["links.count"] == 1


@pytest.mark.parametrize(
    ("facts", "trust"),
    [
        (Facts(now=NOW), "new"),
        (Facts(now=NOW, account_age_days=1, published_statuses=2), "new"),
        (Facts(now=NOW, account_age_days=0.9, published_statuses=3), "new"),
        (Facts(now=NOW, account_age_days=1, published_statuses=3), "known"),
        (Facts(now=NOW, account_age_days=30, published_statuses=20), "trusted"),
        (Facts(now=NOW, account_age_days=30, published_statuses=20, strikes=1), "known"),
        (Facts(now=NOW, role="owner"), "staff"),
        (Facts(now=NOW, role="admin", local=False, domain="remote.example"), "new"),
        (Facts(now=NOW, trust="trusted"), "trusted"),
    ],
)
def test_trust_follows_from_the_facts(facts: Facts, trust: str, shipped: Ruleset) -> None:
    assert screening.trust_level(facts, shipped.head.trust) == trust
    assert judge(status("hi"), facts, ruleset=shipped).trust == trust


def test_a_verdict_can_be_kept_as_json(shipped: Ruleset) -> None:
    verdict = judge(status("I will kill you"), MEMBER, ruleset=shipped)
    again = msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict)
    assert again == verdict


def test_the_rules_page_lists_every_clause_in_order(shipped: Ruleset) -> None:
    clauses = screening.rules_page(shipped)
    assert [clause.id for clause in clauses][:3] == ["1.1", "1.2", "1.3"]
    assert all(clause.text and clause.remedy and clause.breaks for clause in clauses)


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=300), link=st.text(max_size=60), mentions=st.integers(-5, 50))
def test_any_input_gives_a_verdict_and_the_same_one_twice(text: str, link: str, mentions: int) -> None:
    content = status(text, link, mentions_count=mentions)
    verdict = judge(content, STRANGER)
    assert verdict == judge(content, STRANGER)
    assert not verdict.degraded
