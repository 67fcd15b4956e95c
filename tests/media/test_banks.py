"""Known files: found by hash, refused, held or kept as evidence, whichever door they come through."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asyncpg import RaiseError
from PIL import Image, ImageOps

from parley.kit.clock import now, time_travel
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.safety.evidence.holding import place_hold, release_hold
from parley.safety.evidence.jobs import purge_evidence
from parley.safety.evidence.known_files import open_kept_file
from parley.safety.evidence.law_views import Held, NewHold
from parley.safety.log.actions import append_event
from parley.safety.log.views import system
from parley.screening import image_hash
from parley.screening.hash_formats import ListedHash
from parley.social.accounts.views import Viewer
from parley.social.media import evidence_files, hash_banks, hash_lists, hash_lookup, matching_past
from parley.social.media.emoji_files import add_emoji_file
from parley.social.media.fingerprints import hash_bytes
from parley.social.media.results import FileHash
from parley.social.statuses.jobs import publish_scheduled
from tests.conftest import World
from tests.media.helpers import files_stored, upload
from tests.media.known import bank_hashes, bank_picture, film, jpeg, make_bank, scene
from tests.safety.auditing import assert_audit_holds
from tests.statuses.cast import ask

PICTURE = scene(1)
FILE = jpeg(PICTURE)


async def state_of(world: World, status_id: str) -> str:
    async with world.instance.db.read() as tx:
        return await tx.fetchval("SELECT state::text FROM statuses WHERE id = $1", int(status_id))


async def rows(world: World, query: str, *args: Any) -> list[Any]:
    async with world.instance.db.read() as tx:
        return await tx.fetch(query, *args)


async def seen_by_bob(world: World, status_id: str) -> bool:
    return (await ask(world, "bob", "GET", f"/statuses/{status_id}")).status_code == 200


CHANGES = {
    "itself": lambda one: jpeg(one),
    "worse": lambda one: jpeg(one, quality=30),
    "half": lambda one: jpeg(one.resize((320, 240))),
    "mirrored": lambda one: jpeg(ImageOps.mirror(one)),
    "turned": lambda one: jpeg(one.rotate(90, expand=True)),
    "cut by 5 %": lambda one: jpeg(one.crop((32, 24, 608, 456))),
    "cut on the left": lambda one: jpeg(one.crop((64, 0, 640, 480))),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_known_picture_is_refused_however_it_was_changed(world: World, change: Any) -> None:
    await bank_picture(world, "reject", FILE)
    client = await world.client("alice")
    answer = await upload(client, change(PICTURE))
    await world.run_jobs()
    shown = await client.get(f"/api/v1/media/{answer.json()['id']}")
    assert shown.status_code == 422
    assert "rule 4.2" in shown.json()["error"]
    assert files_stored(world) == []
    post = await ask(world, "alice", "POST", "/statuses", json={"status": "x", "media_ids": [answer.json()["id"]]})
    assert post.status_code == 422
    assert "rule 4.2" in post.json()["error"]


async def test_the_old_way_of_uploading_answers_with_the_refusal(world: World, monkeypatch: Any) -> None:
    from parley.social.media import reads

    await bank_picture(world, "reject", FILE)

    async def wait(instance: Any, viewer: Any, media_id: int, **_: Any) -> Any:
        await world.run_jobs()
        async with instance.db.read() as tx:
            return await reads.get_media(tx, viewer, media_id)

    monkeypatch.setattr(reads, "wait_until_processed", wait)
    answer = await upload(await world.client("alice"), FILE, version=1)
    assert answer.status_code == 422
    assert "rule 4.2" in answer.json()["error"]


async def test_an_ordinary_picture_is_used_and_its_hashes_are_kept(world: World) -> None:
    await bank_picture(world, "reject", FILE)
    answer = await upload(await world.client("alice"), jpeg(scene(2)))
    post = await world.post("alice", "look", media_ids=[answer.json()["id"]])
    await world.run_jobs()
    assert await seen_by_bob(world, post["id"])
    kinds = await rows(world, "SELECT kind FROM media_hashes ORDER BY id")
    assert [row[0] for row in kinds] == ["pdq", "md5", "sha1", "sha256"]


async def test_a_post_waits_for_its_picture_and_is_published_when_that_is_judged(world: World) -> None:
    answer = await upload(await world.client("alice"), jpeg(scene(2)))
    post = await world.post("alice", "look", media_ids=[answer.json()["id"]])
    assert post["moderation"]["state"] == "held"
    assert "files have been checked" in post["moderation"]["sentence"]
    assert not await seen_by_bob(world, post["id"])
    assert (await world.anonymous.get("/api/v1/timelines/public")).json() == []
    await world.run_jobs()
    assert await seen_by_bob(world, post["id"])
    assert await rows(world, "SELECT FROM notifications") == []
    detail = (await rows(world, "SELECT detail FROM screening_results WHERE detail ? 'waited'"))[0][0]
    assert detail["signals"].get("media.waiting", 0) == 0


async def test_a_post_with_two_pictures_waits_for_both(world: World) -> None:
    client = await world.client("alice")
    one = (await upload(client, jpeg(scene(2)))).json()["id"]
    await world.run_jobs()
    two = (await upload(client, jpeg(scene(3)))).json()["id"]
    post = await world.post("alice", "look", media_ids=[one, two])
    assert await state_of(world, post["id"]) == "held"
    await world.run_jobs()
    assert await seen_by_bob(world, post["id"])


@pytest.mark.parametrize("tier", ["reject", "quarantine", "hold"])
async def test_a_post_that_was_sent_before_its_known_picture_was_judged_is_never_shown(world: World, tier: str) -> None:
    await bank_picture(world, tier, FILE)
    answer = await upload(await world.client("alice"), FILE)
    post = await world.post("alice", "look", media_ids=[answer.json()["id"]])
    await world.run_jobs()
    assert await state_of(world, post["id"]) == "held"
    assert not await seen_by_bob(world, post["id"])
    own = (await ask(world, "alice", "GET", f"/statuses/{post['id']}")).json()
    assert own["moderation"]["clause"] == "4.2"
    told = (await ask(world, "alice", "GET", "/notifications")).json()
    assert [one["type"] for one in told] == ["moderation_warning"]


async def test_a_known_picture_comes_in_by_no_edit(world: World) -> None:
    await bank_picture(world, "hold", FILE)
    post = await world.post("alice", "words only")
    await world.run_jobs()
    picture = (await upload(await world.client("alice"), FILE)).json()["id"]
    change = {"status": "words only", "media_ids": [picture]}
    assert (await ask(world, "alice", "PUT", f"/statuses/{post['id']}", json=change)).status_code == 200
    for _ in range(2):
        shown = (await ask(world, "bob", "GET", f"/statuses/{post['id']}")).json()
        assert shown["media_attachments"] == []
        await world.run_jobs()


async def test_an_edit_waits_for_its_picture_too(world: World) -> None:
    post = await world.post("alice", "words only")
    await world.run_jobs()
    picture = (await upload(await world.client("alice"), jpeg(scene(2)))).json()["id"]
    change = {"status": "words only", "media_ids": [picture]}
    await ask(world, "alice", "PUT", f"/statuses/{post['id']}", json=change)
    assert (await ask(world, "bob", "GET", f"/statuses/{post['id']}")).json()["media_attachments"] == []
    await world.run_jobs()
    assert (await ask(world, "bob", "GET", f"/statuses/{post['id']}")).json()["media_attachments"][0]["url"]


async def test_a_planned_post_waits_for_its_picture_too(world: World) -> None:
    await bank_picture(world, "hold", FILE)
    picture = (await upload(await world.client("alice"), FILE)).json()["id"]
    later = (now() + timedelta(hours=1)).isoformat()
    plan = {"status": "x", "media_ids": [picture], "scheduled_at": later}
    assert (await ask(world, "alice", "POST", "/statuses", json=plan)).status_code == 200
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE scheduled_statuses SET scheduled_at = now() - interval '1 minute'")
    await publish_scheduled(world.instance, {})
    await world.run_jobs()
    assert [tuple(row) for row in await rows(world, "SELECT state::text FROM statuses")] == [("held",)]


async def test_a_known_thumbnail_is_not_used(world: World) -> None:
    await bank_picture(world, "hold", FILE)
    client = await world.client("alice")
    answer = await upload(client, film([2, 3]), "film.mp4", thumbnail=FILE)
    await world.run_jobs()
    shown = (await client.get(f"/api/v1/media/{answer.json()['id']}")).json()
    preview = (await world.anonymous.get(shown["preview_url"].removeprefix(world.settings.base_url))).content
    assert Image.open(io.BytesIO(preview)).size == (320, 240)
    kept = await rows(world, "SELECT origin, outcome FROM media_evidence")
    assert [tuple(row) for row in kept] == [("thumbnail", "hold")]


async def profile_picture(world: World, kind: str, data: bytes, path: str) -> Any:
    client = await world.client("alice")
    return await client.patch(path, files={kind: ("a.jpg", data, "image/jpeg")})


@pytest.mark.parametrize("kind", ["avatar", "header"])
@pytest.mark.parametrize("path", ["/api/v1/accounts/update_credentials", "/api/v1/profile"])
async def test_a_known_profile_picture_is_refused(world: World, kind: str, path: str) -> None:
    await bank_picture(world, "reject", FILE)
    answer = await profile_picture(world, kind, FILE, path)
    assert answer.status_code == 422
    assert "rule 4.2" in answer.json()["error"]
    assert files_stored(world) == []
    assert [row[0] for row in await rows(world, "SELECT origin FROM media_evidence")] == [kind]


async def test_a_profile_picture_of_a_bank_that_holds_makes_the_profile_wait(world: World) -> None:
    await bank_picture(world, "hold", FILE)
    assert (await profile_picture(world, "avatar", FILE, "/api/v1/profile")).status_code == 200
    alice = await world.account("alice")
    shown = (await ask(world, "bob", "GET", f"/accounts/{alice}")).json()
    assert "/media/" not in shown["avatar"]
    # A later change of words alone is held as well, for it would show the picture.
    client = await world.client("alice")
    await client.patch("/api/v1/accounts/update_credentials", json={"note": "hello"})
    assert (await ask(world, "bob", "GET", f"/accounts/{alice}")).json()["note"] == ""


async def test_a_known_picture_is_no_emoji(world: World, tmp_path: Path) -> None:
    await bank_picture(world, "hold", FILE)
    file = tmp_path / "emoji.jpg"
    file.write_bytes(jpeg(PICTURE.resize((200, 150))))
    with pytest.raises(Invalid, match="bank of hashes"):
        await add_emoji_file(world.instance, "known", file)


async def test_a_file_in_quarantine_is_evidence_and_whoever_opens_it_leaves_a_trace(
    world: World, tmp_path: Path
) -> None:
    await bank_picture(world, "quarantine", FILE)
    answer = await upload(await world.client("alice"), FILE)
    await world.run_jobs()
    assert (await (await world.client("alice")).get(f"/api/v1/media/{answer.json()['id']}")).status_code == 422
    assert files_stored(world) == []
    mia = Viewer(account_id=await world.account("mod_mia", role="moderator"), username="mod_mia", role="moderator")
    alice = Viewer(account_id=await world.account("alice"), username="alice")
    async with world.instance.db.read() as tx:
        with pytest.raises(Forbidden):
            await evidence_files.list_kept_files(tx, alice)
        (kept,) = await evidence_files.list_kept_files(tx, mia)
    assert (kept.outcome, kept.clause, kept.origin) == ("quarantine", "4.2", "attachment")
    target = tmp_path / "copy"
    with pytest.raises(Invalid, match="why"):
        await open_kept_file(world.instance, mia, kept.id, target, reason="")
    with pytest.raises(Forbidden):
        await open_kept_file(world.instance, alice, kept.id, target, reason="I am only curious")
    assert not target.exists()
    await open_kept_file(world.instance, mia, kept.id, target, reason="Report to the hotline, case 7")
    assert target.read_bytes() == FILE
    async with world.instance.db.read() as tx:
        (opening,) = await evidence_files.list_openings(tx, mia, kept.id)
    assert (opening.account_id, opening.reason) == (mia.account_id, "Report to the hotline, case 7")
    entries = await rows(
        world, "SELECT type, body::jsonb AS body FROM moderation_events WHERE body LIKE '%known_file%' "
        "OR body LIKE '%media_evidence_openings%' ORDER BY seq"
    )  # fmt: skip
    assert [one["type"] for one in entries] == ["known_file_opened", "row_changed"]
    assert entries[0]["body"]["actor"]["id"] == mia.account_id
    assert entries[0]["body"]["payload"] == {"file": str(kept.id)}
    assert "hotline" not in str([one["body"] for one in entries]), "why is salted there"
    with pytest.raises(RaiseError, match="needs an event"):
        async with world.instance.db.write() as tx:
            await evidence_files.note_opening(tx, mia, kept.id, "past the log, if that could be")
    await assert_audit_holds(world)
    name = kept.evidence_file
    assert (await world.anonymous.get(f"/media/{name}")).status_code == 404


async def test_a_file_that_a_bank_took_away_goes_when_its_time_is_over_but_never_under_a_hold(world: World) -> None:
    await bank_picture(world, "quarantine", FILE)
    for name in ("alice", "bob"):
        await upload(await world.client(name), FILE)
    await world.run_jobs()
    admin = Viewer(account_id=await world.account("mod_ada", role="admin"), username="mod_ada", role="admin")
    async with world.instance.db.write() as tx:
        await append_event(tx, system("test"), "tested")
        await tx.execute("UPDATE cases SET state = 'closed', closed_at = $1", now())
        new = NewHold(subjects=(Held("account", world.ids["alice"]),), kind="cybertip", reason="reported")
        placed = await place_hold(tx, admin, new)
        kept = {one.account_id: one for one in await evidence_files.list_kept_files(tx, admin)}
    assert len({one.evidence_file for one in kept.values()}) == 2, "the same bytes twice are two files"

    async def there() -> list[bool]:
        await purge_evidence(world.instance, {})
        await world.run_jobs()
        names = [kept[world.ids[name]].evidence_file for name in ("alice", "bob")]
        return [await world.instance.files.evidence.exists(name) for name in names]

    with time_travel(timedelta(days=360)):
        assert await there() == [True, True]
    with time_travel(timedelta(days=370)):
        assert await there() == [True, False]
        async with world.instance.db.write() as tx:
            (gone,) = [one for one in await evidence_files.list_kept_files(tx, admin) if one.purged_at is not None]
            assert gone.sha256 == kept[world.ids["bob"]].sha256
            await release_hold(tx, admin, placed.id, why="it is over")
        assert await there() == [False, False]
        with pytest.raises(NotFound):
            path = Path(world.settings.data_dir) / "copy"
            await open_kept_file(world.instance, admin, gone.id, path, reason="to look at it once more")
    await assert_audit_holds(world)


async def test_exact_hashes_of_a_list_find_the_very_file(world: World, tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(FILE)
    bank = await make_bank(world, "reject")
    for one in await hash_bytes(file):
        await bank_hashes(world, bank, ListedHash(one.kind, bytes.fromhex(one.hash)))
        matches = await hash_banks.check_file(world.instance, file)
        assert [match.kind for match in matches] == [one.kind]
        async with world.instance.db.write() as tx:
            assert await hash_banks.remove_hash(tx, bank, one.hash) == 1
    assert await hash_banks.check_file(world.instance, file) == ()


async def test_a_known_video_is_found_by_its_frames_when_it_is_cut_and_encoded_anew(world: World) -> None:
    await bank_picture(world, "reject", film([11, 12, 13, 14, 15, 16]))
    client = await world.client("alice")
    for seeds, found in (([12, 13, 14, 15], True), ([1, 11, 12, 13, 14, 15], True), ([21, 22, 23, 24], False)):
        answer = await upload(client, film(seeds, size=(480, 360), rate=12), "film.mp4")
        await world.run_jobs()
        shown = await client.get(f"/api/v1/media/{answer.json()['id']}")
        assert shown.status_code == (422 if found else 200), seeds


async def test_a_known_picture_is_found_inside_a_video(world: World) -> None:
    await bank_picture(world, "reject", jpeg(scene(14)))
    client = await world.client("alice")
    answer = await upload(client, film([21, 22, 14, 23]), "film.mp4")
    await world.run_jobs()
    assert (await client.get(f"/api/v1/media/{answer.json()['id']}")).status_code == 422


async def test_both_ways_of_asking_the_banks_find_the_same(world: World) -> None:
    bank = await make_bank(world, "hold")
    random = np.random.default_rng(5)
    rows_ = random.integers(0, 256, (500, 32), dtype=np.uint8)
    await bank_hashes(world, bank, *(ListedHash("pdq", row.tobytes()) for row in rows_))
    await bank_picture(world, "reject", FILE)
    path = world.settings.path("tmp") / "known"
    for picture in (PICTURE, ImageOps.mirror(PICTURE), scene(7)):
        path.write_bytes(jpeg(picture))
        hashes = await hash_banks.hash_file(world.instance, path)
        asked = [await hash_lookup.find_matches(world.instance, hashes, indexed=how) for how in (True, False)]
        assert asked[0] == asked[1]
    # At the very distance that still counts, each form of each hash is found, and one bit further none is.
    for flips, expected in ((31, 1), (32, 0)):
        for row in rows_[:12]:
            bits = np.unpackbits(row)
            bits[random.choice(256, flips, replace=False)] ^= 1
            turned = image_hash.turned_forms(np.packbits(bits).tobytes())[int(random.integers(8))]
            one = [FileHash("pdq", turned.hex())]
            for how in (True, False):
                assert len(await hash_lookup.find_matches(world.instance, one, indexed=how)) == expected
    # What comes in later, and what is taken out, is known to an index that was read before.
    await bank_picture(world, "flag", jpeg(scene(7)))
    assert [one.tier for one in await hash_lookup.find_matches(world.instance, hashes, indexed=True)] == ["flag"]
    entry = (await hash_lookup.find_matches(world.instance, hashes, indexed=True))[0].entry
    async with world.instance.db.write() as tx:
        await hash_banks.dispute_entry(tx, entry)
    assert await hash_lookup.find_matches(world.instance, hashes, indexed=True) == ()


async def test_what_enters_a_bank_finds_what_is_here_already(world: World) -> None:
    answer = await upload(await world.client("alice"), jpeg(ImageOps.mirror(PICTURE)))
    post = await world.post("alice", "look", media_ids=[answer.json()["id"]])
    await world.run_jobs()
    assert await seen_by_bob(world, post["id"])
    url = (await ask(world, "bob", "GET", f"/statuses/{post['id']}")).json()["media_attachments"][0]["url"]
    await bank_picture(world, "reject", FILE)
    facts = await rows(world, "SELECT payload FROM events WHERE type = 'HashesBanked'")
    payload = facts[0][0]
    async with world.instance.db.read() as tx:
        span = (payload["bank_id"], payload["first_id"] - 1, payload["last_id"])
        hits, end = await matching_past.list_bank_hits(tx, *span, limit=1000)
        _, first = await matching_past.list_bank_hits(tx, *span, limit=1)
    assert (end, first) == (payload["last_id"], payload["first_id"])
    assert [(str(hit.status_id), hit.form) for hit in hits] == [(post["id"], "mirrored")]
    matches = await matching_past.match_again(world.instance, hits[0])
    assert {one.tier for one in matches} == {"reject"}
    assert (await world.anonymous.get(url.removeprefix(world.settings.base_url))).status_code == 200
    await world.run_jobs()
    assert (await world.anonymous.get(url.removeprefix(world.settings.base_url))).status_code == 404
    assert len(await rows(world, "SELECT FROM media_evidence")) == 1


async def test_a_bank_is_written_and_read_back(world: World) -> None:
    bank = await bank_picture(world, "hold", FILE)
    async with world.instance.db.write() as tx:
        listed = await hash_lists.list_all(tx, bank)
        other = await hash_banks.make_bank(tx, "copy", tier="flag", clause="4.1")
        done = await hash_banks.import_hashes(tx, None, other, listed, world.settings, source="copy.csv")
        again = await hash_banks.import_hashes(tx, None, other, listed, world.settings, source="copy.csv")
    assert (done.added, again.added, again.known) == (len(listed), 0, len(listed))
    assert len(listed) > 15  # the picture, parts of it, and the SHA-256 of its bytes


async def test_a_picture_without_detail_cannot_enter_a_bank(world: World, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="too little detail"):
        await bank_picture(world, "reject", jpeg(Image.new("RGB", (400, 300), "white")))


async def test_a_bank_needs_a_clause_of_the_policy_and_a_tier(world: World) -> None:
    with pytest.raises(Invalid, match="no clause"):
        await make_bank(world, "reject", clause="99.9")
    with pytest.raises(Invalid, match="tier"):
        await make_bank(world, "shoot", name="odd")


async def test_a_bank_in_background_is_logged_and_stops_nothing(world: World) -> None:
    name = await bank_picture(world, "reject", FILE)
    async with world.instance.db.write() as tx:
        await hash_banks.make_bank(tx, name, tier="reject", clause="4.2", state="BACKGROUND", change=True)
    answer = await upload(await world.client("alice"), FILE)
    post = await world.post("alice", "look", media_ids=[answer.json()["id"]])
    await world.run_jobs()
    assert await seen_by_bob(world, post["id"])
    matches = (await rows(world, "SELECT matches FROM media"))[0][0]
    assert matches[0]["background"]
