"""Entries of the banks written as the lists of others, so that they can be read again, here or elsewhere.

Pure. What a format cannot say is left out, and counted. This file must not touch the database.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import msgspec

from parley.kit.errors import Invalid
from parley.screening.banks import Tier
from parley.social.policies.formats import (
    BANKS_OF,
    DOMAIN_COLUMNS,
    EMAIL_COLUMNS,
    FORMATS,
    IP_COLUMNS,
    WORD_COLUMNS,
    Format,
)
from parley.social.policies.views import NewEntry

_SEVERITIES: dict[Tier, str] = {"reject": "suspend", "hold": "silence", "flag": "noop"}
_IP_SEVERITIES: dict[Tier, str] = {
    "reject": "sign_up_block",
    "hold": "sign_up_requires_approval",
    "flag": "sign_up_requires_approval",
}


class Exported(msgspec.Struct, frozen=True):
    """A list as text, how many entries it holds, and how many could not be said in this format."""

    text: str
    written: int
    left_out: int


def export_list(written_in: Format, entries: Iterable[NewEntry]) -> Exported:
    """Write entries as a list. Raises Invalid for an unknown format."""
    if written_in not in FORMATS:
        raise Invalid(f"{written_in!r} is not a known format. Formats: {', '.join(FORMATS)}.")
    all_entries = list(entries)
    fitting = [entry for entry in all_entries if _fits(written_in, entry)]
    text = _write(written_in, fitting)
    return Exported(text, len(fitting), len(all_entries) - len(fitting))


def _fits(written_in: Format, entry: NewEntry) -> bool:
    item = entry.item
    if item.bank not in BANKS_OF[written_in]:
        return False
    if written_in == "json":
        return True
    if written_in == "words":
        return not any(";" in phrase for phrase in item.unless)
    # What is only looked for in part, or no longer, would be more in a list that cannot say so.
    return not item.patterns and not item.unless and item.counts


def _write(written_in: Format, entries: Sequence[NewEntry]) -> str:
    if written_in == "json":
        return "".join(
            msgspec.json.encode({"entry": e.item, "note": e.note, "source": e.source, "extra": e.extra}).decode() + "\n"
            for e in entries
        )
    if written_in in ("domains", "addresses"):
        return "".join(f"{item}\n" for entry in entries for item in entry.item.items)
    if written_in == "hosts":
        return "".join(f"0.0.0.0 {item}\n" for entry in entries for item in entry.item.items)
    out = io.StringIO(newline="")
    table = csv.writer(out, lineterminator="\n")
    table.writerow(_COLUMNS[written_in])
    for entry in entries:
        for item in entry.item.items:
            table.writerow(_cells(written_in, entry, item))
    return out.getvalue()


_COLUMNS: dict[Format, Sequence[str]] = {
    "mastodon-domains": DOMAIN_COLUMNS,
    "mastodon-emails": EMAIL_COLUMNS,
    "mastodon-ips": IP_COLUMNS,
    "words": WORD_COLUMNS,
}


def _cells(written_in: Format, new: NewEntry, item: str) -> list[str]:
    entry, extra = new.item, new.extra
    if written_in == "mastodon-domains":
        severity = str(extra.get("severity") or _SEVERITIES[entry.tier])
        marks = [str(bool(extra.get(name))) for name in ("reject_media", "reject_reports", "obfuscate")]
        return [item, severity, marks[0], marks[1], new.note, marks[2]]
    if written_in == "mastodon-emails":
        return [item, str(entry.tier != "reject").lower()]
    if written_in == "mastodon-ips":
        severity = str(extra.get("severity") or _IP_SEVERITIES[entry.tier])
        return [item, severity, new.note, entry.expires.isoformat() if entry.expires else ""]
    return [item, entry.tier, entry.clause, entry.title, ";".join(entry.unless), new.note]
