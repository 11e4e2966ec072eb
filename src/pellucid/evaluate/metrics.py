"""Measures of a detector, each a function of plain arrays; scores are P(AI), labels true where AI made the picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from pellucid.base.rates import lower_bound, upper_bound

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]
ECE_BINS = 15


def auc(labels: Labels, scores: Scores) -> float | None:
    """Area under the ROC curve; None where one label is missing."""
    return float(roc_auc_score(labels, scores)) if labels.any() and (~labels).any() else None


def rate(hits: int, trials: int) -> dict[str, float | int | None]:
    """A counted share with its one-sided 95 % bounds."""
    return {
        "count": hits, "of": trials, "rate": round(hits / trials, 5) if trials else None,
        "upper": round(upper_bound(hits, trials), 5), "lower": round(lower_bound(hits, trials), 5),
    }  # fmt: skip


def ece(labels: Labels, scores: Scores, prevalence: float) -> float:
    """Expected calibration error (Naeini 2015, equal-width bins) as if `prevalence` of the pictures were AI."""
    weights = prevalence_weights(labels, prevalence)
    bins = np.minimum((scores * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [abs(float((weights * (labels - scores))[bins == number].sum())) for number in range(ECE_BINS)]
    return float(np.sum(gaps))


def brier(labels: Labels, scores: Scores, prevalence: float) -> float:
    return float((prevalence_weights(labels, prevalence) * (labels - scores) ** 2).sum())


def prevalence_weights(labels: Labels, prevalence: float) -> Scores:
    """Weights of sum 1 under which `prevalence` of the pictures are AI."""
    share = np.where(labels, prevalence / max(1, labels.sum()), (1 - prevalence) / max(1, (~labels).sum()))
    return np.asarray(share / share.sum())


def bootstrap(
    measure: Callable[[Labels, Scores], float], labels: Labels, scores: Scores, rounds: int, seed: int
) -> tuple[float, float]:
    """95 % percentile interval of `measure`, resampling pictures within each label."""
    draw = np.random.default_rng(seed)
    sides = [np.flatnonzero(labels), np.flatnonzero(~labels)]
    values = []
    for _ in range(rounds):
        rows = np.concatenate([draw.choice(side, len(side)) for side in sides if len(side)])
        values.append(measure(labels[rows], scores[rows]))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
