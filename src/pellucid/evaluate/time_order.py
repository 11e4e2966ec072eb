"""Does the detector keep up? AI pictures by the year in which their generator came out, against all real pictures of the splits.

A detector trained on yesterday's generators meets tomorrow's: the trend over years says more than the mean.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.evaluate.detection import ACCUSED
from pellucid.evaluate.judge import Judged, judge_split
from pellucid.evaluate.metrics import auc, rate
from pellucid.evaluate.recipe import TimeOrderPart
from pellucid.records.dataset import read_dataset
from pellucid.records.features import FeatureFolder
from pellucid.runtime.bundle import LoadedBundle


def evaluate_time_order(bundle: LoadedBundle, part: TimeOrderPart, features: FeatureFolder, out: Path) -> dict[str, Any]:
    dataset = read_dataset(out / "data" / part.dataset).only(*part.splits)
    return time_order(judge_split(bundle, dataset, features, "clean"), part.released)


def time_order(judged: Judged, released: dict[str, str]) -> dict[str, Any]:
    """`periods` oldest first, `generators` in the order of their release, `undated` with their counts.

    `worst_auc` and `newest_recall` sum them up.
    """
    names = np.array([sample.generator or "?" for sample in judged.samples], dtype=object)
    inside = [name for name in released if (judged.labels & (names == name)).any()]
    ordered = sorted(inside, key=lambda name: (released[name], name))
    years = sorted({released[name][:4] for name in ordered})
    periods = {
        year: _against_real(judged, np.isin(names, [one for one in ordered if released[one][:4] == year])) for year in years
    }
    of_period = list(periods.values())
    return {
        "worst_auc": min((one["auc"] for one in of_period if one["auc"] is not None), default=None),
        "newest_recall": of_period[-1]["recall"] if of_period else None,
        "periods": periods,
        "generators": {name: {"released": released[name], **_against_real(judged, names == name)} for name in ordered},
        "undated": dict(Counter(names[judged.labels & ~np.isin(names, list(released))].tolist())),
    }


def _against_real(judged: Judged, rows: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, Any]:
    ai = judged.labels & rows
    both = judged.only(ai | ~judged.labels)
    area = auc(both.labels, both.probability)
    found = sum(judged.verdicts[row] == ACCUSED for row in np.flatnonzero(ai).tolist())
    return {"recall": rate(found, int(ai.sum())), "auc": None if area is None else round(area, 4)}
