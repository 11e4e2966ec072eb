"""Which pictures of a split an expensive part looks at: the same ones for the same dataset, recipe and seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from pellucid.base.errors import DataError
from pellucid.records.dataset import Dataset, Sample


def drawn(
    dataset: Dataset, splits: Sequence[str], labels: Sequence[str], pictures: int, seed: int, declared: Sequence[str] = ()
) -> Dataset:
    """`pictures` of `splits`, evenly over `labels`, of the `declared` domains where there are any; fewer where so many lack.

    Raises `DataError` where a label has none.
    """
    chosen: list[Sample] = []
    for label in labels:
        of_label = [one for one in dataset.only(*splits).samples if one.label == label]
        pool = sorted((one for one in of_label if not declared or one.declared in declared), key=lambda one: one.id)
        if not pool:
            kinds = f" of {', '.join(declared)}" if declared else ""
            raise DataError(f"the dataset has no {label} pictures{kinds} in {', '.join(splits)}; check the evaluation recipe")
        chosen += random.Random(f"{seed}/{label}").sample(pool, min(pictures // len(labels), len(pool)))
    return replace(dataset, samples=tuple(chosen))


def at_most(dataset: Dataset, most: int | None, seed: int) -> Dataset:
    """At most so many samples, drawn by `seed`; all of them where `most` is None."""
    if most is None or len(dataset.samples) <= most:
        return dataset
    return replace(dataset, samples=tuple(random.Random(seed).sample(dataset.samples, most)))
