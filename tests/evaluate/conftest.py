"""A place to evaluate in: a tiny bundle with a replay set, and pictures made by code in three splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pellucid.records.dataset import Dataset, Sample, write_dataset
from tests.pictures import jpeg
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """`out`: half of the pictures are called AI, half real; every third pair is called anime."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    samples = []
    for number in range(36):
        name, split = f"{number:016x}", ("train", "val", "test_seen")[number % 3]
        (pictures / f"{name}.jpg").write_bytes(jpeg(seed=number))
        label = "ai" if number % 2 else "real"
        samples.append(
            Sample(
                id=name, root="made", path=f"{name}.jpg", sha256=name, split=split, source="made", licence="CC0", label=label,
                generator="code" if label == "ai" else None, declared="anime" if number % 4 < 2 else "photo",
                width=160, height=120, format="JPEG", bytes=5000,
            )
        )  # fmt: skip
    out = tmp_path / "runs"
    write_dataset(Dataset(tuple(samples), {"made": str(pictures)}), out / "data" / "made")
    folder = out / "bundles" / "tiny"
    make_tiny_bundle(folder)
    tokens = np.random.default_rng(0).integers(-127, 127, (12, 12, 768)).astype(np.int8)
    told = {"mean": np.zeros((12, 768), np.float32), "step": np.full((12, 768), 0.01, np.float32)}
    np.savez(folder / "replay.npz", class_tokens=tokens, **told, ai=np.arange(12) % 2 == 0)
    return out
