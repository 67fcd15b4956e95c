"""Drawing what is judged again, once a day, by a seed that stands in the log."""

from __future__ import annotations

import secrets
from collections import defaultdict
from datetime import timedelta
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.ids import id_at
from parley.kit.instance import Instance
from parley.safety.golden.reads import list_unseen_cases
from parley.safety.log.actions import append_event
from parley.safety.log.views import system
from parley.safety.quality import store
from parley.safety.quality.store import Candidate
from parley.safety.quality.strata import draw, size_of, stratum_of
from parley.screening import live_ruleset

LOOK_BACK = timedelta(days=1)
MOST_CANDIDATES = 50_000
KNOWN_A_DAY = 1
"""Questions with a known answer that each member of the staff finds among the others, while none waits."""


async def draw_quality_checks(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, daily: draw a share of yesterday's decisions, holds and refusals, by stratum, for a blind second opinion."""
    async with instance.db.write() as tx:
        await draw_checks(tx)


async def draw_checks(tx: Tx) -> int:
    """Draw; returns how many checks were added."""
    since = now() - LOOK_BACK
    clauses = live_ruleset().clauses
    strata: dict[str, list[Candidate]] = defaultdict(list)
    for one in await store.list_decisions(tx, since, MOST_CANDIDATES):
        strata[stratum_of(one.severity, one.by)].append(one)
    for one in await store.list_stopped(tx, id_at(since), MOST_CANDIDATES):
        severity = clauses[one.clause].severity if one.clause and one.clause in clauses else 2
        strata[stratum_of(severity, one.by)].append(msgspec.structs.replace(one, severity=severity))
    seed = secrets.token_bytes(16)
    drawn: list[tuple[Candidate, str]] = []
    for stratum, found in sorted(strata.items()):
        by_id = {one.decision_id or one.screening_id or 0: one for one in found}
        drawn += [(by_id[one], stratum) for one in draw(list(by_id), size_of(stratum, len(by_id)), seed)]
    known = await _known(tx)
    if not drawn and not known:
        return 0
    sizes = {stratum: len(found) for stratum, found in sorted(strata.items())}
    await append_event(tx, system("quality"), "quality_drawn", seed=seed.hex(), of=sizes, drawn=len(drawn))
    for one, stratum in drawn:
        await store.insert_check(tx, one, stratum)
    for one, reviewer_id in known:
        await store.insert_check(tx, one, stratum_of(one.severity, "golden"), reviewer_id)
    return len(drawn) + len(known)


async def _known(tx: Tx) -> list[tuple[Candidate, int]]:
    """Questions with a known answer for those of the staff who have none."""
    staff = await store.list_staff(tx)
    waiting = await store.count_known_waiting(tx, staff)
    clauses = live_ruleset().clauses
    found = []
    for account_id in staff:
        if waiting.get(account_id):
            continue
        for case in await list_unseen_cases(tx, account_id, KNOWN_A_DAY):
            new = Candidate(
                golden_id=case.id,
                subject_type=case.subject_type,
                subject_id=case.subject_id,
                revision=case.revision,
                account_id=await store.get_author(tx, case.decision_id),
                severity=clauses[case.clause].severity if case.clause and case.clause in clauses else 3,
                by="golden",
                expected=case.expected,
                clause=case.clause,
            )
            found.append((new, account_id))
    return found
