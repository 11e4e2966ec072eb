"""From out-of-fold scores to calibrated probabilities and, slice by slice, thresholds that keep to a budget of accusations.

What a platform is sent is in part like what training has seen and in part not. Scores of whole sources held out alone would make
the detector too shy with the first kind, scores of single pictures held out too bold with the second; so both are mixed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
# Of sums of counts.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Scored:
    """Logits [n] of pictures by a detector that had not seen them; `counts` [n] says how much of a picture a row stands for."""

    samples: Sequence[Sample]
    labels: NDArray[np.bool_]
    logits: NDArray[np.float64]
    counts: NDArray[np.float64]


def once(samples: Sequence[Sample], labels: NDArray[np.bool_], logits: NDArray[np.float64]) -> Scored:
    return Scored(samples, labels, logits, np.ones(len(logits)))


def mixed(
    samples: Sequence[Sample],
    labels: NDArray[np.bool_],
    unknown: NDArray[np.float64],
    known: NDArray[np.float64],
    known_share: float,
) -> Scored:
    """Each picture twice: with its whole source or generator held out (`unknown`), and, by `known_share`, alone (`known`)."""
    counts = np.repeat([1 - known_share, known_share], len(labels))
    return Scored([*samples, *samples], np.tile(labels, 2), np.concatenate([unknown, known]), counts)


def together(parts: Sequence[tuple[Scored, float]]) -> Scored:
    """All pictures of all parts, each part's counts times its share."""
    return Scored(
        [sample for part, _ in parts for sample in part.samples],
        np.concatenate([part.labels for part, _ in parts]),
        np.concatenate([part.logits for part, _ in parts]),
        np.concatenate([part.counts * share for part, share in parts]),
    )


def fit_calibration(
    logits: NDArray[np.float64], labels: NDArray[np.bool_], weights: NDArray[np.floating], prior: float
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


def verdict_thresholds(scored: Scored, calibration: Calibration, rule: Verdict) -> Thresholds:
    """`thresholds.json` from pictures that the detector had not seen; only real ones count."""
    slices = slices_of(scored.samples)
    real = np.flatnonzero(~scored.labels)
    probabilities = expit(calibration.a * scored.logits[real] + calibration.b)
    names = [slices[row] for row in real]
    found = slice_thresholds(probabilities, scored.counts[real], names, rule)
    return Thresholds(
        slices=found,
        near_below=rule.near_below,
        near_above=rule.near_above,
        re_encodings=rule.reencodings,
        outliers=rule.outliers,
    )


def slices_of(samples: Sequence[Sample]) -> list[str]:
    quality = QualityRule()
    return [f"{sample.domain or '?'}/{quality.of(*sample.seen_px)}" for sample in samples]


def choose_threshold(
    real: NDArray[np.float64], counts: NDArray[np.float64], budget_per_10000: float
) -> tuple[float | None, Budget]:
    """Lowest threshold on probabilities of `real` pictures whose accused share keeps to the budget, and what it costs.

    None (abstain) where that threshold would be over `MOST`: the slice's real pictures look just like AI to the detector.
    """
    order = np.argsort(-real, kind="stable")
    accused = np.cumsum(counts[order])
    allowed = accused[-1] * budget_per_10000 / 10_000
    first_over = real[order][np.searchsorted(accused, allowed + ROUNDING, side="right")]
    if first_over >= MOST:
        return None, _budget(0, accused[-1])
    threshold = float(min(MOST, np.nextafter(first_over, 1.0)))
    return threshold, _budget(float(counts[real >= threshold].sum()), accused[-1])


def slice_thresholds(
    probabilities: NDArray[np.float64], counts: NDArray[np.float64], slices: Sequence[str], rule: Verdict
) -> dict[str, SliceThreshold]:
    """Thresholds of `all`, of each domain and of each domain/quality, from real pictures only.

    A slice with fewer than `rule.fewest_real` real pictures inherits its parent's, but for domains that stand apart: these have
    their own, and `all` is of the others.
    """
    domains = np.array([leaf.split("/")[0] for leaf in slices])
    apart = _apart(probabilities, counts, domains, rule)
    out: dict[str, SliceThreshold] = {}
    names = {name for leaf in slices for name in (ALL, leaf.split("/")[0], leaf)}
    for name in sorted(names, key=lambda name: (name != ALL, name.count("/"), name)):
        parent = name.split("/")[0] if "/" in name else ALL
        inside = np.array([name in (leaf, domain) for leaf, domain in zip(slices, domains, strict=True)])
        if name == ALL:
            inside = ~np.isin(domains, apart)
            inside |= not inside.any()  # where every domain stands apart, `all` is of all
        elif name not in apart and counts[inside].sum() < rule.fewest_real - ROUNDING:
            out[name] = out[parent].model_copy(update={"parent": out[parent].parent or parent, "inherited": True})
            continue
        threshold, budget = choose_threshold(probabilities[inside], counts[inside], rule.budget_per_10000)
        out[name] = SliceThreshold(threshold=threshold, budget=budget)
    return out


def _apart(
    probabilities: NDArray[np.float64], counts: NDArray[np.float64], domains: NDArray[np.str_], rule: Verdict
) -> list[str]:
    """Domains with fewer than `fewest_real` real pictures, of which the threshold of all still accuses over `most_per_10000`."""
    apart: list[str] = []
    while True:
        pool = ~np.isin(domains, apart)
        common, _ = choose_threshold(probabilities[pool], counts[pool], rule.budget_per_10000)
        for name in sorted(set(domains[pool].tolist())):
            inside = domains == name
            pictures = counts[inside].sum()
            accused = counts[inside & (probabilities >= (1.0 if common is None else common))].sum()
            if rule.fewest_apart <= pictures < rule.fewest_real and accused > pictures * rule.most_per_10000 / 10_000:
                apart.append(name)
        rest = ~np.isin(domains, apart)
        if not rest.any() or (rest == pool).all():
            return apart


def _budget(accused: float, pictures: float) -> Budget:
    """A part of a picture is counted as a whole one in the bound."""
    trials = round(pictures)
    return Budget(
        accused_per_10000=round(10_000 * accused / trials, 1),
        upper=round(10_000 * upper_bound(math.ceil(accused - ROUNDING), trials), 1),
        measured_on=trials,
    )
