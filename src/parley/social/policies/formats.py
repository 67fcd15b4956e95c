"""Reads the lists of others: Mastodon's CSV files, plain lists, hosts files, CSV of phrases; and our own JSON lines.

Pure: bytes in, entries out. Nothing that comes in is trusted: sizes are limited, and every line that cannot
be read is named with what is wrong with it. This file must not touch the database.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

from parley.kit.errors import Invalid
from parley.screening.account_banks import read_network
from parley.screening.banks import TIERS, Tier, normalise_domain
from parley.screening.extending import BankItem, BankName
from parley.screening.normalise import fold
from parley.social.policies.views import NewEntry

Format = Literal[
    "domains", "hosts", "addresses", "words", "mastodon-domains", "mastodon-emails", "mastodon-ips", "json"
]
FORMATS: tuple[Format, ...] = get_args(Format)
MOST_BYTES = 32 * 1024 * 1024
MOST_LINES = 400_000
MOST_SHOWN = 20

BANKS_OF: dict[Format, tuple[BankName, ...]] = {
    "domains": ("links", "emails"),
    "hosts": ("links", "emails"),
    "addresses": ("addresses",),
    "words": ("words",),
    "mastodon-domains": ("links",),
    "mastodon-emails": ("emails",),
    "mastodon-ips": ("addresses",),
    "json": ("words", "links", "emails", "addresses", "names"),
}
"""Into which banks each format can be read; the first is meant when none is named."""

_SEVERITIES: dict[str, Tier] = {"suspend": "reject", "silence": "hold", "limit": "hold", "noop": "flag"}
_IP_SEVERITIES: dict[str, Tier] = {
    "no_access": "reject",
    "sign_up_block": "reject",
    "sign_up_requires_approval": "hold",
}
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "local", "broadcasthost", "ip6-localhost",
                          "ip6-loopback", "ip6-localnet", "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters",
                          "ip6-allhosts"})  # fmt: skip
DOMAIN_COLUMNS = ("#domain", "#severity", "#reject_media", "#reject_reports", "#public_comment", "#obfuscate")
EMAIL_COLUMNS = ("#domain", "#allow_with_approval")
IP_COLUMNS = ("#ip", "#severity", "#comment", "#expires_at")
WORD_COLUMNS = ("phrase", "tier", "clause", "title", "unless", "note")


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """What entries get where a list does not say it. `tier_given` stands before what the list says."""

    bank: BankName
    clause: str
    tier: Tier = "hold"
    tier_given: bool = False
    title: str = ""
    source: str = ""
    state: Literal["DRAFT", "BACKGROUND", "LIVE"] = "LIVE"


class WrongLine(msgspec.Struct, frozen=True):
    """A line that cannot be read; `line` counts from 1."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class Parsed(msgspec.Struct, frozen=True):
    """What a list holds: its entries, each name once, and the lines that cannot be read."""

    entries: tuple[NewEntry, ...]
    wrong: tuple[WrongLine, ...]


Row = tuple[int, NewEntry]


def parse_list(written_in: Format, data: bytes, defaults: Defaults) -> Parsed:
    """Read a list. Raises Invalid when it is no such list at all, or too large."""
    if written_in not in FORMATS:
        raise Invalid(f"{written_in!r} is not a known format. Formats: {', '.join(FORMATS)}.")
    if defaults.bank not in BANKS_OF[written_in]:
        raise Invalid(f"A list of {written_in} goes into {' or '.join(BANKS_OF[written_in])}, not {defaults.bank}.")
    if len(data) > MOST_BYTES:
        raise Invalid(f"The list is larger than {MOST_BYTES // 1024 // 1024} MB. Split it.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"The list is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    if "\0" in text:
        raise Invalid("The list holds null characters: it is not text.")
    entries: dict[str, NewEntry] = {}
    wrong: list[WrongLine] = []
    for line, made in _PARSERS[written_in](text, defaults):
        if line > MOST_LINES:
            raise Invalid(f"The list has more than {MOST_LINES:,} lines. Split it.")
        if isinstance(made, str):
            wrong.append(WrongLine(line, made))
        else:
            entries.setdefault(made.item.name, made)
    return Parsed(tuple(entries.values()), tuple(wrong))


Made = Iterator[tuple[int, "NewEntry | str"]]


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        kept = line.split("#", 1)[0].strip()
        if kept:
            yield number, kept


def _domain(written: str, defaults: Defaults, *, tier: Tier | None = None, **more: Any) -> NewEntry | str:
    if "*" in written.removeprefix("*."):
        return f"{written!r} is made unreadable with stars. Ask who made the list for the whole one."
    try:
        domain = normalise_domain(written)
    except ValueError as error:
        return str(error)
    return _entry(defaults, domain, tier=tier, items=(domain,), **more)


def _entry(
    defaults: Defaults,
    name: str,
    *,
    tier: Tier | None = None,
    title: str = "",
    note: str = "",
    extra: dict[str, Any] | None = None,
    **more: Any,
) -> NewEntry:
    chosen = defaults.tier if tier is None or defaults.tier_given else tier
    item = BankItem(
        bank=defaults.bank,
        name=name[:300],
        tier=chosen,
        clause=more.pop("clause", "") or defaults.clause,
        title=(title or defaults.title)[:500],
        state=defaults.state,
        **more,
    )
    return NewEntry(item=item, note=note, source=defaults.source, extra=extra or {})


def _parse_domains(text: str, defaults: Defaults) -> Made:
    for number, line in _lines(text):
        yield number, _domain(line, defaults)


def _parse_hosts(text: str, defaults: Defaults) -> Made:
    for number, line in _lines(text):
        address, *names = line.split()
        try:
            read_network(address)
        except ValueError:
            yield number, f"{address!r} is not an address. A line of a hosts file reads: 0.0.0.0 example.org"
            continue
        if not names:
            yield number, "no name follows the address."
        for name in names:
            if name.lower() not in _LOCAL_NAMES and name != address:
                yield number, _domain(name, defaults)


def _parse_addresses(text: str, defaults: Defaults) -> Made:
    for number, line in _lines(text):
        yield number, _network(line, defaults)


def _network(written: str, defaults: Defaults, **more: Any) -> NewEntry | str:
    try:
        network = str(read_network(written))
    except ValueError as error:
        return str(error)
    return _entry(defaults, network, items=(network,), **more)


def _table(text: str, needed: Sequence[str], known: Sequence[str]) -> Iterator[tuple[int, dict[str, str] | str]]:
    """The rows of a CSV file by the names of its columns, with or without # before them."""
    csv.field_size_limit(1_000_000)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: list[str] | None = None
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if names is None:
                names = [cell.strip().lower().removeprefix("#") for cell in row]
                missing = [name for name in needed if name not in names]
                if missing:
                    columns = ", ".join(known)
                    raise Invalid(f"The first line lacks the column {missing[0]}. Columns: {columns}.")
                continue
            if len(row) != len(names):
                yield reader.line_num, f"it has {len(row)} columns, but the first line has {len(names)}."
            else:
                yield reader.line_num, dict(zip(names, row, strict=True))
    except csv.Error as error:
        yield reader.line_num, f"cannot be read as CSV ({error})."
    if names is None:
        raise Invalid(f"The list is empty. Its first line names the columns: {', '.join(known)}.")


def _parse_mastodon_domains(text: str, defaults: Defaults) -> Made:
    for number, row in _table(text, ["domain"], DOMAIN_COLUMNS):
        if isinstance(row, str):
            yield number, row
            continue
        severity = row.get("severity", "").strip().lower()
        if severity and severity not in _SEVERITIES:
            yield number, f"{severity!r} is no severity. Severities: {', '.join(_SEVERITIES)}."
            continue
        extra: dict[str, Any] = {
            name: _truth(row[name]) for name in ("reject_media", "reject_reports", "obfuscate") if row.get(name)
        }
        if severity == "limit":
            extra["severity"] = severity
        tier = _SEVERITIES.get(severity)
        yield number, _domain(row["domain"], defaults, tier=tier, note=row.get("public_comment", ""), extra=extra)


def _truth(written: str) -> bool:
    return written.strip().lower() in ("true", "1", "t", "yes")


def _parse_mastodon_emails(text: str, defaults: Defaults) -> Made:
    for number, row in _table(text, ["domain"], EMAIL_COLUMNS):
        if isinstance(row, str):
            yield number, row
            continue
        allowed = row.get("allow_with_approval", "").strip()
        tier: Tier | None = ("hold" if _truth(allowed) else "reject") if allowed else None
        yield number, _domain(row["domain"], defaults, tier=tier)


def _parse_mastodon_ips(text: str, defaults: Defaults) -> Made:
    for number, row in _table(text, ["ip"], IP_COLUMNS):
        if isinstance(row, str):
            yield number, row
            continue
        severity = row.get("severity", "").strip().lower()
        if severity and severity not in _IP_SEVERITIES:
            yield number, f"{severity!r} is no severity. Severities: {', '.join(_IP_SEVERITIES)}."
            continue
        expires = None
        if written := row.get("expires_at", "").strip():
            try:
                expires = datetime.fromisoformat(written)
            except ValueError:
                expires = None
            if expires is None or expires.tzinfo is None:
                yield number, f"{written!r} is no moment. Write it as 2027-01-31T12:00:00Z."
                continue
        extra = {"severity": severity} if severity == "no_access" else {}
        tier = _IP_SEVERITIES.get(severity)
        note = row.get("comment", "")
        yield number, _network(row["ip"], defaults, tier=tier, note=note, extra=extra, expires=expires)


def _parse_words(text: str, defaults: Defaults) -> Made:
    for number, row in _table(text, ["phrase"], WORD_COLUMNS):
        if isinstance(row, str):
            yield number, row
            continue
        tier = row.get("tier", "").strip().lower()
        phrase = fold(row["phrase"]).strip()
        if tier and tier not in TIERS:
            yield number, f"{tier!r} is no tier. Tiers: {', '.join(TIERS)}."
        elif not phrase:
            yield number, "the phrase is empty."
        else:
            unless = tuple(part.strip() for part in row.get("unless", "").split(";") if part.strip())
            yield (
                number,
                _entry(
                    defaults,
                    phrase,
                    tier=_tier(tier),
                    clause=row.get("clause", "").strip(),
                    title=row.get("title", ""),
                    note=row.get("note", ""),
                    items=(phrase,),
                    unless=unless,
                ),
            )


def _tier(written: str) -> Tier | None:
    return next((tier for tier in TIERS if tier == written), None)


class _Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line of our own format: an entry with everything that is known of it."""

    entry: BankItem
    note: str = ""
    source: str = ""
    extra: dict[str, Any] = {}


def _parse_json(text: str, defaults: Defaults) -> Made:
    decoder = msgspec.json.Decoder(_Line)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            made = decoder.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            yield number, f"{error}."
            continue
        if made.entry.bank != defaults.bank:
            yield number, f"it belongs into {made.entry.bank}, not {defaults.bank}."
        else:
            source = defaults.source or made.source
            yield number, NewEntry(item=made.entry, note=made.note, source=source, extra=made.extra)


_PARSERS: dict[Format, Callable[[str, Defaults], Made]] = {
    "domains": _parse_domains,
    "hosts": _parse_hosts,
    "addresses": _parse_addresses,
    "words": _parse_words,
    "mastodon-domains": _parse_mastodon_domains,
    "mastodon-emails": _parse_mastodon_emails,
    "mastodon-ips": _parse_mastodon_ips,
    "json": _parse_json,
}
