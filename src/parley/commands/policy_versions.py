"""`parley policy propose`, `approve`, `activate`, `versions`, `rules`: which policy is live, and who let it.

Parses, calls one action, prints.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from parley.commands.judging import find_staff
from parley.commands.running import AsJson, fail, settings_or_exit, show, with_transaction

As = Annotated[
    str, typer.Option("--as", "--by", help="Username of the member of the staff who does this; it is on record.")
]
Version = Annotated[str, typer.Argument(help="Hash of the version, or its first digits: `parley policy versions`.")]
Note = Annotated[str, typer.Option(help="Why; it is on record.")]


def register(app: typer.Typer) -> None:
    """Add the commands to those of `parley policy`."""
    app.command("propose")(policy_propose)
    app.command("approve")(policy_approve)
    app.command("activate")(policy_activate)
    app.command("versions")(policy_versions)
    app.command("rules")(policy_rules)


def policy_propose(
    folder: Annotated[str, typer.Argument(help="Folder of the policy.")],
    who: As,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Keep a policy as a version that others can try and approve. It must be valid and pass its tests."""
    from pathlib import Path

    from parley.screening.sources import policy_files
    from parley.screening.yaml_files import Problem
    from parley.social.policies.actions import propose_policy

    files = policy_files(Path(folder))
    if isinstance(files, Problem):
        raise fail(str(files))

    async def propose(tx: Any) -> str:
        return await propose_policy(tx, await find_staff(tx, who), files, note=note)

    sha256 = with_transaction(settings_or_exit(), propose)
    short = sha256[:12]
    text = (
        f"Kept as {short}. Next: see what changes (parley policy diff live {short}), try it on history\n"
        f"(parley policy backtest {short}), have it approved if it stops or frees much, and make it live\n"
        f"(parley policy activate {short} --as {who})."
    )
    show({"sha256": sha256}, as_json, text)


def policy_approve(version: Version, who: As, note: Note = "", as_json: AsJson = False) -> None:
    """Agree that a version goes live: the second of four eyes. Whoever proposed it cannot."""
    from parley.social.policies.actions import approve_policy, find_version

    async def approve(tx: Any) -> str:
        found = await find_version(tx, version)
        await approve_policy(tx, await find_staff(tx, who), found.sha256, note=note)
        return found.sha256

    sha256 = with_transaction(settings_or_exit(), approve)
    show({"sha256": sha256, "approved_by": who}, as_json, f"@{who} approved {sha256[:12]}.")


def policy_activate(
    version: Version,
    who: As,
    note: Note = "",
    emergency: Annotated[
        str,
        typer.Option(
            help="Reason to go live without a backtest. It replaces no second person where more may be stopped."
        ),
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", help="Let the folder's or the shipped policy take its place when that changes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a version live in every process, without a restart. `parley policy activate` an older one to go back."""
    from parley.social.policies.actions import Activated, activate_policy

    settings = settings_or_exit()

    async def activate(tx: Any) -> Activated:
        staff = await find_staff(tx, who)
        return await activate_policy(tx, staff, version, settings, note=note, emergency=emergency, follow=follow)

    done = with_transaction(settings, activate)
    result = msgspec.to_builtins(done)
    lines = [f"Live: {done.sha256[:12]} (ruleset {done.ruleset[:12]}), {len(done.changes)} changes."]
    if done.alone:
        lines.append("WITHOUT FOUR EYES: the setting four_eyes is off. This is on record for ever.")
    if done.emergency:
        lines.append("Every admin and owner is told of this emergency by mail, with your reason and how to undo it.")
    show(result, as_json, "\n".join(lines))


def policy_versions(as_json: AsJson = False) -> None:
    """List every version that was kept, which is live, and when each became so."""
    from parley.social.policies.reads import list_activations, list_policy_versions

    async def read(tx: Any) -> tuple[Any, Any]:
        return await list_policy_versions(tx), await list_activations(tx)

    versions, activations = with_transaction(settings_or_exit(), read)
    lines = []
    for one in versions:
        marks = ["LIVE"] if one.live else []
        marks += [f"proposed by @{one.proposed_by}" if one.proposed_by else one.source]
        marks += [f"approved by {', '.join(f'@{name}' for name in one.approved_by)}"] if one.approved_by else []
        marks += [f"{one.backtests} backtests"] if one.backtests else []
        marks += [f"live since {one.activated_at:%Y-%m-%d %H:%M}"] if one.activated_at else ["never live"]
        lines.append(f"{one.sha256[:12]}  {one.name} {one.version}: {'; '.join(marks)}")
    lines.append("\nActivations, newest first:")
    for row in activations:
        who = f"by @{row.activated_name}" if row.activated_name else "by the program"
        lines.append(f"{row.created_at:%Y-%m-%d %H:%M}  {row.sha256[:12]} {who}{f': {row.note}' if row.note else ''}")
    result = {"versions": msgspec.to_builtins(versions), "activations": msgspec.to_builtins(activations)}
    show(result, as_json, "\n".join(lines))


def policy_rules(as_json: AsJson = False) -> None:
    """Show what every rule of the live policy did in the last 24 hours, its cap, and the newest alarms."""
    from parley.social.policies.reads import list_alarms, list_rules

    async def read(tx: Any) -> tuple[Any, Any]:
        return await list_rules(tx), await list_alarms(tx, limit=20)

    rules, alarms = with_transaction(settings_or_exit(), read)
    lines = [f"{'rule':<32} {'state':<10} {'outcome':<10} {'fired':>8} {'acted':>8} {'hour/cap':>12}"]
    for rule in rules:
        cap = f"{rule.this_hour}/{rule.cap_per_hour}{'!' if rule.capped else ''}"
        lines.append(f"{rule.id:<32} {rule.state:<10} {rule.outcome:<10} {rule.fired:>8} {rule.acted:>8} {cap:>12}")
    lines += ["\nAlarms, newest first:"] if alarms else []
    for alarm in alarms:
        what = {"cap": "reached its cap of", "many": "fired far more often than", "few": "fired far less often than"}
        lines.append(
            f"{alarm.hour:%Y-%m-%d %H}:00  {alarm.rule} {what[alarm.kind]} {alarm.expected:.0f}: {alarm.count}"
        )
    show({"rules": msgspec.to_builtins(rules), "alarms": msgspec.to_builtins(alarms)}, as_json, "\n".join(lines))
