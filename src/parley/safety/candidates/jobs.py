"""The job by which a candidate judges what the live model has judged, in a process of its own; after the write."""

from __future__ import annotations

from typing import Any

import msgspec

from parley.kit.errors import NotFound
from parley.kit.instance import Instance
from parley.safety.candidates import store
from parley.safety.history import list_past
from parley.safety.judging import ask, local_processes
from parley.social.policies.models import get_model_folder
from parley.social.policies.sources import get_live_source

AT_ONCE = 500
MOST = 10_000
"""How many revisions one run of the job judges at most."""


async def judge_by_candidate(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, every five minutes: if there is a candidate, let it judge what is new. It decides nothing."""
    async with instance.db.write() as tx:
        row = await store.get_candidate(tx)
        if row is None or (await list_past(tx, 1, after_id=row.cursor))[1] is None:
            return  # nobody to judge, or nothing new
        try:
            source = await get_live_source(tx)
        except NotFound:
            return
    folder = await get_model_folder(instance.db, instance.settings, row.sha256)
    cursor = row.cursor
    async with local_processes(msgspec.structs.replace(source, model=str(folder)), None, 1) as judges:
        for _ in range(MOST // AT_ONCE):
            async with instance.db.read() as tx:
                pasts, following = await list_past(tx, AT_ONCE, after_id=cursor)
            if not pasts and following is None:
                return
            answers = await judges.judge([ask(past) for past in pasts])
            end = following or pasts[-1].id
            rows = [
                (past.id, answer.outcome, past.outcome, answer.scores)
                for past, answer in zip(pasts, answers, strict=True)
                if not answer.degraded and not past.degraded
            ]
            async with instance.db.write() as tx:
                if not await store.insert_results(tx, row.id, cursor, end, rows):
                    return
            cursor = end
            if following is None:
                return
