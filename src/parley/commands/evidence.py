"""`parley evidence`: make packages, and check them. Parses, calls actions, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from parley.commands.judging import By
from parley.commands.running import AsJson, fail, settings_or_exit, show, with_instance
from parley.kit.instance import Instance
from parley.safety.evidence.law_views import Audience, Packed

app = typer.Typer(help="Make evidence packages for hosts, courts and NCMEC, and check them.", no_args_is_help=True)


@app.command("pack")
def evidence_pack(
    by: By,
    to: Annotated[Path, typer.Option("--to", help="The zip to write.")],
    case: Annotated[int | None, typer.Option("--case", help="Number of a case.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="An account: its name or number.")] = None,
    request: Annotated[
        int | None,
        typer.Option("--request", help="Number of a request: its approved disclosure is packed."),
    ] = None,
    disclosure: Annotated[int | None, typer.Option("--disclosure", help="Number of an approved disclosure.")] = None,
    audience: Annotated[
        Audience, typer.Option("--for", help="Who reads it: ncmec adds a draft of a CyberTipline report.")
    ] = "host",
    as_json: AsJson = False,
) -> None:
    """Write a signed package: everything that was captured, with files, hashes, decisions and the log's entries.

    Without a disclosure this is for those who run the instance alone; handing out to others takes one that somebody
    else approved, and that is noted as sent with the file's hash.
    """
    from parley.commands.staffing import find_account, find_viewer
    from parley.kit.errors import NotFound
    from parley.safety.evidence.law_views import NewPackage
    from parley.safety.evidence.packing import pack_evidence
    from parley.safety.evidence.requests import list_disclosures

    if not to.parent.is_dir():
        raise fail(f"{to.parent} is no folder: make it first, or give another name.")
    settings = settings_or_exit()

    async def pack(instance: Instance) -> Packed:
        async with instance.db.read() as tx:
            viewer = await find_viewer(tx, by)
            account_id = await find_account(tx, settings, account) if account is not None else None
            number = disclosure
            if request is not None:
                listed = await list_disclosures(tx, viewer, request_id=request)
                number = next((one.id for one in listed if one.state == "approved"), None)
                if number is None:
                    raise NotFound(
                        f"Request {request} has no approved disclosure: propose one with `parley legal disclose`, and "
                        "let somebody else approve it."
                    )
        new = NewPackage(case_id=case, account_id=account_id, disclosure_id=number, audience=audience)
        return await pack_evidence(instance, viewer, new, to)

    packed = with_instance(settings, pack)
    text = (
        f"{to}: {packed.snapshots} snapshots, {packed.files} files, {packed.entries} entries of the log.\n"
        f"SHA-256 {packed.sha256}, signed with the key {packed.key_fingerprint}."
    )
    if packed.missing:
        text += f"\n{packed.missing} files were gone before they could be copied: the package names them."
    show({**msgspec.to_builtins(packed), "file": str(to)}, as_json, text)


@app.command("verify")
def evidence_verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A package, or an export of the log.")],
    key: Annotated[str, typer.Option("--key", help="Fingerprint of the key that must have signed it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check a package or an export of the log, as anybody can with parley_verify.py; needs no database."""
    import importlib.util

    from parley.safety.log.exporting import verifier_file

    spec = importlib.util.spec_from_file_location("parley_verify", verifier_file())
    if spec is None or spec.loader is None:
        raise fail("parley_verify.py is missing: install Parley again.")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    try:
        checks = program.verify(str(file), key.lower())
    except ValueError as error:
        raise fail(f"{file} cannot be read: {error}") from error
    result = {"file": str(file), "holds": not checks.problems, "problems": checks.problems, "notes": checks.notes}
    lines = [f"WRONG  {text}" for text in checks.problems] or checks.notes
    show(result, as_json, "\n".join(lines))
    if checks.problems:
        raise fail(f"{file} does not hold: {checks.problems[0]}")
