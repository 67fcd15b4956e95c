"""The instance as programs see it before anybody signs in."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from parley.kit.clock import time_travel
from tests.accounts.people import png
from tests.conftest import World, open_world
from tests.oracle import assert_matches


async def test_the_instance_describes_itself_in_both_shapes(world: World) -> None:
    await world.account("olga", role="owner")
    await world.post("olga", "Welcome")
    new = assert_matches("getInstanceV2", await world.anonymous.get("/api/v2/instance"))
    assert new["domain"] == "localhost:3000"
    assert new["configuration"]["statuses"]["max_characters"] == 1000
    assert new["configuration"]["urls"]["streaming"] == "ws://localhost:3000"
    assert new["registrations"]["enabled"] is True
    assert new["contact"]["account"]["username"] == "olga"
    assert new["version"].startswith("4.5.0 (compatible; Parley ")
    old = assert_matches("getInstance", await world.anonymous.get("/api/v1/instance"))
    assert old["uri"] == "localhost:3000"
    assert old["stats"] == {"user_count": 1, "status_count": 1, "domain_count": 0}
    assert old["rules"] == new["rules"]


@pytest.mark.parametrize(
    ("registrations", "enabled", "approval"),
    [("open", True, False), ("approval", True, True), ("invite", False, False), ("closed", False, False)],
)
async def test_the_instance_says_who_may_join(settings, dsn: str, registrations, enabled, approval) -> None:
    async with open_world(msgspec.structs.replace(settings, registrations=registrations), dsn) as world:
        told = (await world.anonymous.get("/api/v2/instance")).json()["registrations"]
    assert (told["enabled"], told["approval_required"]) == (enabled, approval)
    assert (told["message"] is None) == enabled


async def test_the_rules_are_the_clauses_of_the_policy(world: World) -> None:
    rules = assert_matches("getInstanceRules", await world.anonymous.get("/api/v1/instance/rules"))
    assert len(rules) > 5
    assert rules[0]["id"] == "1.1"
    assert all(rule["text"] for rule in rules)


async def test_the_other_pages_of_the_instance_answer(world: World) -> None:
    get = world.anonymous.get
    assert assert_matches("getInstancePeers", await get("/api/v1/instance/peers")) == []
    assert assert_matches("getInstanceDomainBlocks", await get("/api/v1/instance/domain_blocks")) == []
    assert assert_matches("getInstanceTranslationLanguages", await get("/api/v1/instance/translation_languages")) == {}
    policy = assert_matches("getInstancePrivacyPolicy", await get("/api/v1/instance/privacy_policy"))
    assert "argon2id" in policy["content"]
    page = await get("/privacy")
    assert page.status_code == 200
    assert "argon2id" in page.text
    about = assert_matches("getInstanceExtendedDescription", await get("/api/v1/instance/extended_description"))
    assert about["content"] == ""
    for path in ("", "/2026-01-01"):
        answer = await get(f"/api/v1/instance/terms_of_service{path}")
        assert answer.status_code == 404
        assert answer.json() == {"error": "Record not found"}


async def test_an_operators_own_texts_replace_the_shipped_ones(world: World) -> None:
    folder = world.settings.path("pages")
    folder.mkdir(parents=True)
    (folder / "privacy_policy.md").write_text("We keep **nothing**. <script>alert(1)</script>")
    (folder / "about.md").write_text("Run by Olga.")
    policy = (await world.anonymous.get("/api/v1/instance/privacy_policy")).json()
    assert "<strong>nothing</strong>" in policy["content"]
    assert "<script" not in policy["content"]
    about = (await world.anonymous.get("/api/v1/instance/extended_description")).json()
    assert about["content"] == "<p>Run by Olga.</p>"


async def test_activity_is_counted_week_by_week(world: World) -> None:
    from parley.social.accounts.activity import count_weekly_activity

    await world.account("bob")
    await world.post("alice", "One")
    await world.post("alice", "Two")
    before = assert_matches("getInstanceActivity", await world.anonymous.get("/api/v1/instance/activity"))
    assert len(before) == 12
    assert {week["statuses"] for week in before} == {"0"}
    for _ in range(2):
        with time_travel(timedelta(minutes=6)):
            await count_weekly_activity(world.instance, {})
    after = (await world.anonymous.get("/api/v1/instance/activity")).json()
    assert sum(int(week["statuses"]) for week in after) == 2
    assert sum(int(week["registrations"]) for week in after) == 2


async def test_nodeinfo_leads_to_what_runs_here(world: World) -> None:
    links = (await world.anonymous.get("/.well-known/nodeinfo")).json()["links"]
    assert [link["rel"].rsplit("/", 1)[1] for link in links] == ["2.1", "2.0"]
    for link in links:
        answer = await world.anonymous.get(link["href"])
        assert answer.headers["content-type"].startswith("application/json; profile=")
        told = answer.json()
        assert told["software"]["name"] == "parley"
        assert told["openRegistrations"] is True
    assert (await world.anonymous.get("/nodeinfo/1.0")).status_code == 404


@pytest.mark.parametrize(
    "resource",
    [
        "acct:alice@localhost:3000",
        "acct:Alice@LOCALHOST:3000",
        "http://localhost:3000/@alice",
        "http://localhost:3000/users/alice",
    ],
)
async def test_webfinger_finds_a_member(world: World, resource: str) -> None:
    await world.account("alice")
    answer = await world.anonymous.get("/.well-known/webfinger", params={"resource": resource})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/jrd+json")
    found = answer.json()
    assert found["subject"] == "acct:alice@localhost:3000"
    assert found["links"][0]["href"] == "http://localhost:3000/@alice"


async def test_webfinger_knows_nobody_else(world: World) -> None:
    await world.account("alice")
    get = world.anonymous.get
    assert (await get("/.well-known/webfinger")).status_code == 400
    for resource in (
        "acct:nobody@localhost:3000",
        "acct:alice@other.example",
        "http://other.example/@alice",
        "x",
        "acct:",
    ):
        assert (await get("/.well-known/webfinger", params={"resource": resource})).status_code == 404


async def test_host_meta_leads_to_webfinger(world: World) -> None:
    answer = await world.anonymous.get("/.well-known/host-meta")
    assert answer.headers["content-type"].startswith("application/xrd+xml")
    assert 'template="http://localhost:3000/.well-known/webfinger?resource={uri}"' in answer.text


async def test_custom_emoji_are_listed_and_shown_in_profiles(world: World) -> None:
    from parley.kit.errors import Invalid
    from parley.social.accounts.emojis import add_emoji, remove_emoji
    from parley.social.accounts.profiles import Picture

    assert assert_matches("getCustomEmojis", await world.anonymous.get("/api/v1/custom_emojis")) == []
    alice = await world.account("alice")
    client = await world.client("alice")
    await client.patch(
        "/api/v1/accounts/update_credentials", json={"display_name": "Alice :tea:", "note": ":none: :tea:"}
    )
    assert (await client.get(f"/api/v1/accounts/{alice}")).json()["emojis"] == []
    async with world.instance.db.write() as tx:
        await add_emoji(tx, ":tea:", Picture("aa/bb/tea.png", "aa/bb/tea-still.png"), category="Drinks")
    listed = assert_matches("getCustomEmojis", await world.anonymous.get("/api/v1/custom_emojis"))
    assert listed == [
        {
            "shortcode": "tea",
            "url": "http://localhost:3000/media/aa/bb/tea.png",
            "static_url": "http://localhost:3000/media/aa/bb/tea-still.png",
            "visible_in_picker": True,
            "category": "Drinks",
        }
    ]
    assert (await client.get(f"/api/v1/accounts/{alice}")).json()["emojis"] == listed
    async with world.instance.db.write() as tx:
        await remove_emoji(tx, "tea")
    assert (await client.get(f"/api/v1/accounts/{alice}")).json()["emojis"] == []
    with pytest.raises(Invalid):
        async with world.instance.db.write() as tx:
            await add_emoji(tx, "a b", Picture("a", "b"))


async def test_an_operator_adds_an_emoji_from_a_file(world: World, tmp_path: Path) -> None:
    from parley.kit.errors import Invalid
    from parley.social.media.emoji_files import add_emoji_file, remove_emoji_files

    picture = tmp_path / "tea.png"
    picture.write_bytes(png())
    added = await add_emoji_file(world.instance, "tea", picture, category="Drinks")
    (listed,) = (await world.anonymous.get("/api/v1/custom_emojis")).json()
    assert listed["url"] == f"http://localhost:3000/media/{added.file}"
    assert (await world.anonymous.get(listed["static_url"])).status_code == 200
    again = await add_emoji_file(world.instance, "tea", picture)
    assert again.file != added.file
    assert (await world.anonymous.get(listed["url"])).status_code == 404
    await remove_emoji_files(world.instance, "tea")
    assert (await world.anonymous.get("/api/v1/custom_emojis")).json() == []
    picture.write_text("<svg/>")
    for shortcode, file in (("a b", picture), ("tea", picture), ("tea", tmp_path / "missing.png")):
        with pytest.raises(Invalid):
            await add_emoji_file(world.instance, shortcode, file)


async def test_the_default_pictures_are_there(world: World) -> None:
    for name in ("avatar", "header"):
        answer = await world.anonymous.get(f"/static/{name}.png")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/png"
        assert answer.content[:4] == png()[:4]
