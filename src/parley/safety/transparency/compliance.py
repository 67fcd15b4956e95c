"""The compliance page of one provider: each URL that it named with its outcome, how fast we were, and what waits.

Everything is read from the ledger of notices (safety/notices), from clocks and from cases; nothing is kept twice. What
is shown is what the provider sent, and what we did: nothing about a member that the provider did not write itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from parley.kit.clock import now
from parley.kit.db import Database, Tx
from parley.kit.errors import NotFound
from parley.kit.ids import MAX_ID, id_at
from parley.kit.settings import Settings
from parley.safety.notices.reads import count_copies, load_ledgers
from parley.safety.notices.views import OUTCOME_WORDS, LedgerLine
from parley.safety.transparency import store, store_figures, store_providers
from parley.safety.transparency.canonical import encode_canonical
from parley.safety.transparency.links import read_token
from parley.safety.transparency.reads import get_backlog, get_log_head
from parley.safety.transparency.signing import sign_contents
from parley.safety.transparency.store_providers import NoticeHead
from parley.safety.transparency.views import Breach, Compliance, Day, NoticeLines, Signed, Timing, UrlLine
from parley.safety.transparency.words import PROMISES
from parley.screening import live_ruleset

MOST_NOTICES = 300
AT_ONCE = 100
MOST_BREACHES = 100
DAYS = 30
FRESH = timedelta(seconds=20)
"""How long a page is shown again as it is: somebody who asks all the time costs nothing."""

NEEDS_NOTHING = frozenset({"gone", "unknown", "not_ours"})

_made: WeakKeyDictionary[Database, dict[int, tuple[datetime, Compliance, Signed]]] = WeakKeyDictionary()


async def get_compliance(db: Database, settings: Settings, token: str) -> tuple[Compliance, Signed]:
    """The page behind an address, and the signed bytes that it is drawn from. At most FRESH old.

    Raises NotFound for an address that was never given, or was taken back: it works for no moment longer.
    """
    token_id = read_token(settings, token)
    async with db.read() as tx:
        row = await store.get_token(tx, token_id) if token_id is not None else None
        if row is None or row.revoked_at is not None:
            raise NotFound
        made = _made.setdefault(db, {})
        known = made.get(row.id)
        if known is None or not now() - FRESH < known[0] <= now():
            view = await build_compliance(tx, settings, row.provider_id)
            known = (now(), view, sign_contents(settings, encode_canonical(view)))
            made[row.id] = known
    return known[1], known[2]


async def build_compliance(tx: Tx, settings: Settings, provider_id: int) -> Compliance:
    """All of one provider's page, as it is now; the caller has checked who asks. Raises NotFound."""
    provider = await store_providers.get_provider(tx, provider_id)
    if provider is None:
        raise NotFound
    moment = now()
    heads = await store_providers.list_provider_notices(tx, provider_id, MAX_ID, MOST_NOTICES)
    ledgers = await _load(tx, heads)
    notices = tuple(_notice(head, ledgers[head.id], moment) for head in heads)
    sums = _Sums()
    for one in notices:
        sums.add(one)
    older = await _add_older(tx, provider_id, heads, sums, moment)
    lines = [line for one in notices for line in one.lines]
    clauses = sorted(sums.clauses)
    swept = await store_providers.count_swept(tx, id_at(provider.since), clauses) if provider.since and clauses else 0
    ruleset = live_ruleset()
    return Compliance(
        instance=settings.name,
        domain=settings.local_domain,
        provider=provider.name,
        made_at=moment,
        since=provider.since,
        policy=f"{ruleset.name} {ruleset.version}",
        urls=sums.outcomes.total(),
        answered=sum(count for key, count in sums.outcomes.items() if key not in ("waiting", "hidden")),
        in_time=sums.in_time,
        late=sums.late,
        outcomes=tuple((key, sums.outcomes[key]) for key in OUTCOME_WORDS if sums.outcomes.get(key)),
        like_it=sum(line.like_it for line in lines),
        like_it_acted=sum(line.like_it_acted for line in lines),
        swept=swept,
        timings=sums.timings(),
        breaches=await _breaches(tx, provider_id, sums.breaches),
        backlog=await get_backlog(tx),
        days=await _days(tx, moment),
        notices=notices,
        older=older,
        log=await get_log_head(tx),
    )


@dataclass
class _Sums:
    """What is added up over all notices of a provider, those that are not listed too."""

    outcomes: Counter[str] = field(default_factory=Counter)
    in_time: int = 0
    late: int = 0
    late_ends: int = 0
    clauses: set[str] = field(default_factory=set)
    receipts: list[float | None] = field(default_factory=list)
    firsts: list[float | None] = field(default_factory=list)
    ends: list[float | None] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)

    def add(self, one: NoticeLines) -> None:
        """Count one notice."""
        self.receipts.append(_hours(one.received_at, one.acknowledged_at))
        self.ends.append(_hours(one.received_at, one.resolved_at))
        self.late_ends += one.resolved_at is not None and one.due_at is not None and one.resolved_at > one.due_at
        for line in one.lines:
            self.outcomes[line.outcome] += 1
            self.firsts.append(line.hours)
            self.in_time += line.in_time is True
            if line.clause:
                self.clauses.add(line.clause)
            if line.in_time is False:
                self.late += 1
                self._note_late(one, line)

    def _note_late(self, one: NoticeLines, line: UrlLine) -> None:
        if one.due_at is None:
            return
        what = f"Nothing had been done in time about {line.url}"
        self.breaches.append(
            Breach(reference=one.reference or one.id, what=what, due_at=one.due_at, ended_at=line.first_action_at)
        )
        if len(self.breaches) > 2 * MOST_BREACHES:
            self.breaches = sorted(self.breaches, key=_due, reverse=True)[:MOST_BREACHES]

    def timings(self) -> tuple[Timing, ...]:
        """How long it took, over all of them."""
        return (
            _timing("acknowledged", "A receipt", self.receipts, 0),
            _timing("first_action", "First action on a URL", self.firsts, self.late),
            _timing("resolved", "Everything decided", self.ends, self.late_ends),
        )


async def _add_older(tx: Tx, provider_id: int, listed: Sequence[NoticeHead], sums: _Sums, moment: datetime) -> int:
    """Count the notices that are too old to be listed, a few at a time; returns how many they are.

    What became of a URL is worked out in one place (safety/notices/states.py), for sums as for lists.
    """
    older = 0
    below = listed[-1].id if len(listed) == MOST_NOTICES else 0
    while heads := await store_providers.list_provider_notices(tx, provider_id, below, AT_ONCE):
        ledgers = await load_ledgers(tx, [head.id for head in heads])
        for head in heads:
            sums.add(_notice(head, ledgers[head.id], moment))
        older += len(heads)
        below = heads[-1].id
    return older


async def _load(tx: Tx, heads: Sequence[NoticeHead]) -> Mapping[int, Sequence[LedgerLine]]:
    """The ledgers of all notices; copies are counted for the newest posts (see count_copies)."""
    found: dict[int, list[LedgerLine]] = {}
    for start in range(0, len(heads), AT_ONCE):
        found |= await load_ledgers(tx, [head.id for head in heads[start : start + AT_ONCE]])
    every = [(head.id, line) for head in heads for line in found[head.id]]
    counted = await count_copies(tx, [line for _, line in every])
    made: dict[int, list[LedgerLine]] = {head.id: [] for head in heads}
    for (notice_id, _), line in zip(every, counted, strict=True):
        made[notice_id].append(line)
    return made


def _notice(head: NoticeHead, ledger: Sequence[LedgerLine], moment: datetime) -> NoticeLines:
    lines = tuple(_line(line, moment) for line in ledger)
    firsts = [line.first_action_at for line in ledger if line.first_action_at is not None]
    ends = [line.resolved_at for line in ledger if line.resolved_at is not None]
    return NoticeLines(
        id=str(head.id),
        reference=head.reference,
        channel=head.channel,
        received_at=head.received_at,
        acknowledged_at=head.acknowledged_at,
        first_action_at=min(firsts, default=None),
        resolved_at=max(ends, default=None) if len(ends) == len(ledger) else None,
        answered_at=head.answered_at,
        due_at=head.due_at,
        breached=head.breached or any(line.in_time is False for line in lines),
        waits_since=head.asked_at,
        stood_still_hours=round(head.stood_still_hours, 2),
        lines=lines,
    )


def _line(line: LedgerLine, moment: datetime) -> UrlLine:
    first = line.first_action_at
    if line.outcome in NEEDS_NOTHING or (first is not None and first <= line.due_at):
        in_time: bool | None = True
    else:
        in_time = False if first is not None or moment > line.due_at else None
    return UrlLine(
        url=line.url,
        outcome=line.outcome,
        clause=line.clause,
        clause_title=line.clause_title,
        first_action_at=first,
        hours=_hours(line.received_at, first),
        decided_at=line.resolved_at,
        reasons=line.reasons if line.outcome in ("kept", "restored") else "",
        like_it=line.copies_found,
        like_it_acted=line.copies_acted,
        in_time=in_time,
    )


def _hours(start: datetime, end: datetime | None) -> float | None:
    """Hours in between; what had been done before it was named took none."""
    return round(max((end - start).total_seconds(), 0) / 3600, 4) if end is not None else None


def _timing(key: str, title: str, hours: Iterable[float | None], breached: int) -> Timing:
    known = sorted(one for one in hours if one is not None)
    return Timing(
        key=key,
        title=title,
        count=len(known),
        median=percentile(known, 0.5),
        p95=percentile(known, 0.95),
        breached=breached,
    )


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value below which `share` of the values lie, between two of them as PostgreSQL's percentile_cont; pure."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return round(ordered[low] + (ordered[high] - ordered[low]) * (place - low), 4)


async def _breaches(tx: Tx, provider_id: int, late: Sequence[Breach]) -> tuple[Breach, ...]:
    """Every promise that was broken, whether a clock or (`late`) the ledger says so; the newest of them."""
    found = [
        Breach(
            reference=row.reference or str(row.notice_id),
            what=PROMISES.get(row.kind, row.kind),
            due_at=row.due_at,
            ended_at=row.ended_at,
        )
        for row in await store_providers.list_provider_breaches(tx, provider_id, MOST_BREACHES)
    ]
    return tuple(sorted([*found, *late], key=_due, reverse=True)[:MOST_BREACHES])


def _due(one: Breach) -> datetime:
    return one.due_at


async def _days(tx: Tx, moment: datetime) -> tuple[Day, ...]:
    end = moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    start = end - timedelta(days=DAYS)
    rows = await store_figures.list_case_days(tx, start.replace(tzinfo=None), end.replace(tzinfo=None))
    still = await store_figures.count_open_at(tx, start)
    days = []
    for row in rows:
        still += row.opened - row.closed
        days.append(Day(row.day, row.opened, row.closed, still))
    return tuple(days)
