"""Sheets of pictures with the domain they were given, for the eye. They show people: they stay beside the data."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from pellucid.records.dataset import Dataset, Sample
from pellucid.runtime.features import open_sample

CELL_PX, TEXT_PX, COLUMNS, ROWS = 160, 14, 10, 5


def write_sheets(dataset: Dataset, count: int, folder: Path, seed: int = 0) -> list[Path]:
    """`count` samples with a domain, half of each label where both are there, on PNG pages of 50."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = _choose([sample for sample in dataset.samples if sample.domain], count, seed)
    pages = []
    for start in range(0, len(chosen), COLUMNS * ROWS):
        page = folder / f"domains-{start // (COLUMNS * ROWS) + 1}.png"
        _page(dataset, chosen[start : start + COLUMNS * ROWS]).save(page)
        pages.append(page)
    return pages


def _choose(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    draw = random.Random(seed)
    halves = [[sample for sample in samples if (sample.label == "ai") == ai] for ai in (True, False)]
    chosen = [sample for half in halves for sample in draw.sample(half, min(len(half), count // 2))]
    draw.shuffle(chosen)
    return chosen


def _page(dataset: Dataset, samples: Sequence[Sample]) -> Image.Image:
    page = Image.new("RGB", (COLUMNS * CELL_PX, ROWS * (CELL_PX + TEXT_PX)), "white")
    draw = ImageDraw.Draw(page)
    for number, sample in enumerate(samples):
        left, top = number % COLUMNS * CELL_PX, number // COLUMNS * (CELL_PX + TEXT_PX)
        image = open_sample(dataset, sample)
        image.thumbnail((CELL_PX, CELL_PX))
        page.paste(image, (left, top + TEXT_PX))
        draw.text((left + 2, top + 1), f"{number + 1} {sample.domain} [{sample.label}]", fill="black")
    return page
