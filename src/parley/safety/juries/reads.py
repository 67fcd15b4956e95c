"""What jurors are asked, and what the staff see of juries. Nothing is changed here."""

from __future__ import annotations

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.settings import Settings
from parley.safety.golden.reads import list_golden_cases, list_questions
from parley.safety.intervals import krippendorff_alpha
from parley.safety.juries import store, store_seats
from parley.safety.juries.convening import rules, terms_of
from parley.safety.juries.drawing import hash_pool, order_pool, reliability_of
from parley.safety.juries.store import JuryRow
from parley.safety.juries.store_seats import SeatRow
from parley.safety.juries.views import Duty, DutyPage, JuryFigures, JuryView, SeatView
from parley.screening import live_ruleset
from parley.social.accounts.views import Viewer

MOST_DUTIES = 10
MOST_JURIES = 50


async def get_duties(tx: Tx, settings: Settings, viewer: Viewer) -> DutyPage:
    """What a member is asked as a juror. Where juries are switched off, the page says so and nothing else."""
    if not settings.jury:
        return DutyPage(enabled=False, opted_in=False, why_not="", duties=(), answered=0, known=0, right=0)
    opted_in = await store.has_opted_in(tx, viewer.account_id)
    fit = opted_in and await store.has_fit(tx, terms_of(now()), viewer.account_id)
    record = (await store_seats.list_records(tx, [viewer.account_id])).get(viewer.account_id)
    return DutyPage(
        enabled=True,
        opted_in=opted_in,
        why_not="" if fit or not opted_in else _conditions(),
        duties=await _duties(tx, viewer) if fit else (),
        answered=record.answered if record else 0,
        known=record.known if record else 0,
        right=record.right if record else 0,
    )


def _conditions() -> str:
    policy = rules()
    return (
        f"Jurors have been members for {policy.account_days} days, wrote {policy.posts} posts and one of them within "
        f"{policy.active_days} days, have no strike that counts, and answered known questions well. You may be drawn "
        "as soon as all of that is so."
    )


async def _duties(tx: Tx, viewer: Viewer) -> tuple[Duty, ...]:
    seats = await store_seats.list_called(tx, viewer.account_id, now(), MOST_DUTIES)
    golden = await list_golden_cases(tx, [seat.golden_id for seat in seats if seat.golden_id is not None])
    about: dict[int, tuple[str, list[tuple[int, int]]]] = {}
    for seat in seats:
        if seat.golden_id is not None and seat.golden_id in golden:
            case = golden[seat.golden_id]
            about[seat.id] = (case.clause or "", [(case.subject_id, case.revision)])
        elif seat.jury_id is not None and (jury := await store.get_jury(tx, seat.jury_id)) is not None:
            about[seat.id] = (jury.clause or "", await _asked(tx, jury))
    questions = await list_questions(tx, [place for _, places in about.values() for place in places])
    clauses = live_ruleset().clauses
    duties = []
    for seat in seats:
        clause, places = about.get(seat.id, ("", []))
        asked = [questions[place] for place in places if place in questions]
        shown = tuple(one for one in asked if one.is_whole)
        if shown and clause in clauses:
            rule = clauses[clause]
            duties.append(
                Duty(
                    seat_id=seat.id,
                    clause=clause,
                    clause_title=rule.title,
                    clause_text=rule.text,
                    questions=shown,
                    due_at=seat.due_at,
                )
            )
    return tuple(duties)


async def _asked(tx: Tx, jury: JuryRow) -> list[tuple[int, int]]:
    """The revisions that a jury is about."""
    if jury.appeal_id is not None:
        ground = await store.get_appeal_ground(tx, jury.appeal_id)
        return ground.statuses if ground else []
    case = await store.get_case(tx, jury.case_id, convened=(jury.convened_event, jury.convened_at))
    return case.statuses if case else []


async def list_juries(tx: Tx, viewer: Viewer) -> list[JuryView]:
    """The newest juries, for the staff. Raises NotFound for others."""
    if not viewer.is_staff:
        raise NotFound
    rows = await store.list_newest(tx, MOST_JURIES)
    seats = await store_seats.list_of_juries(tx, [row.id for row in rows])
    records = await store_seats.list_records(tx, sorted({seat.account_id for seat in seats}))
    shares = {one.account_id: reliability_of(one.right, one.known) for one in records.values()}
    chained = await store.list_chained(tx, [row.convened_event for row in rows])
    return [_present(row, [seat for seat in seats if seat.jury_id == row.id], shares, chained) for row in rows]


def _present(row: JuryRow, seats: list[SeatRow], shares: dict[int, float], chained: dict[int, bytes]) -> JuryView:
    order = order_pool(row.pool, row.seed, chained[row.convened_event]) if row.convened_event in chained else []
    as_logged = row.pool_sha256 == hash_pool(row.pool) and [one.account_id for one in seats] == order[: len(seats)]
    return JuryView(
        id=row.id,
        case_id=row.case_id,
        appeal_id=row.appeal_id,
        account_id=row.account_id,
        state=row.state,
        seats=tuple(
            SeatView(
                rank=seat.rank,
                state=seat.state,
                vote=seat.vote if row.ended_at else None,
                reliability=shares.get(seat.account_id, reliability_of(0, 0)),
            )
            for seat in seats
        ),
        quorum=row.quorum,
        pool=len(row.pool),
        verdict=row.verdict,
        clause=row.clause,
        decision_id=row.decision_id,
        convened_at=row.convened_at,
        due_at=row.due_at,
        ended_at=row.ended_at,
        drawn_as_logged=as_logged,
    )


async def get_figures(tx: Tx, viewer: Viewer) -> JuryFigures:
    """How juries do, for the staff. Raises NotFound for others."""
    if not viewer.is_staff:
        raise NotFound
    states = await store_seats.count_states(tx)
    right, answered = await store_seats.count_known(tx)
    return JuryFigures(
        members=await store.count_members(tx),
        decided=states.get("decided", 0),
        hung=states.get("hung", 0),
        dissolved=states.get("dissolved", 0),
        open=states.get("convened", 0) + states.get("sitting", 0),
        agreement=krippendorff_alpha(await store_seats.list_ballots(tx)),
        known_right=right,
        known_answered=answered,
    )
