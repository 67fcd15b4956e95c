"""What a member does about other people: follow, block, mute, report; and the lists of people that pages show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Response

from parley.kit.db import Tx
from parley.kit.errors import NotFound, ParleyError
from parley.kit.ids import parse_id
from parley.kit.paging import Page
from parley.safety.cases.reports import file_report
from parley.safety.cases.views import NewReport
from parley.screening import live_ruleset
from parley.social.accounts.reads import get_account
from parley.social.accounts.views import AccountView, Viewer
from parley.social.graph import actions as graph
from parley.social.graph.reads import (
    get_relationships,
    list_blocks,
    list_follow_requests,
    list_followers,
    list_following,
    list_mutes,
)
from parley.social.graph.views import AccountsPage, RelationshipView
from parley.social.statuses.reads import list_account_statuses
from parley.web.pages import back_path, older_path, read_page, redirect, render, render_fragment
from parley.web.visits import AnyRequest, Visit, read_form, visit_of


class PersonRow:
    """Somebody in a list, with how the viewer stands to them (None when signed out)."""

    def __init__(self, account: AccountView, relationship: RelationshipView | None) -> None:
        self.account = account
        self.relationship = relationship


async def with_relationships(tx: Tx, visit: Visit, accounts: Sequence[AccountView]) -> list[PersonRow]:
    """Rows for `accounts`, each with the viewer's relationship."""
    known: dict[int, RelationshipView] = {}
    if visit.viewer is not None and accounts:
        found = await get_relationships(tx, visit.viewer, [account.id for account in accounts])
        known = {relationship.id: relationship for relationship in found}
    return [PersonRow(account, known.get(account.id)) for account in accounts]


async def _follow_without_boosts(tx: Tx, viewer: Viewer, target_id: int) -> RelationshipView:
    return await graph.follow_account(tx, viewer, target_id, reblogs=False)


async def _follow(tx: Tx, viewer: Viewer, target_id: int) -> RelationshipView:
    return await graph.follow_account(tx, viewer, target_id, reblogs=True)


Verb = Callable[[Tx, Viewer, int], Awaitable[RelationshipView]]

VERBS: dict[str, tuple[Verb, str]] = {
    "follow": (_follow, ""),
    "follow-without-boosts": (_follow_without_boosts, ""),
    "unfollow": (graph.unfollow_account, ""),
    "block": (graph.block_account, "blocked"),
    "unblock": (graph.unblock_account, ""),
    "mute": (graph.mute_account, "muted"),
    "unmute": (graph.unmute_account, ""),
    "remove-follower": (graph.remove_follower, ""),
}


@post("/accounts/{account_id:str}/{verb:str}")
async def act_on_account(request: AnyRequest, account_id: FromPath[str], verb: FromPath[str]) -> Response[str]:
    """One of VERBS; the answer is the follow button for htmx, else the page that the form was on."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    if verb not in VERBS:
        raise NotFound
    action, flash = VERBS[verb]
    form = await read_form(request)
    async with visit.instance.db.write() as tx:
        relationship = await action(tx, viewer, parse_id(account_id))
        account = await get_account(tx, viewer, relationship.id) if visit.is_fragment else None
    if account is not None:
        return await render_fragment(visit, "follow_button.html", account=account, relationship=relationship)
    return redirect(visit, back_path(visit, form), flash)


@get("/accounts/{account_id:str}/report")
async def show_report(request: AnyRequest, account_id: FromPath[str], status: FromQuery[str] = "") -> Response[str]:
    """The form for reporting somebody; `status` is the post it started from."""
    visit = await visit_of(request)
    visit.need_member()
    return await _report_page(visit, parse_id(account_id), parse_id(status) if status else None)


@post("/accounts/{account_id:str}/report")
async def send_report(request: AnyRequest, account_id: FromPath[str]) -> Response[str]:
    """File the report."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    target = parse_id(account_id)
    new = NewReport(
        account_id=target,
        status_ids=tuple(parse_id(str(one)) for one in form.getall("status_ids", [])),
        comment=str(form.get("comment", "")),
        category=str(form.get("category", "other")),
        rule_ids=tuple(str(one) for one in form.getall("rule_ids", [])),
        forward=bool(form.get("forward")),
    )
    try:
        async with visit.instance.db.write() as tx:
            account = await get_account(tx, viewer, target)
            await file_report(tx, visit.instance.settings, viewer, new)
    except ParleyError as error:
        if error.status != 422:
            raise
        return await _report_page(visit, target, None, said=error.text, comment=new.comment, category=str(new.category))
    return redirect(visit, f"/@{account.acct}", "reported")


async def _report_page(
    visit: Visit, account_id: int, chosen: int | None, *, said: str = "", comment: str = "", category: str = ""
) -> Response[str]:
    async with visit.instance.db.read() as tx:
        account = await get_account(tx, visit.viewer, account_id)
        found = await list_account_statuses(
            tx, visit.viewer, account_id, Page(10, max_id=chosen + 1 if chosen else None), exclude_reblogs=True
        )
    return await render(
        visit,
        "report.html",
        code=422 if said else 200,
        title=f"Report @{account.acct}",
        account=account,
        statuses=found.statuses,
        chosen=chosen,
        rules=list(live_ruleset().clauses.values()),
        said=said,
        comment=comment,
        category=category,
    )


@get("/follow-requests")
async def show_follow_requests(request: AnyRequest) -> Response[str]:
    """Who asks to follow the member."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    page = read_page(request)
    async with visit.instance.db.read() as tx:
        found = await list_follow_requests(tx, viewer, page)
    return await _people_page(visit, found, page, title="Follow requests", requests=True)


@post("/follow-requests/{account_id:str}/{answer:str}")
async def answer_follow_request(request: AnyRequest, account_id: FromPath[str], answer: FromPath[str]) -> Response[str]:
    """Accept or reject."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    if answer not in ("accept", "reject"):
        raise NotFound
    form = await read_form(request)
    action = graph.authorize_follow if answer == "accept" else graph.reject_follow
    async with visit.instance.db.write() as tx:
        await action(tx, viewer, parse_id(account_id))
    return redirect(visit, back_path(visit, form, "/follow-requests"), f"{answer}ed")


@get("/settings/blocks")
async def show_blocks(request: AnyRequest) -> Response[str]:
    """Whom the member blocks."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    page = read_page(request)
    async with visit.instance.db.read() as tx:
        found = await list_blocks(tx, viewer, page)
    return await _people_page(visit, found, page, title="Blocked", undo="unblock", back_to="/settings/account")


@get("/settings/mutes")
async def show_mutes(request: AnyRequest) -> Response[str]:
    """Whom the member mutes."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    page = read_page(request)
    async with visit.instance.db.read() as tx:
        mutes = await list_mutes(tx, viewer, page)
    found = AccountsPage([mute.account for mute in mutes.mutes], mutes.newest, mutes.oldest)
    return await _people_page(visit, found, page, title="Muted", undo="unmute", back_to="/settings/account")


async def show_neighbours(visit: Visit, account: AccountView, kind: str) -> Response[str]:
    """The followers of `account`, or whom it follows."""
    page = read_page(visit.request)
    read = list_followers if kind == "followers" else list_following
    async with visit.instance.db.read() as tx:
        found = await read(tx, visit.viewer, account.id, page)
        rows = await with_relationships(tx, visit, found.accounts)
    base = f"/@{account.acct}"
    return await _people_page(
        visit,
        found,
        page,
        rows=rows,
        title=account.name,
        note=f"@{account.acct}",
        back_to=base,
        tabs=((f"{base}/followers", "Followers"), (f"{base}/following", "Following")),
        empty_text="This member keeps this list private." if account.hide_collections else "",
    )


async def _people_page(
    visit: Visit, found: AccountsPage, page: Page, *, rows: list[PersonRow] | None = None, **values: Any
) -> Response[str]:
    people = rows if rows is not None else [PersonRow(account, None) for account in found.accounts]
    next_page = older_path(visit, page, found.oldest, len(found.accounts))
    return await render(visit, "people.html", people=people, next_page=next_page, **values)


routes = [
    act_on_account,
    show_report,
    send_report,
    show_follow_requests,
    answer_follow_request,
    show_blocks,
    show_mutes,
]
