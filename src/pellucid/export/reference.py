"""What a bundle remembers of its training data, to notice drift by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.records.dataset import Dataset
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
