"""The text model: loaded once, checked, bounded in time, and the same for equal texts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.screening import Content, Outcome, Ruleset, judge, text_model
from parley.screening.explain import rule_reason
from parley.screening.languages import known_part
from parley.screening.text_model import SHIPPED, ModelUnavailable, TextModel, load_model, use_model
from parley.screening.text_reasons import explain_scores
from parley.screening.text_signals import HEADS, TEXT_SIGNALS, describe_score, describe_scores
from tests.screening.conftest import MEMBER, STRANGER, status

GOLDEN = Path(__file__).parent / "golden" / "text_reasons.json"
THREAT = "I will come to your house and kill you"


@pytest.fixture(scope="module")
def model() -> TextModel:
    return load_model()


@pytest.fixture
def fresh_process_state() -> Iterator[None]:
    use_model(None)
    yield
    use_model(None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped model."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "model"))


def test_the_shipped_model_knows_every_head_that_rules_can_name(model: TextModel) -> None:
    assert set(model.card.heads) >= set(HEADS)
    assert "en" in model.card.languages


def test_a_threat_is_told_from_a_greeting(model: TextModel) -> None:
    threat, greeting = model.score([THREAT]), model.score(["Good morning, how was your holiday?"])
    assert threat.heads["violence"] > 0.5 > 10 * greeting.heads["violence"]


@pytest.mark.parametrize(
    "disguised",
    [
        "I w1ll c0me to y0ur h0use and k1ll y0u",
        "I will come to your house and k i l l you",
        "I will come to your house and k.i.l.l you",
        "I will come to your house and killlll you",
        "І will соmе tо уоur hоusе аnd kіll уоu",
        "I will come to your hou\u200bse and ki\u200dll you",
        "I will come to your house and 𝓴𝓲𝓵𝓵 you",
    ],
)
def test_a_disguise_changes_no_score(model: TextModel, disguised: str) -> None:
    assert model.score([disguised]) == model.score([THREAT])


def test_a_text_gets_the_same_score_alone_and_beside_others(model: TextModel) -> None:
    alone = model.score_plain("you are all going to die")
    for other in ("hello", "what a lovely garden you have there " * 8):
        model.score_plain(other)
        assert model.score_plain("you are all going to die") == alone
    again = load_model().score_plain("you are all going to die")
    assert again == alone


def test_a_threat_is_found_in_any_text_of_a_revision_and_across_them(model: TextModel) -> None:
    in_option = model.score(["What shall we eat?", "Pizza", THREAT])
    assert in_option.heads["violence"] > 0.5
    apart = model.score(["I will come to your house and", "kill you"])
    assert apart.heads["violence"] > 0.5


def test_a_threat_is_found_at_the_beginning_the_end_and_by_its_words_in_the_middle_of_a_long_text(
    model: TextModel,
) -> None:
    filler = "the boats went out early and came back late with fish for the market in the old town. " * 60
    hints = frozenset(["kill", "house"])
    for text in (f"{THREAT}. {filler}", f"{filler} {THREAT}.", f"{filler} {THREAT}. {filler}"):
        assert model.score([text], hints=hints).heads["violence"] > 5 * model.score([filler]).heads["violence"]


@pytest.mark.parametrize(
    ("text", "declared", "covered"),
    [
        ("Good morning, how was your holiday?", None, True),
        ("Good morning, how was your holiday?", "de", True),
        ("Guten Morgen zusammen, wie war euer Urlaub?", None, False),
        ("Guten Morgen zusammen, wie war euer Urlaub?", "en", False),
        ("Привет, как прошёл отпуск?", None, False),
        ("日本語のテキスト", "ja", False),
        ("lol", None, True),
        ("", None, True),
        ("🎉🎉🎉", None, True),
        ("12345 !!!", None, True),
    ],
)
def test_only_texts_in_the_models_language_are_covered(
    model: TextModel, text: str, declared: str | None, covered: bool
) -> None:
    assert model.score([text], declared=declared).covered is covered


def test_a_threat_in_english_is_scored_among_sentences_of_another_language_or_under_its_label(model: TextModel) -> None:
    mixed = (
        f"Ich habe heute ein Buch gekauft und gelesen. {THREAT}. Danach war ich am See und habe dort lange geschlafen. "
    )
    mixed += "Am Abend haben wir dann noch zusammen gekocht und Musik gehört, bis alle müde waren."
    found = model.score([mixed])
    assert not found.covered
    assert found.heads["violence"] > 0.5
    assert model.score([THREAT], declared="de").heads["violence"] > 0.5


def test_what_is_not_covered_scores_nothing(model: TextModel) -> None:
    assert set(model.score(["Guten Morgen zusammen, wie war euer Urlaub?"]).heads.values()) == {0.0}
    assert known_part("привет как дела у тебя", ["en"]) == ("", False)


def test_a_plainly_harmless_text_is_answered_early_and_a_threat_by_the_whole_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = load_model()
    asked: list[object] = []
    whole = text_model.Network.answer
    monkeypatch.setattr(text_model.Network, "answer", lambda self, states: asked.append(1) or whole(self, states))
    harmless = "rainy morning, second coffee, reading the paper"
    assert model.score([harmless]).heads["violence"] < 0.05
    assert not asked
    assert model.score([THREAT]).heads["violence"] > 0.5
    assert asked

    def score_alone(bounds: dict[str, float]) -> float:
        """By another model object, so that nothing is answered from memory."""
        return (
            replace(model, card=msgspec.structs.replace(model.card, early_exit=bounds))
            .score([THREAT])
            .heads["violence"]
        )

    asked.clear()
    score_alone(dict.fromkeys(model.card.heads, 99.0))
    assert not asked
    score_alone(dict.fromkeys(model.card.heads, 99.0) | {"self_harm": -99.0})
    assert len(asked) == 1
    assert score_alone({}) == model.score([THREAT]).heads["violence"]


@pytest.mark.parametrize("name", ["text.json", "text.onnx", "text.rest.onnx", "tokenizer.json"])
def test_a_missing_file_is_said_by_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelUnavailable, match=name):
        load_model(folder)


def test_a_damaged_file_is_not_loaded(folder: Path) -> None:
    card = json.loads((folder / "text.json").read_text())
    for name in card["sha256"]:
        damaged = bytearray((folder / name).read_bytes())
        damaged[len(damaged) // 2] ^= 1
        good = (folder / name).read_bytes()
        (folder / name).write_bytes(damaged)
        with pytest.raises(ModelUnavailable, match=f"{name} of the text model is damaged"):
            load_model(folder)
        (folder / name).write_bytes(good)


@pytest.mark.parametrize(
    "card",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version": 1}',
        b'{"version":"1","heads":["violence"],"max_tokens":64,"calibration":{},"languages":["en"],"sha256":{}}',
        b'{"version":"1","heads":["violence"],"max_tokens":64,"calibration":{},"languages":["en"],'
        b'"sha256":{"../../secret.key":"00"}}',
    ],
)
def test_a_text_json_that_is_not_one_is_not_believed(folder: Path, card: bytes) -> None:
    (folder / "text.json").write_bytes(card)
    with pytest.raises(ModelUnavailable):
        load_model(folder)


@pytest.mark.usefixtures("fresh_process_state")
def test_without_the_model_the_fail_mode_applies_and_nothing_crashes(
    shipped: Ruleset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "text.onnx").unlink()
    monkeypatch.setattr(text_model, "load_model", lambda: load_model(folder))
    assert not text_model.warm()
    verdict = judge(status("Good morning"), STRANGER, ruleset=shipped)
    assert (verdict.outcome, verdict.degraded) == (Outcome.HOLD, True)
    assert set(verdict.failed_signals) == {signal.name for signal in TEXT_SIGNALS}
    assert "text.violence.score" not in verdict.signals


def test_each_signal_can_be_switched_off(shipped: Ruleset) -> None:
    off = replace(
        shipped,
        signals=tuple(signal for signal in shipped.signals if signal.name != "text_violence"),
        quiet={**shipped.quiet, "text.violence.score": 0.0},
    )
    verdict = judge(status(THREAT), MEMBER, ruleset=off)
    assert verdict.signals["text.violence.score"] == 0.0
    assert verdict.signals["text.hate.score"] > 0.0
    assert not verdict.degraded


def test_scores_are_said_in_plain_words() -> None:
    assert describe_score("violence", 0.93).startswith("very likely a threat")
    assert describe_score("self_harm", 0.2) == "perhaps suicide or self-harm (0.20)"
    values = {"text.violence.score": 0.93, "text.hate.score": 0.5, "text.sexual.score": 0.99}
    said = describe_scores("text.hate.score > 0.4 || text.violence.score > 0.9", values)
    assert [words.split(" ")[0] for words in said] == ["very", "possibly"]


def test_a_rule_on_a_score_says_how_sure_the_model_is(shipped: Ruleset) -> None:
    rule = msgspec.structs.replace(
        shipped.rules[0], when="text.violence.score >= 0.9", because="The text model found a threat.", matches=""
    )
    assert rule_reason(rule, [], {"text.violence.score": 0.934}, shipped.signals) == (
        "The text model found a threat: very likely a threat, incitement to violence or praise of it (0.93)."
    )


EXPLAINED = (
    THREAT,
    "We had bread and cheese by the river, and the birds sang all day long. The boats came home in the evening. "
    "I will come to your house and kill you. Then we walked along the harbour and looked at the stars for a while.",
    "Good morning, how was your holiday?",
    f"Ich habe heute ein Buch gekauft und gelesen. {THREAT}.",
)


def test_reasons_are_those_of_the_golden_file(model: TextModel) -> None:
    """The words are compared exactly, probabilities to one digit: processors round the model's sums differently."""
    found = {
        text: [_rounded(msgspec.to_builtins(r)) for r in explain_scores(text, model=model)[:1]] for text in EXPLAINED
    }
    if os.environ.get("PARLEY_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(json.dumps({"model": model.card.version, "reasons": found}, indent=2) + "\n")
    expected = json.loads(GOLDEN.read_text())
    assert expected["model"] == model.card.version, "made with another model: run with PARLEY_UPDATE_GOLDEN=1"
    assert found == expected["reasons"]


def _rounded(reason: dict[str, object]) -> dict[str, object]:
    said = str(reason["sentence"])
    return {"head": reason["head"], "sentence": said[: said.rindex("(")] + said[said.rindex(")") + 2 :]}


HOSTILE = [
    "a" * 1_000_000,
    "kill " * 200_000,
    "k i l l " * 125_000,
    "e" + "\u0301" * 10_000,
    "e\u0301\u0302\u0303" * 10_000,
    "\u202e" + "uoy llik " * 10_000,
    "\ud800\udfff" * 10_000,
    "😂🔫👨‍👩‍👧" * 33_000,
    "“" * 50_000 + "kill" + "”" * 50_000,
    "> " * 100_000 + "kill them",
    "ﷺ" * 20_000,
    "Guten Morgen! " * 70_000,
    "x\n" * 100_000,
    "#Kill" * 100_000,
    "\x00\x01\x02" * 50_000,
    "1l!|" * 100_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:6]))
@pytest.mark.parametrize("spread", [False, True], ids=["one", "many"])
def test_hostile_texts_are_judged_in_bounded_time(shipped: Ruleset, text: str, spread: bool) -> None:
    from time import process_time

    content = status(text)
    if spread:
        content = Content(kind="profile", texts={f"field_{n}_value": text[n * 100 :][:15_000] for n in range(80)})
    judge(status("warm"), MEMBER, ruleset=shipped)
    started = process_time()
    verdict = judge(content, MEMBER, ruleset=shipped)
    assert process_time() - started < 3
    assert not verdict.failed_signals


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_the_same_text_always_gets_the_same_verdict(shipped: Ruleset, text: str) -> None:
    assert judge(status(text), MEMBER, ruleset=shipped) == judge(status(text), MEMBER, ruleset=shipped)


INVISIBLE = st.sampled_from("\u200b\u200c\u200d\u2060\ufeff\u00ad\u2062\u2063\u180e")


@given(
    st.sampled_from([THREAT, "hang them all", "you people are vermin", "kys", "they must be shot 🔫 tomorrow"]),
    st.lists(st.tuples(st.integers(0, 60), INVISIBLE), max_size=25),
)
@settings(max_examples=80, deadline=None)
def test_characters_that_show_nothing_lower_no_score(model: TextModel, text: str, added: list[tuple[int, str]]) -> None:
    changed = text
    for place, character in added:
        changed = changed[:place] + character + changed[place:]
    assert model.score([changed]) == model.score([text])


def test_threads_may_share_the_model(model: TextModel) -> None:
    from concurrent.futures import ThreadPoolExecutor

    texts = [f"I will kill you on day {number}" for number in range(24)]
    expected = [model.score([text]) for text in texts]
    fresh = load_model()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: fresh.score([text]), texts)) == expected


def test_a_process_loads_and_warms_it_in_time_and_takes_little_memory() -> None:
    """In a process of its own: ready within three seconds of processor time, less than 110 MiB of its own."""
    script = (
        "import time; from parley.screening import text_model; assert text_model.warm(); import sys\n"
        "lines = dict(l.split(':') for l in open('/proc/self/smaps_rollup').read().splitlines()[1:])\n"
        "print(time.process_time(), int(lines['Anonymous'].split()[0]) / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    seconds, mebibytes = map(float, done.stdout.split())
    assert seconds < 3
    assert mebibytes < 110
