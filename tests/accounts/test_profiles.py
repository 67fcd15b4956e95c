"""Changing one's own profile: what is stored, what is shown, what is refused, what waits."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from parley.kit.clock import now, time_travel
from parley.kit.settings import Settings
from tests.accounts.people import account, change, png
from tests.conftest import World, open_world
from tests.oracle import assert_matches


async def test_a_new_member_reads_the_own_account(world: World) -> None:
    alice = await world.client("alice")
    own = assert_matches("getAccountsVerifyCredentials", await alice.get("/api/v1/accounts/verify_credentials"))
    assert own["username"] == own["acct"] == "alice"
    assert own["url"] == "http://localhost:3000/@alice"
    assert own["avatar"] == "http://localhost:3000/static/avatar.png"
    assert own["header"] == "http://localhost:3000/static/header.png"
    assert own["source"]["privacy"] == "public"
    assert own["source"]["quote_policy"] == "public"
    assert own["source"]["follow_requests_count"] == 0
    assert own["role"]["id"] == "-99"
    assert "moderation" not in own


async def test_words_are_cleaned_rendered_and_shown_to_all(world: World) -> None:
    await world.account("bob")
    answer = await change(
        world,
        "alice",
        display_name="  Alice \n of  Wonder\u0000land ",
        note="I know @bob and @nobody.\n<script>alert(1)</script> #Tea https://tea.example/",
        fields_attributes=[{"name": "Home", "value": "https://alice.example/"}, {"name": "", "value": ""}],
    )
    own = assert_matches("patchAccountsUpdateCredentials", answer)
    assert own["display_name"] == "Alice of Wonderland"
    seen = await account(world, "alice", viewer="bob")
    assert seen["display_name"] == "Alice of Wonderland"
    assert '<a href="http://localhost:3000/@bob" class="u-url mention">@<span>bob</span></a>' in seen["note"]
    assert "@nobody." in seen["note"]
    assert "<script" not in seen["note"]
    assert "&lt;script&gt;" in seen["note"]
    assert '<a href="http://localhost:3000/tags/Tea" class="mention hashtag" rel="tag">' in seen["note"]
    assert [row["name"] for row in seen["fields"]] == ["Home"]
    assert 'rel="me nofollow noopener noreferrer"' in seen["fields"][0]["value"]
    assert own["source"]["fields"][0]["value"] == "https://alice.example/"
    assert own["source"]["note"].startswith("I know @bob")
    assert "source" not in seen


@pytest.mark.parametrize(
    "body",
    [
        {"fields_attributes[0][name]": "A", "fields_attributes[0][value]": "1", "fields_attributes[1][name]": "B"},
        {"fields_attributes[][name]": ["A", "B"], "fields_attributes[][value]": ["1"]},
    ],
    ids=["hash form", "array form"],
)
async def test_fields_come_as_a_hash_or_as_an_array(world: World, body: dict[str, object]) -> None:
    alice = await world.client("alice")
    pairs = []
    for name, values in body.items():
        pairs += [(name, value) for value in (values if isinstance(values, list) else [values])]
    if "fields_attributes[][name]" in body:
        pairs = [pairs[0], pairs[2], pairs[1]]
    from urllib.parse import urlencode

    answer = await alice.patch(
        "/api/v1/accounts/update_credentials",
        content=urlencode(pairs),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 200, answer.text
    assert [(row["name"], row["value"]) for row in answer.json()["source"]["fields"]] == [("A", "1"), ("B", "")]


async def test_fields_come_as_a_json_object_too(world: World) -> None:
    answer = await change(world, "alice", fields_attributes={"0": {"name": "A", "value": "1"}})
    assert answer.json()["source"]["fields"] == [{"name": "A", "value": "1", "verified_at": None}]


async def test_switches_and_defaults_are_changed_one_at_a_time(world: World) -> None:
    first = await change(
        world, "alice", locked=True, discoverable=False, source={"privacy": "private", "language": "de"}
    )
    assert first.status_code == 200, first.text
    second = (await change(world, "alice", bot="true", source={"sensitive": "1", "quote_policy": "nobody"})).json()
    assert (second["locked"], second["discoverable"], second["bot"]) == (True, False, True)
    source = second["source"]
    assert (source["privacy"], source["language"], source["sensitive"]) == ("private", "de", True)
    assert source["quote_policy"] == "nobody"
    preferences = await (await world.client("alice")).get("/api/v1/preferences")
    assert assert_matches("getPreferences", preferences)["posting:default:visibility"] == "private"


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"display_name": "x" * 31}, "display_name"),
        ({"note": "x" * 501}, "note"),
        ({"fields_attributes": [{"name": str(n), "value": "x"} for n in range(5)]}, "fields"),
        ({"fields_attributes": [{"name": "x" * 256, "value": "x"}]}, "fields"),
        ({"fields_attributes": [{"name": "", "value": "x"}]}, "fields"),
        ({"attribution_domains": ["not a domain"]}, "attribution_domains"),
        ({"source": {"privacy": "everybody"}}, "visibility"),
    ],
)
async def test_what_is_too_much_is_refused_with_its_name(world: World, params: dict[str, object], field: str) -> None:
    answer = await change(world, "alice", **params)
    assert answer.status_code == 422
    assert field in answer.json()["details"]
    assert (await account(world, "alice"))["display_name"] == ""


async def test_nonsense_instead_of_values_is_refused_politely(world: World) -> None:
    for params in ({"locked": "perhaps"}, {"display_name": {"a": 1}}, {"fields_attributes": [[1]]}, {"source": 7}):
        answer = await change(world, "alice", **params)
        assert answer.status_code == 422, answer.text
    alice = await world.client("alice")
    broken = await alice.patch(
        "/api/v1/accounts/update_credentials",
        content=b'{"note": "\\ud800"}',
        headers={"content-type": "application/json"},
    )
    assert broken.status_code in (200, 400)


async def test_a_profile_that_is_rejected_changes_nothing_and_is_on_record(world: World) -> None:
    await change(world, "alice", note="I like tea")
    answer = await change(world, "alice", note="I will kill you all", locked=True)
    assert answer.status_code == 422
    assert answer.json()["error"]
    seen = await account(world, "alice")
    assert "tea" in seen["note"]
    assert seen["locked"] is False
    async with world.instance.db.read() as tx:
        kept = await tx.fetchval(
            "SELECT count(*) FROM screening_results WHERE outcome = 'reject' AND subject_type = 'profile'"
        )
    assert kept == 1


async def test_a_held_profile_is_seen_by_its_owner_alone(world: World) -> None:
    await change(world, "alice", note="I like tea", display_name="Alice")
    answer = await change(world, "alice", note="the shooter is a hero", locked=True)
    own = assert_matches("patchAccountsUpdateCredentials", answer)
    assert own["source"]["note"] == "the shooter is a hero"
    assert own["moderation"]["state"] == "held"
    assert own["moderation"]["sentence"]
    assert own["moderation"]["clause"]
    assert own["moderation"]["decision_expected"]
    for viewer in (None, "bob"):
        seen = await account(world, "alice", viewer=viewer)
        assert "tea" in seen["note"]
        assert "hero" not in str(seen)
        assert "moderation" not in seen
        assert seen["locked"] is True
    verified = (await (await world.client("alice")).get("/api/v1/accounts/verify_credentials")).json()
    assert verified["moderation"]["state"] == "held"
    profile = (await (await world.client("alice")).get("/api/v1/profile")).json()
    assert profile["moderation"]["state"] == "held"


async def test_the_next_good_profile_replaces_a_held_one(world: World) -> None:
    await change(world, "alice", note="the shooter is a hero")
    answer = await change(world, "alice", note="I like tea")
    assert "moderation" not in answer.json()
    assert "tea" in (await account(world, "alice"))["note"]


async def test_an_edit_of_another_part_does_not_let_the_held_part_through(world: World) -> None:
    await change(world, "alice", note="the shooter is a hero")
    own = (await change(world, "alice", display_name="Alice")).json()
    assert own["moderation"]["state"] == "held"
    seen = await account(world, "alice")
    assert (seen["display_name"], seen["note"]) == ("", "")


async def test_a_moderators_decision_shows_or_drops_a_held_profile(world: World) -> None:
    from parley.kit.errors import NotFound
    from parley.social.accounts.actions import decide_held_profile

    await change(world, "alice", note="the shooter is a hero")
    async with world.instance.db.write() as tx:
        await decide_held_profile(tx, world.ids["alice"], 2, publish=False)
    own = await (await world.client("alice")).get("/api/v1/accounts/verify_credentials")
    assert own.json()["source"]["note"] == ""
    await change(world, "alice", note="the shooter is a hero, they say")
    async with world.instance.db.write() as tx:
        await decide_held_profile(tx, world.ids["alice"], 3, publish=True)
    assert "hero" in (await account(world, "alice"))["note"]
    with pytest.raises(NotFound):
        async with world.instance.db.write() as tx:
            await decide_held_profile(tx, world.ids["alice"], 3, publish=True)


async def test_every_revision_has_its_own_screening_result(world: World) -> None:
    await change(world, "alice", note="one")
    await change(world, "alice", note="two")
    await change(world, "alice", note="two", bot=True)
    await change(world, "alice", fields_attributes=[{"name": "a", "value": "the shooter is a hero"}])
    async with world.instance.db.read() as tx:
        rows = await tx.fetch(
            "SELECT p.revision, r.revision, r.outcome::text, r.account_id = p.account_id FROM profile_revisions p"
            " JOIN screening_results r ON r.id = p.screening_id WHERE p.account_id = $1 ORDER BY 1",
            world.ids["alice"],
        )
    assert [tuple(row) for row in rows] == [
        (1, 1, "allow", True),
        (2, 2, "allow", True),
        (3, 3, "allow", True),
        (4, 4, "hold", True),
    ]


async def test_changes_at_the_same_moment_all_arrive(world: World) -> None:
    await world.client("alice")
    answers = await asyncio.gather(*(change(world, "alice", note=f"Note {number}") for number in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    async with world.instance.db.read() as tx:
        revisions = await tx.fetch("SELECT revision FROM profile_revisions WHERE account_id = $1", world.ids["alice"])
    assert sorted(row[0] for row in revisions) == [1, 2, 3, 4, 5, 6]


async def test_a_storm_of_new_profiles_is_slowed_down(settings: Settings, dsn: str) -> None:
    from parley.social.accounts import actions

    limited = msgspec.structs.replace(settings, rate_limits="on")
    to_half_past = timedelta(minutes=30 - now().minute)  # so that no new hour begins meanwhile
    async with open_world(limited, dsn) as world:
        await world.client("alice")
        with time_travel(to_half_past):
            answers = [await change(world, "alice", note=f"Note {n}") for n in range(actions.MOST_REVISIONS + 1)]
    assert {answer.status_code for answer in answers[:-1]} == {200}
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_pictures_come_with_the_form_and_go_again(world: World) -> None:
    alice = await world.client("alice")
    files = {"avatar": ("a.png", png(), "image/png"), "header": ("h.png", png(600, 200), "image/png")}
    answer = await alice.patch(
        "/api/v1/accounts/update_credentials",
        files=files,
        data={
            "avatar_description": "A red square",
            "fields_attributes[0][name]": "A",
            "fields_attributes[0][value]": "1",
        },
    )
    own = assert_matches("patchAccountsUpdateCredentials", answer)
    assert own["avatar"].startswith("http://localhost:3000/media/")
    assert own["avatar_static"].startswith("http://localhost:3000/media/")
    assert own["header"] != own["avatar"]
    assert own["avatar_description"] == "A red square"
    assert own["fields"][0]["name"] == "A"
    picture = await world.anonymous.get(own["avatar"])
    assert picture.status_code == 200
    assert picture.headers["content-type"].startswith("image/")
    without = assert_matches("deleteAvatar", await alice.delete("/api/v1/profile/avatar"))
    assert without["avatar"] == "http://localhost:3000/static/avatar.png"
    assert without["avatar_description"] == ""
    assert without["header"] == own["header"]
    without = assert_matches("deleteProfileHeader", await alice.delete("/api/v1/profile/header"))
    assert without["header"] == "http://localhost:3000/static/header.png"


async def test_a_replaced_picture_is_deleted_and_attachments_stay(world: World) -> None:
    from parley.social.media.jobs_pictures import delete_old_pictures

    alice = await world.client("alice")

    async def send(colour: str) -> str:
        files = {"avatar": ("a.png", png(colour=colour), "image/png")}
        return (await alice.patch("/api/v1/accounts/update_credentials", files=files)).json()["avatar"]

    first, second = await send("#ff0000"), await send("#00ff00")
    held = await alice.patch(
        "/api/v1/accounts/update_credentials",
        files={"header": ("h.png", png(), "image/png")},
        data={"note": "the shooter is a hero"},
    )
    attachment = await alice.post("/api/v2/media", files={"file": ("p.png", png(90, 90), "image/png")})
    assert attachment.status_code in (200, 202), attachment.text
    await world.run_jobs()
    kept = (await alice.get(f"/api/v1/media/{attachment.json()['id']}")).json()
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE files SET created_at = now() - interval '1 hour'")
    await delete_old_pictures(world.instance, {"account_id": world.ids["alice"]})
    assert (await world.anonymous.get(first)).status_code == 404
    for url in (second, held.json()["header"], kept["url"], kept["preview_url"]):
        assert (await world.anonymous.get(url)).status_code == 200


async def test_what_is_no_picture_is_refused_and_changes_nothing(world: World) -> None:
    alice = await world.client("alice")
    for content in (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", b"\x89PNG\r\n\x1a\nrest"):
        answer = await alice.patch(
            "/api/v1/accounts/update_credentials",
            files={"avatar": ("a.png", content, "image/png")},
            data={"display_name": "Alice"},
        )
        assert answer.status_code == 422, answer.text
    assert (await account(world, "alice"))["display_name"] == ""


async def test_a_profile_is_read_and_changed_for_editing(world: World) -> None:
    alice = await world.client("alice")
    answer = await alice.patch("/api/v1/profile", json={"note": "Tea & #scones", "show_media": False})
    profile = assert_matches("patchProfile", answer)
    assert profile["note"] == "Tea & #scones"
    assert profile["avatar"] is None
    assert profile["show_media"] is False
    assert assert_matches("getProfile", await alice.get("/api/v1/profile")) == profile
    answer = await alice.patch(
        "/api/v1/profile", json={"attribution_domains": ["https://News.Example/x", "*.b.example"]}
    )
    assert answer.json()["attribution_domains"] == ["news.example", "b.example"]


async def test_nobody_changes_a_profile_without_the_scope_for_it(world: World) -> None:
    await world.account("alice")
    reader = await world.client("alice", scopes="read")
    for method, path in (
        ("PATCH", "/api/v1/accounts/update_credentials"),
        ("PATCH", "/api/v1/profile"),
        ("DELETE", "/api/v1/profile/avatar"),
        ("DELETE", "/api/v1/profile/header"),
    ):
        assert (await reader.request(method, path)).status_code == 403
        assert (await world.anonymous.request(method, path)).status_code == 401
    writer = await world.client("alice", scopes="write:statuses")
    assert (await writer.get("/api/v1/accounts/verify_credentials")).status_code == 403
    slim = await world.client("alice", scopes="profile")
    assert (await slim.get("/api/v1/accounts/verify_credentials")).status_code == 200
    assert (await slim.get("/api/v1/preferences")).status_code == 403
