"""How sure the reader of open watermarks is: real pictures against the messages, and what a picture costs.

    PYTHONPATH=src python benchmarks/watermark.py FOLDER …      folders of pictures without a mark

Every picture is judged as it is and at 512, 768 and 1,024 pixels across, where rows of blocks fall into step with the messages.
Beside the known messages each is judged against random ones of the same lengths: they are as unlikely to be there, and many.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pellucid.analyse.watermark import ENOUGH, MESSAGES, MIN_PIXELS, agreement, block_bits
from pellucid.base.errors import ImageError
from pellucid.base.pixels import decode

RANDOM_MESSAGES = 100
WIDTHS_PX = (512, 768, 1024)


def main(folders: list[str]) -> None:
    draw = np.random.default_rng(0)
    lengths = sorted({len(message) for message in MESSAGES.values()})
    random = [draw.integers(0, 2, length, dtype=np.uint8) for length in lengths for _ in range(RANDOM_MESSAGES)]
    known, chance, files, judged = [], [], 0, 0
    for picture in _pictures(folders):
        files += 1
        for image in _sizes(picture):
            judged += 1
            bits = block_bits(image)
            known.append(max(agreement(bits, message) for message in MESSAGES.values()))
            chance += [agreement(bits, message) for message in random]
    print(f"{files} pictures, {judged} sizes; {ENOUGH:g} standard errors are asked")
    for name, scores in (("known messages, the best a size", known), ("random messages, each", chance)):
        percentiles = ", ".join(f"{share} %: {np.percentile(scores, share):.2f}" for share in (50, 99, 99.9))
        over = sum(score >= ENOUGH for score in scores)
        print(f"{name}: n = {len(scores)}, {percentiles}, most: {max(scores):.2f}, over the bound: {over}")
    print(f"cost of a picture of 1080 x 1350: {_cost_ms():.1f} ms CPU")


def _pictures(folders: list[str]) -> Iterator[Image.Image]:
    for path in sorted(path for folder in folders for path in Path(folder).rglob("*") if path.is_file()):
        try:
            yield decode(path.read_bytes()).image
        except ImageError:
            continue


def _sizes(image: Image.Image) -> Iterator[Image.Image]:
    if image.width * image.height >= MIN_PIXELS:
        yield image
    for width in WIDTHS_PX:
        height = round(image.height * width / image.width)
        if width != image.width and width * height >= MIN_PIXELS:
            yield image.resize((width, height), Image.Resampling.BICUBIC)


def _cost_ms() -> float:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1350, 1080, 3), dtype=np.uint8))
    best = float("inf")
    for _ in range(9):
        begun = time.thread_time()
        bits = block_bits(image)
        for message in MESSAGES.values():
            agreement(bits, message)
        best = min(best, time.thread_time() - begun)
    return best * 1000


if __name__ == "__main__":
    main(sys.argv[1:])
