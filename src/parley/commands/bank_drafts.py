"""`parley bank drafts`: lists that are too large for one person. Parses, calls one action, prints."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from parley.commands.judging import find_staff
from parley.commands.running import AsJson, settings_or_exit, show, with_transaction

app = typer.Typer(
    help="Lists that are too large for one person: they are looked for once a second one has confirmed them.",
    no_args_is_help=True,
)
Number = Annotated[int, typer.Argument(help="Number of the list, as `parley bank drafts list` shows it.")]
As = Annotated[
    str, typer.Option("--as", "--by", help="Username of the member of the staff who does this; it is on record.")
]


@app.command("list")
def drafts_list(
    everything: Annotated[bool, typer.Option("--all", help="Also those that wait no more.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what waits for a second person, with how it begins."""
    from parley.social.policies.reads import list_bank_drafts

    rows = with_transaction(settings_or_exit(), lambda tx: list_bank_drafts(tx, only_waiting=not everything))
    lines: list[str] = []
    for row in rows:
        by = f"@{row.proposed_name}" if row.proposed_name else "a shell"
        also = f", and by {', '.join('@' + name for name in row.approved_by)}" if row.approved_by else ""
        replaces = ", replaces what it lacks" if row.replace else ""
        what = f"{row.entries:,} {row.kind} for {row.bank} from {row.source}{replaces}"
        lines.append(f"{row.id}  {row.state:<9} {what}, by {by}{also}")
        lines += [f"    {sample}" for sample in (row.samples if row.state == "waiting" else ())]
    plain = [
        {
            "id": str(row.id),
            "state": row.state,
            "kind": row.kind,
            "bank": row.bank,
            "source": row.source,
            "entries": row.entries,
            "replace": row.replace,
            "proposed_by": row.proposed_name,
            "approved_by": row.approved_by,
            "samples": row.samples,
        }
        for row in rows
    ]
    show({"drafts": plain}, as_json, "\n".join(lines) or "No list waits for a second person.")


@app.command("confirm")
def drafts_confirm(number: Number, who: As, as_json: AsJson = False) -> None:
    """Stand behind a list that somebody else brought in: all of it is looked for at once."""
    from parley.safety.drafts import Confirmed, confirm_draft

    settings = settings_or_exit()

    async def confirm(tx: Any) -> Confirmed:
        return await confirm_draft(tx, settings, await find_staff(tx, who), number)

    done = with_transaction(settings, confirm)
    text = f"{done.changed:,} entries of {done.draft.bank} are new, changed or taken out."
    if not done.enough:
        text = "Noted. It came from a shell, which is nobody by name: somebody else has to confirm it too."
    result = {"id": str(number), "confirmed": done.enough, "changed": done.changed}
    show(result, as_json, text)


@app.command("refuse")
def drafts_refuse(
    number: Number,
    who: As,
    why: Annotated[str, typer.Option(help="Why; it is on record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Do not take a list in, or withdraw one's own."""
    from parley.safety.drafts import refuse_draft

    async def refuse(tx: Any) -> Any:
        return await refuse_draft(tx, await find_staff(tx, who), number, answer=why)

    row = with_transaction(settings_or_exit(), refuse)
    show({"id": str(number), "state": "refused"}, as_json, f"The list {row.source} for {row.bank} is refused.")
