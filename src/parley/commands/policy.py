"""`parley policy`: look at, test and compare policies. Parses, calls one read, prints.

Versions, who approves them and which is live: `policy_versions.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parley.commands.running import AsJson, fail, settings_or_exit, show, with_transaction

if TYPE_CHECKING:
    from parley.screening import Ruleset, Verdict

app = typer.Typer(help="Look at, test and change the moderation policy.", no_args_is_help=True)

Named = Annotated[
    str,
    typer.Argument(
        help="A folder, `shipped`, `live`, or the hash of a version (its first digits). Default: what is configured."
    ),
]


def load_named(written: str) -> Ruleset:
    """The ruleset that is meant: of a folder, of what ships, of what is live, or of a version in the database."""
    from parley import screening
    from parley.screening import PolicyError

    settings = settings_or_exit()
    try:
        if written == "shipped":
            return screening.load_policy(screening.shipped_policy())
        if not written or Path(written).is_dir():
            return screening.load_policy(written or settings.policy_dir or screening.shipped_policy())
    except PolicyError as error:
        raise fail(str(error)) from error
    if "/" in written or written == ".":
        raise fail(f"There is no folder {written}.")

    async def load(tx: Any) -> Ruleset:
        from parley.social.policies.actions import find_version
        from parley.social.policies.live import load_version

        if written == "live":
            return screening.live_ruleset()
        return await load_version(tx, (await find_version(tx, written)).sha256)

    return with_transaction(settings, load)


def _is_folder(written: str) -> bool:
    return Path(written).exists() or "/" in written or written == "."


@app.command("check")
def policy_check(
    policy: Named = "",
    as_json: AsJson = False,
) -> None:
    """Validate a moderation policy and run the test cases written beside its rules."""
    from parley import screening
    from parley.screening.cases import run_cases

    if policy in ("", "shipped") or _is_folder(policy):
        folder = "" if policy == "shipped" else policy or settings_or_exit().policy_dir
        problems = screening.check_policy(folder or None)
    else:
        problems = run_cases(load_named(policy))
    texts = [str(problem) for problem in problems]
    show(
        {"problems": texts},
        as_json,
        "\n".join(texts) or "The policy is valid and all of its test cases pass.",
    )
    if problems:
        raise typer.Exit(1)


@app.command("test")
def policy_test(
    policy: Named = "",
    failing: Annotated[bool, typer.Option("--failing", help="Show only the tests that fail.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run every test case of a policy and print how each went."""
    from parley.screening.cases import run_each_case

    done = run_each_case(load_named(policy))
    failed = [one for one in done if one.message]
    rows = [
        {
            "file": one.case.file,
            "line": one.case.line,
            "case": one.about,
            "passed": not one.message,
            "message": one.message,
        }
        for one in done
    ]
    if as_json:
        show({"cases": rows, "passed": len(done) - len(failed), "failed": len(failed)}, True, "")
    else:
        from rich.markup import escape

        lines = [
            (
                f"{one.case.file}:{one.case.line}",
                escape(one.about),
                f"[red]{escape(one.message)}" if one.message else "[green]passed",
            )
            for one in (failed if failing else done)
        ]
        _print_table(("where", "test", "result"), lines)
        typer.echo(f"{len(done) - len(failed)} of {len(done)} tests pass.")
    if failed:
        raise typer.Exit(1)


@app.command("diff")
def policy_diff(
    old: Annotated[str, typer.Argument(help="A folder, `shipped`, `live`, or the hash of a version.")],
    new: Annotated[str, typer.Argument(help="The same: what would take its place.")],
    as_json: AsJson = False,
) -> None:
    """Say in plain words what changes from one policy to another, and which test cases come out differently."""
    from parley.screening.cases import compare_on_cases
    from parley.screening.difference import compare_rulesets

    before, after = load_named(old), load_named(new)
    changes = compare_rulesets(before, after)
    cases = compare_on_cases(before, after)
    result = {
        "old": before.policy_sha256,
        "new": after.policy_sha256,
        "changes": [
            {"part": c.part, "name": c.name, "text": c.text, "stops": c.stops, "frees": c.frees} for c in changes
        ],
        "cases": [
            {
                "file": c.case.file,
                "line": c.case.line,
                "case": c.case.case.name,
                "old": str(c.before),
                "new": str(c.after),
            }
            for c in cases
        ],
    }
    lines = [f"{'!' if change.stops else ' '}{'-' if change.frees else ' '} {change}" for change in changes]
    if any(change.stops for change in changes):
        lines.append("\nWhat is marked with ! may stop posts that go through now.")
    if any(change.frees for change in changes):
        lines.append("\nWhat is marked with - may let through, or show to nobody, what is stopped or flagged now.")
    if cases:
        lines.append(f"\n{len(cases)} test cases come out differently:")
        lines += [f"  {c.case.file}:{c.case.line} {c.case.case.name}: {c.before} becomes {c.after}" for c in cases]
    show(result, as_json, "\n".join(lines) or "Nothing differs.")


@app.command("explain")
def policy_explain(
    text: Annotated[str, typer.Argument(help="What somebody writes.")],
    policy: Annotated[
        str, typer.Option("--policy", help="A folder, `shipped`, `live`, or the hash of a version.")
    ] = "",
    kind: Annotated[str, typer.Option(help="status, poll, media, profile or message.")] = "status",
    link: Annotated[list[str] | None, typer.Option(help="A link in it; may be given several times.")] = None,
    mentions: Annotated[int, typer.Option(min=0, help="How many people it mentions.")] = 0,
    account_age_days: Annotated[float, typer.Option(min=0, help="How old the author's account is.")] = 10,
    published_statuses: Annotated[int, typer.Option(min=0, help="How many posts the author has published.")] = 10,
    role: Annotated[str, typer.Option(help="member, moderator, admin or owner.")] = "member",
    as_json: AsJson = False,
) -> None:
    """Judge a text and say why: verdict, rules and entries that were found, signals, and the words that count."""
    import msgspec

    from parley.kit.clock import now
    from parley.screening import Content, Facts, judge
    from parley.screening.signals import SIGNALS

    ruleset = load_named(policy)
    wanted = {"kind": kind, "texts": {"text": text}, "links": link or [], "mentions_count": mentions}
    try:
        content = msgspec.convert(wanted, Content)
    except msgspec.ValidationError as error:
        raise fail(f"This cannot be judged: {error}.") from error
    facts = Facts(now=now(), account_age_days=account_age_days, published_statuses=published_statuses, role=role)
    # Loads the model, so that the times below are those of a post; another text, for this one would be remembered.
    judge(Content(kind="status", texts={"text": "The gate of the old garden squeaks again"}), facts, ruleset=ruleset)
    verdict = judge(content, facts, ruleset=ruleset)
    words = _carrying_words(text)
    result = msgspec.to_builtins(
        {
            "outcome": verdict.outcome,
            "clause": verdict.clause,
            "sentence": verdict.sentence,
            "because": verdict.because,
            "rules": verdict.rules,
            "matches": verdict.matches,
            "signals": verdict.signals,
            "labels": verdict.labels,
            "trust": verdict.trust,
            "degraded": verdict.degraded,
            "latency_us": verdict.latency_us,
            "costs": [
                {
                    "signal": s.name,
                    "version": s.version,
                    "on": s in ruleset.signals,
                    "us": verdict.costs_us.get(s.name, 0),
                }
                for s in SIGNALS
            ],
            "ruleset": verdict.ruleset,
            "words": words,
        }
    )
    show(result, as_json, _explained(verdict, ruleset, words))


def _carrying_words(text: str) -> list[str]:
    """Which words carried the text model's scores, where there is a model."""
    from parley.screening.text_model import ModelUnavailable
    from parley.screening.text_reasons import explain_scores

    try:
        return [reason.sentence for reason in explain_scores(text)]
    except ModelUnavailable as error:
        return [f"The text model cannot be used: {error}"]


def _explained(verdict: Verdict, ruleset: Ruleset, words: list[str]) -> str:
    from parley.screening.signals import SIGNALS

    clause = ruleset.clauses.get(verdict.clause or "")
    lines = [f"{str(verdict.outcome).upper()}{f' under rule {clause.id} ({clause.title})' if clause else ''}"]
    lines += [f'The author is told: "{verdict.sentence}"'] if verdict.sentence else []
    lines += [f"because: {reason}" for reason in verdict.because]
    for rule in verdict.rules:
        if not rule.decides:
            lines.append(f"only logged: {rule.rule} would {rule.outcome}: {rule.because}")
    lines += [f"label: {label}" for label in verdict.labels]
    lines += [f"model: {sentence}" for sentence in words]
    lines.append("signals that are not at rest:")
    lines += [
        f"  {name} = {value}" for name, value in sorted(verdict.signals.items()) if value not in (False, 0, 0.0, "", [])
    ]
    lines.append("what each signal took, in microseconds (its version):")
    took = (f"{s.name} {verdict.costs_us.get(s.name, 0)} ({s.version})" for s in ruleset.signals)
    lines.append(f"  {', '.join(took)}")
    off = [s.name for s in SIGNALS if s not in ruleset.signals]
    lines += [f"switched off: {', '.join(off)}"] if off else []
    lines.append(f"in {verdict.latency_us / 1000:.1f} ms, author {verdict.trust}, ruleset {verdict.ruleset[:12]}")
    return "\n".join(lines)


@app.command("show")
def policy_show(
    policy: Named = "",
    as_json: AsJson = False,
) -> None:
    """Print a policy for people: its clauses with severity, clock and strike, its ladder, and its rules."""
    import msgspec

    from parley.screening.ruleset import describe_step, severity_name

    ruleset = load_named(policy)
    head = ruleset.head
    rules = [
        {
            "id": r.id,
            "decides": r.decides,
            "outcome": str(r.outcome),
            "clause": r.clause or r.matches,
            "when": r.when,
            "title": r.title,
        }
        for r in ruleset.rules
    ]
    result = {
        "name": ruleset.name,
        "version": ruleset.version,
        "policy_sha256": ruleset.policy_sha256,
        "ruleset": ruleset.sha256,
        "clauses": msgspec.to_builtins(list(ruleset.clauses.values())),
        "ladder": msgspec.to_builtins(head.ladder),
        "clocks": msgspec.to_builtins(head.clocks),
        "thresholds": head.thresholds,
        "rules": rules,
    }
    lines = [f"{ruleset.name} {ruleset.version} ({ruleset.policy_sha256[:12]})"]
    for clause in ruleset.clauses.values():
        marks = [severity_name(clause.severity)]
        marks += [f"acted on within {clause.clock_hours} h"] if clause.clock_hours else []
        marks += [f"strike {clause.strike_weight} for {clause.strike_days} days"] if clause.strike_weight else []
        marks += ["never a strike"] if clause.strike_weight == 0 else []
        lines += [f"\n{clause.id} {clause.title} [{', '.join(marks)}]", f"    {clause.text}"]
    if head.ladder:
        lines.append("\nLadder of strikes:")
        lines += [f"  from {step.at}: {describe_step(step.action, step.days)}" for step in head.ladder]
    lines.append("\nRules:")
    lines += [
        f"  {'' if r.decides else '(BACKGROUND) '}{r.id}: {r.outcome} ({r.clause or r.matches}) when {r.when}"
        for r in ruleset.rules
    ]
    show(result, as_json, "\n".join(lines))


def _print_table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, show_edge=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
