"""`parley sweep`: judge history again under the live ruleset. Parses, calls actions, prints."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from parley.commands.judging import CORES, By, Processes, find_staff, progress_bar, safe_ids, with_judge
from parley.commands.running import AsJson, fail, settings_or_exit, show
from parley.kit.db import Database
from parley.safety.sweeps.views import PER_SECOND, Count, MemberSweepView, SweepView
from parley.screening import Ruleset

app = typer.Typer(
    help="Judge what is there already by the rules that are live now: plan, count, approve, run, undo.",
    no_args_is_help=True,
)

SweepId = Annotated[int, typer.Argument(help="The sweep's number, as `parley sweep list` shows it.")]
Since = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Only what was judged since then (UTC)."),
]


@app.command("plan")
def sweep_plan(
    by: By,
    reason: Annotated[str, typer.Option(help="Why; it is on record.")] = "Planned by hand.",
    since: Since = None,
    release: Annotated[
        bool, typer.Option("--release", help="Also publish what was held and would be published now.")
    ] = False,
    per_second: Annotated[int, typer.Option(help="How many revisions are judged in a second at most.")] = PER_SECOND,
    as_json: AsJson = False,
) -> None:
    """Plan to judge all of history again. Nothing is judged yet; every change of the ruleset plans one by itself."""
    from parley.safety.sweeps.actions import plan_sweep
    from parley.safety.sweeps.views import NewSweep

    async def plan(db: Database, ruleset: Ruleset) -> SweepView:
        from parley.safety.sweeps.reads import get_sweep

        moment = since.replace(tzinfo=UTC) if since else None
        new = NewSweep(reason=reason, release=release, per_second=per_second, since=moment)
        async with db.write() as tx:
            sweep_id = await plan_sweep(tx, await find_staff(tx, by), ruleset, new)
            return await get_sweep(tx, sweep_id)

    view = with_judge(settings_or_exit(), plan)
    text = f"Planned sweep {view.id} over {view.total} results. Next: parley sweep count {view.id} --by {by}"
    _show_view(view, as_json, text)


@app.command("count")
def sweep_count(
    sweep_id: SweepId,
    by: By,
    whole: Annotated[bool, typer.Option("--whole", help="Judge all of it, not a part chosen by chance.")] = False,
    processes: Processes = CORES,
    as_json: AsJson = False,
) -> None:
    """Find out what a sweep would do, without doing it."""
    from parley.safety.judging import local_processes
    from parley.safety.sweeps.actions import count_sweep
    from parley.social.policies.sources import get_live_source

    async def count(db: Database, ruleset: Ruleset) -> Count:
        async with db.read() as tx:
            staff, source = await find_staff(tx, by), await get_live_source(tx)
        async with local_processes(source, ruleset.sha256, processes) as judges:
            with progress_bar("judging", as_json) as progress:
                return await count_sweep(db, staff, sweep_id, judges, ruleset, whole=whole, progress=progress)

    counted = with_judge(settings_or_exit(), count)
    plain = msgspec.to_builtins(counted)
    show({"id": str(sweep_id), **safe_ids(plain)}, as_json, describe_count(counted))


@app.command("approve")
def sweep_approve(
    sweep_id: SweepId,
    by: By,
    note: Annotated[str, typer.Option(help="What you looked at; it is on record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Approve a counted sweep, so that it may run. Large ones need two members of the staff."""
    from parley.safety.sweeps.actions import approve_sweep

    settings = settings_or_exit()

    async def approve(db: Database, _ruleset: Ruleset) -> bool:
        async with db.write() as tx:
            return await approve_sweep(tx, await find_staff(tx, by), settings, sweep_id, note=note)

    enough = with_judge(settings, approve)
    text = f"Approved. Next: parley sweep run {sweep_id}" if enough else "Noted. Somebody else has to approve it too."
    show({"id": str(sweep_id), "approved": enough}, as_json, text)


@app.command("run")
def sweep_run(
    sweep_id: SweepId,
    processes: Processes = CORES,
    background: Annotated[
        bool, typer.Option("--background", help="Let the worker do it, beside its other jobs, and return at once.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run an approved sweep, or go on with one that was cut off."""
    from parley.kit.jobs import enqueue
    from parley.safety.judging import local_processes
    from parley.safety.sweeps.reads import get_sweep
    from parley.safety.sweeps.running import run_sweep
    from parley.social.policies.sources import get_live_source

    async def run(db: Database, ruleset: Ruleset) -> SweepView:
        async with db.write() as tx:
            source = await get_live_source(tx)
            if background:
                await enqueue(tx, "run_approved_sweep", {"sweep_id": sweep_id})
                return await get_sweep(tx, sweep_id)
        async with local_processes(source, ruleset.sha256, processes) as judges:
            with progress_bar("sweeping", as_json) as progress:
                await run_sweep(db, settings_or_exit(), sweep_id, judges, ruleset, progress=progress)
        async with db.read() as tx:
            return await get_sweep(tx, sweep_id)

    view = with_judge(settings_or_exit(), run)
    _show_view(view, as_json, describe_sweep(view))


@app.command("status")
def sweep_status(sweep_id: SweepId, as_json: AsJson = False) -> None:
    """Show how far a sweep is and what it did."""
    from parley.kit.errors import NotFound
    from parley.safety.sweeps.reads import get_member_sweep, get_sweep

    async def read(db: Database, _ruleset: Ruleset) -> SweepView | MemberSweepView:
        async with db.read() as tx:
            try:
                return await get_sweep(tx, sweep_id)
            except NotFound:
                return await get_member_sweep(tx, sweep_id)

    view = with_judge(settings_or_exit(), read)
    if isinstance(view, MemberSweepView):
        show(_plain(view), as_json, describe_member_sweep(view))
        return
    text = describe_sweep(view) + (f"\n\n{describe_count(view.count)}" if view.count else "")
    _show_view(view, as_json, text)


@app.command("list")
def sweep_list(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that have not ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """List sweeps, the newest first: over history, then over members whom new entries of banks mean."""
    from parley.safety.sweeps.reads import list_member_sweeps, list_sweeps

    async def read(db: Database, _ruleset: Ruleset) -> tuple[list[SweepView], list[MemberSweepView]]:
        async with db.read() as tx:
            over_members = await list_member_sweeps(tx, only_open=only_open)
            return await list_sweeps(tx, only_open=only_open), over_members

    views, members = with_judge(settings_or_exit(), read)
    result = {"sweeps": [_plain(view) for view in views], "members": [_plain(view) for view in members]}
    lines = [describe_sweep(view) for view in views] + [describe_member_sweep(view) for view in members]
    show(result, as_json, "\n".join(lines) or "There is none.")


@app.command("abort")
def sweep_abort(
    sweep_id: SweepId,
    by: By,
    reason: Annotated[str, typer.Option(help="Why; it is on record.")] = "",
    as_json: AsJson = False,
) -> None:
    """End a sweep. What it did stays until it is undone."""
    from parley.safety.sweeps.actions import abort_sweep

    async def abort(db: Database, _ruleset: Ruleset) -> None:
        async with db.write() as tx:
            await abort_sweep(tx, await find_staff(tx, by), sweep_id, note=reason)

    with_judge(settings_or_exit(), abort)
    show({"id": str(sweep_id), "state": "aborted"}, as_json, f"Sweep {sweep_id} is aborted.")


@app.command("undo")
def sweep_undo(sweep_id: SweepId, by: By, as_json: AsJson = False) -> None:
    """Take back what a sweep did, as far as nothing else has happened since. May be cut off and called again."""
    from parley.safety.sweeps.running import undo_sweep

    async def undo(db: Database, _ruleset: Ruleset) -> tuple[int, int]:
        async with db.read() as tx:
            staff = await find_staff(tx, by)
        with progress_bar("undoing", as_json) as progress:
            return await undo_sweep(db, settings_or_exit(), staff, sweep_id, progress=progress)

    restored, kept = with_judge(settings_or_exit(), undo)
    text = f"Restored {restored}." + (f" {kept} stay as they are: something happened to them since." if kept else "")
    show({"id": str(sweep_id), "restored": restored, "kept": kept}, as_json, text)


@app.command("export")
def sweep_export(
    to: Annotated[Path, typer.Option(help="An empty folder that only operators can read: it holds private posts.")],
    as_json: AsJson = False,
) -> None:
    """Write all of history to Parquet files, for judging it on other machines. Needs the extra `cluster`."""
    from parley.safety.sweeps.exporting import export_history
    from parley.safety.sweeps.parquet import Manifest
    from parley.social.policies.sources import get_live_source

    async def export(db: Database, ruleset: Ruleset) -> Manifest:
        async with db.read() as tx:
            source = await get_live_source(tx)
        with progress_bar("exporting", as_json) as progress:
            return await export_history(db, to, ruleset, source, progress=progress)

    manifest = with_judge(settings_or_exit(), export)
    rows = sum(part.rows for part in manifest.parts)
    text = f"Wrote {rows} revisions in {len(manifest.parts)} parts. Next: parley sweep judge {to} --to FOLDER"
    show({"rows": rows, "parts": len(manifest.parts), "ruleset": manifest.ruleset}, as_json, text)


@app.command("judge")
def sweep_judge(
    folder: Annotated[Path, typer.Argument(help="What `parley sweep export` wrote.")],
    to: Annotated[Path, typer.Option(help="Where the verdicts go; on a cluster, a folder that all machines see.")],
    on: Annotated[str, typer.Option(help="local: processes of this machine. ray: a Ray cluster.")] = "local",
    processes: Processes = CORES,
    address: Annotated[str, typer.Option(help="Of a running Ray cluster; empty: start Ray on this machine.")] = "",
    as_json: AsJson = False,
) -> None:
    """Judge exported history; needs no database. May be cut off and called again."""
    from parley.kit.errors import ParleyError
    from parley.safety.sweeps.cluster import judge_export

    try:
        with progress_bar("judging parts", as_json) as progress:
            where: Literal["local", "ray"] = "ray" if on == "ray" else "local"
            manifest = judge_export(folder, to, on=where, processes=processes, address=address, progress=progress)
    except ParleyError as error:
        raise fail(error.text) from error
    rows = sum(part.rows for part in manifest.parts)
    show({"rows": rows, "ruleset": manifest.ruleset}, as_json, f"Judged {rows} revisions. Next: parley sweep apply")


@app.command("apply")
def sweep_apply(
    folder: Annotated[Path, typer.Argument(help="The verdicts that `parley sweep judge` wrote.")],
    sweep_id: Annotated[int, typer.Option("--sweep", help="An approved sweep under the same ruleset.")],
    as_json: AsJson = False,
) -> None:
    """Let verdicts given elsewhere take effect; `parley sweep run` then does what is newer than the export."""
    from parley.safety.sweeps.exporting import apply_verdicts
    from parley.safety.sweeps.reads import get_sweep

    async def apply(db: Database, ruleset: Ruleset) -> SweepView:
        with progress_bar("applying parts", as_json) as progress:
            await apply_verdicts(db, settings_or_exit(), sweep_id, folder, ruleset, progress=progress)
        async with db.read() as tx:
            return await get_sweep(tx, sweep_id)

    view = with_judge(settings_or_exit(), apply)
    _show_view(view, as_json, f"{describe_sweep(view)}\nNext: parley sweep run {sweep_id}")


def describe_sweep(view: SweepView) -> str:
    """A sweep in a few lines."""
    lines = [f"sweep {view.id}: {view.state}, {view.judged} of about {view.total} judged, {view.acted} acted on"]
    if view.scope == "files":
        lines.append("  Over the posts, files and profiles that carry a file which a bank of hashes knows now.")
    lines.append(f"  {view.reason} Planned {view.planned_at:%Y-%m-%d %H:%M} UTC, ruleset {view.ruleset[:12]}.")
    if view.changed:
        lines.append(f"  changed: {', '.join(view.changed[:8])}{' ...' if len(view.changed) > 8 else ''}")
    if view.approved_by:
        lines.append(f"  approved by {', '.join('@' + name for name in view.approved_by)}")
    if view.changes:
        lines.append("  did: " + ", ".join(f"{count} {kind}" for kind, count in sorted(view.changes.items())))
    if view.unclear:
        lines.append(f"  {view.unclear} could not be judged completely and stay as they are")
    if view.undone:
        lines.append("  undone: " + ", ".join(f"{count} {what}" for what, count in sorted(view.undone.items())))
    if view.note:
        lines.append(f"  {view.note}")
    return "\n".join(lines)


def describe_member_sweep(view: MemberSweepView) -> str:
    """A sweep over members in a few lines."""
    lines = [
        f"sweep {view.id}: {view.state}, {view.looked:,} of about {view.members:,} members looked at",
        f"  Whom {view.entries:,} new entries of the banks of sign-up mean. It acts on nobody: no approval is needed.",
        f"  Planned {view.planned_at:%Y-%m-%d %H:%M} UTC, ruleset {view.ruleset[:12]}.",
        f"  {view.meant:,} are meant: {view.opened:,} came before the moderators, {view.held:,} wait to be let in",
    ]
    if view.left_out:
        lines.append(f"  STOPPED: {view.left_out:,} more did not come before them; see `parley bank members`")
    for one in view.counts:
        over = f", {one.left_out:,} left out" if one.left_out else ""
        lines.append(f"  - {one.bank}/{one.entry}: {one.meant:,} meant, {one.opened:,} cases{over}")
    return "\n".join(lines)


_EFFECTS = {"hide": "hidden", "limit": "limited", "flag": "put before moderators", "release": "published"}


def describe_count(count: Count) -> str:
    """What a sweep would do, in a few lines."""
    part = "all" if count.share >= 1 else f"{100 * count.share:.1f} %, chosen by chance,"
    lines = [f"Judged {count.judged} revisions, {part} of this history."]
    for effect, (middle, low, high) in sorted(count.expected.items()):
        span = "" if low == high else f" ({low} to {high})"
        lines.append(f"  would be {_EFFECTS[effect]}: {middle}{span}")
    if not count.expected:
        lines.append("  nothing would change")
    if count.clauses:
        lines.append("  by clause: " + ", ".join(f"{name}: {found}" for name, found in sorted(count.clauses.items())))
    lines.append(f"  of {count.accounts} accounts; {count.unclear} could not be judged completely")
    for sample in count.samples:
        said = sample.text or f"({sample.subject_type}, not for everybody to read)"
        lines.append(f"  - {sample.before} > {sample.after} {sample.clause or ''}: {said[:100]!r}")
        lines += [f"      {reason[:160]}" for reason in sample.because[:2]]
    return "\n".join(lines)


def _show_view(view: SweepView, as_json: bool, text: str) -> None:
    show(_plain(view), as_json, text)


def _plain(view: SweepView | MemberSweepView) -> dict[str, Any]:
    plain = safe_ids(msgspec.to_builtins(view))
    return {**plain, "id": str(view.id)}
