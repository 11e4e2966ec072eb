"""What the detector says of pictures that it had not seen, and what follows: calibration, thresholds, and how these would do.

Two kinds of unseen: `unknown`, the whole source or generator was held out; `known`, the picture alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pellucid.records.dataset import Sample
from pellucid.records.heads import Calibration, Thresholds
from pellucid.runtime.features import size_in
from pellucid.train.balance import picture_folds, sample_weights
from pellucid.train.detector import Examples, out_of_fold
from pellucid.train.detector_recipe import DetectorRecipe
from pellucid.train.measure import auc
from pellucid.train.states import By
from pellucid.train.thresholds import fit_calibration, mixed, slices_of, together, verdict_thresholds

Logits = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """Logits [n] by view with whole sources held out (`unknown`), and what was fitted on these and the known ones."""

    unknown: dict[str, Logits]
    calibration: Calibration
    thresholds: Thresholds
    metrics: dict[str, Any]


def judge_held_out(samples: Sequence[Sample], examples: Examples, recipe: DetectorRecipe, by: By) -> HeldOut:
    rule = recipe.calibration
    scores = {"unknown": out_of_fold(examples, recipe, by)}
    if rule.known_share:
        folds = picture_folds([sample.group or sample.id for sample in samples], rule.folds, recipe.seed)
        scores["known"] = out_of_fold(examples, recipe, by.part("known"), folds)
    seen = {view: [arrived(sample, view) for sample in samples] for view in examples.views}
    shares = {view: share for view, share in view_shares(examples.views, rule.changed_share).items() if share}
    known = scores.get("known", scores["unknown"])
    parts = [
        (mixed(seen[view], examples.labels, scores["unknown"][view], known[view], rule.known_share), share)
        for view, share in shares.items()
    ]
    pool = together(parts)
    weights = sample_weights(examples.labels, examples.groups, examples.domains, recipe.data.balance_limit)
    calibration = fit_calibration(pool.logits, pool.labels, np.tile(weights, 2 * len(parts)) * pool.counts, rule.prior)
    thresholds = verdict_thresholds(pool, calibration, recipe.verdict)
    metrics = {name: _figures(seen, examples.labels, found, calibration, thresholds) for name, found in scores.items()}
    return HeldOut(scores["unknown"], calibration, thresholds, metrics)


def view_shares(views: Sequence[str], changed_share: float) -> dict[str, float]:
    """How much of the pictures to come arrives as each view shows it: the first unchanged, the others alike."""
    first, *others = views
    return {first: 1 - (changed_share if others else 0)} | dict.fromkeys(others, changed_share / max(1, len(others)))


def arrived(sample: Sample, view: str) -> Sample:
    """The sample with the size that it has on its way to `view`."""
    width, height = size_in(view, sample.seen_px, sample.id)
    return replace(sample, width=width, height=height, box=None)


def _figures(
    seen: Mapping[str, Sequence[Sample]],
    labels: NDArray[np.bool_],
    scores: Mapping[str, Logits],
    calibration: Calibration,
    thresholds: Thresholds,
) -> dict[str, Any]:
    """By view: AUC, and the shares of real pictures accused and of AI ones found, second looks apart."""
    called = {view: _called(seen[view], found, calibration, thresholds) for view, found in scores.items()}
    return {
        "auc": {view: auc(labels, found) for view, found in scores.items()},
        "accused": {view: round(float(found[~labels].mean()), 5) for view, found in called.items()},
        "recall": {view: round(float(found[labels].mean()), 5) for view, found in called.items()},
    }


def _called(samples: Sequence[Sample], logits: Logits, calibration: Calibration, thresholds: Thresholds) -> NDArray[np.bool_]:
    wanted = [thresholds.of(name).threshold for name in slices_of(samples)]
    limits = np.array([1.0 if threshold is None else threshold for threshold in wanted])
    return np.asarray(expit(calibration.a * logits + calibration.b) >= limits)
