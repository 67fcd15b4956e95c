"""The words of the mail about an archive. No markup, no tracking, and no link that works without signing in."""

from __future__ import annotations

from parley.kit.settings import Settings
from parley.social.archives.views import ArchiveView


def archive_ready(settings: Settings, username: str, archive: ArchiveView) -> tuple[str, str]:
    """Tells a member that the archive can be fetched."""
    until = f"{archive.expires_at:%d %B %Y}" if archive.expires_at else "soon"
    text = (
        f"Hello @{username},\n\n"
        "the archive of your account is ready: your posts and messages, your files, and whom you follow, block and\n"
        f"mute. It can be fetched until {until}, by you alone, after signing in:\n\n"
        f"{settings.base_url}/settings/export\n\n"
        "You did not ask for it? Then somebody else is signed in as you. Choose a new password at once, which signs\n"
        f"everybody else out: {settings.base_url}/password/forgotten\n\n"
        f"-- \n{settings.name}\n{settings.base_url}\n"
    )
    return f"Your archive is ready on {settings.name}", text
