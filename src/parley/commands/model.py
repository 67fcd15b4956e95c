"""`parley model`: how well the judge does, and trying another text model beside the live one. Parses, calls, prints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from parley.commands.judging import By, find_staff, safe_ids, with_judge
from parley.commands.running import AsJson, settings_or_exit, show
from parley.kit.clock import now
from parley.kit.db import Database
from parley.safety.candidates.actions import LEAST_COMPARED
from parley.safety.candidates.views import CandidateView
from parley.safety.feedback.evaluation import Evaluation, Quality, Share
from parley.screening import Ruleset

app = typer.Typer(help="Measure the text model and try another one beside it.", no_args_is_help=True)
Since = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="From this day on (UTC).")]


@app.command("evaluate")
def model_evaluate(since: Since = None, as_json: AsJson = False) -> None:
    """Compare what the judge said with what people decided: precision, recall and calibration, with intervals.

    Labels are of what came before people at all; of what nobody looked at, nothing is known.
    The last 90 days by default.
    """
    from parley.safety.feedback.reads import get_evaluation

    async def evaluate(db: Database, ruleset: Ruleset) -> Evaluation:
        moment = since.replace(tzinfo=UTC) if since else now() - timedelta(days=90)
        async with db.read() as tx:
            return await get_evaluation(tx, ruleset, moment)

    found = with_judge(settings_or_exit(), evaluate)
    show(msgspec.to_builtins(found), as_json, describe_evaluation(found))


@app.command("candidate")
def model_candidate(
    folder: Annotated[Path, typer.Argument(help="Folder with text.json and the files that it names.")],
    by: By,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """Let another model judge beside the live one. It decides nothing; the worker runs it every five minutes."""
    from parley.safety.candidates.actions import add_candidate

    async def add(db: Database, ruleset: Ruleset) -> CandidateView:
        moment = since.replace(tzinfo=UTC) if since else None
        async with db.write() as tx:
            return await add_candidate(tx, await find_staff(tx, by), ruleset, folder, since=moment)

    view = with_judge(settings_or_exit(), add)
    text = f"Candidate {view.version} ({view.sha256[:12]}) judges from now on. Later: parley model compare --by {by}"
    _show(view, as_json, text)


@app.command("compare")
def model_compare(by: By, as_json: AsJson = False) -> None:
    """Compare the candidate with the live model, over what both have judged."""
    from parley.safety.candidates.actions import compare_candidate

    async def compare(db: Database, _ruleset: Ruleset) -> CandidateView:
        async with db.write() as tx:
            return await compare_candidate(tx, await find_staff(tx, by))

    view = with_judge(settings_or_exit(), compare)
    _show(view, as_json, describe_candidate(view))


@app.command("promote")
def model_promote(
    by: By,
    least: Annotated[int, typer.Option(help="Over how many revisions it must have been compared.")] = LEAST_COMPARED,
    note: Annotated[str, typer.Option(help="Why; it is on record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let the candidate take the live model's place, in every process and without a restart. Plans a sweep.

    Where it would stop or let through much, whoever brought it in needs another admin or owner to do this.
    """
    from parley.safety.candidates.actions import promote_candidate

    settings = settings_or_exit()

    async def promote(db: Database, _ruleset: Ruleset) -> str:
        async with db.write() as tx:
            return await promote_candidate(tx, await find_staff(tx, by), settings, least=least, note=note)

    previous = with_judge(settings, promote)
    text = f"It is live. Before it was {previous[:12] or 'the model that ships'}: parley model rollback goes back."
    show({"previous": previous}, as_json, text)


@app.command("rollback")
def model_rollback(
    by: By, note: Annotated[str, typer.Option(help="Why; it is on record.")] = "", as_json: AsJson = False
) -> None:
    """Let the model before the last promotion judge again."""
    from parley.social.policies.models import roll_back_model

    async def back(db: Database, _ruleset: Ruleset) -> str:
        async with db.write() as tx:
            return await roll_back_model(tx, await find_staff(tx, by), note=note)

    sha256 = with_judge(settings_or_exit(), back)
    show({"live": sha256}, as_json, f"Live is {sha256[:12] or 'the model that ships'}.")


@app.command("stop")
def model_stop(by: By, as_json: AsJson = False) -> None:
    """Let the candidate judge no longer. What it said is kept."""
    from parley.safety.candidates.actions import stop_candidate

    async def stop(db: Database, _ruleset: Ruleset) -> None:
        async with db.write() as tx:
            await stop_candidate(tx, await find_staff(tx, by))

    with_judge(settings_or_exit(), stop)
    show({"stopped": True}, as_json, "The candidate judges no longer.")


def describe_candidate(view: CandidateView) -> str:
    """A comparison in some lines."""
    found = view.comparison
    if found is None:
        return f"Candidate {view.version} was not compared yet."
    lines = [f"Candidate {view.version} ({view.sha256[:12]}): {found.judged} revisions, {found.same} judged alike"]
    lines += [f"  {change}: {count}" for change, count in sorted(found.changes.items())]
    lines.append(f"  would stop {found.stopped} more, let through {found.released} more")
    if found.labels:
        lines.append(
            f"  of {found.labels} decisions the live model agreed with {found.live_agreed}, "
            f"the candidate with {found.candidate_agreed}"
        )
    lines += [f"  {head}: mean distance {distance:.3f}" for head, distance in found.difference.items()]
    for sample in found.samples:
        said = sample.text or f"({sample.subject_type}, not for everybody to read)"
        lines.append(f"  - live {sample.live}, candidate {sample.candidate}: {said[:100]!r}")
    return "\n".join(lines)


def describe_evaluation(found: Evaluation) -> str:
    """An evaluation in some lines."""
    if not found.labels:
        return "Nobody has decided about anything in this time: there is nothing to compare with."
    lines = [f"{found.labels} decisions of people", "                          precision              recall"]
    lines.append(_quality("verdicts", found.verdicts))
    lines += [_quality(f"clause {name}", one) for name, one in found.by_clause.items()]
    lines += [_quality(f"language {name}", one) for name, one in found.by_language.items()]
    for head, one in found.heads.items():
        lines.append(_quality(f"{head} >= {one.threshold:.2f}", one.quality))
        lines.append(f"    calibration error {one.calibration_error:.3f}")
    return "\n".join(lines)


def _quality(name: str, one: Quality) -> str:
    return f"  {name:<26} {_share(one.right):<22} {_share(one.caught)}"


def _share(share: Share) -> str:
    return f"{share.count}/{share.of} ({share.low:.2f}-{share.high:.2f})" if share.of else "nothing to count"


def _show(view: CandidateView, as_json: bool, text: str) -> None:
    show({**safe_ids(msgspec.to_builtins(view)), "id": str(view.id)}, as_json, text)
