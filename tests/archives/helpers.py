"""What the tests of archives share: people who are signed in, and archives made by hand."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from typing import Any

import httpx

from tests.conftest import PASSWORD, World
from tests.media.helpers import processed
from tests.media.samples import png
from tests.web.forms import sign_in, submit

OLD = "https://old.example/users/rosa"
PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


async def browser_of(world: World, name: str) -> httpx.AsyncClient:
    """A browser in which `name` is signed in."""
    await world.account(name)
    return await sign_in(world.browser(), name, PASSWORD)


async def make_archive(world: World, browser: httpx.AsyncClient, **values: str) -> zipfile.ZipFile:
    """Ask for an archive, have it made, and download it."""
    answer = await submit(browser, "/settings/export", "/settings/export/archive", **values)
    assert answer.status_code == 200, answer.text[:2000]
    await world.run_jobs()
    return zipfile.ZipFile(io.BytesIO((await download(browser)).content))


async def download(browser: httpx.AsyncClient) -> httpx.Response:
    """The newest archive of who is signed in."""
    page = (await browser.get("/settings/export")).text
    assert "/settings/export/archives/" in page, page
    address = page.split('href="/settings/export/archives/')[1].split('"')[0]
    return await browser.get(f"/settings/export/archives/{address}")


async def post_picture(world: World, name: str, text: str, description: str = "a dune") -> dict[str, Any]:
    """`name` posts a picture that is ready."""
    media = await processed(world, png(), name="dune.png", description=description)
    return await world.post(name, text, media_ids=[media["id"]])


def note(number: int, text: str = "", **changes: Any) -> dict[str, Any]:
    """An entry of an outbox as Mastodon writes it, by rosa of old.example."""
    uri = f"{OLD}/statuses/{number}"
    found = {
        "id": uri,
        "type": "Note",
        "summary": None,
        "inReplyTo": None,
        "published": f"2019-03-{1 + number % 28:02d}T10:00:{number % 60:02d}Z",
        "url": f"https://old.example/@rosa/{number}",
        "attributedTo": OLD,
        "to": [PUBLIC],
        "cc": [f"{OLD}/followers"],
        "sensitive": False,
        "content": text or f"<p>Post number {number}</p>",
        "contentMap": {"en": text or f"<p>Post number {number}</p>"},
        "attachment": [],
        "tag": [],
    } | changes
    return {
        "id": f"{uri}/activity",
        "type": "Create",
        "actor": OLD,
        "published": found["published"],
        "to": found["to"],
        "cc": found["cc"],
        "object": found,
    }


def actor(**changes: Any) -> dict[str, Any]:
    """actor.json of rosa of old.example."""
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": OLD,
        "type": "Person",
        "preferredUsername": "rosa",
        "name": "Rosa",
        "outbox": "outbox.json",
    } | changes


def outbox(items: list[Any]) -> dict[str, Any]:
    """outbox.json."""
    return {"id": "outbox.json", "type": "OrderedCollection", "totalItems": len(items), "orderedItems": items}


def zipped(items: list[Any], files: dict[str, bytes] | None = None, **changes: Any) -> bytes:
    """An archive as Mastodon makes it now."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("actor.json", json.dumps(actor(**changes)))
        file.writestr("outbox.json", json.dumps(outbox(items)))
        for name, content in (files or {}).items():
            file.writestr(name, content)
    return made.getvalue()


def tarred(items: list[Any], files: dict[str, bytes] | None = None) -> bytes:
    """An archive as Mastodon made it before."""
    made = io.BytesIO()
    everything = {"actor.json": json.dumps(actor()).encode(), "outbox.json": json.dumps(outbox(items)).encode()}
    with tarfile.open(fileobj=made, mode="w:gz") as file:
        for name, content in (everything | (files or {})).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return made.getvalue()


async def send_archive(world: World, browser: httpx.AsyncClient, content: bytes) -> httpx.Response:
    """Bring an archive along and have it read; the page of the import, or of the refusal."""
    answer = await submit(
        browser, "/settings/import", "/settings/import/archive", {"file": ("archive.zip", content, "application/zip")}
    )
    if answer.status_code != 200:
        return answer
    await world.run_jobs()
    return await browser.get(answer.url.path)


async def take(world: World, browser: httpx.AsyncClient, page: httpx.Response, **values: str) -> httpx.Response:
    """Confirm an import and have all of it taken."""
    address = page.url.path
    answer = await submit(browser, address, f"{address}/confirm", **values)
    assert answer.status_code == 200, answer.text[:2000]
    await run_out(world)
    return await browser.get(address)


async def run_out(world: World) -> None:
    """Run jobs until none is left, those too that wait a second for the run before."""
    for _ in range(400):
        async with world.instance.db.write() as tx:
            waiting = await tx.execute("UPDATE pgqueuer SET execute_after = now() WHERE entrypoint = 'run_import'")
        if not await world.run_jobs() and waiting == "UPDATE 0":
            return
    raise AssertionError("the import never ends")


async def import_file(
    world: World, browser: httpx.AsyncClient, kind: str, content: bytes, *, mode: str = "merge"
) -> httpx.Response:
    """Bring a file of Mastodon's along, confirm it, and have it taken; the page of the import."""
    answer = await submit(
        browser, "/settings/import", "/settings/import", {"file": ("file.csv", content, "text/csv")}, kind=kind
    )
    assert answer.status_code == 200, answer.text[:3000]
    return await take(world, browser, answer, mode=mode)
