"""From out-of-fold scores to calibrated probabilities and, slice by slice, thresholds that keep to a budget of accusations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from pellucid.base.rates import upper_bound
from pellucid.records.dataset import Sample
from pellucid.records.heads import ALL, Calibration, QualityRule, SliceThreshold, Thresholds
from pellucid.records.report import Budget
from pellucid.train.detector_recipe import Verdict

# A probability that no picture should have to exceed to be called generated.
MOST = 0.9999


def fit_calibration(
    logits: NDArray[np.float64], labels: NDArray[np.bool_], weights: NDArray[np.float32], prior: float
) -> Calibration:
    """Platt scaling (1999): P(AI) = sigmoid(a · logit + b), a > 0, fitted with both labels weighing as `prior` says."""
    share = np.where(labels, prior, 1 - prior)
    side = np.where(labels, weights[labels].sum(), weights[~labels].sum())
    counts = weights * share / side

    def cost(parameters: NDArray[np.float64]) -> float:
        margins = np.where(labels, 1, -1) * (np.exp(parameters[0]) * logits + parameters[1])
        return float((counts * np.logaddexp(0, -margins)).sum())

    log_a, b = minimize(cost, np.zeros(2), method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-6, "fatol": 1e-10}).x
    return Calibration(a=float(np.exp(log_a)), b=float(b), prior=prior)


def verdict_thresholds(
    samples: Sequence[Sample], labels: NDArray[np.bool_], logits: NDArray[np.float64], calibration: Calibration, rule: Verdict
) -> Thresholds:
    """`thresholds.json` from the logits [n] of pictures that the detector had not seen; only real ones count."""
    quality = QualityRule()
    slices = [f"{sample.domain or '?'}/{quality.of(sample.width, sample.height)}" for sample in samples]
    real = np.flatnonzero(~labels)
    probabilities = expit(calibration.a * logits[real] + calibration.b)
    found = slice_thresholds(probabilities, [slices[row] for row in real], rule.budget_per_10000, rule.fewest_real)
    return Thresholds(slices=found, near_below=rule.near_below, near_above=rule.near_above, re_encodings=rule.reencodings)


def choose_threshold(real: NDArray[np.float64], budget_per_10000: float) -> tuple[float | None, Budget]:
    """Lowest threshold on probabilities of `real` pictures whose accused share keeps to the budget, and what it costs.

    None (abstain) where that threshold would be over `MOST`: the slice's real pictures look just like AI to the detector.
    """
    scores = np.sort(real)[::-1]
    allowed = int(np.floor(len(scores) * budget_per_10000 / 10_000))
    if scores[allowed] >= MOST:
        return None, _budget(0, len(scores))
    threshold = float(min(MOST, np.nextafter(scores[allowed], 1.0)))
    return threshold, _budget(int((scores >= threshold).sum()), len(scores))


def slice_thresholds(
    probabilities: NDArray[np.float64], slices: Sequence[str], budget_per_10000: float, fewest: int
) -> dict[str, SliceThreshold]:
    """Thresholds of `all`, of each domain and of each domain/quality, from real pictures only.

    A slice with fewer than `fewest` real pictures inherits its parent's.
    """
    out: dict[str, SliceThreshold] = {}
    names = {name for leaf in slices for name in (ALL, leaf.split("/")[0], leaf)}
    for name in sorted(names, key=lambda name: (name != ALL, name.count("/"), name)):
        parent = name.split("/")[0] if "/" in name else ALL
        inside = np.array([name in (ALL, leaf, leaf.split("/")[0]) for leaf in slices])
        if name != ALL and inside.sum() < fewest:
            out[name] = out[parent].model_copy(update={"parent": out[parent].parent or parent, "inherited": True})
            continue
        threshold, budget = choose_threshold(probabilities[inside], budget_per_10000)
        out[name] = SliceThreshold(threshold=threshold, budget=budget)
    return out


def _budget(accused: int, trials: int) -> Budget:
    return Budget(
        accused_per_10000=round(10_000 * accused / trials, 1),
        upper=round(10_000 * upper_bound(accused, trials), 1),
        measured_on=trials,
    )
