"""What a bundle remembers of its training data: statistics to notice drift by, and a replay set to retrain from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.export.recipe import Replay
from pellucid.records.dataset import Dataset, Sample
from pellucid.records.features import FeatureFolder

Arrays = dict[str, NDArray[np.generic]]
COMPONENTS = 32


def reference_statistics(dataset: Dataset, features: FeatureFolder, view: str) -> Arrays:
    """Mean [512], leading directions [32, 512] and variance along them [32] of training embeddings, and shares by domain."""
    samples = dataset.only("train").samples
    embedding = features.load(view, [sample.id for sample in samples], ("embedding",))["embedding"].astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    mean = embedding.mean(axis=0)
    _, singular, directions = np.linalg.svd(embedding - mean, full_matrices=False)
    names, counts = np.unique([sample.domain or "?" for sample in samples], return_counts=True)
    return {
        "mean": mean, "directions": directions[:COMPONENTS].astype(np.float16),
        "variance": (singular[:COMPONENTS] ** 2 / len(samples)).astype(np.float32), "domains": names, "domain_counts": counts,
    }  # fmt: skip


def replay_set(dataset: Dataset, features: FeatureFolder, replay: Replay, seed: int) -> Arrays:
    """int8 class tokens [n, 12, 768] with a scale a picture and layer; no portraits, evenly over labels and sources."""
    allowed = [sample for sample in dataset.only("train").samples if sample.domain not in replay.without_domains]
    chosen = _evenly(allowed, replay.pictures, seed)
    tokens = features.load(replay.view, [sample.id for sample in chosen], ("class_tokens",))["class_tokens"].astype(np.float32)
    scale = np.abs(tokens).max(axis=2, keepdims=True) / 127
    return {
        "class_tokens": np.rint(tokens / scale).astype(np.int8), "scale": scale[..., 0].astype(np.float16),
        "ai": np.array([sample.label == "ai" for sample in chosen]),
        "group": np.array([sample.generator or sample.source for sample in chosen]),
        "domain": np.array([sample.domain or "?" for sample in chosen]),
    }  # fmt: skip


def _evenly(samples: list[Sample], count: int, seed: int) -> list[Sample]:
    """`count` samples, half of each label, drawn from the groups in turn."""
    draw = np.random.default_rng(seed)
    chosen: list[Sample] = []
    for label in ("ai", "real"):
        groups: dict[str, list[Sample]] = {}
        for row in draw.permutation(len(samples)):
            if samples[row].label == label:
                groups.setdefault(samples[row].generator or samples[row].source, []).append(samples[row])
        side: list[Sample] = []
        while len(side) < count // 2 and any(groups.values()):
            for group in groups.values():
                if group and len(side) < count // 2:
                    side.append(group.pop())
        chosen += side
    return chosen
