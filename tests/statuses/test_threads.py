"""Threads: the tree, its limits, and what it costs however long it is."""

from __future__ import annotations

from typing import Any

import pytest

from parley.social.statuses.store import ThreadRow
from parley.social.statuses.threads import list_ancestors, list_descendants
from tests.conftest import World
from tests.oracle import assert_matches
from tests.statuses.cast import ask, known

ME, OTHER = 1, 2


def rows(*edges: tuple[int, int | None, int]) -> list[ThreadRow]:
    return [ThreadRow(*edge) for edge in edges]


TREE = rows((1, None, ME), (2, 1, OTHER), (3, 1, ME), (4, 2, ME), (5, 3, OTHER), (6, 3, ME), (7, 99, OTHER))


def test_ancestors_come_from_the_first_post_down() -> None:
    assert list_ancestors(TREE, 6, 10) == [1, 3]
    assert list_ancestors(TREE, 6, 1) == [3], "the nearest ones"
    assert list_ancestors(TREE, 7, 10) == [], "what it answers is unknown here"


def test_descendants_come_depth_first_with_the_authors_own_thread_before_others() -> None:
    assert list_descendants(TREE, 1, 100, None) == [3, 6, 5, 2, 4]
    assert list_descendants(TREE, 1, 3, None) == [3, 6, 5]
    assert list_descendants(TREE, 1, 100, 1) == [3, 2]
    assert list_descendants(TREE, 4, 100, None) == []


def test_a_circle_ends() -> None:
    circle = rows((1, 3, ME), (2, 1, ME), (3, 2, ME))
    assert list_ancestors(circle, 1, 10) == [2, 3]
    assert list_descendants(circle, 1, 10, None) == [2, 3]
    assert list_ancestors(rows((1, 1, ME)), 1, 10) == list_descendants(rows((1, 1, ME)), 1, 10, None) == []


def test_ten_thousand_answers_in_a_row_are_no_recursion() -> None:
    chain = rows(*((n, n - 1 if n > 1 else None, ME) for n in range(1, 10_001)))
    assert len(list_descendants(chain, 1, 20_000, None)) == 9_999
    assert len(list_ancestors(chain, 10_000, 20_000)) == 9_999


async def context(world: World, name: str | None, status_id: str) -> dict[str, Any]:
    return assert_matches(None, await ask(world, name, "GET", f"/statuses/{status_id}/context"))


def ids(statuses: list[dict[str, Any]]) -> list[str]:
    return [status["id"] for status in statuses]


async def test_a_thread_shows_what_comes_before_and_after(world: World) -> None:
    first = await world.post("alice", "first")
    answer = await world.post("bob", "second", in_reply_to_id=first["id"])
    own = await world.post("alice", "going on", in_reply_to_id=first["id"])
    third = await world.post("remi", "third", in_reply_to_id=answer["id"])
    seen = await context(world, "alice", first["id"])
    assert (seen["ancestors"], ids(seen["descendants"])) == ([], [own["id"], answer["id"], third["id"]])
    seen = await context(world, "alice", third["id"])
    assert (ids(seen["ancestors"]), seen["descendants"]) == ([first["id"], answer["id"]], [])


async def test_what_is_hidden_is_left_out_and_what_answers_it_is_not(world: World) -> None:
    await known(world, "bob")
    first = await world.post("alice", "first")
    secret = await world.post("bob", "@alice psst", in_reply_to_id=first["id"], visibility="direct")
    under = await world.post("alice", "in public then", in_reply_to_id=secret["id"])
    gone = await world.post("bob", "soon gone", in_reply_to_id=first["id"])
    below = await world.post("remi", "below", in_reply_to_id=gone["id"])
    await ask(world, "bob", "DELETE", f"/statuses/{gone['id']}")
    assert ids((await context(world, None, first["id"]))["descendants"]) == [under["id"], below["id"]]
    assert ids((await context(world, "alice", first["id"]))["descendants"]) == [secret["id"], under["id"], below["id"]]
    assert ids((await context(world, None, below["id"]))["ancestors"]) == [first["id"]]


@pytest.mark.parametrize("deed", ["block", "mute"])
async def test_people_whom_one_hides_are_not_in_threads(world: World, deed: str) -> None:
    first = await world.post("alice", "first")
    answer = await world.post("bob", "second", in_reply_to_id=first["id"])
    third = await world.post("remi", "third", in_reply_to_id=answer["id"])
    await ask(world, "alice", "POST", f"/accounts/{await world.account('bob')}/{deed}")
    assert ids((await context(world, "alice", first["id"]))["descendants"]) == [third["id"]]


async def add_chain(world: World, status_id: int, author_id: int, length: int) -> int:
    """A row of answers below a status, each to the one before, straight into the tables; the last one's id."""
    async with world.instance.db.write() as tx:
        screening_id = await tx.fetchval("SELECT screening_id FROM statuses WHERE id = $1", status_id)
        await tx.execute(
            """
            INSERT INTO statuses
                (id, account_id, conversation_id, in_reply_to_id, visibility, state, html, screening_id)
            SELECT $1 + n, $2, $1, $1 + n - 1, 'public', 'published', '<p>answer</p>', $3
            FROM generate_series(1, $4::bigint) AS n
            """,
            status_id,
            author_id,
            screening_id,
            length,
        )
    return status_id + length


async def test_readers_who_are_signed_out_see_a_part_of_a_long_thread(world: World) -> None:
    first = await world.post("alice", "first")
    await world.client("bob")
    last = await add_chain(world, int(first["id"]), world.ids["bob"], 200)
    seen = await context(world, None, first["id"])
    assert len(seen["descendants"]) == 20, "20 levels deep"
    seen = await context(world, None, str(last))
    assert len(seen["ancestors"]) == 40
    seen = await context(world, "bob", first["id"])
    assert len(seen["descendants"]) == 200
    await known(world, "remi")
    answers = [await world.post("remi", f"answer {n}", in_reply_to_id=str(last)) for n in range(65)]
    seen = await context(world, None, str(last))
    assert ids(seen["descendants"]) == ids(answers)[:60]


async def test_a_thread_costs_the_same_number_of_queries_however_long_it_is(world: World) -> None:
    numbers: list[int] = []
    for length in (3, 1500):
        first = await world.post("alice", "first")
        await world.client("bob")
        await add_chain(world, int(first["id"]), world.ids["bob"], length)
        for _ in range(2):  # once to know the statuses, once as it is from then on
            with world.queries() as seen:
                answer = await context(world, "bob", first["id"])
        assert len(answer["descendants"]) == length
        numbers.append(len(seen))
    assert numbers[0] == numbers[1] <= 8, seen
