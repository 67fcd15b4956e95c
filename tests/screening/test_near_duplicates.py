"""Fingerprints: copies are known again, whatever was done to them, and other texts are not taken for copies."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.screening.near_duplicates import BANDS, Fingerprint, difference, make_fingerprint, strip_text

TEXT = (
    "The council will close the old swimming pool next month, so come to the meeting on Tuesday and tell them why not"
)
OTHER = "Yesterday we walked along the river until it was dark, and the dog found a stick that was longer than the path"

LEET = str.maketrans("aeiost", "431057")
LOOK_ALIKE = str.maketrans("aeocp", "аеоср")


def made(*texts: str) -> Fingerprint:
    """The fingerprint of a text that has one."""
    found = make_fingerprint(texts)
    assert found is not None
    return found


def same(one: str, other: str) -> int:
    """How many of the numbers two texts share."""
    return sum(a == b for a, b in zip(made(one).bands, made(other).bands, strict=True))


DISGUISES = {
    "upper case": TEXT.upper(),
    "numbers for letters": TEXT.translate(LEET),
    "letters of another script": TEXT.translate(LOOK_ALIKE),
    "zero-width characters": "\u200b".join(TEXT),
    "a mention before": f"@bob@example.org @carol {TEXT}",
    "a link after": f"{TEXT} https://example.org/petition?from=2",
    "hashtags after": f"{TEXT} #pool #council #now",
    "spaced letters": TEXT.replace("meeting", "m e e t i n g"),
    "repeated letters": TEXT.replace("close", "cloooose").replace("why", "whyyyyy"),
    "stacked marks": TEXT.replace("o", "o\u0301\u0302"),
    "other punctuation": TEXT.replace(",", " -").replace("not", "not!!!"),
    "full stops between words": TEXT.replace(" ", ". "),
    "bold mathematical letters": "".join(chr(0x1D41A + ord(c) - 97) if "a" <= c <= "z" else c for c in TEXT),
}


@pytest.mark.parametrize("how", DISGUISES)
def test_a_disguised_copy_has_the_same_numbers(how: str) -> None:
    assert same(TEXT, DISGUISES[how]) >= BANDS - 2
    assert difference(made(TEXT).letters, made(DISGUISES[how]).letters) < 0.1


EDITS = {
    "one word changed": TEXT.replace("Tuesday", "Friday"),
    "a word added": f"{TEXT} please",
    "the halves exchanged": "so come to the meeting on Tuesday and tell them why not, The council will close the old "
    "swimming pool next month",
    "two letters mistyped": TEXT.replace("council", "counsil").replace("swimming", "swiming"),
}


@pytest.mark.parametrize("how", EDITS)
def test_a_changed_copy_shares_a_number_and_differs_little(how: str) -> None:
    assert same(TEXT, EDITS[how]) >= 1
    assert 0 < difference(made(TEXT).letters, made(EDITS[how]).letters) < 0.4


def test_other_texts_share_nothing() -> None:
    assert same(TEXT, OTHER) == 0
    assert difference(made(TEXT).letters, made(OTHER).letters) > 0.9


def test_short_texts_are_copies_only_when_they_are_the_same() -> None:
    assert same("Kill yourself", "k1ll y0urself!!") == BANDS
    assert same("see you soon", "see you later") == 0
    assert same("look https://a.example/x", "look https://b.example/x") == 0
    assert same("look https://a.example/x?u=1", "LOOK https://A.example/x?u=2") == BANDS


def test_what_says_nothing_has_no_fingerprint_and_what_says_little_tells_nothing() -> None:
    assert make_fingerprint(["", "  \n"]) is None
    assert make_fingerprint(["@alice @bob"]) is None
    assert not made("ok").telling
    assert made("buy my pills").telling
    assert made("https://shop.example/").telling


def test_hashtags_count_when_there_is_nothing_else() -> None:
    assert made("#StopTheBridge #SaveTheRiver").letters == strip_text("StopTheBridge SaveTheRiver")


def test_a_content_warning_is_part_of_what_is_said() -> None:
    assert made("Pool", TEXT).letters.endswith(made(TEXT).letters)


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_the_same_text_has_the_same_fingerprint_and_no_text_breaks_it(text: str) -> None:
    first = make_fingerprint([text])
    assert first == make_fingerprint([text])
    if first is not None:
        assert len(first.bands) == BANDS
        assert all(-(2**31) <= number < 2**31 for number in first.bands)
        assert difference(first.letters, first.letters) == 0


@given(st.text(max_size=120), st.text(max_size=120))
@settings(max_examples=100, deadline=None)
def test_the_difference_is_a_share_and_the_same_both_ways(one: str, other: str) -> None:
    mine, theirs = strip_text(one), strip_text(other)
    assert 0 <= difference(mine, theirs) <= 1
    assert difference(mine, theirs) == difference(theirs, mine)


@given(
    st.lists(
        st.sampled_from(["meadow", "lantern", "compass", "orchard", "velvet", "pebble", "whisper", "journey"]),
        min_size=8,
    )
)
@settings(max_examples=60, deadline=None)
def test_mentions_and_links_never_change_a_fingerprint(words: list[str]) -> None:
    text = " ".join(words)
    assert made(f"@dave {text} https://example.org/a #x").bands == made(text).bands


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "e\u0301" * 10_000, "@" * 100_000, "https://" * 50_000, "# " * 50_000]
)
def test_hostile_texts_take_no_time(text: str) -> None:
    make_fingerprint([text])


def test_fingerprints_do_not_change_from_one_machine_to_another() -> None:
    """They are stored: whoever changes them raises VERSION and makes them anew."""
    assert made(TEXT).bands == GOLDEN


GOLDEN = (114322985, -1175568496, -1764524815, -1039406021, 636193480, 1276663029, 2142426338, 755191598)
