"""Search: people, hashtags and what the visitor may see of posts."""

from __future__ import annotations

from litestar import get
from litestar.params import FromQuery
from litestar.response import Response

from parley.social.discovery.reads import search
from parley.web.pages import render
from parley.web.people import with_relationships
from parley.web.visits import AnyRequest, visit_of

LONGEST_QUERY = 300


@get("/search")
async def show_search(request: AnyRequest, q: FromQuery[str] = "") -> Response[str]:
    """The form, and what was found for `q`."""
    visit = await visit_of(request)
    query = q.strip()[:LONGEST_QUERY]
    found, relationships = None, {}
    if query:
        async with visit.instance.db.read() as tx:
            found = await search(tx, visit.viewer, visit.instance.settings, query, limit=20)
            rows = await with_relationships(tx, visit, found.accounts)
        relationships = {row.account.id: row.relationship for row in rows}
    title = f"Search: {query}" if query else "Search"
    return await render(visit, "search.html", title=title, q=query, found=found, relationships=relationships)


routes = [show_search]
