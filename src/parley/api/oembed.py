"""How other sites show a link to one of our statuses: https://docs.joinmastodon.org/methods/oembed/"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from litestar import Request, get

from parley.api.entities.accounts import account_struct
from parley.api.entities.statuses import status_url
from parley.kit.errors import BadRequest, NotFound
from parley.kit.http import instance_of, query_pairs
from parley.kit.ids import parse_id
from parley.social.statuses.reads import get_status

_PATH = re.compile(r"/(?:@[^/]+|users/[^/]+/statuses)/(\d+)/?")
_WIDTH = 400
_CACHE_SECONDS = 86_400


@get("/api/oembed", scope=None)
async def get_oembed(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """A public status as HTML to be shown elsewhere. Whoever asks sees what a signed-out reader sees."""
    query, settings = dict(query_pairs(request)), instance_of(request).settings
    try:
        width = min(int(query.get("maxwidth") or _WIDTH), _WIDTH)
        height = int(query["maxheight"]) if query.get("maxheight") else None
    except ValueError as error:
        raise BadRequest("maxwidth and maxheight must be numbers.") from error
    address = query.get("url", "")
    found = _PATH.fullmatch(address.removeprefix(settings.base_url).split("?")[0].split("#")[0])
    if not address.startswith(settings.base_url + "/") or found is None:
        raise NotFound
    async with instance_of(request).db.read() as tx:
        view = await get_status(tx, None, parse_id(found[1]))
    if view.reblog is not None:
        raise NotFound
    author = account_struct(view.account, settings)
    # Nothing of the page's own origin runs in the other site: text and a link, no script.
    body = f"<p>{escape(view.spoiler_text)}</p>" if view.spoiler_text else view.html
    html = (
        f'<blockquote class="parley-embed" style="max-width:{width}px">{body}'
        f"<p>— {escape(view.account.name)} (@{escape(view.account.acct)}) "
        f'<a href="{escape(status_url(view, settings))}">{view.created_at:%Y-%m-%d}</a></p></blockquote>'
    )
    return {
        "type": "rich",
        "version": "1.0",
        "title": f"New status by {view.account.name}",
        "author_name": view.account.name,
        "author_url": author.url,
        "provider_name": settings.local_domain,
        "provider_url": settings.base_url + "/",
        "cache_age": _CACHE_SECONDS,
        "html": html,
        "width": width,
        "height": None if height is None else str(height),
    }


routes = [get_oembed]
