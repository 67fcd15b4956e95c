"""A member's lists: timelines of chosen people."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.ids import parse_id
from parley.kit.paging import Page
from parley.social.accounts.reads import get_account_by_address
from parley.social.graph import list_actions
from parley.social.graph.reads import get_list, list_list_accounts, list_lists
from parley.social.timelines.reads import list_list_timeline
from parley.web.pages import older_path, read_page, redirect, render
from parley.web.visits import AnyRequest, read_form, visit_of


@get("/lists")
async def show_lists(request: AnyRequest) -> Response[str]:
    """All lists of the member."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        lists = await list_lists(tx, viewer)
    return await render(visit, "lists.html", title="Lists", lists=lists)


@post("/lists")
async def make_list(request: AnyRequest) -> Response[str]:
    """Make a list."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    async with visit.instance.db.write() as tx:
        made = await list_actions.create_list(tx, viewer, str(form.get("title", "")))
    return redirect(visit, f"/lists/{made.id}/edit", "list")


@get("/lists/{list_id:str}")
async def show_list(request: AnyRequest, list_id: FromPath[str]) -> Response[str]:
    """The timeline of a list."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    page = read_page(request)
    async with visit.instance.db.read() as tx:
        one = await get_list(tx, viewer, parse_id(list_id))
        statuses = await list_list_timeline(tx, viewer, one.id, page)
    return await render(
        visit,
        "timeline.html",
        title=one.title,
        back_to="/lists",
        statuses=statuses,
        next_page=older_path(visit, page, statuses[-1].id if statuses else None, len(statuses)),
        tabs=((f"/lists/{one.id}", "Posts"), (f"/lists/{one.id}/edit", "Members and name")),
        empty_text="Add people to this list to see their posts here.",
    )


@get("/lists/{list_id:str}/edit")
async def edit_list(request: AnyRequest, list_id: FromPath[str]) -> Response[str]:
    """Name and members of a list."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        one = await get_list(tx, viewer, parse_id(list_id))
        members = await list_list_accounts(tx, viewer, one.id, Page(80))
    return await render(visit, "list_edit.html", title=f"Edit {one.title}", one=one, members=members.accounts)


@post("/lists/{list_id:str}/edit")
async def rename_list(request: AnyRequest, list_id: FromPath[str]) -> Response[str]:
    """Change the name."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    async with visit.instance.db.write() as tx:
        one = await list_actions.update_list(tx, viewer, parse_id(list_id), title=str(form.get("title", "")))
    return redirect(visit, f"/lists/{one.id}/edit", "list")


@post("/lists/{list_id:str}/delete")
async def remove_list(request: AnyRequest, list_id: FromPath[str]) -> Response[str]:
    """Delete the list; nobody is unfollowed."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.write() as tx:
        await list_actions.delete_list(tx, viewer, parse_id(list_id))
    return redirect(visit, "/lists", "deleted")


@post("/lists/{list_id:str}/add")
async def add_member(request: AnyRequest, list_id: FromPath[str]) -> Response[str]:
    """Put somebody, named by address, into the list."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    number = parse_id(list_id)
    acct = str(form.get("acct", "")).strip().lstrip("@")
    async with visit.instance.db.write() as tx:
        account = await get_account_by_address(tx, viewer, acct, visit.instance.settings)
        await list_actions.add_to_list(tx, viewer, number, [account.id])
    return redirect(visit, f"/lists/{number}/edit", "list")


@post("/lists/{list_id:str}/remove")
async def remove_member(request: AnyRequest, list_id: FromPath[str]) -> Response[str]:
    """Take somebody out of the list."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    number = parse_id(list_id)
    async with visit.instance.db.write() as tx:
        await list_actions.remove_from_list(tx, viewer, number, [parse_id(str(form.get("account_id", "")))])
    return redirect(visit, f"/lists/{number}/edit", "list")


routes = [show_lists, make_list, show_list, edit_list, rename_list, remove_list, add_member, remove_member]
