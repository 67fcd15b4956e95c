"""`parley snapshot`: save the whole instance, prove that what was saved is whole, and bring it back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parley.commands.judging import progress_bar
from parley.commands.running import AsJson, database, fail, prepare_database, settings_or_exit, show
from parley.kit.settings import Settings

if TYPE_CHECKING:
    from parley.hosting.manifest import Manifest

app = typer.Typer(
    help="Save the whole instance (database, files, settings, keys), encrypted and signed, and bring it back.",
    no_args_is_help=True,
)

From = Annotated[str, typer.Option("--from", help="Where it is: a folder, or s3://bucket/prefix.")]
Name = Annotated[str, typer.Option(help="Which snapshot; the newest when not given (`parley snapshot list`).")]
Key = Annotated[
    str,
    typer.Option(
        "--key",
        envvar="PARLEY_RECOVERY_KEY",
        help="The recovery key: a file, or AGE-SECRET-KEY-1... itself. Asked for nowhere else.",
    ),
]
Signer = Annotated[
    str, typer.Option(help="Public key (hexadecimal) of the instance that must have signed it: `parley snapshot key`.")
]


@app.command()
def create(
    to: Annotated[str, typer.Option("--to", help="A folder, or s3://bucket/prefix. Default: PARLEY_SNAPSHOT_TO.")] = "",
    keep: Annotated[int, typer.Option(min=0, help="How many stay there; 0 for all.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Save the instance while it runs. Everything is encrypted to the recovery key and signed by the instance.

    What came of it is noted, as of those that are made each night: the operator's page and `parley move plan` know.
    """
    from parley.hosting.errors import SnapshotError
    from parley.hosting.making import Made
    from parley.hosting.saving import save_instance
    from parley.kit.db import Database

    settings = settings_or_exit()
    url = to or settings.snapshot_to
    if not url:
        raise fail("Say where to: --to FOLDER or --to s3://bucket/prefix, or set PARLEY_SNAPSHOT_TO.")

    async def save(dsn: str, progress: Any) -> Made:
        await prepare_database(dsn)
        db = Database(dsn, connections=2)
        await db.open()
        try:
            return await save_instance(settings, db, url, keep=keep or None, progress=progress)
        finally:
            await db.close()

    with database(settings) as dsn, progress_bar("saving", as_json) as progress:
        try:
            made = asyncio.run(save(dsn, progress))
        except SnapshotError as error:
            raise fail(str(error)) from error
    manifest = made.manifest
    result = {
        **_about(manifest),
        "to": url,
        "copied_bytes": made.copied,
        "seconds": round(made.seconds, 3),
        "removed": made.removed,
        "recovery_key_file": str(made.key_file) if made.key_file else None,
    }
    text = (
        f"Saved {manifest.snapshot}: {manifest.rows:,} rows and {manifest.files:,} files, {_mib(manifest.size)} "
        f"({_mib(made.copied)} of it new) in {made.seconds:.1f} s."
    )
    if made.key_file:
        text += (
            f"\n\nA recovery key was made: {made.key_file}\nCarry it away from this machine NOW, and delete it here. "
            "Without it no snapshot can be opened, with it anyone can read everything."
        )
    show(result, as_json, text)


@app.command("list")
def list_(source: From, as_json: AsJson = False) -> None:
    """List the snapshots in a place, oldest first."""
    from parley.hosting.errors import SnapshotError
    from parley.hosting.making import list_snapshots
    from parley.hosting.places import open_place

    try:
        names = asyncio.run(list_snapshots(open_place(source)))
    except SnapshotError as error:
        raise fail(str(error)) from error
    show({"snapshots": names}, as_json, "\n".join(names) or "There is none.")


@app.command()
def key(as_json: AsJson = False) -> None:
    """Show the public halves of the instance's keys: to whom snapshots are encrypted, and who signs them."""
    from parley.hosting.errors import SnapshotError
    from parley.hosting.sealing import recovery_recipient
    from parley.kit.signing import public_key_of

    settings = settings_or_exit()
    try:
        recipient, made = recovery_recipient(settings)
    except SnapshotError as error:
        raise fail(str(error)) from error
    result = {"recipient": recipient, "signer": public_key_of(settings).hex(), "made": str(made) if made else None}
    text = f"Encrypted to {recipient}\nSigned by   {result['signer']}"
    if made:
        text += f"\nThe recovery key was just made: {made}. Carry it away from this machine, and delete it here."
    show(result, as_json, text)


@app.command()
def verify(source: From, name: Name = "", recovery_key: Key = "", signer: Signer = "", as_json: AsJson = False) -> None:
    """Read every byte of a snapshot and name the first that is wrong; with the recovery key, open everything too."""
    from parley.hosting.errors import SnapshotError
    from parley.hosting.sealing import read_identity
    from parley.hosting.verifying import verify_snapshot
    from parley.kit.files import scratch_folder

    settings = settings_or_exit(unfinished=True)
    with progress_bar("verifying", as_json) as progress:
        try:
            found = asyncio.run(
                verify_snapshot(
                    source,
                    scratch=scratch_folder(settings),
                    name=name or None,
                    signer=signer or own_signer(settings),
                    identity=read_identity(recovery_key) if recovery_key else None,
                    progress=progress,
                )
            )
        except SnapshotError as error:
            raise fail(str(error)) from error
    result = {**_about(found.manifest), "objects": found.objects, "opened": found.opened, "ok": True}
    show(
        result,
        as_json,
        f"{found.manifest.snapshot} is whole: {found.objects:,} objects, {_mib(found.size)}, signed by "
        f"{found.manifest.signer[:16]}...{', opened and compared' if found.opened else ' (not opened: no --key)'}.",
    )


@app.command()
def restore(source: From, recovery_key: Key, name: Name = "", signer: Signer = "", as_json: AsJson = False) -> None:
    """Fill the configured, empty data folder, file store and database from a snapshot: whole, or not at all.

    One that was cut off is run again: it finishes what is whole, and begins again what is not. Nothing starts before.
    """
    from parley.hosting.errors import SnapshotError
    from parley.hosting.restoring import restore_snapshot
    from parley.hosting.sealing import read_identity
    from parley.hosting.unfinished import SETTINGS_FILE

    settings = settings_or_exit(unfinished=True)
    with progress_bar("restoring", as_json) as progress:
        try:
            done = asyncio.run(
                restore_snapshot(
                    settings,
                    _database_to_fill,
                    source,
                    identity=read_identity(recovery_key),
                    name=name or None,
                    signer=signer or None,
                    progress=progress,
                )
            )
        except SnapshotError as error:
            raise fail(str(error)) from error
    result = {**_about(done.manifest), "vanished": done.vanished, "other_settings": list(done.other_settings)}
    text = f"Restored {done.manifest.snapshot}: {done.rows:,} rows and {done.files:,} files. Start it with `parley up`."
    if done.vanished:
        text += f"\n{done.vanished:,} files had been deleted while the snapshot was made, and are not there."
    if done.other_settings:
        text += (
            f"\nThese settings of the old host are not set the same here: {', '.join(done.other_settings)}. "
            f"They stand in {settings.path(SETTINGS_FILE)}."
        )
    show(result, as_json, text)


@contextmanager
def _database_to_fill(settings: Settings) -> Iterator[str]:
    """The database's address. The embedded server is stopped in the end, also one that a killed restore left."""
    from parley.hosting.errors import SnapshotError
    from parley.kit.postgres import EmbeddedPostgres, PostgresError

    if settings.database_url:
        yield settings.database_url
        return
    try:
        server = EmbeddedPostgres(settings)
        server.start()
    except PostgresError as error:
        raise SnapshotError(str(error)) from error
    server.adopt()
    try:
        yield server.dsn
    finally:
        server.stop()


def own_signer(settings: Settings) -> str | None:
    """The instance's own key, where one lives in this data folder."""
    from parley.kit.signing import KEY_FILE, public_key_of

    return public_key_of(settings).hex() if settings.path(KEY_FILE).exists() else None


def _about(manifest: Manifest) -> dict[str, Any]:
    return {
        "snapshot": manifest.snapshot,
        "created_at": manifest.created_at.isoformat(),
        "domain": manifest.domain,
        "schema_version": manifest.schema_version,
        "signer": manifest.signer,
        "rows": manifest.rows,
        "files": manifest.files,
        "bytes": manifest.size,
        "media_root": manifest.media_root,
    }


def _mib(size: int) -> str:
    return f"{size / 1024 / 1024:,.1f} MiB"
