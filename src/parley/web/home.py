"""Timelines as pages: home with the composer, local, public, hashtags, bookmarks and favourites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.errors import NotFound
from parley.kit.paging import Page
from parley.social.graph.reads import suggest_accounts
from parley.social.sessions.preferences import get_preferences
from parley.social.statuses.reads import list_bookmarks, list_favourites
from parley.social.statuses.views import StatusView
from parley.social.timelines.actions import follow_tag, unfollow_tag
from parley.social.timelines.reads import get_tag, list_home, list_public, list_tag
from parley.web.compose import Draft
from parley.web.pages import back_path, older_path, read_page, redirect, render
from parley.web.people import with_relationships
from parley.web.visits import AnyRequest, Visit, read_form, visit_of

TABS = (("/", "Home"), ("/local", "Local"), ("/public", "Public"))
PUBLIC_TABS = (("/local", "Local"), ("/public", "Public"))
EMPTY_HOME = "Follow people to see their posts here. The Local page shows who is around."


@get("/")
async def show_home(request: AnyRequest) -> Response[str]:
    """The member's home, or a welcome with what is public here."""
    visit = await visit_of(request)
    if visit.viewer is None:
        return await _welcome(visit)
    page = read_page(request)
    async with visit.instance.db.read() as tx:
        statuses = await list_home(tx, visit.viewer, page)
        preferences = await get_preferences(tx, visit.viewer)
        suggested = await suggest_accounts(tx, visit.viewer, limit=4)
        people = await with_relationships(tx, visit, [one.account for one in suggested])
    first = page.max_id is None and page.min_id is None
    return await _timeline(
        visit,
        page,
        statuses,
        title="Home",
        compact=True,
        tabs=TABS,
        live="/live/home" if first else "",
        draft=Draft(visibility=preferences.visibility, sensitive=preferences.sensitive) if first else None,
        suggestions=people,
        empty_title="Welcome",
        empty_text=EMPTY_HOME,
    )


async def _welcome(visit: Visit) -> Response[str]:
    page = read_page(visit.request)
    async with visit.instance.db.read() as tx:
        statuses = await list_public(tx, None, page, local=True)
    return await _timeline(visit, page, statuses, title="What people say here", welcome=True)


@get("/local")
async def show_local(request: AnyRequest) -> Response[str]:
    """Public posts by members of this server."""
    return await _public(request, local=True)


@get("/public")
async def show_public(request: AnyRequest) -> Response[str]:
    """Public posts from everywhere that this server knows."""
    return await _public(request, local=False)


async def _public(request: AnyRequest, *, local: bool) -> Response[str]:
    visit = await visit_of(request)
    page = read_page(request)
    async with visit.instance.db.read() as tx:
        statuses = await list_public(tx, visit.viewer, page, local=local)
    first = page.max_id is None and page.min_id is None
    name = "local" if local else "public"
    return await _timeline(
        visit,
        page,
        statuses,
        title="Local" if local else "Public",
        compact=True,
        tabs=TABS if visit.viewer else PUBLIC_TABS,
        live=f"/live/{name}" if first else "",
    )


@get("/tags/{tag:str}")
async def show_tag(request: AnyRequest, tag: FromPath[str]) -> Response[str]:
    """Public posts with a hashtag."""
    visit = await visit_of(request)
    page = read_page(request)
    async with visit.instance.db.read() as tx:
        found = await get_tag(tx, visit.viewer, tag)
        statuses = await list_tag(tx, visit.viewer, tag, page)
    return await _timeline(
        visit,
        page,
        statuses,
        title=f"#{found.name}",
        tag=found.name,
        tag_follow=bool(found.following),
        empty_text="Nobody has used this hashtag in a post that you can see.",
    )


@post("/tags/{tag:str}/{verb:str}")
async def act_on_tag(request: AnyRequest, tag: FromPath[str], verb: FromPath[str]) -> Response[str]:
    """Follow or unfollow a hashtag."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    if verb not in ("follow", "unfollow"):
        raise NotFound
    form = await read_form(request)
    action = follow_tag if verb == "follow" else unfollow_tag
    async with visit.instance.db.write() as tx:
        await action(tx, viewer, tag)
    return redirect(visit, back_path(visit, form))


@get("/bookmarks")
async def show_bookmarks(request: AnyRequest) -> Response[str]:
    """What the member bookmarked."""
    return await _kept(request, "Bookmarks", list_bookmarks, "Posts that you bookmark are kept here. Nobody is told.")


@get("/favourites")
async def show_favourites(request: AnyRequest) -> Response[str]:
    """What the member likes."""
    return await _kept(request, "Favourites", list_favourites, "Posts that you favourite are kept here.")


async def _kept(request: AnyRequest, title: str, read: Any, empty_text: str) -> Response[str]:
    visit = await visit_of(request)
    viewer = visit.need_member()
    page = read_page(request)
    async with visit.instance.db.read() as tx:
        found = await read(tx, viewer, page)
    return await _timeline(visit, page, found.statuses, oldest=found.oldest, title=title, empty_text=empty_text)


async def _timeline(
    visit: Visit, page: Page, statuses: Sequence[StatusView], *, oldest: int | None = None, **values: Any
) -> Response[str]:
    """`oldest` is the edge that paging goes on from, where that is not the id of the last post."""
    if oldest is None and statuses:
        oldest = statuses[-1].id
    next_page = older_path(visit, page, oldest, len(statuses))
    return await render(visit, "timeline.html", statuses=statuses, next_page=next_page, **values)


routes = [show_home, show_local, show_public, show_tag, act_on_tag, show_bookmarks, show_favourites]
