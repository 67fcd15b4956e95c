"""`parley notice`: orders of authorities, and where notices stand. Parses, calls one action or read, prints."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from parley.commands.running import AsJson, fail, settings_or_exit, show, with_transaction

app = typer.Typer(help="Notices from outside: orders of authorities, and where they stand.", no_args_is_help=True)


@app.command("order")
def order(
    authority: Annotated[str, typer.Option(help="Who orders it.")],
    url: Annotated[list[str], typer.Option(help="Address that the order names; repeat it.")],
    kind: Annotated[str, typer.Option(help="removal or preservation.")] = "removal",
    reference: Annotated[str, typer.Option(help="Their reference.")] = "",
    basis: Annotated[str, typer.Option(help="The law that they name.")] = "",
    statement: Annotated[str, typer.Option(help="What the order says.")] = "",
    mail: Annotated[str, typer.Option(help="Mail address to which the answer goes.")] = "",
    as_json: AsJson = False,
) -> None:
    """Take in an order that came by paper or telephone. A removal has an hour; what is to be kept is held at once."""
    from parley.safety.log.views import system
    from parley.safety.notices.actions import file_notice
    from parley.safety.notices.reads import load_notice
    from parley.safety.notices.views import NewNotice

    if kind not in ("removal", "preservation"):
        raise fail("--kind must be removal or preservation.")
    settings = settings_or_exit()

    async def take(tx: Any) -> Any:
        new = NewNotice(
            source="authority_order",
            channel="shell",
            urls=tuple(url),
            statement=statement,
            verified=True,
            format="list",
            reference=reference,
            order_kind=kind,  # type: ignore[arg-type]
            authority=authority,
            basis=basis,
            answer_to=mail,
            good_faith=True,
        )
        return await load_notice(tx, await file_notice(tx, settings, system("shell"), new))

    made = with_transaction(settings, take)
    result = {
        "id": str(made.id),
        "status": made.progress,
        "due_at": made.due_at.isoformat(),
        "cases": [str(one) for one in made.case_ids],
        "page": f"{settings.base_url}/desk/notices/{made.id}",
    }
    show(
        result,
        as_json,
        f"Notice {made.id}: due {made.due_at:%Y-%m-%d %H:%M} UTC, {settings.base_url}/desk/notices/{made.id}",
    )


@app.command("show")
def show_one(
    notice: Annotated[int, typer.Argument(help="Its number.")],
    as_json: AsJson = False,
) -> None:
    """What a notice names, and what became of each address."""
    from parley.safety.notices.reads import PROGRAM, list_ledger, load_notice
    from parley.safety.notices.responses import describe_line

    async def read(tx: Any) -> Any:
        return await load_notice(tx, notice), await list_ledger(tx, PROGRAM, notice)

    found, lines = with_transaction(settings_or_exit(), read)
    result = {
        "id": str(found.id),
        "status": found.progress,
        "reason": found.reason,
        "from": found.sender,
        "reference": found.reference,
        "due_at": found.due_at,
        "urls": [describe_line(line) for line in lines],
    }
    text = [f"Notice {found.id} of {found.sender}: {found.progress}, {found.reason}"]
    text += [f"  {line.outcome:<10} {line.clause or '-':<5} {line.url}" for line in lines]
    show(msgspec.to_builtins(result), as_json, "\n".join(text))
