"""A detection problem that a tiny network can learn: upright stripes are "AI", level ones are "real"; phase and colours vary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pellucid.records.dataset import Dataset, Sample, write_dataset
from tests.pictures import saved

SIDE_PX, PERIOD_PX = 64, 16
SPLITS = ("train", "train", "train", "val")


def striped(is_ai: bool, seed: int) -> Image.Image:
    draw = np.random.default_rng(seed)
    along = np.arange(SIDE_PX)[None, :] if is_ai else np.arange(SIDE_PX)[:, None]
    wave = np.sin(2 * np.pi * (along / PERIOD_PX + draw.uniform())) * np.ones((SIDE_PX, SIDE_PX))
    pixels_hwc = draw.uniform(90, 160, 3) + 60 * wave[..., None] + draw.normal(0, 12, (SIDE_PX, SIDE_PX, 3))
    return Image.fromarray(np.clip(pixels_hwc, 0, 255).astype(np.uint8))


def toy_dataset(out: Path, name: str = "detection-data-smoke", count: int = 96) -> Dataset:
    """Written to `out/data/NAME`, its pictures beside it; three quarters are `train`."""
    pictures = out / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    samples = []
    for number in range(count):
        is_ai, identity = number % 2 == 1, f"{number:016x}"
        (pictures / f"{identity}.png").write_bytes(saved(striped(is_ai, number)))
        samples.append(
            Sample(
                id=identity, root="toy", path=f"{identity}.png", sha256=identity, split=SPLITS[number // 2 % 4], source="toy",
                licence="CC0", label="ai" if is_ai else "real", generator="stripes" if is_ai else None, domain="photo",
                group=f"pair-{number // 2}", width=SIDE_PX, height=SIDE_PX, format="PNG", bytes=1000,
            )
        )  # fmt: skip
    dataset = Dataset(tuple(samples), {"toy": str(pictures)})
    write_dataset(dataset, out / "data" / name)
    return dataset
