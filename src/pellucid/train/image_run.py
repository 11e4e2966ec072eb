"""A run of an end-to-end detector from recipe to checkpoint: the network, scores of pictures it had not seen, calibration.

The checkpoint is like that of the embedded head, so that export, evaluation and ensembles treat both alike.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from pellucid.base.errors import DataError
from pellucid.base.files import write_atomically
from pellucid.nets.image import ImageDetector
from pellucid.records.bundle import ViewSpec
from pellucid.records.checkpoint import Checkpoint, Origin, Weights, git_commit, write_checkpoint
from pellucid.records.dataset import Dataset, read_dataset
from pellucid.runtime.view_cache import view_key
from pellucid.train.image_data import load_pictures
from pellucid.train.image_detector import Labelled, Place, logits_of, parts_of, train_network
from pellucid.train.image_recipe import ImageRecipe
from pellucid.train.loop import AfterEpoch
from pellucid.train.measure import auc
from pellucid.train.scores import write_scores
from pellucid.train.states import States, is_finished
from pellucid.train.thresholds import fit_calibration, once, verdict_thresholds
from pellucid.train.workers import ALONE, Workers

Rows = NDArray[np.int64]
Train = Callable[[Rows, Rows, Path, bool], ImageDetector]
VAL = "val"
WATCHED = 1000
log = logging.getLogger(__name__)


def run_image_detector(recipe: ImageRecipe, roots: dict[str, Path], out: Path, workers: Workers = ALONE) -> Path:
    """The checkpoint folder, at once where the run has ended before.

    Raises `DataError` where data or weights lack, `ConfigError` where a root does.
    """
    dataset = read_dataset(out / "data" / recipe.dataset)
    folder = out / "checkpoints" / recipe.name
    origin = Origin("image-detector", json.loads(recipe.model_dump_json()), git_commit(), dataset.id, view_key(ViewSpec()))
    if is_finished(folder, origin):
        log.warning("%s is finished; remove it to train it again", folder)
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    if workers.rank == 0:
        _load(dataset, recipe, out)
    workers.wait()
    data = _load(dataset, recipe, out)

    def train(rows: Rows, held_out: Rows, states: Path, watch: bool) -> ImageDetector:
        for part in (rows, held_out):
            _check_labels(data, part)
        after_epoch = _watch(data, recipe, held_out, folder, workers) if watch else None
        return train_network(data, rows, recipe, Place(roots, out, states, origin), workers, after_epoch)

    model, held_out, scores = _train_and_score(data, recipe, train, folder)
    weights = {name: workers.whole(tensor).detach().cpu().numpy() for name, tensor in model.state_dict().items()}
    if workers.rank == 0:
        metrics = _calibrate(data, recipe, held_out, scores, folder)
        _write(folder, origin, metrics, weights)
    return folder


def _load(dataset: Dataset, recipe: ImageRecipe, out: Path) -> Labelled:
    """Training pictures first, then those of `val` where these calibrate."""
    rule = recipe.calibration
    wanted = dataset.only(*recipe.data.splits, *((VAL,) if rule.by == "val" else ()))
    if rule.by == "val" and not any(sample.split == VAL for sample in wanted.samples):
        raise DataError(f"{recipe.dataset} has no split {VAL!r} to calibrate on; choose calibration.by = 'fold' or 'folds'")
    return Labelled(wanted.samples, load_pictures(wanted, recipe.data.views, out))


def _train_and_score(
    data: Labelled, recipe: ImageRecipe, train: Train, folder: Path
) -> tuple[ImageDetector, Rows, dict[str, NDArray[np.float64]]]:
    """The network to keep, the rows held out from the one that scored them, and their logits by view."""
    rule, everything = recipe.calibration, np.arange(len(data.samples))
    may = np.array([sample.ship or not recipe.data.only_ship for sample in data.samples])
    if rule.by == "val":
        is_val = np.array([sample.split == VAL for sample in data.samples])
        held_out = everything[is_val]
        model = train(everything[~is_val & may], held_out, folder, True)
        return model, held_out, _scores(model, data, held_out, recipe)
    parts = parts_of(data.samples, rule, recipe.seed)
    if rule.by == "fold":
        held_out = everything[parts == 0]
        model = train(everything[(parts != 0) & may], held_out, folder, True)
        return model, held_out, _scores(model, data, held_out, recipe)
    scores = {view: np.empty(len(everything)) for view in recipe.data.views}
    for part in range(rule.folds):
        rows = everything[parts == part]
        model = train(everything[(parts != part) & may], rows, folder / f"fold-{part}", False)
        for view, found in _scores(model, data, rows, recipe).items():
            scores[view][rows] = found
    return train(everything[may], everything, folder, False), everything, scores


def _check_labels(data: Labelled, rows: Rows) -> None:
    if len(set(data.labels[rows].tolist())) < 2:
        raise DataError(
            "a part of the pictures, to train on or held out, lacks one of the labels; hold out otherwise: "
            "calibration.together = 'pictures' where there is one source, or calibration.by = 'val'"
        )


def _watch(data: Labelled, recipe: ImageRecipe, held_out: Rows, folder: Path, workers: Workers) -> AfterEpoch:
    """After every epoch, the AUC on about `WATCHED` of the pictures held out, as a line in `curve.jsonl`."""
    some = held_out[:: max(1, len(held_out) // WATCHED)]
    curve = folder / "curve.jsonl"

    def after_epoch(epoch: int, model: nn.Module, loss: float) -> None:
        found = auc(data.labels[some], logits_of(model, data, some.tolist(), recipe))
        if workers.rank:
            return
        tqdm.write(f"epoch {epoch}: loss {loss:.4f}, AUC on {len(some)} held-out pictures {found}")
        # An epoch may come again, where a run goes on from a state before its end.
        earlier = curve.read_text().splitlines()[:epoch] if curve.exists() else []
        line = json.dumps({"epoch": epoch, "loss": round(loss, 5), "auc": found})
        write_atomically(curve, "".join(f"{one}\n" for one in (*earlier, line)).encode())

    return after_epoch


def _scores(model: ImageDetector, data: Labelled, rows: Rows, recipe: ImageRecipe) -> dict[str, NDArray[np.float64]]:
    return {view: logits_of(model, data, rows.tolist(), recipe, number) for number, view in enumerate(recipe.data.views)}


def _calibrate(
    data: Labelled, recipe: ImageRecipe, held_out: Rows, scores: dict[str, NDArray[np.float64]], folder: Path
) -> dict[str, object]:
    """Write calibration, thresholds and scores of the pictures held out; the figures that the checkpoint keeps."""
    samples, labels = [data.samples[row] for row in held_out], data.labels[held_out]
    first = scores[recipe.data.views[0]]
    weights = data.weights(held_out, recipe.data.balance_limit)
    calibration = fit_calibration(first, labels, weights, recipe.calibration.prior)
    thresholds = verdict_thresholds(once(samples, labels, first), calibration, recipe.verdict)
    write_atomically(folder / "calibration.json", calibration.model_dump_json(indent=1).encode())
    write_atomically(folder / "thresholds.json", thresholds.model_dump_json(indent=1).encode())
    write_scores(folder, samples, scores)
    name = {"val": "val_auc", "fold": "one_fold_auc", "folds": "out_of_fold_auc"}[recipe.calibration.by]
    return {name: {view: auc(labels, found) for view, found in scores.items()}, "calibrated_on": recipe.calibration.by}


def _write(folder: Path, origin: Origin, metrics: dict[str, object], weights: Weights) -> None:
    write_checkpoint(Checkpoint(replace(origin, metrics=metrics), weights), folder)
    States(folder, origin).clear()
