"""A detector run from recipe to checkpoint: out-of-fold scores, calibration, thresholds, and the head that ships."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pellucid.base.files import write_atomically
from pellucid.records.checkpoint import Checkpoint, Origin, git_commit, write_checkpoint
from pellucid.records.dataset import Sample, read_dataset
from pellucid.records.features import open_features
from pellucid.records.heads import ALL
from pellucid.train.detector import Examples, load_examples, scores_of, train_ensemble
from pellucid.train.detector_recipe import DetectorRecipe
from pellucid.train.held_out import HeldOut, judge_held_out
from pellucid.train.journal import Journal
from pellucid.train.leave_out import leave_one_out
from pellucid.train.measure import auc
from pellucid.train.plots import draw_plots
from pellucid.train.scores import write_scores
from pellucid.train.states import By, States
from pellucid.train.workers import ALONE, Workers


def run_detector(recipe: DetectorRecipe, out: Path, journal: Journal | None = None, workers: Workers = ALONE) -> Path:
    """The checkpoint folder, with `calibration.json`, `thresholds.json` and the out-of-fold scores beside the weights.

    A `journal` is told the loss of every epoch of the heads that ship, and given plots of the out-of-fold scores. Every
    worker runs all of it and the first one writes. With a `distribution` in the recipe, states are kept on the way.
    """
    dataset = read_dataset(out / "data" / recipe.dataset)
    features = open_features(out / "features")
    everything = dataset.only(*recipe.data.splits).samples
    allowed = np.array([sample.ship or not recipe.data.only_ship for sample in everything])
    known = load_examples(everything, features, recipe.data, recipe.head.parts)
    folder = out / "checkpoints" / recipe.name
    origin = Origin("detector", json.loads(recipe.model_dump_json()), git_commit(), dataset.id, features.key)
    keeps = States(folder / "states", origin, recipe.distribution.state_steps) if recipe.distribution else None
    by = By(workers, keeps)

    metrics: dict[str, object] = {"val_auc": _val_auc(recipe, everything, known, allowed, by.part("val"))}
    samples = [sample for sample, may in zip(everything, allowed, strict=True) if may]
    examples = known if allowed.all() else known.only(allowed)
    held_out = judge_held_out(samples, examples, recipe, by)
    metrics["out_of_fold"] = held_out.metrics
    if recipe.leave_out:
        metrics["leave_one_generator_out"] = leave_one_out(samples, examples, recipe, recipe.leave_out, by)
    ensemble = train_ensemble(examples, recipe, by=by.part("all"), watch=journal.metric if journal else None)

    if workers.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "calibration.json", held_out.calibration.model_dump_json(indent=1).encode())
        write_atomically(folder / "thresholds.json", held_out.thresholds.model_dump_json(indent=1).encode())
        write_scores(folder, samples, held_out.unknown)
        arrays = {name: tensor.detach().numpy() for name, tensor in ensemble.state_dict().items()}
        write_checkpoint(Checkpoint(replace(origin, metrics=metrics), arrays), folder)
        if keeps:
            keeps.clear()
        if journal:
            _show(examples, held_out, journal)
    return folder


def _show(examples: Examples, held_out: HeldOut, journal: Journal) -> None:
    calibration = held_out.calibration
    probability = expit(calibration.a * held_out.unknown[examples.views[0]] + calibration.b)
    threshold = held_out.thresholds.of(ALL).threshold
    for plot in draw_plots(examples.labels, probability, threshold, journal.folder / "plots"):
        journal.artifact(plot, "plots")


def _val_auc(
    recipe: DetectorRecipe, samples: Sequence[Sample], examples: Examples, allowed: NDArray[np.bool_], by: By
) -> dict[str, float | None]:
    """Heads trained on the `allowed` rows outside of `val`, scored on all of it. Empty where the recipe has no such split."""
    held_out = np.array([sample.split == "val" for sample in samples])
    if not held_out.any() or held_out.all():
        return {}
    ensemble = train_ensemble(examples.only(~held_out & allowed), recipe, recipe.calibration.members, by=by)
    val = examples.only(held_out)
    return {view: auc(val.labels, scores_of(ensemble, val, view)) for view in examples.views}
