"""What the detector says of pictures that it had not seen, and what follows: calibration, thresholds, and how these would do.

Two kinds of unseen: `unknown`, the whole source or generator was held out; `known`, the picture alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pellucid.records.dataset import Sample
from pellucid.records.heads import Calibration, Thresholds
from pellucid.train.balance import picture_folds, sample_weights
from pellucid.train.detector import Examples, out_of_fold
from pellucid.train.detector_recipe import DetectorRecipe
from pellucid.train.measure import auc
from pellucid.train.states import By
from pellucid.train.thresholds import fit_calibration, mixed, slices_of, verdict_thresholds

Logits = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """Logits [n] by view with whole sources held out (`unknown`), and what was fitted on these and the known ones."""

    unknown: dict[str, Logits]
    calibration: Calibration
    thresholds: Thresholds
    metrics: dict[str, Any]


def judge_held_out(samples: Sequence[Sample], examples: Examples, recipe: DetectorRecipe, by: By) -> HeldOut:
    rule, first = recipe.calibration, examples.views[0]
    scores = {"unknown": out_of_fold(examples, recipe, by)}
    if rule.known_share:
        folds = picture_folds([sample.group or sample.id for sample in samples], rule.folds, recipe.seed)
        scores["known"] = out_of_fold(examples, recipe, by.part("known"), folds)
    known = scores.get("known", scores["unknown"])[first]
    both = mixed(samples, examples.labels, scores["unknown"][first], known, rule.known_share)
    weights = sample_weights(examples.labels, examples.groups, examples.domains, recipe.data.balance_limit)
    calibration = fit_calibration(both.logits, both.labels, np.tile(weights, 2) * both.counts, rule.prior)
    thresholds = verdict_thresholds(both, calibration, recipe.verdict)
    metrics = {name: _figures(samples, examples, found, calibration, thresholds) for name, found in scores.items()}
    return HeldOut(scores["unknown"], calibration, thresholds, metrics)


def _figures(
    samples: Sequence[Sample],
    examples: Examples,
    scores: dict[str, Logits],
    calibration: Calibration,
    thresholds: Thresholds,
) -> dict[str, Any]:
    """AUC by view; on the first view the shares of real pictures accused and of AI ones found, second looks apart."""
    probability = expit(calibration.a * scores[examples.views[0]] + calibration.b)
    wanted = [thresholds.of(name).threshold for name in slices_of(samples)]
    called = probability >= np.array([1.0 if threshold is None else threshold for threshold in wanted])
    return {
        "auc": {view: auc(examples.labels, found) for view, found in scores.items()},
        "accused": round(float(called[~examples.labels].mean()), 5),
        "recall": round(float(called[examples.labels].mean()), 5),
    }
