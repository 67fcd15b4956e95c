"""Every route of the client API, collected from the files of this folder, behind one guard."""

from __future__ import annotations

import importlib
import pkgutil

from litestar import Router
from litestar.types import ControllerRouterHandler

import parley.api
from parley.api.access import check_access


def _collect() -> list[ControllerRouterHandler]:
    found: list[ControllerRouterHandler] = []
    for module in pkgutil.iter_modules(parley.api.__path__):
        if not module.ispkg and module.name != "routes":
            found += getattr(importlib.import_module(f"parley.api.{module.name}"), "routes", [])
    return found


api_routes: list[ControllerRouterHandler] = [Router("/", route_handlers=_collect(), guards=[check_access])]
