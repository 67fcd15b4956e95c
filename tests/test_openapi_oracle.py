"""Every operation of Mastodon's API that we have is called, and its answer compared with the published description."""

from __future__ import annotations

import pytest

from tests.conftest import World
from tests.coverage_page import PAGE, coverage_page
from tests.openapi_calls import CALLS, ELSEWHERE, EMPTY, LATE, Call, Stage, prepare, show
from tests.openapi_routes import list_implemented
from tests.oracle import assert_matches


async def _problem(stage: Stage, name: str, method: str, path: str) -> str | None:
    """What is wrong with the answer of one operation, or None."""
    make = CALLS.get(name)
    try:
        call = await make(stage) if make else Call()
        answer = await stage.send(method, path, call)
        good = {call.expect, 202} if call.expect == 200 else {call.expect}
        assert answer.status_code in good, show(answer)
        value = assert_matches(name, answer)
        if (value == []) != (name in EMPTY):
            return f"{name} ({method} {path}): prepare something for it, or name it in EMPTY"
    except (AssertionError, KeyError) as error:
        return f"{name} ({method} {path}): {type(error).__name__} {error}"
    return None


async def test_every_operation_answers_as_the_description_says(world: World) -> None:
    stage = await prepare(world)
    operations = list_implemented(world.app)
    assert len(operations) > 150
    streams = {name for name in operations if operations[name][2].startswith("/api/v1/streaming")}
    walked = [name for name in operations if name not in ELSEWHERE and name not in LATE and name not in streams]
    problems = [await _problem(stage, name, *operations[name][1:]) for name in [*walked, *LATE]]
    found = [problem for problem in problems if problem]
    if found:
        pytest.fail("\n".join(found), pytrace=False)


async def test_nothing_is_prepared_for_operations_that_do_not_exist(world: World) -> None:
    known = set(list_implemented(world.app))
    assert {*CALLS, *LATE, *ELSEWHERE} - known == set()


def test_the_page_of_coverage_is_what_would_be_written() -> None:
    assert PAGE.read_text() == coverage_page(), "run `python -m tests.coverage_page`"
