"""Reading stored results. Callers show them to the author or to moderators only."""

from __future__ import annotations

from datetime import datetime

from parley.kit.db import Tx
from parley.kit.ids import id_at
from parley.social.verdicts import store, store_history
from parley.social.verdicts.store import ResultRow as ResultRow
from parley.social.verdicts.store_history import PastRow as PastRow


async def get_results(tx: Tx, ids: list[int]) -> dict[int, ResultRow]:
    """Results by id; missing ids are left out."""
    return await store.get_results(tx, ids) if ids else {}


async def get_status_labels(tx: Tx, status_id: int) -> list[str]:
    """The labels that rules gave the newest revision of a status: `sensitive`, `support` and what a policy invents."""
    return await store.get_status_labels(tx, status_id)


async def get_sentence(tx: Tx, screening_id: int) -> str:
    """What its author is told of a result; empty for one that says nothing or is not there."""
    result = (await store.get_results(tx, [screening_id])).get(screening_id)
    return result.sentence if result else ""


async def list_history(
    tx: Tx, limit: int, *, after_id: int = 0, until_id: int | None = None, backwards: bool = False
) -> list[PastRow]:
    """A page of history: each revision of everything once, under its newest result; after_id < id <= until_id.

    Oldest first; `backwards` gives the newest first, with until_id itself left out, so that the last id of a page
    leads to the next one either way. For judging again alone.
    """
    end = until_id if until_id is not None else NO_END
    if backwards:
        return await store_history.list_before(tx, end, after_id, limit)
    return await store_history.list_after(tx, after_id, end, limit)


NO_END = 2**63 - 1


async def list_history_sample(
    tx: Tx, *, after_id: int, until_id: int, share: float, seed: str, limit: int
) -> list[PastRow]:
    """About `share` (0 to 1) of that history, chosen by chance, oldest first; the same for the same seed."""
    return await store_history.list_sample(tx, after_id, until_id, share, seed, limit)


async def list_history_named(tx: Tx, ids: list[int]) -> list[PastRow]:
    """These results, oldest first, whether they are the newest of their revisions or not."""
    return await store_history.list_named(tx, ids)


async def list_history_of(tx: Tx, named: list[tuple[str, int, int]]) -> list[PastRow]:
    """The newest results of these revisions (type, id, revision), in no order. For judging again alone."""
    return await store_history.list_newest(tx, named) if named else []


async def count_history(tx: Tx, *, after_id: int = 0, until_id: int | None = None) -> tuple[int, int, int]:
    """How many results there are (a revision that was judged twice counts twice), and the first and last id."""
    return await store_history.count_history(tx, after_id, until_id if until_id is not None else NO_END)


async def list_outdated(tx: Tx, ids: list[int]) -> set[int]:
    """Those of these results that a later one of the same revision has replaced."""
    return await store_history.list_outdated(tx, ids) if ids else set()


async def is_overruled(tx: Tx, result_id: int) -> bool:
    """Whether a sweep has stopped the revision of this result since."""
    return await store_history.has_stopping(tx, result_id)


async def list_scores(tx: Tx, since: datetime) -> tuple[dict[str, list[float]], int, float]:
    """Scores of the text model by name since a moment, the number of results, and the days that they cover."""
    after = id_at(since)
    posts, days = await store_history.count_scored(tx, after)
    return await store_history.list_scores(tx, after), posts, days
