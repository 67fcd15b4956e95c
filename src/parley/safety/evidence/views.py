"""What is kept as evidence, as staff see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec


class EvidenceFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a snapshot speaks of: its public name, and the copy that no route serves (None: not yet, or lost)."""

    id: int
    file: str
    kept: bool
    sha256: str | None
    size_bytes: int | None
    error: str | None
    purged_at: datetime | None


class SnapshotView(msgspec.Struct, frozen=True, kw_only=True):
    """Something as it was. `content` is None once it was purged; its hash stays."""

    id: int
    sha256: str
    subject_type: str
    subject_id: int
    revision: int | None
    account_id: int | None
    created_at: datetime
    purged_at: datetime | None
    content: Mapping[str, Any] | None
    """See content.py: account, status (or media, messages), context, screening, files."""
    why: str = ""
    """Why it was captured for this case."""
    captured_at: datetime | None = None
    facts: Mapping[str, Any] = {}
    """What was true of its author at that moment: age, counts, strikes."""
    files: Sequence[EvidenceFile] = ()
