"""Posts of an archive become posts here: judged like any other, dated back, told to nobody, and marked."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import httpx
import pytest

from parley.social.archives import proof
from tests.archives.helpers import (
    OLD,
    browser_of,
    make_archive,
    note,
    post_picture,
    run_out,
    send_archive,
    take,
    tarred,
    zipped,
)
from tests.conftest import World, open_world
from tests.media.samples import png

ALL = {f"visibility_{name}": "1" for name in ("public", "unlisted", "private", "direct")}


async def statuses(world: World, name: str, viewer: str | None = None) -> list[dict[str, Any]]:
    """The posts of `name` as `viewer` sees them on the profile, newest first."""
    client = world.anonymous if viewer is None else await world.client(viewer)
    answer = await client.get(f"/api/v1/accounts/{world.ids[name]}/statuses?limit=40")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def bring(world: World, browser: httpx.AsyncClient, content: bytes, **values: str) -> httpx.Response:
    """Send an archive, confirm it, and have all of it taken."""
    page = await send_archive(world, browser, content)
    assert page.status_code == 200, page.text
    assert "Import " in page.text, page.text
    return await take(world, browser, page, **(values or ALL))


@pytest.mark.parametrize("pack", [zipped, tarred])
async def test_posts_of_mastodon_come_with_their_dates_words_and_files(world: World, pack: Any) -> None:
    browser = await browser_of(world, "alice")
    picture = png(64, 40)
    items = [
        note(1, '<p>Hello <a href="https://old.example/tags/sea" class="mention hashtag">#<span>sea</span></a></p>'),
        note(2, "<p>A thread</p>", inReplyTo=f"{OLD}/statuses/1", summary="about boats", sensitive=True),
        note(
            3,
            "<p>Look<br>second line</p>",
            attachment=[
                {
                    "type": "Document",
                    "mediaType": "image/png",
                    "url": "/system/media_attachments/files/001/original/boat.png",
                    "name": "a boat",
                    "focalPoint": [0.5, -0.25],
                }
            ],
        ),
        {"type": "Announce", "actor": OLD, "object": "https://other.example/1", "id": "x"},
    ]
    page = await send_archive(world, browser, pack(items, {"media_attachments/files/001/original/boat.png": picture}))
    assert "@rosa@old.example" in page.text
    assert "1 boosts" in page.text
    assert "Nothing in this archive proves" in page.text
    assert await statuses(world, "alice") == []
    done = await take(world, browser, page, **ALL)
    assert "Done: 3 of 3 taken" in done.text, done.text
    third, second, first = await statuses(world, "alice")
    assert first["created_at"] == "2019-03-02T10:00:01.000Z"
    assert first["language"] == "en"
    assert [tag["name"] for tag in first["tags"]] == ["sea"]
    assert first["imported"] == {"host": "old.example", "proof": "claimed"}
    assert (second["spoiler_text"], second["in_reply_to_id"]) == ("about boats", first["id"])
    assert "<br" in third["content"]
    media = third["media_attachments"][0]
    assert (media["description"], media["meta"]["focus"]) == ("a boat", {"x": 0.5, "y": -0.25})
    assert (await world.anonymous.get(media["url"])).status_code == 200
    shown = await world.browser().get(f"/@alice/{third['id']}")
    assert "says that it was posted at old.example on this date. Neither is proven." in shown.text


async def test_nobody_is_told_and_no_timeline_fills(world: World) -> None:
    browser = await browser_of(world, "alice")
    for name in ("bob", "rosa"):
        await world.account(name)
    await world.follow("bob", "alice")
    bob = await world.client("bob")
    await bob.post(f"/api/v1/accounts/{world.ids['alice']}/follow", json={"notify": True})
    await world.run_jobs()
    await (await world.client("bob")).post("/api/v1/notifications/clear")
    mention = {"type": "Mention", "href": "https://old.example/users/bob", "name": "@bob@old.example"}
    text = '<p><a href="https://old.example/users/bob" class="u-url mention">@<span>bob</span></a> and @bob hello</p>'
    await bring(
        world,
        browser,
        zipped(
            [
                note(1, text, tag=[mention]),
                note(2, "<p>@bob psst</p>", to=["http://localhost:3000/users/bob"], cc=[]),
                note(3, "<p>for followers</p>", to=[f"{OLD}/followers"], cc=[]),
            ]
        ),
    )
    assert (await bob.get("/api/v1/timelines/home")).json() == []
    assert (await bob.get("/api/v1/notifications")).json() == []
    assert (await bob.get("/api/v1/conversations")).json() == []
    seen = await statuses(world, "alice", "bob")
    assert [one["visibility"] for one in seen] == ["private", "public"], "the message is its author's alone"
    assert "@bob@old.example and @bob hello" in seen[1]["content"].replace("<p>", "")
    assert all(one["mentions"] == [] for one in seen)
    own = await statuses(world, "alice", "alice")
    assert [one["visibility"] for one in own] == ["private", "direct", "public"]
    public = (await world.anonymous.get("/api/v1/timelines/public?local=true")).json()
    assert [one["created_at"] for one in public] == ["2019-03-02T10:00:01.000Z"]
    newer = await world.post("bob", "new")
    public = (await world.anonymous.get("/api/v1/timelines/public?local=true&limit=1")).json()
    assert public[0]["id"] == newer["id"], "what was brought along stands where it belongs"
    account = (await world.anonymous.get(f"/api/v1/accounts/{world.ids['alice']}")).json()
    assert account["statuses_count"] == 0, "what was brought along earns no trust"
    async with world.instance.db.read() as tx:
        kinds = {row[0] for row in await tx.fetch("SELECT type FROM events WHERE account_id = $1", world.ids["alice"])}
    assert "StatusImported" in kinds
    assert "StatusPosted" not in kinds


async def test_a_post_that_policy_refuses_is_left_out_and_on_record(world: World) -> None:
    browser = await browser_of(world, "alice")
    page = await bring(world, browser, zipped([note(1, "<p>I am going to kill you</p>"), note(2)]))
    assert "Done: 1 of 2 taken, 1 could not be" in page.text
    assert len(await statuses(world, "alice", "alice")) == 1
    async with world.instance.db.read() as tx:
        outcomes = [row[0] for row in await tx.fetch("SELECT outcome::text FROM screening_results")]
        every = await tx.fetchval("SELECT count(*) FROM statuses WHERE screening_id IS NULL")
    assert "reject" in outcomes
    assert every == 0


async def test_posts_that_must_wait_for_moderators_wait_unseen_and_do_not_flood_them(world: World) -> None:
    await world.account("newcomer", age_days=0)
    browser = await browser_of(world, "newcomer")
    items = [note(n, f"<p>read https://site{n}.example/{n} now</p>") for n in range(1, 31)]
    page = await bring(world, browser, zipped(items))
    held = [one for one in await statuses(world, "newcomer", "newcomer") if one.get("moderation")]
    assert 0 < len(held) <= 20
    shown = await statuses(world, "newcomer")
    assert not {one["id"] for one in shown} & {one["id"] for one in held}
    assert "many of this import wait for them already" in page.text
    await world.account("mod_mia", role="moderator")
    await run_out(world)
    desk = await browser_of(world, "mod_mia")
    queue = (await desk.get("/desk")).text
    case = await desk.get(queue.split('href="/desk/cases/')[1].split('"')[0].join(("/desk/cases/", "")))
    assert "as an archive of old.example says (claimed)" in case.text


async def test_the_same_archive_twice_brings_nothing_twice(world: World) -> None:
    browser = await browser_of(world, "alice")
    content = zipped([note(1), note(2)])
    await bring(world, browser, content)
    kept = await statuses(world, "alice")
    await (await world.client("alice")).delete(f"/api/v1/statuses/{kept[0]['id']}")
    page = await bring(world, browser, content)
    assert "Done: 0 of 2 taken, 2 could not be" in page.text
    assert [one["id"] for one in await statuses(world, "alice")] == [kept[1]["id"]]


async def test_posts_of_anybody_but_the_archives_own_actor_are_left_out(world: World) -> None:
    browser = await browser_of(world, "alice")
    forged = note(5)
    forged["object"]["attributedTo"] = "https://old.example/users/somebody"
    other = note(6)
    other["actor"] = "https://famous.example/users/star"
    elsewhere = note(7, id="https://famous.example/statuses/7")
    page = await send_archive(world, browser, zipped([note(1), forged, other, elsewhere]))
    assert "3 posts that are not by @rosa@old.example" in page.text
    await take(world, browser, page, **ALL)
    assert len(await statuses(world, "alice")) == 1


async def test_what_is_not_wanted_is_not_taken(world: World) -> None:
    browser = await browser_of(world, "alice")
    content = zipped([note(1), note(2, to=[f"{OLD}/followers"], cc=[]), note(3, to=[], cc=[])])
    page = await send_archive(world, browser, content)
    checked = page.text.split('name="visibility_direct"')[1].split(">")[0]
    assert "checked" not in checked, "messages stay behind unless the member wants them"
    form = {"csrf": page.text.split('name="csrf" value="')[1].split('"')[0]}
    refused = await browser.post(f"{page.url.path}/confirm", data=form)
    assert refused.status_code == 422
    answer = await browser.post(f"{page.url.path}/confirm", data={**form, "visibility_public": "1"})
    assert answer.status_code == 303
    await run_out(world)
    assert [one["visibility"] for one in await statuses(world, "alice", "alice")] == ["public"]


async def test_a_member_moves_from_one_instance_to_another(
    world: World, postgres: str, template: str, tmp_path: Any
) -> None:
    """Export here, import there, with media, threads and markdown; the words and dates are the same."""
    from parley.kit.settings import Settings
    from tests.conftest import copied_database

    browser = await browser_of(world, "alice")
    first = await world.post("alice", "Hello **there** #dunes", content_type="text/markdown", language="en")
    await world.post("alice", "a thread", in_reply_to_id=first["id"], spoiler_text="longer", visibility="unlisted")
    await post_picture(world, "alice", "look", description="a dune at dusk")
    await world.post("alice", "only followers", visibility="private")
    archive = await make_archive(world, browser, alias="carol@there.example")
    content = archive.fp.getvalue()  # type: ignore[union-attr]
    before = await statuses(world, "alice", "alice")
    there = Settings(
        name="There",
        domain="there.example",
        data_dir=tmp_path / "there",
        email_confirmation=False,
        rate_limits="off",
        read_pictures=False,
        database_connections=5,
    )
    async with copied_database(postgres, template) as dsn, open_world(there, dsn) as other:
        carol = await browser_of(other, "carol")
        page = await bring(other, carol, content)
        assert "Done: 4 of 4 taken" in page.text, page.text
        after = await statuses(other, "carol", "carol")
        for old, new in zip(before, after, strict=True):
            for name in ("created_at", "content", "visibility", "spoiler_text", "language", "sensitive"):
                wanted = (
                    old[name].replace("http://localhost:3000", "https://there.example")
                    if name == "content"
                    else old[name]
                )
                assert new[name] == wanted, name
            assert [one["description"] for one in new["media_attachments"]] == [
                one["description"] for one in old["media_attachments"]
            ]
            assert new["imported"] == {"host": "localhost:3000", "proof": "claimed"}
        assert after[2]["in_reply_to_id"] == after[3]["id"]
        again = await make_archive(other, carol)
        notes = [item["object"] for item in json.loads(again.read("outbox.json"))["orderedItems"]]
        assert {one["parley:importedFrom"] for one in notes} == {"localhost:3000"}


class KeyAt:
    """Stands for the other instance's address: it answers with a key."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.asked: list[str] = []

    async def __call__(self, settings: Any, host: str) -> bytes:
        self.asked.append(host)
        return self.key


def signed_archive(key: Any, items: list[Any], **changes: Any) -> bytes:
    """An archive that another Parley signed with `key`."""
    import hashlib

    from parley.social.archives.writing import pem_of

    plain = zipfile.ZipFile(io.BytesIO(zipped(items, **changes)))
    made = io.BytesIO()
    sums = b""
    with zipfile.ZipFile(made, "w") as file:
        for name in plain.namelist():
            content = plain.read(name)
            file.writestr(name, content)
            sums += f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()
        file.writestr("SHA256SUMS", sums)
        file.writestr("SHA256SUMS.sig", key.sign(sums))
        file.writestr("instance-key.pem", pem_of(key.public_key().public_bytes_raw()))
    return made.getvalue()


async def test_what_another_instance_signed_is_proven_when_it_names_this_account(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    known = KeyAt(key.public_key().public_bytes_raw())
    monkeypatch.setattr(proof, "fetch_key", known)
    browser = await browser_of(world, "alice")
    aliases = ["acct:alice@localhost:3000"]
    brought = note(2, **{"parley:importedFrom": "older.example"})
    page = await send_archive(world, browser, signed_archive(key, [note(1), brought], alsoKnownAs=aliases))
    assert known.asked == ["old.example"]
    assert "old.example signed this archive, and says in it that @rosa@old.example is you" in page.text
    await take(world, browser, page, **ALL)
    second, first = await statuses(world, "alice")
    assert first["imported"] == {"host": "old.example", "proof": "signed"}
    assert second["imported"] == {"host": "older.example", "proof": "claimed"}, "no proof grows on the way"
    edited = await (await world.client("alice")).put(f"/api/v1/statuses/{first['id']}", json={"status": "other words"})
    assert edited.json()["imported"]["proof"] == "claimed"

    bob = await browser_of(world, "bob")
    page = await send_archive(world, bob, signed_archive(key, [note(1)], alsoKnownAs=aliases))
    assert "it does not say that @rosa@old.example is you" in page.text
    known.key = b"\0" * 32
    carol = await browser_of(world, "carol")
    page = await send_archive(world, carol, signed_archive(key, [note(1)], alsoKnownAs=["acct:carol@localhost:3000"]))
    assert "but not with the key of old.example" in page.text


async def test_a_signed_archive_that_somebody_changed_proves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    monkeypatch.setattr(proof, "fetch_key", KeyAt(key.public_key().public_bytes_raw()))
    good = zipfile.ZipFile(io.BytesIO(signed_archive(key, [note(1)], alsoKnownAs=["acct:alice@localhost:3000"])))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name in good.namelist():
            content = good.read(name)
            file.writestr(name, content.replace(b"Post number", b"Fake number") if name == "outbox.json" else content)
    browser = await browser_of(world, "alice")
    page = await send_archive(world, browser, made.getvalue())
    assert "Nothing in this archive proves" in page.text


async def test_an_own_archive_brings_back_nothing_that_is_here_or_was_deleted(world: World) -> None:
    browser = await browser_of(world, "alice")
    kept = await world.post("alice", "stays")
    gone = await world.post("alice", "goes")
    lost = await world.post("alice", "was lost")
    archive = await make_archive(world, browser)
    await (await world.client("alice")).delete(f"/api/v1/statuses/{gone['id']}")
    async with world.instance.db.write() as tx:  # as after a restore of an older snapshot
        await tx.execute("DELETE FROM statuses WHERE id = $1", int(lost["id"]))
    page = await bring(world, browser, archive.fp.getvalue())  # type: ignore[union-attr]
    assert "Done: 1 of 3 taken, 2 could not be" in page.text
    texts = {one["content"]: one.get("imported") for one in await statuses(world, "alice")}
    assert texts == {"<p>stays</p>": None, "<p>was lost</p>": {"host": "localhost:3000", "proof": "own"}}
    assert kept["id"] in {one["id"] for one in await statuses(world, "alice")}


async def test_nobody_can_bring_the_archive_of_another_member_or_one_that_they_made_up(world: World) -> None:
    alice, bob = await browser_of(world, "alice"), await browser_of(world, "bob")
    await world.post("alice", "mine")
    archive = await make_archive(world, alice)
    content = archive.fp.getvalue()  # type: ignore[union-attr]
    page = await send_archive(world, bob, content)
    assert "This is the archive of another member of this server." in page.text
    me = "http://localhost:3000/users/bob"
    page = await send_archive(world, bob, zipped([note(1)], id=me, preferredUsername="bob"))
    assert "this server did not sign it" in page.text
    assert await statuses(world, "bob", "bob") == []


async def test_imported_posts_can_be_deleted_and_counted_right(world: World) -> None:
    browser = await browser_of(world, "alice")
    await world.post("alice", "one here")
    await bring(world, browser, zipped([note(1), note(2, inReplyTo=f"{OLD}/statuses/1")]))
    second, first = [one for one in await statuses(world, "alice") if one.get("imported")]
    assert first["replies_count"] == 1
    await (await world.client("alice")).delete(f"/api/v1/statuses/{second['id']}")
    shown = (await world.anonymous.get(f"/api/v1/statuses/{first['id']}")).json()
    assert shown["replies_count"] == 0
    assert shown["account"]["statuses_count"] == 1


async def test_whoever_may_not_post_may_bring_no_posts(world: World) -> None:
    await world.account("mod_mia", role="admin")
    browser = await browser_of(world, "spam_sam")
    page = await send_archive(world, browser, zipped([note(1)]))
    from parley.social.accounts.restrictions import impose_restriction

    async with world.instance.db.write() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        await impose_restriction(
            tx, world.ids["spam_sam"], 1, kind="restrict_posting", decision_id=1, clause=None, title="", until=None
        )
    fresh = await browser_of(world, "spam_sam")
    form = {"csrf": (await fresh.get(page.url.path)).text.split('name="csrf" value="')[1].split('"')[0], **ALL}
    assert (await fresh.post(f"{page.url.path}/confirm", data=form)).status_code == 403
    await run_out(world)
    assert await statuses(world, "spam_sam", "spam_sam") == []


async def test_an_archive_that_nobody_confirms_is_dropped_after_some_days(world: World) -> None:
    from datetime import timedelta

    from parley.kit.clock import time_travel
    from parley.social.archives.jobs import delete_old_archives

    browser = await browser_of(world, "alice")
    page = await send_archive(world, browser, zipped([note(1)]))
    with time_travel(timedelta(days=3, minutes=1)):
        await delete_old_archives(world.instance, {})
    assert "Dropped" in (await browser.get(page.url.path)).text
    assert [name async for batch in world.instance.files.archives.list_all() for name, _ in batch] == []


async def test_an_archive_must_fit_into_what_its_member_may_store(world: World) -> None:
    import msgspec

    browser = await browser_of(world, "alice")
    full = msgspec.structs.replace(world.settings, member_storage_mb=1)
    object.__setattr__(world.instance, "settings", full)
    content = zipped([note(1)], {"media_attachments/large.bin": __import__("os").urandom(2**20)})
    page = await send_archive(world, browser, content)
    assert page.status_code == 422
    assert "each member may store 1.0 MiB" in page.text
