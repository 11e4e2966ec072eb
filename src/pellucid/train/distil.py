"""Teach a network from scratch to say what the frozen encoder says (arXiv 1503.02531), as start weights for a detector.

No label is needed and every picture helps. The encoder's answers come from cached features, of the very view the student
sees, so that no teacher runs. Beside the embedding a student may learn class tokens of early blocks, which carry the texture
that detection lives on.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pellucid.base.errors import DataError
from pellucid.nets.image import Student
from pellucid.records.checkpoint import Checkpoint, Origin, git_commit, write_checkpoint
from pellucid.records.dataset import Dataset, read_dataset
from pellucid.records.features import FeatureFolder, open_features
from pellucid.runtime.features import DETECTION_PARTS
from pellucid.train.extraction import extract_lacking
from pellucid.train.image_data import Pictures, answers, load_pictures, sent
from pellucid.train.image_recipe import DistilRecipe, Targets
from pellucid.train.image_start import take_start
from pellucid.train.loop import fit
from pellucid.train.states import States, is_finished
from pellucid.train.workers import ALONE, Workers

EMBEDDING, TOKEN = 512, 768
VAL = "val"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lessons:
    """Pictures, and what the encoder says of them: float16 [views, n, d], its parts side by side."""

    pictures: Pictures
    targets: Tensor


@dataclass(frozen=True)
class Scale:
    """Mean and spread [d] of the training pictures' targets."""

    mean: Tensor
    spread: Tensor

    def of(self, targets: Tensor) -> Tensor:
        return (targets.float() - self.mean) / self.spread


def run_distil(recipe: DistilRecipe, roots: dict[str, Path], out: Path, workers: Workers = ALONE) -> Path:
    """The checkpoint folder, at once where the run has ended before.

    Raises `DataError` where pictures, features or weights lack.
    """
    material = [(read_dataset(out / "data" / part.dataset), part) for part in recipe.material]
    for number, (_, part) in enumerate(material):
        splits = part.splits if number else (*part.splits, VAL)
        extract_lacking(out, part.dataset, recipe.views, DETECTION_PARTS, splits)
    features = open_features(out / "features")
    folder = out / "checkpoints" / recipe.name
    name = "+".join(dataset.id for dataset, _ in material)
    origin = Origin("distil", json.loads(recipe.model_dump_json()), git_commit(), name, features.key)
    if is_finished(folder, origin):
        log.warning("%s is finished; remove it to train it again", folder)
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    if workers.rank == 0:
        load_pictures(material[0][0].only(VAL), recipe.views, out)
        for dataset, part in material:
            load_pictures(dataset.only(*part.splits), recipe.views, out)
    workers.wait()
    lessons = [_lessons(dataset.only(*part.splits), recipe, features, out) for dataset, part in material]
    scale = _scale(lessons)
    student = _student(recipe, roots, out).to(workers.device)
    states = States(folder, origin, recipe.distribution.state_steps)
    trained = _train(student, lessons, scale, recipe, states, workers)
    weights = {name: workers.whole(tensor).detach().cpu().numpy() for name, tensor in trained.state_dict().items()}
    unseen = material[0][0].only(VAL)
    metrics = _nearness(trained, _lessons(unseen, recipe, features, out), scale, recipe) if unseen.samples else {}
    if workers.rank == 0:
        write_checkpoint(Checkpoint(replace(origin, metrics=metrics), weights), folder)
        states.clear()
    return folder


def targets_of(arrays: dict[str, np.ndarray], rule: Targets) -> Tensor:
    """embedding [n, 512] and class tokens [n, 12, 768] → [n, d]: the embedding, then the chosen layers."""
    tokens = arrays["class_tokens"][:, [layer - 1 for layer in rule.layers]].reshape(len(arrays["embedding"]), -1)
    return torch.from_numpy(np.concatenate([arrays["embedding"], tokens], axis=1))


def distance(said: Tensor, wanted: Tensor, rule: Targets) -> Tensor:
    """Mean over pictures and parts of 1 - cosine, or of the squared difference."""
    if rule.loss == "mse":
        return functional.mse_loss(said, wanted)
    return 1 - torch.stack([cosine.mean() for cosine in _cosines(said, wanted)]).mean()


def _cosines(said: Tensor, wanted: Tensor) -> Iterator[Tensor]:
    """[n] of every part."""
    widths = [EMBEDDING] + [TOKEN] * ((said.shape[1] - EMBEDDING) // TOKEN)
    for one, other in zip(said.split(widths, dim=1), wanted.split(widths, dim=1), strict=True):
        yield functional.cosine_similarity(one, other, dim=1)


def _lessons(dataset: Dataset, recipe: DistilRecipe, features: FeatureFolder, out: Path) -> Lessons:
    if not dataset.samples:
        raise DataError("there are no pictures in the splits to distil on; name other splits in `material`")
    ids = [sample.id for sample in dataset.samples]
    of_views = [features.load(view, ids, ("embedding", "class_tokens")) for view in recipe.views]
    return Lessons(
        load_pictures(dataset, recipe.views, out), torch.stack([targets_of(arrays, recipe.targets) for arrays in of_views])
    )


def _scale(lessons: Sequence[Lessons]) -> Scale:
    every = torch.cat([part.targets.flatten(0, 1) for part in lessons])
    some = every[:: max(1, len(every) // 8192)].float()
    return Scale(some.mean(dim=0), some.std(dim=0) + 1e-4)


def _student(recipe: DistilRecipe, roots: dict[str, Path], out: Path) -> Student:
    torch.manual_seed(recipe.seed)
    student = Student(recipe.network, EMBEDDING + TOKEN * len(recipe.targets.layers), recipe.recompute)
    take_start(student.backbone, recipe.network, roots, out)
    return student


def _train(
    student: Student, lessons: Sequence[Lessons], scale: Scale, recipe: DistilRecipe, states: States, workers: Workers
) -> nn.Module:
    device = workers.device
    places = torch.tensor([(part, row) for part, of in enumerate(lessons) for row in range(len(of.pictures))])

    def batch(part: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        views = torch.randint(0, len(recipe.views), (len(rows),))
        pixels = lessons[part].pictures.changed(rows, views, recipe.augmentation, recipe.network.input_px, device)
        return pixels, sent(scale.of(lessons[part].targets[views, rows]), device)

    def loss(model: nn.Module, chosen: Tensor) -> Tensor:
        parts, rows = places[chosen].unbind(dim=1)
        batches = [batch(int(part), rows[parts == part]) for part in parts.unique()]
        pixels, wanted = (torch.cat(tensors) for tensors in zip(*batches, strict=True))
        return distance(model(pixels).float(), wanted, recipe.targets)

    return fit(
        student, loss, len(places), recipe.optimiser, recipe.seed, recipe.name, states=states, workers=workers
    )  # fmt: skip


def _nearness(student: nn.Module, unseen: Lessons, scale: Scale, recipe: DistilRecipe) -> dict[str, object]:
    """Mean cosine between student and encoder on unseen pictures, part by part, in units of the training pictures' spread."""
    said = torch.cat(list(answers(student, unseen.pictures, range(len(unseen.pictures)), recipe.network.input_px, show="val")))
    names = ["embedding", *(f"layer {layer}" for layer in recipe.targets.layers)]
    found = _cosines(said, scale.of(unseen.targets[0]))
    return {"val_cosine": {name: round(float(part.mean()), 4) for name, part in zip(names, found, strict=True)}}
