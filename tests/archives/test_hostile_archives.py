"""Archives come from strangers: whatever is in one, it is refused with a sentence or read within bounds."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from parley.kit.errors import Invalid, NotFound
from parley.social.archives import container, outbox
from parley.social.archives.container import open_container, repack_tar
from parley.social.archives.markup import text_of
from parley.social.archives.outbox import (
    Actor,
    FoundPost,
    Skipped,
    names_in_archive,
    read_actor,
    read_item,
    read_outbox,
)
from tests.archives.helpers import OLD, actor, browser_of, note, send_archive, take, zipped
from tests.archives.test_import_posts import ALL, statuses
from tests.conftest import World
from tests.media.samples import png, png_bomb

ROSA = Actor(OLD, "old.example", "rosa", ())
ANYTHING = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=40),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def zip_of(**files: bytes) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name.replace("__", "."), content)
    return made


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK" + b"\0" * 100, "damaged"),
        (b"\x1f\x8b" + b"\0" * 100, "damaged"),
        (zipped([note(1)])[:200], "damaged"),
        (zip_of(actor__json=b"{}").getvalue(), "holds no outbox.json"),
        (zip_of(actor__json=b"{}", outbox__json=b"{}").getvalue(), "does not say whose it is"),
        (zip_of(actor__json=b"[" * 90_000, outbox__json=b"{}").getvalue(), "cannot be read"),
        (zip_of(actor__json=json.dumps(actor()).encode(), outbox__json=b'{"orderedItems": [').getvalue(), "valid JSON"),
        (zipped([note(1)], id="javascript:alert(1)"), "does not say whose it is"),
        (zipped([note(1)], preferredUsername="<script>"), "does not say whose it is"),
    ],
    ids=["zip", "gzip", "cut", "nothing", "nobody", "deep", "broken", "script", "markup"],
)
async def test_an_archive_that_cannot_be_read_ends_with_a_sentence(world: World, content: bytes, said: str) -> None:
    browser = await browser_of(world, "alice")
    page = await send_archive(world, browser, content)
    assert page.status_code == 200
    assert said in page.text, page.text
    assert 'role="alert"' in page.text
    left = [name async for batch in world.instance.files.archives.list_all() for name, _ in batch]
    assert left == [], "nothing stays behind"


@pytest.mark.parametrize("content", [b"", b"<html>", b"MZ program"])
async def test_what_is_no_archive_is_refused_as_it_arrives(world: World, content: bytes) -> None:
    browser = await browser_of(world, "alice")
    page = await send_archive(world, browser, content)
    assert page.status_code == 422


async def test_an_archive_beyond_the_limit_is_refused_as_it_arrives(world: World) -> None:
    import msgspec

    world.instance.settings  # noqa: B018 (the very settings that the pages ask)
    small = msgspec.structs.replace(world.settings, max_archive_mb=1)
    object.__setattr__(world.instance, "settings", small)
    browser = await browser_of(world, "alice")
    page = await send_archive(world, browser, b"PK\x03\x04" + b"\0" * (2**20 + 2**19))
    assert page.status_code == 413
    object.__setattr__(world.instance, "settings", msgspec.structs.replace(world.settings, max_archive_mb=0))
    page = await browser.get("/settings/import")
    assert "This server takes no archives." in page.text


def test_a_table_of_contents_without_end_is_refused_before_it_is_read() -> None:
    end = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, container.MOST_CATALOGUE + 1, 0, 0)
    with pytest.raises(Invalid, match="too many files"), open_container(io.BytesIO(b"x" * 1000 + end)):
        pass
    record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 0, 0, 0, 0, 2**40, 2**40, 2**40, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 1000, 1)
    plain = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 1, 1, 10, 0, 0)
    with (
        pytest.raises(Invalid, match="too many files"),
        open_container(io.BytesIO(b"x" * 1000 + record + locator + plain)),
    ):
        pass


def test_a_small_file_that_unpacks_to_a_large_one_is_refused() -> None:
    bomb = zip_of(**{"outbox__json": b"\0" * 50_000_000})
    assert len(bomb.getvalue()) < 60_000
    with (
        open_container(bomb) as opened,
        pytest.raises(Invalid, match="larger than"),
        opened.open("outbox.json", most=2**20),
    ):
        pass


def test_a_file_that_lies_about_its_size_is_read_no_further_than_it_said(tmp_path: Path) -> None:
    made = zip_of(**{"a__json": b"x" * 5000}).getvalue()
    lying = made.replace(struct.pack("<L", 5000), struct.pack("<L", 10))
    with open_container(io.BytesIO(lying)) as opened:
        assert opened.size("a.json") == 10
        with pytest.raises(Invalid):
            opened.read("a.json", most=100)


def test_ways_of_packing_that_may_take_memory_without_end_are_refused() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("actor.json", "{}")
    with open_container(made) as opened, pytest.raises(Invalid, match="unusual way"):
        opened.read("actor.json", most=100)


def test_a_tar_unpacks_no_more_than_it_may_and_nothing_but_files(tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as file:
        for name, kind, link in (
            ("../../etc/passwd", tarfile.SYMTYPE, "/etc/passwd"),
            ("dev", tarfile.CHRTYPE, ""),
            ("hard", tarfile.LNKTYPE, "actor.json"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            file.addfile(info)
        info = tarfile.TarInfo("/../actor.json")
        info.size = 2
        file.addfile(info, io.BytesIO(b"{}"))
    target = tmp_path / "out.zip"
    made.seek(0)
    repack_tar(made, target, most=2**20)
    assert zipfile.ZipFile(target).namelist() == ["../actor.json"]
    assert list(tmp_path.iterdir()) == [target]
    made.seek(0)
    with pytest.raises(Invalid):
        repack_tar(made, target, most=1)


def test_headers_of_a_tar_that_claim_any_size_are_refused_without_reading_them(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**32
    bomb = gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + b"\0" * 30_000_000)
    with pytest.raises(Invalid):
        repack_tar(io.BytesIO(bomb), tmp_path / "out.zip", most=2**40)


def test_names_lead_nowhere_outside_of_the_archive(tmp_path: Path) -> None:
    for url in ("../../../etc/passwd", "file:///etc/passwd", "https://x.example/../../etc/passwd", "/etc/passwd"):
        for name in names_in_archive(url):
            assert ".." not in name
            with open_container(zip_of(**{"actor__json": b"{}"})) as opened, pytest.raises(NotFound):
                opened.copy(name, tmp_path / "x", lambda head: 100, most=100)
    assert names_in_archive("/system/media_attachments/files/1/original/a.png")[0] == (
        "media_attachments/files/1/original/a.png"
    )
    assert "media_attachments/files/1/a.png" in names_in_archive(
        "https://cdn.example/bucket/media_attachments/files/1/a.png"
    )


async def test_files_in_an_archive_are_checked_like_any_upload(world: World) -> None:
    browser = await browser_of(world, "alice")

    def attached(number: int, name: str) -> dict[str, Any]:
        return note(number, attachment=[{"type": "Document", "url": f"media_attachments/{name}", "name": "x"}])

    files = {
        "media_attachments/bomb.png": png_bomb(40_000, 40_000),
        "media_attachments/page.png": b"<html><script>alert(1)</script>",
        "media_attachments/good.png": png(30, 30),
    }
    items = [attached(1, "bomb.png"), attached(2, "page.png"), attached(3, "missing.png"), attached(4, "good.png")]
    page = await send_archive(world, browser, zipped(items, files))
    done = await take(world, browser, page, **ALL)
    assert "Done: 4 of 4 taken" in done.text, done.text
    shown = {one["content"]: len(one["media_attachments"]) for one in await statuses(world, "alice")}
    assert shown == {f"<p>Post number {n}</p>": int(n == 4) for n in (1, 2, 3, 4)}


def test_one_entry_without_end_is_refused() -> None:
    endless = b'{"orderedItems": [{"type": "Create", "x": "' + b"a" * 12_000_000 + b'"}]}'
    with pytest.raises(Invalid, match="too large"):
        list(read_outbox(io.BytesIO(endless), ROSA))
    with pytest.raises(Invalid):
        list(read_outbox(io.BytesIO(b'{"orderedItems": ' + b"[" * 3_000_000), ROSA))


@given(ANYTHING)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_entry_does_more_than_be_left_out(item: Any) -> None:
    assert isinstance(read_item(item, ROSA), Skipped)


@given(some.dictionaries(some.sampled_from(sorted(note(1)["object"])), ANYTHING, max_size=6))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_post_with_anything_in_it_is_read_or_left_out(changes: dict[str, Any]) -> None:
    import msgspec

    found = read_item(note(1, **changes), ROSA)
    if isinstance(found, FoundPost):
        kept = msgspec.json.encode(found)
        assert b"\\u0000" not in kept
        assert found.source.startswith("https://old.example/")
        assert len(found.media) <= 4


@given(some.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_actor_does_more_than_be_refused(content: bytes) -> None:
    with pytest.raises(Invalid):
        read_actor(content)


@pytest.mark.parametrize("when", ["2999-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2020-01-01", "yesterday", None, 5])
def test_dates_that_no_post_can_have_are_left_out(when: Any) -> None:
    item = note(1, published=when)
    item["published"] = when
    assert read_item(item, ROSA) == Skipped("unreadable")


@given(some.text(alphabet="<>/ap=\"' hrefbscritli&;#\n", max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_markup_becomes_text_without_markup_that_runs(html: str) -> None:
    assert "<script" not in text_of(f"<p>{html}</p>", {}).lower() or "&lt;" in html or "&" in html


def test_markup_becomes_the_words_that_were_typed() -> None:
    long_link = (
        '<p>See <a href="https://long.example/a/b" rel="nofollow"><span class="invisible">https://</span>'
        '<span class="ellipsis">long.example</span><span class="invisible">/a/b</span></a></p><p>Two<br />lines</p>'
    )
    assert text_of(long_link, {}) == "See https://long.example/a/b\n\nTwo\nlines"
    named = '<a href="https://a.example/@bob" class="u-url mention">@<span>bob</span></a>'
    assert text_of(named, {"https://a.example/@bob": "@bob@a.example"}) == "@bob@a.example"
    assert text_of('<a href="https://evil.example">bank.example</a>', {}) == "bank.example (https://evil.example)"
    assert text_of("<script>x</script>a &lt;b&gt;", {}) == "a <b>"
    assert len(text_of("<p>" * 500_000, {})) < 3


def test_hosts_of_other_actors_cannot_be_borrowed() -> None:
    assert outbox._host("https://old.example:8443/x") == "old.example:8443"
    assert outbox._host("https://old.example\\@evil.example/") is None
    assert outbox._host("https://[::1]/") is None
    assert read_item(note(1, id="https://old.example.evil.example/1"), ROSA) == Skipped("stranger")
