"""What is taken away is gone from every surface at once, and comes back to every surface; and the tables behind it."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.safety.decisions.kinds import KINDS, STATUS_STATES, SUBJECTS, outcome_of, state_under
from parley.safety.decisions.strikes import step_of
from parley.safety.decisions.telling import warning_of
from parley.safety.decisions.views import NewAction
from parley.screening import live_ruleset
from parley.social.accounts.restrictions import _state_of
from tests.conftest import World
from tests.safety.decisions.deciding import account, decided, mia, reversed_by, status
from tests.statuses.cast import ask, known
from tests.streaming.ears import events, next_event


async def found_on(world: World, post_id: str, thread_id: str) -> set[str]:
    """The surfaces on which bob, or somebody signed out, finds the post."""
    surfaces = {
        "home": ("bob", "/timelines/home"),
        "public": (None, "/timelines/public?local=true"),
        "tag": (None, "/timelines/tag/cats"),
        "account": (None, f"/accounts/{world.ids['alice']}/statuses"),
        "post": (None, f"/statuses/{post_id}"),
        "thread": (None, f"/statuses/{thread_id}/context"),
        "notifications": ("bob", "/notifications"),
        "favourites": ("bob", "/favourites"),
        "bookmarks": ("bob", "/bookmarks"),
        "boost": (None, f"/accounts/{world.ids['bob']}/statuses"),
        "history": (None, f"/statuses/{post_id}/history"),
    }
    found = set()
    for surface, (who, path) in surfaces.items():
        answer = await ask(world, who, "GET", path)
        if answer.status_code == 200 and "the words about" in answer.text:
            found.add(surface)
    search = await (await world.client("bob")).get("/api/v2/search?q=words&type=statuses")
    if "the words about" in search.text:
        found.add("search")
    page = await world.anonymous.get(f"/@alice/{post_id}")
    if page.status_code == 200 and "the words about" in page.text:
        found.add("page")
    return found


async def scene(world: World) -> tuple[str, str]:
    """alice answers bob, who follows, likes, keeps and boosts it."""
    await world.account("alice")
    await mia(world)
    await known(world, "alice", "bob")
    await world.follow("bob", "alice")
    post = await world.post("alice", "the words about #cats @bob")
    thread = await world.post("bob", "what of it?", in_reply_to_id=post["id"])
    for verb in ("favourite", "bookmark", "reblog"):
        assert (await ask(world, "bob", "POST", f"/statuses/{post['id']}/{verb}")).status_code == 200
    await world.run_jobs()
    return post["id"], thread["id"]


@pytest.mark.parametrize("kind", ["remove", "hide", "quarantine", "require_change", "suspend"])
async def test_what_is_taken_away_is_gone_everywhere_at_once_and_comes_back_everywhere(world: World, kind: Any) -> None:
    post_id, thread_id = await scene(world)
    before = await found_on(world, post_id, thread_id)
    assert before == {
        *("home", "public", "tag", "account", "post", "thread", "notifications", "favourites", "bookmarks", "boost"),
        *("history", "search", "page"),
    }
    alice = world.ids["alice"]
    action = NewAction(kind, account(alice), 5) if kind == "suspend" else NewAction(kind, status(post_id))
    async with events(world, "bob", "user") as ear:
        made = await decided(world, alice, action)
        if kind != "suspend":
            assert await next_event(ear) == ("delete", post_id)
    assert await found_on(world, post_id, thread_id) == set(), "before any job has run"
    await world.run_jobs()
    assert await found_on(world, post_id, thread_id) == set()
    await reversed_by(world, made.id)
    assert await found_on(world, post_id, thread_id) == before


async def test_a_limited_post_is_on_no_public_surface_but_its_followers_see_it(world: World) -> None:
    post_id, thread_id = await scene(world)
    await decided(world, world.ids["alice"], NewAction("limit", status(post_id)))
    left = await found_on(world, post_id, thread_id)
    assert not left & {"public", "tag"}
    assert left >= {"home", "account", "post", "thread", "notifications"}


# ---- Pure tables ----

FOUND = st.sampled_from(["published", "limited", "held", "hidden_interim", "removed", "author_deleted"])
ACTIONS = st.lists(st.sampled_from(sorted(STATUS_STATES)), max_size=4)


@settings(deadline=None)
@given(FOUND, ACTIONS)
def test_the_order_of_actions_does_not_matter_and_none_leaves_what_was_found(found: str, kinds: list[str]) -> None:
    assert state_under(found, []) == found
    assert len({state_under(found, order) for order in permutations(kinds)}) <= 1
    if found == "author_deleted":
        assert state_under(found, kinds) == found
    if found == "held":
        assert state_under(found, kinds) in ("held", "removed"), "what waits is never let out by something milder"


@settings(deadline=None)
@given(FOUND, ACTIONS, st.sampled_from(sorted(STATUS_STATES)))
def test_one_more_action_never_shows_a_post_to_more_people(found: str, kinds: list[str], more: str) -> None:
    order = ["published", "limited", "hidden_interim", "held", "removed", "author_deleted"]
    assert order.index(state_under(found, [*kinds, more])) >= order.index(state_under(found, kinds))


@settings(deadline=None)
@given(
    st.sampled_from(["pending", "active", "limited", "suspended", "deleted"]),
    st.sets(st.sampled_from(["limit_account", "suspend", "terminate", "freeze", "restrict_posting"])),
)
def test_an_account_without_restrictions_is_what_it_was_found_as(found: str, kinds: set[str]) -> None:
    assert _state_of(found, set()) == found
    assert _state_of(found, {"freeze", "restrict_posting"}) == found
    if found == "deleted":
        assert _state_of(found, kinds) == found
    elif kinds & {"suspend", "terminate"}:
        assert _state_of(found, kinds) == "suspended"


@settings(deadline=None)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
def test_every_decision_has_a_word_for_apps_and_for_the_judge(kinds: list[str]) -> None:
    assert warning_of(set(kinds)) in (
        "none",
        "disable",
        "mark_statuses_as_sensitive",
        "delete_statuses",
        "sensitive",
        "silence",
        "suspend",
    )
    assert outcome_of(kinds).published == all(outcome_of([kind]).published for kind in kinds)
    assert set(SUBJECTS) == set(KINDS)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=200))
def test_more_strikes_never_lead_to_a_lower_step_of_the_ladder(weight: int) -> None:
    policy = live_ruleset()
    here, above = step_of(policy, weight), step_of(policy, weight + 1)
    assert (here.at if here else 0) <= (above.at if above else 0)
