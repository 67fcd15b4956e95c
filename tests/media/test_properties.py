"""What must hold for any input at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from parley.kit.errors import Invalid
from parley.kit.files import is_file_name
from parley.social.media.actions import parse_focus
from parley.social.media.formats import FORMATS, sniff
from tests.conftest import World
from tests.media import samples

STARTS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"RIFF\0\0\0\0WEBP",
    b"\0\0\0\x20ftyp",
    b"ID3",
    b"\xff\xfb",
    b"OggS",
)


@given(st.sampled_from([b"", *STARTS]), st.binary(max_size=200))
def test_any_bytes_are_recognised_or_refused_with_a_sentence(start: bytes, rest: bytes) -> None:
    found, sentence = None, ""
    try:
        found = sniff(start + rest)
    except Invalid as error:
        sentence = error.text
    assert sentence.endswith(".") if found is None else FORMATS[found.name] is found


@given(st.text(max_size=30))
def test_any_focus_is_two_numbers_within_bounds_or_refused(text: str) -> None:
    try:
        x, y = parse_focus(text)
    except Invalid:
        return
    assert -1 <= x <= 1
    assert -1 <= y <= 1


@given(st.text(alphabet="ab/.-_%\\\0\n", max_size=60))
def test_a_name_with_dots_or_odd_characters_is_no_file_name(name: str) -> None:
    assert not is_file_name(name) or (".." not in name and name.count("/") == 2)


async def test_a_form_may_arrive_in_pieces_of_any_size(world: World) -> None:
    client = await world.client("alice")
    part = b'Content-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + samples.jpeg()
    text = b'Content-Disposition: form-data; name="description"\r\n\r\nR\xc3\xb6d'
    body = b"--x\r\n" + text + b"\r\n--x\r\n" + part + b"\r\n--x--\r\n"
    for size in (1, 7, 100, 65536):

        async def pieces(size: int = size) -> object:
            for at in range(0, len(body), size):
                yield body[at : at + size]

        headers = {"content-type": "multipart/form-data; boundary=x"}
        answer = await client.post("/api/v2/media", content=pieces(), headers=headers)
        assert answer.status_code == 202, (size, answer.text)
        assert answer.json()["description"] == "Röd"
