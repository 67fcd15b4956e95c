"""How many statements posting takes: each costs a round trip while the author waits."""

from __future__ import annotations

from typing import Any

from tests.conftest import World


async def count(world: World, text: str, *, key: str | None = None, **params: Any) -> int:
    """Post as alice; returns the number of statements, BEGIN and COMMIT among them."""
    client = await world.client("alice")
    headers = {"Idempotency-Key": key} if key else {}
    with world.queries() as seen:
        answer = await client.post("/api/v1/statuses", json={"status": text, **params}, headers=headers)
    assert answer.status_code == 200, answer.text
    # The driver asks about types once for each connection.
    return len([query for query in seen if "typeinfo" not in query and "set_config" not in query])


async def test_posting_takes_seven_statements(world: World) -> None:
    await world.post("alice", "The first makes the process know its author.")
    assert await count(world, "A post like most others") == 7
    assert await count(world, "To friends alone, said in full", visibility="private", sensitive=False) == 7


async def test_mentions_answers_and_keys_take_one_statement_more_each(world: World) -> None:
    await world.post("alice", "The first makes the process know its author.")
    parent = await world.post("bob", "What do you think?")
    assert await count(world, "Good morning @bob") == 8
    assert await count(world, "I think so", in_reply_to_id=parent["id"]) == 8
    assert await count(world, "Once only", key="one") == 8
    assert await count(world, "@bob Once only", key="two", in_reply_to_id=parent["id"]) == 10


async def test_what_is_counted_in_the_same_statement_is_right(world: World) -> None:
    parent = await world.post("bob", "What do you think?")
    answer = await world.post("alice", "@bob This", in_reply_to_id=parent["id"], quoted_status_id=parent["id"])
    assert answer["account"]["statuses_count"] == 1
    assert answer["account"]["last_status_at"] is not None
    message = await world.post("alice", "@bob psst", in_reply_to_id=parent["id"], visibility="direct")
    assert message["account"]["statuses_count"] == 1
    seen = (await (await world.client("bob")).get(f"/api/v1/statuses/{parent['id']}")).json()
    assert (seen["replies_count"], seen["quotes_count"]) == (1, 1)
    await world.post("alice", "@bob That", in_reply_to_id=parent["id"])
    seen = (await (await world.client("bob")).get(f"/api/v1/statuses/{parent['id']}")).json()
    assert (seen["replies_count"], seen["quotes_count"]) == (2, 1)
