"""Plots of a detector run from its out-of-fold scores: ROC, reliability, confusion matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

BINS = 10


def draw_plots(labels: NDArray[np.bool_], probability: NDArray[np.float64], threshold: float | None, to: Path) -> list[Path]:
    """`roc.png`, `reliability.png` and, where there is a threshold, `confusion.png`; labels true for AI."""
    to.mkdir(parents=True, exist_ok=True)
    mpl.use("agg")
    made = [_roc(labels, probability, to / "roc.png"), _reliability(labels, probability, to / "reliability.png")]
    return made if threshold is None else [*made, _confusion(labels, probability >= threshold, to / "confusion.png")]


def _roc(labels: NDArray[np.bool_], probability: NDArray[np.float64], path: Path) -> Path:
    figure, axes = plt.subplots(figsize=(5, 4))
    wrong, right, _ = roc_curve(labels, probability)
    axes.plot(np.maximum(wrong, 1e-4), right)
    axes.set(xscale="log", xlabel="real pictures accused", ylabel="AI pictures found", title="Out of fold")
    return _saved(figure, path)


def _reliability(labels: NDArray[np.bool_], probability: NDArray[np.float64], path: Path) -> Path:
    figure, axes = plt.subplots(figsize=(5, 4))
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    filled = [number for number in range(BINS) if (bins == number).any()]
    shares = [(probability[bins == number].mean(), labels[bins == number].mean()) for number in filled]
    axes.plot(*zip(*shares, strict=True), "o-")
    axes.plot([0, 1], [0, 1], "k:")
    axes.set(xlabel="P(AI)", ylabel="share of AI in the data", title="Out of fold")
    return _saved(figure, path)


def _confusion(labels: NDArray[np.bool_], called: NDArray[np.bool_], path: Path) -> Path:
    counts = np.array([[int((called[labels == side] == answer).sum()) for answer in (False, True)] for side in (False, True)])
    figure, axes = plt.subplots(figsize=(4, 4))
    axes.imshow(counts, cmap="Blues")
    for row, column in np.ndindex(2, 2):
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center")
    axes.set(xticks=[0, 1], xticklabels=["not called", "generated"], yticks=[0, 1], yticklabels=["real", "AI"])
    return _saved(figure, path)


def _saved(figure: Any, path: Path) -> Path:
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
    return path
