"""Pages about the place itself: what it is, its rules, the member's menu, how the pages look, the app
manifest."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.response import Response

from parley.kit.documents import load_document
from parley.kit.errors import NotFound
from parley.screening import Clause, live_ruleset, rules_page
from parley.screening.ruleset import describe_step, severity_name
from parley.web.filters import trusted
from parley.web.pages import THEMES, redirect, render
from parley.web.visits import SESSION_SECONDS, AnyRequest, read_form, visit_of


@get("/about")
async def show_about(request: AnyRequest) -> Response[str]:
    """What this place is and what its members agree to."""
    visit = await visit_of(request)
    ruleset = live_ruleset()
    groups: dict[str, list[Clause]] = {}
    for clause in rules_page(ruleset):
        groups.setdefault(clause.group, []).append(clause)
    return await render(
        visit,
        "about.html",
        title="About",
        groups=groups,
        severities=[severity_name(severity) for severity in range(4)],
        ladder=[(step.at, describe_step(step.action, step.days)) for step in ruleset.head.ladder],
        clocks=ruleset.head.clocks,
        version=ruleset.version,
    )


@get("/privacy")
async def show_privacy(request: AnyRequest) -> Response[str]:
    """What is kept about members, and why."""
    visit = await visit_of(request)
    found = load_document(visit.instance.settings, "privacy_policy")
    if found is None:
        raise NotFound
    return await render(visit, "privacy.html", title="Privacy", text=trusted(found.html), changed=found.updated_at)


@get("/menu")
async def show_menu(request: AnyRequest) -> Response[str]:
    """Everything that a phone's bar has no room for."""
    visit = await visit_of(request)
    visit.need_member()
    return await render(visit, "menu.html", title="Menu")


@post("/look")
async def choose_look(request: AnyRequest) -> Response[str]:
    """Light, dark or as the device; kept in a cookie so that it works signed out and without a flash."""
    visit = await visit_of(request)
    form = await read_form(request)
    theme = str(form.get("theme", ""))
    visit.set_cookie("theme", theme if theme in THEMES else "", seconds=SESSION_SECONDS * 4 if theme in THEMES else 0)
    return redirect(visit, "/settings/preferences", "saved")


@get("/manifest.webmanifest")
async def show_manifest(request: AnyRequest) -> Response[dict[str, Any]]:
    """Lets a phone put the site on its home screen (https://www.w3.org/TR/appmanifest/)."""
    visit = await visit_of(request)
    settings = visit.instance.settings
    sizes = (("icon-192.png", "192x192", "any"), ("icon-512.png", "512x512", "any"))
    icons = [
        {"src": f"/static/{name}", "sizes": size, "type": "image/png", "purpose": purpose}
        for name, size, purpose in (*sizes, ("icon-maskable-512.png", "512x512", "maskable"))
    ]
    return Response(
        {
            "name": settings.name,
            "short_name": settings.name[:12],
            "description": settings.description,
            "id": "/",
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "background_color": "#f5f2ec",
            "theme_color": "#0a6557",
            "icons": icons,
            "shortcuts": [{"name": "New post", "url": "/compose"}, {"name": "Notifications", "url": "/notifications"}],
        },
        media_type="application/manifest+json",
        headers={"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"},
    )


routes = [show_about, show_privacy, show_menu, choose_look, show_manifest]
