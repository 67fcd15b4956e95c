"""`parley handover`: what a new host or a court needs, in one file that can be checked without an instance."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from parley import __version__
from parley.commands.judging import progress_bar
from parley.commands.running import AsJson, fail, settings_or_exit, show, with_instance
from parley.hosting.errors import SnapshotError
from parley.kit.clock import now
from parley.kit.instance import Instance
from parley.kit.settings import Settings

app = typer.Typer(
    help="Pack what a new host or a court needs into one signed file, and check such a file.", no_args_is_help=True
)


@app.command()
def pack(
    to: Annotated[Path, typer.Option("--to", help="The file to make: a name that ends in .zip.")],
    with_snapshot: Annotated[
        bool, typer.Option(help="Make a snapshot and pack it too; it is as large as the instance.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Pack the moderation log with its checker, reports, policy, settings without secrets, holding page, snapshot.

    The instance need not run. The log names who reported whom: the file is for hosts and courts, not for publishing.
    """
    from parley.hosting.parcels import Parcel, write_parcel

    settings = settings_or_exit()

    async def collect_and_pack(instance: Instance) -> tuple[Parcel, str | None, Path | None]:
        with tempfile.TemporaryDirectory(prefix="parley-handover-") as folder:
            files, snapshot, key_file = await _collect(instance, Path(folder), with_snapshot, as_json)
            return write_parcel(settings, to, files, purpose="handover"), snapshot, key_file

    try:
        parcel, snapshot, key_file = with_instance(settings, collect_and_pack)
    except SnapshotError as error:
        raise fail(str(error)) from error
    to.chmod(0o600)
    result = {
        "file": str(to),
        "files": len(parcel.entries),
        "bytes": parcel.size,
        "signer": parcel.signer,
        "snapshot": snapshot,
        "recovery_key_file": str(key_file) if key_file else None,
    }
    text = f"Packed {len(parcel.entries):,} files into {to}, signed by {parcel.signer}."
    if key_file:
        text += f"\nA recovery key was made: {key_file}. Carry it away from this machine, and never with the file."
    show(result, as_json, text)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="What `parley handover pack` made.")],
    signer: Annotated[str, typer.Option(help="Public key (hexadecimal) that must have signed it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Read every byte and name the first file that is not as it was packed. Needs no instance."""
    from parley.hosting.parcels import verify_parcel

    try:
        parcel = verify_parcel(file, signer=signer or None)
    except SnapshotError as error:
        raise fail(str(error)) from error
    result = {
        "domain": parcel.domain,
        "made_at": parcel.made_at.isoformat(),
        "files": len(parcel.entries),
        "bytes": parcel.size,
        "signer": parcel.signer,
        "ok": True,
    }
    who = "" if signer else " Whether that is the instance's key only somebody who knows it can say (--signer)."
    show(
        result,
        as_json,
        f"{file} is whole: {len(parcel.entries):,} files of {parcel.domain}, signed by {parcel.signer}.{who}",
    )


async def _collect(
    instance: Instance, folder: Path, with_snapshot: bool, as_json: bool
) -> tuple[dict[str, Path | bytes], str | None, Path | None]:
    """Every file by its name in the parcel; the snapshot's name; where a new recovery key was written."""
    from parley.hosting.holding import holding_files
    from parley.hosting.making import create_snapshot
    from parley.safety.log.exporting import export_log
    from parley.safety.transparency.reads import get_published_report, list_published_reports
    from parley.social.policies.sources import get_live_source

    settings = instance.settings
    files: dict[str, Path | bytes] = {}
    audit = folder / "log.jsonl.gz"
    with progress_bar("writing the log", as_json) as progress:
        await export_log(instance.db, settings, audit, progress=progress)
    files |= _files_in(folder, "audit")
    async with instance.db.read() as tx:
        reports = await list_published_reports(tx, None)
        for one in reports:
            whole = await get_published_report(tx, None, one.id)
            name = f"transparency/{one.from_day}-to-{one.until_day}-{one.id}"
            files |= {f"{name}.json": whole.contents, f"{name}.sig": whole.signature}
        source = await get_live_source(tx)
    files |= {f"policy/{name}": data for name, data in source.files.items()}
    files["settings.txt"] = _settings(settings)
    files |= {f"holding/{name}": data for name, (data, _) in holding_files(settings).items()}
    snapshot, key_file = None, None
    if with_snapshot:
        with progress_bar("saving", as_json) as progress:
            made = await create_snapshot(settings, instance.db.dsn, str(folder / "snapshot"), progress=progress)
        snapshot, key_file = made.manifest.snapshot, made.key_file
        files |= _files_in(folder / "snapshot", "snapshot")
    files["README.html"] = _readme(settings, snapshot, len(reports))
    return files, snapshot, key_file


def _files_in(folder: Path, name: str) -> dict[str, Path | bytes]:
    return {f"{name}/{path.relative_to(folder)}": path for path in folder.rglob("*") if path.is_file()}


def _settings(settings: Settings) -> bytes:
    from parley.kit.settings import describe_settings

    lines = [f"{row.variable}={row.value}" for row in describe_settings(settings)]
    return "\n".join([f"# {settings.local_domain}, Parley {__version__}; secrets are not shown", *lines, ""]).encode()


def _readme(settings: Settings, snapshot: str | None, reports: int) -> bytes:
    from parley.hosting.holding import template
    from parley.kit.signing import public_key_of

    values: dict[str, Any] = {
        "settings": settings,
        "moment": now(),
        "version": __version__,
        "signer": public_key_of(settings).hex(),
        "snapshot": snapshot,
        "reports": reports,
    }
    return str(template("handover.html").render(**values)).encode()
