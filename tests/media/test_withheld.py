"""Files of a post that others may not see: its author alone can open them, by addresses that soon lead nowhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from parley import screening
from parley.kit.clock import time_travel
from parley.social.media.actions import hide_media
from parley.social.statuses.publishing import drop_held_revision, publish_held_status
from parley.social.verdicts.jobs import rescreen_degraded
from tests.conftest import World
from tests.media import samples
from tests.media.helpers import fetched, files_stored, processed, upload
from tests.statuses.cast import DOUBTFUL, THREAT, known, read


def bare(url: str) -> str:
    """An address without its key."""
    return url.split("?")[0]


async def statuses_of(world: World, urls: list[str]) -> list[int]:
    return [(await fetched(world, url)).status_code for url in urls]


def urls_of(status: dict[str, Any]) -> list[str]:
    return [media[name] for media in status["media_attachments"] for name in ("url", "preview_url")]


async def test_files_of_a_held_post_open_for_its_author_alone_until_it_is_published(world: World) -> None:
    await known(world, "alice")
    media = await processed(world, samples.jpeg())
    public = [media["url"], media["preview_url"]]
    assert await statuses_of(world, public) == [200, 200], "not posted yet"
    held = await world.post("alice", DOUBTFUL, media_ids=[media["id"]])
    assert held["moderation"]["state"] == "held"
    assert await statuses_of(world, public) == [404, 404]
    own = urls_of(await read(world, "alice", held["id"]))
    assert [bare(url) for url in own] == public
    assert await statuses_of(world, own) == [200, 200]
    answer = await fetched(world, own[0])
    assert answer.headers["cache-control"] == "private, no-store"
    for wrong in ("?key=", "?key=" + "0" * 32, "?" + own[1].split("?")[1]):
        assert (await fetched(world, public[0] + wrong)).status_code == 404
    with time_travel(timedelta(hours=2)):
        assert await statuses_of(world, own) == [404, 404]
        fresh = urls_of(await read(world, "alice", held["id"]))
        assert await statuses_of(world, fresh) == [200, 200]
    async with world.instance.db.write() as tx:
        await publish_held_status(tx, int(held["id"]))
    assert await statuses_of(world, public) == [200, 200]
    assert urls_of(await read(world, None, held["id"])) == public


async def test_its_author_sees_the_pictures_of_a_held_post_on_the_page(world: World) -> None:
    from tests.sessions.pages import sign_in

    await known(world, "alice")
    media = await processed(world, samples.jpeg())
    held = await world.post("alice", DOUBTFUL, media_ids=[media["id"]])
    browser = await sign_in(world, "alice")
    page = (await browser.get(f"/@alice/{held['id']}")).text
    path = media["preview_url"].removeprefix(world.settings.base_url)
    key = page.split(f'src="{path}?key=')[1].split('"')[0]
    assert (await browser.get(f"{path}?key={key}")).status_code == 200
    assert (await browser.get(path)).status_code == 404


async def test_a_file_that_is_cleaned_after_its_post_was_held_is_withheld_as_well(world: World) -> None:
    await known(world, "alice")
    client = await world.client("alice")
    media = (await upload(client, samples.jpeg())).json()
    held = await world.post("alice", DOUBTFUL, media_ids=[media["id"]])
    await world.run_jobs()
    own = urls_of(await read(world, "alice", held["id"]))
    assert await statuses_of(world, own) == [200, 200]
    assert await statuses_of(world, [bare(url) for url in own]) == [404, 404]


async def test_a_held_edit_withholds_what_it_adds_and_nothing_else(world: World) -> None:
    await known(world, "alice")
    client = await world.client("alice")
    first, second = [await processed(world, data) for data in (samples.jpeg(), samples.png())]
    status = await world.post("alice", "a picture", media_ids=[first["id"]])
    answer = await client.put(
        f"/api/v1/statuses/{status['id']}", json={"status": DOUBTFUL, "media_ids": [first["id"], second["id"]]}
    )
    assert answer.json()["moderation"]["state"] == "held", answer.text
    assert await statuses_of(world, [first["url"], second["url"]]) == [200, 404]
    async with world.instance.db.write() as tx:
        await drop_held_revision(tx, int(status["id"]), 2)
    assert await statuses_of(world, [first["url"], second["url"]]) == [200, 404], "dropped: it stays withheld"


async def test_a_second_screening_that_hides_a_post_hides_its_files(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await known(world, "alice")
    media = await processed(world, samples.jpeg())
    judge = screening.judge

    def broken(*_: Any) -> Any:
        raise RuntimeError("the judge is not well")

    monkeypatch.setattr(screening, "judge", broken)
    status = await world.post("alice", THREAT, media_ids=[media["id"]])
    assert await statuses_of(world, [media["url"]]) == [200]
    monkeypatch.setattr(screening, "judge", judge)
    await rescreen_degraded(world.instance, {})
    await world.run_jobs()
    assert await statuses_of(world, [media["url"]]) == [404]
    assert await statuses_of(world, urls_of(await read(world, "alice", status["id"]))) == [200, 200]


async def test_what_a_deleted_held_post_carried_is_public_only_with_a_post_that_is(world: World) -> None:
    await known(world, "alice")
    client = await world.client("alice")
    media = await processed(world, samples.jpeg())
    held = await world.post("alice", DOUBTFUL, media_ids=[media["id"]])
    key = urls_of(await read(world, "alice", held["id"]))[0]
    await client.delete(f"/api/v1/statuses/{held['id']}")
    assert await statuses_of(world, [media["url"], key]) == [404, 404]
    again = await world.post("alice", "with kinder words", media_ids=[media["id"]])
    assert "moderation" not in again
    assert urls_of(again)[0] == media["url"]
    assert await statuses_of(world, [media["url"]]) == [200]


async def test_bytes_that_people_hid_cannot_be_uploaded_again(world: World) -> None:
    media = await processed(world, samples.jpeg())
    async with world.instance.db.write() as tx:
        await hide_media(tx, [int(media["id"])], hidden=True)
    stored = files_stored(world)
    client = await world.client("bob")
    again = (await upload(client, samples.jpeg(), "another-name.jpg")).json()
    await world.run_jobs()
    failed = await client.get(f"/api/v1/media/{again['id']}")
    assert failed.status_code == 422
    assert "taken down here before" in failed.json()["error"]
    assert files_stored(world) == stored
    alice = await world.client("alice")
    assert (await alice.delete(f"/api/v1/media/{media['id']}")).status_code == 200
    with time_travel(timedelta(hours=2)):
        await world.run_jobs()
    again = (await upload(client, samples.jpeg())).json()
    await world.run_jobs()
    assert (await client.get(f"/api/v1/media/{again['id']}")).status_code == 422, "though every name of it is gone"


async def test_bytes_that_are_hidden_no_more_can_be_uploaded(world: World) -> None:
    media = await processed(world, samples.jpeg())
    for hidden in (True, False):
        async with world.instance.db.write() as tx:
            await hide_media(tx, [int(media["id"])], hidden=hidden)
    client = await world.client("bob")
    again = (await upload(client, samples.jpeg())).json()
    await world.run_jobs()
    assert (await client.get(f"/api/v1/media/{again['id']}")).status_code == 200
