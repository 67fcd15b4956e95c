"""The challenge set: one schema, large enough in every category, no doubles, and splits that keep pairs together."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
import yaml
from msgspec import Meta, Struct

FOLDER = Path(__file__).resolve().parents[2] / "training" / "challenge"

Head = Literal["violence", "hate", "harassment", "sexism", "sexual", "self_harm"]

FOUND = {
    "direct-threat": ("violence", 25),
    "conditional-threat": ("violence", 25),
    "veiled-threat": ("violence", 90),
    "call-to-arms": ("violence", 60),
    "glorification": ("violence", 90),
    "target-list": ("violence", 50),
    "dehumanising-incitement": ("violence", 25),
    "hate-without-slurs": ("hate", 25),
    "sexism": ("sexism", 20),
    "harassment": ("harassment", 25),
    "sexual-solicitation": ("sexual", 15),
    "self-harm-crisis": ("self_harm", 20),
    "evasion": ("violence", 30),
    "evasion-of-hate": ("hate", 9),
    "evasion-of-abuse": ("harassment", 4),
    "evasion-of-crisis": ("self_harm", 4),
}
"""Categories of what must be found: the head that must find it, and how many cases there are at least."""

INNOCENT = {
    "mirrors-veiled-threat": 60,
    "mirrors-call-to-arms": 35,
    "mirrors-target-list": 30,
    "remembrance-and-news": 60,
    "idiom": 30,
    "sport": 20,
    "games": 15,
    "film-and-fiction": 15,
    "song-lyrics": 12,
    "quotation-to-condemn": 12,
    "counter-speech": 14,
    "news": 18,
    "history": 14,
    "law-and-self-defence": 12,
    "politics-and-slogans": 25,
    "victims-report": 18,
    "cooking-hunting-medicine-it": 24,
    "condolences": 8,
    "jokes-between-friends": 16,
    "reclaimed-words": 10,
    "hard-words-about-ideas": 20,
    "health-and-art": 12,
    "talk-of-self-harm": 18,
    "odd-spelling": 18,
    "ordinary": 15,
}


class ChallengeCase(Struct, frozen=True, forbid_unknown_fields=True):
    """One case, as the folder's README describes it."""

    id: Annotated[str, Meta(pattern=r"^[a-z-]+-\d{3}$")]
    category: str
    split: Literal["dev", "test"]
    expect: Annotated[dict[Head, bool], Meta(min_length=1)]
    text: Annotated[str, Meta(min_length=3, max_length=1000)]
    pair: str | None = None


def read_cases() -> dict[str, list[ChallengeCase]]:
    """Return the cases of every file by the file's name; raises when one does not have the schema."""
    files: dict[str, list[ChallengeCase]] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert document.keys() == {"cases"}, path.name
        files[path.name] = msgspec.convert(document["cases"], list[ChallengeCase])
    return files


@pytest.fixture(scope="module")
def files() -> dict[str, list[ChallengeCase]]:
    return read_cases()


@pytest.fixture(scope="module")
def cases(files: dict[str, list[ChallengeCase]]) -> list[ChallengeCase]:
    return [case for group in files.values() for case in group]


def test_every_file_holds_cases_of_the_split_that_its_name_says(files: dict[str, list[ChallengeCase]]) -> None:
    assert len(files) == 18
    for name, group in files.items():
        assert {case.split for case in group} == {name.split(".")[1]}, name


def test_every_category_is_known_and_large_enough(cases: list[ChallengeCase]) -> None:
    counts = Counter(case.category for case in cases)
    assert counts.keys() == FOUND.keys() | INNOCENT.keys()
    for category, (_, least) in FOUND.items():
        assert counts[category] >= least, category
    for category, least in INNOCENT.items():
        assert counts[category] >= least, category
    assert len(cases) >= 900


def test_there_are_at_least_as_many_innocent_cases(cases: list[ChallengeCase]) -> None:
    found = sum(any(case.expect.values()) for case in cases)
    assert len(cases) - found >= found >= 500


def test_a_category_expects_one_thing(cases: list[ChallengeCase]) -> None:
    for case in cases:
        if case.category in FOUND:
            assert case.expect[FOUND[case.category][0]] is True, case.id  # type: ignore[index]
        else:
            assert not any(case.expect.values()), case.id


def test_half_of_every_category_is_kept_for_the_test(files: dict[str, list[ChallengeCase]]) -> None:
    """The `fresh-` files do not count: they were written later, for `dev` alone."""
    cases = [case for name, group in files.items() if not name.startswith("fresh-") for case in group]
    total = Counter(case.category for case in cases)
    kept = Counter(case.category for case in cases if case.split == "test")
    for category, count in total.items():
        assert abs(2 * kept[category] - count) <= 2, category


def test_no_two_cases_are_the_same(cases: list[ChallengeCase]) -> None:
    ids = Counter(case.id for case in cases)
    assert [name for name, count in ids.items() if count > 1] == []
    assert all(case.id.rpartition("-")[0] == case.category for case in cases)
    texts = Counter(" ".join(re.findall(r"\w+", case.text.casefold())) or case.text for case in cases)
    assert [text for text, count in texts.items() if count > 1] == []


def test_few_cases_begin_alike(cases: list[ChallengeCase]) -> None:
    starts = Counter(
        (any(case.expect.values()), " ".join(case.text.casefold().split()[:4])) for case in cases if not case.pair
    )
    assert [start for start, count in starts.items() if count > 2] == []


def test_a_pair_is_one_to_find_and_one_innocent_in_the_same_split(cases: list[ChallengeCase]) -> None:
    pairs: defaultdict[str, list[ChallengeCase]] = defaultdict(list)
    for case in cases:
        if case.pair:
            pairs[case.pair].append(case)
    assert len(pairs) >= 140
    for name, members in pairs.items():
        assert sorted(any(case.expect.values()) for case in members) == [False, True], name
        assert len({case.split for case in members}) == 1, name


def test_lengths_vary_as_posts_do(cases: list[ChallengeCase]) -> None:
    words = sorted(len(case.text.split()) for case in cases)
    assert words[0] <= 3
    assert words[len(words) // 2] >= 9
    assert words[-1] >= 35
