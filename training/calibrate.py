"""Turns logits into probabilities and names thresholds, and writes text.json beside the exported files.

Calibration is fitted on validation rows; thresholds are what a share of ordinary posts reaches, scored as the server
does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from parley.screening.normalise import for_model
from parley.screening.text_model import FIRST, REST
from training.heads import HEADS, Row, read_rows
from training.linear import score_all
from training.metrics import Floats, average_precision, calibration_error, sigmoid, threshold_at
from training.prepare import WORK
from training.scoring import MAX_TOKENS, network_logits, shipped_scores
from training.sources import ORDINARY_SOURCES, PLAIN_SOURCES

SHARES = {"flag_1_percent": 0.01, "hold": 0.005, "urgent": 0.001}
LINEAR_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
EARLY_MISSED = 0.01
WRITTEN_WEIGHT = 0.5
"""How much a written row counts beside a public one when probabilities are fitted: it is easier and less usual."""

console = Console()


def fit_sigmoid(labels: Floats, logits: Floats, weights: Floats) -> tuple[float, float]:
    """Return a and b so that sigmoid(a * logit + b) is the probability: logistic regression by damped Newton steps.

    A weak wish for a = 1 keeps few positives that stand apart from driving it to infinity.
    """
    found = np.array([1.0, 0.0])
    columns = np.stack([logits, np.ones_like(logits)])

    def loss(place: Floats) -> float:
        values = place @ columns
        return float((weights * (np.logaddexp(0.0, values) - labels * values)).sum() + 0.5 * (place[0] - 1.0) ** 2)

    for _ in range(100):
        chance = sigmoid(found @ columns)
        gradient = columns @ (weights * (chance - labels)) + np.array([found[0] - 1.0, 0.0])
        hessian = (columns * (weights * chance * (1 - chance))) @ columns.T + np.diag([1.0, 1e-9])
        step = np.linalg.solve(hessian, gradient)
        before = loss(found)
        while loss(found - step) > before and np.abs(step).max() > 1e-9:
            step = step / 2
        found = found - step
        if np.abs(step).max() < 1e-8:
            break
    a, b = found
    return float(a), float(b)


def choose_linear(rows: list[Row], network: NDArray[Any], linear: NDArray[Any]) -> dict[str, float]:
    """Return how much of the linear model's logit is added per head: what ranks the public validation rows best."""
    chosen: dict[str, float] = {}
    for place, head in enumerate(HEADS):
        own = [i for i, r in enumerate(rows) if head in r.labels and r.source != "written"]
        labels = np.array([rows[i].labels[head] for i in own], dtype=np.float64)
        if labels.sum() < 30:
            own = [i for i, r in enumerate(rows) if head in r.labels]
            labels = np.array([rows[i].labels[head] for i in own], dtype=np.float64)
        ranked = {w: average_precision(labels, network[own, place] + w * linear[own, place]) for w in LINEAR_WEIGHTS}
        best = max(ranked.values())
        chosen[head] = next(w for w in LINEAR_WEIGHTS if ranked[w] >= best - 0.002)
    return chosen


def fit(rows: list[Row], logits: NDArray[Any]) -> dict[str, dict[str, float]]:
    """Return a and b per head, and print the calibration error before and after."""
    table = Table("head", "positives", "a", "b", "error before", "error after", title="Calibration on validation rows")
    fitted: dict[str, dict[str, float]] = {}
    for place, head in enumerate(HEADS):
        own = [i for i, row in enumerate(rows) if head in row.labels]
        labels = np.array([rows[i].labels[head] for i in own], dtype=np.float64)
        weights = np.array(
            [rows[i].weights.get(head, 1.0) * (WRITTEN_WEIGHT if rows[i].source == "written" else 1.0) for i in own]
        )
        values = logits[own, place].astype(np.float64)
        a, b = fit_sigmoid(labels, values, weights)
        fitted[head] = {"a": round(a, 5), "b": round(b, 5)}
        before = calibration_error(labels, sigmoid(values))
        after = calibration_error(labels, sigmoid(a * values + b))
        table.add_row(head, f"{labels.sum():.0f}", f"{a:.3f}", f"{b:.3f}", f"{before:.4f}", f"{after:.4f}")
    console.print(table)
    return fitted


def thresholds(ordinary: NDArray[Any]) -> dict[str, dict[str, float]]:
    """Return per head the probabilities that 1 %, 0.5 % and 0.1 % of ordinary posts reach, [posts, heads]."""
    return {
        head: {name: round(threshold_at(ordinary[:, place], share), 5) for name, share in SHARES.items()}
        for place, head in enumerate(HEADS)
    }


def early_exits(early: NDArray[Any], last: NDArray[Any], ordinary: NDArray[Any]) -> dict[str, float]:
    """Return per head the early logit from which on the whole network is asked, [rows, heads] each.

    All lie equally far below the logits that flag 1 % of ordinary posts: so far that of the rows that the whole network
    flags, for violence and for any head, at most one in a hundred stays below all of them.
    """
    bars = np.array([threshold_at(ordinary[:, place], SHARES["flag_1_percent"]) for place in range(len(HEADS))])
    flagged = last >= bars
    nearest = (early - bars).max(axis=1)
    kinds = (flagged.any(axis=1), flagged[:, HEADS.index("violence")])
    margin = min(float(np.quantile(nearest[kind], EARLY_MISSED)) for kind in kinds)
    return {head: round(float(bar) + margin, 4) for head, bar in zip(HEADS, bars, strict=True)}


def share_ended(early: NDArray[Any], bounds: dict[str, float]) -> float:
    """Return the share of texts, [texts, heads], that the first layers answer."""
    return float((early < np.array([bounds[head] for head in HEADS])).all(axis=1).mean())


def write(path: Path, document: dict[str, Any]) -> None:
    """Write text.json."""
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def calibrate(work: Path, folder: Path, version: str, *, with_linear: bool) -> dict[str, Any]:
    """Write text.json (and linear.npz) into the exported folder and return its content."""
    rows = [r for r in read_rows(work / "rows.jsonl.gz") if r.split == "val" and r.source not in PLAIN_SOURCES]
    ordinary = [r for r in read_rows(work / "rows.jsonl.gz") if r.source in ORDINARY_SOURCES]
    texts, usual = ([for_model(row.text) for row in part] for part in (rows, ordinary))
    early, logits = network_logits(texts, folder)
    plain_early, plain = network_logits(usual, folder, about="Scoring ordinary posts")
    described: dict[str, Any] = {}
    if with_linear:
        shutil.copy(work / "linear.npz", folder / "linear.npz")
        linear = score_all(texts, folder / "linear.npz")
        chosen = choose_linear(rows, logits, linear)
        console.print(f"Share of the linear model: {chosen}")
        shares = np.array([chosen[head] for head in HEADS], dtype=np.float32)
        early, logits = early + shares * linear, logits + shares * linear
        plain_linear = score_all(usual, folder / "linear.npz")
        plain_early, plain = plain_early + shares * plain_linear, plain + shares * plain_linear
        described = {"linear": {"file": "linear.npz", "weights": chosen}}
    calibration = fit(rows, logits)
    bounds = early_exits(early, logits, plain)
    console.print(
        f"The first layers answer {share_ended(early, bounds):.3f} of the validation rows, "
        f"{share_ended(plain_early, bounds):.3f} of ordinary posts."
    )
    document = {
        "version": version,
        "heads": list(HEADS),
        "max_tokens": MAX_TOKENS,
        "languages": ["en"],
        "calibration": calibration,
        "early_exit": bounds,
        "thresholds": {},
        **described,
    }
    document["sha256"] = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name in (FIRST, REST, "tokenizer.json", "linear.npz")
    }
    write(folder / "text.json", document)
    document["thresholds"] = thresholds(shipped_scores(usual, folder, about="Scoring ordinary posts"))
    write(folder / "text.json", document)
    console.print_json(data=document["thresholds"])
    return document


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK, help="folder for everything that is made on the way")
    parser.add_argument("--model", type=Path, default=WORK / "export", help="the exported folder")
    parser.add_argument("--version", required=True, help="written into text.json, such as 2026.11.1")
    parser.add_argument("--no-linear", action="store_true", help="do not add the linear model")
    options = parser.parse_args()
    calibrate(options.work, options.model, options.version, with_linear=not options.no_linear)


if __name__ == "__main__":
    main()
