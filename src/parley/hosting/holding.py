"""The holding page: what people see when nothing else of the instance is there.

Static files for any folder or bucket: a page without scripts, a feed, and the same as JSON with the instance's
signature, so that people can tell it from somebody else's page. What is on it is kept in one file of the data folder,
not in the database: it must work when everything else is down.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from parley.hosting.errors import SnapshotError
from parley.hosting.places import Place, open_place
from parley.kit.clock import now
from parley.kit.settings import Settings
from parley.kit.signing import KEY_FILE, fingerprint_of, is_signed_by, public_key_of, sign

State = Literal["operational", "degraded", "read_only", "moving", "down", "maintenance"]
STATES: tuple[State, ...] = get_args(State)

TITLES: dict[State, str] = {
    "operational": "Everything works",
    "degraded": "Some things do not work",
    "read_only": "You can read, but not post",
    "moving": "We are moving to another host",
    "down": "We are offline",
    "maintenance": "We are working on it",
}
KNOWN_TROUBLE: frozenset[State] = frozenset({"read_only", "moving", "down", "maintenance"})
"""States in which nobody wonders that nothing can be posted."""

MOST_CHARACTERS = 4000
SHOWN = 50
"""How many announcements the page shows."""

FOLDER = "holding"
_canonical = msgspec.json.Encoder(order="sorted")


class HoldingError(SnapshotError):
    """The holding page cannot be written, published or verified; the text says why and what to do."""


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the people who run the instance say. `text` is Markdown without HTML."""

    id: str
    at: datetime
    state: State
    title: str
    text: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the page. `announcements` are in order, the newest first."""

    format: int = 1
    name: str
    domain: str
    contact: str
    state: State
    updated_at: datetime
    announcements: tuple[Announcement, ...] = ()
    signer: str
    """The instance's public key (Ed25519, hexadecimal)."""

    def with_newest(self, one: Announcement) -> Status:
        """The same with one announcement more."""
        said = (one, *self.announcements)
        return msgspec.structs.replace(self, state=one.state, updated_at=one.at, announcements=said)

    def with_trouble(self, one: Announcement) -> Status:
        """The same with what the instance found out about itself. What its people said of the whole stays above it."""
        state = self.state if self.state in KNOWN_TROUBLE else one.state
        return msgspec.structs.replace(self.with_newest(one), state=state)


def read_announcements(settings: Settings) -> list[Announcement]:
    """What was announced so far, the newest first; raises HoldingError when the file is damaged."""
    path = settings.path(FOLDER, "announcements.json")
    if not path.exists():
        return []
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Announcement])
    except msgspec.DecodeError as error:
        raise HoldingError(f"{path} is damaged: {error}. Move it away to begin anew.") from error


def post_announcement(settings: Settings, state: State, title: str, text: str = "") -> Announcement:
    """Add an announcement to the file, which is replaced whole. Raises HoldingError for an empty or too long one."""
    title = " ".join(title.split())
    if not title or len(title) > 200:
        raise HoldingError("An announcement needs a title of at most 200 characters.")
    if len(text) > MOST_CHARACTERS:
        raise HoldingError(f"An announcement may have {MOST_CHARACTERS} characters at most.")
    made = Announcement(id=secrets.token_hex(8), at=now(), state=state, title=title, text=text.strip())
    keep_announcement(settings, made)
    return made


def keep_announcement(settings: Settings, made: Announcement) -> bool:
    """Add an announcement that was made here or on another host; one that is there already is kept once.

    Returns whether it was added.
    """
    said = read_announcements(settings)
    if any(one.id == made.id for one in said):
        return False
    folder = settings.path(FOLDER)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f"announcements.{os.getpid()}"
    fresh.write_bytes(msgspec.json.encode([made, *said]))
    fresh.replace(folder / "announcements.json")
    return True


def current_status(settings: Settings) -> Status:
    """The state of the newest announcement, or that everything works."""
    said = read_announcements(settings)
    signer = public_key_of(settings).hex()
    return Status(
        name=settings.name,
        domain=settings.local_domain,
        contact=settings.contact_email,
        state=said[0].state if said else "operational",
        updated_at=said[0].at if said else _since(settings),
        announcements=tuple(said[:SHOWN]),
        signer=signer,
    )


def _since(settings: Settings) -> datetime:
    """Since when the instance has its key: the same for everybody who asks, so that the signature is too."""
    return datetime.fromtimestamp(int(settings.path(KEY_FILE).stat().st_mtime), UTC)


def render_page(status: Status, *, base_url: str, folder: str = "", refresh_seconds: int = 120) -> str:
    """The page as one file: its styles are in it, it has no scripts and asks nobody else for anything.

    `folder` is where the feed and the JSON are, seen from the page; `refresh_seconds` 0 lets it stay as it is.
    """
    return str(
        template("holding.html").render(
            status=status,
            title=TITLES[status.state],
            titles=TITLES,
            base_url=base_url,
            fingerprint=fingerprint_of(bytes.fromhex(status.signer)),
            folder=folder,
            refresh_seconds=refresh_seconds,
            words=_words,
            policy=page_policy(),
            style=_style(),
        )
    )


def render_feed(status: Status, *, base_url: str) -> str:
    """The announcements as an Atom feed (RFC 4287)."""
    return str(template("holding.xml").render(status=status, titles=TITLES, base_url=base_url, words=_words))


def render_notice(settings: Settings, trouble: Announcement) -> str:
    """The page as the answer to a request that could not be done, with why. It does not load itself again: what was
    sent can still be had by going back."""
    status = current_status(settings).with_trouble(trouble)
    return render_page(status, base_url=settings.base_url, folder="/status/", refresh_seconds=0)


def holding_files(
    settings: Settings, *, folder: str = "", trouble: Announcement | None = None
) -> dict[str, tuple[bytes, str]]:
    """Every file of the holding page: its bytes and content type, by name. `trouble` is what the instance itself knows
    beyond what was announced."""
    status = current_status(settings)
    if trouble is not None:
        status = status.with_trouble(trouble)
    data = _canonical.encode(status)
    signature = base64.b64encode(sign(settings, data)) + b"\n"
    page = render_page(status, base_url=settings.base_url, folder=folder)
    return {
        "index.html": (page.encode(), "text/html; charset=utf-8"),
        "feed.xml": (render_feed(status, base_url=settings.base_url).encode(), "application/atom+xml; charset=utf-8"),
        "status.json": (data, "application/json"),
        "status.json.sig": (signature, "text/plain; charset=utf-8"),
    }


async def publish_holding(settings: Settings, url: str) -> list[str]:
    """Write the holding page to a folder or a bucket; returns the names of its files. Raises SnapshotError."""
    place = open_place(url, make=True)
    files = holding_files(settings)
    for name, (data, content_type) in files.items():
        await place.put(name, data, content_type=content_type)
    return sorted(files)


async def verify_holding(url: str, *, signer: str | None = None) -> Status:
    """The status at a place, when it was signed by `signer` (default: by whom it names). Raises HoldingError."""
    place: Place = open_place(url)
    data = await place.get("status.json", limit=4 * 1024 * 1024)
    signature = await place.get("status.json.sig", limit=1024)
    try:
        status = msgspec.json.decode(data, type=Status)
        decoded = base64.b64decode(signature.strip(), validate=True)
    except (msgspec.DecodeError, ValueError) as error:
        raise HoldingError(f"The holding page at {url} is damaged: {error}.") from error
    key = signer or status.signer
    if key != status.signer or not is_signed_by(bytes.fromhex(key), decoded, data):
        raise HoldingError(f"The holding page at {url} is not signed by {key[:16]}...: do not believe it.")
    return status


def _words(text: str) -> Any:
    """Markdown as safe HTML."""
    import nh3
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    rendered = MarkdownIt("commonmark", {"html": False, "linkify": True}).enable("linkify").render(text)
    return Markup(nh3.clean(rendered, tags={"p", "br", "a", "strong", "em", "ul", "ol", "li", "code"}))  # noqa: S704


@lru_cache(maxsize=4)
def template(name: str) -> Any:
    """One of the templates beside this file."""
    from jinja2 import Environment, FileSystemLoader, select_autoescape

    loader = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=loader, autoescape=select_autoescape(["html", "xml"])).get_template(name)


@lru_cache(maxsize=1)
def _style() -> str:
    return (Path(__file__).parent / "templates" / "holding.css").read_text()


@lru_cache(maxsize=1)
def page_policy() -> str:
    """The page's Content-Security-Policy: nothing but the very style that is in it."""
    style = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'"
