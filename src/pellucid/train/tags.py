"""Train what tags need: Platt scaling of zero-shot classes, logistic heads for words of captions, thresholds for both.

    embedding ─┬→ cosine with text vectors → log-softmax → Platt scaling     classes of COCO-Stuff and VOC, `source` encoder
               └→ one logistic regression a word → Platt scaling             words of captions, `source` captions

Both are linear in the embedding's direction, so tagging costs nothing beside the encoder. Choices and their figures stand in
docs/tags.md. Zero-shot classification: Radford et al., arXiv 2103.00020.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from torch import Tensor, nn

from pellucid.base.errors import ConfigError, DataError
from pellucid.base.files import write_atomically
from pellucid.records.checkpoint import Checkpoint, Origin, Weights, git_commit, write_checkpoint
from pellucid.records.dataset import Dataset, Sample, read_dataset
from pellucid.records.features import FeatureFolder, open_features
from pellucid.records.heads import TagEntry, TagSet
from pellucid.train.loop import fit
from pellucid.train.tags_recipe import Shown, TagsRecipe, Targets, ZeroShot
from pellucid.train.tags_words import mentions

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Vocabulary:
    """Zero-shot classes by name with their unit text vectors [k, 512]."""

    names: tuple[str, ...]
    vectors: Floats


@dataclass(frozen=True)
class Labelled:
    """Scores [n, k] before Platt scaling beside what is true [n, k]; pooled over classes in calibration."""

    names: tuple[str, ...]
    scores: NDArray[np.float64]
    truth: NDArray[np.bool_]


def run_tags(recipe: TagsRecipe, roots: dict[str, Path], out: Path) -> Path:
    """The checkpoint folder, with `tags.json` beside the weights. Raises `ConfigError` and `DataError`."""
    vocabulary = read_vectors(_vectors(recipe.zero_shot, roots), recipe.zero_shot.names)
    dataset, features = read_dataset(out / "data" / recipe.dataset), open_features(out / "features")
    train, val = dataset.only(*recipe.data.train), dataset.only(*recipe.data.choose)

    things = _objects(vocabulary, recipe, train, features)
    a, b = platt(things)
    seen = _named(train, recipe)
    kept = {name: forms for (name, forms), rows in zip(recipe.words.forms.items(), (seen > 0).sum(axis=0), strict=True)
            if rows >= recipe.words.min_pictures}  # fmt: skip
    columns = [place for place, name in enumerate(recipe.words.forms) if name in kept]
    directions = _directions(train.samples, recipe, features)
    weight, bias = train_words(directions, targets_of(seen[:, columns], recipe.targets), recipe)
    logits = (_directions(val.samples, recipe, features) @ weight.T + bias).astype(np.float64)
    chosen = Labelled(tuple(kept), logits, _named(val, recipe)[:, columns] > 0)
    slope, offset = platt(chosen)

    weights: Weights = {
        "zero_shot.vectors": vocabulary.vectors,
        "zero_shot.scale": np.array([recipe.zero_shot.scale], dtype=np.float32),
        "zero_shot.platt": np.array([a, b], dtype=np.float32),
        "words.weight": (slope * weight).astype(np.float32),
        "words.bias": (slope * bias + offset).astype(np.float32),
    }
    entries = [*_zero_shot_entries(vocabulary, things, (a, b), recipe), *_word_entries(chosen, (slope, offset), recipe.shown)]
    folder = out / "checkpoints" / recipe.name
    metrics = {"objects": quality(things), "words": quality(chosen), "tags": len(entries)}
    origin = Origin("tags", json.loads(recipe.model_dump_json()), git_commit(), dataset.id, features.key, metrics)
    write_checkpoint(Checkpoint(origin, weights), folder)
    tag_set = TagSet(tags=tuple(entries), at_most=recipe.shown.at_most)
    write_atomically(folder / "tags.json", tag_set.model_dump_json(indent=1).encode())
    return folder


def read_vectors(path: Path, names: dict[str, str]) -> Vocabulary:
    """COCO-Stuff's vectors; where VOC has the same class (by its name as a tag), the mean of both. Raises `DataError`."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            coco, voc = _unit(arrays["T"]), _unit(arrays["V"])
            classes = [names.get(name, name) for name in arrays["coco"].tolist()]
            extra = [names.get(name, name) for name in arrays["voc"].tolist()]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} does not hold text vectors (arrays T, V, coco, voc): {error}") from error
    for name, vector in zip(extra, voc, strict=True):
        if name not in classes:
            raise DataError(f"{path}: the VOC class {name!r} has no partner; name one under zero_shot.names")
        place = classes.index(name)
        coco[place] = (coco[place] + vector) / 2
    return Vocabulary(tuple(classes), _unit(coco))


def train_words(directions: Floats, targets: Floats, recipe: TagsRecipe) -> tuple[Floats, Floats]:
    """One logistic regression a column of `targets` [n, w] on unit embeddings [n, 512] → weight [w, 512], bias [w]."""
    mean, spread = directions.mean(axis=0), float(directions.std())
    rows, wanted = torch.from_numpy((directions - mean) / spread), torch.from_numpy(targets)
    head = nn.Linear(rows.shape[1], wanted.shape[1])
    nn.init.zeros_(head.weight)
    with torch.no_grad():
        head.bias.copy_(torch.logit(wanted.mean(dim=0)))

    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        each = nn.functional.binary_cross_entropy_with_logits(model(rows[batch]), wanted[batch], reduction="none")
        return each.sum(dim=1).mean()

    trained = fit(head, loss, len(rows), recipe.optimiser, recipe.seed, "words")
    assert isinstance(trained, nn.Linear)
    weight: Floats = (trained.weight.detach().numpy() / spread).astype(np.float32)
    bias: Floats = (trained.bias.detach().numpy() - weight @ mean).astype(np.float32)
    return weight, bias


def targets_of(counts: NDArray[np.int64], targets: Targets) -> Floats:
    """Soft targets [n, w] from the number of captions that name a tag."""
    return np.where(counts == 0, targets.unnamed, np.where(counts == 1, targets.named_once, targets.named)).astype(np.float32)


def platt(labelled: Labelled) -> tuple[float, float]:
    """(a, b) of sigmoid(a · score + b), fitted over all classes together: most have too few positives for one of their own."""
    model = LogisticRegression(C=np.inf).fit(labelled.scores.reshape(-1, 1), labelled.truth.reshape(-1))
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def threshold_for(scores: NDArray[np.float64], truth: NDArray[np.bool_], shown: Shown) -> float | None:
    """The score with the best F0.5 among those that keep `min_precision` and `most_wrong` with `fewest` true ones, or None.

    Precision alone would ask for hardly anything of an easy class: whatever lies below its sure hits rides along.
    """
    if truth.sum() < shown.fewest:
        return None
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    precision, recall = hits / np.arange(1, len(order) + 1), hits / hits[-1]
    wrong = (np.arange(1, len(order) + 1) - hits) / max(1, len(order) - hits[-1])
    good = (precision >= shown.min_precision) & (wrong <= shown.most_wrong) & (hits >= shown.fewest)
    f_half = np.where(good, 1.25 * precision * recall / np.maximum(0.25 * precision + recall, 1e-12), -1.0)
    best = int(np.argmax(f_half))
    return float(scores[order[best]]) if good[best] else None


def quality(labelled: Labelled) -> dict[str, Any]:
    """Average precision over all (picture, class) pairs, and its mean over classes with five positives or more."""
    positives = labelled.truth.sum(axis=0)
    each = {
        name: round(float(average_precision_score(labelled.truth[:, place], labelled.scores[:, place])), 4)
        for place, name in enumerate(labelled.names)
        if positives[place] >= 5
    }
    micro = float(average_precision_score(labelled.truth.reshape(-1), labelled.scores.reshape(-1)))
    return {
        "pictures": len(labelled.truth),
        "micro_ap": round(micro, 4),
        "mean_ap": round(float(np.mean(list(each.values()))), 4) if each else None,
        "ap": each,
    }


def _objects(vocabulary: Vocabulary, recipe: TagsRecipe, train: Dataset, features: FeatureFolder) -> Labelled:
    """The pictures whose objects are annotated, and the classes that occur in the annotations."""
    samples = [sample for sample in train.samples if sample.objects is not None]
    annotated = {name for sample in samples for name in sample.objects or ()}
    names = tuple(name for name in vocabulary.names if name in annotated)
    if not names:
        raise DataError(f"no picture of {recipe.dataset} names an object of the vocabulary: zero-shot tags cannot be calibrated")
    cosines = _directions(samples, recipe, features) @ vocabulary.vectors.T
    logs = log_softmax(recipe.zero_shot.scale * cosines.astype(np.float64), axis=1)
    truth = np.array([[name in (sample.objects or ()) for name in names] for sample in samples])
    return Labelled(names, logs[:, [vocabulary.names.index(name) for name in names]], truth)


def _zero_shot_entries(
    vocabulary: Vocabulary, things: Labelled, scaling: tuple[float, float], recipe: TagsRecipe
) -> list[TagEntry]:
    scores = _sigmoid(scaling[0] * things.scores + scaling[1])
    threshold = threshold_for(scores.reshape(-1), things.truth.reshape(-1), recipe.shown)
    hidden = set(recipe.zero_shot.hidden)
    return [TagEntry(name=name, source="encoder", threshold=None if name in hidden else threshold) for name in vocabulary.names]


def _word_entries(chosen: Labelled, scaling: tuple[float, float], shown: Shown) -> list[TagEntry]:
    scores = _sigmoid(scaling[0] * chosen.scores + scaling[1])
    rare = chosen.truth.sum(axis=0) < 2 * shown.fewest
    shared = threshold_for(scores[:, rare].reshape(-1), chosen.truth[:, rare].reshape(-1), shown)
    return [
        TagEntry(
            name=name,
            source="captions",
            threshold=shared if rare[place] else threshold_for(scores[:, place], chosen.truth[:, place], shown),
        )
        for place, name in enumerate(chosen.names)
    ]


def _named(dataset: Dataset, recipe: TagsRecipe) -> NDArray[np.int64]:
    return mentions([sample.captions for sample in dataset.samples], recipe.words.forms)


def _directions(samples: Sequence[Sample], recipe: TagsRecipe, features: FeatureFolder) -> Floats:
    arrays = features.load(recipe.data.view, [sample.id for sample in samples], ("embedding",))
    return _unit(arrays["embedding"])


def _vectors(zero_shot: ZeroShot, roots: dict[str, Path]) -> Path:
    if "models" not in roots:
        raise ConfigError(
            f"the recipe needs the root 'models', where {zero_shot.vectors} lies; give it with --root models=FOLDER"
        )
    return roots["models"] / zero_shot.vectors


def _unit(vectors: NDArray[np.generic]) -> Floats:
    values = vectors.astype(np.float32)
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), dtype=np.float32)


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-values))
