"""Stored files over HTTP: names, headers, ranges, caching, and what is never served."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import World
from tests.media import samples
from tests.media.helpers import fetched, processed, upload, uploads_left


@pytest.fixture
async def url(world: World) -> str:
    """The path of a stored JPEG."""
    media = await processed(world, samples.jpeg(800, 600))
    return media["url"].removeprefix(world.settings.base_url)


async def test_a_file_comes_with_headers_that_disarm_it(world: World, url: str) -> None:
    answer = await fetched(world, url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-disposition"] == "inline"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["accept-ranges"] == "bytes"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["etag"].startswith('"')
    assert "set-cookie" not in answer.headers


async def test_another_origin_may_read_a_file(world: World, url: str) -> None:
    answer = await fetched(world, url, origin="https://elk.example")
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]


async def test_a_video_may_play_where_it_is_opened_alone(world: World, tmp_path: Path) -> None:
    media = await processed(world, samples.video(tmp_path / "v.mp4"))
    answer = await fetched(world, media["url"])
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-security-policy"] == "default-src 'none'; media-src 'self'; sandbox"


async def test_head_says_the_same_without_the_file(world: World, url: str) -> None:
    got, head = await fetched(world, url), await world.anonymous.head(url)
    assert head.status_code == 200
    assert head.content == b""
    for name in ("content-type", "content-length", "etag", "content-security-policy", "accept-ranges"):
        assert head.headers[name] == got.headers[name]
    assert (await world.anonymous.head("/media/ab/cd/" + "x" * 32 + ".jpg")).status_code == 404


RANGES = {"0-99": (0, 99), "100-": (100, -1), "-50": (-50, -1), "10-10": (10, 10), "0-99999999": (0, -1)}
NO_RANGES = ("bytes=0-1,5-6", "bytes=5-2", "bytes=-", "bytes=a-b", "items=0-5", "0-5", "bytes=" + "9" * 40 + "-")


async def test_one_range_is_answered_with_206(world: World, url: str) -> None:
    whole = (await fetched(world, url)).content
    size = len(whole)
    for asked, (first, last) in {**RANGES, "-9999999": (0, -1)}.items():
        answer = await fetched(world, url, range=f"bytes={asked}")
        start, end = first % size, last % size
        assert answer.status_code == 206, asked
        assert answer.content == whole[start : end + 1]
        assert answer.headers["content-range"] == f"bytes {start}-{end}/{size}"
        assert int(answer.headers["content-length"]) == end + 1 - start


async def test_a_range_beyond_the_file_is_416(world: World, url: str) -> None:
    size = len((await fetched(world, url)).content)
    for asked in ("bytes=999999-", "bytes=999999-9999999", "bytes=-0"):
        answer = await fetched(world, url, range=asked)
        assert answer.status_code == 416, asked
        assert answer.headers["content-range"] == f"bytes */{size}"
        assert answer.content == b""


async def test_what_is_not_one_well_formed_range_gives_the_whole_file(world: World, url: str) -> None:
    whole = await fetched(world, url)
    for asked in NO_RANGES:
        answer = await fetched(world, url, range=asked)
        assert answer.status_code == 200, asked
        assert answer.content == whole.content


async def test_if_range_and_if_none_match_follow_the_etag(world: World, url: str) -> None:
    etag = (await fetched(world, url)).headers["etag"]
    same = {"range": "bytes=0-9", "if-range": etag}
    assert (await fetched(world, url, **same)).status_code == 206
    assert (await fetched(world, url, **{**same, "if-range": '"other"'})).status_code == 200
    assert (await fetched(world, url, **{"if-none-match": f'"a", W/{etag}'})).status_code == 304
    assert (await fetched(world, url, **{"if-none-match": '"a"'})).status_code == 200


NO_FILES = (
    "/media/ab/cd/" + "A" * 32 + ".jpg",
    "/media/ab/cd/..%2f..%2fsecret.key",
    "/media/%2e%2e/%2e%2e/secret.key",
    "/media/ab/cd/x.jpg",
    "/media/ab/cd/" + "A" * 32 + ".html",
    "/media/ab/cd/%00.jpg",
)


async def test_what_does_not_exist_is_404_whatever_it_looks_like(world: World) -> None:
    for path in NO_FILES:
        assert (await world.anonymous.get(path)).status_code == 404, path


async def test_the_raw_upload_is_never_served(world: World) -> None:
    client = await world.client("alice")
    await upload(client, samples.jpeg())
    (raw,) = uploads_left(world)
    for path in (f"/media/{raw}", f"/uploads/{raw}", f"/media/uploads/{raw}"):
        assert (await world.anonymous.get(path)).status_code == 404


async def test_a_hidden_file_is_withheld_from_everybody_and_can_come_back(world: World) -> None:
    from parley.social.media.actions import hide_media

    media = await processed(world, samples.jpeg())
    for hidden, status in ((True, 404), (False, 200)):
        async with world.instance.db.write() as tx:
            await hide_media(tx, [int(media["id"])], hidden=hidden)
        for name in ("url", "preview_url"):
            assert (await fetched(world, media[name])).status_code == status


async def test_serving_a_file_asks_the_database_once(world: World, url: str) -> None:
    with world.queries() as seen:
        await fetched(world, url)
    assert len(seen) == 1
