"""The moderators' pages of incidents: what runs, declaring, keeping, concluding and debriefing one."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.errors import Invalid, ParleyError
from parley.kit.ids import parse_id
from parley.safety.incidents.actions import (
    conclude_incident,
    debrief_incident,
    declare_incident,
    keep_incident,
)
from parley.safety.incidents.overlay import TEMPLATES
from parley.safety.incidents.reads import get_incident, list_incidents
from parley.safety.incidents.views import NewIncident
from parley.web.desk_frame import count_write, need_staff, render_desk
from parley.web.pages import redirect
from parley.web.visits import AnyRequest, Visit, read_form, visit_of

SHOWN_AGAIN = (403, 409, 422, 429)


@get("/desk/incidents")
async def show_incidents(request: AnyRequest) -> Response[str]:
    """All incidents, and the form that declares one."""
    return await _list(await visit_of(request))


async def _list(visit: Visit, *, said: str = "", code: int = 200, typed: Any = None) -> Response[str]:
    viewer = need_staff(visit)
    async with visit.instance.db.read() as tx:
        incidents = await list_incidents(tx, viewer)
    return await render_desk(
        visit,
        "desk_incidents.html",
        code=code,
        title="Incidents",
        incidents=incidents,
        running=next((one for one in incidents if one.state in ("declared", "active")), None),
        kinds=TEMPLATES,
        typed=typed or {},
        said=said,
    )


@post("/desk/incidents")
async def declare(request: AnyRequest) -> Response[str]:
    """Declare an incident."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    form = await read_form(request)
    typed = {name: str(form.get(name, "")) for name in ("kind", "title", "why", "scope", "hours", "factor")}
    typed["hold_new"] = "1" if form.get("hold_new") else ""
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            view = await declare_incident(tx, viewer, _read(typed))
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _list(visit, said=error.text, code=error.status, typed=typed)
    return redirect(visit, f"/desk/incidents/{view.id}", "incident")


def _read(typed: dict[str, str]) -> NewIncident:
    kind = next((one for one in TEMPLATES if one == typed["kind"]), None)
    if kind is None:
        raise Invalid("Choose what kind of incident it is.")
    return NewIncident(
        kind=kind,
        title=typed["title"],
        why=typed["why"],
        scope=tuple(part for line in typed["scope"].splitlines() for part in line.split(",") if part.strip()),
        hours=_number(typed["hours"] or "24", "hours"),
        factor=_number(typed["factor"], "factor") if typed["factor"].strip() else None,
        hold_new=bool(typed["hold_new"]),
    )


def _number(text: str, name: str) -> float:
    try:
        found = float(text.strip().replace(",", "."))
    except ValueError:
        found = float("nan")
    if not -1e6 < found < 1e6:
        raise Invalid(f"{name.capitalize()} must be a number.")
    return found


@get("/desk/incidents/{incident_id:str}")
async def show_incident(request: AnyRequest, incident_id: FromPath[str]) -> Response[str]:
    """One incident with its figures."""
    return await _page(await visit_of(request), parse_id(incident_id))


async def _page(visit: Visit, incident_id: int, *, said: str = "", code: int = 200) -> Response[str]:
    viewer = need_staff(visit)
    async with visit.instance.db.read() as tx:
        incident = await get_incident(tx, viewer, incident_id)
    return await render_desk(
        visit, "desk_incident.html", code=code, title=incident.title, i=incident, kinds=TEMPLATES, said=said
    )


@post("/desk/incidents/{incident_id:str}/{step:str}")
async def act_on_incident(request: AnyRequest, incident_id: FromPath[str], step: FromPath[str]) -> Response[str]:
    """`keep`, `conclude` or `debrief`."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    found = parse_id(incident_id)
    form = await read_form(request)
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            if step == "keep":
                await keep_incident(tx, viewer, found, hours=_number(str(form.get("hours", "")), "hours"))
            elif step == "conclude":
                await conclude_incident(tx, viewer, found)
            else:
                await debrief_incident(tx, viewer, found, lessons=str(form.get("lessons", "")))
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _page(visit, found, said=error.text, code=error.status)
    return redirect(visit, f"/desk/incidents/{found}", "incident-over" if step == "conclude" else "saved")


routes = [show_incidents, declare, show_incident, act_on_incident]
