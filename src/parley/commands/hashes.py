"""`parley bank hashes`: banks of hashes of pictures, videos and sounds. Parses, calls one action, prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from parley.commands.judging import find_staff
from parley.commands.running import AsJson, fail, settings_or_exit, show, with_instance, with_transaction

app = typer.Typer(
    help="Banks of hashes: known pictures, videos and sounds, found however they were turned, shrunk or cut.",
    no_args_is_help=True,
)
Bank = Annotated[str, typer.Argument(help="Name of the bank: `terror-videos`.")]


@app.command("make")
def hashes_make(
    bank: Bank,
    tier: Annotated[
        str,
        typer.Option(help="quarantine (kept as evidence, shown to nobody), reject, hold or flag."),
    ],
    clause: Annotated[str, typer.Option(help="Clause of the policy that such a file breaks: `4.2`.")],
    title: Annotated[str, typer.Option(help="What is in it, for moderators.")] = "",
    state: Annotated[str, typer.Option(help="LIVE, BACKGROUND (found and logged) or EXPIRED.")] = "LIVE",
    change: Annotated[bool, typer.Option("--change", help="Change a bank that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a bank, or change what a match of it leads to."""
    from parley.social.media.hash_banks import make_bank

    async def make(tx: Any) -> Any:
        return await make_bank(tx, bank, tier=tier, clause=clause, title=title, state=state, change=change)

    made = with_transaction(settings_or_exit(), make)
    result = {"bank": made.name, "tier": made.tier, "clause": made.clause, "state": made.state, "hashes": made.hashes}
    show(result, as_json, f"{made.name}: {made.tier}, clause {made.clause}, {made.state}, {made.hashes:,} hashes.")


@app.command("list")
def hashes_list(
    bank: Annotated[str, typer.Argument(help="Only this bank, with its newest entries.")] = "",
    limit: Annotated[int, typer.Option(help="How many entries of it.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the banks, or what is in one."""
    from parley.social.media import hash_lists

    async def read(tx: Any) -> tuple[Any, Any]:
        banks = await hash_lists.list_banks(tx)
        return banks, await hash_lists.list_newest(tx, bank, limit) if bank else []

    banks, hashes = with_transaction(settings_or_exit(), read)
    shown = [one for one in banks if not bank or one.name == bank]
    lines = [
        f"{one.name:<24} {one.tier:<10} {one.clause:<5} {one.state:<10} {one.hashes:>10,}  {one.title}" for one in shown
    ]
    lines += [
        f"  {row.entry:>8}  {row.kind:<6} {row.hash.hex()}  {row.state}  {row.part or row.note}" for row in hashes
    ]
    found = [
        {"name": one.name, "tier": one.tier, "clause": one.clause, "state": one.state, "hashes": one.hashes}
        for one in shown
    ]
    entries = [
        {"entry": row.entry, "kind": row.kind, "hash": row.hash.hex(), "state": row.state, "tags": row.tags}
        for row in hashes
    ]
    show({"banks": found, "entries": entries}, as_json, "\n".join(lines) or "There is no bank of hashes yet.")


@app.command("add")
def hashes_add(
    bank: Bank,
    file: Annotated[Path, typer.Argument(help="A picture, video or sound on this machine. It is hashed and not kept.")],
    note: Annotated[str, typer.Option(help="Why it is known.")] = "",
    as_json: AsJson = False,
) -> None:
    """Put a file into a bank: its hashes, and those of parts of a picture, so that cut ones are found too."""
    from parley.social.media.hash_banks import add_file

    ids = with_instance(settings_or_exit(), lambda instance: add_file(instance, bank, file, note=note))
    text = f"{len(ids)} hashes are in {bank}." if ids else f"{bank} had every hash of this file already."
    show({"bank": bank, "added": len(ids), "entry": min(ids, default=None)}, as_json, text)


@app.command("import")
def hashes_import(
    bank: Bank,
    file: Annotated[Path, typer.Argument(help="CSV (`hash,type,tags`), threatexchange's or HMA's CSV, or one a line.")],
    kind: Annotated[
        str, typer.Option("--type", help="pdq, frame, md5, sha1, sha256 or audio, where the list does not say.")
    ] = "",
    tag: Annotated[list[str] | None, typer.Option(help="A tag for all of them; may be repeated.")] = None,
    who: Annotated[
        str, typer.Option("--as", "--by", help="Username of the member of the staff who does this; it is on record.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Put a list of hashes into a bank, all of it or, when something fails, nothing.

    A list that is too large for one person waits until a second one has confirmed it; without --as, two others have to.
    """
    from rich.progress import Progress

    from parley.screening.hash_formats import kind_of_name, read_hash_list
    from parley.social.media.hash_banks import get_bank, import_hashes

    try:
        meant = kind_of_name(kind) if kind else None
    except ValueError as error:
        raise fail(f"{error}.") from error
    if not file.is_file():
        raise fail(f"There is no file {file}.")

    async def put(tx: Any) -> Any:
        with (
            Progress(disable=as_json or not sys.stderr.isatty()) as progress,
            progress.open(file, "rt", description="Importing", encoding="utf-8", errors="replace") as lines,
        ):
            listed = read_hash_list(lines, kind=meant)
            staff = await find_staff(tx, who) if who else None
            target = await get_bank(tx, bank)
            return await import_hashes(tx, staff, target, listed, settings, source=file.name, tags=tag or ())

    settings = settings_or_exit()
    done = with_transaction(settings, put)
    bad = [{"line": one.line, "why": one.why} for one in done.bad]
    lines = [f"{done.added:,} hashes are new in {bank}, {done.known:,} were there."]
    if done.bad_count:
        lines.append(f"{done.bad_count:,} lines are no usable hashes:")
        lines += [f"  line {one.line}: {one.why}" for one in done.bad]
    if done.draft is not None:
        others = "Somebody else looks" if who else "Two of the staff look"
        lines[0] = (
            f"This list waits: {done.waiting:,} of its hashes are new in {bank}, which is too much for one person. "
            f"{others} at it on the desk under Second eyes, or with "
            f"`parley bank drafts confirm {done.draft} --as NAME`. Nothing of it is looked for until then."
        )
    draft = str(done.draft) if done.draft is not None else None
    result = {
        "bank": bank,
        "added": done.added,
        "known": done.known,
        "bad": bad,
        "draft": draft,
        "waiting": done.waiting,
    }
    show(result, as_json, "\n".join(lines))


@app.command("export")
def hashes_export(
    bank: Bank,
    file: Annotated[Path | None, typer.Argument(help="Where to write; standard output when not given.")] = None,
) -> None:
    """Write a bank as CSV (`hash,type,tags,quality,entry`), which `import` and other tools read."""
    from parley.screening.hash_formats import write_hash_list
    from parley.social.media.hash_lists import list_all

    hashes = with_transaction(settings_or_exit(), lambda tx: list_all(tx, bank))
    if file is None:
        sys.stdout.writelines(write_hash_list(hashes))
        return
    with file.open("w", encoding="utf-8", newline="") as out:
        out.writelines(write_hash_list(hashes))
    typer.echo(f"Wrote {len(hashes):,} hashes to {file}.", err=True)


@app.command("remove")
def hashes_remove(
    bank: Bank,
    hash_text: Annotated[str, typer.Argument(metavar="HASH", help="In hexadecimal, or the number of an entry.")],
    as_json: AsJson = False,
) -> None:
    """Take a hash, or an entry with all of its parts, out of a bank."""
    from parley.social.media.hash_banks import remove_entry, remove_hash

    async def remove(tx: Any) -> int:
        if hash_text.isdigit() and len(hash_text) < 20:
            return await remove_entry(tx, bank, int(hash_text))
        return await remove_hash(tx, bank, hash_text)

    count = with_transaction(settings_or_exit(), remove)
    show({"bank": bank, "removed": count}, as_json, f"{count} hashes were taken out of {bank}.")


@app.command("dispute")
def hashes_dispute(
    entry: Annotated[int, typer.Argument(help="Number of the entry, as `list` and every match show it.")],
    as_json: AsJson = False,
) -> None:
    """Call an entry a false positive: it is looked for no more, and the exchange that it came from is told."""
    from parley.social.media.hash_banks import dispute_entry

    count = with_transaction(settings_or_exit(), lambda tx: dispute_entry(tx, entry))
    show({"entry": entry, "hashes": count}, as_json, f"Entry {entry} ({count} hashes) is looked for no more.")


@app.command("check")
def hashes_check(
    file: Annotated[Path, typer.Argument(help="A picture, video or sound on this machine.")], as_json: AsJson = False
) -> None:
    """Say what the banks know of a file. Nothing is stored."""
    import msgspec

    from parley.screening.media_signals import describe_likeness
    from parley.social.media.hash_banks import check_file

    matches = with_instance(settings_or_exit(), lambda instance: check_file(instance, file))
    lines = [
        f"{one.bank}/{one.entry}: {one.tier}, clause {one.clause}, {describe_likeness(one)}"
        f"{' (background)' if one.background else ''}"
        for one in matches
    ]
    show({"matches": msgspec.to_builtins(matches)}, as_json, "\n".join(lines) or "No bank knows this file.")


@app.command("evidence")
def hashes_evidence(
    number: Annotated[int, typer.Argument(help="Open this one; without it, list the newest.")] = 0,
    to: Annotated[Path | None, typer.Option(help="Where to copy the file.")] = None,
    reason: Annotated[str, typer.Option(help="Why you must see it: it is written down.")] = "",
    as_json: AsJson = False,
) -> None:
    """List files that were taken out of sight, or open one, which leaves a trace."""
    from parley.safety.evidence.known_files import open_kept_file
    from parley.social.media.evidence_files import list_kept_files

    settings = settings_or_exit()
    if number:
        if to is None:
            raise fail("Say with --to where the file shall be copied.")
        target = to
        row = with_instance(settings, lambda instance: open_kept_file(instance, None, number, target, reason=reason))
        show({"id": str(row.id), "sha256": row.sha256.hex()}, as_json, f"Copied to {to}. The reason was written down.")
        return
    rows = with_transaction(settings, lambda tx: list_kept_files(tx, None))
    lines = [
        f"{row.id}  {row.created_at:%Y-%m-%d %H:%M}  {row.outcome:<10} clause {row.clause}  {row.origin}  "
        f"account {row.account_id}  {row.size_bytes:,} bytes{'  (deleted)' if row.purged_at else ''}"
        for row in rows
    ]
    found = [
        {"id": str(row.id), "outcome": row.outcome, "clause": row.clause, "sha256": row.sha256.hex()} for row in rows
    ]
    show({"files": found}, as_json, "\n".join(lines) or "No file was taken out of sight.")
