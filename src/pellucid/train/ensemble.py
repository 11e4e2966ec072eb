"""Detectors that vote: the mean of their logits in calibrated units, calibrated again on pictures that none had seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid.base.errors import DataError
from pellucid.base.files import write_atomically
from pellucid.records.checkpoint import Checkpoint, Origin, git_commit, read_checkpoint, write_checkpoint
from pellucid.records.dataset import Sample, read_dataset
from pellucid.records.heads import Calibration, read_json
from pellucid.train.balance import sample_weights
from pellucid.train.detector import group_of
from pellucid.train.image_recipe import EnsembleRecipe
from pellucid.train.measure import auc
from pellucid.train.scores import read_scores, write_scores
from pellucid.train.thresholds import fit_calibration, once, verdict_thresholds


def run_ensemble(recipe: EnsembleRecipe, out: Path) -> Path:
    """The checkpoint folder: of each member a scale and a shift, so that the sum of the scaled logits is the ensemble's.

    Raises `DataError` where a member lacks, was trained on other data, or no picture was scored by all.
    """
    dataset = read_dataset(out / "data" / recipe.dataset)
    folders = {name: out / "checkpoints" / name for name in recipe.members}
    keys = {name: _feature_key(folder, dataset.id) for name, folder in folders.items()}
    own = {name: read_json(folder / "calibration.json", Calibration) for name, folder in folders.items()}
    samples, scores = _shared(list(dataset.samples), folders)
    share = 1 / len(recipe.members)
    scale = np.array([own[name].a * share for name in recipe.members])
    shift = np.array([own[name].b * share for name in recipe.members])
    logits = scores @ scale + shift.sum()

    labels = np.array([sample.label == "ai" for sample in samples])
    weights = sample_weights(
        labels, [group_of(each) for each in samples], [each.domain or "?" for each in samples], recipe.balance_limit
    )
    calibration = fit_calibration(logits, labels, weights, recipe.prior)
    thresholds = verdict_thresholds(once(samples, labels, logits), calibration, recipe.verdict)
    of_members = {name: auc(labels, column) for name, column in zip(recipe.members, scores.T, strict=True)}
    metrics = {"pictures": len(samples), "auc": auc(labels, logits), "member_auc": of_members}
    folder = out / "checkpoints" / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "calibration.json", calibration.model_dump_json(indent=1).encode())
    write_atomically(folder / "thresholds.json", thresholds.model_dump_json(indent=1).encode())
    write_scores(folder, samples, {"clean": logits})
    key = "+".join(keys.values())
    origin = Origin("ensemble", json.loads(recipe.model_dump_json()), git_commit(), dataset.id, key, metrics)
    write_checkpoint(Checkpoint(origin, {"scale": scale, "shift": shift}), folder)
    return folder


def _feature_key(folder: Path, dataset: str) -> str:
    origin = read_checkpoint(folder).origin
    if origin.kind not in ("detector", "image-detector"):
        raise DataError(f"{folder} holds a {origin.kind} checkpoint; an ensemble is of detectors")
    if origin.dataset != dataset:
        raise DataError(f"{folder} was trained on dataset {origin.dataset}, not on {dataset}; train it again")
    return origin.feature_key


def _shared(samples: list[Sample], folders: dict[str, Path]) -> tuple[list[Sample], NDArray[np.float64]]:
    """The samples that every member scored unseen, and the logits [n, members]."""
    found = [read_scores(folder) for folder in folders.values()]
    shared = [sample for sample in samples if all(sample.id in scores for scores in found)]
    if len({sample.label for sample in shared}) < 2:
        raise DataError(f"{', '.join(folders)} share no held-out pictures of both labels; hold out the same ones in each recipe")
    return shared, np.array([[scores[sample.id] for scores in found] for sample in shared])
