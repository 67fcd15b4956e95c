"""`parley policy`: look at, test and change the moderation policy. Parses, calls one action, prints."""

from __future__ import annotations

from typing import Annotated

import typer

from parley.commands.running import AsJson, settings_or_exit, show

app = typer.Typer(help="Look at, test and change the moderation policy.", no_args_is_help=True)


@app.command("check")
def policy_check(
    folder: Annotated[str, typer.Argument(help="Folder of the policy; the one in use when not given.")] = "",
    as_json: AsJson = False,
) -> None:
    """Validate a moderation policy and run the test cases written beside its rules."""
    from parley import screening

    problems = screening.check_policy(folder or settings_or_exit().policy_dir or None)
    texts = [str(problem) for problem in problems]
    show(
        {"problems": texts},
        as_json,
        "\n".join(texts) or "The policy is valid and all of its test cases pass.",
    )
    if problems:
        raise typer.Exit(1)
