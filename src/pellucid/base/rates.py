"""How sure a counted rate is: exact one-sided binomial bounds (Clopper and Pearson, Biometrika 1934), without scipy."""

from __future__ import annotations

import math

CONFIDENCE = 0.95


def upper_bound(hits: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The largest rate under which `hits` or fewer of `trials` still have probability 1 - confidence. 1 where trials is 0."""
    if trials == 0 or hits >= trials:
        return 1.0
    low, high = hits / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _cumulative(hits, trials, middle) > 1 - confidence else (low, middle)
    return high


def lower_bound(hits: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """The mirror of `upper_bound`. 0 where trials is 0."""
    return 1.0 - upper_bound(trials - hits, trials, confidence) if trials else 0.0


def _cumulative(hits: int, trials: int, rate: float) -> float:
    if rate <= 0:
        return 1.0
    if rate >= 1:
        return 0.0
    logs = (
        math.lgamma(trials + 1)
        - math.lgamma(k + 1)
        - math.lgamma(trials - k + 1)
        + k * math.log(rate)
        + (trials - k) * math.log1p(-rate)
        for k in range(hits + 1)
    )
    return math.fsum(math.exp(value) for value in logs)
