"""The operator's page over plain HTTP: who may see it, what it says, and what it costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from parley import screening
from parley.kit.clock import time_travel
from parley.screening.signals import SIGNALS
from parley.social.verdicts.counting import count_screening
from parley.web.operator_charts import draw_chart, round_up
from tests.conftest import PASSWORD, World
from tests.statuses.cast import DOUBTFUL, known
from tests.web.forms import sign_in

pytestmark = pytest.mark.usefixtures("_built_assets")


async def as_operator(world: World, role: str = "owner") -> httpx.AsyncClient:
    await world.account("olga", role=role)
    return await sign_in(world.browser(), "olga", PASSWORD)


async def counted(world: World) -> None:
    with time_travel(timedelta(minutes=2)):
        await count_screening(world.instance, {})


@pytest.mark.parametrize("role", ["member", "moderator"])
async def test_to_others_the_page_looks_like_none(world: World, role: str) -> None:
    browser = await as_operator(world, role)
    answer = await browser.get("/operator")
    assert answer.status_code == 404
    assert "ruleset" not in answer.text.lower()
    assert 'href="/operator"' not in (await browser.get("/menu")).text
    signed_out = await world.browser().get("/operator")
    assert signed_out.status_code == 303
    assert signed_out.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("role", ["admin", "owner"])
async def test_those_who_run_the_instance_find_and_see_it(world: World, role: str) -> None:
    browser = await as_operator(world, role)
    assert 'href="/operator"' in (await browser.get("/menu")).text
    page = await browser.get("/operator")
    assert page.status_code == 200
    assert "no-store" in page.headers["cache-control"]
    live = screening.live_ruleset()
    for words in (live.policy_sha256, live.sha256, live.version, *(signal.about for signal in SIGNALS)):
        assert words.replace("'", "&#39;").replace('"', "&#34;") in page.text, words
    for rule in live.rules:
        assert f">{rule.id}<" in page.text


async def test_it_shows_what_was_judged_and_what_waits_and_nothing_that_was_written(world: World) -> None:
    await known(world, "alice")
    browser = await as_operator(world)
    await world.post("alice", f"{DOUBTFUL} you pumpernickel")
    await counted(world)
    page = (await browser.get("/operator")).text
    assert "<b>1</b>" in page.split("Waiting for people")[1][:200]
    assert "1 post, 0 profiles; the oldest for less than a minute" in page
    assert 'class="part hold"' in page
    assert "pumpernickel" not in page
    assert "alice" not in page


async def test_a_failing_judge_asks_for_a_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await known(world, "alice")
    browser = await as_operator(world)

    def broken(*_: Any) -> Any:
        raise RuntimeError("the judge is not well")

    await counted(world)
    assert 'class="bad"><dt>Degraded' not in (await browser.get("/operator")).text
    with monkeypatch.context() as patch:
        patch.setattr(screening, "judge", broken)
        await world.post("alice", "good morning")
    await counted(world)
    page = (await browser.get("/operator")).text
    assert 'class="bad"><dt>Degraded' in page
    assert "1 could not be judged completely" in page


async def cost_of(world: World, browser: httpx.AsyncClient) -> int:
    """How many queries the page takes: the fewest of three, as the process also looks after itself now and then."""
    costs = []
    for _ in range(3):
        with world.queries() as seen:
            assert (await browser.get("/operator")).status_code == 200
        costs.append(len(seen))
    return min(costs)


async def test_it_takes_as_many_queries_however_much_there_is(world: World) -> None:
    await known(world, "alice")
    browser = await as_operator(world)
    counts = []
    for _ in range(2):
        for n in range(2):
            await world.post("alice", f"{DOUBTFUL} {n}")
        await counted(world)
        counts.append(await cost_of(world, browser))
    assert counts[0] == counts[1]
    assert counts[0] <= 13


async def test_it_has_every_figure_of_the_plot_in_a_table(world: World) -> None:
    await known(world, "alice")
    browser = await as_operator(world)
    for n in range(3):
        await world.post("alice", f"good morning {n}")
    await counted(world)
    page = (await browser.get("/operator")).text
    table = page.split('aria-label="Verdicts by the hour"')[1].split("</table>")[0]
    assert table.count("<tr>") == 25
    assert 'aria-hidden="true"' in page.split("<svg viewBox")[1].split(">")[0], "the plot itself is for eyes"


def test_bars_are_stacked_and_fit_below_a_round_figure() -> None:
    from datetime import UTC, datetime

    start = datetime(2026, 1, 1, tzinfo=UTC)
    chart = draw_chart("x", [(start, {"allow": 30, "hold": 10}), (start, {})], ("allow", "hold"))
    assert (chart.top, chart.total, chart.width) == (50, 40, 2)
    allow, hold = chart.bars[0].parts
    assert (allow.y, allow.height) == (40.0, 60.0)
    assert (hold.y, hold.height) == (20.0, 20.0)
    assert chart.bars[0].said == "00:00: allowed 30, held 10"
    assert chart.bars[1].parts == ()
    assert [round_up(n) for n in (0, 5, 6, 11, 99, 100, 101)] == [5, 5, 10, 20, 100, 100, 200]
