"""Does the answer survive the way through the world? Each picture in the twelve re-encodings, judged as the service would.

A picture that is accused after one more save is an accusation all the same: what counts is how many real pictures are called
generated under none of the twelve.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.evaluate.detection import ACCUSED
from pellucid.evaluate.draw import drawn
from pellucid.evaluate.judge import Judged, judge_split
from pellucid.evaluate.metrics import rate
from pellucid.evaluate.recipe import StabilityPart
from pellucid.records.dataset import read_dataset
from pellucid.records.features import FeatureFolder
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.features import DETECTION_PARTS, extract
from pellucid.runtime.reencode import RE_ENCODINGS

# Pictures whose thirteen views are made together, so that each is opened once: half a gigabyte of tensors.
AT_A_TIME = 64


def evaluate_stability(
    bundle: LoadedBundle, part: StabilityPart, features: FeatureFolder, out: Path, seed: int
) -> dict[str, Any]:
    """Measures over pictures drawn from the splits. Features are cached: only the first run is slow."""
    dataset = read_dataset(out / "data" / part.dataset)
    labels = sorted({one.label for one in dataset.only(*part.splits).samples if one.label})
    chosen = drawn(dataset, part.splits, labels, part.pictures, seed)
    for start in range(0, len(chosen.samples), AT_A_TIME):
        some = replace(chosen, samples=chosen.samples[start : start + AT_A_TIME])
        extract(some, ("clean", *RE_ENCODINGS), DETECTION_PARTS, bundle.encoder, bundle.head.views, features)
    clean = judge_split(bundle, chosen, features, "clean")
    return stability(clean, {change: judge_split(bundle, chosen, features, change) for change in RE_ENCODINGS})


def stability(clean: Judged, changed: dict[str, Judged]) -> dict[str, Any]:
    """`clean` and `changed` judge the same pictures, row by row."""
    first = np.array(clean.verdicts)
    verdicts = np.array([judged.verdicts for judged in changed.values()])
    called = verdicts == ACCUSED
    real, ai = ~clean.labels, clean.labels
    return {
        "pictures": {"ai": int(ai.sum()), "real": int(real.sum())},
        "never_accused": _share(~called.any(axis=0), real),
        "ever_accused": _share(called.any(axis=0), real),
        "accused_clean": _share(first == ACCUSED, real),
        "always_found": _share(called.all(axis=0), ai),
        "ever_found": _share(called.any(axis=0), ai),
        "found_clean": _share(first == ACCUSED, ai),
        "verdict_unchanged": _share((verdicts == first).all(axis=0), real | ai),
        "by_reencoding": {
            change: {"accused": _share(called[row], real), "recall": _share(called[row], ai)}
            for row, change in enumerate(changed)
        },
    }


def _share(hits: NDArray[np.bool_], rows: NDArray[np.bool_]) -> dict[str, Any]:
    return rate(int((hits & rows).sum()), int(rows.sum()))
