"""Draws two small pictures: precision over recall, and how probabilities hold. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.metrics import Floats

_NAMES = {"keywords": "keyword list", "linear": "linear n-grams", "shipped": "shipped model"}


def draw_plots(scored: dict[str, tuple[Floats, Floats]], folder: Path) -> None:
    """Write judge-precision.png and judge-calibration.png for the head whose labels and scores are given."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    figure, axes = pyplot.subplots(figsize=(5, 3.6), dpi=110)
    for system, (labels, scores) in scored.items():
        order = np.argsort(-scores, kind="stable")
        found = np.cumsum(labels[order])
        last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
        if system == "keywords":
            last = last[:-1]
        axes.plot(
            found[last] / labels.sum(),
            found[last] / (last + 1),
            marker="o" if system == "keywords" else "",
            label=_NAMES[system],
        )
    axes.set(xlabel="recall", ylabel="precision", title="Violence, in-domain tests", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(folder / "judge-precision.png")
    labels, scores = scored["shipped"]
    figure, axes = pyplot.subplots(figsize=(3.8, 3.6), dpi=110)
    bounds = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0])
    places = np.digitize(scores, bounds[1:-1])
    kept = [p for p in range(len(bounds) - 1) if (places == p).sum() >= 10]
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axes.plot([scores[places == p].mean() for p in kept], [labels[places == p].mean() for p in kept], marker="o")
    axes.set(xlabel="score", ylabel="truly violent", title="Calibration", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(folder / "judge-calibration.png")
