"""Who is told what: the author a statement of reasons, the reporter the outcome, the judge its mistakes; in time."""

from __future__ import annotations

import string
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from parley.kit.clock import time_travel
from parley.safety.decisions.actions import decide_automatically
from parley.safety.decisions.jobs import end_due_actions, expire_strikes
from parley.safety.decisions.reads import list_report_outcomes
from parley.safety.decisions.templates import describe_subjects, languages, templates, texts_of
from parley.safety.decisions.views import ActionKind, NewAction, NewDecision
from parley.safety.log.views import Subject, system
from parley.screening import live_ruleset
from parley.social.accounts.views import Viewer
from parley.social.statuses.ground import load_ground
from tests.conftest import World
from tests.oracle import assert_entity
from tests.safety.decisions.deciding import account, decided, mia, reversed_by, status, viewer_of
from tests.sessions.pages import mails, sign_in
from tests.statuses.cast import DOUBTFUL, ask, known


def letters_to(world: World, name: str) -> list[Any]:
    """Mails to somebody, the oldest first."""
    return [mail for mail in mails(world.settings) if f"{name}@example.org" in str(mail["To"])]


async def speaks(world: World, name: str, locale: str) -> None:
    account_id = await world.account(name)
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE users SET locale = $2 WHERE account_id = $1", account_id, locale)


async def test_the_author_gets_a_statement_of_reasons_in_the_app_and_by_mail(world: World) -> None:
    post = await world.post("alice", "hello")
    alice = world.ids["alice"]
    made = await decided(
        world,
        alice,
        NewAction("remove", status(post["id"])),
        NewAction("suspend", account(alice), 48),
        facts="You praised a killer.",
    )
    async with world.instance.db.write() as tx:
        await tx.execute("DELETE FROM account_restrictions")  # so that the app may ask
        await tx.execute("UPDATE accounts SET state = 'active'")
    (told,) = (await ask(world, "alice", "GET", "/notifications")).json()
    assert_entity("Notification", told)
    warning = told["moderation_warning"]
    assert (told["type"], warning["id"], warning["action"]) == ("moderation_warning", str(made.id), "suspend")
    assert warning["status_ids"] == [post["id"]]
    assert warning["appeal"] is None
    await world.run_jobs()
    (mail,) = letters_to(world, "alice")
    clause = live_ruleset().clauses["1.2"]
    for text in (warning["text"], " ".join(mail.get_content().split("\n"))):
        flat = " ".join(text.split())
        assert "You praised a killer." in flat, "facts"
        assert "1.2" in flat and clause.title in flat and " ".join(clause.text.split()) in flat, "the rule, as it reads"
        assert "It was removed." in flat and "suspended until" in flat, "what was done, and for how long"
        assert "This applies everywhere" in flat, "where"
        assert "A person decided this." in flat, "whether a machine did"
        assert f"/moderation/decisions/{made.id}" in flat and "appeal until" in flat, "how to appeal, until when"
        assert "mod_mia" not in flat, "and nobody of the staff is named"


async def test_an_appeal_and_its_end_are_part_of_the_warning(world: World) -> None:
    from parley.safety.appeals.actions import file_appeal

    post = await world.post("alice", "hello")
    made = await decided(world, world.ids["alice"], NewAction("remove", status(post["id"])))
    who = Viewer(account_id=world.ids["alice"], username="alice")
    async with world.instance.db.write() as tx:
        await file_appeal(tx, world.settings, who, made.id, "It only says hello.", role="author")
    for path in ("/notifications", f"/notifications/{(await _first(world))['id']}"):
        found = (await ask(world, "alice", "GET", path)).json()
        one = found[0] if isinstance(found, list) else found
        assert_entity("Notification", one)
        assert one["moderation_warning"]["appeal"] == {"text": "It only says hello.", "state": "pending"}
    grouped = (await (await world.client("alice")).get("/api/v2/notifications")).json()
    assert grouped["notification_groups"][0]["moderation_warning"]["appeal"]["state"] == "pending"


async def _first(world: World) -> dict[str, Any]:
    found: dict[str, Any] = (await ask(world, "alice", "GET", "/notifications")).json()[0]
    return found


@pytest.mark.parametrize("locale", ["de", "fr", "es", "it", "nl", "pt-BR", "pl", "tr", "ru", "ar", "xx"])
async def test_members_are_written_to_in_their_language(world: World, locale: str) -> None:
    await speaks(world, "alice", locale)
    alice = world.ids["alice"]
    made = await decided(world, alice, NewAction("warn", account(alice)))
    expected = locale.split("-")[0] if locale != "xx" else "en"
    assert made.language == expected
    await world.run_jobs()
    (mail,) = letters_to(world, "alice")
    said = " ".join(mail.get_content().split("\n"))
    assert texts_of(expected)["actions"]["warn"] in said
    assert texts_of(expected)["everywhere"] not in said, "a warning takes nothing from anybody anywhere"


def _placeholders(words: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], frozenset[str]]]:
    if isinstance(words, dict):
        for key, value in words.items():
            yield from _placeholders(value, (*path, key))
    else:
        yield path, frozenset(field for _, field, _, _ in string.Formatter().parse(words) if field)


def test_every_language_says_everything_with_the_same_placeholders() -> None:
    english = dict(_placeholders(texts_of("en")))
    assert len(languages()) == 11
    for language in languages():
        assert dict(_placeholders(texts_of(language))) == english, language
    assert set(texts_of("en")["actions"]) == set(ActionKind.__args__)  # type: ignore[attr-defined]


def test_templates_name_the_rule_and_what_was_looked_at() -> None:
    clause = live_ruleset().clauses["1.1"]
    made = templates("de-AT", clause, "remove", [Subject("status", 1), Subject("status", 2), Subject("profile", 3)])
    assert made.language == "de"
    assert made.facts == "Wir haben uns Folgendes angesehen: 2 Beiträge von dir, dein Profil."
    assert clause.text in made.reasons and "Regel 1.1" in made.reasons
    assert templates("en", clause, "no_action").reasons == "It breaks none of our rules."
    assert describe_subjects("en", []) == "We looked at what is listed here."


async def test_the_reporter_hears_the_outcome_and_nothing_private_of_its_author(world: World) -> None:
    await speaks(world, "bob", "fr")
    for text, kind, outcome in (("first", "remove", "acted"), ("second", "no_action", "not_acted")):
        post = await world.post("alice", text)
        reported = await ask(
            world, "bob", "POST", "/reports", json={"account_id": str(world.ids["alice"]), "status_ids": [post["id"]]}
        )
        assert reported.status_code == 200
        made = await decided(
            world,
            world.ids["alice"],
            NewAction(kind, status(post["id"])),  # type: ignore[arg-type]
            clause="1.2" if outcome == "acted" else None,
            facts="Private words to alice.",
        )
        await world.run_jobs()
        await world.run_jobs()
        mail = letters_to(world, "bob")[-1]
        said = " ".join(mail.get_content().split("\n"))
        assert "@alice" in said and str(made.id) in said
        assert texts_of("fr")[f"report_{outcome}"].format(target="alice") in said
        assert "Private words" not in said and "mod_mia" not in said
    assert len(letters_to(world, "bob")) == 2, "each once"
    bob = Viewer(account_id=world.ids["bob"], username="bob")
    async with world.instance.db.read() as tx:
        assert [one.outcome for one in await list_report_outcomes(tx, bob)] == ["not_acted", "acted"]
        assert await list_report_outcomes(tx, Viewer(account_id=world.ids["alice"], username="alice")) == []


async def test_the_author_is_told_of_an_undone_decision_and_of_what_has_ended(world: World) -> None:
    alice = await world.account("alice")
    made = await decided(world, alice, NewAction("warn", account(alice)))
    await reversed_by(world, made.id)
    await decided(world, alice, NewAction("restrict_posting", account(alice), 1))
    with time_travel(timedelta(hours=2)):
        await end_due_actions(world.instance, {})
        await world.run_jobs()
    texts = [one["moderation_warning"]["text"] for one in (await ask(world, "alice", "GET", "/notifications")).json()]
    assert "has ended by itself" in texts[0]
    assert "was a mistake" in texts[2]
    assert len(letters_to(world, "alice")) == 4


async def test_what_was_decided_stands_on_the_members_pages(world: World) -> None:
    post = await world.post("alice", "hello")
    made = await decided(
        world, world.ids["alice"], NewAction("remove", status(post["id"])), facts="You praised a killer."
    )
    browser = await sign_in(world, "alice")
    page = await browser.get("/notifications")
    assert f"/moderation/decisions/{made.id}" in page.text
    assert "You praised a killer." in page.text
    page = await browser.get(f"/moderation/decisions/{made.id}")
    assert "You praised a killer." in page.text


# ---- Strikes ----


async def strikes_of(world: World, name: str) -> int:
    """How many strikes screening is told of."""
    viewer = Viewer(account_id=world.ids[name], username=name)
    async with world.instance.db.read() as tx:
        ground = await load_ground(tx, viewer, [], None)
        return ground.strikes


async def test_strikes_count_expire_and_are_refunded(world: World) -> None:
    post, other = await world.post("alice", "hello"), await world.post("alice", "hello again")
    alice = world.ids["alice"]
    first = await decided(
        world, alice, NewAction("remove", status(post["id"])), NewAction("remove", status(other["id"])), clause="1.2"
    )
    assert first.strikes == 4, "one for each decision, of the clause's weight"
    assert await strikes_of(world, "alice") == 1
    marked = await decided(world, alice, NewAction("label", status(post["id"])))
    assert marked.strikes == 0, "a label is no strike"
    second = await decided(world, alice, NewAction("warn", account(alice)), clause="1.1")
    assert await strikes_of(world, "alice") == 2
    await reversed_by(world, second.id, "appeal", who=await viewer_of(world, "mod_lena"))
    assert await strikes_of(world, "alice") == 1
    with time_travel(timedelta(days=365, hours=1)):
        await expire_strikes(world.instance, {})
        assert await strikes_of(world, "alice") == 0


async def test_a_clause_without_weight_never_gives_a_strike(world: World) -> None:
    post = await world.post("alice", "hello")
    free = next(clause.id for clause in live_ruleset().clauses.values() if clause.strike_weight == 0)
    made = await decided(world, world.ids["alice"], NewAction("remove", status(post["id"])), clause=free)
    assert made.strikes == 0


# ---- The judge ----


async def test_what_was_removed_is_known_when_it_is_posted_again_until_the_removal_is_overturned(world: World) -> None:
    text = "the very same long words about nothing in particular, again and again and again"
    post = await world.post("alice", text)
    made = await decided(world, world.ids["alice"], NewAction("remove", status(post["id"])))
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM removed_texts") == 1
    await reversed_by(world, made.id, "appeal", who=await viewer_of(world, "mod_lena"))
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM removed_texts") == 0
        labels = [tuple(row) for row in await tx.fetch("SELECT outcome, source FROM labels ORDER BY id")]
    assert labels == [("hold", "decision"), ("allow", "appeal")]


async def test_machines_teach_the_judge_nothing(world: World) -> None:
    post = await world.post("alice", "hello")
    async with world.instance.db.write() as tx:
        new = NewDecision(account_id=world.ids["alice"], actions=(NewAction("hide", status(post["id"])),))
        await decide_automatically(tx, world.settings, system("clocks"), new, kind="interim")
        assert await tx.fetchval("SELECT count(*) FROM labels") == 0


async def test_publishing_what_waited_is_labelled_once(world: World) -> None:
    await known(world, "alice")
    held = await world.post("alice", DOUBTFUL)
    await decided(world, world.ids["alice"], NewAction("no_action", status(held["id"])), clause=None)
    async with world.instance.db.read() as tx:
        labels = [tuple(row) for row in await tx.fetch("SELECT outcome, source, decided_by FROM labels")]
        assert await tx.fetchval("SELECT kind FROM decision_actions") == "publish", "finding nothing lets it out"
    assert labels == [("allow", "decision", (await mia(world)).account_id)]
