"""What one member's filters may cost everybody else."""

from __future__ import annotations

import time

import pytest

from parley.social.filters import actions
from parley.social.filters.matching import find_matches
from parley.social.filters.views import FilterView, KeywordView
from tests.conftest import World

FILTERS = "/api/v2/filters"


async def test_all_filters_together_have_a_limit_of_keywords(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "MOST_KEYWORDS_IN_ALL", 3)
    client = await world.client("alice")
    body = {"title": "x", "context": ["home"], "keywords_attributes": [{"keyword": word} for word in ("a", "b")]}
    first = await client.post(FILTERS, json=body)
    assert first.status_code == 200
    second = await client.post(FILTERS, json=body)
    assert second.status_code == 422 and "already" in second.json()["error"]
    one = await client.post(f"{FILTERS}/{first.json()['id']}/keywords", json={"keyword": "c"})
    assert one.status_code == 200
    assert (await client.post(f"{FILTERS}/{first.json()['id']}/keywords", json={"keyword": "d"})).status_code == 422
    assert (await (await world.client("bob")).post(FILTERS, json=body)).status_code == 200


def _filter(*words: str) -> FilterView:
    keywords = tuple(KeywordView(n, 1, word, True) for n, word in enumerate(words))
    return FilterView(id=1, title="x", contexts=("home",), action="warn", expires_at=None, keywords=keywords)


@pytest.mark.parametrize(
    ("keyword", "text", "found"),
    [
        ("Straße", "die STRASSE und die straße", True),
        ("ÉCOLE", "une école", True),
        ("cat", "concatenate", False),
        ("ok", "\u212a is K, o\u212a", True),
        ("", "", True),
    ],
)
def test_the_quick_look_misses_nothing_that_the_pattern_finds(keyword: str, text: str, found: bool) -> None:
    assert bool(find_matches([_filter(keyword)], [1], text)) is found


def test_many_words_that_are_not_there_cost_little() -> None:
    many = _filter(*(f"word{n}" for n in range(actions.MOST_KEYWORDS_IN_ALL)))
    text = "a post of ordinary length, " * 40
    find_matches([many], [1], text)
    began = time.process_time()
    for _ in range(40):
        find_matches([many], [1], text)
    assert time.process_time() - began < 0.5, "a page of forty posts"
