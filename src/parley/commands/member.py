"""`parley member`: what a member takes away or brings along, done by whoever runs the instance."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parley.commands.running import AsJson, fail, settings_or_exit, show, with_instance
from parley.kit.errors import ParleyError
from parley.kit.instance import Instance

if TYPE_CHECKING:
    from parley.social.accounts.views import Viewer
    from parley.social.archives.views import ImportView
    from parley.social.archives.writing import Progress

app = typer.Typer(help="Take a member's data away, or bring some along.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Username of the member.")]


@contextmanager
def _bar(words: str, as_json: bool) -> Iterator[Progress]:
    """A progress bar, but for programs."""
    if as_json:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


async def _owner(instance: Instance, name: str) -> Viewer:
    from parley.social.archives.reads import get_owner
    from parley.social.sessions.names import get_member_id

    async with instance.db.read() as tx:
        owner = await get_owner(tx, instance.settings, await get_member_id(tx, name))
    if owner is None:
        raise fail(f"The account @{name} is gone.")
    return owner


@app.command("export")
def export_(
    name: Name,
    to: Annotated[Path, typer.Option("--to", help="The file to make: a name that ends in .zip.")],
    alias: Annotated[
        str, typer.Option(help="The member's account elsewhere that it is for, such as alice@new.example.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Write a member's whole archive: posts, messages, files, profile, follows, lists, filters; signed by the instance.

    It holds private messages: give it to nobody but the member. Members make one themselves at /settings/export.
    """
    from parley.social.archives.exporting import write_archive
    from parley.social.archives.formats import is_address
    from parley.social.archives.writing import hash_of

    if to.exists():
        raise fail(f"{to} is there already: name another file.")
    if alias and (not is_address(alias) or "@" not in alias):
        raise fail("--alias must be written like alice@new.example.")
    settings = settings_or_exit()

    async def write(instance: Instance) -> None:
        owner = await _owner(instance, name)
        with _bar("writing", as_json) as progress:
            try:
                await write_archive(instance, owner, to, alias=alias.lower() or None, progress=progress)
            except BaseException:
                await asyncio.to_thread(to.unlink, missing_ok=True)
                raise

    with_instance(settings, write)
    result = {"username": name, "file": str(to), "bytes": to.stat().st_size, "sha256": hash_of(to)}
    show(result, as_json, f"Wrote {to}: {result['bytes']:,} bytes, SHA-256 {result['sha256']}.")


@app.command("import")
def import_(
    name: Name,
    file: Annotated[Path, typer.Argument(help="A file that Mastodon or Parley exported (.csv, .json), or an archive.")],
    kind: Annotated[
        str,
        typer.Option(
            help="following, lists, blocking, muting, domain_blocking, bookmarks, custom_filters or archive. "
            "Default: by the file's name and heading."
        ),
    ] = "",
    mode: Annotated[str, typer.Option(help="merge: add to what is there. overwrite: replace it.")] = "merge",
    visibility: Annotated[
        str, typer.Option(help="Of an archive: which posts. public, unlisted, private, direct, with commas between.")
    ] = "public,unlisted,private",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is in the file, and do nothing.")] = False,
    failures: Annotated[Path | None, typer.Option(help="Where to write the rows that could not be taken.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a file along for a member, as they could themselves at /settings/import, and wait until it is done.

    Every rule holds, and posts are screened like any others; they are told to nobody.
    """
    from parley.social.archives.formats import failures_file, guess_kind
    from parley.social.archives.reads import list_failures

    settings = settings_or_exit()
    if not file.is_file():
        raise fail(f"There is no file {file}.")
    with file.open("rb") as opened:
        head = opened.read(4096)
    wanted = kind or ("archive" if head[:2] in (b"PK", b"\x1f\x8b") else guess_kind(file.name, head) or "")
    if not wanted:
        raise fail("Say with --kind what the file holds: its name and heading do not.")

    async def run(instance: Instance) -> ImportView:
        owner = await _owner(instance, name)
        found = await _begin(instance, owner, wanted, file, mode)
        if dry_run:
            return await _drop(instance, owner, found)
        done = await _run(instance, owner, found, mode, visibility.split(","), as_json)
        if failures is not None and done.kind != "archive":
            async with instance.db.read() as tx:
                rows = await list_failures(tx, owner, done.id)
            await asyncio.to_thread(failures.write_bytes, failures_file(done.kind, [row.data for row in rows]))
        return done

    done = with_instance(settings, run)
    result = {
        "username": name,
        "kind": done.kind,
        "state": done.state,
        "total": done.total,
        "unknown": done.unknown,
        "taken": done.done,
        "failed": done.failed,
        "proof": done.source.proof if done.source else None,
    }
    said = f" {done.source.said}" if done.source else ""
    if dry_run:
        show(result, as_json, f"{file} holds {done.total:,} rows; {done.unknown:,} name somebody unknown here.{said}")
        return
    show(result, as_json, f"Took {done.done:,} of {done.total:,}; {done.failed:,} could not be.{said}")


async def _begin(instance: Instance, owner: Viewer, kind: str, file: Path, mode: str) -> ImportView:
    """The file, read: a job of an archive is done here and now."""
    from parley.social.archives.import_jobs import read_archive
    from parley.social.archives.importing import begin_archive_import, begin_import
    from parley.social.archives.reads import get_import

    if kind != "archive":
        content = await asyncio.to_thread(file.read_bytes)
        return await begin_import(instance, owner, kind, content, file_name=file.name, mode=mode)
    begun = await begin_archive_import(instance, owner, file, file_name=file.name)
    await read_archive(instance, {"import_id": begun.id})
    async with instance.db.read() as tx:
        found = await get_import(tx, owner, begun.id)
    if found.error:
        raise ParleyError(found.error)
    return found


async def _drop(instance: Instance, owner: Viewer, found: ImportView) -> ImportView:
    from parley.social.archives.importing import cancel_import

    await cancel_import(instance, owner, found.id)
    return found


async def _run(
    instance: Instance, owner: Viewer, found: ImportView, mode: str, visibilities: list[str], as_json: bool
) -> ImportView:
    """Take every row here and now; a worker that takes some too does no harm."""
    from parley.social.archives.import_jobs import take_rows
    from parley.social.archives.importing import confirm_import
    from parley.social.archives.reads import get_import

    async with instance.db.write() as tx:
        await confirm_import(tx, owner, found.id, mode=mode, visibilities=[one.strip() for one in visibilities])
    with _bar("taking", as_json) as progress:
        while await take_rows(instance, found.id):
            async with instance.db.read() as tx:
                now = await get_import(tx, owner, found.id)
            progress(now.done + now.failed, now.total)
    async with instance.db.read() as tx:
        return await get_import(tx, owner, found.id)
