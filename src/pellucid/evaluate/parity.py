"""What the served build lost against float32: the same pictures through both, from pixels to the side of the threshold.

The reference is what export left beside the bundle: `float32/NAME/detector.onnx`, the head as it was trained, and
`encoder/float32.onnx`; where the latter is not there, both sides use the bundle's encoder and the record says so.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pellucid.analyse.verdict import probability_of
from pellucid.base.errors import DataError
from pellucid.evaluate.metrics import auc, rate
from pellucid.evaluate.recipe import ParityPart
from pellucid.records.dataset import Dataset, Sample, read_dataset
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.features import open_sample
from pellucid.runtime.session import Session, open_session
from pellucid.runtime.views import detection_view, to_tensor

Logits = NDArray[np.float64]


def evaluate_parity(bundle: LoadedBundle, part: ParityPart, out: Path, seed: int) -> dict[str, Any]:
    """split → AUC of both builds and how many pictures changed sides. Raises `DataError` where the reference is not there."""
    head = out / "float32" / bundle.head.name / "detector.onnx"
    if not head.exists():
        raise DataError(f"{head} is not there: export this bundle again, which leaves its float32 head there")
    encoder = out / "encoder" / "float32.onnx"
    dataset = read_dataset(out / "data" / part.dataset).only(part.split)
    samples = _drawn(dataset, part.pictures, seed)
    sessions = (open_session(encoder, "onnxruntime") if encoder.exists() else bundle.encoder, open_session(head, "onnxruntime"))
    logits, slices = _both(bundle, sessions, dataset, samples)
    labels = np.array([sample.label == "ai" for sample in samples])
    served, exact = auc(labels, logits[:, 0]), auc(labels, logits[:, 1])
    lost = None if served is None or exact is None else round(exact - served, 5)
    return {part.split: {
        "pictures": len(samples), "encoder": "float32" if encoder.exists() else "as served", "auc": served, "auc_float": exact,
        "auc_lost": lost, "calls_changed": _changed(bundle, logits, slices),
        "logit_difference": round(float(np.abs(logits[:, 0] - logits[:, 1]).mean()), 4),
    }}  # fmt: skip


def _drawn(dataset: Dataset, count: int, seed: int) -> list[Sample]:
    """Half of each label, or as many as there are."""
    draw = random.Random(seed)
    chosen: list[Sample] = []
    for label in ("ai", "real"):
        side = [sample for sample in dataset.samples if sample.label == label]
        chosen += draw.sample(side, min(count // 2, len(side)))
    return chosen


def _both(
    bundle: LoadedBundle, exact: tuple[Session, Session], dataset: Dataset, samples: Sequence[Sample]
) -> tuple[Logits, list[str]]:
    """[n, 2] logits, as served and in float32, and the slice of each picture."""
    rule, rows, slices = bundle.domain_set.quality, [], []
    for sample in tqdm(samples, unit="picture", desc="parity"):
        image = open_sample(dataset, sample)
        pixels = to_tensor(detection_view(image, bundle.head.views), bundle.head.views)[None]
        said = bundle.encode(pixels)
        slices.append(f"{bundle.domains[int(bundle.domain(said['embedding']).argmax())]}/{rule.of(*image.size)}")
        rows.append([float(bundle.detect(said)[0]), _exact_logit(exact, pixels)])
    return np.array(rows).reshape(-1, 2), slices


def _exact_logit(exact: tuple[Session, Session], pixels: NDArray[np.float32]) -> float:
    encoder, head = exact
    tokens = encoder.run({"pixels": pixels})
    return float(head.run({name: np.asarray(tokens[name], np.float32) for name in head.inputs})["logit"].reshape(-1)[0])


def _changed(bundle: LoadedBundle, logits: Logits, slices: Sequence[str]) -> dict[str, Any]:
    """Pictures that one build calls generated and the other does not, of those whose slice has a threshold."""
    counted = [(row, found) for row, name in enumerate(slices) if (found := bundle.thresholds.of(name).threshold) is not None]
    calls = [[probability_of(logit, bundle.calibration) >= limit for logit in logits[row].tolist()] for row, limit in counted]
    return rate(sum(served != exact for served, exact in calls), len(calls))
