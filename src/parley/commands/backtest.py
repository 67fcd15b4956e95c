"""`parley policy backtest` and `parley policy thresholds`: what a draft would have done to history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from parley.commands.judging import CORES, Processes, find_staff, progress_bar, safe_ids, with_judge
from parley.commands.running import AsJson, settings_or_exit, show
from parley.kit.db import Database
from parley.safety.backtests.thresholds import Thresholds
from parley.safety.backtests.views import Agreement, BacktestView
from parley.screening import Ruleset


def register(app: typer.Typer) -> None:
    """Add the commands to those of `parley policy`."""
    app.command("backtest")(policy_backtest)
    app.command("thresholds")(policy_thresholds)


def policy_backtest(
    policy: Annotated[str, typer.Argument(help="Folder of a policy, or (the beginning of) a version's hash.")],
    rule: Annotated[str, typer.Option(help="Look at one rule alone; it counts even if it is a DRAFT.")] = "",
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what was judged since then (UTC).")
    ] = None,
    sample: Annotated[int, typer.Option(min=0, help="Judge about so many, chosen by chance; 0 for all.")] = 0,
    by: Annotated[str, typer.Option("--by", help="Username of the member of the staff who does this.")] = "",
    processes: Processes = CORES,
    as_json: AsJson = False,
) -> None:
    """Judge history by a draft and say what it would have done. Changes nothing; what is found is kept.

    Says how many posts of how many people would have fared otherwise, with samples and reasons, how often that agrees
    with what moderators decided, and how many posts a day would want reviewing.
    """
    from parley.safety.backtests.actions import run_backtest
    from parley.safety.backtests.drafting import with_rule_live
    from parley.safety.judging import load_source, local_processes
    from parley.social.accounts.reads import get_account_views
    from parley.social.policies.sources import get_policy_source

    async def run(db: Database, live: Ruleset) -> tuple[BacktestView, dict[int, str]]:
        async with db.read() as tx:
            source, version = await get_policy_source(tx, policy)
            staff = await find_staff(tx, by) if by else None
        if rule:
            source = with_rule_live(source, rule)
        draft = load_source(source)
        async with local_processes(source, draft.sha256, processes) as judges:
            with progress_bar("judging", as_json) as progress:
                view = await run_backtest(
                    db,
                    staff,
                    draft,
                    judges,
                    live,
                    version=version,
                    rule=rule or None,
                    since=since.replace(tzinfo=UTC) if since else None,
                    sample=sample or None,
                    progress=progress,
                )
        shown = [account_id for account_id, _ in view.result.top_accounts]
        shown += [sample.account_id for sample in view.result.samples]
        async with db.read() as tx:
            accounts = await get_account_views(tx, shown)
        return view, {account_id: one.username for account_id, one in accounts.items()}

    view, names = with_judge(settings_or_exit(), run)
    plain = safe_ids(msgspec.to_builtins(view))
    named = [{"username": names.get(one, ""), "count": count} for one, count in view.result.top_accounts]
    show({**plain, "id": str(view.id), "to_whom": named}, as_json, describe_backtest(view, names))


def policy_thresholds(
    reviews_per_day: Annotated[
        float, typer.Option("--reviews-per-day", help="How many posts a day people can review.")
    ],
    as_json: AsJson = False,
) -> None:
    """Say from which scores of the text model on posts should be reviewed, so that people can keep up.

    Computed from this instance's own history; nothing is changed. Put the figures into `thresholds:` of policy.yaml.
    """
    from parley.safety.backtests.thresholds import suggest_thresholds

    async def suggest(db: Database, _ruleset: Ruleset) -> Thresholds:
        async with db.read() as tx:
            return await suggest_thresholds(tx, reviews_per_day)

    found = with_judge(settings_or_exit(), suggest)
    lines = [f"From {found.posts} texts in {found.days:.1f} days, for {found.reviews_per_day:g} reviews a day:"]
    lines += [f"  {one.head:<24} from {one.score:.3f}: {one.per_day:.1f} a day" for one in found.heads]
    show(msgspec.to_builtins(found), as_json, "\n".join(lines))


def describe_backtest(view: BacktestView, names: Mapping[int, str]) -> str:
    """A backtest in some lines; `names` has the usernames of those who are in it."""
    result = view.result
    part = "" if result.share >= 1 else f" ({100 * result.share:.1f} % of history, chosen by chance)"
    span = f"{result.first:%Y-%m-%d} to {result.last:%Y-%m-%d}" if result.first and result.last else "no time at all"
    lines = [f"Backtest {view.id} of policy {view.policy_sha256[:12]}: {result.judged} revisions{part}, {span}."]
    if result.rule:
        lines.append(f"Only those for which the rule {result.rule} fires.")
    lines.append("  outcome            was   would be")
    for outcome in ("allow", "allow_flag", "limit", "hold", "reject", "quarantine"):
        was, would = result.was.get(outcome, 0), result.would_be.get(outcome, 0)
        if was or would:
            lines.append(f"  {outcome:<12} {was:>9} {would:>10}")
    lines.append(f"  newly stopped: {result.stopped}; let through: {result.released}; accounts: {result.accounts}")
    if result.top_accounts:
        most = (f"@{names.get(one, one)} {count}" for one, count in result.top_accounts)
        lines.append(f"  to whom most often: {', '.join(most)}")
    lines.append(f"  reviews a day: {result.review_per_day:.1f} (now {result.review_per_day_now:.1f})")
    lines.append("  agreement with moderators: " + describe_agreement(result.agreement))
    if result.agreement.decisions:
        lines.append("    as it was judged then:   " + describe_agreement(result.agreement_now))
    for name, effect in list(result.rules.items())[:12]:
        logged = "" if effect.decides else " (BACKGROUND)"
        lines.append(
            f"  rule {name}{logged}: fired {effect.fired}, changes {effect.changed}, {effect.accounts} accounts"
        )
    for sample in result.samples:
        said = sample.text or f"({sample.subject_type}, not for everybody to read)"
        who = names.get(sample.account_id, sample.account_id)
        lines.append(f"  - @{who}: {sample.before} > {sample.after} {sample.clause or ''}: {said[:100]!r}")
        lines += [f"      {reason[:160]}" for reason in sample.because[:2]]
    if result.unclear or result.inexact:
        lines.append(
            f"  {result.unclear} could not be judged completely, {result.inexact} only from what is known today"
        )
    return "\n".join(lines)


def describe_agreement(found: Agreement) -> str:
    """How verdicts go with decisions, in words."""
    from parley.safety.intervals import describe_share

    if not found.decisions:
        return "unknown, for nobody has decided about any of these"
    return (
        f"{describe_share(found.agreed, found.decisions)}; caught {describe_share(found.caught, found.caught_of)}; "
        f"right {describe_share(found.right, found.right_of)}"
    )
