"""What is kept of a request's body, so that the request can be begun again: in memory, in a file, or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parley.handing.bodies import KEPT_BYTES, PIECE, ClientGone, KeptBody, Shelf


def coming(body: bytes, size: int, *, whole: bool = True) -> Callable[[], Any]:
    """A client that sends a body in pieces of a size, and then leaves, perhaps before the end."""
    pieces: Iterator[bytes] = iter([body[at : at + size] for at in range(0, len(body), size)] or [b""])
    sent = 0

    async def receive() -> dict[str, Any]:
        nonlocal sent
        piece = next(pieces, None)
        if piece is None:
            return {"type": "http.disconnect"}
        sent += len(piece)
        return {"type": "http.request", "body": piece, "more_body": sent < len(body) or not whole}

    return receive


async def read(kept: KeptBody) -> bytes:
    """As an application reads: until there is no more."""
    parts = []
    while True:
        message = await kept.receive()
        assert message["type"] == "http.request"
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


@pytest.mark.parametrize("size", [0, 1, KEPT_BYTES - 1, KEPT_BYTES, KEPT_BYTES + 1, 3 * PIECE, 5 * PIECE + 17])
@pytest.mark.parametrize("step", [1000, 65536, 10 * PIECE])
async def test_a_body_is_read_again_as_it_came(tmp_path: Path, size: int, step: int) -> None:
    body, shelf = secrets.token_bytes(size), Shelf(lambda: tmp_path)
    kept = KeptBody(coming(body, step), shelf)
    assert await read(kept) == body
    assert kept.is_read
    for _ in range(2):
        kept.rewind()
        assert b"".join([part async for part in kept.parts()]) == body
        assert kept.is_read
    kept.rewind()
    assert await read(kept) == body
    assert (shelf.taken > 0) == (size > KEPT_BYTES)
    assert (await kept.receive())["type"] == "http.disconnect"
    kept.close()
    assert shelf.taken == 0
    assert list(tmp_path.iterdir()) == []


async def test_a_body_of_which_a_part_was_read_goes_on_where_the_client_is(tmp_path: Path) -> None:
    body = secrets.token_bytes(4 * PIECE)
    kept = KeptBody(coming(body, PIECE // 2), Shelf(lambda: tmp_path))
    for _ in range(5):
        await kept.receive()
    kept.rewind()
    assert b"".join([part async for part in kept.parts()]) == body
    kept.close()


async def test_a_client_who_leaves_halfway_is_noticed(tmp_path: Path) -> None:
    kept = KeptBody(coming(secrets.token_bytes(2 * PIECE), PIECE, whole=False), Shelf(lambda: tmp_path))
    with pytest.raises(ClientGone):
        _ = [part async for part in kept.parts()]
    kept.close()


async def test_bodies_that_find_no_room_are_passed_on_and_not_kept(tmp_path: Path) -> None:
    shelf = Shelf(lambda: tmp_path, most=PIECE + PIECE // 2)
    first, second = (KeptBody(coming(bytes([one]) * 2 * PIECE, 1000), shelf) for one in (1, 2))
    assert await read(first) == b"\x01" * 2 * PIECE
    assert await read(second) == b"\x02" * 2 * PIECE
    assert first.may_rewind
    assert not second.may_rewind
    assert second.is_read
    assert 0 < shelf.taken <= PIECE + PIECE // 2
    first.close()
    second.close()
    assert shelf.taken == 0


async def test_a_folder_that_cannot_be_written_loses_no_request(tmp_path: Path) -> None:
    def nowhere() -> Path:
        return tmp_path / "missing"

    kept = KeptBody(coming(b"x" * 3 * PIECE, 1000), Shelf(nowhere))
    assert await read(kept) == b"x" * 3 * PIECE
    assert not kept.may_rewind
    kept.close()
