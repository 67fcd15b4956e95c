"""Running a backtest: judging history by a draft, without changing anything of it, and keeping what was found."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.clock import now
from parley.kit.db import Database, Tx
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.kit.ids import id_at
from parley.safety.backtests import store
from parley.safety.backtests.measuring import Measuring, revision_of
from parley.safety.backtests.views import BacktestResult, BacktestView
from parley.safety.history import Past, list_past_sample, walk_past
from parley.safety.judging import Judges, ask
from parley.safety.progress import Progress, quiet
from parley.screening import Ruleset
from parley.social.policies.actions import record_backtest
from parley.social.policies.views import Staff
from parley.social.verdicts.labels import list_labels
from parley.social.verdicts.reads import count_history

PAGE = 500


async def run_backtest(
    db: Database,
    staff: Staff | None,
    draft: Ruleset,
    judges: Judges,
    live: Ruleset,
    *,
    version: str = "",
    rule: str | None = None,
    since: datetime | None = None,
    sample: int | None = None,
    progress: Progress = quiet,
) -> BacktestView:
    """Judge history with `judges`, which judge by `draft`, and compare it with what happened; stores what was found.

    `version` is the kept version of the policy that this is about, if it is one: its activation then refers to the
    backtest. `sample` is about how many results are judged, all by default. Raises Forbidden and Invalid.
    """
    if staff is not None and not staff.is_staff:
        raise Forbidden("Only moderators, admins and owners run a backtest.")
    if sample is not None and sample < 1:
        raise Invalid("A sample needs at least one result.")
    known = {one.id for one in draft.rules}
    if rule is not None and rule not in known:
        raise NotFound(f"There is no rule {rule!r} in this draft. Rules: {', '.join(sorted(known)) or 'none'}.")
    after, until = id_at(since) if since else 0, id_at(now())
    async with db.read() as tx:
        total, _, _ = await count_history(tx, after_id=after, until_id=until)
    share = 1.0 if sample is None or sample >= total else sample / total
    measuring = Measuring(rule)
    if share >= 1.0:
        async for pasts in walk_past(db, after_id=after, until_id=until, page=PAGE):
            await _measure(db, judges, measuring, pasts)
            progress(measuring.judged, total)
    following: int | None = after if share < 1.0 else None
    while following is not None:
        async with db.read() as tx:
            pasts, following = await list_past_sample(
                tx, after_id=following, until_id=until, share=share, seed=draft.sha256, limit=PAGE
            )
        await _measure(db, judges, measuring, pasts)
        progress(measuring.judged, max(int(total * share), measuring.judged))
    result = measuring.result(share)
    async with db.write() as tx:
        return await _keep(tx, staff, draft, live, version, result)


async def _measure(db: Database, judges: Judges, measuring: Measuring, pasts: list[Past]) -> None:
    answers = await judges.judge([ask(past) for past in pasts])
    async with db.read() as tx:
        labels = await list_labels(tx, [revision_of(past) for past in pasts])
    for past, answer in zip(pasts, answers, strict=True):
        measuring.add(past, answer, labels.get(revision_of(past)))


async def _keep(
    tx: Tx, staff: Staff | None, draft: Ruleset, live: Ruleset, version: str, result: BacktestResult
) -> BacktestView:
    by = staff.account_id if staff else None
    backtest_id = await store.insert_backtest(tx, draft.sha256, draft.policy_sha256, live.sha256, by, result)
    if version and result.rule is None:
        judged = round(result.judged / result.share) if result.share else 0
        stopped = round(result.stopped / result.share) if result.share else 0
        await record_backtest(
            tx,
            version,
            backtest_id=backtest_id,
            against=live.sha256,
            judged=judged,
            stopped=stopped,
            released=round(result.released / result.share) if result.share else 0,
            detail={"share": result.share, "sampled": result.judged},
        )
    return await get_backtest(tx, backtest_id)


async def get_backtest(tx: Tx, backtest_id: int) -> BacktestView:
    """A stored backtest. Raises NotFound."""
    row = await store.get_backtest(tx, backtest_id)
    if row is None:
        raise NotFound("There is no such backtest.")
    return BacktestView(
        id=row.id,
        ruleset=row.ruleset,
        policy_sha256=row.policy_sha256,
        against=row.against,
        created_at=row.created_at,
        created_by=row.created_by,
        result=msgspec.convert(row.result, BacktestResult),
    )
