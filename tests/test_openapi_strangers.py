"""What is one member's alone does not exist for another: every operation, with somebody else's ids."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from parley.kit.clock import iso, now
from tests.conftest import World
from tests.openapi_calls import Stage, prepare, show
from tests.openapi_routes import list_implemented
from tests.oracle import assert_entity

OWNED = (
    *("/api/v1/lists/{id}", "/api/v1/timelines/list/{list_id}", "/api/v1/scheduled_statuses/{id}"),
    *("/api/v2/filters/{id}", "/api/v2/filters/{filter_id}", "/api/v2/filters/keywords/{id}"),
    *("/api/v2/filters/statuses/{id}", "/api/v1/media/{id}", "/api/v1/featured_tags/{id}"),
    *("/api/v1/conversations/{id}", "/api/v1/notifications/{id}", "/api/v2/notifications/{group_key}"),
    *("/api/v1/notifications/requests/{id}", "/api/v1/statuses/{id}", "/api/v1/polls/{id}"),
)
"""Where a path names something; in this test always something that is alice's alone."""

HARMLESS = {"postNotificationDismissV2"}
"""Answers 200 whatever the key, about nothing but the caller's own notifications."""


def _body(stage: Stage) -> dict[str, Any]:
    """Parameters with which every one of these operations would work for the owner."""
    return {
        **{"title": "Mine", "context": ["home"], "keyword": "mine", "status_id": stage.ids["reply"]},
        **{"account_ids": [stage.ids["bob"]], "choices": ["0"], "quote_approval_policy": "public"},
        **{"status": "Mine now", "scheduled_at": iso(now() + timedelta(days=3)), "description": "mine"},
    }


async def _own(stage: Stage) -> None:
    """Give alice things that nobody else may see."""
    ids = stage.ids
    secret = {"options": ["yes", "no"], "expires_in": 3600}
    status = await stage.ask(
        "alice", "POST", "/api/v1/statuses", json={"status": "secret", "visibility": "private", "poll": secret}
    )
    ids["/api/v1/statuses/{id}"] = ids["/api/v1/statuses/{quoting_status_id}"] = str(status["id"])
    ids["/api/v1/polls/{id}"] = str(status["poll"]["id"])
    ids["/api/v1/media/{id}"] = await stage.upload()
    featured = await stage.ask("alice", "GET", "/api/v1/featured_tags")
    ids["/api/v1/featured_tags/{id}"] = str(featured[0]["id"])
    await stage.ask("alice", "PATCH", "/api/v2/notifications/policy", json={"for_not_following": "filter"})
    await stage.post("unknown", "@alice do you know me?")
    await stage.world.run_jobs()
    requests = await stage.ask("alice", "GET", "/api/v1/notifications/requests")
    ids["/api/v1/notifications/requests/{id}"] = str(requests[0]["id"])


async def test_a_stranger_finds_nothing_under_somebody_elses_ids(world: World) -> None:
    stage = await prepare(world)
    await _own(stage)
    stranger = await world.client("stranger")
    problems: list[str] = []
    count = 0
    for name, (_, method, path) in list_implemented(world.app).items():
        if not path.startswith(OWNED) or name in HARMLESS:
            continue
        count += 1
        body = {} if method == "GET" else {"json": _body(stage)}
        answer = await stranger.request(method, stage.address(path), **body)
        if answer.status_code != 404:
            problems.append(f"{name} ({method} {path}): {show(answer)}")
        else:
            assert_entity("Error", answer.json())
    assert count > 55
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
    await _is_all_there(stage)


async def _is_all_there(stage: Stage) -> None:
    """Nothing of alice's was changed or removed."""
    ids = stage.ids
    for path in OWNED:
        if path not in ("/api/v1/featured_tags/{id}", "/api/v1/conversations/{id}"):
            await stage.ask("alice", "GET", stage.address(path))
    assert (await stage.ask("alice", "GET", f"/api/v1/lists/{ids['list']}"))["title"] == "Friends"
    assert len(await stage.ask("alice", "GET", "/api/v1/featured_tags")) == 1
    assert ids["conversation"] in [one["id"] for one in await stage.ask("alice", "GET", "/api/v1/conversations")]
    status = await stage.ask("alice", "GET", stage.address("/api/v1/statuses/{id}"))
    assert (status["favourites_count"], status["reblogs_count"], status["poll"]["votes_count"]) == (0, 0, 0)
