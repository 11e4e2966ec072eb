"""How much each training picture counts: sources by 1/√n, then the labels evened out within each domain."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def sample_weights(labels: NDArray[np.bool_], groups: Sequence[str], domains: Sequence[str], limit: float) -> NDArray[np.float32]:
    """Weights of mean 1 for labels [n] (true: AI), groups (source of a real picture, generator of an AI one) and domains.

    A big homogeneous source weighs less a picture; within a domain both labels weigh alike, as far as a factor of
    `limit` reaches: else "a face" or "a chart" would itself be evidence.
    """
    sizes = Counter(groups)
    weights = np.array([sizes[group] ** -0.5 for group in groups])
    weights = _even(weights, labels)
    names = np.array(domains)
    for domain in set(domains):
        inside = names == domain
        ai, real = weights[inside & labels].sum(), weights[inside & ~labels].sum()
        if ai and real:
            factor = float(np.clip(np.sqrt(real / ai), 1 / limit, limit))
            weights[inside & labels] *= factor
            weights[inside & ~labels] /= factor
    weights = _even(weights, labels)
    return np.asarray(weights / weights.mean(), dtype=np.float32)


def _even(weights: NDArray[np.float64], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    out = weights.copy()
    for side in (labels, ~labels):
        if side.any():
            out[side] /= out[side].sum()
    return out


def group_folds(groups: Sequence[str], labels: NDArray[np.bool_], folds: int) -> NDArray[np.int64]:
    """Fold number [n] with whole groups in one fold; big groups first, each to the fold that has least of its label."""
    filled = np.zeros((2, folds))
    fold_of: dict[str, int] = {}
    sizes = Counter(zip(groups, labels.tolist(), strict=True))
    for (group, label), size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        fold_of.setdefault(group, int(np.argmin(filled[int(label)])))
        filled[int(label), fold_of[group]] += size
    return np.array([fold_of[group] for group in groups])


def picture_folds(groups: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """Fold number [n] drawn by the hash of a group of pictures, such as a real one and what was generated from it."""
    digests = [hashlib.sha256(f"{seed}/{group}".encode()).hexdigest() for group in groups]
    return np.array([int(digest[:13], 16) % folds for digest in digests])
