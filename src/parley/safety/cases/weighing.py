"""Weighing open cases: how far what they are about went, how sure we are, and so in which order they come. For jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.safety.cases import store_weighing
from parley.safety.cases.priority import NEWCOMER, confidence_of, priority_of
from parley.safety.cases.store_weighing import VoiceRow, WaitingRow, WeighedRow, Weight
from parley.screening import live_ruleset
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import AccountView
from parley.social.statuses.standings import NOBODY, Reach, list_reach
from parley.social.verdicts.reads import ResultRow, get_results


async def weigh_cases_of(tx: Tx, rows: Sequence[WeighedRow]) -> None:
    """Weigh these cases. A fixed number of queries, however many there are."""
    if not rows:
        return
    ids = [row.id for row in rows]
    waiting: dict[int, list[WaitingRow]] = {}
    for one in await store_weighing.list_waiting_of(tx, ids):
        waiting.setdefault(one.case_id, []).append(one)
    voices: dict[int, list[VoiceRow]] = {}
    for voice in await store_weighing.list_voices(tx, ids, _new_since(), NEWCOMER):
        voices.setdefault(voice.case_id, []).append(voice)
    everything = [one for some in waiting.values() for one in some]
    reach = await list_reach(tx, [one.subject_id for one in everything if one.subject_type == "status"])
    results = await get_results(tx, [one.screening_id for one in everything if one.screening_id])
    accounts = await get_account_views(tx, [row.account_id for row in rows])
    await store_weighing.update_weights(
        tx,
        [
            _weigh(row, waiting.get(row.id, []), voices.get(row.id, []), reach, results, accounts.get(row.account_id))
            for row in rows
        ],
    )


def _weigh(
    row: WeighedRow,
    waiting: Sequence[WaitingRow],
    voices: Sequence[VoiceRow],
    reach: dict[int, Reach],
    results: dict[int, ResultRow],
    account: AccountView | None,
) -> Weight:
    went = [reach.get(one.subject_id, NOBODY) for one in waiting if one.subject_type == "status"]
    audience = max((one.audience for one in went), default=0)
    if account is not None and any(one.subject_type in ("account", "profile") for one in waiting):
        audience = max(audience, account.followers_count)
    seen = audience + sum(one.passed_on for one in went)
    per_hour = round(sum(one.per_hour for one in went), 1)
    findings = [finding_of(results[one.screening_id]) for one in waiting if one.screening_id in results]
    spoken = [voice for voice in voices if voice.reporters]
    confidence = confidence_of([voice.reliability for voice in spoken], [one.source for one in waiting], findings)
    priority = priority_of(
        row.severity, row.due_at, row.opened_at, reach=seen, reach_per_hour=per_hour, confidence=confidence
    )
    return Weight(
        case_id=row.id,
        reports=sum(voice.reports for voice in voices),
        reporters=sum(voice.reporters for voice in voices),
        reach=seen,
        reach_per_hour=per_hour,
        confidence=confidence,
        priority=priority,
    )


async def weigh_subjects(tx: Tx, case_id: int, subjects: Sequence[tuple[int, str, int | None]]) -> dict[int, float]:
    """How sure we are (0 to 1) of each of these subjects of a case: its row, source, and screening result. By row."""
    voices: dict[int, list[float]] = {}
    ids = [row_id for row_id, _, _ in subjects]
    for voice in await store_weighing.list_subject_voices(tx, case_id, ids, _new_since(), NEWCOMER):
        if voice.reporters:
            voices.setdefault(voice.case_id, []).append(voice.reliability)
    results = await get_results(tx, [screening_id for _, _, screening_id in subjects if screening_id])
    return {
        row_id: confidence_of(
            voices.get(row_id, []),
            [source],
            [finding_of(results[screening_id])] if screening_id in results else [],
        )
        for row_id, source, screening_id in subjects
    }


def _new_since() -> datetime:
    """Accounts that were made after this are new, as the policy says it."""
    return now() - timedelta(days=live_ruleset().head.trust.known_after_days)


def finding_of(result: ResultRow) -> tuple[str, float]:
    """Outcome, and the highest score of the text model (0 to 1)."""
    signals = result.detail.get("signals") or {}
    scores = [
        float(value)
        for name, value in signals.items()
        if name.startswith("text.") and name.endswith(".score") and isinstance(value, int | float)
    ]
    return result.outcome, max(scores, default=0.0)
