"""The drift page: whether what the judge sees and says has changed, week by week, and what to do. For operators.

Figures alone, never what anybody wrote. The read decides who may see them.
"""

from __future__ import annotations

from collections.abc import Sequence

from litestar import get
from litestar.response import Response

from parley.safety.feedback.drift import Drift, OutcomeWeek, ScoreWeek
from parley.safety.feedback.reads import get_drift
from parley.web.operator_charts import HEIGHT, WIDE, Bar, Chart, Part, round_up
from parley.web.pages import render
from parley.web.visits import AnyRequest, visit_of

SERIES = (("flagged", "Flagged"), ("stopped", "Held or refused"))
_KEYS = {"flagged": "allow_flag", "stopped": "hold"}
_PER = 1000


@get("/operator/judge/drift")
async def show_drift(request: AnyRequest) -> Response[str]:
    """Scores, flags and agreement of the last thirteen weeks, beside a reference week."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        drift = await get_drift(tx, viewer)
    return await render(
        visit,
        "operator_drift.html",
        title="Drift of the judge",
        drift=drift,
        names={name: _name(name) for name in drift.scores},
        charts=_charts(drift),
        series=[(_KEYS[key], words) for key, words in SERIES] + [("limit", "Texts above one half")],
        keep=False,
    )


def _charts(drift: Drift) -> list[Chart]:
    charts = [_outcomes("Of 1,000 posts, flagged or stopped", drift.outcomes)] if drift.outcomes else []
    charts += [
        _scores(f"Of 1,000 posts, {_name(name)} above one half", weeks)
        for name, weeks in drift.scores.items()
        if len(weeks) > 1
    ]
    return charts


def _name(score: str) -> str:
    """`self harm` for `text.self_harm.score`."""
    return score.removeprefix("text.").removesuffix(".score").replace("_", " ")


def _outcomes(title: str, weeks: tuple[OutcomeWeek, ...]) -> Chart:
    values = [(("allow_flag", week.flagged * _PER), ("hold", week.stopped * _PER)) for week in weeks]
    names = [f"week of {week.week:%d %b}: flagged {week.flagged:.1%}, stopped {week.stopped:.1%}" for week in weeks]
    return _chart(title, [f"{week.week:%d %b}" for week in weeks], names, values)


def _scores(title: str, weeks: tuple[ScoreWeek, ...]) -> Chart:
    values = [(("limit", week.above_half * _PER),) for week in weeks]
    names = [f"week of {week.week:%d %b}: {week.above_half:.1%} of {week.results:,}" for week in weeks]
    return _chart(title, [f"{week.week:%d %b}" for week in weeks], names, values)


def _chart(title: str, weeks: list[str], names: list[str], values: Sequence[tuple[tuple[str, float], ...]]) -> Chart:
    top = round_up(int(max((sum(value for _, value in stack) for stack in values), default=0)) + 1)
    bars: list[Bar] = []
    for place, (name, stack) in enumerate(zip(names, values, strict=True)):
        x, y, parts = round(place + (1 - WIDE) / 2, 3), HEIGHT, []
        for key, value in stack:
            height = value * HEIGHT / top
            if height:
                y -= height
                parts.append(Part(key, x, round(y, 3), round(height, 3)))
        bars.append(Bar(name, x, tuple(parts)))
    keys = tuple(key for key, _ in values[0]) if values else ()
    labels = tuple(weeks[:: max(len(weeks) // 4, 1)])
    return Chart(title, len(bars), top, 0, keys, tuple(bars), labels)


routes = [show_drift]
