"""The replay of the origin, small: it passes as it should, and it can fail."""

from __future__ import annotations

from collections import Counter
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.origin import CONTROLS, Options, replay
from bench.origin_figures import Figures, as_rows, as_text, missed_by, write_plot
from bench.origin_stream import TRUTHS, load_texts, write_script

START = datetime(2026, 3, 2, tzinfo=UTC)
SMALL = Options(scale=0.02, days=2, tick=10, quiet=True, texts=Path("/nowhere"))


def test_the_same_seed_writes_the_same_script_and_another_seed_another() -> None:
    texts = load_texts(Path("/nowhere"))

    def script(seed: int) -> list[tuple[datetime, int, str]]:
        made = write_script(
            seed=seed, start=START, days=7, accounts=100, posts=2000, reports=1300, notices=98, texts=texts
        )
        return [(one.at, one.author, one.text) for one in made.posts]

    assert script(1) == script(1)
    assert script(1) != script(2)


def test_the_script_is_a_hostile_week_whose_notices_come_at_night_too() -> None:
    texts = load_texts(Path("/nowhere"))
    made = write_script(seed=98, start=START, days=7, accounts=1000, posts=9000, reports=5000, notices=98, texts=texts)
    truths = Counter(one.truth for one in made.posts)
    assert all(truths[truth] > 50 for truth in TRUTHS)
    assert truths["innocent"] > 0.85 * len(made.posts)
    assert len(made.notices) == 98
    assert any(one.hour < 6 for one in made.notices)
    assert max(made.notices) + timedelta(hours=24) <= made.end
    by_author = Counter(one.author for one in made.posts if one.truth != "innocent")
    assert sum(count for _, count in by_author.most_common(40)) > 0.5 * sum(by_author.values())


def stopped(found: Figures, *truths: str) -> float:
    """The share of the posts of these truths that nobody saw."""
    rows = [found.stopped[truth] for truth in truths]
    return sum(row["posts"] * row["share_stopped"] for row in rows) / sum(row["posts"] for row in rows)


@pytest.mark.timeout(600)
async def test_a_small_replay_answers_the_host_in_time_and_keeps_its_backlog_small(tmp_path: Path) -> None:
    found = await replay(SMALL)
    assert found.passed, as_text(found)
    assert found.urls_in_time == found.urls > 0
    assert found.notices_answered_in_time == found.notices == found.notices_scripted >= 6
    assert "--trusted" in as_text(found)
    assert found.reports > 0
    assert found.decisions > 0
    assert found.interim > 0
    assert stopped(found, "violence", "hate", "abuse") > 2 * stopped(found, "innocent")
    assert found.hours_a_day < 8
    assert len(found.backlog) == 48
    assert {row[0] for row in as_rows(found)} >= {"backlog", "the host's URLs acted upon in time"}
    write_plot(tmp_path / "backlog.svg", found)
    assert (tmp_path / "backlog.csv").read_text().count("\n") == 49
    assert "<polyline" in (tmp_path / "backlog.svg").read_text()


def figures(**changes: Any) -> Figures:
    """A week at full scale that went well."""
    good: dict[str, Any] = {
        **{field.name: 0 for field in fields(Figures) if field.default is MISSING and field.default_factory is MISSING},
        **{"stopped": {}, "first_action": [], "breaches": {}, "backlog": [], "texts": "made here"},
        **{"notices": 98, "notices_scripted": 98, "notices_answered_in_time": 98, "urls": 194, "urls_in_time": 194},
        **{"reports": 26_000, "reports_scripted": 26_000, "reports_needed": 26_000},
    }
    return Figures(**good | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"notices": 97, "notices_answered_in_time": 97}, "97 of 98 notices were sent"),
        ({"notices_answered_in_time": 97}, "an answer to the host was late"),
        ({"reports": 25_999}, "25,999 of 26,000 reports were sent"),
        ({"urls_in_time": 193}, "a URL of the host was late"),
        ({"urls": 0, "urls_in_time": 0}, "a URL of the host was late"),
        ({"days_waiting": 1.5}, "the backlog outgrew the moderator"),
        ({"log_problems": ["an entry is missing"]}, "the log is broken"),
    ],
)
def test_a_replay_with_anything_missing_is_not_passed(changes: dict[str, Any], said: str) -> None:
    assert missed_by(figures()) == []
    assert said in missed_by(figures(**changes))


@pytest.mark.timeout(600)
async def test_without_the_judge_the_clocks_and_the_desk_the_same_days_go_wrong() -> None:
    found = await replay(Options(**{**vars(SMALL), "without": frozenset(CONTROLS)}))
    assert all(row["share_stopped"] == 0 for row in found.stopped.values())
    assert found.interim == 0
    assert found.urls_in_time < found.urls, as_text(found)
    assert found.days_waiting > 1, as_text(found)
    assert found.log_problems == []
    assert not found.passed
