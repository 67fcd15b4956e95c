"""Every route of this door. Each authenticates by itself: its callers hold tokens of providers, not of members."""

from __future__ import annotations

from litestar import Router
from litestar.types import ControllerRouterHandler

from parley.abuse import reports

abuse_routes: list[ControllerRouterHandler] = [Router("/", route_handlers=reports.routes)]
