"""Writes the figures of an evaluation as Markdown. It measures nothing itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

_SYSTEMS = {"keywords": "keyword list", "linear": "linear n-grams", "shipped": "shipped"}
_INTRODUCTION = """# What the judge's text model can do

Written by `python -m training.evaluate` for model {version}; do not edit. Intervals are 95 %: bootstrap for
rankings and recall (200 rounds), Wilson's for shares of a category. *Flagged* means: at or above the score that 1 % of
19,281 ordinary posts reach. *Keyword list* is the word bank of the shipped policy, *linear n-grams* a logistic
regression on hashed n-grams of the same training rows.
"""


def write_report(figures: Json) -> str:
    """Return the whole report."""
    parts = [
        _INTRODUCTION.format(version=figures["version"]),
        _ranking("Ranking, pooled in-domain tests", {"": figures["pooled"]}),
        _ranking("Ranking by source", figures["sources"]),
        _calibration({"pooled": figures["pooled"], **figures["sources"]}),
        _recall(figures["recall"]),
        _comments(figures["comments"]),
        _evasion(figures["evasion"]),
        _groups(figures["groups"]),
        _bars(f"Challenge set, `{figures['challenge_split']}` part: what each bar stops", figures["bars"]),
        _categories(f"Challenge set, `{figures['challenge_split']}` part", figures["challenge"]),
        _categories("Written cases that were kept for tests", figures["written"]),
    ]
    return "\n".join(parts)


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _number(value: float, interval: list[float] | tuple[float, float] | None = None) -> str:
    text = f"{value:.3f}".replace("0.", ".", 1) if 0 <= value < 1 else f"{value:.3f}"
    if interval is None:
        return text
    low, high = (f"{v:.2f}".replace("0.", ".", 1) if v < 1 else "1" for v in interval)
    return f"{text} ({low}-{high})"


def _share(found: Json) -> str:
    return _number(found["share"], found["interval"])


def _ranking(title: str, sources: Json) -> str:
    rows = []
    for source, heads in sources.items():
        for head, found in heads.items():
            if found is None:
                continue
            cells = [
                " / ".join(_number(found[s][measure], found[s][f"{measure}_interval"]) for measure in ("auroc", "ap"))
                for s in _SYSTEMS
            ]
            name = f"{source}: {head}" if source else head
            rows.append([name, f"{found['positives']:,} of {found['rows']:,}", *cells])
    return f"## {title}\n\nAUROC / average precision.\n\n" + _table(["", "positives", *_SYSTEMS.values()], rows)


def _calibration(sources: Json) -> str:
    rows = []
    for source, heads in sources.items():
        for head, found in heads.items():
            if found is None:
                continue
            cells = [_number(found[s]["error"], found[s]["error_interval"]) for s in _SYSTEMS if "error" in found[s]]
            rows.append([f"{source}: {head}", *cells])
    about = "Expected calibration error (15 bins of equal size); the keyword list says no probabilities.\n\n"
    return "## Calibration\n\n" + about + _table(["", _SYSTEMS["linear"], _SYSTEMS["shipped"]], rows)


def _recall(parts: Json) -> str:
    rows = []
    for part, heads in parts.items():
        for head, found in heads.items():
            if found is None:
                continue
            for system, name in _SYSTEMS.items():
                cells = [_number(entry["recall"], entry["interval"]) for entry in found[system].values()]
                rows.append([f"{part}: {head}", str(found["positives"]), name, *cells])
    columns = ["", "positives", "", "at 0.1 %", "at 0.5 %", "at 1 %"]
    return "## Recall when so many ordinary posts are flagged\n\n" + _table(columns, rows)


def _comments(heads: Json) -> str:
    bars = list(heads["violence"]["shipped"])
    rows = [[head, *(_share(found["shipped"][bar]) for bar in bars)] for head, found in heads.items()]
    about = (
        "The share of comments of Reddit (GoEmotions' test split, which nobody labelled for these heads) that reach "
        "the score which so many ordinary tweets reach: some of them deserve it, most do not."
    )
    columns = ["shipped", *(f"bar of {bar}" for bar in bars)]
    return f"## Ordinary comments from elsewhere\n\n{about}\n\n" + _table(columns, rows)


def _evasion(parts: Json) -> str:
    kinds = [kind for kind in next(iter(parts.values())) if kind not in ("positives", "loss")]
    blocks = []
    for part, found in parts.items():
        rows = [[kind.replace("_", "-"), *(_share(found[kind][s]) for s in _SYSTEMS)] for kind in kinds]
        lost = [f"{100 * found['loss'][s]:.1f}" for s in _SYSTEMS]
        rows.append(["**points lost, mean of all**", *lost])
        blocks.append(f"{part} ({found['positives']} positives):\n\n" + _table(["", *_SYSTEMS.values()], rows))
    return "## Recall of disguised texts (1 % of ordinary posts flagged)\n\n" + "\n".join(blocks)


def _groups(heads: Json, systems: Iterable[str] = _SYSTEMS) -> str:
    blocks = []
    for head, groups in heads.items():
        rows = [
            [
                group,
                f"{found['positives']:,} of {found['rows']:,}",
                _SYSTEMS[system],
                _number(found[system]["auroc"], found[system]["auroc_interval"]),
                _share(found[system]["recall"]),
                _share(found[system]["false_alarms"]),
            ]
            for group, found in groups.items()
            for system in systems
        ]
        columns = [head, "positives", "", "AUROC", "found", "innocent rows flagged"]
        blocks.append(_table(columns, rows))
    about = (
        "Rows of the in-domain tests that speak of a group, found by plain words. The innocent rows are mostly from "
        "hostile threads, so far more of them are flagged than of ordinary posts.\n\n"
    )
    return "## By group spoken of\n\n" + about + "\n".join(blocks)


def _categories(title: str, cases: Json) -> str:
    rows: dict[bool, list[list[str]]] = {True: [], False: []}
    for name, found in cases.items():
        category, head, _ = name.split(" | ")
        wanted = found["should_be_flagged"]
        if not wanted and found["shipped"]["share"] == 0 and head != "violence":
            continue
        cells = [_share(found[s]) if s == "shipped" else _number(found[s]["share"]) for s in _SYSTEMS]
        rows[wanted].append([category, head, str(found["cases"]), *cells])
    columns = ["category", "head", "cases", *_SYSTEMS.values()]
    return (
        f"## {title}\n\nWhat must be found: the share that is flagged.\n\n"
        + _table(columns, rows[True])
        + "\nWhat must not be found: the share that is flagged all the same (other heads: where any is).\n\n"
        + _table(columns, rows[False])
    )


def _bars(title: str, parts: Json) -> str:
    bars = [name for name in parts["innocent"] if name != "cases"]
    rows = [[part, str(found["cases"]), *(_share(found[bar]) for bar in bars)] for part, found in parts.items()]
    return (
        f"## {title}\n\nThe share of the cases for violence that reach the score which so many ordinary posts reach. "
        "The default policy shows moderators what reaches the bar of 1 %, and holds what reaches that of 0.5 %.\n\n"
        + _table(["cases", "", *(f"bar of {bar}" for bar in bars)], rows)
    )


_BEGIN, _END = "<!-- figures -->", "<!-- end of figures -->"


def update_card(card: str, figures: Json, hashes: dict[str, str]) -> str:
    """Return the model card with its block of figures replaced."""
    before, _, rest = card.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    violence = figures["recall"]["in-domain tests"]["violence"]["shipped"]["1 %"]
    pooled = figures["pooled"]
    lines = [
        f"Version {figures['version']}.",
        "",
        *(
            f"- {head}: AUROC {_number(pooled[head]['shipped']['auroc'], pooled[head]['shipped']['auroc_interval'])}, "
            f"average precision {_number(pooled[head]['shipped']['ap'], pooled[head]['shipped']['ap_interval'])} "
            "on the pooled in-domain tests"
            for head in pooled
            if pooled[head]
        ),
        f"- violence found when 1 % of ordinary posts are flagged: {_number(violence['recall'], violence['interval'])}",
        *(
            f"- recall lost to disguises, {part}: {100 * found['loss']['shipped']:.1f} points"
            for part, found in figures["evasion"].items()
        ),
        "",
        _groups(figures["groups"], ["shipped"]),
        _table(["file", "SHA-256"], [[f"`{name}`", f"`{value}`"] for name, value in sorted(hashes.items())]),
    ]
    return f"{before}{_BEGIN}\n" + "\n".join(lines) + f"\n{_END}{after}"
