"""Disguises are undone, and ordinary words stay what they are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.screening import Content, Outcome, Ruleset, judge
from parley.screening.normalise import build_view, build_vocabulary, count_stacked_marks, fold
from tests.screening.conftest import MEMBER, status

VOCABULARY = build_vocabulary(
    ["kill", "yourself", "you", "will", "hate", "traitors", "leave", "boll"],
    ["murder"],
    {"u": ("you",), "we'll": ("we", "will")},
)

DISGUISES = [
    "kill yourself",
    "KILL YOURSELF",
    "k1ll y0urself",
    "k!ll y0ur$elf",
    "kiiiiill yourself",
    "k i l l yourself",
    "k.i.l.l y-o-u-r-s-e-l-f",
    "k_i_l_l yourself",
    "ki.ll your-self",
    "k*ll yourself",
    "kіll уоursеlf",
    "𝐤𝐢𝐥𝐥 𝐲𝐨𝐮𝐫𝐬𝐞𝐥𝐟",
    "ｋｉｌｌ ｙｏｕｒｓｅｌｆ",
    "ⓚⓘⓛⓛ yourself",
    "🅺🅸🅻🅻 yourself",
    "🇰 🇮 🇱 🇱 yourself",
    "k\u200bi\u200bl\u200bl yourself",
    "kill your\u00adself",
    "k\u0301i\u0301l\u0301l\u0301 yourself",
    "k̶i̶l̶l̶ yourself",
    "kill\nyourself",
    "kill\n\nyourself",
    "kill. yourself",
    "kill, yourself",
    "#kill #yourself",
    "#KillYourself",
    "killyourself",
    "\u202ekill yourself",
    "\ud800kill yourself",
    "kill\x00 yourself",
    "ķīļļ yøursełf",
    "(kill) [yourself]",
    "“kill yourself”",
]


@pytest.mark.parametrize("text", DISGUISES)
def test_a_disguise_is_seen_through(text: str, shipped: Ruleset) -> None:
    assert judge(status(text), MEMBER, ruleset=shipped, given={}).outcome is Outcome.HOLD


@pytest.mark.parametrize(
    "text",
    [
        "this kills me",
        "you killed it",
        "I'd kill for a coffee",
        "that was a killer concert",
        "kill the process with kill -9",
        "skill yourself up",
        "the town of Scunthorpe",
        "a classic assassin's cocktail",
        "Penistone and Cockermouth",
        "my therapist told me",
        "Essex, Sussex, Middlesex",
        "a Maine Coon cat",
        "the analyst's password",
        "Dick Van Dyke",
        "shoot me a message",
        "we destroyed them 5-0",
        "he is dead in episode 4, no spoilers",
        "gas prices are up again",
        "hang the picture on the wall",
        "Kill Bill is on tonight",
        "the bomb cyclone is coming",
        "execute the query",
        "the shooting star",
        "dying of laughter",
        "a cut above",
        "put a cap on it",
        "raccoons again",
        "spices and chinking glasses",
        "bring your own cups",
        "nigerian food",
        "a niggardly sum",
        "snigger",
        "I'm ill and well rested",
        "die Katze ist niedlich",
        "das Kind soll leben",
        "Das ist der Hang zum Wald",
    ],
)
def test_ordinary_words_are_left_alone(text: str, shipped: Ruleset) -> None:
    verdict = judge(status(text), MEMBER, ruleset=shipped, given={})
    assert (verdict.outcome, verdict.matches) == (Outcome.ALLOW, ())


def test_the_quote_is_what_the_author_wrote(shipped: Ruleset) -> None:
    verdict = judge(status("So: please   k1ll\n y0urself, thanks"), MEMBER, ruleset=shipped, given={})
    (match,) = verdict.matches
    assert (match.quote, match.disguised) == ("k1ll y0urself,", True)


def test_a_phrase_does_not_reach_across_sentences(shipped: Ruleset) -> None:
    text = "This heat will kill. Yourself and your friends are invited."
    assert judge(status(text), MEMBER, ruleset=shipped, given={}).outcome is Outcome.ALLOW


def test_words_spread_over_several_fields_are_put_together(shipped: Ruleset) -> None:
    for texts in (
        {"text": "kill you", "spoiler_text": "I will"},
        {"poll_option_1": "kill", "poll_option_2": "yourself"},
    ):
        verdict = judge(Content(kind="status", texts={"note": "", **texts}), MEMBER, ruleset=shipped, given={})
        (match,) = verdict.matches
        assert (match.field, verdict.outcome.published) == ("all_texts", False)
        assert "its texts taken together" in verdict.because[0]


def test_what_one_field_holds_is_found_once(shipped: Ruleset) -> None:
    content = Content(kind="status", texts={"spoiler_text": "a warning", "text": "k1ll yourself"})
    (match,) = judge(content, MEMBER, ruleset=shipped, given={}).matches
    assert (match.field, match.quote, match.disguised) == ("text", "k1ll yourself", True)


def test_a_full_stop_after_every_word_is_a_disguise(shipped: Ruleset) -> None:
    assert judge(status("I. Will. Kill. You. Bob."), MEMBER, ruleset=shipped, given={}).outcome is Outcome.REJECT


def test_an_exception_takes_back_only_what_it_overlaps(shipped: Ruleset) -> None:
    innocent = "Please don't kill yourself."
    assert judge(status(innocent), MEMBER, ruleset=shipped, given={}).outcome is Outcome.ALLOW
    assert judge(status(f"{innocent} No, kill yourself."), MEMBER, ruleset=shipped, given={}).outcome is Outcome.HOLD


def test_a_view_keeps_the_way_back_to_the_text() -> None:
    view = build_view("Ünïcode  k1ll — u", VOCABULARY)
    assert view.text.decode() == " unicode kill you "
    assert view.quote(view.words_between(view.text.index(b" kill"), view.text.index(b" you"))) == "k1ll"


def test_a_word_is_only_rewritten_into_a_word_that_a_bank_has() -> None:
    assert (
        build_view("h4te l33t gr8 2nite b0ll c00l sooo", VOCABULARY).text.decode()
        == " hate l33t gr8 2nite boll c00l sooo "
    )


def test_contractions_are_spelled_out() -> None:
    assert build_view("We’ll see u", VOCABULARY).text.decode() == " we will see you "


def test_folding_removes_what_shows_nothing() -> None:
    assert fold("\u200bÁ\u0301\ufe0fﬁ\u00ad\u2060") == "afi"
    assert count_stacked_marks("é" + "\u0301" * 5) == 3
    assert count_stacked_marks("plain") == 0


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_characters_that_show_nothing_never_make_a_verdict_milder(data: st.DataObject) -> None:
    text = data.draw(
        st.sampled_from(["kill yourself", "I will kill you", "guillotines for all of them", "hello there"])
    )
    before = judge(status(text), MEMBER)
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(text)))
        text = (
            text[:place]
            + data.draw(st.sampled_from("\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u2800\u3164"))
            + text[place:]
        )
    assert judge(status(text), MEMBER).outcome.rank >= before.outcome.rank


@settings(max_examples=200, deadline=None)
@given(before=st.text(max_size=40), after=st.text(max_size=40))
def test_a_threat_is_found_between_any_two_paragraphs(before: str, after: str) -> None:
    verdict = judge(status(f"{before}\n\nI will kill you @bob\n\n{after}"), MEMBER)
    assert verdict.outcome is Outcome.REJECT
