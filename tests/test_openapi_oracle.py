"""Every operation of Mastodon's API that we have is called, and its answer compared with the published description."""

from __future__ import annotations

import re

import pytest

from tests.conftest import World
from tests.coverage_page import PAGE, coverage_page
from tests.openapi_calls import CALLS, ELSEWHERE, EMPTY, LATE, Call, Stage, prepare, show
from tests.openapi_routes import list_implemented
from tests.oracle import assert_entity, assert_matches


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


PUBLIC = {
    # People and instances, as far as they show themselves to everybody.
    *("getAccounts", "getAccount", "getAccountLookup", "getAccountFeaturedTags", "getDirectory", "getCustomEmojis"),
    *("getInstance", "getInstanceV2", "getInstanceActivity", "getInstanceDomainBlocks", "getInstancePeers"),
    *("getInstanceExtendedDescription", "getInstancePrivacyPolicy", "getInstanceRules"),
    *("getInstanceTermsOfService", "getInstanceTermsOfServiceByDate", "getInstanceTranslationLanguages"),
    *("getTagsByName", "getTrendLinks", "getTrendStatuses", "getTrendTags", "getOembed", "getTimelineLink"),
    # Doors with credentials of their own.
    *("createApp", "postOauthToken", "postOauthRevoke", "getOauthAuthorize"),
    *("getHealth", "getStreamingHealth", "getWellKnownOauthAuthorizationServer"),
}
"""Open to everybody, and no scope changes what they show."""

OPEN = {
    *("getAccountEndorsements", "getAccountFollowers", "getAccountFollowing", "getAccountStatuses"),
    *("getStatuses", "getStatus", "getStatusContext", "getStatusHistory", "getStatusFavouritedBy"),
    *("getStatusRebloggedBy", "getPoll", "getSearchV2", "getTimelinePublic", "getTimelinesTagByHashtag"),
}
"""Open to everybody, but a token that is sent must have the scope, because members see more."""

ANY_TOKEN = {"getAnnouncements", "getAppsVerifyCredentials", "postAnnouncementDismiss"}


def _address(path: str) -> str:
    return re.sub(r"\{\w+\}", "1", path)


async def test_who_is_signed_out_gets_only_what_is_public(world: World) -> None:
    for name, (operation, method, path) in list_implemented(world.app).items():
        if name in PUBLIC | OPEN or path.startswith("/api/v1/streaming"):
            continue
        answer = await world.anonymous.request(method, _address(path))
        assert answer.status_code == 401, f"{name} ({method} {path}): {show(answer)}"
        assert_entity("Error", answer.json())
        assert operation.get("security"), f"{name} is public in Mastodon's API"


async def test_a_token_opens_nothing_that_its_scopes_do_not_name(world: World) -> None:
    for name, (operation, method, path) in list_implemented(world.app).items():
        if name in PUBLIC | ANY_TOKEN or path.startswith("/api/v1/streaming"):
            continue
        needed = {scope for one in operation.get("security") or () for scope in one["OAuth2"]}
        other = "push" if "push" not in needed else "read:blocks"
        client = await world.client("alice", scopes=other)
        answer = await client.request(method, _address(path))
        assert answer.status_code == 403, f"{name} ({method} {path}): {show(answer)}"
        assert_entity("Error", answer.json())
