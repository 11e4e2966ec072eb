"""Detectors that look at nothing: if one of them does well, the test is about something else than AI.

Each is fitted on pictures of `train` and scored on the split under test: a constant, shuffled labels, what the manifest says
of the original files, and domain and zero-shot tags alone. The second-to-last is allowed to score high: it is why pictures
are equalised before anyone looks at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pellucid.evaluate.judge import Judged
from pellucid.evaluate.metrics import auc
from pellucid.records.dataset import Sample
from pellucid.runtime.bundle import LoadedBundle

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")


def controls(
    bundle: LoadedBundle, samples: Sequence[Sample], embedding: NDArray[np.float32], test: Judged, seed: int
) -> dict[str, Any]:
    """AUC on `test` of each control fitted on `samples` with their `embedding` [n, 512]."""
    labels = np.array([sample.label == "ai" for sample in samples])
    shuffled = np.random.default_rng(seed).permutation(labels)
    scores = {
        "constant": np.zeros(len(test.labels)),
        "shuffled labels": _linear(embedding, shuffled, test.embedding),
        "metadata of the original file": _boosted(_metadata(samples), labels, _metadata(test.samples), seed),
        "domain and tags": _linear(_content(bundle, embedding), labels, _content(bundle, test.embedding)),
    }
    return {name: None if (value := auc(test.labels, values)) is None else round(value, 4) for name, values in scores.items()}


def _metadata(samples: Sequence[Sample]) -> NDArray[np.float64]:
    return np.array(
        [
            [
                sample.width / max(1, sample.height),
                sample.width,
                sample.height,
                8 * sample.bytes / max(1, sample.width * sample.height),
            ]
            + [float(sample.format == name) for name in FORMATS]
            for sample in samples
        ]
    )


def _content(bundle: LoadedBundle, embedding: NDArray[np.float32]) -> NDArray[np.float64]:
    domain = bundle.domain(embedding)
    tags = np.array([[score for _, score, source in row if source == "encoder"] for row in bundle.tags(embedding)])
    return np.hstack([domain, tags.reshape(len(domain), -1)]).astype(np.float64)


def _linear(x: NDArray[np.generic], y: NDArray[np.bool_], to: NDArray[np.generic]) -> NDArray[np.float64]:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, C=0.1, class_weight="balanced"))
    return np.asarray(model.fit(x, y).predict_proba(to)[:, 1])


def _boosted(x: NDArray[np.float64], y: NDArray[np.bool_], to: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    model = HistGradientBoostingClassifier(max_iter=150, random_state=seed)
    return np.asarray(model.fit(x, y).predict_proba(to)[:, 1])
