"""What the detector's answers are worth: one dictionary of measures for each split and tier, every rate beside its counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.evaluate.judge import Judged
from pellucid.evaluate.metrics import auc, bootstrap, brier, ece, rate
from pellucid.evaluate.recipe import DetectionPart

ACCUSED = "generated"


def measure(judged: Judged, part: DetectionPart, seed: int) -> dict[str, Any]:
    """All measures of one split in one tier."""
    out: dict[str, Any] = {"pictures": {"ai": int(judged.labels.sum()), "real": int((~judged.labels).sum())}}
    out |= {"accused": accused(judged, judged.samples, "source"), "unsure_real": _share(judged, ~judged.labels, "unsure")}
    out["accused_per_10000"] = per_10000(out["accused"])
    out["accused_by_domain"] = _by(judged, judged.domains, ~judged.labels, (ACCUSED,))
    out["accused_by_format"] = _by(judged, _formats(judged), ~judged.labels, (ACCUSED,))
    if judged.labels.any():
        out |= _of_ai(judged)
    if judged.labels.any() and (~judged.labels).any():
        out |= _of_both(judged, part, seed)
    return out


def accused(judged: Judged, samples: Iterable[Any], field: str) -> dict[str, Any]:
    """Real pictures called generated: all, and by `field` of the sample."""
    names = [getattr(sample, field) or "?" for sample in samples]
    return _share(judged, ~judged.labels, ACCUSED) | {"by_" + field: _by(judged, names, ~judged.labels, (ACCUSED,))}


def per_10000(measured: Mapping[str, Any]) -> dict[str, Any]:
    """A rate as the design counts accusations, with its one-sided bounds."""
    figures = {side: measured[side] for side in ("rate", "upper", "lower")}
    return {side: None if value is None else round(1e4 * value, 1) for side, value in figures.items()}


def matched(judged: Judged, groups: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """AUC within groups of domains, so that telling a face from a chart earns nothing."""
    names = np.array(judged.domains)
    out = {}
    for group, domains in groups.items():
        inside = judged.only(np.isin(names, list(domains)))
        counts = {"ai": int(inside.labels.sum()), "real": int((~inside.labels).sum())}
        out[group] = counts | {"auc": _round(auc(inside.labels, inside.probability))}
    return out


def _of_ai(judged: Judged) -> dict[str, Any]:
    generators = [sample.generator or "?" for sample in judged.samples]
    return {
        "recall": _share(judged, judged.labels, ACCUSED),
        "unsure_ai": _share(judged, judged.labels, "unsure"),
        "recall_by_generator": _by(judged, generators, judged.labels, (ACCUSED,)),
        "recall_by_format": _by(judged, _formats(judged), judged.labels, (ACCUSED,)),
    }


def _of_both(judged: Judged, part: DetectionPart, seed: int) -> dict[str, Any]:
    labels, scores = judged.labels, judged.probability
    called = np.array([verdict == ACCUSED for verdict in judged.verdicts])
    sure = partial(bootstrap, labels=labels, scores=scores, rounds=part.bootstrap_rounds, seed=seed)
    tp, fp = int((called & labels).sum()), int((called & ~labels).sum())
    fn, tn = int((~called & labels).sum()), int((~called & ~labels).sum())
    precision, recall = tp / max(1, tp + fp), tp / max(1, tp + fn)
    return {
        "auc": _round(auc(labels, scores)),
        "auc_interval": _pair(sure(lambda some, of: auc(some, of) or 0.0)),
        "calibration": {str(share): _calibration(labels, scores, share, part, seed) for share in part.prevalences},
        "confusion": {"tp": tp, "fp": fp, "fn": fn, "tn": tn},
        "balanced_accuracy": _round((recall + tn / max(1, tn + fp)) / 2),
        "accuracy": _round((tp + tn) / len(labels)),
        "precision": _round(precision),
        "f1": _round(2 * precision * recall / max(1e-9, precision + recall)),
        "matched": matched(judged, part.matched),
    }


def _calibration(
    labels: NDArray[np.bool_], scores: NDArray[np.float64], prevalence: float, part: DetectionPart, seed: int
) -> dict[str, Any]:
    interval = bootstrap(partial(ece, prevalence=prevalence), labels, scores, part.bootstrap_rounds, seed)
    return {
        "ece": _round(ece(labels, scores, prevalence)),
        "interval": _pair(interval),
        "brier": _round(brier(labels, scores, prevalence)),
    }


def _formats(judged: Judged) -> list[str]:
    return [sample.format or "?" for sample in judged.samples]


def _share(judged: Judged, rows: NDArray[np.bool_], verdict: str) -> dict[str, Any]:
    hits = sum(judged.verdicts[row] == verdict for row in np.flatnonzero(rows).tolist())
    return rate(hits, int(rows.sum()))


def _by(judged: Judged, names: Iterable[str], rows: NDArray[np.bool_], verdicts: Iterable[str]) -> dict[str, Any]:
    wanted = set(verdicts)
    hits: Counter[str] = Counter()
    trials: Counter[str] = Counter()
    for name, verdict, inside in zip(names, judged.verdicts, rows.tolist(), strict=True):
        if inside:
            trials[name] += 1
            hits[name] += verdict in wanted
    return {name: rate(hits[name], trials[name]) for name in sorted(trials, key=lambda name: -trials[name])}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _pair(values: tuple[float, float]) -> list[float]:
    return [round(value, 4) for value in values]
