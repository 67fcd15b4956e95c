"""The figures of quality, for the staff. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.safety.golden.reads import count_golden
from parley.safety.intervals import krippendorff_alpha, wilson
from parley.safety.quality import store
from parley.safety.quality.store import CountRow
from parley.safety.quality.strata import by_of, severity_of
from parley.safety.quality.views import Disagreement, QualityView, Rate, Reader
from parley.safety.wellness.reads import wellness_of
from parley.social.accounts.views import Viewer

MOST_SHOWN = 50
WEEKS = timedelta(weeks=13)


async def get_quality(tx: Tx, viewer: Viewer, *, days: int = 90) -> QualityView:
    """How often second readers agreed, by stratum, since `days`. Raises NotFound for who is not of the staff."""
    if not viewer.is_staff:
        raise NotFound
    since = now() - timedelta(days=days)
    rows = await store.count_strata(tx, since)
    pairs = await store.list_pairs(tx, since)
    least = (await wellness_of(tx, viewer)).least_severity
    breaks, fine = await count_golden(tx)
    people = [row for row in rows if by_of(row.stratum) == "person"]
    program = [row for row in rows if by_of(row.stratum) in ("rule", "hold", "reject")]
    return QualityView(
        days=days,
        rates=tuple(rate_of(row.stratum, [row]) for row in rows),
        people=rate_of("severity-3-person", people),
        program=rate_of("severity-3-rule", program),
        agreement=krippendorff_alpha(pairs),
        pairs=len(pairs),
        disagreements=tuple(
            msgspec.convert(dict(zip(Disagreement.__struct_fields__, row, strict=True)), Disagreement)
            for row in await store.list_disagreements(tx, since, MOST_SHOWN)
        ),
        readers=tuple(
            msgspec.convert(dict(zip(Reader.__struct_fields__, row, strict=True)), Reader)
            for row in await store.list_readers(tx, since)
        ),
        waiting=sum(row.waiting for row in rows),
        mine=await store.count_mine(tx, viewer.account_id, now(), least),
        golden_breaks=breaks,
        golden_fine=fine,
        weeks=tuple(await store.list_weeks(tx, now() - WEEKS)),
    )


def rate_of(stratum: str, rows: Iterable[CountRow]) -> Rate:
    """How often second readers disagreed about these strata; those who could not say count neither way."""
    rows = list(rows)
    unsure, disagreed = sum(row.unsure for row in rows), sum(row.disagreed for row in rows)
    answered = sum(row.answered for row in rows)
    sure = answered - unsure
    low, high = wilson(disagreed, sure)
    return Rate(
        stratum=stratum,
        by=by_of(stratum),
        severity=severity_of(stratum),
        waiting=sum(row.waiting for row in rows),
        answered=answered,
        unsure=unsure,
        disagreed=disagreed,
        share=disagreed / sure if sure else None,
        low=low,
        high=high,
    )
