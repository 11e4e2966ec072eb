"""Leave one generator out, its siblings too: how well is a generator recognised that training has never met?

Positives are all pictures of the generator in train and val; negatives are the real pictures of val, which these heads have not
seen either. Test splits play no part, so this figure may be looked at while choosing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from pellucid.records.dataset import Sample
from pellucid.train.detector import Examples, logits_of, train_ensemble
from pellucid.train.detector_recipe import DetectorRecipe, LeaveOut
from pellucid.train.measure import auc
from pellucid.train.states import HERE, By


def leave_one_out(
    samples: Sequence[Sample], examples: Examples, recipe: DetectorRecipe, rule: LeaveOut, by: By = HERE
) -> dict[str, float]:
    """Generator → AUC on the first view, and `mean`."""
    sizes = Counter(sample.generator for sample in samples if sample.label == "ai")
    names = sorted(name for name, size in sizes.items() if name and size >= rule.fewest)
    real_val = np.array([sample.label == "real" and sample.split == "val" for sample in samples])
    out: dict[str, float] = {}
    for number, name in enumerate(tqdm(names, unit="generator", disable=by.workers.rank > 0)):
        family = rule.family_of(name)
        left_out = np.array([sample.generator in family for sample in samples])
        tested = examples.only(np.array([sample.generator == name for sample in samples]) | real_val)
        ensemble = train_ensemble(examples.only(~left_out & ~real_val), recipe, 1, show=False, by=by.part(f"generator-{number}"))
        found = auc(tested.labels, logits_of(ensemble, tested.tokens[examples.views[0]]))
        assert found is not None
        out[name] = found
    return out | {"mean": round(float(np.mean(list(out.values()))), 5)} if out else {}
