"""The files that Mastodon writes and reads: six of CSV and one of JSON. Pure: text in, rows out, and back.

The columns are those of Mastodon (app/models/export.rb and app/models/form/import.rb): following and muting have a
heading, the others have none. What is read may come from anybody: it is bounded, and nothing in it is believed.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from parley.kit.errors import Invalid
from parley.social.graph.archiving import FollowedView, MutedPersonView, PersonView

MOST_BYTES = 20 * 2**20
MOST_ROWS = 20_000
"""Both as in Mastodon."""
LONGEST_CELL = 4000
MOST_LANGUAGES = 100

FILES = {
    "following": "following_accounts.csv",
    "lists": "lists.csv",
    "blocking": "blocked_accounts.csv",
    "muting": "muted_accounts.csv",
    "domain_blocking": "blocked_domains.csv",
    "bookmarks": "bookmarks.csv",
    "custom_filters": "custom_filters.json",
}
"""What Mastodon calls the file of each kind."""

ADDRESS = "Account address"
BOOSTS = "Show boosts"
NOTIFY = "Notify on new posts"
LANGUAGES = "Languages"
HIDE = "Hide notifications"
TITLE = "List name"
DOMAIN = "#domain"
URI = "#uri"

COLUMNS: dict[str, tuple[str, ...]] = {
    "following": (ADDRESS, BOOSTS, NOTIFY, LANGUAGES),
    "blocking": (ADDRESS,),
    "muting": (ADDRESS, HIDE),
    "domain_blocking": (DOMAIN,),
    "bookmarks": (URI,),
    "lists": (TITLE, ADDRESS),
}
_NEEDED = {"lists": (TITLE, ADDRESS)}
_HEADED = ("following", "muting")
"""Files that are written with a heading."""

_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "off", "n", "no"})
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With what a cell begins that a spreadsheet would run."""

_ADDRESS = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?(@[A-Za-z0-9.:-]{1,253})?")


def write_rows(rows: Iterable[Iterable[str]]) -> bytes:
    """Rows of CSV as Mastodon writes them: commas, quotes where they are needed, line feeds, UTF-8."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def heading_of(kind: str) -> bytes:
    """The first line of the file of this kind; empty where Mastodon writes none."""
    return write_rows([COLUMNS[kind]]) if kind in _HEADED else b""


def address_of(username: str, domain: str | None, local_domain: str) -> str:
    """`alice@our.domain`: members too are named with their domain, so that the file means the same elsewhere."""
    return f"{username}@{domain or local_domain}"


def following_row(one: FollowedView, local_domain: str) -> list[str]:
    """A line of following_accounts.csv."""
    address = address_of(one.username, one.domain, local_domain)
    return [address, _flag(one.show_reblogs), _flag(one.notify), ", ".join(one.languages)]


def muting_row(one: MutedPersonView, local_domain: str) -> list[str]:
    """A line of muted_accounts.csv."""
    return [address_of(one.username, one.domain, local_domain), _flag(one.hide_notifications)]


def person_row(one: PersonView, local_domain: str) -> list[str]:
    """A line of blocked_accounts.csv."""
    return [address_of(one.username, one.domain, local_domain)]


def list_row(one: PersonView, local_domain: str) -> list[str]:
    """A line of lists.csv: the title of the list first."""
    return [one.note, address_of(one.username, one.domain, local_domain)]


def _flag(value: bool) -> str:
    return "true" if value else "false"


# ---- reading -------------------------------------------------------------------------------------


def read_rows(kind: str, content: bytes) -> list[dict[str, Any]]:
    """What a file of this kind says, row by row, cleaned and checked for form; raises Invalid with a sentence.

    A heading may be there or not, in any order. Rows that say the same are one.
    """
    if len(content) > MOST_BYTES:
        raise Invalid(f"This file is too large: at most {MOST_BYTES // 2**20} MiB are read.")
    rows = list(_read_filters(content) if kind == "custom_filters" else _read_csv(kind, content))
    if not rows:
        raise Invalid("This file holds no rows.")
    return rows


def guess_kind(file_name: str, content: bytes) -> str | None:
    """What kind of file this seems to be, by its name as Mastodon gives it or by its heading."""
    stem = file_name.lower().rpartition("/")[2]
    names = {
        "following": ("following_accounts", "follows"),
        "blocking": ("blocked_accounts", "blocks"),
        "muting": ("muted_accounts", "mutes"),
        "domain_blocking": ("blocked_domains", "domain_blocks"),
        "bookmarks": ("bookmarks",),
        "lists": ("lists",),
        "custom_filters": ("custom_filters",),
    }
    head = content[:1000].decode("utf-8", "replace").partition("\n")[0]
    if HIDE in head:
        return "muting"
    if any(word in head for word in (BOOSTS, NOTIFY, LANGUAGES)):
        return "following"
    if content[:1] == b"{":
        return "custom_filters"
    return next((kind for kind, stems in names.items() if stem.startswith(stems)), None)


def _read_csv(kind: str, content: bytes) -> Iterator[dict[str, Any]]:
    columns: tuple[str, ...] | None = None
    seen: set[tuple[Any, ...]] = set()
    try:
        text = content.decode("utf-8-sig")
        for cells in csv.reader(io.StringIO(text, newline=""), strict=True):
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if columns is None:
                columns = _columns_of(kind, cells)
                if columns is not COLUMNS[kind]:
                    continue
            row = _row_of(kind, dict(zip(columns, cells, strict=False)))
            key = tuple(str(value) for value in row.values())
            if key in seen:
                continue
            if len(seen) >= MOST_ROWS:
                raise Invalid(f"This file has too many rows: at most {MOST_ROWS:,} are read. Split it.")
            seen.add(key)
            yield row
    except (UnicodeDecodeError, csv.Error) as error:
        raise Invalid(f"This is not a CSV file in UTF-8: {str(error)[:120]}.") from error


def _columns_of(kind: str, cells: list[str]) -> tuple[str, ...]:
    """What the columns mean: by the heading, else in the usual order (then the very tuple of COLUMNS)."""
    known = {name for names in COLUMNS.values() for name in names}
    if cells[0] not in known:
        return COLUMNS[kind]
    needed = _NEEDED.get(kind, COLUMNS[kind][:1])
    if not set(needed) <= set(cells):
        raise Invalid(f"This file is of another kind: the column {needed[0]!r} is missing.")
    return tuple(cells)


def _row_of(kind: str, cells: dict[str, str]) -> dict[str, Any]:
    def cell(name: str) -> str:
        text = cells.get(name, "")
        if len(text) > LONGEST_CELL:
            raise Invalid(f"This file has a cell of more than {LONGEST_CELL:,} characters.")
        # The quote that keeps a spreadsheet from running a cell (see `harmless`) is none of ours to keep.
        text = text.replace("\0", "")
        return text[1:] if text[:1] == "'" and text[1:2] in _FORMULA else text

    if kind == "bookmarks":
        return {"uri": cell(URI)}
    if kind == "domain_blocking":
        return {"domain": cell(DOMAIN).lower()}
    address = cell(ADDRESS).removeprefix("@")
    if kind == "lists":
        return {"title": cell(TITLE), "address": address}
    if kind == "muting":
        return {"address": address, "hide_notifications": _read_flag(cell(HIDE), default=True)}
    if kind == "following":
        languages = [one.strip() for one in cell(LANGUAGES).split(",") if one.strip()]
        return {
            "address": address,
            "show_reblogs": _read_flag(cell(BOOSTS), default=None),
            "notify": _read_flag(cell(NOTIFY), default=None),
            "languages": languages[:MOST_LANGUAGES] or None,
        }
    return {"address": address}


def _read_flag(text: str, *, default: bool | None) -> bool | None:
    word = text.lower()
    return True if word in _TRUE else False if word in _FALSE else default


def is_address(text: str) -> bool:
    """Whether this has the form of an account's address."""
    return _ADDRESS.fullmatch(text) is not None


class _Keyword(msgspec.Struct, frozen=True):
    keyword: str
    whole_word: bool = True


class _Filter(msgspec.Struct, frozen=True):
    title: str
    context: list[str]
    action: str = "warn"
    expire_at: str | None = None
    keywords_attributes: list[_Keyword] = []
    statuses: list[str] = []


class _Filters(msgspec.Struct, frozen=True):
    custom_filters: list[_Filter]


def _read_filters(content: bytes) -> Iterator[dict[str, Any]]:
    try:
        found = msgspec.json.decode(content, type=_Filters)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Invalid(f"This is not a file of filters: {str(error)[:120]}.") from error
    if len(found.custom_filters) > MOST_ROWS:
        raise Invalid(f"This file has too many filters: at most {MOST_ROWS:,} are read.")
    for one in found.custom_filters:
        row = msgspec.to_builtins(one)
        if "\\u0000" in msgspec.json.encode(row).decode():
            raise Invalid("This file of filters holds characters that no text has.")
        yield row


# ---- what could not be taken -----------------------------------------------------------------------


def failures_file(kind: str, rows: Iterable[dict[str, Any]]) -> bytes:
    """Rows that could not be taken, in the same format, so that they can be imported again later."""
    if kind == "custom_filters":
        return msgspec.json.encode({"custom_filters": list(rows)})
    return heading_of(kind) + write_rows([harmless(cell) for cell in _cells_of(kind, row)] for row in rows)


def _cells_of(kind: str, row: dict[str, Any]) -> list[str]:
    if kind == "bookmarks":
        return [str(row["uri"])]
    if kind == "domain_blocking":
        return [str(row["domain"])]
    if kind == "lists":
        return [str(row["title"]), str(row["address"])]
    cells = [str(row["address"])]
    if kind == "muting":
        cells.append(_flag(bool(row["hide_notifications"])))
    elif kind == "following":
        for name in ("show_reblogs", "notify"):
            cells.append("" if row[name] is None else _flag(row[name]))
        cells.append(", ".join(row["languages"] or ()))
    return cells


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula. Only for what a stranger's file said: `read_rows` undoes it."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
