"""Train a network on pixels, score pictures that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pellucid.nets.image import ImageDetector
from pellucid.records.checkpoint import Origin
from pellucid.records.dataset import Sample
from pellucid.train.balance import group_folds, picture_folds, sample_weights
from pellucid.train.detector import group_of
from pellucid.train.image_data import Pictures, answers, sent
from pellucid.train.image_recipe import HeldOut, ImageRecipe
from pellucid.train.image_start import take_start
from pellucid.train.loop import AfterEpoch, fit
from pellucid.train.states import States
from pellucid.train.workers import ALONE, Workers


@dataclass(frozen=True)
class Labelled:
    """Pictures with what is known of them, row by row."""

    samples: tuple[Sample, ...]
    pictures: Pictures

    @property
    def labels(self) -> NDArray[np.bool_]:
        return np.array([sample.label == "ai" for sample in self.samples])

    def weights(self, rows: NDArray[np.int64], limit: float) -> NDArray[np.float32]:
        """How much each of `rows` counts, [len(rows)]."""
        chosen = [self.samples[row] for row in rows]
        groups, domains = [group_of(sample) for sample in chosen], [sample.domain or "?" for sample in chosen]
        return sample_weights(self.labels[rows], groups, domains, limit)


@dataclass(frozen=True)
class Place:
    """Where a run finds weights to start from (`roots`, `out`) and keeps its states (`states`, of the run `origin`)."""

    roots: dict[str, Path]
    out: Path
    states: Path
    origin: Origin


def train_network(
    data: Labelled,
    rows: NDArray[np.int64],
    recipe: ImageRecipe,
    place: Place,
    workers: Workers = ALONE,
    after_epoch: AfterEpoch | None = None,
) -> ImageDetector:
    """A network that saw `rows` of `data` alone; one that was cut off goes on from the newest whole state in `place`."""
    torch.manual_seed(recipe.seed)
    model = ImageDetector(recipe.network, recipe.recompute)
    take_start(model.backbone, recipe.network, place.roots, place.out)
    device = workers.device
    labels = torch.from_numpy(data.labels[rows]).float()
    targets = labels * (1 - 2 * recipe.label_smoothing) + recipe.label_smoothing
    counts = torch.from_numpy(data.weights(rows, recipe.data.balance_limit))
    numbers = torch.from_numpy(rows)

    def loss(model: nn.Module, chosen: Tensor) -> Tensor:
        views = torch.randint(0, len(data.pictures.views), (len(chosen),))
        pixels = data.pictures.changed(numbers[chosen], views, recipe.augmentation, recipe.network.input_px, device)
        wanted, weights = sent(targets[chosen], device), sent(counts[chosen], device)
        of_each = nn.functional.binary_cross_entropy_with_logits(model(pixels).float(), wanted, reduction="none")
        return (of_each * weights).mean()

    states = States(place.states, place.origin, recipe.distribution.state_steps)
    trained = fit(
        model.to(device), loss, len(rows), recipe.optimiser, recipe.seed, recipe.name,
        states=states, workers=workers, after_epoch=after_epoch,
    )  # fmt: skip
    assert isinstance(trained, ImageDetector)
    return trained


def logits_of(model: nn.Module, data: Labelled, rows: Sequence[int], recipe: ImageRecipe, view: int = 0) -> NDArray[np.float64]:
    """Logits [len(rows)] of whole pictures as they are served."""
    if not len(rows):
        return np.empty(0)
    found = answers(model, data.pictures, rows, recipe.network.input_px, view, show="scoring")
    return torch.cat(list(found)).double().numpy()


def parts_of(samples: Sequence[Sample], rule: HeldOut, seed: int) -> NDArray[np.int64]:
    """The number of the part [n] that each sample is held out with."""
    if rule.together == "pictures":
        return picture_folds([sample.group or sample.id for sample in samples], rule.folds, seed)
    labels = np.array([sample.label == "ai" for sample in samples])
    return group_folds([group_of(sample) for sample in samples], labels, rule.folds)
