"""Uploading and opening what came out, for the tests of media."""

from __future__ import annotations

import io
from typing import Any

import httpx

from tests.conftest import World


async def upload(
    client: httpx.AsyncClient, data: bytes, name: str = "photo.jpg", *, version: int = 2, **fields: Any
) -> httpx.Response:
    """POST one file; `thumbnail` may be bytes."""
    files = {"file": (name, data, "application/octet-stream")}
    if "thumbnail" in fields:
        files["thumbnail"] = ("thumb.png", fields.pop("thumbnail"), "image/png")
    return await client.post(f"/api/v{version}/media", files=files, data=fields)


async def processed(world: World, data: bytes, name: str = "photo.jpg", **fields: Any) -> dict[str, Any]:
    """Upload as alice, run the jobs, and return the attachment as GET shows it."""
    client = await world.client("alice")
    answer = await upload(client, data, name, **fields)
    assert answer.status_code == 202, answer.text
    await world.run_jobs()
    ready = await client.get(f"/api/v1/media/{answer.json()['id']}")
    assert ready.status_code == 200, ready.text
    return ready.json()


async def fetched(world: World, url: str, **headers: str) -> httpx.Response:
    """A stored file as anybody gets it."""
    return await world.anonymous.get(url.removeprefix(world.settings.base_url), headers=headers)


async def body(world: World, url: str) -> bytes:
    """The bytes of a stored file."""
    answer = await fetched(world, url)
    assert answer.status_code == 200, answer.text
    return answer.content


async def picture(world: World, url: str) -> Any:
    """A stored file opened with Pillow."""
    from PIL import Image

    opened = Image.open(io.BytesIO(await body(world, url)))
    opened.load()
    return opened


def uploads_left(world: World) -> list[str]:
    """Raw uploads that are still on disk."""
    folder = world.settings.path("uploads")
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def files_stored(world: World) -> list[str]:
    """Files that are on disk where they could be served."""
    folder = world.settings.path("media")
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
