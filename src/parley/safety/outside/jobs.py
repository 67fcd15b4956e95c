"""Jobs of outside models: ask about what was published, and hide or flag what the answer makes suspicious.

Only what everybody may read is sent: no messages, nothing for followers alone, and nothing about the author. Without a
configured model the job is not even queued. What people decided in the meantime stays.
"""

from __future__ import annotations

import logging
from datetime import UTC, timedelta
from typing import Any

from parley import screening
from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.safety.history import STATUS_TYPES, Past, rebuild
from parley.safety.outside import store
from parley.screening import Outcome
from parley.screening.outside import stricter_verdict, text_to_send
from parley.social.verdicts.raising import get_newest_past, raise_verdict

log = logging.getLogger(__name__)

_ATTEMPTS = 3
_LATER = timedelta(minutes=10)


async def ask_outside_model(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, after something was published: ask the outside model about it. At most three attempts, ten minutes apart.

    Payload: `status_id`, or `account_id` for its profile; `attempt` is added by the job itself.
    """
    settings = instance.settings
    if not settings.outside_model_url:
        return
    # Here: its HTTP client takes 9 MB that most instances never need.
    from parley.safety.outside.client import OutsideUnavailable, ask_model

    day = now().astimezone(UTC).date()
    async with instance.db.write() as tx:
        past = await _get_subject(tx, payload)
        if past is None or past.private or not Outcome(past.outcome).published:
            return
        text = text_to_send(past.content)
        if not text or Outcome(past.outcome).rank >= Outcome.HOLD.rank:
            return
        if not await store.upsert_call(tx, day, settings.outside_model_budget):
            log.warning("the outside model is not asked: its budget of today is spent")
            return
    try:
        scores = await ask_model(settings, text)
    except OutsideUnavailable as error:
        attempt = int(payload.get("attempt", 1))
        log.warning("the outside model gave no answer: %s (attempt %s)", error, attempt)
        async with instance.db.write() as tx:
            await store.update_outcome(tx, day, failed=True)
            if attempt < _ATTEMPTS:
                await enqueue(tx, "ask_outside_model", {**payload, "attempt": attempt + 1}, after=_LATER * attempt)
        return
    ruleset = screening.live_ruleset()
    verdict = stricter_verdict(
        past.content,
        Outcome(past.outcome),
        scores,
        name=settings.outside_model_name,
        flag=settings.outside_model_flag,
        hold=settings.outside_model_hold,
        hours=ruleset.head.review_hours,
        ruleset=past.ruleset,
        trust=past.facts.trust or screening.trust_level(past.facts, ruleset.head.trust),
    )
    if verdict is None:
        return
    why = {"outside": {"model": settings.outside_model_name, "kind": settings.outside_model_kind, "scores": scores}}
    async with instance.db.write() as tx:
        if await raise_verdict(tx, past.id, verdict, why):
            await store.update_outcome(tx, day, raised=True)


async def _get_subject(tx: Tx, payload: dict[str, Any]) -> Past | None:
    """The newest revision of the status or profile that the fact was about, as it was judged."""
    if "status_id" in payload:
        row = await get_newest_past(tx, STATUS_TYPES, int(payload["status_id"]))
    else:
        row = await get_newest_past(tx, ("profile",), int(payload["account_id"]))
    found = await rebuild(tx, [row]) if row else []
    return found[0] if found else None
