"""Tags against annotated objects: average precision over the classes of COCO, from the bundle as it is served.

Micro-AP ranks all (picture, class) pairs together, so it asks for comparable scores; macro-AP is the mean over the classes
with enough positives. The interval resamples pictures (percentile bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from pellucid.analyse.tags import choose_tags, merged_scores
from pellucid.base.errors import DataError
from pellucid.evaluate.recipe import CaptionPart
from pellucid.records.dataset import Sample, read_dataset
from pellucid.records.features import FeatureFolder
from pellucid.runtime.bundle import LoadedBundle, TagScore

Truth = NDArray[np.bool_]
Scores = NDArray[np.float64]

FEWEST_POSITIVES = 10
BOOTSTRAP_ROUNDS = 1000


def evaluate_tags(bundle: LoadedBundle, what: CaptionPart, features: FeatureFolder, out: Path, seed: int) -> dict[str, Any]:
    """`source/split` → figures, over the pictures whose objects are annotated. Raises `DataError` where there are none."""
    samples = read_dataset(out / "data" / what.dataset).samples
    return {
        f"{source}/{split}": _part(bundle, [one for one in samples if (one.source, one.split) == (source, split)], features, seed)
        for source, split in what.sources
    }


def average_precisions(truth: Truth, scores: Scores, fewest: int = FEWEST_POSITIVES) -> dict[str, float]:
    """`micro_ap` over all pairs and `macro_ap` over columns with `fewest` positives, of [pictures, classes] each."""
    enough = np.flatnonzero(truth.sum(axis=0) >= fewest)
    each = [average_precision_score(truth[:, place], scores[:, place]) for place in enough]
    micro = average_precision_score(truth.reshape(-1), scores.reshape(-1))
    return {"micro_ap": float(micro), "macro_ap": float(np.mean(each)) if each else float("nan")}


def interval(measure: Callable[[Truth, Scores], float], truth: Truth, scores: Scores, seed: int) -> tuple[float, float]:
    """95 % percentile interval of `measure` over resampled pictures."""
    draw = np.random.default_rng(seed)
    rows = (draw.integers(0, len(truth), len(truth)) for _ in range(BOOTSTRAP_ROUNDS))
    low, high = np.nanpercentile([measure(truth[row], scores[row]) for row in rows], [2.5, 97.5])
    return float(low), float(high)


def _part(bundle: LoadedBundle, chosen: Sequence[Sample], features: FeatureFolder, seed: int) -> dict[str, Any]:
    samples = [sample for sample in chosen if sample.objects is not None]
    if not samples:
        raise DataError("none of these pictures has annotated objects; tags are measured on pictures that have")
    rows = bundle.tags(features.load("caption", [sample.id for sample in samples], ("embedding",))["embedding"])
    merged = [merged_scores(row) for row in rows]
    classes = sorted({name for sample in samples for name in sample.objects or ()} & merged[0].keys())
    truth = np.array([[name in (sample.objects or ()) for name in classes] for sample in samples])
    scores = np.array([[row[name] for name in classes] for row in merged])
    positives = truth.sum(axis=0)
    enough = positives >= FEWEST_POSITIVES
    common = truth[:, enough], scores[:, enough]
    figures = average_precisions(truth, scores)
    return {
        "pictures": len(samples), "classes": len(classes), "macro_classes": int(enough.sum()), "positives": int(positives.sum()),
        "micro_ap": round(figures["micro_ap"], 4), "macro_ap": round(figures["macro_ap"], 4),
        "micro_ap_interval": _rounded(interval(lambda t, s: average_precisions(t, s)["micro_ap"], truth, scores, seed)),
        "macro_ap_interval": _rounded(interval(lambda t, s: average_precisions(t, s, 1)["macro_ap"], *common, seed)),
        "shown": _shown(bundle, rows, samples, classes),
    }  # fmt: skip


def _shown(
    bundle: LoadedBundle, rows: Sequence[Sequence[TagScore]], samples: Sequence[Sample], classes: Sequence[str]
) -> dict[str, Any]:
    """Of the tags that people would see: how many a picture, and how right those are that name an annotated class."""
    assert bundle.tag_set
    known = set(classes)
    chosen = [{tag.name for tag in choose_tags(row, bundle.tag_set)} for row in rows]
    hits = sum(len(names & set(sample.objects or ())) for names, sample in zip(chosen, samples, strict=True))
    said = sum(len(names & known) for names in chosen)
    there = sum(len(known & set(sample.objects or ())) for sample in samples)
    return {
        "tags_per_picture": round(float(np.mean([len(names) for names in chosen])), 2),
        "precision": round(hits / said, 4) if said else None,
        "recall": round(hits / there, 4) if there else None,
    }


def _rounded(bounds: tuple[float, float]) -> list[float]:
    return [round(bound, 4) for bound in bounds]
