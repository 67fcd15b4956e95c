"""How values look on a page: times, numbers, names with emoji, addresses of media. Pure functions for templates.

Only HTML that a room has already sanitised may pass through `trusted` and its kin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from parley.kit import clock
from parley.social.accounts.views import AccountView, EmojiView
from parley.social.media.reads import file_address
from parley.social.media.views import MediaView

SWATCHES = ("#7a3e2b", "#1f5f6b", "#5b4a8a", "#2f6a3a", "#8a2f56", "#3f5570", "#6b5a12", "#1f4f8f")
_TAGS = re.compile(r"(<[^>]*>)")
_SHORTCODE = re.compile(r":([A-Za-z0-9_]{2,}):")


def ago(moment: datetime) -> str:
    """How long ago, as briefly as possible: now, 5m, 3h, 2d, 7 Mar."""
    seconds = max(0.0, (clock.now() - moment).total_seconds())
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{int(seconds // 60)}m"
    if seconds < 86_400:
        return f"{int(seconds // 3600)}h"
    if seconds < 7 * 86_400:
        return f"{int(seconds // 86_400)}d"
    same_year = clock.now().year == moment.year
    return f"{moment.day} {moment:%b}" if same_year else f"{moment.day} {moment:%b} {moment.year}"


def ahead(moment: datetime) -> str:
    """How far in the future: `in 5 minutes`, `in 3 hours`, `in 2 days`."""
    seconds = max(0.0, (moment - clock.now()).total_seconds())
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"in {count} {word}{'' if count == 1 else 's'}"
    return "in a moment"


def full(moment: datetime) -> str:
    """Day and time in full, in UTC."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def iso(moment: datetime) -> str:
    """For the `datetime` attribute."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def short(count: int) -> str:
    """1234 as 1.2k."""
    if count < 1000:
        return str(count)
    if count < 1_000_000:
        return f"{count / 1000:.1f}k".replace(".0k", "k")
    return f"{count / 1_000_000:.1f}M".replace(".0M", "M")


def media_url(name: str) -> str:
    """The address of a stored file."""
    return name if name.startswith("/") else f"/media/{name}"


@pass_context
def file_path(context: Context, media: MediaView, name: str) -> str:
    """The address of one of an attachment's stored files."""
    return file_address(context["settings"], media, name)


def swatch(account_id: int) -> str:
    """A colour for an account without a picture; white text on each passes 4.5:1."""
    # The low bits alone are often the same: each connection takes its numbers thirty-two at a time.
    return SWATCHES[((account_id >> 16) ^ account_id) % len(SWATCHES)]


def display_name(account: AccountView) -> Markup:
    """The name with its custom emoji as pictures."""
    return _with_emojis(escape(account.name), account.emojis)


def spoiler(status: Any) -> Markup:
    """A content warning with its custom emoji."""
    return _with_emojis(escape(status.spoiler_text), status.emojis)


def status_html(status: Any) -> Markup:
    """A status's sanitised HTML with custom emoji as pictures."""
    return _with_emojis(trusted(status.html), status.emojis)


def note_html(account: AccountView) -> Markup:
    """A profile's sanitised note with custom emoji."""
    return _with_emojis(trusted(account.note_html), account.emojis)


def trusted(html: str) -> Markup:
    """HTML that a room has sanitised with nh3 and stored. Never give it anything else."""
    return Markup(html)  # noqa: S704


SMALL_PICTURE = 360
"""Pictures narrower than this many pixels are shown at their own size where they stand alone."""


def dimensions(media: Any) -> Markup:
    """Width and height of a picture's preview, so that the page does not jump; a small one is not blown up."""
    size = media.meta.get("small") or media.meta.get("original") or {}
    width, height = size.get("width"), size.get("height")
    if not (isinstance(width, int) and isinstance(height, int)):
        return Markup("")
    small = Markup(' class="small"') if width < SMALL_PICTURE else ""
    return Markup(' width="{}" height="{}"{}').format(width, height, small)


def is_phone(user_agent: str) -> bool:
    """Whether a session's browser runs on something that is held in the hand."""
    return any(sign in user_agent for sign in ("iPhone", "iPad", "Android", "Mobile"))


def browser(user_agent: str) -> str:
    """A session's browser in two words, as far as it says."""
    system = next(
        (
            name
            for sign, name in (
                ("iPhone", "iPhone"),
                ("iPad", "iPad"),
                ("Android", "Android"),
                ("Windows", "Windows"),
                ("Mac OS X", "Mac"),
                ("Linux", "Linux"),
            )
            if sign in user_agent
        ),
        "",
    )
    program = next(
        (
            name
            for sign, name in (
                ("Edg/", "Edge"),
                ("OPR/", "Opera"),
                ("Firefox/", "Firefox"),
                ("Chrome/", "Chrome"),
                ("Safari/", "Safari"),
            )
            if sign in user_agent
        ),
        "A browser",
    )
    return f"{program} on {system}" if system else program


def _with_emojis(html: Markup, emojis: Iterable[EmojiView]) -> Markup:
    """Replace `:shortcode:` in the text between tags, never inside one."""
    known = {emoji.shortcode: emoji for emoji in emojis}
    if not known:
        return html
    picture = Markup('<img class="emoji" src="{}" alt=":{}:" title=":{}:" loading="lazy">')

    def show(match: re.Match[str]) -> str:
        emoji = known.get(match[1])
        if emoji is None:
            return match[0]
        return str(picture.format(media_url(emoji.file), emoji.shortcode, emoji.shortcode))

    parts = _TAGS.split(str(html))
    # Every second part is a tag; the others are text of HTML that is already safe.
    return Markup("".join(part if n % 2 else _SHORTCODE.sub(show, part) for n, part in enumerate(parts)))  # noqa: S704


FILTERS = {
    "ago": ago,
    "ahead": ahead,
    "full": full,
    "iso": iso,
    "short": short,
    "media_url": media_url,
    "file_path": file_path,
    "swatch": swatch,
    "display_name": display_name,
    "spoiler": spoiler,
    "status_html": status_html,
    "note_html": note_html,
    "trusted": trusted,
    "dimensions": dimensions,
    "browser": browser,
    "is_phone": is_phone,
}
