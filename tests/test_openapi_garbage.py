"""Every operation of Mastodon's API that we have, fed with garbage: it answers with a plain error, never a 500."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import World
from tests.openapi_calls import ELSEWHERE, Stage, prepare, show
from tests.openapi_routes import STREAMS, list_implemented

WRONG_IDS = ("abc", "0", "-1", "9" * 25, "1e3", "%00", "%ff%fe", "é", "..%2f..", "1'--")
WRONG_VALUES: tuple[Any, ...] = (
    {"a": {"b": [1]}},
    [["x"], None],
    "\x00nul\x00",
    "x" * 20_000,
    -(2**70),
    1e308,
    None,
    True,
    "9" * 25,
)
WRONG_QUERIES = (
    "limit=abc",
    "limit=-5&max_id=abc",
    "min_id=" + "9" * 30,
    "id[]=abc&id[]=%00&id[][][]=x",
    "since_id=-1&offset=999999999999999999999",
    "q=%00&acct=%00&url=%00&type=%00&timeline[]=%00&order=%00",
    "a[b]=1&a=2&[c]=3&id[x]=1&exclude_types=x&types[][y]=z",
)
WRONG_BODIES = (
    (b"{", "application/json"),
    (b"[]", "application/json"),
    (b'"text"', "application/json"),
    (b"\xff\xfe", "application/json"),
    (b'{"\\u0000": "\\ud800"}', "application/json"),
    (b"[" * 5000, "application/json"),
    (b"%zz=%zz&a[b[c]=1", "application/x-www-form-urlencoded"),
    (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
    (b"--x\r\nbroken", "multipart/form-data"),
    (b"\x00\x01", "application/octet-stream"),
)


def _properties(operation: dict[str, Any]) -> list[str]:
    kinds = operation.get("requestBody", {}).get("content", {}).values()
    return [name for kind in kinds for name in kind.get("schema", {}).get("properties", {})]


def _garbage(stage: Stage, operation: dict[str, Any], method: str, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Requests that make no sense for the operation: an address and the rest as httpx takes it."""
    plain = re.sub(r"\{\w+\}", "1", path) if method == "DELETE" else stage.address(path)
    if "{" in path:
        yield from ((re.sub(r"\{\w+\}", wrong, path), {}) for wrong in WRONG_IDS)
    yield from ((f"{plain}?{query}", {}) for query in WRONG_QUERIES)
    if method == "GET":
        return
    for body, kind in WRONG_BODIES:
        yield plain, {"content": body, "headers": {"Content-Type": kind}}
    names = [*_properties(operation), "status", "poll", "media_ids", "account_ids", "choices"]
    for wrong in WRONG_VALUES:
        yield plain, {"json": dict.fromkeys(names, wrong)}


def _is_fine(answer: httpx.Response) -> bool:
    if answer.status_code < 400:
        return True
    if answer.status_code >= 500:
        return answer.status_code == 503 and "translation" in answer.text
    return isinstance(answer.json().get("error"), str)


@pytest.mark.timeout(400)
async def test_garbage_is_refused_and_breaks_nothing(world: World) -> None:
    stage = await prepare(world)
    client = await world.client("alice")
    problems: list[str] = []
    count = 0
    for name, (operation, method, path) in list_implemented(world.app).items():
        if name in ELSEWHERE or path.startswith(STREAMS):
            continue
        for address, rest in _garbage(stage, operation, method, path):
            answer = await client.request(method, address, **rest)
            count += 1
            if not _is_fine(answer):
                problems.append(f"{name}: {method} {address[:80]} {str(rest)[:160]}: {show(answer)[:200]}")
    assert count > 2000
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
