"""Are some people's real pictures accused more often than others'? By apparent skin tone of faces, and art against photographs.

Nothing is claimed of a group with too few pictures. The bounds of all groups hold together (Bonferroni), so the largest gap may
be read off after the fact. The groups and their limits: `skin.py`, docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pellucid.base.rates import CONFIDENCE, lower_bound, upper_bound
from pellucid.evaluate.detection import ACCUSED
from pellucid.evaluate.judge import Judged, judge_split
from pellucid.evaluate.metrics import rate
from pellucid.evaluate.recipe import FairnessPart
from pellucid.evaluate.skin import GROUPS, skin_group
from pellucid.records.dataset import Dataset, read_dataset
from pellucid.records.features import FeatureFolder
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.features import open_sample

NO_SKIN = "no skin found"


def evaluate_fairness(bundle: LoadedBundle, part: FairnessPart, features: FeatureFolder, out: Path) -> dict[str, Any]:
    """Measures over the real pictures of the splits, in their first (clean) state."""
    dataset = read_dataset(out / "data" / part.dataset).only(*part.splits)
    judged = judge_split(bundle, dataset, features, "clean")
    real = judged.only(~judged.labels)
    faces = real.only(np.isin(real.domains, part.faces))
    skin = by_group(faces, _skin_groups(dataset, faces), (*GROUPS, NO_SKIN))
    kind_of = {domain: kind for kind, domains in part.kinds.items() for domain in domains}
    kinds = by_group(real, [kind_of.get(domain, "") for domain in real.domains], part.kinds)
    measured = {name: counts for name, counts in skin.items() if name != NO_SKIN}
    skin_gap, kind_gap = largest_gap(measured, part.fewest), largest_gap(kinds, part.fewest)
    return {
        "faces": len(faces.samples), "skin": skin, "skin_gap": skin_gap, "kinds": kinds, "kind_gap": kind_gap,
    }  # fmt: skip


def by_group(judged: Judged, groups: Sequence[str], names: Iterable[str]) -> dict[str, Any]:
    """Name → rate of accused pictures, for the named groups that have any."""
    hits = np.array([verdict == ACCUSED for verdict in judged.verdicts], dtype=bool)
    of = np.array(groups, dtype=object)
    counted = {name: rate(int(hits[of == name].sum()), int((of == name).sum())) for name in names}
    return {name: counts for name, counts in counted.items() if counts["of"]}


def largest_gap(groups: Mapping[str, Mapping[str, Any]], fewest: int) -> dict[str, Any]:
    """The largest difference of two groups' rates, and what it is at most with 95 % confidence over all pairs.

    `rate` is None where fewer than two groups have `fewest` pictures.
    """
    enough = {name: (one["count"], one["of"]) for name, one in groups.items() if one["of"] >= fewest}
    left_out = sorted(set(groups) - set(enough))
    if len(enough) < 2:
        why = f"no claim: {len(enough)} of {len(groups)} groups have {fewest} pictures"
        return {"rate": None, "between": None, "upper": None, "left_out": left_out, "note": why}
    sure = 1 - (1 - CONFIDENCE) / (2 * len(enough))
    high = {name: upper_bound(*counts, confidence=sure) for name, counts in enough.items()}
    low = {name: lower_bound(*counts, confidence=sure) for name, counts in enough.items()}
    rates = {name: hits / trials for name, (hits, trials) in enough.items()}
    pairs = list(permutations(enough, 2))
    most, least = max(pairs, key=lambda pair: rates[pair[0]] - rates[pair[1]])
    return {
        "rate": round(rates[most] - rates[least], 5), "between": [most, least],
        "upper": round(max(high[one] - low[other] for one, other in pairs), 5), "left_out": left_out, "note": "",
    }  # fmt: skip


def _skin_groups(dataset: Dataset, faces: Judged) -> list[str]:
    samples = tqdm(faces.samples, unit="face")
    return [skin_group(open_sample(dataset, sample)) or NO_SKIN for sample in samples]
