"""`parley bank`: words, links, mail domains and addresses that this instance looks for.

Parses, calls one action, prints. Banks of hashes of pictures are `parley bank hashes`.
"""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from parley.commands import bank_drafts, exchanges, hashes
from parley.commands.judging import find_staff
from parley.commands.running import AsJson, fail, settings_or_exit, show, with_transaction

if TYPE_CHECKING:
    from parley.social.policies.formats import Defaults
    from parley.social.policies.views import EntryView

app = typer.Typer(
    help="Words, links, mail domains, addresses and user names that this instance looks for besides its policy.",
    no_args_is_help=True,
)
app.add_typer(hashes.app, name="hashes")
app.add_typer(exchanges.app, name="exchanges")
app.add_typer(bank_drafts.app, name="drafts")

As = Annotated[
    str, typer.Option("--as", "--by", help="Username of the member of the staff who does this; it is on record.")
]
Bank = Annotated[str, typer.Argument(help="words, links, emails, addresses or names.")]
Tier = Annotated[str, typer.Option(help="reject, hold or flag; at sign-up hold means: a moderator approves.")]
Clause = Annotated[str, typer.Option(help="Clause of the policy that it breaks: `7.3`.")]


@app.command("list")
def bank_list(
    bank: Annotated[str, typer.Argument(help="Only this bank.")] = "",
    text: Annotated[str, typer.Option("--text", help="Only entries whose name or title holds this.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List entries that were added here, and how many each bank holds."""
    from parley.social.policies.reads import count_bank
    from parley.social.policies.reads import list_bank as read_bank

    async def read(tx: Any) -> tuple[Any, Any]:
        return await read_bank(tx, bank=bank, text=text, limit=limit), await count_bank(tx)

    rows, counts = with_transaction(settings_or_exit(), read)
    lines = [
        f"{row.item.bank}/{row.item.name}: {row.item.tier}, rule {row.item.clause}, {row.item.state}"
        f"{f', until {row.item.expires:%Y-%m-%d}' if row.item.expires else ''}"
        f"{f', from {row.source}' if row.source else ''}{f' - {row.item.title}' if row.item.title else ''}"
        for row in rows
    ]
    lines += [f"{count:,} {state} entries of {name} with tier {tier}" for name, tier, state, count in counts]
    result = {
        "entries": [_plain(row) for row in rows],
        "counts": [{"bank": b, "tier": t, "state": s, "count": c} for b, t, s, c in counts],
    }
    show(result, as_json, "\n".join(lines) or "Nothing was added here. The policy's own banks stand in its files.")


def _plain(row: EntryView) -> dict[str, Any]:
    return {**msgspec.to_builtins(row.item), "note": row.note, "source": row.source, "created_at": str(row.created_at)}


@app.command("add")
def bank_add(
    bank: Bank,
    items: Annotated[list[str], typer.Argument(help="Phrases, domains or networks; patterns for names.")],
    clause: Clause,
    who: As,
    tier: Tier = "hold",
    name: Annotated[str, typer.Option(help="Name of the entry; the first item when not given.")] = "",
    title: Annotated[str, typer.Option(help="What it is, for moderators.")] = "",
    pattern: Annotated[list[str] | None, typer.Option(help="RE2 pattern for whole URLs; for links only.")] = None,
    unless: Annotated[list[str] | None, typer.Option(help="Phrase or domain that is no match.")] = None,
    state: Annotated[str, typer.Option(help="LIVE, BACKGROUND (only logged) or DRAFT.")] = "LIVE",
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="From then on it counts no more.")
    ] = None,
    note: Annotated[str, typer.Option(help="Why; for the record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Add one entry. Every process looks for it at once; what, and who, is here already is for `parley sweep`."""
    from parley.screening.extending import BankItem
    from parley.social.policies.bank_actions import add_entry
    from parley.social.policies.views import NewEntry

    patterns = tuple(items) if bank == "names" else tuple(pattern or ())
    try:
        item = msgspec.convert(
            {
                "bank": bank,
                "name": name or items[0],
                "tier": tier,
                "clause": clause,
                "title": title,
                "state": state,
                "items": () if bank == "names" else items,
                "patterns": patterns,
                "unless": unless or (),
                "expires": expires.replace(tzinfo=UTC) if expires else None,
            },
            BankItem,
        )
    except msgspec.ValidationError as error:
        raise fail(f"This is no entry: {error}.") from error
    settings = settings_or_exit()

    async def add(tx: Any) -> int:
        return await add_entry(tx, await find_staff(tx, who), NewEntry(item=item, note=note), settings)

    revision = with_transaction(settings, add)
    text = f"Added {bank}/{item.name}."
    if bank in ("emails", "addresses", "names"):
        text += f" Whom it means among those who are here: parley bank members {shlex.quote(item.name)}"
        if state == "LIVE":
            text += "\nThey come before the moderators as cases (parley sweep list); nothing is done to them."
    show({"bank": bank, "name": item.name, "revision": revision}, as_json, text)


@app.command("members")
def bank_members(
    entry: Annotated[str, typer.Argument(help="Only members whom this entry means; all entries when not given.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many are shown.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List members who are here already and whom the banks of mail domains, addresses and names would stop today.

    Those whom a new entry means come before the moderators by themselves (see `parley sweep list`), but no more than
    100 for an entry: this shows all. Nothing is changed.
    """
    from parley.social.sessions.known_here import KnownHere, list_known_members

    async def read(tx: Any) -> KnownHere:
        return await list_known_members(tx, None, entry=entry, limit=limit)

    known = with_transaction(settings_or_exit(), read)
    lines = [f"@{one.username}: {one.tier}, rule {one.clause}. {' '.join(one.because)}" for one in known.shown]
    lines.append(f"{known.found:,} of {known.members:,} members.")
    rows = [{**msgspec.to_builtins(one), "account_id": str(one.account_id)} for one in known.shown]
    show({"members": known.members, "found": known.found, "shown": rows}, as_json, "\n".join(lines))


@app.command("remove")
def bank_remove(
    bank: Bank,
    name: Annotated[str, typer.Argument(help="Name of the entry, as `parley bank list` shows it.")],
    who: As,
    as_json: AsJson = False,
) -> None:
    """Take an entry out of its bank. It stays on record."""
    from parley.social.policies.bank_actions import remove_entry

    async def remove(tx: Any) -> int:
        return await remove_entry(tx, await find_staff(tx, who), bank, name)

    revision = with_transaction(settings_or_exit(), remove)
    show({"bank": bank, "name": name, "revision": revision}, as_json, f"Removed {bank}/{name}.")


@app.command("import")
def bank_import(
    file: Annotated[str, typer.Argument(help="The list; - for standard input.")],
    clause: Clause,
    who: As,
    written_in: Annotated[
        str,
        typer.Option(
            "--format",
            help="domains, hosts, addresses, words (CSV), mastodon-domains, mastodon-emails, mastodon-ips or json.",
        ),
    ],
    bank: Annotated[str, typer.Option(help="Into which bank, where a format can mean several: links or emails.")] = "",
    tier: Annotated[str, typer.Option(help="reject, hold or flag, whatever the list says.")] = "",
    source: Annotated[str, typer.Option(help="Name of the list; the file's name when not given.")] = "",
    title: Annotated[str, typer.Option(help="What it is, for moderators.")] = "",
    background: Annotated[bool, typer.Option("--background", help="Only log what is found.")] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Also remove what an earlier import of this source had and this one lacks."),
    ] = False,
    skip_wrong: Annotated[bool, typer.Option("--skip-wrong", help="Leave out lines that cannot be read.")] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only count what would happen.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import a list of others: all of it, or nothing. Begin with --dry-run; lists of strangers with --background."""
    from parley.social.policies.bank_actions import import_entries
    from parley.social.policies.formats import MOST_SHOWN, parse_list
    from parley.social.policies.views import ImportCounts

    name = source or ("standard input" if file == "-" else Path(file).name)
    defaults = _defaults(written_in, bank, clause, tier, title, name, background=background)
    settings = settings_or_exit()
    data = _read(file)

    async def run(tx: Any) -> tuple[ImportCounts, int]:
        parsed = parse_list(written_in, data, defaults)  # type: ignore[arg-type]
        if parsed.wrong and not skip_wrong:
            shown = "\n".join(f"  {line}" for line in parsed.wrong[:MOST_SHOWN])
            more = len(parsed.wrong) - MOST_SHOWN
            rest = f"\n  and {more} more" if more > 0 else ""
            raise fail(f"Nothing was imported, {len(parsed.wrong)} lines are wrong:\n{shown}{rest}")
        staff = await find_staff(tx, who)
        counts = await import_entries(
            tx, staff, defaults.bank, parsed.entries, settings, source=name, replace=replace, dry=dry
        )
        return counts, len(parsed.wrong)

    counts, skipped = with_transaction(settings, run)
    plain = msgspec.to_builtins(counts)
    waits = str(counts.draft) if counts.draft is not None else None
    result = {**plain, "skipped": skipped, "dry": dry, "draft": waits}
    would = "Would be" if dry else "Were"
    text = (
        f"{would} added: {counts.added:,}, changed: {counts.changed:,}, removed: {counts.removed:,}. "
        f"The same as before: {counts.unchanged:,}. Lines left out: {skipped:,}."
    )
    if counts.draft is not None:
        text = (
            f"This list waits: {counts.added:,} entries are new, {counts.changed:,} changed, {counts.removed:,} to be "
            "removed, which is too much for one person. Somebody else looks at it on the desk under Second eyes, or "
            f"with `parley bank drafts confirm {counts.draft} --as NAME`. Nothing of it is looked for until then."
        )
    elif dry and counts.needs_second and settings.four_eyes:
        text += " That is too much for one person: it would wait until a second one has confirmed it."
    show(result, as_json, text)


def _defaults(
    written_in: str, bank: str, clause: str, tier: str, title: str, source: str, *, background: bool
) -> Defaults:
    from parley.social.policies.formats import BANKS_OF, Defaults

    banks = {str(name): meant for name, meant in BANKS_OF.items()}
    if written_in not in banks:
        raise fail(f"{written_in!r} is not a known format. Formats: {', '.join(banks)}.")
    given = {
        "bank": bank or banks[written_in][0],
        "clause": clause,
        "tier": tier or "hold",
        "tier_given": bool(tier),
        "title": title,
        "source": source,
        "state": "BACKGROUND" if background else "LIVE",
    }
    try:
        return msgspec.convert(given, Defaults)
    except msgspec.ValidationError as error:
        raise fail(f"This cannot be imported: {error}.") from error


def _read(file: str) -> bytes:
    from parley.social.policies.formats import MOST_BYTES

    try:
        if file == "-":
            return sys.stdin.buffer.read(MOST_BYTES + 1)
        with Path(file).open("rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise fail(f"{file} cannot be read: {error.strerror}.") from error


@app.command("export")
def bank_export(
    bank: Bank,
    written_in: Annotated[
        str,
        typer.Option(
            "--format",
            help="json (keeps everything), domains, hosts, addresses, words, mastodon-domains, mastodon-emails, -ips.",
        ),
    ] = "json",
    source: Annotated[str, typer.Option(help="Only what came from this list.")] = "",
    output: Annotated[str, typer.Option("--output", "-o", help="File to write; standard output when not given.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write a bank as a list that others, and `parley bank import`, can read."""
    from parley.social.policies.exporting import Exported, export_list
    from parley.social.policies.reads import list_bank as read_bank
    from parley.social.policies.views import NewEntry

    async def read(tx: Any) -> Exported:
        rows = await read_bank(tx, bank=bank, source=source, limit=1_000_000)
        entries = [NewEntry(item=row.item, note=row.note, source=row.source, extra=row.extra) for row in rows]
        return export_list(written_in, entries)  # type: ignore[arg-type]

    made = with_transaction(settings_or_exit(), read)
    if output:
        Path(output).write_text(made.text, encoding="utf-8")
    if as_json:
        show({"written": made.written, "left_out": made.left_out, "list": "" if output else made.text}, True, "")
        return
    if not output:
        sys.stdout.write(made.text)
    left = f"; {made.left_out:,} cannot be said in this format" if made.left_out else ""
    typer.echo(f"{made.written:,} entries{left}.", err=True)
