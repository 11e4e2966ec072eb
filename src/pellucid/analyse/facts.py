"""What the file is, apart from what it shows: size, format and the two hashes by which it is found again.

sha256 finds the same file; PDQ (Meta, 2019) finds the same picture after re-encoding and is what hash-sharing banks use.
"""

from __future__ import annotations

import numpy as np
import pdqhash
from numpy.typing import NDArray
from PIL import Image

from pellucid.base.pixels import Picture
from pellucid.records.report import ImageFacts

# PDQ first makes every picture 64 x 64; its authors ask for at most 512 a side before that.
PDQ_SIDE_PX = 512
# How a picture stands to one that has the hash of this place in `pdq_orientations`.
ORIENTATIONS = (
    "upright", "turned right", "upside down", "turned left", "flipped", "mirrored", "transposed", "transversed",
)  # fmt: skip


def image_facts(picture: Picture) -> ImageFacts:
    """Facts of a decoded picture; `pdq` is 64 hex digits, `pdq_quality` 0 to 100 (below 50 the hash says little)."""
    pdq, quality = picture.pdq or pdq_of(picture.image)
    return plain_facts(picture).model_copy(update={"pdq": pdq, "pdq_quality": quality})


def pdq_of(image: Image.Image) -> tuple[str, int]:
    """(hash as 64 hex digits, quality 0 to 100) of an RGB picture."""
    bits, quality = pdqhash.compute(np.asarray(_small(image)))
    return _hex(bits), int(quality)


def pdq_orientations(image: Image.Image) -> tuple[tuple[str, ...], int]:
    """(a hash for each of `ORIENTATIONS`, quality): the first is that of `pdq_of`, the others cost next to nothing more.

    They are derived from the same 16 x 16 coefficients, and differ in up to 18 bits from the hash of the picture so turned.
    """
    several, quality = pdqhash.compute_dihedral(np.asarray(_small(image)))
    return tuple(_hex(bits) for bits in several), int(quality)


def _hex(bits: NDArray[np.int_]) -> str:
    return np.packbits(bits).tobytes().hex()


def _small(image: Image.Image) -> Image.Image:
    """Means of whole blocks: a quarter of the time of a size hit exactly, and no further from the hash of the whole."""
    block = -(-max(image.size) // PDQ_SIDE_PX)
    return image.reduce(block) if block > 1 else image


def plain_facts(picture: Picture) -> ImageFacts:
    """What decoding alone tells."""
    return ImageFacts(
        sha256=picture.sha256, format=picture.format, width=picture.width, height=picture.height, bytes=picture.bytes,
        notes=list(picture.notes),
    )  # fmt: skip
