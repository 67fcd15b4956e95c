"""What one running process of an instance holds: its settings, database, files and live updates.

Doors and jobs receive it; rooms receive the parts that they need as arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parley.kit.db import Database
    from parley.kit.files import FileStore
    from parley.kit.live import Live
    from parley.kit.settings import Settings


@dataclass(frozen=True)
class Instance:
    """One process of an instance."""

    settings: Settings
    db: Database
    files: FileStore
    live: Live
