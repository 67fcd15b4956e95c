"""How to call each operation of Mastodon's API in a prepared world: what `tests/test_openapi_oracle.py` walks through.

An operation that is not named here is called as it stands, with the ids of the prepared world in its path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from parley.kit.clock import iso, now
from tests.clients.pictures import draw_png
from tests.conftest import PASSWORD, World


class Call(msgspec.Struct, kw_only=True):
    """A request: who asks (`nobody` is signed out), what stands in the path, and the rest as httpx takes it."""

    who: str = "alice"
    path: dict[str, str] = {}
    params: dict[str, Any] = {}
    json: Any = None
    data: dict[str, Any] | None = None
    files: dict[str, Any] | None = None
    token: str = ""
    expect: int = 200


class Stage:
    """The prepared world: `ids` names what is in it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ids: dict[str, str] = {}

    async def post(self, who: str, text: str, **params: Any) -> str:
        """`who` posts; returns the status's id."""
        return str((await self.world.post(who, text, **params))["id"])

    async def ask(self, who: str, method: str, path: str, **rest: Any) -> Any:
        """Do something that must work; returns its JSON."""
        client = await self.world.client(who)
        answer = await client.request(method, path, **rest)
        assert answer.status_code == 200, f"{method} {path}: {answer.text}"
        return answer.json()

    async def upload(self, who: str = "alice") -> str:
        """A picture that is ready to be attached."""
        client = await self.world.client(who)
        file = ("picture.png", draw_png(len(self.ids)), "image/png")
        answer = await client.post("/api/v2/media", files={"file": file}, data={"description": "Circles"})
        assert answer.status_code in (200, 202), answer.text
        await self.world.run_jobs()
        return str(answer.json()["id"])

    async def notification(self) -> tuple[str, str]:
        """A fresh notification of alice: its id and the key of its group."""
        await self.post("bob", "@alice fresh")
        await self.world.run_jobs()
        one = (await self.ask("alice", "GET", "/api/v2/notifications?limit=1"))["notification_groups"][0]
        return str(one["most_recent_notification_id"]), str(one["group_key"])

    def address(self, template: str, **chosen: str) -> str:
        """A path with its placeholders filled: by `chosen`, else by the ids of this world, else by 1."""

        def fill(found: re.Match[str]) -> str:
            name = found.group(1)
            return chosen.get(name) or self.ids.get(f"{template.split('{')[0]}{{{name}}}") or "1"

        return re.sub(r"\{(\w+)\}", fill, template)

    async def send(self, method: str, template: str, call: Call) -> httpx.Response:
        """Make the request."""
        path = self.address(template, **call.path)
        client = self.world.anonymous if call.who == "nobody" else await self.world.client(call.who)
        headers = {"Authorization": f"Bearer {call.token}"} if call.token else {}
        rest: dict[str, Any] = {"json": call.json} if call.json is not None else {}
        if call.data is not None or call.files is not None:
            rest = {"data": call.data, "files": call.files}
        return await client.request(method, path, params=call.params or None, headers=headers, **rest)


async def prepare(world: World) -> Stage:
    """A small society in which every list has something in it, seen by alice."""
    stage = Stage(world)
    ids = stage.ids
    for name in ("alice", "bob", "carol", "dave", "erin", "mallory"):
        ids[name] = str(await world.account(name))
    for who, whom in (("alice", "bob"), ("bob", "alice"), ("bob", "dave"), ("carol", "bob"), ("alice", "carol")):
        await world.follow(who, whom)
    picture = await stage.upload()
    ids["media"] = picture
    ids["status"] = await stage.post(
        "alice", "Hello #garden", spoiler_text="flowers", media_ids=[picture], language="en"
    )
    ids["reply"] = await stage.post("bob", "@alice how nice #garden", in_reply_to_id=ids["status"])
    ids["quote"] = await stage.post("bob", "See this", quoted_status_id=ids["status"])
    ids["question"] = await stage.post("bob", "Tea?", poll={"options": ["yes", "no"], "expires_in": 3600})
    ids["poll"] = str((await stage.ask("alice", "GET", f"/api/v1/statuses/{ids['question']}"))["poll"]["id"])
    ids["direct"] = await stage.post("bob", "@alice psst", visibility="direct")
    await stage.ask("alice", "PUT", f"/api/v1/statuses/{ids['status']}", json=_edit(picture))
    for who, verb, status in (
        ("bob", "reblog", "status"),
        ("bob", "favourite", "status"),
        ("alice", "favourite", "reply"),
        ("alice", "bookmark", "reply"),
        ("alice", "pin", "status"),
        ("alice", "reblog", "question"),
    ):
        await stage.ask(who, "POST", f"/api/v1/statuses/{ids[status]}/{verb}")
    await _tie(stage)
    await world.run_jobs()
    conversations = await stage.ask("alice", "GET", "/api/v1/conversations")
    ids["conversation"] = str(conversations[0]["id"])
    notifications = await stage.ask("alice", "GET", "/api/v2/notifications")
    ids["group"] = str(notifications["notification_groups"][0]["group_key"])
    ids["notification"] = str((await stage.ask("alice", "GET", "/api/v1/notifications"))[0]["id"])
    ids["date"] = now().date().isoformat()
    _name_paths(ids)
    return stage


async def _tie(stage: Stage) -> None:
    """The rest of alice's graph, and what she has put aside."""
    ids = stage.ids
    for verb, whom in (("endorse", "bob"), ("block", "mallory"), ("mute", "erin")):
        await stage.ask("alice", "POST", f"/api/v1/accounts/{ids[whom]}/{verb}")
    await stage.ask("alice", "POST", f"/api/v1/accounts/{ids['bob']}/note", json={"comment": "a friend"})
    await stage.ask("alice", "PATCH", "/api/v1/accounts/update_credentials", json={"locked": True})
    await stage.ask("dave", "POST", f"/api/v1/accounts/{ids['alice']}/follow")
    made = await stage.ask("alice", "POST", "/api/v1/lists", json={"title": "Friends"})
    ids["list"] = str(made["id"])
    await stage.ask("alice", "POST", f"/api/v1/lists/{ids['list']}/accounts", json={"account_ids": [ids["bob"]]})
    await stage.ask("alice", "POST", "/api/v1/domain_blocks", json={"domain": "bad.example"})
    await stage.ask("alice", "POST", "/api/v1/tags/garden/follow")
    await stage.ask("alice", "POST", "/api/v1/featured_tags", json={"name": "garden"})
    later = iso(now() + timedelta(days=1))
    scheduled = await stage.ask("alice", "POST", "/api/v1/statuses", json={"status": "later", "scheduled_at": later})
    ids["scheduled"] = str(scheduled["id"])
    keyword = {"keyword": "unheard-of", "whole_word": True}
    wanted = {"title": "Spoilers", "context": ["home"], "keywords_attributes": [keyword]}
    ids["filter"] = str((made := await stage.ask("alice", "POST", "/api/v2/filters", json=wanted))["id"])
    ids["keyword"] = str(made["keywords"][0]["id"])
    path = f"/api/v2/filters/{ids['filter']}/statuses"
    ids["filtered"] = str((await stage.ask("alice", "POST", path, json={"status_id": ids["question"]}))["id"])
    marker = {"home": {"last_read_id": ids["status"]}, "notifications": {"last_read_id": ids["status"]}}
    await stage.ask("alice", "POST", "/api/v1/markers", json=marker)


def _edit(picture: str) -> dict[str, Any]:
    return {
        "status": "Hello again #garden",
        "spoiler_text": "flowers",
        "media_ids": [picture],
    }


def _name_paths(ids: dict[str, str]) -> None:
    """What stands for a placeholder in a path, by what is before it."""
    places = {
        "/api/v1/accounts/{id}": ids["bob"],
        "/api/v1/statuses/{id}": ids["status"],
        "/api/v1/polls/{id}": ids["poll"],
        "/api/v1/lists/{id}": ids["list"],
        "/api/v1/timelines/list/{list_id}": ids["list"],
        "/api/v1/timelines/tag/{hashtag}": "garden",
        "/api/v1/tags/{name}": "garden",
        "/api/v1/tags/{id}": "garden",
        "/api/v1/media/{id}": ids["media"],
        "/api/v1/notifications/{id}": ids["notification"],
        "/api/v2/notifications/{group_key}": ids["group"],
        "/api/v1/conversations/{id}": ids["conversation"],
        "/api/v1/scheduled_statuses/{id}": ids["scheduled"],
        "/api/v1/follow_requests/{account_id}": ids["dave"],
        "/api/v1/suggestions/{account_id}": ids["dave"],
        "/api/v1/filters/{id}": ids["keyword"],
        "/api/v2/filters/{id}": ids["filter"],
        "/api/v2/filters/{filter_id}": ids["filter"],
        "/api/v2/filters/keywords/{id}": ids["keyword"],
        "/api/v2/filters/statuses/{id}": ids["filtered"],
        "/api/v1/instance/terms_of_service/{date}": ids["date"],
    }
    ids.update(places)


async def _fresh_status(stage: Stage) -> Call:
    return Call(path={"id": await stage.post("alice", "fresh")})


async def _create_account(stage: Stage) -> Call:
    app = await _app(stage)
    form = {"username": "newcomer", "email": "newcomer@example.org", "password": PASSWORD}
    return Call(who="nobody", token=app["token"], json={**form, "agreement": True, "locale": "en"})


async def _app(stage: Stage) -> dict[str, str]:
    """A registered app with a token of its own."""
    form = {"client_name": "Tester", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob", "scopes": "read write"}
    app = (await stage.world.anonymous.post("/api/v1/apps", data=form)).json()
    asked = {"grant_type": "client_credentials", "scope": "read write"}
    asked |= {"client_id": app["client_id"], "client_secret": app["client_secret"]}
    token = (await stage.world.anonymous.post("/oauth/token", data=asked)).json()["access_token"]
    return {"client_id": app["client_id"], "client_secret": app["client_secret"], "token": token}


async def _token(stage: Stage) -> Call:
    app = await _app(stage)
    del app["token"]
    return Call(who="nobody", data={**app, "grant_type": "client_credentials", "scope": "read"})


async def _revoke(stage: Stage) -> Call:
    return Call(who="nobody", data=await _app(stage))


async def _app_credentials(stage: Stage) -> Call:
    return Call(who="nobody", token=(await _app(stage))["token"])


async def _endorse(stage: Stage) -> Call:
    return Call(path={"id": stage.ids["carol"]})


async def _own(stage: Stage) -> Call:
    return Call(who="bob", path={"id": stage.ids["alice"]})


async def _stranger(stage: Stage) -> Call:
    return Call(path={"id": stage.ids["erin"]})


async def _blocked(stage: Stage) -> Call:
    return Call(path={"id": stage.ids["mallory"]})


async def _reject(stage: Stage) -> Call:
    await stage.ask("erin", "POST", f"/api/v1/accounts/{stage.ids['alice']}/follow")
    return Call(path={"account_id": stage.ids["erin"]})


async def _search(stage: Stage) -> Call:
    return Call(params={"q": "bob"})


async def _search_all(stage: Stage) -> Call:
    return Call(params={"q": "garden"})


async def _ids(stage: Stage) -> Call:
    return Call(params={"id[]": [stage.ids["bob"], stage.ids["dave"]]})


async def _status_ids(stage: Stage) -> Call:
    return Call(params={"id[]": [stage.ids["status"], stage.ids["quote"], stage.ids["question"]]})


async def _profile(stage: Stage) -> Call:
    fields = {"0": {"name": "Garden", "value": "roses"}}
    return Call(json={"display_name": "Alice", "note": "Gardener", "fields_attributes": fields})


async def _fresh_list(stage: Stage) -> Call:
    return Call(path={"id": str((await stage.ask("alice", "POST", "/api/v1/lists", json={"title": "Gone"}))["id"])})


async def _add_to_list(stage: Stage) -> Call:
    return Call(json={"account_ids": [stage.ids["carol"]]})


async def _media(stage: Stage) -> Call:
    return Call(files={"file": ("a.png", draw_png(77), "image/png")}, data={"description": "Circles"})


async def _unattached(stage: Stage) -> Call:
    return Call(path={"id": await stage.upload()}, data={"description": "More circles"})


async def _fresh_notification(stage: Stage) -> Call:
    notification, group = await stage.notification()
    return Call(path={"id": notification, "group_key": group})


async def _request(stage: Stage) -> Call:
    """A request of notifications: a stranger's mention while alice wants none from strangers."""
    policy = {"for_not_following": "filter", "for_new_accounts": "accept"}
    await stage.ask("alice", "PATCH", "/api/v2/notifications/policy", json=policy)
    stranger = f"stranger{len(stage.world.ids)}"
    await stage.post(stranger, "@alice hello from a stranger")
    await stage.world.run_jobs()
    requests = await stage.ask("alice", "GET", "/api/v1/notifications/requests")
    return Call(path={"id": str(requests[0]["id"])})


async def _requests(stage: Stage) -> Call:
    return Call(json={"id": [(await _request(stage)).path["id"]]})


async def _request_list(stage: Stage) -> Call:
    await _request(stage)
    return Call()


async def _conversation(stage: Stage) -> Call:
    await stage.post("carol", "@alice psst too", visibility="direct")
    await stage.world.run_jobs()
    return Call(path={"id": str((await stage.ask("alice", "GET", "/api/v1/conversations"))[0]["id"])})


async def _schedule(stage: Stage) -> Call:
    return Call(json={"scheduled_at": iso(now() + timedelta(days=2))})


async def _fresh_scheduled(stage: Stage) -> Call:
    form = {"status": "never", "scheduled_at": iso(now() + timedelta(days=2))}
    return Call(path={"id": str((await stage.ask("alice", "POST", "/api/v1/statuses", json=form))["id"])})


async def _featured_tag(stage: Stage) -> Call:
    made = await stage.ask("alice", "POST", "/api/v1/featured_tags", json={"name": "roses"})
    return Call(path={"id": str(made["id"])})


async def _fresh_filter(stage: Stage) -> Call:
    made = await stage.ask("alice", "POST", "/api/v2/filters", json={"title": "Gone", "context": ["home"]})
    return Call(path={"id": str(made["id"])})


async def _fresh_phrase(stage: Stage) -> Call:
    """A filter of the old kind, with what may be changed of it."""
    wanted = {"phrase": "cricket", "context": ["home"]}
    made = await stage.ask("alice", "POST", "/api/v1/filters", json=wanted)
    return Call(path={"id": str(made["id"])}, json={**wanted, "phrase": "croquet", "irreversible": True})


async def _gone_phrase(stage: Stage) -> Call:
    return Call(path=(await _fresh_phrase(stage)).path)


async def _fresh_keyword(stage: Stage) -> Call:
    path = f"/api/v2/filters/{stage.ids['filter']}/keywords"
    return Call(path={"id": str((await stage.ask("alice", "POST", path, json={"keyword": "gone"}))["id"])})


async def _fresh_filtered(stage: Stage) -> Call:
    path = f"/api/v2/filters/{stage.ids['filter']}/statuses"
    body = {"status_id": await stage.post("bob", "to be filtered")}
    return Call(path={"id": str((await stage.ask("alice", "POST", path, json=body))["id"])})


async def _filter_status(stage: Stage) -> Call:
    return Call(json={"status_id": await stage.post("bob", "to be filtered too")})


async def _quoted(stage: Stage) -> Call:
    quoting = await stage.post("bob", "See this too", quoted_status_id=stage.ids["status"])
    return Call(path={"id": stage.ids["status"], "quoting_status_id": quoting})


async def _other_status(stage: Stage) -> Call:
    return Call(path={"id": stage.ids["reply"]})


async def _report(stage: Stage) -> Call:
    body = {"account_id": stage.ids["bob"], "status_ids": [stage.ids["reply"]], "comment": "a test"}
    return Call(json={**body, "category": "spam"})


async def _vote(stage: Stage) -> Call:
    return Call(json={"choices": ["0"]})


async def _oembed(stage: Stage) -> Call:
    status = await stage.ask("alice", "GET", f"/api/v1/statuses/{stage.ids['status']}")
    return Call(who="nobody", params={"url": status["url"]})


def _always(**call: Any) -> Callable[[Stage], Awaitable[Call]]:
    async def make(stage: Stage) -> Call:
        return Call(**call)

    return make


CALLS: dict[str, Callable[[Stage], Awaitable[Call]]] = {
    "createAccount": _create_account,
    "getAccounts": _ids,
    "getAccountsFamiliarFollowers": _ids,
    "getAccountRelationships": _ids,
    "getAccountLookup": _always(params={"acct": "bob"}),
    "getAccountSearch": _search,
    "getAccountEndorsements": _own,
    "getAccountFeaturedTags": _own,
    "postAnnouncementDismiss": _always(path={"id": "1"}, expect=404),
    "patchAccountsUpdateCredentials": _profile,
    "patchProfile": _profile,
    "postAccountEndorse": _endorse,
    "postAccountPin": _endorse,
    "postAccountUnendorse": _endorse,
    "postAccountUnpin": _endorse,
    "postAccountBlock": _stranger,
    "postAccountUnblock": _stranger,
    "postAccountMute": _stranger,
    "postAccountUnmute": _blocked,
    "postAccountNote": _always(json={"comment": "a friend"}),
    "postAccountFollow": _always(json={"reblogs": True, "notify": True, "languages": ["en"]}),
    "postAccountUnfollow": _blocked,
    "postAccountRemoveFromFollowers": _blocked,
    "createApp": _always(who="nobody", json={"client_name": "Tester", "redirect_uris": "https://app.example/done"}),
    "getAppsVerifyCredentials": _app_credentials,
    "postOauthToken": _token,
    "postOauthRevoke": _revoke,
    "createEmailConfirmations": _always(expect=403),
    "createDomainBlock": _always(json={"domain": "worse.example"}),
    "deleteDomainBlocks": _always(json={"domain": "worse.example"}),
    "createFeaturedTag": _always(json={"name": "tea"}),
    "deleteFeaturedTag": _featured_tag,
    "postFollowRequestReject": _reject,
    "createList": _always(json={"title": "New", "replies_policy": "none", "exclusive": True}),
    "updateList": _always(json={"title": "Best friends"}),
    "deleteList": _fresh_list,
    "postListAccounts": _add_to_list,
    "deleteListAccounts": _add_to_list,
    "getMarkers": _always(params={"timeline[]": ["home", "notifications"]}),
    "createMarker": _always(json={"home": {"last_read_id": "1"}}),
    "createMedia": _media,
    "createMediaV2": _media,
    "updateMedia": _unattached,
    "getMedia": _unattached,
    "deleteMedia": _unattached,
    "postNotificationDismiss": _fresh_notification,
    "postNotificationDismissV2": _fresh_notification,
    "getNotification": _fresh_notification,
    "getNotificationsByGroupKeyV2": _fresh_notification,
    "getNotificationAccountsV2": _fresh_notification,
    "getNotificationRequests": _request_list,
    "getNotificationsRequestsById": _request,
    "postNotificationsRequestsByIdAccept": _request,
    "postNotificationsRequestsByIdDismiss": _request,
    "createNotificationsRequestsAccept": _requests,
    "createNotificationsRequestsDismiss": _requests,
    "patchNotificationPolicyV2": _always(json={"for_not_following": "accept"}),
    "deleteConversation": _conversation,
    "postPollVotes": _vote,
    "createReport": _report,
    "getOembed": _oembed,
    "updateScheduledStatus": _schedule,
    "deleteScheduledStatus": _fresh_scheduled,
    "createStatus": _always(json={"status": "Posted by the walk #garden", "language": "en"}),
    "getStatuses": _status_ids,
    "updateStatus": _always(json={"status": "Edited by the walk #garden", "spoiler_text": "flowers"}),
    "updateStatusInteractionPolicy": _always(json={"quote_approval_policy": "public"}),
    "deleteStatus": _fresh_status,
    "postStatusPin": _fresh_status,
    "postStatusesByIdQuotesByQuotingStatusIdRevoke": _quoted,
    "postStatusReblog": _other_status,
    "postStatusTranslate": _always(expect=503),
    "getTimelineLink": _always(params={"url": "https://example.org/roses"}, expect=404),
    "getSearchV2": _search_all,
    "createFilter": _always(json={"phrase": "golf", "context": ["home"], "whole_word": True, "expires_in": 3600}),
    "updateFilter": _fresh_phrase,
    "deleteFilter": _gone_phrase,
    "createFilterV2": _always(json={"title": "Quiet", "context": ["home", "public"], "filter_action": "hide"}),
    "updateFilterV2": _always(json={"title": "No spoilers", "context": ["home", "thread"]}),
    "deleteFilterV2": _fresh_filter,
    "postFilterKeywordsV2": _always(json={"keyword": "unheard"}),
    "updateFiltersKeywordsByIdV2": _always(json={"keyword": "never-heard", "whole_word": False}),
    "deleteFiltersKeywordsByIdV2": _fresh_keyword,
    "postFilterStatusesV2": _filter_status,
    "deleteFiltersStatusesByIdV2": _fresh_filtered,
    "getInstanceTermsOfService": _always(who="nobody", expect=404),
    "getInstanceTermsOfServiceByDate": _always(who="nobody", expect=404),
}

LATE = ("createNotificationClear", "postFollowRequestAuthorize", "deleteAvatar", "deleteProfileHeader")
"""Called last, because they empty what others show."""

EMPTY = {
    "getAnnouncements": "nobody announced anything",
    "getCustomEmojis": "emoji are added by an operator's command",
    "getInstanceDomainBlocks": "no server is blocked",
    "getInstancePeers": "no other server is known",
    "getFeaturedTagSuggestions": "every tag of hers is featured",
    "getTrendLinks": "nothing trends",
    "getTrendStatuses": "nothing trends",
}
"""Lists that may be empty in the prepared world, and why."""

ELSEWHERE = {
    "getOauthAuthorize": "a page for people: tests/clients and tests/web",
    "getHealth": "plain text: tests/test_processes.py",
    "getStreamingHealth": "plain text, and the streams never end: tests/timelines and tests/clients",
}
"""Operations whose answer has no shape to compare, and where they are tested."""


def show(answer: httpx.Response) -> str:
    """An answer in one line, for a failing test."""
    return f"{answer.status_code} {json.dumps(answer.text)[:300]}"
