"""What is shown of a candidate and of how it compares."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Disagreement(msgspec.Struct, frozen=True):
    """One revision of which both say different things. `text` is empty for what only few may read."""

    subject_type: str
    subject_id: int
    revision: int
    live: str
    candidate: str
    text: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate beside the live model, over the same revisions and under the same rules."""

    judged: int
    same: int
    changes: dict[str, int]
    """`allow > hold` (live, then candidate) and how often."""
    stopped: int
    released: int
    difference: dict[str, float]
    """Mean distance of the scores, by head."""
    labels: int
    live_agreed: int
    candidate_agreed: int
    samples: list[Disagreement]


class CandidateView(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate."""

    id: int
    sha256: str
    version: str
    state: str
    created_at: datetime
    comparison: Comparison | None
    compared_at: datetime | None
