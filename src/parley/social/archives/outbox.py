"""Reading the ActivityStreams of an archive: whose it is, and its posts one by one. Hostile input; nothing is believed.

What an archive says about who wrote a post is compared with whose the archive is; how far that itself is proven stands
in proof.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import IO, Any
from urllib.parse import urlsplit

import msgspec

from parley.kit.cleaning import clean_text
from parley.kit.clock import now
from parley.kit.errors import Invalid
from parley.social.archives.activities import PUBLIC
from parley.social.archives.markup import MOST_HTML, text_of

MOST_OUTBOX = 2**30
MOST_ITEM = 4 * 2**20
"""Bytes of one entry of outbox.json: more is no post."""

DEEPEST = 64
"""Levels of nesting: a post of Mastodon has seven."""

LONGEST_URI = 2000
LONGEST_NAME = 500
MOST_MEDIA = 4
EARLIEST = datetime.fromisoformat("1995-01-01T00:00:00+00:00")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")


class Actor(msgspec.Struct, frozen=True):
    """Whose an archive is, by its own word."""

    uri: str
    host: str
    username: str
    aliases: tuple[str, ...]
    """Other accounts of the same person, by its own word."""

    @property
    def address(self) -> str:
        """`alice@old.example`"""
        return f"{self.username}@{self.host}"


class FoundMedia(msgspec.Struct, frozen=True):
    """A file of a post: its name in the archive, its alternative text, its point of interest."""

    name: str
    description: str = ""
    focus: tuple[float, float] | None = None
    sha256: str | None = None
    """What the signed list of the archive says of it."""


class FoundPost(msgspec.Struct, frozen=True, kw_only=True):
    """A post of the archive's own actor."""

    source: str
    text: str
    content_type: str
    spoiler_text: str
    sensitive: bool
    visibility: str
    language: str | None
    published: datetime
    parent: str | None
    media: tuple[FoundMedia, ...] = ()
    media_left_out: int = 0
    imported_from: str | None = None
    """The host from which its author had brought it along to where the archive was made: what is proven of the archive
    is not proven of it."""


class Skipped(msgspec.Struct, frozen=True):
    """An entry that is no post to take: boost, stranger or unreadable."""

    kind: str


def read_actor(content: bytes) -> Actor:
    """actor.json; raises Invalid."""
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Invalid("actor.json in this archive cannot be read.") from error
    if not isinstance(found, dict):
        raise Invalid("actor.json in this archive cannot be read.")
    uri = _url(found.get("id"))
    host = _host(uri)
    username = _text(found.get("preferredUsername"))
    if uri is None or host is None or not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", username):
        raise Invalid("actor.json in this archive does not say whose it is.")
    aliases = found.get("alsoKnownAs")
    listed = aliases if isinstance(aliases, list) else [aliases]
    return Actor(uri, host, username, tuple(one for one in listed[:100] if isinstance(one, str) and len(one) < 500))


def _host(uri: str | None) -> str | None:
    """The host (and port) of a URL; None for what is none."""
    if uri is None:
        return None
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or "\\" in uri or "@" in parts.netloc or not re.fullmatch(r"[a-z0-9.-]{1,253}", host):
        return None
    return host if port is None else f"{host}:{port}"


class _Bounded:
    """A file for the parser, which may not go on reading without an entry coming to an end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.since = 0

    def read(self, size: int = -1) -> bytes:
        if self.since > MOST_ITEM:
            raise Invalid("outbox.json in this archive holds an entry that is too large.")
        data = self._file.read(size)
        self.since += len(data)
        return data


def read_outbox(file: IO[bytes], actor: Actor) -> Iterator[FoundPost | Skipped]:
    """The entries of outbox.json in order, without ever holding more than one; raises Invalid for broken JSON."""
    import ijson  # type: ignore[import-untyped]

    bounded = _Bounded(file)
    try:
        events = ijson.basic_parse(bounded, use_float=True, buf_size=64 * 1024)
        for item in _items(events, ijson.ObjectBuilder):
            bounded.since = 0
            yield read_item(item, actor)
    except (ijson.JSONError, UnicodeDecodeError, RecursionError, ValueError, OverflowError) as error:
        raise Invalid("outbox.json in this archive is not valid JSON.", detail=str(error)[:300]) from error


def _items(events: Iterator[tuple[str, Any]], builder_of: Callable[[], Any]) -> Iterator[Any]:
    """The elements of the top-level array `orderedItems`, whole, out of a parser's events.

    The library's own way keeps the path to each event, which takes memory without end for what is nested deeply.
    """
    depth, inside, key = 0, False, ""
    builder: Any = None
    for event, value in events:
        if builder is None and inside and depth == 2 and event != "end_array":
            builder = builder_of()
        if builder is not None:
            builder.event(event, value)
        if event.startswith("start_"):
            depth += 1
            if depth > DEEPEST:
                raise Invalid("outbox.json in this archive is nested too deeply.")
            inside = inside or (depth == 2 and event == "start_array" and key == "orderedItems")
        elif event.startswith("end_"):
            depth -= 1
            inside = inside and depth >= 2
        elif event == "map_key" and depth == 1:
            key = value
        if builder is not None and depth == 2:
            yield builder.value
            builder = None


def read_item(item: Any, actor: Actor) -> FoundPost | Skipped:
    """One entry: a post of the actor's, or why it is none."""
    if not isinstance(item, dict):
        return Skipped("unreadable")
    if item.get("type") == "Announce":
        return Skipped("boost")
    note = item.get("object")
    if item.get("type") != "Create" or not isinstance(note, dict):
        return Skipped("unreadable")
    if note.get("type") not in ("Note", "Question", "Article", "Page"):
        return Skipped("unreadable")
    authors = [item.get("actor"), note.get("attributedTo")]
    if any(author != actor.uri for author in authors):
        return Skipped("stranger")
    source = _url(note.get("id"))
    if source is None or _host(source) != actor.host:
        # Whoever names posts of other hosts would take their names.
        return Skipped("stranger" if source else "unreadable")
    published = _moment(note.get("published") or item.get("published"))
    if published is None:
        return Skipped("unreadable")
    return _post_of(note, source, published)


def _post_of(note: dict[str, Any], source: str, published: datetime) -> FoundPost | Skipped:
    visibility = _visibility(note)
    if visibility is None:
        return Skipped("unreadable")
    text, content_type = _words(note)
    media, left_out = _media(note)
    spoiler = _text(note.get("summary"))
    brought = _text(note.get("parley:importedFrom"))
    return FoundPost(
        source=source,
        text=text,
        content_type=content_type,
        spoiler_text=text_of(spoiler, {}) if "<" in spoiler else spoiler,
        sensitive=note.get("sensitive") is True,
        visibility=visibility,
        language=_language(note),
        published=published,
        parent=_url(note.get("inReplyTo")),
        media=media,
        media_left_out=left_out,
        imported_from=(_host(f"https://{brought}/") or "elsewhere") if brought else None,
    )


def _text(value: Any) -> str:
    return clean_text(value[:MOST_HTML]) if isinstance(value, str) else ""


def _url(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > LONGEST_URI or not value.startswith(("https://", "http://")):
        return None
    return value if value.isprintable() and " " not in value and "\\" not in value else None


def _moment(value: Any) -> datetime | None:
    """A time that a post can have: not in the future, and not before there was a web."""
    try:
        moment = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None
    if moment.tzinfo is None or not EARLIEST <= moment <= now() + timedelta(minutes=5):
        return None
    return min(moment, now())


def _listed(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed[:1000] if isinstance(one, str)]


def _visibility(note: dict[str, Any]) -> str | None:
    """As Mastodon reads it: public in `to`, unlisted in `cc`, followers alone, or those who are named."""
    to, cc = _listed(note.get("to")), _listed(note.get("cc"))
    public = {PUBLIC, "as:Public", "Public"}
    if public & set(to):
        return "public"
    if public & set(cc):
        return "unlisted"
    if any(one.endswith("/followers") for one in (*to, *cc)):
        return "private"
    return "direct"


def _words(note: dict[str, Any]) -> tuple[str, str]:
    """The text and its kind: what was typed where the archive has it, else what its HTML says; a poll's options too."""
    source = note.get("source")
    kind = source.get("mediaType") if isinstance(source, dict) else None
    if isinstance(source, dict) and kind in ("text/plain", "text/markdown"):
        text = _text(source.get("content"))
    else:
        kind = "text/plain"
        text = clean_text(text_of(_text(note.get("content")), _mentions(note)))
        title = _text(note.get("name")).strip()
        if title and note.get("type") in ("Article", "Page"):
            text = f"{title}\n\n{text}"
    options = note.get("oneOf") or note.get("anyOf")
    if isinstance(options, list):
        names = [_text(one.get("name"))[:LONGEST_NAME] for one in options[:50] if isinstance(one, dict)]
        text = "\n".join([text, "", *(f"- {name}" for name in names if name)]).strip()
    return text, str(kind)


def _mentions(note: dict[str, Any]) -> dict[str, str]:
    tags = note.get("tag")
    found = {}
    for tag in (tags if isinstance(tags, list) else [tags])[:200]:
        if isinstance(tag, dict) and tag.get("type") == "Mention":
            href, name = tag.get("href"), tag.get("name")
            if isinstance(href, str) and isinstance(name, str) and len(name) < 400:
                found[href] = name if name.startswith("@") else f"@{name}"
    return found


def _language(note: dict[str, Any]) -> str | None:
    languages = note.get("contentMap")
    if isinstance(languages, dict) and len(languages) == 1:
        code = next(iter(languages))
        return code if isinstance(code, str) and _LANGUAGE.fullmatch(code) else None
    return None


def _media(note: dict[str, Any]) -> tuple[tuple[FoundMedia, ...], int]:
    """The files of a post, as many as a post may have here, and how many are more than that or cannot be named."""
    attached = note.get("attachment")
    listed = [one for one in (attached if isinstance(attached, list) else [attached])[:100] if isinstance(one, dict)]
    found = []
    for one in listed:
        url = one.get("url") or one.get("href")
        if not isinstance(url, str) or not url or len(url) > LONGEST_URI or not url.isprintable():
            continue
        description = _text(one.get("name") or one.get("summary"))[:10_000]
        found.append(FoundMedia(url, description, _focus(one.get("focalPoint"))))
    kept = tuple(found[:MOST_MEDIA])
    return kept, len(listed) - len(kept)


def _focus(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    x, y = value
    if not all(isinstance(one, int | float) and not isinstance(one, bool) and -1 <= one <= 1 for one in (x, y)):
        return None
    return float(x), float(y)


def names_in_archive(url: str) -> list[str]:
    """Under which names the file at this address may lie in the archive, the likeliest first."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return []
    path = path.lstrip("/").removeprefix("system/")
    names = [path]
    for folder in ("media_attachments/", "media/"):
        at = path.find(f"/{folder}")
        if at >= 0:
            names.append(path[at + 1 :])
    return [name for name in names if name and ".." not in name.split("/")]
