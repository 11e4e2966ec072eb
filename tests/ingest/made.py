"""Labelled pictures and recipes made by code, for the tests of ingest."""

from __future__ import annotations

from pathlib import Path

from pellucid.ingest.checks import Check
from pellucid.ingest.recipe import DataRecipe, Duplicates, Guard, Weights
from pellucid.records.dataset import Sample
from tests.pictures import saved, scene

RULE = Duplicates(near_bits=31, same_bits=8, min_quality=50, precedence=("test", "val", "online", "train"))
EVEN = Weights(power=0.5, balance_limit=4)


def sample(name, split="train", label="real", **more):
    known = {"root": "pictures", "path": f"{name}.png", "sha256": name, "source": "made", "licence": "CC0"}
    return Sample(id=name, split=split, label=label, **(known | more))


def check(pdq="", quality=100, **more):
    return Check(sha256="", width=64, height=64, format="PNG", bytes=100, pdq=pdq, quality=quality, **more)


def recipe(**more):
    source = {"root": "pictures", "reader": "folders", "constants": {"source": "made", "licence": "CC0"}}
    known = {"name": "made", "sources": [source], "duplicates": RULE, "shares": {"train": 0.5, "val": 0.2, "test": 0.3}}
    return DataRecipe.model_validate(known | more)


def guard(chain="equalised", **more):
    known = {"chain": chain, "limit": 0.6, "per_label": 400, "folds": 3, "repeats": 2, "weights": EVEN}
    return Guard.model_validate(known | more)


def fill(folder: Path, label: str, count: int, seed: int, size=(96, 96), kind="PNG", **options) -> None:
    """`count` scenes under `folder`/`label`, cut to `size` out of squares, so that their middles are alike in every size."""
    (folder / label).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        side = max(144, *size)
        left, top = (side - size[0]) // 2, (side - size[1]) // 2
        cut = scene(side, side, seed + number).crop((left, top, left + size[0], top + size[1]))
        content = saved(cut, kind, **options)
        (folder / label / f"{seed + number}.{kind.lower()}").write_bytes(content)
