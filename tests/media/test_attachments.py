"""The life of an attachment through the API: who may do what, its description, its end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest

from parley.kit.clock import time_travel
from parley.kit.errors import Invalid
from parley.kit.live import Message
from parley.kit.settings import Settings
from parley.social.media import actions, jobs, reads
from parley.social.media.actions import MediaAttributes
from tests.conftest import World, open_world
from tests.media import samples
from tests.media.helpers import fetched, files_stored, processed, upload, uploads_left

HELD = "kys"
REJECTED = "I will kill you"

SHAPE = {
    "type": "object",
    "required": ["id", "type", "url", "preview_url", "remote_url", "meta", "description", "blurhash"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "type": {"enum": ["unknown", "image", "gifv", "video", "audio"]},
        "url": {"type": ["string", "null"]},
        "preview_url": {"type": ["string", "null"]},
        "remote_url": {"type": "null"},
        "meta": {"type": ["object", "null"]},
        "description": {"type": ["string", "null"]},
        "blurhash": {"type": ["string", "null"]},
    },
}


async def screenings(world: World, media_id: str) -> list[tuple[int, str]]:
    """Revision and outcome of every screening result of an attachment's descriptions; 0 would be the file itself."""
    async with world.instance.db.read() as tx:
        rows = await tx.fetch(
            "SELECT revision, outcome::text FROM screening_results "
            "WHERE subject_type = 'media' AND subject_id = $1 AND revision > 0 ORDER BY id",
            int(media_id),
        )
    return [tuple(row) for row in rows]


async def public_description(world: World, media_id: str) -> str:
    """What readers of a post that carries it see."""
    async with world.instance.db.read() as tx:
        return (await reads.get_media_views(tx, [int(media_id)]))[int(media_id)].description


async def attach(world: World, name: str, ids: list[str], status_id: int = 77) -> list[Any]:
    """Attach as posting does."""
    account_id = await world.account(name)
    async with world.instance.db.write() as tx:
        return await actions.attach_media(tx, account_id, [int(one) for one in ids], status_id)


async def test_an_upload_is_202_then_206_then_200(world: World) -> None:
    client = await world.client("alice")
    answer = await upload(client, samples.jpeg(), description="A red square", focus="0.5,-0.5")
    assert answer.status_code == 202
    waiting = answer.json()
    jsonschema.validate(waiting, SHAPE)
    assert waiting["url"] is None
    assert waiting["type"] == "image"
    assert (await client.get(f"/api/v1/media/{waiting['id']}")).status_code == 206
    await world.run_jobs()
    ready = await client.get(f"/api/v1/media/{waiting['id']}")
    assert ready.status_code == 200
    jsonschema.validate(ready.json(), SHAPE)
    assert ready.json()["description"] == "A red square"
    assert ready.json()["url"].startswith(world.settings.base_url + "/media/")


async def upload_with_worker(world: World, data: bytes) -> httpx.Response:
    """Upload as apps did that wait for the file, while a worker does what there is to do."""
    uploading = asyncio.create_task(upload(await world.client("alice"), data, version=1))
    while not uploading.done():
        await world.run_jobs()
        await asyncio.sleep(0.02)
    return await uploading


async def test_the_old_way_of_uploading_waits_until_the_file_is_ready(world: World) -> None:
    answer = await upload_with_worker(world, samples.jpeg())
    assert answer.status_code == 200
    assert answer.json()["url"]


async def test_the_old_way_tells_that_a_file_is_broken(world: World) -> None:
    answer = await upload_with_worker(world, samples.jpeg(800, 600)[:5000])
    assert answer.status_code == 422
    assert "broken" in answer.json()["error"]


async def test_when_a_file_is_ready_its_owner_is_told(world: World) -> None:
    heard: list[Message] = []
    world.instance.live.subscribe(heard.append)
    media = await processed(world, samples.jpeg())
    async with asyncio.timeout(20):
        while not heard:
            await asyncio.sleep(0.02)
    assert Message("media", ids=(int(media["id"]),), account_ids=(world.ids["alice"],)) in heard


async def test_processing_twice_changes_nothing(world: World) -> None:
    media = await processed(world, samples.jpeg())
    before = files_stored(world)
    await jobs.process_media(world.instance, {"media_id": int(media["id"])})
    assert files_stored(world) == before


async def test_two_runs_of_the_job_at_once_leave_one_pair_of_files(world: World) -> None:
    client = await world.client("alice")
    media = (await upload(client, samples.jpeg())).json()
    payload = {"media_id": int(media["id"])}
    await asyncio.gather(*(jobs.process_media(world.instance, payload) for _ in range(2)))
    assert (await client.get(f"/api/v1/media/{media['id']}")).status_code == 200
    assert len(files_stored(world)) == 2


async def test_nobody_else_sees_or_changes_an_attachment(world: World) -> None:
    media = await processed(world, samples.jpeg())
    path = f"/api/v1/media/{media['id']}"
    bob, signed_out = await world.client("bob"), world.anonymous
    reader = await world.client("alice", scopes="read")
    assert (await bob.get(path)).status_code == 404
    assert (await bob.put(path, data={"description": "mine"})).status_code == 404
    assert (await bob.delete(path)).status_code == 404
    for method in ("GET", "PUT", "DELETE"):
        assert (await signed_out.request(method, path)).status_code == 401
        assert (await reader.request(method, path)).status_code == 403
    for version in (1, 2):
        assert (await upload(signed_out, samples.jpeg(), version=version)).status_code == 401
        assert (await upload(reader, samples.jpeg(), version=version)).status_code == 403
    assert uploads_left(world) == []
    missing = await bob.get("/api/v1/media/1")
    assert missing.json() == (await bob.get(path)).json()
    assert (await bob.get("/api/v1/media/abc")).status_code == 404


async def test_a_description_and_focus_can_be_changed_by_form_json_or_multipart(world: World) -> None:
    media = await processed(world, samples.jpeg(), description="one")
    client, path = await world.client("alice"), f"/api/v1/media/{media['id']}"
    assert (await client.put(path, data={"description": "two"})).json()["description"] == "two"
    answer = await client.put(path, json={"description": "three", "focus": "0.1,0.2"})
    assert answer.json()["description"] == "three"
    assert answer.json()["meta"]["focus"] == {"x": 0.1, "y": 0.2}
    answer = await client.put(path, files={"description": (None, "four")})
    assert answer.json()["description"] == "four"
    assert (await client.put(path, data={"focus": "-1,1"})).json()["description"] == "four"
    assert (await client.put(path, data={"description": ""})).json()["description"] is None
    assert [revision for revision, _ in await screenings(world, media["id"])] == [1, 2, 3, 4, 5]


async def test_a_wrong_focus_is_refused(world: World) -> None:
    client = await world.client("alice")
    for focus in ("1", "a,b", "2,0", "nan,0", "inf,0", "1,2,3"):
        answer = await upload(client, samples.jpeg(), focus=focus)
        assert answer.status_code == 422, focus
        assert "focus" in answer.json()["error"]
    assert uploads_left(world) == []


async def test_a_description_that_is_too_long_is_refused(world: World) -> None:
    client = await world.client("alice")
    assert (await upload(client, samples.jpeg(), description="é" * 1500)).status_code == 202
    answer = await upload(client, samples.jpeg(), description="é" * 1501)
    assert answer.status_code == 422
    assert "1,500" in answer.json()["error"]


async def test_a_rejected_description_stores_nothing_but_the_refusal(world: World) -> None:
    client = await world.client("alice")
    answer = await upload(client, samples.jpeg(), description=REJECTED)
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert uploads_left(world) == []
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM media") == 0
    media = await processed(world, samples.jpeg(), description="fine")
    changed = await client.put(f"/api/v1/media/{media['id']}", data={"description": REJECTED})
    assert changed.status_code == 422
    assert await public_description(world, media["id"]) == "fine"


async def test_a_held_description_is_shown_to_its_author_alone(world: World) -> None:
    client = await world.client("alice")
    media = await processed(world, samples.jpeg(), description=HELD)
    assert media["description"] == HELD
    assert media["moderation"]["state"] == "held"
    assert media["moderation"]["sentence"]
    assert await public_description(world, media["id"]) == ""
    path = f"/api/v1/media/{media['id']}"
    better = (await client.put(path, data={"description": "A red square"})).json()
    assert "moderation" not in better
    assert await public_description(world, media["id"]) == "A red square"
    assert (await client.put(path, data={"description": HELD})).json()["description"] == HELD
    assert await public_description(world, media["id"]) == "A red square"
    assert await screenings(world, media["id"]) == [(1, "hold"), (2, "allow"), (3, "hold")]


async def test_the_descriptions_of_an_edited_post_are_screened_too(world: World) -> None:
    from parley.social.accounts.views import Viewer

    media = await processed(world, samples.jpeg(), description="one")
    await attach(world, "alice", [media["id"]])
    alice = Viewer(account_id=world.ids["alice"], username="alice")
    bob = Viewer(account_id=await world.account("bob"), username="bob")

    async def change(viewer: Viewer, text: str, status_id: int = 77) -> None:
        async with world.instance.db.write() as tx:
            changes = [MediaAttributes(id=int(media["id"]), description=text, focus=(0.3, 0.4))]
            await actions.update_attached_media(tx, viewer, status_id, changes)

    await change(alice, "two")
    assert await public_description(world, media["id"]) == "two"
    await change(alice, HELD)
    assert await public_description(world, media["id"]) == "two"
    with pytest.raises(Invalid):
        await change(alice, REJECTED)
    with pytest.raises(Invalid):
        await change(bob, "three")
    with pytest.raises(Invalid):
        await change(alice, "three", status_id=78)
    assert await public_description(world, media["id"]) == "two"


async def test_what_a_post_carries_is_changed_through_the_post(world: World) -> None:
    media = await processed(world, samples.jpeg())
    await attach(world, "alice", [media["id"]])
    client, path = await world.client("alice"), f"/api/v1/media/{media['id']}"
    assert (await client.get(path)).status_code == 200
    assert (await client.put(path, data={"description": "x"})).status_code == 422
    refused = await client.delete(path)
    assert refused.status_code == 422
    assert "used by a status" in refused.json()["error"]


async def test_only_fitting_files_of_ones_own_go_on_a_post(world: World, tmp_path: Path) -> None:
    client = await world.client("alice")
    pictures = [(await upload(client, samples.jpeg())).json()["id"] for _ in range(5)]
    video = (await upload(client, samples.video(tmp_path / "v.mp4"))).json()["id"]
    broken = (await upload(client, samples.jpeg(800, 600)[:5000])).json()["id"]
    await world.run_jobs()
    for ids, word in (
        (pictures, "at most 4"),
        ([pictures[0], pictures[0]], "twice"),
        ([pictures[0], video], "only file"),
        ([broken], "could not be used"),
        (["1"], "not found"),
    ):
        with pytest.raises(Invalid, match=word):
            await attach(world, "alice", ids)
    with pytest.raises(Invalid, match="not found"):
        await attach(world, "bob", [pictures[0]])
    views = await attach(world, "alice", [pictures[2], pictures[1]])
    assert [str(view.id) for view in views] == [pictures[2], pictures[1]]
    assert await attach(world, "alice", [pictures[2]])
    with pytest.raises(Invalid, match="another post"):
        await attach(world, "alice", [pictures[2]], status_id=78)


async def test_a_file_that_is_still_processed_may_be_attached(world: World) -> None:
    client = await world.client("alice")
    media = (await upload(client, samples.jpeg())).json()
    (view,) = await attach(world, "alice", [media["id"]])
    assert view.state == "processing"
    assert view.mime_type == "image/jpeg"
    await world.run_jobs()
    assert (await client.get(f"/api/v1/media/{media['id']}")).status_code == 200


async def test_a_planned_post_keeps_its_files_until_it_is_given_up(world: World) -> None:
    media = await processed(world, samples.jpeg())
    account_id, media_id = world.ids["alice"], int(media["id"])
    async with world.instance.db.write() as tx:
        await actions.reserve_media(tx, account_id, [media_id], 500)
    with pytest.raises(Invalid, match="another post"):
        await attach(world, "alice", [media["id"]])
    with time_travel(timedelta(days=2)):
        await jobs.delete_orphans(world.instance, {})
    async with world.instance.db.write() as tx:
        await actions.attach_media(tx, account_id, [media_id], 77, scheduled_status_id=500)
    assert (await fetched(world, media["url"])).status_code == 200
    other = await processed(world, samples.jpeg())
    async with world.instance.db.write() as tx:
        await actions.reserve_media(tx, account_id, [int(other["id"])], 501)
        await actions.release_reserved_media(tx, 501)
    assert await attach(world, "alice", [other["id"]], status_id=79)


async def test_deleting_ends_serving_at_once_and_the_bytes_follow(world: World) -> None:
    media = await processed(world, samples.jpeg())
    client = await world.client("alice")
    assert (await client.delete(f"/api/v1/media/{media['id']}")).status_code == 200
    assert (await client.get(f"/api/v1/media/{media['id']}")).status_code == 404
    assert (await fetched(world, media["url"])).status_code == 404
    assert (await fetched(world, media["preview_url"])).status_code == 404
    assert len(files_stored(world)) == 2
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE pgqueuer SET execute_after = now()")
    await world.run_jobs()
    assert files_stored(world) == []


async def test_deleting_what_still_waits_deletes_the_raw_upload(world: World) -> None:
    client = await world.client("alice")
    media = (await upload(client, samples.jpeg())).json()
    assert (await client.delete(f"/api/v1/media/{media['id']}")).status_code == 200
    await world.run_jobs()
    assert uploads_left(world) == []
    assert files_stored(world) == []


async def test_the_files_of_a_deleted_post_are_gone_unless_it_is_redrafted(world: World) -> None:
    gone, kept = await processed(world, samples.jpeg()), await processed(world, samples.jpeg())
    await attach(world, "alice", [gone["id"]], status_id=77)
    await attach(world, "alice", [kept["id"]], status_id=78)
    async with world.instance.db.write() as tx:
        await actions.detach_media(tx, 77)
        await actions.detach_media(tx, 78, keep=True)
    assert (await fetched(world, gone["url"])).status_code == 404
    assert (await fetched(world, kept["url"])).status_code == 404
    assert await attach(world, "alice", [kept["id"]], status_id=79)
    assert (await fetched(world, kept["url"])).status_code == 200


async def test_what_no_post_takes_within_a_day_is_deleted(world: World) -> None:
    orphan, attached = await processed(world, samples.jpeg()), await processed(world, samples.jpeg())
    await attach(world, "alice", [attached["id"]])
    await jobs.delete_orphans(world.instance, {})
    assert (await fetched(world, orphan["url"])).status_code == 200
    with time_travel(timedelta(hours=25)):
        await jobs.delete_orphans(world.instance, {})
    assert (await fetched(world, orphan["url"])).status_code == 404
    assert (await fetched(world, attached["url"])).status_code == 200


async def test_a_raw_upload_that_nobody_waits_for_is_swept(world: World) -> None:
    client = await world.client("alice")
    await upload(client, samples.jpeg())
    await world.instance.files.uploads.put("aa/bb/" + "x" * 32 + ".raw", b"left behind by a crash")
    assert len(uploads_left(world)) == 2
    await attach(world, "alice", [(await upload(client, samples.jpeg())).json()["id"]])
    with time_travel(timedelta(days=4)):
        await jobs.delete_orphans(world.instance, {})
        await jobs.delete_orphans(world.instance, {})
    assert "aa/bb/" + "x" * 32 + ".raw" not in uploads_left(world)
    assert len(uploads_left(world)) >= 1


async def test_an_upload_that_was_lost_says_so(world: World) -> None:
    client = await world.client("alice")
    media = (await upload(client, samples.jpeg())).json()
    for name in uploads_left(world):
        await world.instance.files.uploads.delete(name)
    await world.run_jobs()
    answer = await client.get(f"/api/v1/media/{media['id']}")
    assert answer.status_code == 422
    assert "send the file again" in answer.json()["error"]


async def test_the_views_of_many_attachments_take_one_query(world: World) -> None:
    client = await world.client("alice")
    ids = [int((await upload(client, samples.jpeg())).json()["id"]) for _ in range(3)]
    with world.queries() as seen:
        async with world.instance.db.read() as tx:
            assert set(await reads.get_media_views(tx, ids)) == set(ids)
    assert len(seen) == 1


async def test_temporary_files_lie_beside_the_data_and_none_is_left(world: World) -> None:
    await processed(world, samples.jpeg())
    client = await world.client("alice")
    assert (await upload(client, samples.HTML)).status_code == 422
    scratch = world.settings.path("tmp")
    assert list(scratch.iterdir()) == []
    (scratch / "left").mkdir()
    (scratch / "left" / "part-0").write_bytes(b"by a crash")
    await jobs.delete_orphans(world.instance, {})
    assert (scratch / "left").exists()
    with time_travel(timedelta(days=2)):
        await jobs.delete_orphans(world.instance, {})
    assert list(scratch.iterdir()) == []


async def test_uploads_are_rate_limited(settings: Settings, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "MAX_UPLOADS", 2)
    async with open_world(msgspec.structs.replace(settings, rate_limits="on"), dsn) as world:
        client = await world.client("alice")
        answers = [await upload(client, samples.jpeg()) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 429]
        assert int(answers[2].headers["retry-after"]) > 0
        assert len(uploads_left(world)) == 2
