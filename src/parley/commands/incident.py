"""`parley incident`: declare a crisis, keep it, conclude it, debrief it. Parses, calls actions, prints."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from parley.commands.judging import By, find_staff
from parley.commands.running import AsJson, fail, settings_or_exit, show, with_transaction

app = typer.Typer(
    help="A crisis: the judge is stricter, new accounts wait, grave cases have a queue of their own.",
    no_args_is_help=True,
)

IncidentId = Annotated[int, typer.Argument(help="The incident's number, as `parley incident list` shows it.")]


async def _viewer(tx: Any, username: str) -> Any:
    from parley.social.accounts.views import Viewer

    staff = await find_staff(tx, username)
    return Viewer(account_id=staff.account_id, username=staff.username, role=staff.role)


@app.command("declare")
def incident_declare(
    kind: Annotated[str, typer.Argument(help="riot, mass_shooting or custom.")],
    by: By,
    title: Annotated[str, typer.Option(help="What it is called.")],
    why: Annotated[str, typer.Option(help="Why it is declared; it is on record.")],
    scope: Annotated[
        list[str] | None, typer.Option("--about", help="A word, hashtag or place that it is about; give several.")
    ] = None,
    hours: Annotated[float, typer.Option(help="Hours until it ends by itself, 72 at most.")] = 24.0,
    factor: Annotated[float | None, typer.Option(help="Multiplies thresholds; without it as the kind says.")] = None,
    hold_new: Annotated[bool, typer.Option(help="Hold everything that new accounts write.")] = True,
    severity: Annotated[int, typer.Option(help="Cases of this severity and graver go to the war queue.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Declare an incident. It is in force at once in every process; staff, hosts and app stores are told by mail."""
    from parley.safety.incidents.actions import declare_incident
    from parley.safety.incidents.overlay import TEMPLATES
    from parley.safety.incidents.views import IncidentView, NewIncident

    known = next((one for one in TEMPLATES if one == kind), None)
    if known is None:
        raise fail(f"An incident is one of {', '.join(TEMPLATES)}.")
    new = NewIncident(
        kind=known,
        title=title,
        why=why,
        scope=tuple(scope or ()),
        hours=hours,
        factor=factor,
        hold_new=hold_new,
        severity_at_most=severity,
    )

    async def declare(tx: Any) -> IncidentView:
        return await declare_incident(tx, await _viewer(tx, by), new)

    view = with_transaction(settings_or_exit(), declare)
    text = f"In force until {view.ends_at:%Y-%m-%d %H:%M} UTC. To end it: parley incident conclude {view.id} --by {by}"
    show(plain_incident(view), as_json, text)


@app.command("keep")
def incident_keep(
    incident_id: IncidentId,
    by: By,
    hours: Annotated[float, typer.Option(help="For how many hours from now.")] = 24.0,
    as_json: AsJson = False,
) -> None:
    """Let an incident last longer. Beyond 72 hours somebody else than who declared it has to do this."""
    from parley.safety.incidents.actions import keep_incident
    from parley.safety.incidents.views import IncidentView

    async def keep(tx: Any) -> IncidentView:
        return await keep_incident(tx, await _viewer(tx, by), incident_id, hours=hours)

    view = with_transaction(settings_or_exit(), keep)
    show(plain_incident(view), as_json, f"In force until {view.ends_at:%Y-%m-%d %H:%M} UTC.")


@app.command("conclude")
def incident_conclude(incident_id: IncidentId, by: By, as_json: AsJson = False) -> None:
    """End an incident: the policy of before judges again, exactly as it was."""
    from parley.safety.incidents.actions import conclude_incident
    from parley.safety.incidents.reads import get_incident
    from parley.safety.incidents.views import IncidentView

    async def conclude(tx: Any) -> IncidentView:
        viewer = await _viewer(tx, by)
        await conclude_incident(tx, viewer, incident_id)
        return await get_incident(tx, viewer, incident_id)

    view = with_transaction(settings_or_exit(), conclude)
    policy = (
        "The policy of before judges again." if view.restored else "Another policy was activated meanwhile; it stays."
    )
    show(plain_incident(view), as_json, f"{policy} Next: parley incident debrief {view.id} --by {by} --lessons '...'")


@app.command("debrief")
def incident_debrief(
    incident_id: IncidentId,
    by: By,
    lessons: Annotated[str, typer.Option(help="What was learned; it is kept with the figures.")],
    as_json: AsJson = False,
) -> None:
    """Keep the figures of an incident that is over, and what was learned of it."""
    from parley.safety.incidents.actions import debrief_incident
    from parley.safety.incidents.views import IncidentView

    async def debrief(tx: Any) -> IncidentView:
        return await debrief_incident(tx, await _viewer(tx, by), incident_id, lessons=lessons)

    view = with_transaction(settings_or_exit(), debrief)
    show(plain_incident(view), as_json, describe_incident(view))


@app.command("list")
def incident_list(as_json: AsJson = False) -> None:
    """List incidents, the newest first."""
    from parley.safety.incidents.reads import list_incidents
    from parley.safety.incidents.views import IncidentView
    from parley.social.accounts.views import Viewer

    async def read(tx: Any) -> list[IncidentView]:
        shell = Viewer(account_id=0, username="", role="owner")  # whoever may read the database may read this
        return await list_incidents(tx, shell)

    views = with_transaction(settings_or_exit(), read)
    text = "\n".join(describe_incident(view) for view in views) or "There was none."
    show({"incidents": [plain_incident(view) for view in views]}, as_json, text)


def plain_incident(view: Any) -> dict[str, Any]:
    """An incident for programs: ids as text."""
    plain: dict[str, Any] = msgspec.to_builtins(view)
    for name in ("id", "declared_by", "kept_by"):
        plain[name] = str(plain[name]) if plain[name] is not None else None
    return plain


def describe_incident(view: Any) -> str:
    """An incident in some lines."""
    lines = [f"{view.id} {view.title} ({view.kind}), {view.state}, declared by @{view.declared_name}"]
    lines[0] += f" {view.declared_at:%Y-%m-%d %H:%M}"
    if view.state == "active":
        lines.append(f"  until {view.ends_at:%Y-%m-%d %H:%M} UTC{'' if view.in_force else '; another policy judges'}")
    if view.figures is not None:
        one = view.figures
        lines.append(
            f"  {one.judged} judged in {one.hours:g} h: {one.held} held ({one.held_per_hour_before:g} an hour before), "
            f"{one.refused} refused; {one.released} released, {one.removed} removed, {one.waiting} wait"
        )
    if view.lessons:
        lines.append(f"  learned: {view.lessons}")
    return "\n".join(lines)
