"""What the text model sees: disguises undone, ordinary text left alone."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from parley.screening.normalise import for_model

DISGUISED = {
    "k i l l yourself": "kill yourself",
    "k i l l  t h e m  4 l l !!!": "kill them all !!!",
    "y o u  w i l l  d i e.": "you will die.",
    "K.I.L.L them all!": "kill them all!",
    "k-i-l-l ki.ll k_i_l_l k*i*l*l": "kill kill kill kill",
    "killll all j3ws": "kill all jews",
    "I will k1ll y0u, b!tch": "i will kill you, bitch",
    "sl4ught3r th3 mu5l1m5": "slaughter the muslims",
    "5h00t th3m, g@s th3m, $hit": "shoot them, gas them, shit",
    "f*ck you, you f***ing b****": "fuck you, you fucking bitch",
    "this is fuuuck biiiitch kkiillll soooo cooool": "this is fuck bitch kill so cool",
    "#KillThemAll #killthemall killyourself": "#kill them all #kill them all kill yourself",
    "к1ll thеm all, κіll": "kill them all, kill",
    "🅺🅸🅻🅻 ⓨⓞⓤ 𝓴𝓲𝓵𝓵 ｋｉｌｌ": "kill you kill kill",
    "🇰🇮🇱🇱 him": "kill him",
    "k\u200bi\u200cl\u2060l y\u00adou": "kill you",
    "\u202eflesruoy llik": "kill yourself",
    "k̷̢͎̈́i̴̛͍l̶̺̈l̵ yóú": "kill you",
    "https://i-will-kill-you": "i-will-kill-you",
}
ORDINARY = {
    "It costs $5.99 (or €5) on 10/12/2024 at 10am.": "it costs $5.99 (or €5) on 10/12/2024 at 10am.",
    "mp3 ak47 covid19 ps5 gpt4 h1n1 b2b 4k 1080p 3d": "mp3 ak47 covid19 ps5 gpt4 h1n1 b2b 4k 1080p 3d",
    "Matteo Wasserman; we'll meet @ 5pm, he'll go, can't": "matteo wasserman; we'll meet @ 5pm, he'll go, can't",
    "def foo_bar(x_1): return a[b] == 3.14 # c++": "def foo_bar(x_1): return a[b] == 3.14 # c++",
    "e.g. i.e. p.m. e-mail re-sign overweight therapist": "e.g. i.e. p.m. e-mail re-sign overweight therapist",
    "v1.2.3 file.txt user@example.com 192.168.0.1": "v1.2.3 file.txt user@example.com 192.168.0.1",
    "I'm a b c d e f person, Henry VIII and Louis XVIII": "i'm a b c d e f person, henry viii and louis xviii",
    "Привет, как дела? сор": "привет, как дела? сор",
    "हिन्दी ไทย 日本語 العربية": "हिन्दी ไทย 日本語 العربية",
    "café naïve Zürich": "cafe naive zurich",
    "see https://example.org/a?b=c and www.example.org, @bob@example.org": "see http and http , @user",
    "😂😂😂😂 🔫 👨🏿 🇺🇸": "face with tears of joy face with tears of joy gun man dark skin united states flag",
}
SHOWN = st.text(st.sampled_from("aAbeikKlL1!3@$+*#.,-_ \n'\"0o5sстёаéé\u0301😂🇺🇸🏿م日ﬁ½Ⓐ🅺İ"), max_size=60)
INVISIBLE = st.sampled_from("\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u2062\ufe0f\U000e0020\x00\x07")


@pytest.mark.parametrize("written", DISGUISED)
def test_disguises_are_undone(written: str) -> None:
    assert for_model(written) == DISGUISED[written]


@pytest.mark.parametrize("written", ORDINARY)
def test_ordinary_text_is_left_alone(written: str) -> None:
    assert for_model(written) == ORDINARY[written]


@given(SHOWN | st.text(max_size=80))
@example("Aа а")
@settings(max_examples=400, deadline=None)
def test_what_was_undone_once_stays_as_it_is(text: str) -> None:
    once = for_model(text)
    assert for_model(once) == once
    assert len(once) <= 60 * len(text) + 60


@given(SHOWN, st.lists(st.tuples(st.integers(0, 60), INVISIBLE), max_size=12))
@settings(max_examples=300, deadline=None)
def test_characters_that_show_nothing_change_nothing(text: str, added: list[tuple[int, str]]) -> None:
    changed = text
    for place, character in added:
        changed = changed[:place] + character + changed[place:]
    assert for_model(changed) == for_model(text)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "k i l l " * 125_000,
        "k.i.l.l." * 125_000,
        "e" + "\u0301" * 100_000,
        "😂🔫" * 50_000,
        "\u202eabc" * 100_000,
        "\ud800" * 100_000,
        "https://" * 100_000,
        "@a." * 100_000,
        "#A" * 100_000,
        "ﷺ" * 50_000,
        "a*" * 200_000,
        "'" * 300_000,
        ">" * 300_000,
        "1l0 " * 100_000,
    ],
    ids=lambda text: ascii(text[:4]),
)
def test_endless_texts_take_linear_time(text: str) -> None:
    from time import process_time

    started = process_time()
    for_model(text)
    assert process_time() - started < 12
