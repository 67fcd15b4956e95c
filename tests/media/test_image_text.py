"""Words in pictures, read where the extra `ocr` is installed, are judged like words that somebody typed."""

from __future__ import annotations

import io
import time

import msgspec
import pytest
from PIL import Image, ImageDraw, ImageFont

from parley.kit.settings import Settings
from parley.social.media import image_text
from tests.conftest import World
from tests.media.helpers import upload
from tests.statuses.cast import ask

needs_ocr = pytest.mark.skipif(not image_text.can_read(), reason="the extra `ocr` is not installed")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, read_pictures=True)


def written(*lines: str) -> bytes:
    picture = Image.new("RGB", (900, 120 * len(lines)), "white")
    draw = ImageDraw.Draw(picture)
    for at, line in enumerate(lines):
        draw.text((20, 120 * at + 30), line, font=ImageFont.load_default(48), fill="black")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@needs_ocr
async def test_a_threat_that_is_written_in_a_picture_is_refused_like_a_typed_one(world: World) -> None:
    media = (await upload(await world.client("alice"), written("I will kill you"))).json()["id"]
    await world.run_jobs()
    answer = await ask(world, "alice", "POST", "/statuses", json={"status": "look", "media_ids": [media]})
    assert answer.status_code == 422
    assert "rule 1.1" in answer.json()["error"]


@needs_ocr
async def test_a_post_that_waits_for_its_picture_is_judged_with_the_words_in_it(world: World) -> None:
    media = (await upload(await world.client("alice"), written("hang all the traitors"))).json()["id"]
    post = await world.post("alice", "look", media_ids=[media])
    await world.run_jobs()
    assert (await ask(world, "bob", "GET", f"/statuses/{post['id']}")).status_code == 404
    own = (await ask(world, "alice", "GET", f"/statuses/{post['id']}")).json()
    assert own["moderation"]["state"] == "held"
    async with world.instance.db.read() as tx:
        text = await tx.fetchval("SELECT image_text FROM media")
    assert "hang all the traitors" in text.lower()


@needs_ocr
async def test_innocent_words_in_a_picture_are_published(world: World) -> None:
    media = (await upload(await world.client("alice"), written("Good morning, everybody"))).json()["id"]
    post = await world.post("alice", "look", media_ids=[media])
    began = time.monotonic()
    await world.run_jobs()
    assert time.monotonic() - began < 60
    assert (await ask(world, "bob", "GET", f"/statuses/{post['id']}")).status_code == 200


async def test_without_the_extra_no_word_is_read_and_pictures_work(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parley.social.media import jobs

    monkeypatch.setattr(jobs, "can_read", lambda: False)
    media = (await upload(await world.client("alice"), written("I will kill you"))).json()["id"]
    await world.run_jobs()
    post = await world.post("alice", "look", media_ids=[media])
    assert (await ask(world, "bob", "GET", f"/statuses/{post['id']}")).status_code == 200


async def test_reading_that_breaks_costs_the_words_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parley.social.media import jobs
    from parley.social.media.results import Result

    real = jobs.decode

    async def broken(path, expected, purpose, folder):
        return Result(error="boom") if purpose == "text" else await real(path, expected, purpose, folder)

    monkeypatch.setattr(jobs, "can_read", lambda: True)
    monkeypatch.setattr(jobs, "decode", broken)
    media = (await upload(await world.client("alice"), written("Good morning"))).json()["id"]
    await world.run_jobs()
    post = await world.post("alice", "look", media_ids=[media])
    assert (await ask(world, "bob", "GET", f"/statuses/{post['id']}")).status_code == 200
