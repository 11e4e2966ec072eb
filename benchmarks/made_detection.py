"""A detection data set of numbers, with cached features, so that the whole `pellucid train` runs in seconds without a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pellucid.records.dataset import Dataset, Sample, write_dataset
from pellucid.records.features import FeatureFolder

RECIPE = """\
kind = "detector"
name = "made"
dataset = "made"
seed = 3
label_smoothing = 0.02

[data]
views = ["clean"]
splits = ["train"]

[head]
parts = ["class_tokens"]
layers = [4, 12]
width = 4                        # how wide
hidden = 8
dropout = 0.1
layer_dropout = 0.1
members = 1

[optimiser]
epochs = 2
batch = 16
lr = 3e-3
weight_decay = 0.01
warmup_steps = 5
average = 0.9

[calibration]
folds = 2
prior = 0.1

[verdict]
budget_per_10000 = 100
fewest_real = 100
near_below = 0.5
near_above = 0.5
reencodings = ["jpeg60"]
"""


def make(out: Path, rows: int = 960, seed: int = 0) -> None:
    """`out/data/made` and `out/features`: AI rows differ along one direction of block 4; two sources a label."""
    draw = np.random.default_rng(seed)
    samples = [_sample(row) for row in range(rows)]
    tokens = draw.normal(size=(rows, 12, 768)).astype(np.float16)
    tokens[[sample.label == "ai" for sample in samples], 3, :200] += 0.15
    write_dataset(Dataset(tuple(samples), {"none": "none"}), out / "data" / "made")
    features = FeatureFolder(out / "features", "made").open()
    features.append("clean", [sample.id for sample in samples], {"class_tokens": tokens})


def _sample(row: int) -> Sample:
    name, ai = f"{row:06d}", row % 2 == 0
    return Sample(
        id=name, root="none", path=name, sha256=name, split="train", source=f"source-{row // 2 % 2}", licence="CC0-1.0",
        label="ai" if ai else "real", generator=f"generator-{row // 2 % 2}" if ai else None, domain="photo",
        width=512, height=512,
    )  # fmt: skip
