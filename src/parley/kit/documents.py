"""Longer texts of an instance: the operator's own Markdown files, or what ships with Parley.

An operator puts `privacy_policy.md` or `about.md` into `<data_dir>/pages/`. No rule and no query lives here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from parley.kit.html import render_markdown
from parley.kit.settings import Settings

SHIPPED = Path(__file__).parent / "texts"

_kept: dict[tuple[Path, float], str] = {}


class Document(msgspec.Struct, frozen=True):
    """A text as safe HTML, and when its file was last changed."""

    html: str
    updated_at: datetime


def load_document(settings: Settings, name: str) -> Document | None:
    """The text called `name`, the operator's own before the shipped one; None when there is neither."""
    for path in (settings.path("pages", f"{name}.md"), SHIPPED / f"{name}.md"):
        try:
            changed = path.stat().st_mtime
        except OSError:
            continue
        html = _kept.get((path, changed))
        if html is None:
            text = path.read_text(encoding="utf-8", errors="replace")
            html = render_markdown(text, mention_url=lambda _: None, tag_url=str).html
            _kept[path, changed] = html
        return Document(html, datetime.fromtimestamp(changed, UTC))
    return None
