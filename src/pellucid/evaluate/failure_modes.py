"""Pictures that detectors are known to get wrong, as data sets with expectations: night, HDR, memes, screenshots, drawings …

A mode that has a change makes its own dataset of real pictures, `OUT/data/<dataset>-failures/<mode>`, beside the same pictures
saved without one: so what is measured is the change, not the saving. The other modes take a split's pictures as they are.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from pellucid.base.files import write_atomically
from pellucid.evaluate.changes import CHANGES
from pellucid.evaluate.detection import ACCUSED
from pellucid.evaluate.draw import drawn
from pellucid.evaluate.judge import Judged, judge_split
from pellucid.evaluate.metrics import rate
from pellucid.evaluate.recipe import FailureMode, FailureModesPart
from pellucid.records.dataset import Dataset, read_dataset, write_dataset
from pellucid.records.features import FeatureFolder
from pellucid.runtime.bundle import LoadedBundle
from pellucid.runtime.features import open_sample

# As photo apps save; the detection view adds its own JPEG to this and to everything else.
QUALITY = 92
ROOT = "made"


def evaluate_failure_modes(
    bundle: LoadedBundle, part: FailureModesPart, features: FeatureFolder, out: Path, seed: int
) -> dict[str, Any]:
    """mode → counts and rates. Raises `DataError` where a mode has no pictures."""
    dataset = read_dataset(out / "data" / part.dataset)
    folder = out / "data" / f"{part.dataset}-failures"
    sections = {}
    for name, mode in part.modes.items():
        chosen = drawn(dataset, mode.splits, mode.labels, mode.pictures, seed, mode.declared)
        if mode.change is None:
            sections[name] = _of_mode(mode, judge_split(bundle, chosen, features, "clean"))
            continue
        plain = made(chosen, "plain", part.longest_px, seed, folder / f"{name}-plain")
        changed = made(chosen, mode.change, part.longest_px, seed, folder / name)
        before, after = (judge_split(bundle, one, features, "clean") for one in (plain, changed))
        sections[name] = _of_mode(mode, after) | against(before, after)
    return sections


def made(dataset: Dataset, change: str, longest_px: int, seed: int, folder: Path) -> Dataset:
    """The pictures of `dataset` after `change`, as JPEG files and a manifest in `folder`; ids are those of the new bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for sample in tqdm(dataset.samples, unit="picture", desc=folder.name):
        picture = open_sample(dataset, sample)
        picture.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
        picture = CHANGES[change](picture, int(hashlib.sha256(f"{seed}/{sample.id}".encode()).hexdigest()[:8], 16))
        content = _jpeg(picture)
        digest = hashlib.sha256(content).hexdigest()
        write_atomically(folder / f"{digest[:16]}.jpg", content)
        samples.append(
            replace(
                sample, id=digest[:16], root=ROOT, path=f"{digest[:16]}.jpg", sha256=digest, box=None, width=picture.width,
                height=picture.height, format="JPEG", bytes=len(content),
            )
        )  # fmt: skip
    lineage = {"made_by": "evaluate/failure_modes.py", "change": change, "longest_px": longest_px, "from": dataset.id}
    result = Dataset(tuple(samples), {ROOT: str(folder.resolve())}, lineage)
    write_dataset(result, folder)
    return result


def against(before: Judged, after: Judged) -> dict[str, Any]:
    """The same pictures without and with the change, row by row."""
    real = ~before.labels
    was, now = np.array(before.verdicts), np.array(after.verdicts)
    return {
        "accused_before": rate(int(((was == ACCUSED) & real).sum()), int(real.sum())),
        "newly_accused": rate(int(((was != ACCUSED) & (now == ACCUSED) & real).sum()), int(real.sum())),
        "unchanged": rate(int((was == now).sum()), len(was)),
        "found_before": rate(int(((was == ACCUSED) & ~real).sum()), int((~real).sum())),
    }


def _of_mode(mode: FailureMode, judged: Judged) -> dict[str, Any]:
    real, called = ~judged.labels, np.array(judged.verdicts) == ACCUSED
    unsure = np.array(judged.verdicts) == "unsure"
    return {
        "change": mode.change,
        "accused": rate(int((called & real).sum()), int(real.sum())),
        "unsure": rate(int((unsure & real).sum()), int(real.sum())),
        "found": rate(int((called & ~real).sum()), int((~real).sum())),
    }


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
