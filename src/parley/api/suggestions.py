"""Whom to follow: https://docs.joinmastodon.org/methods/suggestions/"""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, get
from litestar.params import FromPath

from parley.api.access import need_viewer
from parley.api.entities.accounts import account_entity
from parley.api.entities.graph import suggestion_entity
from parley.kit.http import instance_of, page_of
from parley.kit.ids import parse_id
from parley.social.graph import actions, reads
from parley.social.graph.views import SuggestionView

Asked = Request[Any, Any, Any]


async def _suggest(request: Asked) -> list[SuggestionView]:
    limit = page_of(request, default=40, most=80).limit
    async with instance_of(request).db.read() as tx:
        return await reads.suggest_accounts(tx, need_viewer(request), limit=limit)


@get("/api/v2/suggestions", scope="read")
async def list_suggestions(request: Asked) -> list[dict[str, Any]]:
    """Accounts to follow, and why."""
    settings = instance_of(request).settings
    return [suggestion_entity(view, settings) for view in await _suggest(request)]


@get("/api/v1/suggestions", scope="read")
async def list_suggestions_v1(request: Asked) -> list[Any]:
    """Accounts to follow (the older form, accounts alone)."""
    settings = instance_of(request).settings
    return [account_entity(view.account, settings) for view in await _suggest(request)]


@delete("/api/v1/suggestions/{account_id:str}", scope="read", status_code=200)
async def dismiss_suggestion(request: Asked, account_id: FromPath[str]) -> dict[str, Any]:
    """Never suggest this account again."""
    async with instance_of(request).db.write() as tx:
        await actions.dismiss_suggestion(tx, need_viewer(request), parse_id(account_id))
    return {}


routes = [list_suggestions, list_suggestions_v1, dismiss_suggestion]
