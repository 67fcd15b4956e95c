"""`parley audit`: check the moderation log, sign its head, hand it out. Parses, calls actions, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from parley.commands.judging import progress_bar
from parley.commands.running import AsJson, fail, settings_or_exit, show, with_instance, with_transaction
from parley.kit.instance import Instance
from parley.safety.log.views import AuditReport, CheckpointView, Exported, Problem, SignedHead

app = typer.Typer(help="Check the moderation log, sign its head, and hand it to outsiders.", no_args_is_help=True)


@app.command("verify")
def audit_verify(
    files: Annotated[bool, typer.Option("--files", help="Read every kept file of evidence too, and compare.")] = False,
    against: Annotated[
        list[Path] | None,
        typer.Option("--against", exists=True, help="A file with signed heads that was got earlier; may be repeated."),
    ] = None,
    accept_key: Annotated[
        list[str] | None,
        typer.Option("--accept-key", help="Fingerprint of an earlier key of this instance; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that every entry is unchanged and in its place, that the tables are exactly what the log makes of them, and
    that every head which was ever signed is part of it. Ends with 1 and names the first wrong thing otherwise."""
    from parley.kit.signing import fingerprint_of, public_key_of
    from parley.safety.evidence.checking import verify_files
    from parley.safety.log.verifying import verify_log

    heads = [head for path in against or () for head in _read_heads(path)]

    async def verify(instance: Instance) -> tuple[AuditReport, list[Problem], int]:
        keys = [fingerprint_of(public_key_of(instance.settings)), *(accept_key or ())]
        with progress_bar("checking entries", as_json) as progress:
            report = await verify_log(instance.db, known_keys=keys, against=heads, progress=progress)
        if not files:
            return report, [], 0
        with progress_bar("reading files", as_json) as progress:
            return report, *await verify_files(instance, progress=progress)

    report, wrong_files, read = with_instance(settings_or_exit(), verify)
    result = {**msgspec.to_builtins(report), "holds": report.holds and not wrong_files, "files": read}
    result["problems"] = [*result["problems"], *msgspec.to_builtins(wrong_files)]
    if report.holds and not wrong_files:
        show(result, as_json, _describe(report, read if files else None))
        return
    show(result, as_json, "\n".join(f"WRONG  {problem}" for problem in (*report.problems, *wrong_files)))
    found = report.found + len(wrong_files)
    first = next(iter((*report.problems, *wrong_files)))
    raise fail(f"The moderation log does not hold: {found} {'thing is' if found == 1 else 'things are'} wrong, {first}")


def _describe(report: AuditReport, files: int | None) -> str:
    lines = [
        f"{report.entries:,} entries, each unchanged and in its place; the last has the hash {report.head_hash}.",
        f"{report.rows:,} rows in {len(report.tables)} tables are exactly what the log makes of them.",
        f"{report.checkpoints:,} signed heads are part of it.",
        f"{report.seconds:.1f} s, {report.entries_per_second:,.0f} entries a second.",
    ]
    if files is not None:
        lines.insert(3, f"{files:,} kept files are what the log says.")
    return "\n".join(lines)


def _read_heads(path: Path) -> list[SignedHead]:
    try:
        read = msgspec.json.decode(path.read_bytes())
        listed = read.get("checkpoints", [read]) if isinstance(read, dict) else read
        signed = [msgspec.json.decode(one["signed"]) if "signed" in one else one for one in listed]
        return [
            SignedHead(one["seq"], bytes.fromhex(one["hash"]), bytes.fromhex(one.get("root", ""))) for one in signed
        ]
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise fail(f"{path} holds no signed heads: give a file as /.well-known/parley-checkpoints gives it.") from error


@app.command("export")
def audit_export(
    to: Annotated[Path, typer.Option("--to", help="Where to write it; compressed when the name ends in .gz.")],
    as_json: AsJson = False,
) -> None:
    """Write the whole log with a signed head, and beside it parley_verify.py: one file of plain Python with which
    anybody checks it without Parley.

    The log names accounts by number, and so who reported whom: it is for auditors and courts, not for publishing.
    """
    from parley.safety.log.exporting import VERIFIER, export_log

    if not to.parent.is_dir():
        raise fail(f"{to.parent} is no folder: make it first, or give another name.")

    async def export(instance: Instance) -> Exported:
        with progress_bar("writing entries", as_json) as progress:
            return await export_log(instance.db, instance.settings, to, progress=progress)

    exported = with_instance(settings_or_exit(), export)
    text = (
        f"{exported.entries:,} entries in {to}, signed with the key {exported.key_fingerprint}.\n"
        f"Whoever gets it checks it with: python3 {VERIFIER} {to.name} --key {exported.key_fingerprint}"
    )
    show({**msgspec.to_builtins(exported), "file": str(to), "verifier": str(to.with_name(VERIFIER))}, as_json, text)


@app.command("open")
def audit_open(
    table: Annotated[str, typer.Argument(help="The table that the entry names, such as reports.")],
    row: Annotated[int, typer.Argument(help="The row's id.")],
    column: Annotated[str, typer.Argument(help="The hidden column, such as comment.")],
    to: Annotated[Path, typer.Option("--to", help="Where to write the value with its proof.")],
    as_json: AsJson = False,
) -> None:
    """Disclose one value that the log hides, with the proof that it is what the log was told. Whoever has an export of
    the log checks it with parley_verify.py --value, and learns of no other value. That it was opened stands in the log.
    """
    from parley.safety.log.exporting import VERIFIER
    from parley.safety.log.opening import open_value
    from parley.safety.log.views import system

    if not to.parent.is_dir():
        raise fail(f"{to.parent} is no folder: make it first, or give another name.")
    opened = with_transaction(settings_or_exit(), lambda tx: open_value(tx, system("shell"), table, row, column))
    to.write_bytes(msgspec.json.encode(opened))
    to.chmod(0o600)
    text = f"Written to {to}. It is checked with: python3 {VERIFIER} LOG --value {to.name}"
    show({"file": str(to), "verifier": VERIFIER}, as_json, text)


@app.command("checkpoint")
def audit_checkpoint(as_json: AsJson = False) -> None:
    """Sign the head of the log now; a job does so every day. Signed heads are published at
    /.well-known/parley-checkpoints."""
    from parley.safety.log.checkpoints import make_checkpoint

    async def checkpoint(instance: Instance) -> CheckpointView | None:
        return await make_checkpoint(instance.db, instance.settings)

    made = with_instance(settings_or_exit(), checkpoint)
    if made is None:
        show({"seq": 0}, as_json, "The log is empty: there is nothing to sign.")
        return
    show(msgspec.to_builtins(made), as_json, f"Signed entry {made.seq}: {made.hash}")
