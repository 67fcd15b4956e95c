"""Measures a keyword list, the linear model and the shipped model on everything that none of them was trained on.

Writes numbers (`--json`), REPORT.md, two pictures, and the figures in MODEL_CARD.md. Thresholds come from ordinary
posts: what 0.1 %, 0.5 % and 1 % of them reach. Nothing of the data is written, only figures.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from rich.console import Console

from parley.screening.normalise import for_model
from training.challenge_set import Case, read_challenge
from training.groups import GROUPS, groups_in
from training.heads import HEADS, Row, read_rows
from training.linear import score_all
from training.metrics import (
    Floats,
    auroc,
    average_precision,
    calibration_error,
    interval,
    recall_at,
    sigmoid,
    threshold_at,
)
from training.noise import KINDS
from training.plots import draw_plots
from training.prepare import WORK
from training.report import update_card, write_report
from training.scoring import keyword_scores, shipped_scores
from training.sources import COMMENTS, ORDINARY_SOURCES, TRAIN_SOURCES

MODEL = Path(__file__).parents[1] / "src" / "parley" / "screening" / "model"
CARD = Path(__file__).parent / "MODEL_CARD.md"
SHARES = {"0.1 %": 0.001, "0.5 %": 0.005, "1 %": 0.01}
FLAG = "1 %"
SYSTEMS = ("keywords", "linear", "shipped")
SEXISM_AS_HATE = "hate or sexism"
ANY_ATTACK = "hate, sexism or harassment"
"""For sources from elsewhere, whose annotators called all of it hate: the chance that one of the three holds."""
ELSEWHERE = ("parler", "hateval")
_EVASION_ROWS = 300
_HATEVAL_SHARE = 0.3
"""HatEval is large and only tells one more thing about another network."""

Json = dict[str, Any]
console = Console()


class Scored(Struct):
    """Rows with the scores of every system: [rows, heads] each."""

    rows: list[Row]
    scores: dict[str, NDArray[np.float64]]

    def where(self, chosen: Callable[[Row], bool]) -> Scored:
        """Return the rows for which something holds."""
        places = [place for place, row in enumerate(self.rows) if chosen(row)]
        return Scored([self.rows[p] for p in places], {name: found[places] for name, found in self.scores.items()})

    def head(self, system: str, head: str) -> tuple[Floats, Floats]:
        """Return labels and scores of the rows that are annotated for a head.

        `hate or sexism` takes the higher of the two scores; its labels are the sources' own: sexism is hate.
        """
        if head == SEXISM_AS_HATE:
            columns = [HEADS.index("hate"), HEADS.index("sexism")]
            labels = [r.labels.get("sexism" if r.source == "edos" else "hate") for r in self.rows]
            scores = self.scores[system][:, columns].max(axis=1)
        elif head == ANY_ATTACK:
            columns = [HEADS.index(part) for part in ("hate", "sexism", "harassment")]
            labels = [row.labels.get("hate") for row in self.rows]
            own = self.scores[system][:, columns]
            scores = own.max(axis=1) if system == "keywords" else 1.0 - (1.0 - own).prod(axis=1)
        else:
            labels = [r.labels.get(head) if r.weights.get(head, 1.0) == 1.0 else None for r in self.rows]
            scores = self.scores[system][:, HEADS.index(head)]
        places = [place for place, label in enumerate(labels) if label is not None]
        return np.array([labels[p] for p in places], dtype=np.float64), scores[places]


def score_texts(texts: list[str], model: Path, linear: Path, about: str) -> dict[str, NDArray[np.float64]]:
    """Return what each system says of raw texts."""
    seen = [for_model(text) for text in texts]
    return {
        "keywords": keyword_scores(texts),
        "linear": sigmoid(score_all(seen, linear).astype(np.float64)),
        "shipped": shipped_scores(seen, model, about=about),
    }


def measure_ranking(scored: Scored, head: str) -> Json | None:
    """Return AUROC and average precision of every system, and the calibration of those that say probabilities."""
    found: Json = {}
    for system in SYSTEMS:
        labels, scores = scored.head(system, head)
        if labels.sum() < 10 or (labels == 0).sum() < 10:
            return None
        found["rows"], found["positives"] = len(labels), int(labels.sum())
        found[system] = {
            "auroc": auroc(labels, scores),
            "auroc_interval": interval(auroc, labels, scores),
            "ap": average_precision(labels, scores),
            "ap_interval": interval(average_precision, labels, scores),
        }
        if system != "keywords":
            found[system]["error"] = calibration_error(labels, scores)
            found[system]["error_interval"] = interval(calibration_error, labels, scores)
    return found


def find_thresholds(ordinary: Scored) -> Json:
    """Return per system, head and share the score that this share of ordinary posts reaches."""
    return {
        system: {
            head: {name: threshold_at(ordinary.scores[system][:, place], share) for name, share in SHARES.items()}
            for place, head in enumerate(HEADS)
        }
        for system in SYSTEMS
    }


def measure_recall(scored: Scored, head: str, limits: Json) -> Json | None:
    """Return the share of positives that each system finds when so many ordinary posts are flagged."""
    found: Json = {}
    for system in SYSTEMS:
        labels, scores = scored.head(system, head)
        if labels.sum() < 10:
            return None
        found["positives"] = int(labels.sum())
        found[system] = {}
        for name in SHARES:
            limit = limits[system][head][name]
            found[system][name] = {
                "recall": recall_at(labels, scores, limit),
                "interval": interval(lambda own, values, at=limit: recall_at(own, values, at), labels, scores),
            }
    return found


def measure_flagged(scored: Scored, limits: Json) -> Json:
    """Return per head and system the share of ordinary texts from elsewhere that reach each bar."""
    return {
        head: {
            system: {
                name: share_of(
                    int((scored.scores[system][:, place] >= limits[system][head][name]).sum()), len(scored.rows)
                )
                for name in SHARES
            }
            for system in SYSTEMS
        }
        for place, head in enumerate(HEADS)
    }


def measure_groups(scored: Scored, head: str, limits: Json) -> Json:
    """Return per group addressed and system: ranking, and what is flagged of the guilty and of the innocent."""
    found: Json = {}
    addressed = [set(groups_in(row.text)) for row in scored.rows]
    for group in GROUPS:
        chosen = {id(row) for row, groups in zip(scored.rows, addressed, strict=True) if group in groups}
        own = scored.where(lambda row, kept=chosen: id(row) in kept)
        labels, _ = own.head("shipped", head)
        guilty, innocent = int(labels.sum()), int((labels == 0).sum())
        if guilty < 10 or innocent < 10:
            continue
        found[group] = {"rows": len(labels), "positives": guilty}
        for system in SYSTEMS:
            labels, scores = own.head(system, head)
            flagged = scores >= limits[system][head][FLAG]
            found[group][system] = {
                "auroc": auroc(labels, scores),
                "auroc_interval": interval(auroc, labels, scores),
                "recall": share_of(int(flagged[labels == 1].sum()), guilty),
                "false_alarms": share_of(int(flagged[labels == 0].sum()), innocent),
            }
    return found


def measure_evasion(scored: Scored, head: str, model: Path, linear: Path, limits: Json) -> Json:
    """Return the recall on positives as written, and disguised in each way."""
    positives = [row for row in scored.rows if row.labels.get(head) == 1 and row.weights.get(head, 1.0) == 1.0]
    positives = random.Random(3).sample(positives, min(len(positives), _EVASION_ROWS))  # noqa: S311
    column = HEADS.index(head)
    found: Json = {"positives": len(positives)}
    for kind in ("as written", *KINDS):
        chance = random.Random(f"5 {kind}")  # noqa: S311 - reproducible on purpose
        texts = [row.text if kind == "as written" else KINDS[kind](row.text, chance) for row in positives]
        scores = score_texts(texts, model, linear, f"{head}, {kind}")
        found[kind] = {
            s: share_of(int((scores[s][:, column] >= limits[s][head][FLAG]).sum()), len(positives)) for s in SYSTEMS
        }
    found["loss"] = {
        system: found["as written"][system]["share"] - float(np.mean([found[kind][system]["share"] for kind in KINDS]))
        for system in SYSTEMS
    }
    return found


def measure_categories(
    cases: list[tuple[str, dict[str, bool]]], scores: dict[str, NDArray[np.float64]], limits: Json
) -> Json:
    """Return per category and head: what is flagged of the cases that should be, and of those that should not."""
    grouped: dict[tuple[str, str, bool], list[int]] = defaultdict(list)
    for place, (category, expected) in enumerate(cases):
        for head, wanted in expected.items():
            grouped[category, head, wanted].append(place)
    found: Json = {}
    for (category, head, wanted), places in sorted(grouped.items()):
        entry: Json = {"cases": len(places), "should_be_flagged": wanted}
        for system in SYSTEMS:
            flagged = scores[system][places, HEADS.index(head)] >= limits[system][head][FLAG]
            entry[system] = share_of(int(flagged.sum()), len(places))
        found[f"{category} | {head} | {'find' if wanted else 'leave'}"] = entry
    return found


def measure_bars(cases: list[Case], scores: NDArray[np.float64], limits: Json) -> Json:
    """Return per bar what the shipped model stops of violent cases, in all and by category, and of innocent ones.

    The bars are the scores that a share of ordinary posts reach; the shipped thresholds `flag_1_percent` and `hold` are
    those of 1 % and 0.5 %.
    """
    judged = list(zip(cases, scores[:, HEADS.index("violence")], strict=True))
    violent = [(case.category, score) for case, score in judged if case.expect.get("violence")]
    parts = {"innocent": [score for case, score in judged if case.expect.get("violence") is False]}
    parts["violent"] = [score for _, score in violent]
    for category in sorted({category for category, _ in violent}):
        parts[category] = [score for own, score in violent if own == category]
    found: Json = {}
    for part, values in parts.items():
        bars = limits["shipped"]["violence"]
        hits = {name: int((np.array(values) >= bars[name]).sum()) for name in SHARES}
        found[part] = {"cases": len(values), **{name: share_of(hits[name], len(values)) for name in SHARES}}
    return found


def share_of(hits: int, count: int) -> Json:
    """Return a share with its 95 % interval."""
    return {"share": hits / count, "interval": wilson(hits, count)}


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson's, which holds for few cases)."""
    z, share = 1.96, hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, float(middle + half))


def evaluate(work: Path, model: Path, split: str) -> tuple[Json, Scored]:
    """Return all figures, and the scored in-domain rows for the pictures."""
    linear = work / "linear.npz"
    wanted = (*TRAIN_SOURCES, *ELSEWHERE, "written", COMMENTS, *ORDINARY_SOURCES)
    chance = random.Random(1)  # noqa: S311 - reproducible on purpose
    rows = [r for r in read_rows(work / "rows.jsonl.gz") if r.split == "test" and r.source in wanted]
    rows = [r for r in rows if r.source != "hateval" or chance.random() < _HATEVAL_SHARE]
    scored = Scored(rows, score_texts([row.text for row in rows], model, linear, "Scoring test rows"))
    domain = scored.where(lambda row: row.source in TRAIN_SOURCES)
    written = scored.where(lambda row: row.source == "written")
    limits = find_thresholds(scored.where(lambda row: row.source in ORDINARY_SOURCES))
    figures: Json = {"version": json.loads((model / "text.json").read_text())["version"], "thresholds": limits}
    comments = scored.where(lambda row: row.source == COMMENTS)
    figures["comments"] = measure_flagged(comments, limits)
    figures["pooled"] = {head: measure_ranking(domain, head) for head in (*HEADS, SEXISM_AS_HATE)}
    figures["sources"] = {
        source: {
            head: measure_ranking(scored.where(lambda row, s=source: row.source == s), head)
            for head in (*HEADS, *([ANY_ATTACK] if source in ELSEWHERE else []))
        }
        for source in (*TRAIN_SOURCES, *ELSEWHERE, "written")
    }
    parts = {"in-domain tests": domain, "written tests": written} | {
        source: scored.where(lambda row, s=source: row.source == s) for source in (*TRAIN_SOURCES, *ELSEWHERE)
    }
    figures["recall"] = {
        name: {head: measure_recall(part, head, limits) for head in HEADS} for name, part in parts.items()
    }
    figures["groups"] = {head: measure_groups(domain, head, limits) for head in ("hate", "violence")}
    figures["evasion"] = {
        f"{head}, {name}": measure_evasion(part, head, model, linear, limits)
        for head, name, part in (
            ("violence", "in-domain tests", domain),
            ("violence", "written tests", written),
            ("hate", "in-domain tests", domain),
        )
    }
    expected = [(row.category, {h: bool(v) for h, v in row.labels.items()}) for row in written.rows]
    figures["written"] = measure_categories(expected, written.scores, limits)
    cases: list[Case] = read_challenge(split)
    scores = score_texts([case.text for case in cases], model, linear, "Scoring the challenge set")
    figures["challenge_split"] = split
    figures["bars"] = measure_bars(cases, scores["shipped"], limits)
    figures["challenge"] = measure_categories([(case.category, case.expect) for case in cases], scores, limits)
    return figures, domain


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK, help="folder for everything that is made on the way")
    parser.add_argument("--model", type=Path, default=MODEL, help="folder of the model to measure")
    parser.add_argument("--split", choices=("dev", "test"), default="test", help="part of the challenge set")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    parser.add_argument("--report", type=Path, default=Path(__file__).parent / "REPORT.md")
    parser.add_argument("--pictures", type=Path, help="folder for the pictures (docs/images)")
    options = parser.parse_args()
    figures, domain = evaluate(options.work, options.model, options.split)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if options.pictures:
        draw_plots({s: domain.head(s, "violence") for s in SYSTEMS}, options.pictures)
    text = write_report(figures)
    options.report.write_text(text, encoding="utf-8")
    if options.model == MODEL and options.split == "test":
        hashes = json.loads((options.model / "text.json").read_text(encoding="utf-8"))["sha256"]
        CARD.write_text(update_card(CARD.read_text(encoding="utf-8"), figures, hashes), encoding="utf-8")
    console.print(text, markup=False, highlight=False)


if __name__ == "__main__":
    main()
