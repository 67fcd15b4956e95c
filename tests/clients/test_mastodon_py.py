"""Mastodon.py, the library behind most bots, against a live instance: everything that an ordinary day needs."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from mastodon import Mastodon, MastodonAPIError, MastodonNetworkError, MastodonUnauthorizedError, StreamListener

from tests.clients.browser import let_app_in
from tests.clients.pictures import draw_png
from tests.clients.waiting import eventually
from tests.live import PASSWORD, LiveServer

pytestmark = pytest.mark.client

SCOPES = ["read", "write", "follow", "push"]
OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"

SignIn = Callable[[str], Mastodon]


def sign_in_with_mastodon_py(server: LiveServer, username: str, redirect_uri: str = OUT_OF_BAND) -> Mastodon:
    """Register the app, let it in with a browser, and trade the code for a token."""
    client_id, client_secret = Mastodon.create_app(
        "Test of Mastodon.py", scopes=SCOPES, redirect_uris=redirect_uri, api_base_url=server.base_url
    )
    client = Mastodon(client_id=client_id, client_secret=client_secret, api_base_url=server.base_url)
    url = client.auth_request_url(redirect_uris=redirect_uri, scopes=SCOPES, allow_http=True, state="xyz")
    code, sent_to = let_app_in(url, username)
    assert sent_to.startswith("" if redirect_uri == OUT_OF_BAND else redirect_uri)
    client.log_in(code=code, redirect_uri=redirect_uri, scopes=SCOPES, allow_http=True)
    return client


def sign_up_with_mastodon_py(server: LiveServer, username: str) -> Mastodon:
    """Make an account with the app itself; the token that it gets works at once."""
    client_id, secret = Mastodon.create_app("Test of Mastodon.py", scopes=SCOPES, api_base_url=server.base_url)
    client = Mastodon(client_id=client_id, client_secret=secret, api_base_url=server.base_url)
    client.create_account(username, PASSWORD, f"{username}@example.org", agreement=True, scopes=SCOPES)
    return client


@pytest.fixture
def people(live_server: LiveServer) -> Callable[..., list[Mastodon]]:
    """Makes members with fresh names, each signed up with Mastodon.py."""

    def make(*names: str) -> list[Mastodon]:
        return [sign_up_with_mastodon_py(live_server, f"{name}_{secrets.token_hex(3)}") for name in names]

    return make


def _names(accounts: Any) -> list[str]:
    return [account.acct for account in accounts]


def _ids(statuses: Any) -> list[str]:
    return [status.id for status in statuses]


def test_an_app_signs_in_and_knows_who_it_is(live_server: LiveServer) -> None:
    username = f"alice_{secrets.token_hex(3)}"
    live_server.account(username)
    client = sign_in_with_mastodon_py(live_server, username, "http://127.0.0.1:9/done")
    assert client.me().username == username
    assert client.app_verify_credentials().name == "Test of Mastodon.py"
    assert client.instance().domain == live_server.base_url.removeprefix("http://")
    assert client.instance_nodeinfo().software.name == "parley"
    client.revoke_access_token(allow_http=True)
    with pytest.raises((MastodonUnauthorizedError, MastodonAPIError)):
        client.account_verify_credentials()


def test_a_wrong_code_gives_no_token(live_server: LiveServer) -> None:
    client_id, secret = Mastodon.create_app("Thief", scopes=SCOPES, api_base_url=live_server.base_url)
    client = Mastodon(client_id=client_id, client_secret=secret, api_base_url=live_server.base_url)
    with pytest.raises(Exception, match="Invalid access token"):
        client.log_in(code="guess", scopes=SCOPES, allow_http=True)


def _if_ready(media: Any) -> Any:
    return media if media.url else None


def test_a_picture_is_posted_with_its_description(people: Callable[..., list[Mastodon]]) -> None:
    alice, bob = people("alice", "bob")
    uploaded = alice.media_post(draw_png(), mime_type="image/png", description="Circles", focus=(0.2, -0.4))
    # The library's own waiting sleeps for five seconds at a time.
    media = eventually(lambda: _if_ready(alice.media(uploaded)))
    assert media.type == "image"
    assert media.description == "Circles"
    assert media.blurhash
    status = alice.status_post("Look at this", media_ids=[media], sensitive=True, spoiler_text="circles")
    seen = bob.status(status.id)
    shown = seen.media_attachments[0]
    assert (shown.description, seen.spoiler_text, seen.sensitive) == ("Circles", "circles", True)
    assert (shown.meta.original.width, shown.meta.original.height) == (320, 200)
    for url in (shown.url, shown.preview_url):
        picture = httpx.get(url)
        assert picture.status_code == 200
        assert picture.headers["content-type"].startswith("image/")
        assert picture.headers["x-content-type-options"] == "nosniff"
    changed = alice.status_update(
        status.id,
        "Look at that",
        media_attributes=[alice.generate_media_edit_attributes(media.id, description="Many circles")],
    )
    assert changed.media_attachments[0].description == "Many circles"


def test_a_poll_is_voted_in(people: Callable[..., list[Mastodon]]) -> None:
    alice, bob = people("alice", "bob")
    poll = alice.make_poll(["tea", "coffee"], expires_in=600, hide_totals=False)
    status = alice.status_post("Tea or coffee?", poll=poll)
    asked = bob.status(status.id).poll
    assert [option.title for option in asked.options] == ["tea", "coffee"]
    voted = bob.poll_vote(asked, [1])
    assert (voted.votes_count, list(voted.own_votes), voted.voted) == (1, [1], True)
    assert alice.poll(asked.id).options[1].votes_count == 1
    with pytest.raises(MastodonAPIError):
        bob.poll_vote(asked, [0])


def test_two_people_follow_reply_boost_favourite_and_are_told(people: Callable[..., list[Mastodon]]) -> None:
    alice, bob = people("alice", "bob")
    me, other = alice.me(), bob.me()
    relationship = bob.account_follow(me)
    assert relationship.following is True
    assert _names(alice.account_followers(me)) == [other.acct]
    status = alice.status_post("Good morning", visibility="public", language="en")
    eventually(lambda: status.id in _ids(bob.timeline_home()))
    reply = bob.status_reply(status, "Good morning to you")
    assert reply.in_reply_to_id == status.id
    assert reply.mentions[0].acct == me.acct
    boost = bob.status_reblog(status)
    assert boost.reblog.id == status.id
    assert bob.status_favourite(status).favourited is True
    assert bob.status_bookmark(status).bookmarked is True
    seen = alice.status(status.id)
    assert (seen.replies_count, seen.reblogs_count, seen.favourites_count) == (1, 1, 1)
    assert _ids(alice.status_context(status).descendants) == [reply.id]
    assert _names(alice.status_favourited_by(status)) == _names(alice.status_reblogged_by(status)) == [other.acct]
    assert _ids(bob.favourites()) == _ids(bob.bookmarks()) == [status.id]
    kinds = {"follow", "mention", "reblog", "favourite"}
    eventually(lambda: {one.type for one in alice.notifications()} >= kinds)
    assert {one.account.acct for one in alice.notifications()} == {other.acct}
    alice.notifications_clear()
    assert alice.notifications() == []
    bob.status_unreblog(status)
    bob.status_unfavourite(status)
    bob.status_unbookmark(status)
    assert (alice.status(status.id).reblogs_count, alice.status(status.id).favourites_count) == (0, 0)
    assert bob.account_unfollow(me).following is False


def test_timelines_are_paged_in_both_directions(people: Callable[..., list[Mastodon]]) -> None:
    alice, bob = people("alice", "bob")
    me = alice.me()
    bob.account_follow(me)
    posted = [alice.status_post(f"Number {number}").id for number in range(8)]
    newest = posted[::-1]
    eventually(lambda: set(posted) <= set(_ids(bob.timeline_home())))
    pages: list[tuple[Callable[..., Any], dict[str, Any]]] = [
        (bob.timeline_home, {}),
        (lambda **rest: bob.account_statuses(me, **rest), {}),
    ]
    for timeline, rest in pages:
        first = timeline(limit=3, **rest)
        assert _ids(first) == newest[:3]
        second = bob.fetch_next(first)
        assert _ids(second) == newest[3:6]
        assert _ids(bob.fetch_previous(second)) == newest[:3]
        assert _ids(bob.fetch_remaining(first)) == newest
        assert _ids(timeline(max_id=newest[2], limit=2)) == newest[3:5]
        assert _ids(timeline(since_id=newest[4], limit=2)) == newest[:2]
        assert _ids(timeline(min_id=newest[4], limit=2)) == newest[2:4]
        assert _ids(timeline(since_id=newest[3], max_id=newest[0])) == newest[1:3]
    assert set(posted) <= set(_ids(bob.timeline_local(limit=40)))
    assert set(posted) <= set(_ids(bob.timeline_public(limit=40)))


def test_posts_are_found_by_hashtag_and_by_search(people: Callable[..., list[Mastodon]]) -> None:
    alice, bob = people("alice", "bob")
    word = f"quokka{secrets.token_hex(4)}"
    status = alice.status_post(f"I saw a #{word} today")
    assert _ids(bob.timeline_hashtag(word)) == [status.id]
    eventually(lambda: _ids(bob.search(word, result_type="statuses").statuses) == [status.id])
    assert [tag.name for tag in bob.search(word[:8], result_type="hashtags").hashtags if tag.name == word] == [word]
    assert alice.me().acct in _names(bob.search(alice.me().username, result_type="accounts").accounts)
    assert bob.account_lookup(alice.me().acct).id == alice.me().id
    bob.tag_follow(word)
    assert [tag.name for tag in bob.followed_tags()] == [word]


def test_a_post_is_edited_and_deleted(people: Callable[..., list[Mastodon]]) -> None:
    alice, bob = people("alice", "bob")
    status = alice.status_post("First thought", idempotency_key=secrets.token_hex(8))
    edited = alice.status_update(status, "Second thought")
    assert edited.edited_at is not None
    assert alice.status_source(status).text == "Second thought"
    assert [version.content for version in bob.status_history(status)] == [
        "<p>First thought</p>",
        "<p>Second thought</p>",
    ]
    with pytest.raises(MastodonAPIError):
        bob.status_delete(status)
    deleted = alice.status_delete(status)
    assert deleted.text == "Second thought"
    with pytest.raises(MastodonAPIError):
        bob.status(status.id)


def test_private_posts_stay_private(people: Callable[..., list[Mastodon]]) -> None:
    alice, bob, eve = people("alice", "bob", "eve")
    bob.account_follow(alice.me())
    private = alice.status_post("For followers", visibility="private")
    direct = alice.status_post(f"@{bob.me().acct} only for you", visibility="direct")
    assert bob.status(private.id).visibility == "private"
    assert bob.status(direct.id).visibility == "direct"
    for status in (private, direct):
        with pytest.raises(MastodonAPIError):
            eve.status(status.id)
    eventually(lambda: [one.last_status.id for one in bob.conversations()] == [direct.id])


def test_lists_blocks_mutes_and_notes(people: Callable[..., list[Mastodon]]) -> None:
    alice, bob = people("alice", "bob")
    other = bob.me()
    alice.account_follow(other)
    made = alice.list_create("Friends", replies_policy="followed", exclusive=False)
    alice.list_accounts_add(made, [other])
    assert _names(alice.list_accounts(made)) == [other.acct]
    assert [one.title for one in alice.account_lists(other)] == ["Friends"]
    status = bob.status_post("To the list")
    eventually(lambda: status.id in _ids(alice.timeline_list(made)))
    assert alice.list_update(made, "Old friends").title == "Old friends"
    alice.list_delete(made)
    assert alice.lists() == []
    assert alice.account_mute(other, duration=300).muting is True
    assert alice.mutes()[0].mute_expires_at is not None
    assert alice.account_unmute(other).muting is False
    assert alice.account_note_set(other, "met at the fair").note == "met at the fair"
    assert alice.account_relationships([other])[0].note == "met at the fair"
    assert alice.account_block(other).blocking is True
    assert _names(alice.blocks()) == [other.acct]
    with pytest.raises(MastodonAPIError):
        bob.account_follow(alice.me())
    assert alice.account_unblock(other).blocking is False
    report = alice.report(other, status_ids=[status], comment="just a test", category="spam")
    assert report.target_account.id == other.id


def test_a_profile_is_changed(people: Callable[..., list[Mastodon]]) -> None:
    (alice,) = people("alice")
    changed = alice.account_update_credentials(
        display_name="Alice",
        note="Gardener",
        avatar=draw_png(2, (200, 200)),
        avatar_mime_type="image/png",
        fields=[("Garden", "roses")],
        locked=True,
    )
    assert (changed.display_name, changed.locked, changed.source.note) == ("Alice", True, "Gardener")
    assert changed.fields[0].value == "roses"
    assert httpx.get(changed.avatar).status_code == 200


def test_a_follow_request_is_answered(people: Callable[..., list[Mastodon]]) -> None:
    alice, bob = people("alice", "bob")
    alice.account_update_credentials(locked=True)
    assert bob.account_follow(alice.me()).requested is True
    assert _names(alice.follow_requests()) == [bob.me().acct]
    assert alice.follow_request_authorize(bob.me()).followed_by is True
    assert bob.account_relationships(alice.me())[0].following is True


class _Listener(StreamListener):
    def __init__(self) -> None:
        self.updates: list[str] = []
        self.notifications: list[str] = []
        self.deleted: list[str] = []

    def on_update(self, status: Any) -> None:
        self.updates.append(status.id)

    def on_notification(self, notification: Any) -> None:
        self.notifications.append(notification.type)

    def on_delete(self, status_id: Any) -> None:
        self.deleted.append(str(status_id))


def test_posts_arrive_live_by_server_sent_events(people: Callable[..., list[Mastodon]]) -> None:
    alice, bob = people("alice", "bob")
    bob.account_follow(alice.me())
    assert bob.stream_healthy() is True
    listener = _Listener()
    handle = bob.stream_user(listener, run_async=True)
    eventually(handle.is_receiving)
    status = alice.status_post(f"@{bob.me().acct} live!")
    eventually(lambda: status.id in listener.updates)
    eventually(lambda: "mention" in listener.notifications)
    alice.status_delete(status)
    eventually(lambda: status.id in listener.deleted)
    # The library can close only between two lines of the stream: give it one.
    closing = threading.Thread(target=handle.close)
    closing.start()
    alice.status_post("Good bye")
    closing.join(30)
    assert not closing.is_alive()


def test_posts_arrive_live_by_one_socket_with_many_streams(people: Callable[..., list[Mastodon]]) -> None:
    alice, bob = people("alice", "bob")
    bob.account_follow(alice.me())
    word = f"kiwi{secrets.token_hex(4)}"
    home, tagged, local = _Listener(), _Listener(), _Listener()
    handle = bob.stream_open_websocket()
    try:
        bob.stream_user(home, websocket_handle=handle)
        bob.stream_hashtag(word, tagged, websocket_handle=handle)
        everybody = bob.stream_local(local, websocket_handle=handle)
        eventually(handle.is_receiving)
        eventually(lambda: _posted_and_seen(alice, home))
        public = alice.status_post(f"A #{word}")
        private = alice.status_post("For followers", visibility="private")
        eventually(lambda: {public.id, private.id} <= set(home.updates))
        eventually(lambda: public.id in tagged.updates and public.id in local.updates)
        assert private.id not in local.updates
        everybody.close()
        last = alice.status_post(f"Another #{word}")
        eventually(lambda: last.id in tagged.updates)
        assert last.id not in local.updates
    finally:
        handle.close()


def _posted_and_seen(author: Mastodon, listener: _Listener) -> bool:
    """Whether something that `author` posts now reaches the listener: the server has taken the subscription."""
    status = author.status_post("Is this on?")
    time.sleep(0.5)
    return status.id in listener.updates


def test_a_stranger_gets_no_stream_of_a_member(live_server: LiveServer) -> None:
    stranger = Mastodon(api_base_url=live_server.base_url, access_token="guess")
    with pytest.raises(MastodonNetworkError):
        stranger.stream_open_websocket()
