"""The one preprocessing chain that training, evaluation and serving share: picture → what the encoder receives.

Detectors learn the file rather than the picture: format, size and compression alone separate public AI sets almost
perfectly. So every picture, of either label and of whatever bytes, takes the same way to the detector: the largest centred
square, at most `side` pixels, one JPEG of fixed quality, the encoder's size. Captions see the whole picture, squashed,
as their training pictures were (docs/adr/0002-views.md).
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pellucid.records.bundle import ViewSpec

JPEG_BLOCK_PX = 16


def detection_view(image: Image.Image, spec: ViewSpec) -> Image.Image:
    """The centred square as an `encoder_px` RGB picture, after the chain that equalises files."""
    return _fit(carrier(image, spec), spec.encoder_px)


def carrier(image: Image.Image, spec: ViewSpec) -> Image.Image:
    """The equalised square (at most `side_px`, one JPEG): the last picture in which file facts could still hide."""
    return through_jpeg(_centre_square(image, spec.side_px), spec.jpeg_quality)


def caption_view(image: Image.Image, spec: ViewSpec) -> Image.Image:
    """The whole picture squashed to `encoder_px` square."""
    return _fit(image, spec.encoder_px)


def to_tensor(image: Image.Image, spec: ViewSpec) -> NDArray[np.float32]:
    """RGB picture of `encoder_px` → normalised float32 [3, H, W]."""
    (only,) = to_tensors(np.asarray(image)[None], spec)
    return np.asarray(only)


def to_tensors(pixels_nhwc: NDArray[np.uint8], spec: ViewSpec) -> NDArray[np.float32]:
    """RGB bytes [n, H, W, 3] → normalised float32 [n, 3, H, W]."""
    scaled = pixels_nhwc.astype(np.float32) / 255.0
    normalised = (scaled - np.array(spec.mean, np.float32)) / np.array(spec.std, np.float32)
    return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))


def through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    """The picture as it comes back from one JPEG of `quality` (4:2:0)."""
    return through(image, "JPEG", quality=quality, subsampling=2)


def through(image: Image.Image, file_format: str, **options: int) -> Image.Image:
    """The picture as it comes back from being saved in `file_format`."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    decoded = Image.open(io.BytesIO(file.getvalue()))
    decoded.load()
    return decoded.convert("RGB")


def _centre_square(image: Image.Image, side_px: int) -> Image.Image:
    """Largest centred square; where it need not shrink, its corner keeps to the grid of JPEG blocks.

    A picture that went through the same chain before then comes out (nearly) as it went in, so a second JPEG is no cue.
    """
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    if side <= side_px:
        left, top = (offset - offset % JPEG_BLOCK_PX for offset in (left, top))
        return image.crop((left, top, left + side, top + side))
    box = (left, top, left + side, top + side)
    return image.resize((side_px, side_px), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def _fit(image: Image.Image, side_px: int) -> Image.Image:
    if image.size == (side_px, side_px):
        return image
    return image.resize((side_px, side_px), Image.Resampling.BICUBIC, reducing_gap=3.0)


def raw_tensor(image: Image.Image) -> NDArray[np.float32]:
    """RGB picture → [3, H, W] of 0 to 255, as the safety model takes it."""
    return np.asarray(image, dtype=np.float32).transpose(2, 0, 1)
