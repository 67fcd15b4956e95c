"""Invariant 10: what is judged again from history, under the same ruleset, gets the very verdict that is on record."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from parley import screening
from parley.safety.history import Past, list_past, walk_past
from parley.screening import Match, RuleFired, Verdict
from parley.social.verdicts.reads import get_results
from parley.social.verdicts.store import ResultRow
from tests.conftest import World
from tests.statuses.cast import DOUBTFUL, LINK, STACKED, THREAT, ask, known, upload


def stored_verdict(row: ResultRow) -> dict[str, Any]:
    """A result in the form of a verdict."""
    detail = row.detail
    return {
        "outcome": row.outcome,
        "clause": row.clause,
        "sentence": row.sentence,
        "ruleset": row.ruleset,
        "degraded": row.degraded,
        "because": detail["because"],
        "matches": msgspec.convert(detail["matches"], list[Match]),
        "rules": msgspec.convert(detail["rules"], list[RuleFired]),
        "signals": _telling(detail["signals"]),
        "labels": detail["labels"],
        "trust": detail["trust"],
        "failed_signals": detail["failed_signals"],
    }


def _telling(signals: dict[str, Any]) -> dict[str, Any]:
    """The signals that found something: those at rest are not stored."""
    return {name: value for name, value in signals.items() if value}


def as_stored(verdict: Verdict) -> dict[str, Any]:
    """A verdict in the form in which it would be stored and read again."""
    plain = {field.name: getattr(verdict, field.name) for field in dataclasses.fields(verdict)}
    del plain["latency_us"], plain["costs_us"]
    encoded = msgspec.json.decode(msgspec.json.encode(plain))
    encoded["signals"] = _telling(encoded["signals"])
    encoded["matches"] = msgspec.convert(encoded["matches"], list[Match])
    encoded["rules"] = msgspec.convert(encoded["rules"], list[RuleFired])
    return encoded


async def all_history(world: World) -> list[Past]:
    """Everything that was judged, oldest first."""
    return [past async for page in walk_past(world.instance.db, page=7) for past in page]


async def assert_history_is_judged_alike(world: World, *, under_live_rules: bool = True) -> list[Past]:
    """Every revision of history gets the verdict on record; returns that history.

    After a sweep, what it left as it was bears the hash of the rules before, and no other difference.
    """
    pasts = await all_history(world)
    async with world.instance.db.read() as tx:
        rows = await get_results(tx, [past.id for past in pasts])
    for past in pasts:
        assert past.exact
        if not rows[past.id].degraded:
            again, stored = as_stored(screening.judge(past.content, past.facts)), stored_verdict(rows[past.id])
            if not under_live_rules:
                del again["ruleset"], stored["ruleset"]
            assert again == stored
    return pasts


async def post(world: World, name: str, **body: Any) -> dict[str, Any]:
    answer = await ask(world, name, "POST", "/statuses", json=body)
    assert answer.status_code in (200, 422), answer.text
    return answer.json()


async def test_every_kind_of_revision_is_judged_from_history_as_it_was_judged_when_it_was_written(world: World) -> None:
    await known(world, "alice", "bob")
    await world.account("spam_sam", age_days=0, display_name="Sam", note="I sell things, see https://example.org/")
    first = await post(world, "alice", status="Hello @bob, look at #Tea on https://example.org/a?b=c")
    await ask(world, "alice", "PUT", f"/statuses/{first['id']}", json={"status": "Hello again", "spoiler_text": "cw"})
    await post(world, "spam_sam", status=f"first post {LINK} @alice @bob")
    await post(world, "alice", status=f"**{DOUBTFUL}** &#107;ill", content_type="text/markdown", spoiler_text="kill")
    await post(world, "alice", status=STACKED, visibility="private", language="de")
    await post(world, "alice", status=f"@bob {DOUBTFUL}", visibility="direct")
    await post(world, "bob", status="what?", poll={"options": ["tea", DOUBTFUL, "coffee"], "expires_in": 600})
    picture = await upload(world, "alice", description=DOUBTFUL)
    other = await upload(world, "alice", description="a red square", colour="blue")
    await post(world, "alice", status="two pictures", media_ids=[picture, other], sensitive=True)
    await post(world, "alice", status=THREAT, spoiler_text="I say", poll=None)
    await post(world, "bob", status="in answer", in_reply_to_id=first["id"], quoted_status_id=first["id"])
    client = await world.client("bob")
    fields = {f"fields_attributes[{n}][{key}]": f"{key} {n} {DOUBTFUL if n == 2 else ''}" for n in (0, 1, 2)
              for key in ("name", "value")}  # fmt: skip
    assert (await client.patch("/api/v1/accounts/update_credentials", data={"note": "hi", **fields})).status_code == 200
    await ask(world, "alice", "POST", "/featured_tags", json={"name": "tea"})
    await world.run_jobs()

    pasts = await assert_history_is_judged_alike(world)
    assert {past.subject_type for past in pasts} == {"status", "poll", "message", "media", "profile"}
    assert {past.outcome for past in pasts} >= {"allow", "hold", "limit", "reject"}


async def test_pages_of_history_go_both_ways_and_hold_each_revision_once(world: World) -> None:
    await known(world, "alice")
    for number in range(7):
        await post(world, "alice", status=f"number {number}")
    there = [past.id for past in await all_history(world)]
    back = [past.id async for page in walk_past(world.instance.db, page=3, backwards=True) for past in page]
    assert there == sorted(set(there))
    assert back == there[::-1]
    async with world.instance.db.read() as tx:
        page, following = await list_past(tx, 2, after_id=there[2], until_id=there[5])
    assert [past.id for past in page] == there[3:5]
    assert following == there[4]


async def test_a_revision_that_was_judged_twice_counts_under_its_newest_result(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parley.kit.clock import now
    from parley.social.verdicts import actions
    from parley.social.verdicts.jobs import rescreen_degraded

    await known(world, "alice")

    def broken(*_args: Any, **_options: Any) -> Verdict:
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(actions.screening, "judge", broken)
        await post(world, "alice", status="hello")
    await rescreen_degraded(world.instance, {})
    pasts = await assert_history_is_judged_alike(world)
    [status] = [past for past in pasts if past.subject_type == "status"]
    assert not status.degraded
    assert status.content.texts == {"text": "hello"}
    assert status.facts.now <= now()


async def test_what_was_stored_without_facts_is_judged_by_the_trust_of_that_time_and_says_so(world: World) -> None:
    await known(world, "alice")
    await post(world, "alice", status="hello", visibility="direct")
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE screening_results SET detail = detail - 'facts' - 'content' - 'order'")
    [status] = [past for past in await all_history(world) if past.subject_type == "message"]
    assert not status.exact
    assert status.private
    assert status.content.texts == {"text": "hello"}
    assert status.facts.trust == screening.judge(status.content, status.facts).trust == "trusted"


async def test_a_deleted_account_leaves_no_gap_in_which_history_stops(world: World) -> None:
    await known(world, "alice", "bob")
    for name in ("alice", "bob", "alice", "bob"):
        await post(world, name, status=f"{name} says hello")
    async with world.instance.db.write() as tx:
        await tx.execute("DELETE FROM statuses WHERE account_id = $1", world.ids["alice"])
    words = [past.content.texts.get("text") async for page in walk_past(world.instance.db, page=1) for past in page]
    assert [text for text in words if text] == ["bob says hello"] * 2
