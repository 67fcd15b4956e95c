"""What a member is told about. A page that is really seen says what was read, by a form of its own: a GET changes
nothing, because browsers fetch pages that nobody has opened yet."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromQuery
from litestar.response import Response

from parley.kit.errors import NotFound
from parley.kit.ids import parse_id
from parley.social.graph.reads import count_follow_requests
from parley.social.notifications.actions import clear_notifications
from parley.social.notifications.reads import list_notifications
from parley.social.timelines.actions import save_markers
from parley.social.timelines.reads import get_markers
from parley.web.pages import older_path, read_page, redirect, render
from parley.web.visits import AnyRequest, read_form, visit_of

KINDS: dict[str, tuple[str, ...]] = {
    "": (),
    "mentions": ("mention", "quote"),
    "follows": ("follow", "follow_request"),
    "liked": ("favourite", "reblog"),
}
TABS = (
    ("/notifications", "All"),
    ("/notifications?kind=mentions", "Mentions"),
    ("/notifications?kind=liked", "Liked"),
    ("/notifications?kind=follows", "Follows"),
)


@get("/notifications")
async def show_notifications(request: AnyRequest, kind: FromQuery[str] = "") -> Response[str]:
    """The newest first; `kind` is a key of KINDS."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    if kind not in KINDS:
        raise NotFound
    page = read_page(request)
    async with visit.instance.db.read() as tx:
        items = await list_notifications(tx, viewer, page, types=KINDS[kind])
        markers = await get_markers(tx, viewer, ["notifications"])
        waiting = await count_follow_requests(tx, viewer)
        read_to = markers["notifications"].last_read_id if "notifications" in markers else 0
    newest = items[0].id if items and not kind and page.max_id is None else 0
    return await render(
        visit,
        "notifications.html",
        title="Notifications",
        items=items,
        read_to=read_to,
        seen=newest if newest > read_to else 0,
        requests_waiting=waiting,
        tabs=TABS,
        chosen=f"/notifications?kind={kind}" if kind else "/notifications",
        next_page=older_path(visit, page, items[-1].id if items else None, len(items)),
    )


@post("/notifications/seen")
async def mark_seen(request: AnyRequest) -> Response[str]:
    """Remember that the member has seen everything up to `id`. The page sends it when it is looked at."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    seen = parse_id(str((await read_form(request)).get("id", "")))
    async with visit.instance.db.write(local=True) as tx:
        markers = await get_markers(tx, viewer, ["notifications"])
        if "notifications" not in markers or markers["notifications"].last_read_id < seen:
            await save_markers(tx, viewer, {"notifications": seen})
    return redirect(visit, "/notifications")


@post("/notifications/clear")
async def clear(request: AnyRequest) -> Response[str]:
    """Forget them all."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.write() as tx:
        await clear_notifications(tx, viewer)
    return redirect(visit, "/notifications", "cleared")


routes = [show_notifications, mark_seen, clear]
