"""Judge a split's pictures with a bundle exactly as the service would: same features, thresholds, second looks and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pellucid.analyse.verdict import decide, judge, near
from pellucid.records.dataset import Dataset, Sample
from pellucid.records.features import Arrays, FeatureFolder
from pellucid.runtime.bundle import PIXELS, LoadedBundle
from pellucid.runtime.features import DETECTION_PARTS, extract
from pellucid.runtime.reencode import size_after
from pellucid.runtime.session import Tensors
from pellucid.runtime.view_cache import ViewCache, Views
from pellucid.runtime.views import to_tensors

CHUNK = 256


@dataclass(frozen=True)
class Judged:
    """Samples of one split and tier with the bundle's answers, row by row: `probability` [n], `embedding` [n, 512]."""

    samples: tuple[Sample, ...]
    labels: NDArray[np.bool_]
    probability: NDArray[np.float64]
    verdicts: tuple[str, ...]
    slices: tuple[str, ...]
    embedding: NDArray[np.float32]

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(name.split("/")[0] for name in self.slices)

    def only(self, rows: NDArray[np.bool_]) -> Judged:
        keep = np.flatnonzero(rows).tolist()
        return replace(
            self, samples=tuple(self.samples[row] for row in keep), labels=self.labels[rows], probability=self.probability[rows],
            verdicts=tuple(self.verdicts[row] for row in keep), slices=tuple(self.slices[row] for row in keep),
            embedding=self.embedding[rows],
        )  # fmt: skip


def judge_split(bundle: LoadedBundle, dataset: Dataset, features: FeatureFolder, tier: str) -> Judged:
    """Every sample of `dataset` as it arrives in `tier`; features that lack are extracted. Claims in files play no part."""
    samples = dataset.samples
    logits, embedding = _logits(bundle, dataset, features, tier)
    names = [bundle.domains[row] for row in bundle.domain(embedding).argmax(axis=1)]
    rule = bundle.domain_set.quality
    sizes = [size_after(tier, sample.seen_px) for sample in samples]
    slices = tuple(f"{name}/{rule.of(*size)}" for name, size in zip(names, sizes, strict=True))
    looks = _second_looks(bundle, dataset, features, tier, logits, slices)
    answers = [
        judge(logit, looks.get(sample.id, ()), name, bundle.calibration, bundle.thresholds)
        for sample, logit, name in zip(samples, logits.tolist(), slices, strict=True)
    ]
    return Judged(
        samples=samples,
        labels=np.array([sample.label == "ai" for sample in samples]),
        probability=np.array([answer.probability for answer in answers]),
        verdicts=tuple(decide(answer, ()).label for answer in answers),
        slices=slices,
        embedding=embedding,
    )


def embeddings(bundle: LoadedBundle, dataset: Dataset, features: FeatureFolder, view: str = "clean") -> NDArray[np.float32]:
    """[n, 512] of every sample of `dataset`; features that lack are extracted."""
    return _logits(bundle, dataset, features, view)[1]


def _logits(
    bundle: LoadedBundle, dataset: Dataset, features: FeatureFolder, view: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    extract(dataset, (view,), DETECTION_PARTS, bundle.encoder, bundle.head.views, features)
    ids = [sample.id for sample in dataset.samples]
    if not ids:
        return np.empty(0, np.float32), np.empty((0, 512), np.float32)
    arrays = features.load(view, ids, DETECTION_PARTS)
    pixels = _views(bundle, dataset, features, view, ids) if bundle.looks_at_pixels else None
    starts = range(0, len(ids), CHUNK)
    logits = np.concatenate([bundle.detect(_rows(arrays, start) | _pixels(bundle, pixels, start, len(ids))) for start in starts])
    return logits, arrays["embedding"].astype(np.float32)


def _views(bundle: LoadedBundle, dataset: Dataset, features: FeatureFolder, view: str, ids: Sequence[str]) -> Views:
    """The bytes of a view, kept beside the features."""
    cache = ViewCache(features.path.parent / "views", bundle.head.views)
    cache.add(dataset, (view,))
    return cache.open(view, ids)


def _pixels(bundle: LoadedBundle, views: Views | None, start: int, count: int) -> Tensors:
    if views is None:
        return {}
    rows = np.arange(start, min(start + CHUNK, count))
    return {PIXELS: to_tensors(views.take(rows), bundle.head.views)}


def _second_looks(
    bundle: LoadedBundle, dataset: Dataset, features: FeatureFolder, tier: str, logits: NDArray[np.float32], slices: Sequence[str]
) -> dict[str, list[float]]:
    """Logits of the re-encodings of each picture whose first answer is near its threshold."""
    rows = zip(dataset.samples, logits.tolist(), slices, strict=True)
    close = tuple(sample for sample, logit, name in rows if near(logit, name, bundle.calibration, bundle.thresholds))
    looks: dict[str, list[float]] = {sample.id: [] for sample in close}
    for change in bundle.thresholds.re_encodings:
        view = change if tier == "clean" else f"{tier}+{change}"
        found, _ = _logits(bundle, replace(dataset, samples=close), features, view)
        for sample, logit in zip(close, found.tolist(), strict=True):
            looks[sample.id].append(logit)
    return looks


def _rows(arrays: Arrays, start: int) -> Arrays:
    return {name: array[start : start + CHUNK] for name, array in arrays.items()}
