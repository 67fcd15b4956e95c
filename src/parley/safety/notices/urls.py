"""What a URL points at, when it is one of ours: as it was typed, defanged, encoded, decorated or broken. Pure.

`read_url` says which place of this instance a URL names; `find_urls` finds those of ours in free text. Neither asks the
network nor the database, and both take time linear in the length of what they read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Literal
from urllib.parse import parse_qsl, unquote

import ada_url
import msgspec

from parley.kit.ids import MAX_ID
from parley.kit.settings import Settings

PlaceKind = Literal["status", "account", "name", "file", "media", "nothing", "outside"]
"""A status, an account or an attachment by its id; an account by its name; a stored file; a page of ours that is
nobody's; not ours."""

LONGEST_URL = 4000
MOST_NESTED = 3
"""How often an address may stand inside another one (`/sign-in?next=...`)."""

_SCHEME = re.compile(r"(?:h(?:tt|xx|\*\*|__)ps?)(?:(?:\[:\]|:|\[:)(?:\[?//\]?|/)|%3a)", re.IGNORECASE)
_DEFANGED_SCHEME = re.compile(r"^h(?:tt|xx|\*\*|__)(p?s?)(?:\[:\]|:|\[:|%3a)(?:\[?//\]?|/|%2f%2f)?\]?", re.IGNORECASE)
_DOT = re.compile(r"\s?(?:\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)|\{dot\}|\[\.|\.\])\s?|\\\.", re.IGNORECASE)
_AT = re.compile(r"\s?(?:\[@\]|\(@\)|\[at\]|\(at\))\s?", re.IGNORECASE)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\\x00-\\x1f\\x7f]")
_AROUND = "<>\"'`«»“”‘’„*|"
_AFTER = ".,;:!?…。，、"
_PAIRS = {")": "(", "]": "[", "}": "{", ">": "<"}
_TOKEN = re.compile(r"[^\s<>\"`|]+")
_FILE = re.compile(r"media/([0-9a-z]{2}/[0-9a-z]{2}/[A-Za-z0-9_-]{22,64}\.[a-z0-9]{2,5})")
_NESTED = ("url", "uri", "next", "back", "q", "u", "to", "target")


class Place(msgspec.Struct, frozen=True):
    """What a URL names. `number` for status, account and media; `name` is a username (`domain` for people from
    elsewhere) or the name of a stored file below media/."""

    kind: PlaceKind
    number: int = 0
    name: str = ""
    domain: str | None = None


OUTSIDE = Place("outside")
NOTHING = Place("nothing")


class Hosts(msgspec.Struct, frozen=True):
    """Under which names this instance is reached, as browsers write them, each with the ports that are ours."""

    names: frozenset[str]
    ports: frozenset[str]


def own_hosts(settings: Settings) -> Hosts:
    """The instance's domain and the other names that the operator told us of, with and without `www.`."""
    own = ada_url.URL(settings.base_url)
    names: set[str] = set()
    for written in (own.hostname, *settings.other_hosts):
        try:
            name = ada_url.URL(f"https://{written}").hostname
        except ValueError:
            continue
        names |= {_bare(name), f"www.{_bare(name)}"}
    return Hosts(frozenset(names), frozenset({"", own.port, "80", "443"}))


def read_url(text: str, hosts: Hosts, *, depth: int = 0) -> Place:
    """What the URL names. Never raises, whatever the text is."""
    plain = refang(text)
    if not plain or len(plain) > LONGEST_URL:
        return OUTSIDE
    try:
        url = ada_url.URL(plain if "://" in plain[:12] else f"https://{plain}")
    except (ValueError, UnicodeError):
        return OUTSIDE
    if url.protocol not in ("http:", "https:") or not _is_ours(url, hosts):
        return OUTSIDE
    place = _read_path(_decoded(url.pathname))
    if place is not None:
        return place
    return _read_nested(url.search, hosts, depth)


def refang(text: str) -> str:
    """A URL as a browser would take it: `hxxps[:]//ex[.]ample/x` as `https://ex.ample/x`, without what stood around."""
    plain = _INVISIBLE.sub("", text[: 2 * LONGEST_URL]).strip().strip(_AROUND).lstrip("([{ ").strip()
    plain = _AT.sub("@", _DOT.sub(".", plain))
    scheme = _DEFANGED_SCHEME.match(plain)
    if scheme:
        rest = plain[scheme.end() :]
        if "%2f" in rest[:400].lower() and "/" not in rest.partition("?")[0]:
            rest = unquote(rest)
        plain = f"http{'s' if scheme[1].lower().endswith('s') else ''}://{rest.lstrip('/')}"
    return _trim(plain)


def _trim(plain: str) -> str:
    """Without signs that end a sentence or close a bracket which was opened before the URL began."""
    while plain:
        last = plain[-1]
        opened = _PAIRS.get(last)
        unbalanced = opened is not None and plain.count(last) > plain.count(opened)
        if last not in _AFTER and last not in _AROUND and not unbalanced:
            return plain
        plain = plain[:-1]
    return plain


def _is_ours(url: ada_url.URL, hosts: Hosts) -> bool:
    return _bare(url.hostname) in hosts.names and url.port in hosts.ports


def _bare(host: str) -> str:
    return host.lower().rstrip(".").removeprefix("www.")


def _decoded(path: str) -> str:
    """The path without its encoding, however often it was encoded."""
    for _ in range(4):
        plain = unquote(path)
        if plain == path:
            break
        path = plain
    return _INVISIBLE.sub("", path).replace("\\", "/")


def _read_path(path: str) -> Place | None:
    """The place of a path; None where the query may tell more."""
    if file := _FILE.search(path):
        return Place("file", name=file[1])
    parts = [part for part in _trim(path).split("/") if part and part != "."]
    if parts and parts[0] in ("web", "deck"):
        parts = parts[1:]
    if parts[:1] == ["api"]:
        return _read_api(parts[2:]) if len(parts) > 2 else None
    if not parts:
        return None
    return _read_page(parts)


def _read_page(parts: list[str]) -> Place | None:
    head, *rest = parts
    if head.startswith("@"):
        if rest and (number := _number(rest[0])):
            return Place("status", number)
        return _named(head[1:])
    if head == "users" and rest:
        if len(rest) > 2 and rest[1] == "statuses" and (number := _number(rest[2])):
            return Place("status", number)
        return _named(rest[0])
    if head in ("statuses", "accounts") and rest and (number := _number(rest[0])):
        return Place("status" if head == "statuses" else "account", number)
    return None


def _read_api(parts: list[str]) -> Place | None:
    """What stands behind `/api/v1/` and the like."""
    head, *rest = parts
    number = _number(rest[0]) if rest else 0
    if head in ("statuses", "accounts", "media") and number:
        kinds: dict[str, PlaceKind] = {"statuses": "status", "accounts": "account", "media": "media"}
        return Place(kinds[head], number)
    return None


def _named(written: str) -> Place:
    name, _, domain = written.partition("@")
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
        return NOTHING
    return Place("name", name=name.lower(), domain=domain.lower() or None)


def _number(text: str) -> int:
    digits = re.match(r"[0-9]{1,19}", text)
    number = int(digits[0]) if digits else 0
    return number if 0 < number <= MAX_ID else 0


def _read_nested(search: str, hosts: Hosts, depth: int) -> Place:
    """What a redirect of ours leads to: `/sign-in?next=/@alice/1`, `/api/oembed?url=https://...`."""
    if depth >= MOST_NESTED:
        return NOTHING
    try:
        pairs = parse_qsl(search.removeprefix("?"), max_num_fields=50)
    except ValueError:
        return NOTHING
    for name, value in pairs:
        if name.lower() not in _NESTED:
            continue
        inner = _read_path(_decoded(value.partition("?")[0])) if value.startswith("/") else None
        place = inner or (read_url(value, hosts, depth=depth + 1) if _SCHEME.match(value) else OUTSIDE)
        if place.kind not in ("outside", "nothing"):
            return place
    return NOTHING


def find_urls(text: str, hosts: Hosts, *, limit: int = 500) -> list[str]:
    """URLs of ours in free text, as they were written, without repetition and in order."""
    found: dict[str, None] = {}
    for token in _candidates(text, hosts):
        if len(found) >= limit:
            break
        written = _as_written(token)
        if written and written not in found and read_url(written, hosts) not in (OUTSIDE, NOTHING):
            found[written] = None
    return list(found)


def find_short_urls(text: str, is_short: Callable[[str], bool], *, limit: int) -> list[str]:
    """URLs in free text of which `is_short` says that they hide where they lead, as they were written."""
    nowhere = Hosts(frozenset(), frozenset())
    found = (_as_written(token) for token in _candidates(text, nowhere))
    return list(islice(dict.fromkeys(one for one in found if one and is_short(one)), limit))


def _candidates(text: str, hosts: Hosts) -> Iterator[str]:
    joined = _DOT.sub(".", text) if _DOT.search(text) else text
    for match in _TOKEN.finditer(joined):
        token = match[0][: 2 * LONGEST_URL]
        starts = [one.start() for one in _SCHEME.finditer(token)]
        if starts:
            ends = [*starts[1:], len(token)]
            # A URL inside another one's query belongs to it.
            yield from _cut(token, starts, ends)
        else:
            yield from _without_scheme(token, hosts.names)


def _cut(token: str, starts: list[int], ends: list[int]) -> Iterator[str]:
    begin = starts[0]
    for start, end in zip(starts, ends, strict=True):
        before = token[start - 1] if start > begin else ""
        if start > begin and before not in ",;)]}|":
            continue
        yield token[start : end if end < len(token) and token[end - 1] in ",;)]}|" else len(token)]


def _without_scheme(token: str, names: Iterable[str]) -> Iterator[str]:
    lowered = token.lower()
    for name in names:
        place = lowered.find(name)
        if place >= 0 and not name.startswith("www.") and lowered[place + len(name) : place + len(name) + 1] in "/:":
            start = place - 4 if lowered[max(0, place - 4) : place] == "www." else place
            if start == 0 or lowered[start - 1] not in "abcdefghijklmnopqrstuvwxyz0123456789-.@":
                yield token[start:]
                return


def _as_written(token: str) -> str:
    return _trim(_INVISIBLE.sub("", token).strip(_AROUND))
