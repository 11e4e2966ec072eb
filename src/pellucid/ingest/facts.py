"""What a file tells of itself in what the encoder receives: the shortcuts a detector would take if it were let.

    equalised   the served chain (`runtime.views.carrier`): a square, at most so many pixels, one JPEG
    squash      the whole picture squashed to the encoder's square: the distortion stays visible
    none        the file as it came

Only the first is served; the others show that the guard can refuse.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from pellucid.ingest.checks import Check
from pellucid.ingest.recipe import Chain
from pellucid.records.bundle import ViewSpec
from pellucid.records.dataset import Dataset, Sample
from pellucid.runtime.features import open_sample
from pellucid.runtime.views import caption_view, carrier

# Columns of `facts_of`, by the name of the leak they would be.
GROUPS: dict[str, tuple[int, ...]] = {"aspect": (0,), "format": (1,), "size": (2, 3), "compression": (4, 5, 6)}
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "MPO")


@dataclass(frozen=True)
class Facts:
    """`stretch` is how much wider than tall things look than they are, or the aspect itself where nothing is stretched."""

    stretch: float
    format: float
    width: float
    height: float
    bytes: float
    bits_per_pixel: float
    quantisation: float


def facts_of(
    dataset: Dataset, samples: Sequence[Sample], checks: Sequence[Check], chain: Chain, spec: ViewSpec, workers: int
) -> NDArray[np.float32]:
    """[n, 7] in the order of `samples`; columns as `Facts`."""
    if chain == "none":
        return np.array([astuple(_of_file(check)) for check in checks], dtype=np.float32)
    after = _equalised if chain == "equalised" else _squashed

    def one(sample: Sample) -> tuple[float, ...]:
        return astuple(after(open_sample(dataset, sample), spec))

    with ThreadPoolExecutor(workers) as pool:
        rows = list(tqdm(pool.map(one, samples), total=len(samples), unit="picture", desc=f"facts, {chain}"))
    return np.array(rows, dtype=np.float32)


def _of_file(check: Check) -> Facts:
    known = FORMATS.index(check.format) if check.format in FORMATS else len(FORMATS)
    bits = 8 * check.bytes / (check.width * check.height)
    return Facts(check.width / check.height, known, check.width, check.height, check.bytes, bits, check.quantisation)


def _equalised(image: Image.Image, spec: ViewSpec) -> Facts:
    """The carrier is always a JPEG of one quality; its size and its bytes are all that can still differ."""
    return _of_pixels(carrier(image, spec), 1.0, spec)


def _squashed(image: Image.Image, spec: ViewSpec) -> Facts:
    return _of_pixels(caption_view(image, spec), image.width / image.height, spec)


def _of_pixels(image: Image.Image, stretch: float, spec: ViewSpec) -> Facts:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=spec.jpeg_quality, subsampling=2)
    size = file.tell()
    return Facts(stretch, 0.0, image.width, image.height, size, 8 * size / (image.width * image.height), 0.0)
