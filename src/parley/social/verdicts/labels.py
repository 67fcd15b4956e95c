"""Labels: what people said should have happened to a revision. The judge is measured by them.

Whoever decides records one, in the transaction of the decision: publishing or dropping what was held, the moderators'
desk, appeals. Nothing is overwritten; the newest label of a revision counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from parley.kit.db import Tx
from parley.screening import Outcome
from parley.social.events.actions import record
from parley.social.events.facts import LabelRecorded
from parley.social.verdicts import store_labels

Source = Literal["decision", "appeal", "quality_check"]
Revision = tuple[str, int, int]
"""Type, id and revision of what was judged. A status is one thing, whether it is judged as status, poll or message."""


class Label(msgspec.Struct, frozen=True):
    """What people last said of a revision."""

    outcome: Outcome
    clause: str | None
    source: str


async def record_label(
    tx: Tx,
    subject: Revision,
    outcome: Outcome,
    *,
    clause: str | None,
    source: Source,
    by: int | None = None,
) -> None:
    """Note what should have happened to `subject`: allow for what is in order, else what its clause asks for.

    `by` is the account that decided.
    """
    await store_labels.insert_label(tx, subject, outcome.value, clause, source, by)
    kind, subject_id, revision = subject
    fact = LabelRecorded(
        account_id=by or 0,
        subject_type=kind,
        subject_id=subject_id,
        revision=revision,
        outcome=outcome.value,
        clause=clause,
        source=source,
    )
    await record(tx, fact)


async def list_labels(tx: Tx, subjects: Sequence[Revision]) -> dict[Revision, Label]:
    """What people last said of these revisions; those that nobody spoke of are left out."""
    found = await store_labels.list_labels(tx, subjects) if subjects else []
    return {(row[0], row[1], row[2]): Label(Outcome(row[3]), row[4], row[5]) for row in found}
