"""Every route of the pages. The router in front of them counts requests and checks each form's anti-forgery token."""

from __future__ import annotations

from litestar import Router
from litestar.types import ControllerRouterHandler

from parley.web import (
    about,
    archives,
    compose,
    consent,
    desk,
    desk_account,
    desk_appeals,
    desk_case,
    desk_decide,
    desk_evidence,
    desk_incidents,
    desk_legal,
    desk_notices,
    desk_quality,
    drift,
    holding,
    home,
    jury,
    lists,
    live,
    messages,
    moderation,
    notice,
    notifications,
    operator,
    people,
    profiles,
    search,
    security,
    settings,
    sign_in,
    sign_up,
    statuses,
    transparency,
    transparency_compliance,
)
from parley.web.assets import static_routes
from parley.web.limits import check_page_request

_PAGES = (
    about,
    archives,
    compose,
    consent,
    desk,
    desk_account,
    desk_appeals,
    desk_case,
    desk_decide,
    desk_evidence,
    desk_incidents,
    desk_legal,
    desk_notices,
    desk_quality,
    drift,
    holding,
    home,
    jury,
    lists,
    live,
    messages,
    moderation,
    notice,
    notifications,
    operator,
    people,
    search,
    security,
    settings,
    sign_in,
    sign_up,
    statuses,
    transparency,
    transparency_compliance,
    profiles,
)

web_routes: list[ControllerRouterHandler] = [
    *static_routes(),
    Router("/", route_handlers=[route for page in _PAGES for route in page.routes], before_request=check_page_request),
]
