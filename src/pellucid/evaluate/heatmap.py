"""Does the heat map know anything? Deletion: hiding its hottest fifth against hiding random fifths of the same picture."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from pellucid.analyse.heatmap import CELLS, attribution, hidden_scores
from pellucid.evaluate.recipe import HeatmapPart
from pellucid.records.bundle import ViewSpec
from pellucid.records.dataset import Sample, read_dataset
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.features import open_sample
from pellucid.runtime.views import detection_view

SHARE = 0.2
RANDOM_MASKS = 5


def evaluate_heatmap(bundle: LoadedBundle, part: HeatmapPart, out: Path, seed: int) -> dict[str, Any]:
    """split → `deletion` of pictures drawn from it."""
    dataset = read_dataset(out / "data" / part.dataset).only(part.split)
    draw = random.Random(seed)
    chosen: list[Sample] = []
    for label in ("ai", "real"):
        chosen += draw.sample([sample for sample in dataset.samples if sample.label == label], part.pictures // 2)
    return {part.split: deletion(bundle, [open_sample(dataset, sample) for sample in chosen], seed)}


def deletion(bundle: LoadedBundle, images: Sequence[Image.Image], seed: int) -> dict[str, Any]:
    """Mean fall of the logit for the hottest 20 % of cells and for random 20 %, and how often the first is larger."""
    draw = np.random.default_rng(seed)
    count = round(SHARE * CELLS * CELLS)
    falls = np.array([_falls(bundle, image, count, draw) for image in tqdm(images, unit="heat map")])
    return {
        "pictures": len(images),
        "hottest": round(float(falls[:, 0].mean()), 4),
        "random": round(float(falls[:, 1].mean()), 4),
        "hottest_larger": round(float((falls[:, 0] > falls[:, 1]).mean()), 4),
    }


def _falls(bundle: LoadedBundle, image: Image.Image, count: int, draw: np.random.Generator) -> tuple[float, float]:
    spec: ViewSpec = bundle.head.views
    view = detection_view(image, spec)

    def score(pixels: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        return bundle.detect(bundle.encode(pixels))

    grid = attribution(view, spec, score)
    hottest = np.zeros(CELLS * CELLS, dtype=bool)
    hottest[np.argsort(-grid.ravel())[:count]] = True
    others = [np.isin(np.arange(CELLS * CELLS), draw.choice(CELLS * CELLS, count, replace=False)) for _ in range(RANDOM_MASKS)]
    masks = [mask.reshape(CELLS, CELLS) for mask in [np.zeros_like(hottest), hottest, *others]]
    scores = hidden_scores(view, masks, spec, score)
    return float(scores[0] - scores[1]), float(scores[0] - scores[2:].mean())
