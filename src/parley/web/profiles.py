"""A person's page: `/@alice`, and what lies below it: replies, media, followers, threads."""

from __future__ import annotations

from litestar import get
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.errors import NotFound
from parley.kit.ids import parse_id
from parley.kit.paging import Page
from parley.social.accounts.reads import get_account_by_address
from parley.social.accounts.views import AccountView
from parley.social.graph.reads import get_relationship
from parley.social.statuses.reads import list_account_statuses
from parley.social.statuses.views import StatusesPage
from parley.web.pages import older_path, read_page, render
from parley.web.people import show_neighbours
from parley.web.statuses import show_thread
from parley.web.visits import AnyRequest, Visit, visit_of

PARTS = ("with_replies", "media")


@get("/{address:str}")
async def show_profile(request: AnyRequest, address: FromPath[str]) -> Response[str]:
    """`/@alice` or `/@remi@remote.example`."""
    visit = await visit_of(request)
    return await _profile(visit, await _find(visit, address), "")


@get("/{address:str}/{part:str}")
async def show_profile_part(request: AnyRequest, address: FromPath[str], part: FromPath[str]) -> Response[str]:
    """`/@alice/with_replies`, `media`, `followers`, `following`, or the id of a post."""
    visit = await visit_of(request)
    if part.isdigit():
        return await show_thread(visit, _acct(address), parse_id(part))
    account = await _find(visit, address)
    if part in ("followers", "following"):
        return await show_neighbours(visit, account, part)
    if part not in PARTS:
        raise NotFound
    return await _profile(visit, account, part)


def _acct(address: str) -> str:
    if not address.startswith("@") or len(address) > 320:
        raise NotFound
    return address[1:]


async def _find(visit: Visit, address: str) -> AccountView:
    acct = _acct(address)
    async with visit.instance.db.read() as tx:
        return await get_account_by_address(tx, visit.viewer, acct, visit.instance.settings)


async def _profile(visit: Visit, account: AccountView, part: str) -> Response[str]:
    page = read_page(visit.request)
    first = page.max_id is None and page.min_id is None
    async with visit.instance.db.read() as tx:
        found = await list_account_statuses(
            tx,
            visit.viewer,
            account.id,
            page,
            only_media=part == "media",
            exclude_replies=part == "",
            exclude_reblogs=part == "media",
        )
        pinned = StatusesPage([])
        if first and not part:
            pinned = await list_account_statuses(tx, visit.viewer, account.id, Page(5), pinned=True)
        relationship = await get_relationship(tx, visit.viewer, account.id) if visit.viewer else None
    base = f"/@{account.acct}"
    return await render(
        visit,
        "profile.html",
        title=f"{account.name} (@{account.acct})",
        account=account,
        relationship=relationship,
        statuses=found.statuses,
        pinned=pinned.statuses,
        next_page=older_path(visit, page, found.oldest, len(found.statuses)),
        tabs=((base, "Posts"), (f"{base}/with_replies", "With replies"), (f"{base}/media", "Media")),
    )


routes = [show_profile, show_profile_part]
