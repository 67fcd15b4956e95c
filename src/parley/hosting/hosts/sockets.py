"""Where the agent's unix sockets lie, so that its own user alone can reach them."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from parley.kit.settings import Settings

MAX_SOCKET_PATH = 90
POSTGRES_SOCKET = ".s.PGSQL.5432"


def control_socket(settings: Settings) -> Path:
    """The agent's control API, for commands of this machine."""
    return _folder(settings, "agent") / "control.sock"


def peer_folder(settings: Settings, name: str) -> Path:
    """The folder whose socket `.s.PGSQL.5432` leads to another host's PostgreSQL."""
    return _folder(settings, f"peer-{name}")


def _folder(settings: Settings, name: str) -> Path:
    inside = settings.path("link", name)
    if len(str(inside)) <= MAX_SOCKET_PATH:
        return inside
    digest = hashlib.sha256(str(inside).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"parley-{digest}"
