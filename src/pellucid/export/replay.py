"""What a bundle brings along to retrain from: means of a few training pictures each, so that no face can be told from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.base.errors import DataError
from pellucid.export.recipe import Replay
from pellucid.records.dataset import Dataset, Sample
from pellucid.records.features import FeatureFolder

TOKENS = "class_tokens"
HIGHEST = 127
# Of a dimension that never changes.
SMALLEST_STEP = 1e-6
Arrays = dict[str, NDArray[np.generic]]
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


def replay_set(dataset: Dataset, features: FeatureFolder, replay: Replay, seed: int) -> Arrays:
    """int8 class tokens [n, 12, 768], each the mean of `pictures` [n] of one label, group and domain. Raises `DataError`.

    A token is `class_tokens * step + mean`, both [12, 768]: `mean` and a share of the standard deviation of `train`. One scale a
    dimension and not a row, since the outliers of a row would leave its small dimensions no level at all.
    """
    samples = dataset.only("train").samples
    tokens = features.load(replay.view, [sample.id for sample in samples], (TOKENS,))[TOKENS]
    mean = tokens.mean(axis=0, dtype=np.float32)
    step = np.maximum(tokens.std(axis=0, dtype=np.float32) * replay.step, SMALLEST_STEP)
    parts = _parts(samples, (tokens[:, replay.layer] - mean[replay.layer]) / step[replay.layer], replay, seed)
    if not parts:
        raise DataError(f"no source or generator has {replay.together} training pictures of one domain; lower [replay] together")
    means = np.stack([tokens[part].mean(axis=0, dtype=np.float32) for part in parts])
    firsts = [samples[part[0]] for part in parts]
    return {
        TOKENS: np.clip(np.rint((means - mean) / step), -HIGHEST, HIGHEST).astype(np.int8), "mean": mean, "step": step,
        "pictures": np.array([len(part) for part in parts]),
        "ai": np.array([sample.label == "ai" for sample in firsts]),
        "group": np.array([sample.generator or sample.source for sample in firsts]),
        "domain": np.array([sample.domain or "?" for sample in firsts]),
    }  # fmt: skip


def _parts(samples: tuple[Sample, ...], told: Floats, replay: Replay, seed: int) -> list[Rows]:
    """Rows of `samples` that become one: what looks alike by `told` [n, 768], or by chance where nobody may be told apart.

    Sources with too few of a domain are left out: no picture stands alone.
    """
    draw = np.random.default_rng(seed)
    alike: dict[tuple[str | None, str, str], list[int]] = {}
    for row, sample in enumerate(samples):
        alike.setdefault((sample.label, sample.generator or sample.source, sample.domain or "?"), []).append(row)
    parts: list[Rows] = []
    for (_, _, domain), members in alike.items():
        rows = np.array(members)
        if len(rows) < replay.together:
            continue
        if domain in replay.anonymous:
            parts += np.array_split(draw.permutation(rows), len(rows) // replay.together)
        else:
            parts += _alike(rows, told, replay.together)
    return parts


def _alike(rows: Rows, told: Floats, together: int) -> list[Rows]:
    """Halves along the direction in which they differ most, until a half would have fewer than `together`."""
    if len(rows) < 2 * together:
        return [rows]
    centred = told[rows] - told[rows].mean(axis=0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    first, second = np.array_split(rows[np.argsort(centred @ direction)], 2)
    return _alike(first, told, together) + _alike(second, told, together)
